"""From videos to records: the same ones however often a run is stopped, one bad file beside good ones, flat memory."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from placecell.errors import EncoderMismatchError, PlacecellError, VideoError
from placecell.ingest import DAMAGED, IngestReport, IngestSettings, Progress, ingest, place_of, video_files
from placecell.memory.log import Log
from placecell.memory.memory import Memory
from placecell.perception.clips import VideoWriter
from placecell.perception.encoders import open_encoder
from placecell.pipeline import ahead, in_batches

SAMPLES = Path(os.environ.get("PLACECELL_SAMPLE_DATA", Path(__file__).parents[2] / "shared" / "data"))
QUICK = IngestSettings(tiles=0)
SRT = (
    "1\n00:00:01,000 --> 00:00:02,000\nthe keys are on the shelf\n\n2\n00:00:xx --> nonsense\nlost\n\n"
    "3\n00:00:05,500 --> 00:00:06,000\nmind the step\n\n4\n00:00:31,200 --> 00:00:32,000\nlights off\n"
)


def scene(number: int, shift: int, size: tuple[int, int] = (128, 96)) -> np.ndarray:
    blocks = np.random.default_rng(number).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.roll(cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST), shift, axis=1)


def film(path: Path, seconds: float = 40.0, fps: int = 5, size: tuple[int, int] = (128, 96)) -> Path:
    """A video whose scene changes every eight seconds."""
    with VideoWriter(path, fps=fps, size=size) as writer:
        for number in range(round(seconds * fps)):
            writer.write(scene(number // (8 * fps), number % 9, size))
    return path


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    (folder / "walk.srt").write_text(SRT)
    return film(folder / "walk.mp4")


@pytest.fixture(scope="module")
def encoder() -> Any:
    return open_encoder("builtin", threads=1)


def rows(memory: Memory) -> list[tuple[Any, ...]]:
    """Everything that two runs must agree in: all but the wall clock."""
    return [
        (
            str(record.record_id),
            record.kind,
            record.stamp_s,
            record.end_s,
            None if record.embeddings is None else record.embeddings.tobytes(),
            record.text,
            record.labels,
            record.source,
            record.is_event_start,
            memory.picture_jpeg(record.record_id),
        )
        for record in memory.records()
    ]


def test_a_video_gives_moments_words_and_events(walk: Path, encoder: Any, tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m", encoder=encoder) as memory:
        report = ingest(walk, memory)
        records = list(memory.records())
    moments = [record for record in records if record.kind == "moment"]
    assert [record.stamp_s for record in moments] == [float(second) for second in range(40)]
    assert [record.end_s for record in moments] == [second + 1.0 for second in range(40)]
    starts = [record.stamp_s for record in moments if record.is_event_start]
    assert {0.0, 8.0, 16.0, 24.0, 32.0} <= set(starts) and len(starts) <= 8
    words = [(record.stamp_s, record.text) for record in records if record.kind == "text"]
    assert words == [(1.0, "the keys are on the shelf"), (5.5, "mind the step"), (31.2, "lights off")]
    assert all(record.embeddings is not None and len(record.embeddings) == 10 for record in moments)
    assert (report.num_moments, report.num_texts, report.num_events, report.num_vectors) == (40, 3, len(starts), 10)
    assert report.state == "done" and report.times_real_time > 0 and set(report.stage_seconds) >= {"decode", "encode"}
    assert "1 broken subtitle rows skipped" in report.notes[0]


class Stop(KeyboardInterrupt):
    pass


@pytest.mark.parametrize("batch_size", [3, 16])
def test_a_run_stopped_again_and_again_gives_the_records_of_an_undisturbed_one(
    walk: Path, encoder: Any, tmp_path: Path, batch_size: int
) -> None:
    settings = IngestSettings(batch_size=batch_size)
    with Memory.open(tmp_path / "whole", encoder=encoder) as memory:
        ingest(walk, memory, settings)
        expected = rows(memory)
    resumed: list[float | None] = []
    while len(resumed) < 20:
        begin_s = resumed[-1] or 0.0 if resumed else 0.0

        def stop(progress: Progress, begin_s: float = begin_s) -> None:
            if progress.at_s >= begin_s + 11:  # the detector of events looks eight moments ahead
                raise Stop

        with Memory.open(tmp_path / "parts", encoder=encoder) as memory:
            with contextlib.suppress(Stop):
                report = ingest(walk, memory, settings, on_progress=stop)
                if report.state == "unchanged":
                    assert rows(memory) == expected
                    break
            resumed.append(next((row[2] for row in reversed(rows(memory)) if row[1] == "moment"), None))
    assert len(resumed) > 2 and report.state == "unchanged"


def test_a_batch_that_could_not_be_written_is_written_by_the_next_run(
    walk: Path, encoder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Memory.open(tmp_path / "whole", encoder=encoder) as memory:
        ingest(walk, memory, QUICK)
        expected = rows(memory)
    append, calls = Log.append, []

    def failing(self: Log, *arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise PlacecellError("the disk is full")
        return append(self, *arguments, **named)

    with Memory.open(tmp_path / "parts", encoder=encoder) as memory:
        with monkeypatch.context() as patch, pytest.raises(PlacecellError, match="disk is full"):
            patch.setattr(Log, "append", failing)
            ingest(walk, memory, QUICK)
        assert 0 < len(memory) < len(expected)
        assert ingest(walk, memory, QUICK).resumed_at_s is not None
        assert rows(memory) == expected


def _command(video: Path, folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "placecell.cli", "ingest", str(video), "--memory", str(folder), *options]


def _begun(folder: Path, process: "subprocess.Popen[str]", num_records: int = 16) -> None:
    """Wait until a run in another process has written something."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(PlacecellError), Memory.open(folder, mode="r") as memory:
            if len(memory) >= num_records:
                return
        time.sleep(0.01)


def _heed_interrupts() -> None:
    """A shell starts its background jobs deaf to SIGINT, and their children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_goes_on_inside_the_video(encoder: Any, tmp_path: Path, how: signal.Signals) -> None:
    video = film(tmp_path / "long.mp4", seconds=400, fps=2)
    with Memory.open(tmp_path / "whole", encoder=encoder) as memory:
        ingest(video, memory)
        expected = rows(memory)
    process = subprocess.Popen(
        _command(video, tmp_path / "parts"),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,
    )
    _begun(tmp_path / "parts", process)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert said.strip().splitlines()[-1] == (
            "placecell: stopped; what was written is kept, and the same command goes on from there"
        )
        assert "Traceback" not in said
    else:
        assert process.returncode == -signal.SIGKILL
    with Memory.open(tmp_path / "parts", mode="r") as memory:
        assert 16 <= len(memory) < len(expected)
    with Memory.open(tmp_path / "parts", encoder=encoder) as memory:
        report = ingest(video, memory)
        assert report.resumed_at_s is not None and report.resumed_at_s > 0
        # The thread counts of the two encoders differ, which may show in the last bit of a vector's half floats.
        for found, wanted in zip(rows(memory), expected, strict=True):
            assert found[:4] + found[5:] == wanted[:4] + wanted[5:]
            ours, theirs = (np.frombuffer(row[4], np.float16).astype(np.float32) for row in (found, wanted))
            np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_a_video_that_is_in_already_is_left_alone_under_any_name(walk: Path, encoder: Any, tmp_path: Path) -> None:
    copy = Path(shutil.copy(walk, tmp_path / "renamed.mp4"))
    with Memory.open(tmp_path / "m", encoder=encoder) as memory:
        first = ingest(walk, memory, QUICK)
        before = rows(memory)
        second = ingest(copy, memory, QUICK)
        assert (second.state, second.agent_id, second.num_moments) == ("unchanged", first.agent_id, 40)
        assert rows(memory) == before
        assert place_of(memory, first.agent_id, before[0][7]) == str(copy)  # clips come from where it lies now


@pytest.mark.parametrize(
    "other", [IngestSettings(tiles=2), IngestSettings(tiles=0, every_s=2), IngestSettings(tiles=0, start_s=3)]
)
def test_another_sampling_is_another_run(walk: Path, encoder: Any, tmp_path: Path, other: IngestSettings) -> None:
    with Memory.open(tmp_path / "m", encoder=encoder) as memory:
        first, second = ingest(walk, memory, QUICK), ingest(walk, memory, other)
        assert second.state == "done" and second.agent_id != first.agent_id
        assert ingest(walk, memory, other).state == "unchanged"


def test_only_the_span_that_was_asked_for_is_taken(walk: Path, encoder: Any) -> None:
    memory = Memory(encoder)
    ingest(walk, memory, IngestSettings(start_s=5, end_s=12, tiles=0))
    records = list(memory.records())
    assert [record.stamp_s for record in records if record.kind == "moment"] == [5, 6, 7, 8, 9, 10, 11]
    assert [record.text for record in records if record.text] == ["mind the step"]
    assert max(record.end_s for record in records) <= 12
    with pytest.raises(VideoError, match="no frame decodes between 00:01:40.000 and the end"):
        ingest(walk, memory, IngestSettings(start_s=100, subtitles="off"))


def test_subtitles_can_be_another_file_or_off(walk: Path, encoder: Any, tmp_path: Path) -> None:
    (tmp_path / "other.vtt").write_text("WEBVTT\n\n00:04.000 --> 00:05.000\nhello\n")
    memory = Memory(encoder)
    assert ingest(walk, memory, IngestSettings(tiles=0, subtitles="off")).num_texts == 0
    chosen = IngestSettings(tiles=0, subtitles=str(tmp_path / "other.vtt"))
    assert ingest(walk, memory, chosen).num_texts == 1
    assert [record.text for record in memory.records() if record.text] == ["hello"]
    with pytest.raises(PlacecellError, match=r"no such subtitle file: .*gone\.srt"):
        ingest(walk, memory, IngestSettings(subtitles=str(tmp_path / "gone.srt")))


def test_damage_is_told_and_what_leans_on_it_is_labelled(walk: Path, encoder: Any, tmp_path: Path) -> None:
    whole = bytearray(walk.read_bytes())
    a, b = int(len(whole) * 0.45), int(len(whole) * 0.55)
    whole[a:b] = np.random.default_rng(0).bytes(b - a)
    (tmp_path / "hurt.mp4").write_bytes(bytes(whole))
    memory = Memory(encoder)
    report = ingest(tmp_path / "hurt.mp4", memory, QUICK)
    ((from_s, to_s),) = report.damage
    assert 10 < from_s < to_s < 30
    assert report.notes == [f"hurt.mp4: damaged from 0:00:{from_s:06.3f} to 0:00:{to_s:06.3f}"]
    for record in memory.records():
        assert (DAMAGED in record.labels) <= (from_s - 1 <= record.stamp_s <= to_s)
    stamps = {record.stamp_s for record in memory.records()}
    assert stamps >= {float(s) for s in range(40) if s < from_s - 1 or s > to_s + 1}


def test_a_truncated_file_keeps_what_decodes_and_says_the_same_after_a_stop(
    walk: Path, encoder: Any, tmp_path: Path
) -> None:
    (tmp_path / "cut.mp4").write_bytes(walk.read_bytes()[: walk.stat().st_size * 6 // 10])
    memory, settings = Memory(encoder), IngestSettings(tiles=0, batch_size=4)

    def stop(progress: Progress) -> None:
        if progress.at_s > 15:
            raise Stop

    with pytest.raises(Stop):
        ingest(tmp_path / "cut.mp4", memory, settings, stop)
    report = ingest(tmp_path / "cut.mp4", memory, settings)
    assert 15 < report.num_moments < 30
    (line,) = report.notes
    assert line.startswith("cut.mp4: damaged from 0:00:2") and line.endswith("to 0:00:40.000")


def test_odd_sizes_single_frames_and_uneven_times_are_taken(encoder: Any, tmp_path: Path) -> None:
    memory = Memory(encoder)
    one = ingest(film(tmp_path / "one.mp4", 0.2), memory)
    assert (one.num_moments, one.num_events) == (1, 1)
    assert ingest(film(tmp_path / "odd.mp4", 3, size=(131, 97)), memory).num_moments == 3
    uneven = tmp_path / "uneven.mp4"
    with VideoWriter(uneven, fps=10, size=(64, 48)) as writer:
        for stamp_s in (0.0, 0.1, 2.35, 2.4, 7.0):
            writer.write(scene(3, 0, (64, 48)), stamp_s)
    report = ingest(uneven, memory)
    stamps = [record.stamp_s for record in memory.records(agents=[report.agent_id])]
    assert stamps == sorted(stamps) and set(np.round(stamps, 3)) <= {0.0, 0.1, 2.35, 2.4, 7.0}


def test_a_memory_of_another_encoder_is_left_as_it_was(walk: Path, encoder: Any, tmp_path: Path) -> None:
    from placecell.perception.observation import Observation

    with Memory.open(tmp_path / "m") as memory:
        memory.observe(Observation(1.0, embeddings=np.ones(7)))
    with pytest.raises(EncoderMismatchError), Memory.open(tmp_path / "m", encoder=encoder) as memory:
        ingest(walk, memory)
    with Memory.open(tmp_path / "m", mode="r") as memory:
        assert len(memory) == 1


def test_folders_list_their_videos(walk: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.MP4", "a.mkv", "deep/c.webm", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in video_files(tmp_path)] == ["a.mkv", "b.MP4", "c.webm"]
    assert video_files(walk) == [walk]
    with pytest.raises(VideoError, match="no such file or folder"):
        video_files(tmp_path / "gone")
    with pytest.raises(VideoError, match="no video in"):
        video_files(_emptied(tmp_path / "deep"))


def _emptied(folder: Path) -> Path:
    for path in folder.iterdir():
        path.unlink()
    return folder


@pytest.mark.parametrize("wrong", [{"every_s": 0}, {"start_s": -1}, {"start_s": 5, "end_s": 5}, {"tiles": 7}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        IngestSettings(**wrong)


def test_stages_keep_order_pass_errors_on_and_stop(tmp_path: Path) -> None:
    assert list(ahead(ahead(in_batches(range(10), 3)), 1)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]

    closed: list[str] = []

    def numbers(last: int | None = None) -> Any:
        try:
            number = 0
            while number != last:
                yield number
                number += 1
            raise ValueError("boom")
        finally:
            closed.append("closed")

    with pytest.raises(ValueError, match="boom"):
        list(ahead(ahead(numbers(5))))
    endless = ahead(ahead(numbers()))
    assert [next(endless), next(endless)] == [0, 1]
    endless.close()
    assert closed == ["closed", "closed"]


@pytest.mark.parametrize("name", ["hm3d-walk.mp4", "car-detection.mp4"])
def test_real_videos_are_taken(name: str, encoder: Any) -> None:
    if not (SAMPLES / name).is_file():
        pytest.skip(f"{name} is not at hand")
    memory = Memory(encoder)
    report = ingest(SAMPLES / name, memory, QUICK)
    stamps = [record.stamp_s for record in memory.records()]
    assert len(stamps) == report.num_moments == np.ceil(report.duration_s)
    assert np.diff(stamps).min() > 0.5 and np.diff(stamps).max() < 1.5
    assert report.damage == []


def lengthened(source: Path, path: Path, times: int) -> Path:
    """The same packets over and over: a long video that costs nothing to make."""
    with av.open(str(path), "w") as target:
        out: Any = None
        for turn in range(times):
            with av.open(str(source)) as played:
                stream = played.streams.video[0]
                if out is None:
                    out = target.add_stream_from_template(stream)
                    length = round(40.0 / stream.time_base)
                for packet in played.demux(stream):
                    if packet.dts is not None:
                        packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                        packet.stream = out
                        target.mux(packet)
    return path


@pytest.mark.slow
def test_four_hours_take_no_more_memory_than_half_an_hour(walk: Path, tmp_path: Path) -> None:
    import json

    video = lengthened(walk, tmp_path / "long.mp4", 360)
    done = subprocess.run(
        _command(video, tmp_path / "m", "--json", "--max-bytes", "64M"), capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)["videos"][0]
    assert report["num_moments"] == 14400 and len(report["rss_mb"]) <= 129
    samples = np.array(report["rss_mb"])
    early = samples[(samples[:, 0] > 900) & (samples[:, 0] < 1800), 1].max()
    assert samples[samples[:, 0] > 1800, 1].max() < early + 40
    assert sum(path.stat().st_size for path in (tmp_path / "m").rglob("*")) <= 64 << 20


def test_reports_keep_few_samples_of_resident_memory(walk: Path, encoder: Any) -> None:
    report: IngestReport = ingest(walk, Memory(encoder), IngestSettings(tiles=0, every_s=0.2, batch_size=1))
    assert 2 < len(report.rss_mb) <= 128
    assert [at_s for at_s, _ in report.rss_mb] == sorted(at_s for at_s, _ in report.rss_mb)
