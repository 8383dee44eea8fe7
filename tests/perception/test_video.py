"""Reading videos: the right frames at the right times, whatever the plan, the container or the codec."""

import math
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.errors import VideoError
from placecell.perception import demux
from placecell.perception.plan import PacketIndex, make_plan
from placecell.perception.video import Video, content_key

SAMPLES = Path(os.environ.get("PLACECELL_SAMPLE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def picture(number: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """A picture that tells its number: 8 bits as dark and bright stripes, over a moving gradient."""
    width, height = size
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 1] = (np.arange(width)[None, :] * 2 + number * 5) % 128
    for bit in range(8):
        rgb[: height // 2, width * bit // 8 : width * (bit + 1) // 8] = 220 if number >> bit & 1 else 30
    return rgb


def number_of(rgb: np.ndarray) -> int:
    height, width = rgb.shape[:2]
    centres = [(2 * bit + 1) * width // 16 for bit in range(8)]
    return sum(int(rgb[height // 4, x].mean() > 125) << bit for bit, x in enumerate(centres))


def encode(
    path: Path,
    stamps_ms: list[int],
    codec: str = "libx264",
    size: tuple[int, int] = (96, 64),
    pix_fmt: str = "yuv420p",
    rotation_deg: int = 0,
    **options: str,
) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        # MPEG-4 and older codecs know the clock of a frame rate only.
        clock = Fraction(1, 25) if codec.startswith("mpeg") else Fraction(1, 1000)
        stream.time_base = stream.codec_context.time_base = clock
        stream.options = {"g": "12", **options}
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        for number, millis in enumerate(stamps_ms):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="rgb24")
            frame.pts, frame.time_base = round(millis / 1000 / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def steady(count: int, step_ms: int = 40) -> list[int]:
    return [i * step_ms for i in range(count)]


KINDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "bframes.mp4": {"bf": "3", "x264-params": "b-pyramid=normal:scenecut=0", "g": "50"},
    "opengop.mkv": {"bf": "3", "x264-params": "open-gop=1:scenecut=0", "g": "25"},
    "onegop.mkv": {"bf": "2", "x264-params": "scenecut=0", "g": "999"},
    "stream.ts": {"bf": "2"},
    "hevc.mp4": {"codec": "libx265", "x265-params": "log-level=none:bframes=3:keyint=25:open-gop=1"},
    "part2.avi": {"codec": "mpeg4"},
    "part2b.mp4": {"codec": "mpeg4", "bf": "2"},
    "mpeg2.mpg": {"codec": "mpeg2video", "bf": "2"},
    "vp9.webm": {"codec": "libvpx-vp9", "cpu-used": "8", "deadline": "realtime"},
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, arguments in KINDS.items():
        encode(folder / name, steady(200), **arguments)
    return folder


def every_picture(path: Path) -> list[tuple[float, np.ndarray]]:
    """All frames, decoded plainly from start to end."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        free = container.format.name in ("mpegts", "mpeg")
        origin = container.start_time / av.time_base if free else 0.0
        return [
            (float(f.pts * stream.time_base) - origin, f.to_ndarray(format="rgb24")) for f in container.decode(stream)
        ]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("every_s", [0.0, 0.1, 0.72, 1.0, 3.0])
def test_an_exact_plan_gives_what_full_decoding_gives(videos: Path, name: str, every_s: float) -> None:
    truth = every_picture(videos / name)
    with Video.open(videos / name) as video:
        got = list(video.frames(every_s, exact=True))
        assert video.damage == []
        ticks = np.arange(0, video.info.duration_s - 1e-5, every_s) if every_s else np.array([s for s, _ in truth])
    stamps = np.array([stamp_s for stamp_s, _ in truth])
    rows = np.unique(np.maximum(np.searchsorted(stamps, ticks + 1e-5, side="right") - 1, 0))
    assert [frame.stamp_s for frame in got] == pytest.approx(stamps[rows].tolist(), abs=1e-9)
    for row, frame in zip(rows, got, strict=True):
        assert np.array_equal(frame.rgb, truth[row][1])
        assert number_of(frame.rgb) == row


@pytest.mark.parametrize("name", KINDS)
def test_the_usual_plan_shows_the_frame_that_its_stamp_says(videos: Path, name: str) -> None:
    with Video.open(videos / name) as video:
        assert abs(video.info.num_frames - 200) <= 1
        frames = list(video.frames(1.0))
        assert 7 <= len(frames) <= 9
        for frame in frames:
            assert number_of(frame.rgb) == round(frame.stamp_s * 25)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from([name for name in KINDS if name != "mpeg2.mpg"]),
    every_s=st.sampled_from([0.0, 0.3, 0.5, 1.0, 2.0]),
    cuts=st.lists(st.floats(0.0, 9.0), max_size=3),
    exact=st.booleans(),
)
def test_parts_add_up_to_the_whole(videos: Path, name: str, every_s: float, cuts: list[float], exact: bool) -> None:
    bounds = [0.0, *sorted(cuts), math.inf]
    with Video.open(videos / name) as video:
        whole = list(video.frames(every_s, size=(48, 32), exact=exact))
        parts = [f for a, b in pairwise(bounds) for f in video.frames(every_s, a, b, (48, 32), exact)]
    assert [f.stamp_s for f in parts] == [f.stamp_s for f in whole]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(parts, whole, strict=True))


@pytest.mark.parametrize("name", KINDS)
def test_seeking_finds_the_frames_that_reading_through_finds(
    videos: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Video.open(videos / name) as video:
        moments = [0.3, 1.1, 2.6, 4.04, 6.0, 7.9]
        through = [(f.stamp_s, f.rgb) for f in video.frames_at(moments)]
        parts = [f.stamp_s for f in video.frames(0.5, 3.3, exact=True)]
        monkeypatch.setattr(demux, "SEEK_GAP", 1)
        sought = [(f.stamp_s, f.rgb) for f in video.frames_at(moments)]
        assert [f.stamp_s for f in video.frames(0.5, 3.3, exact=True)] == parts
        assert video.damage == []
    assert [stamp_s for stamp_s, _ in sought] == [stamp_s for stamp_s, _ in through]
    assert len(through) == len(moments)
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(through, sought, strict=True))


def test_a_run_goes_on_after_any_frame(videos: Path) -> None:
    with Video.open(videos / "bframes.mp4") as video:
        whole = [frame.stamp_s for frame in video.frames(0.5)]
        for i, stamp_s in enumerate(whole):
            assert [frame.stamp_s for frame in video.frames(0.5, start_s=stamp_s)] == whole[i:]


def test_plans_say_what_they_do(tmp_path: Path) -> None:
    with Video.open(encode(tmp_path / "short.mp4", steady(250), g="25", bf="0")) as video:
        keys, seek = video.plan(1.0), video.plan(1.0, exact=True)
        all_of_it = video.plan(0.04)
    assert (keys.kind, keys.num_decoded, len(keys)) == ("keyframes", 10, 10)
    assert (seek.kind, seek.num_decoded, seek.skips_loop_filter) == ("seek", 10, False)
    assert (all_of_it.kind, all_of_it.num_decoded) == ("sequential", 250)
    with Video.open(encode(tmp_path / "long.mp4", steady(250), g="250", bf="3")) as video:
        plan = video.plan(1.0)
    assert plan.kind == "sequential" and plan.skips_loop_filter
    assert plan.num_decoded < 0.8 * 250  # pictures that nothing depends on are left out
    assert "%" in plan.reason and "at most 1 s apart" in keys.reason


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=0, max_size=60), st.floats(0.05, 4.0), st.integers(0, 10**6))
def test_each_moment_gets_the_frame_on_display(steps_ms: list[int], every_s: float, seed: int) -> None:
    """On packets alone, so any frame times, against the definition moment by moment."""
    pts = np.cumsum([0, *steps_ms]).astype(np.int64)
    keys = np.random.default_rng(seed).uniform(size=len(pts)) < 0.2
    all_of = np.ones(len(pts), bool)
    index = PacketIndex(pts, keys, ~all_of, all_of, ~all_of, (1, 1000), last_duration_s=0.04)
    expected = set()
    for k in range(math.floor((index.duration_s - 1e-6) / every_s) + 1):
        on_display = [p / 1000 for p in pts.tolist() if p / 1000 <= k * every_s + 1e-6]
        expected.add(on_display[-1])
    plan = make_plan(index, every_s, exact=True)
    assert plan.stamps_s.tolist() == pytest.approx(sorted(expected))
    assert plan.needed[plan.targets].all()
    assert plan.num_decoded == plan.needed.sum()


def test_uneven_frame_times_stay_uneven(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 500, 520, 3000, 3100, 3900, 4000, 9000, 9040]
    with Video.open(encode(tmp_path / "uneven.mkv", stamps)) as video:
        assert video.info.is_variable_rate
        assert [f.stamp_s for f in video.frames(0)] == pytest.approx([s / 1000 for s in stamps])
        seen = [(f.stamp_s, number_of(f.rgb)) for f in video.frames(1.0, exact=True)]
    assert seen == [(0.0, 0), (0.52, 4), (3.0, 5), (4.0, 8), (9.0, 9)]


def test_a_raw_stream_has_no_times_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="a raw stream without times"):
        Video.open(encode(tmp_path / "raw.h264", steady(30)))


def test_a_steady_video_is_called_steady(tmp_path: Path) -> None:
    with Video.open(encode(tmp_path / "even.mkv", [round(i * 1001 / 30) for i in range(60)])) as video:
        assert not video.info.is_variable_rate
        assert video.info.mean_fps == pytest.approx(29.97, abs=0.05)


@pytest.mark.parametrize("rotation_deg", [90, 180, 270])
def test_rotated_videos_come_upright(tmp_path: Path, rotation_deg: int) -> None:
    plain = encode(tmp_path / "plain.mp4", steady(5))
    turned = encode(tmp_path / "turned.mp4", steady(5), rotation_deg=rotation_deg)
    with Video.open(plain) as a, Video.open(turned) as b:
        upright = next(a.frames(0)).rgb
        assert b.info.rotation_deg == (360 - rotation_deg) % 360
        # The writer's turn is counterclockwise, as in ffmpeg's -display_rotation.
        assert np.array_equal(next(b.frames(0)).rgb, np.rot90(upright, rotation_deg // 90))
        assert (b.info.height, b.info.width) == next(b.frames(0)).rgb.shape[:2]
        width, height = b.display_size
        assert next(b.frames(0, size=(width // 2, height // 2))).rgb.shape == (height // 2, width // 2, 3)


@pytest.mark.parametrize(
    ("codec", "size", "pix_fmt"),
    [
        ("libx264", (97, 63), "yuv444p"),
        ("libx264", (96, 64), "yuv420p10le"),
        ("libx264", (96, 64), "gray"),
        ("ffv1", (95, 61), "yuv420p"),
        ("libx265", (96, 64), "yuv420p10le"),
    ],
)
def test_odd_sizes_and_depths(tmp_path: Path, codec: str, size: tuple[int, int], pix_fmt: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with Video.open(encode(tmp_path / "odd.mkv", steady(60), codec, size, pix_fmt, **options)) as video:
        assert (video.info.width, video.info.height) == size
        frames = list(video.frames(0.6, exact=True))
        assert [number_of(f.rgb) for f in frames] == [0, 15, 30, 45]
        assert frames[0].rgb.shape == (size[1], size[0], 3)
        assert next(video.frames(1.0, size=(33, 17))).rgb.shape == (17, 33, 3)


def test_a_video_of_one_frame(tmp_path: Path) -> None:
    with Video.open(encode(tmp_path / "one.mp4", [0])) as video:
        assert video.info.num_frames == 1 and not video.info.is_variable_rate
        assert [f.stamp_s for f in video.frames(1.0)] == [0.0]
        assert [f.stamp_s for f in video.frames_at([5.0, 0.0])] == [0.0]
        assert list(video.frames(1.0, start_s=0.5)) == []


def test_frames_at_moments(videos: Path) -> None:
    with Video.open(videos / "bframes.mp4") as video:
        frames = list(video.frames_at([7.999, 0.05, 0.04, 3.0, 99.0]))
        assert [number_of(f.rgb) for f in frames] == [1, 75, 199]
        assert list(video.frames_at([])) == []


def test_shrinking_averages(tmp_path: Path) -> None:
    """A fine chequered pattern shrinks to grey, not to stripes."""
    with av.open(str(tmp_path / "fine.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv444p"
        fine = np.repeat((np.indices((240, 320)).sum(0) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(fine, format="rgb24")))
        container.mux(stream.encode(None))
    with Video.open(tmp_path / "fine.mkv") as video:
        small = next(video.frames(0, size=(50, 50))).rgb
    assert abs(small.astype(int) - 127).max() < 12


def test_shortcuts_change_pixels_little(videos: Path) -> None:
    with Video.open(videos / "onegop.mkv") as video:
        quick = list(video.frames(1.0, size=(48, 32)))
        exact = list(video.frames(1.0, size=(48, 32), exact=True))
    assert [f.stamp_s for f in quick] == [f.stamp_s for f in exact]
    assert np.mean([abs(a.rgb.astype(int) - b.rgb).mean() for a, b in zip(quick, exact, strict=True)]) < 3.0


def test_threads_change_nothing(videos: Path) -> None:
    with Video.open(videos / "bframes.mp4") as one, Video.open(videos / "bframes.mp4", num_threads=4) as four:
        for a, b in zip(one.frames(0.2), four.frames(0.2), strict=True):
            assert a.stamp_s == b.stamp_s and np.array_equal(a.rgb, b.rgb)


def test_iterators_are_independent(videos: Path) -> None:
    with Video.open(videos / "h264.mp4") as video:
        alone = [f.stamp_s for f in video.frames(0.5)]
        both = list(zip(video.frames(0.5), video.frames(0.5), strict=True))
    assert [a.stamp_s for a, _ in both] == [b.stamp_s for _, b in both] == alone


def test_the_content_key_follows_the_content(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.mp4", steady(20))
    shutil.copy(first, tmp_path / "renamed.mkv")
    assert content_key(first) == content_key(tmp_path / "renamed.mkv")
    changed = bytearray(first.read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "b.mp4").write_bytes(changed)
    assert content_key(first) != content_key(tmp_path / "b.mp4")
    big = tmp_path / "big.bin"
    with big.open("wb") as file:
        file.truncate(1 << 30)
    whole = content_key(big)
    with big.open("r+b") as file:
        file.seek((1 << 30) - 1)
        file.write(b"x")
    assert content_key(big) != whole


def test_sound_does_not_get_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sound: Any = container.add_stream("aac", rate=16000)
        for number in range(50):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
            noise = av.AudioFrame.from_ndarray(np.zeros((1, 640), np.float32), format="fltp", layout="mono")
            noise.sample_rate, noise.pts = 16000, number * 640
            container.mux(sound.encode(noise))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    with Video.open(path) as opened:
        assert opened.info.has_audio
        assert [number_of(f.rgb) for f in opened.frames(0.4, exact=True)] == [0, 10, 20, 30, 40]


RESIDENT = """
import os, sys
from pathlib import Path
from placecell.perception.video import Video
with Video.open(sys.argv[1]) as video:
    print(video.info.duration_s)
    for i, _ in enumerate(video.frames(1.0, size=(224, 224), exact=True)):
        if i % 1200 == 600:
            print(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
"""


@pytest.mark.slow
def test_memory_stays_flat_over_four_hours(tmp_path: Path) -> None:
    """One minute, its packets written 240 times over; resident memory is read while the frames pass by."""
    minute = encode(tmp_path / "minute.mp4", steady(1500), g="50")
    with av.open(str(minute)) as source, av.open(str(tmp_path / "hours.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in source.demux(video=0) if p.dts is not None]
        tick = source.streams.video[0].time_base
        for turn in range(240):
            for content, pts, dts, is_key in packets:
                packet = av.Packet(content)
                packet.stream, packet.time_base, packet.is_keyframe = stream, tick, is_key
                packet.pts, packet.dts = pts + round(turn * 60 / tick), dts + round(turn * 60 / tick)
                target.mux(packet)
    # A process of its own: what other tests leave behind in this one moves its memory, too.
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT, str(tmp_path / "hours.mp4")], capture_output=True, text=True, check=True
    )
    duration_s, *resident = (float(word) for word in done.stdout.split())
    assert duration_s == pytest.approx(4 * 3600, abs=0.1)
    assert len(resident) == 12
    assert max(resident) - resident[0] < 8.0, resident


@cache
def needs(name: str) -> Path:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"{name} is not in {SAMPLES} (set PLACECELL_SAMPLE_DATA)")
    return path


def test_a_street_camera_with_sound() -> None:
    with Video.open(needs("car-detection.mp4")) as video:
        info = video.info
        assert (info.codec, info.width, info.height, info.num_frames, info.has_audio) == ("h264", 768, 432, 377, True)
        assert not info.is_variable_rate and info.mean_fps == pytest.approx(12.5)
        frames = list(video.frames(1.0, size=(224, 126), exact=True))
        assert len(frames) == 31 and video.damage == []
        assert all(0 <= k - f.stamp_s < 0.08 + 1e-6 for k, f in enumerate(frames))


def test_a_walk_with_uneven_frame_times() -> None:
    path = needs("hm3d-walk.mp4")
    with Video.open(path) as video:
        assert video.info.is_variable_rate and (video.info.width, video.info.height) == (1280, 720)
        got = list(video.frames(0, end_s=4.0, size=(64, 36), exact=True))
    with av.open(str(path)) as container:
        frames = takewhile(lambda frame: frame.time < 4.0, container.decode(video=0))
        truth = [float(frame.pts * frame.time_base) for frame in frames]
    assert [frame.stamp_s for frame in got] == pytest.approx(truth)
    assert len(set(np.diff(truth).round(3))) > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every_s": -1.0}, "every_s"),
        ({"every_s": math.nan}, "every_s"),
        ({"start_s": math.inf}, "start_s"),
        ({"start_s": 2.0, "end_s": 1.0}, "end_s"),
        ({"size": (0, 10)}, "size"),
    ],
)
def test_bad_arguments_are_refused(videos: Path, arguments: dict[str, Any], message: str) -> None:
    with Video.open(videos / "h264.mp4") as video, pytest.raises(ValueError, match=message):
        video.frames(**arguments)
