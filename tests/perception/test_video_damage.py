"""Broken files: one clear line where nothing can be read, and all that can where something can."""

import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from placecell.errors import VideoError
from placecell.perception.clips import VideoWriter
from placecell.perception.video import Video


def shade(number: int) -> np.ndarray:
    """A picture whose brightness and stripes tell its number."""
    rgb = np.full((64, 96, 3), 40, np.uint8)
    for bit in range(8):
        rgb[:, bit * 12 : bit * 12 + 12, 0] = 220 if number >> bit & 1 else 30
    rgb[::2, :, 1] = (np.arange(96) * 3 + number * 7) % 200
    return rgb


def number_of(rgb: np.ndarray) -> int:
    return sum(int(rgb[20:44, bit * 12 + 4 : bit * 12 + 8, 0].mean() > 125) << bit for bit in range(8))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds at 25 frames a second in three containers."""
    folder = tmp_path_factory.mktemp("whole")
    with VideoWriter(folder / "a.mp4", fps=25, size=(96, 64), crf=10) as writer:
        for number in range(250):
            writer.write(shade(number))
    for suffix in ("mkv", "ts", "late.mp4"):
        with av.open(str(folder / "a.mp4")) as source, av.open(str(folder / f"a.{suffix}"), "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
    return folder


def all_right_but_flagged(video: Video) -> list[Any]:
    """All frames; each shows what its stamp says, or is flagged as damaged."""
    frames = list(video.frames(0, exact=True))
    for frame in frames:
        assert frame.is_damaged or number_of(frame.rgb) == round(frame.stamp_s * 25)
    return frames


def one_line(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        Video.open(path)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path))
    return message


def test_what_cannot_be_read_says_so_in_one_line(tmp_path: Path, whole: Path) -> None:
    assert "no such file" in one_line(tmp_path / "none.mp4")
    assert "this is a folder" in one_line(tmp_path)
    for name, content in [("empty.mp4", b""), ("noise.mp4", np.random.default_rng(0).bytes(5000))]:
        (tmp_path / name).write_bytes(content)
        assert "no video that can be read" in one_line(tmp_path / name)
    (tmp_path / "notes.txt").write_text("once upon a time\n" * 50)
    assert "expected a video" in one_line(tmp_path / "notes.txt")
    with av.open(str(tmp_path / "photo.png"), "w", format="image2") as container:
        stream: Any = container.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(shade(3), format="rgb24")))
    assert "expected a video" in one_line(tmp_path / "photo.png")
    raw = (whole / "a.late.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(raw[: len(raw) // 2])  # the table of contents came last and is gone
    assert "cut off" in one_line(tmp_path / "cut.mp4")


def test_sound_only(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        stream: Any = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "sound only" in one_line(tmp_path / "song.mp4")


def test_a_video_without_frames(tmp_path: Path, whole: Path) -> None:
    raw = (whole / "a.mkv").read_bytes()
    first_cluster = raw.index(bytes.fromhex("1f43b675"))
    (tmp_path / "none.mkv").write_bytes(raw[:first_cluster])
    message = one_line(tmp_path / "none.mkv")
    assert "no frames" in message or "cut off" in message


def test_a_video_whose_frames_are_all_gone(tmp_path: Path, whole: Path) -> None:
    raw = bytearray((whole / "a.mp4").read_bytes())
    begin = raw.index(b"mdat") + 4
    raw[begin:] = bytes(len(raw) - begin)
    (tmp_path / "zeros.mp4").write_bytes(raw)
    assert re.search("none of the video's 250 packets decodes", one_line(tmp_path / "zeros.mp4"))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_cut_video_gives_what_came_before_and_says_from_where(tmp_path: Path, whole: Path, name: str) -> None:
    raw = (whole / name).read_bytes()
    (tmp_path / name).write_bytes(raw[: len(raw) * 6 // 10])
    with Video.open(tmp_path / name) as video:
        frames = all_right_but_flagged(video)
        assert 100 < len(frames) < 190 and not frames[0].is_damaged
        (span,) = video.damage
        assert abs(span[0] - frames[-1].stamp_s) < 0.2 and span[1] == pytest.approx(10.0, abs=0.1)
        (line,) = video.damage_lines()
        assert line.startswith(f"{name}: damaged from 0:00:0") and line.endswith("to 0:00:10.000")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("seed", range(4))
def test_damage_in_the_middle_is_passed_over_and_told(tmp_path: Path, whole: Path, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = bytearray((whole / name).read_bytes())
    begin = round(len(raw) * rng.uniform(0.4, 0.6))
    length = len(raw) // 40
    raw[begin : begin + length] = rng.bytes(length) if seed % 2 else bytes(length)
    (tmp_path / name).write_bytes(raw)
    with Video.open(tmp_path / name) as video:
        frames = all_right_but_flagged(video)
        assert len(frames) > 180 and frames[-1].stamp_s > 9.9 and not frames[-1].is_damaged
        assert video.damage and all(3.0 < a < b < 8.1 for a, b in video.damage)
        missing = set(range(250)) - {round(frame.stamp_s * 25) for frame in frames}
        flagged = {round(frame.stamp_s * 25) for frame in frames if frame.is_damaged}
        told = {i for i in range(250) for a, b in video.damage if a - 0.05 <= i / 25 <= b}
        assert missing | flagged <= told


def test_reading_around_the_damage_reports_none(tmp_path: Path, whole: Path) -> None:
    raw = bytearray((whole / "a.mp4").read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 500] = bytes(500)
    (tmp_path / "a.mp4").write_bytes(raw)
    with Video.open(tmp_path / "a.mp4") as video:
        assert len(list(video.frames(0, end_s=3.0))) == 75
        assert video.damage == [] and video.damage_lines() == []


def test_names_with_colons_and_percents(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "10:30 100%d [walk].mp4"
    path.write_bytes((whole / "a.mp4").read_bytes())
    with Video.open(path) as video:
        assert video.info.num_frames == 250
