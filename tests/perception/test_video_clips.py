"""Writing videos, clips and thumbnails, and reading them back."""

from pathlib import Path

import av
import numpy as np
import pytest

from placecell.errors import VideoError
from placecell.perception.clips import VideoWriter, save_clip, thumbnail
from placecell.perception.video import Video


def grey(level: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    rgb = np.full((size[1], size[0], 3), level, np.uint8)
    rgb[:, : size[0] // 2, 0] = 255 - level
    return rgb


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds at 10 frames a second, 3 levels brighter with each frame, a keyframe every two seconds."""
    path = tmp_path_factory.mktemp("clips") / "walk.mp4"
    with VideoWriter(path, fps=10, size=(96, 64), crf=5, keyframe_s=2) as writer:
        for number in range(80):
            writer.write(grey(3 * number))
    return path


def test_what_was_written_is_read(walk: Path) -> None:
    with Video.open(walk) as video:
        info = video.info
        assert (info.codec, info.width, info.height, info.num_frames) == ("h264", 96, 64, 80)
        assert info.duration_s == pytest.approx(8.0) and info.mean_fps == pytest.approx(10.0)
        for number, frame in enumerate(video.frames(0, exact=True)):
            assert frame.stamp_s == pytest.approx(number / 10)
            assert abs(frame.rgb.astype(int) - grey(3 * number))[:, 60:].max() <= 6


def test_the_table_of_contents_comes_first(walk: Path) -> None:
    raw = walk.read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")
    with av.open(str(walk)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_stamps_may_be_uneven(tmp_path: Path) -> None:
    stamps = [0.0, 0.1, 0.5, 2.25, 2.3]
    with VideoWriter(tmp_path / "uneven.mp4", fps=30, size=(64, 48)) as writer:
        for stamp_s in stamps:
            writer.write(grey(100, (64, 48)), stamp_s)
        with pytest.raises(ValueError, match="stamps must rise"):
            writer.write(grey(100, (64, 48)), 2.3)
    with Video.open(tmp_path / "uneven.mp4") as video:
        assert [frame.stamp_s for frame in video.frames(0)] == pytest.approx(stamps)
        assert video.info.is_variable_rate


def test_odd_sizes_lose_a_row_and_a_column(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "odd.mp4", fps=10, size=(65, 49)) as writer:
        writer.write(grey(50, (65, 49)))
    with Video.open(tmp_path / "odd.mp4") as video:
        assert video.display_size == (64, 48)


def test_an_unfinished_video_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4", fps=10, size=(64, 48)) as writer:
        writer.write(grey(1, (64, 48)))
        raise KeyboardInterrupt
    VideoWriter(tmp_path / "b.mp4", fps=10, size=(64, 48)).close()
    assert list(tmp_path.iterdir()) == []


def test_bad_writing_is_refused(tmp_path: Path) -> None:
    for arguments in [{"fps": 0}, {"size": (1, 5)}, {"crf": 99}]:
        with pytest.raises(ValueError, match=next(iter(arguments))):
            VideoWriter(tmp_path / "a.mp4", **{"fps": 10, "size": (64, 48), **arguments})
    with pytest.raises(VideoError, match="could not be written"):
        VideoWriter(tmp_path / "nowhere" / "a.mp4", fps=10, size=(64, 48))
    with VideoWriter(tmp_path / "c.mp4", fps=10, size=(64, 48)) as writer:
        with pytest.raises((ValueError, TypeError), match="shape"):
            writer.write(np.zeros((10, 10, 3), np.uint8))
        writer.write(grey(1, (64, 48)))
    with pytest.raises(ValueError, match="closed"):
        writer.write(grey(1, (64, 48)))


def test_a_copied_clip_begins_at_a_keyframe_and_shows_the_same(walk: Path, tmp_path: Path) -> None:
    begin_s, end_s = save_clip(walk, 3.3, 5.0, tmp_path / "clip.mp4")
    assert begin_s == 2.0 and 5.0 <= end_s < 5.5
    with Video.open(walk) as video, Video.open(tmp_path / "clip.mp4") as clip:
        theirs = list(video.frames(0, begin_s, 5.0, exact=True))
        ours = list(clip.frames(0, 0.0, 5.0 - begin_s, exact=True))
    assert [frame.stamp_s + begin_s for frame in ours] == pytest.approx([frame.stamp_s for frame in theirs])
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(ours, theirs, strict=True))


def test_an_exact_clip_has_just_the_frames_asked_for(walk: Path, tmp_path: Path) -> None:
    assert save_clip(walk, 3.3, 5.0, tmp_path / "clip.mp4", exact=True) == pytest.approx((3.3, 5.0))
    with Video.open(tmp_path / "clip.mp4") as clip:
        frames = list(clip.frames(0, exact=True))
    assert [frame.stamp_s for frame in frames] == pytest.approx([i / 10 for i in range(17)])
    assert abs(int(frames[0].rgb[10, 80, 1]) - 3 * 33) <= 6


def test_clips_outside_the_video_are_refused(walk: Path, tmp_path: Path) -> None:
    for start_s, end_s, message in [(5.0, 5.0, "end after"), (9.0, 10.0, "outside"), (-3.0, 0.0, "outside")]:
        with pytest.raises(ValueError, match=message):
            save_clip(walk, start_s, end_s, tmp_path / "clip.mp4")
    with pytest.raises(VideoError, match="no such file"):
        save_clip(tmp_path / "none.mp4", 0.0, 1.0, tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


def test_thumbnails(walk: Path) -> None:
    small = thumbnail(walk, 4.05, max_side=48)
    assert small.shape == (32, 48, 3)
    assert abs(int(small[16, 40, 1]) - 3 * 40) <= 6
    assert thumbnail(walk, 99.0).shape == (64, 96, 3)
    with pytest.raises(ValueError, match="max_side"):
        thumbnail(walk, 1.0, max_side=0)
