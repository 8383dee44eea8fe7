"""Bad input: one clear line, the right exit code, and nothing is lost."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from placecell.cli import main
from placecell.memory.memory import Memory
from placecell.perception.clips import VideoWriter
from placecell.perception.observation import Observation


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("walk") / "walk.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, fps=5, size=(96, 64)) as writer:
        for _ in range(100):
            blocks = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
            writer.write(cv2.resize(blocks, (96, 64), interpolation=cv2.INTER_NEAREST))
    path.with_suffix(".srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nthe keys are on the shelf\n")
    return path


@pytest.fixture(scope="module")
def kept(walk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memories") / "walk.memory"
    assert main(["ingest", str(walk), "--memory", str(folder), "--tiles", "0"]) == 0
    return folder


def error_of(capsys: pytest.CaptureFixture[str], *words: object, code: int = 1) -> str:
    """The one line that a failing command says."""
    capsys.readouterr()
    try:
        found = main([str(word) for word in words])
    except SystemExit as stop:
        found = int(stop.code or 0)
    out, err = capsys.readouterr()
    assert (found, out) == (code, ""), err
    (line,) = err.splitlines()
    assert "error: " in line and "Traceback" not in line
    return line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["wander"], "invalid choice: 'wander'"),
        (["ingest", "a.mp4"], "--memory"),
        (["ingest", "a.mp4", "--memory", "m", "--every", "0"], "more than 0 seconds, got '0'"),
        (["ingest", "a.mp4", "--memory", "m", "--every", "nan"], "finite"),
        (["ingest", "a.mp4", "--memory", "m", "--from", "1:70"], "seconds, MM:SS or HH:MM:SS, got '1:70'"),
        (["ingest", "a.mp4", "--memory", "m", "--from", "9", "--to", "9"], "--to must lie after --from"),
        (["ingest", "a.mp4", "--memory", "m", "--max-bytes", "lots"], "512M, 2G, got 'lots'"),
        (["ingest", "a.mp4", "--memory", "m", "--tiles", "5"], "--tiles"),
        (["ask", "m", ""], "it is empty: say what to look for"),
        (["ask", "m", " \n "], "it is empty"),
        (["ask", "m", "where?", "--choices", "one"], "at least two"),
        (["ask", "m", "where?", "--from", "5", "--to", "3"], "--to must lie after --from"),
        (["search", "m"], "either a text or --image"),
        (["search", "m", "mug", "--image", "a.png"], "either a text or --image"),
        (["search", "m", "mug", "--top", "0"], "whole number from 1 on, got '0'"),
        (["search", "m", "mug", "--near", "1,2"], "X,Y,Z,R in metres"),
        (["export", "m", "--format", "xml"], "invalid choice: 'xml'"),
        (["encoder"], "ACTION"),
        (["bench", "speed"], "invalid choice: 'speed'"),
        (["bench", "regions", "--rows", "6"], "regions always takes the same samples: leave out --rows"),
        (["navigate", "--lifetime", "9", "--workers", "2"], "leave out --workers"),
        (["navigate", "--rooms", "17"], "expected a whole number from 5 to 16"),
        (["navigate", "--lifetime", "9", "--planners", "nearest"], "leave out --planners"),
        (["navigate", "--houzes", "3"], "did you mean --houses? (see placecell navigate --help)"),
        (["ask", "a", "b", "--zzz"], "unrecognized arguments: --zzz (see placecell ask --help)"),
        (["demo", "--seed", "abc"], "expected a whole number from 0 on, got 'abc'"),
    ],
)
def test_wrong_usage_is_told_in_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in error_of(capsys, *words, code=2)


def sound(path: Path, has_empty_video: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        if has_empty_video:
            video: Any = container.add_stream("mpeg4", rate=5)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = container.add_stream("aac", rate=16000)
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.rate, frame.pts = 16000, number * 1024
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "no such file or folder"),
        ("empty", "no video that can be read"),
        ("text", "no video that can be read"),
        ("picture", "text or an image"),
        ("beginning", "holds no pictures"),
        ("end", "no video that can be read, or cut off near its start"),
        ("sound", "sound only"),
        ("frameless", "no frames"),
        ("folder", "no video in"),
    ],
)
def test_what_is_no_video_is_refused(
    kind: str, said: str, walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, whole = tmp_path / "x.mp4", walk.read_bytes()
    if kind == "picture":
        path = tmp_path / "x.png"
        cv2.imwrite(str(path), np.zeros((32, 32, 3), np.uint8))
    elif kind == "sound":
        sound(path)
    elif kind == "frameless":
        sound(path := tmp_path / "x.mkv", has_empty_video=True)
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"empty": b"", "text": b"hello\n" * 99, "beginning": whole[:200], "end": whole[-999:]}[kind])
    line = error_of(capsys, "ingest", path, "--memory", tmp_path / "m")
    assert said in line and str(path) in line


def records(folder: Path) -> list[str]:
    with Memory.open(folder, mode="r") as memory:
        return [str(record.record_id) for record in memory.records()]


def test_memories_that_cannot_be_opened_are_told_apart(
    walk: Path, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = records(kept)
    assert "make one by placecell ingest" in error_of(capsys, "ask", tmp_path / "gone", "where is it?")
    (tmp_path / "bare").mkdir()
    assert "holds no memory" in error_of(capsys, "info", tmp_path / "bare")
    assert "is a file" in error_of(capsys, "info", walk)
    assert "is a file" in error_of(capsys, "ingest", walk, "--memory", walk)

    half = Path(shutil.copytree(kept, tmp_path / "half"))
    (half / "log.sqlite").unlink()
    assert str(half) in error_of(capsys, "search", half, "keys")
    assert str(half) in error_of(capsys, "ingest", walk, "--memory", half)

    newer = Path(shutil.copytree(kept, tmp_path / "newer"))
    (header,) = newer.glob("*.json")
    header.write_text(json.dumps(json.loads(header.read_text()) | {"format": 99}))
    assert "newer" in error_of(capsys, "ask", newer, "where are the keys?")
    assert records(kept) == before


def test_a_memory_that_is_being_written_can_be_asked_but_not_written(
    walk: Path, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(kept, tmp_path / "m"))
    code = (
        "import sys\nfrom placecell import Memory\n"
        f"memory = Memory.open({str(folder)!r})\nprint('open', flush=True)\nsys.stdin.read()"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout is not None and writer.stdout.readline() == "open\n"
        line = error_of(capsys, "ingest", walk, "--memory", folder, "--every", 2)
        assert "another process" in line or "written" in line
        assert main(["ask", str(folder), "where are the keys?"]) == 0
        assert "the keys are on the shelf" in capsys.readouterr().out
    finally:
        writer.communicate("")


def test_a_memory_of_another_encoder_is_refused(walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Memory.open(tmp_path / "m") as memory:
        memory.observe(Observation(1.0, embeddings=np.ones(7)))
    line = error_of(capsys, "ingest", walk, "--memory", tmp_path / "m", "--encoder", "builtin")
    assert "belongs to encoder 'given' (7 numbers)" in line
    error_of(capsys, "ingest", walk, "--memory", tmp_path / "m")
    error_of(capsys, "search", tmp_path / "m", "red mug", "--encoder", "builtin")
    assert len(records(tmp_path / "m")) == 1


def test_unknown_encoders_are_told(walk: Path, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no encoder 'nope'" in error_of(capsys, "ingest", walk, "--memory", tmp_path / "m", "--encoder", "nope")
    assert "no encoder 'nope'" in error_of(capsys, "search", kept, "sofa", "--encoder", "nope")
    (tmp_path / "hollow").mkdir()
    assert "holds no CLIP export" in error_of(capsys, "search", kept, "sofa", "--encoder", tmp_path / "hollow")


@pytest.mark.parametrize("words", [["ask", "where is the sofa?"], ["search", "sofa"]])
def test_an_empty_memory_answers_no_match_and_says_why(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Memory.open(tmp_path / "m").close()
    verb, text = words
    assert main([verb, str(tmp_path / "m"), text]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("no match") and "the memory is empty: ingest a video first" in err
    assert main(["export", str(tmp_path / "m")]) == 0 and main(["info", str(tmp_path / "m")]) == 0


def test_pictures_that_are_none_are_refused(kept: Path, walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such picture" in error_of(capsys, "search", kept, "--image", "gone.png")
    assert "is no picture" in error_of(capsys, "search", kept, "--image", walk)


def test_subtitles_with_broken_rows_are_counted(walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.srt").write_bytes(
        b"1\n00:00:xx --> no\nlost\n\n2\n00:00:03,000 --> 00:00:04,000\nkept \xe9\n\n3\n00:"
    )
    words = ["ingest", str(walk), "--memory", str(tmp_path / "m"), "--tiles", "0"]
    assert main([*words, "--subtitles", str(tmp_path / "bad.srt")]) == 0
    err = capsys.readouterr().err
    assert "broken subtitle rows skipped" in err and "1 texts" in err
    assert "no such subtitle file" in error_of(capsys, *words, "--subtitles", tmp_path / "gone.srt")


def limited(num_bytes: int, *words: object) -> "subprocess.CompletedProcess[str]":
    """A command in a process none of whose files may grow beyond `num_bytes`: to it, the disk is full then."""
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({num_bytes}, {num_bytes}))\n"
        "from placecell.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)


def test_a_full_disk_stops_an_ingest_that_goes_on_when_there_is_room(walk: Path, tmp_path: Path) -> None:
    words = ("ingest", walk, "--memory", tmp_path / "m", "--every", 0.4)
    done = limited(600_000, *words)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert "error:" in line and "no space left" in line and "intact" in line
    before = records(tmp_path / "m")
    assert 0 < len(before) < 51
    assert main([str(word) for word in words]) == 0
    after = records(tmp_path / "m")
    assert after[: len(before)] == before and len(after) == 51


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_a_failure(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "placecell.cli", "export", str(kept)], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "No space left" in done.stderr
    assert "No space left" in error_of(capsys, "export", kept, "--output", "/dev/full")
    assert "cannot be written" in error_of(capsys, "export", kept, "--output", tmp_path / "no" / "x.csv")
    (tmp_path / "file").write_text("mine")
    assert "cannot be made a folder" in error_of(capsys, "search", kept, "keys", "--thumbs", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


class _Nonsense(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<html>I am a teapot</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def nonsense() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Nonsense)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_chat_servers_that_talk_nonsense_or_are_not_there_are_failures(
    kept: Path, nonsense: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("ask", kept, "where are the keys?", "--chat-url")
    assert nonsense in error_of(capsys, *words, nonsense)
    assert "http" in error_of(capsys, *words, "nonsense")


def test_names_of_files_may_be_strange(walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a \xff: b.mp4"))
    shutil.copy(walk, odd)
    assert main(["ingest", str(odd), "--memory", str(tmp_path / "m"), "--tiles", "0", "--json"]) == 0
    assert "20 moments" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "m")]) == 0


def test_ctrl_c_ends_with_130_whatever_runs(kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Memory, "records", stop)
    assert main(["export", str(kept)]) == 130
    assert capsys.readouterr().err == "placecell: stopped\n"
