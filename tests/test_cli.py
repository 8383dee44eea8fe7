"""The command line as people and programs use it: each verb on a real video, exit codes, one object of JSON."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from placecell.cli import main
from placecell.options import BENCHMARKS, build_parser
from placecell.perception.clips import VideoWriter

ROOT = Path(__file__).parents[1]
SRT = (
    "1\n00:00:01,000 --> 00:00:02,000\nthe keys are on the shelf\n\n"
    '2\n00:00:07,500 --> 00:00:09,000\nmind, the "step"\n'
)
VERBS = ("demo", "ingest", "ask", "search", "info", "export", "encoder list", "encoder export", "bench")
VERBS += ("explore", "navigate", "eqa", "cooperate")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds: four of red, four of a grey grid, four of blue; with words beside it."""
    path = tmp_path_factory.mktemp("walk") / "walk.mp4"
    with VideoWriter(path, fps=4, size=(96, 96)) as writer:
        for number in range(48):
            picture = np.full((96, 96, 3), ((200, 20, 20), (90, 90, 90), (20, 20, 200))[number // 16], np.uint8)
            picture[:: 8 if number // 16 == 1 else 96] = 255
            writer.write(picture)
    path.with_suffix(".srt").write_text(SRT)
    return path


@pytest.fixture(scope="module")
def memory(walk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memories") / "walk.memory"
    assert main(["ingest", str(walk), "--memory", str(folder)]) == 0
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    """What a command prints to stdout and to stderr."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    return capsys.readouterr()


def object_of(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> Any:
    out, _ = told(capsys, *words, "--json", code=code)
    assert out.count("\n") == 1
    return json.loads(out)


def test_ingest_reports_to_people_and_to_programs(
    walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = told(capsys, "ingest", walk, "--memory", tmp_path / "m", "--every", 2, "--tiles", 0)
    assert out == ""
    assert re.search(r"walk\.mp4: 6 moments, 2 texts, \d events in [\d.]+ s \(\d+ x real time\)", err)
    assert "the built-in encoder knows rendered houses only" in err
    again = object_of(capsys, "ingest", walk, "--memory", tmp_path / "m", "--every", 2, "--tiles", 0)
    assert [video["state"] for video in again["videos"]] == ["unchanged"] and again["failed"] == []
    part = object_of(capsys, "ingest", walk, "--memory", tmp_path / "m", "--from", "0:04", "--to", 8)["videos"][0]
    assert (part["state"], part["num_moments"], part["num_texts"], part["num_vectors"]) == ("done", 4, 1, 10)
    assert part["rss_mb"] and part["stage_seconds"]["encode"] > 0


def test_a_folder_is_ingested_although_one_file_is_bad(
    walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(walk, tmp_path / "in" / "b.mp4")
    (tmp_path / "in" / "a.mp4").write_text("this is no video\n" * 50)
    _, err = told(capsys, "ingest", tmp_path / "in", "--memory", tmp_path / "m", code=1)
    assert err.count("error:") == 1 and "a.mp4" in err and "b.mp4: 12 moments" in err
    report = object_of(capsys, "ingest", tmp_path / "in", "--memory", tmp_path / "m", code=1)
    assert [Path(row["source"]).name for row in report["failed"]] == ["a.mp4"]
    assert [video["state"] for video in report["videos"]] == ["unchanged"]


def test_ask_answers_with_evidence_pictures_and_clips(
    memory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = told(capsys, "ask", memory, "what was said about the keys?", "--thumbs", tmp_path / "pictures")
    answer, row, *_ = out.splitlines()
    assert answer == "the keys are on the shelf"
    assert re.match(r"  00:00:01\.000-00:00:02\.000  p 0\.\d\d .* \"the keys are on the shelf\"  \[.*\.jpg\]$", row)
    record = object_of(
        capsys, "ask", memory, "what was said about the keys?", "--clips", tmp_path / "c", "--thumbs", tmp_path / "t"
    )
    evidence = record["evidence"][0]
    fields = "record_id start_s end_s score probability source agent_id position_m caption channels"
    assert set(fields.split()) <= set(evidence)
    picture = cv2.imread(evidence["thumb"])
    assert picture.shape == (96, 96, 3) and picture[50, 50, 2] > 150 > picture[50, 50, 0]  # BGR: it was red then
    with av.open(evidence["clip"]) as clip:
        assert sum(1 for _ in clip.decode(video=0)) >= 4


def test_ask_refuses_what_it_never_saw(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = object_of(capsys, "ask", memory, "where is the zebra?")
    assert record["is_refusal"] and record["answer"].startswith("no match") and record["evidence"] == []


def test_ask_chooses(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("ask", memory, "where are the keys?", "--choices", "in the drawer", "on the shelf")
    record = object_of(capsys, *words)
    assert record["choice"] == "B" and abs(sum(record["choice_scores"]) - 1) < 1e-3


def test_pictures_of_a_video_that_is_gone_come_from_the_memory(
    walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copy(walk, tmp_path / "copy.mp4"))
    told(capsys, "ingest", copy, "--memory", tmp_path / "m", "--tiles", 0)
    copy.unlink()
    words = ("search", tmp_path / "m", "sofa", "--top", 1, "--thumbs", tmp_path / "t", "--clips", tmp_path / "c")
    result = object_of(capsys, *words)
    (row,) = result["evidence"]
    assert cv2.imread(row["thumb"]) is not None and "clip" not in row
    assert any("no clip" in note and "not at hand" in note for note in result["notes"])
    shutil.copy(walk, tmp_path / "moved.mp4")
    told(capsys, "ingest", tmp_path / "moved.mp4", "--memory", tmp_path / "m", "--tiles", 0)
    assert "clip" in object_of(capsys, *words)["evidence"][0]  # it is known where it lies now


def test_search_by_text_by_picture_and_within_limits(
    memory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blue = np.full((96, 96, 3), (20, 20, 200), np.uint8)
    cv2.imwrite(str(tmp_path / "blue.png"), blue[..., ::-1])
    found = object_of(capsys, "search", memory, "--image", tmp_path / "blue.png", "--top", 1)
    assert found["evidence"][0]["start_s"] >= 8
    early = object_of(capsys, "search", memory, "--image", tmp_path / "blue.png", "--to", 3, "--top", 9)
    assert early["evidence"] and all(row["start_s"] <= 3 for row in early["evidence"])
    assert object_of(capsys, "search", memory, "keys", "--agent", "somebody-else")["evidence"] == []
    out, _ = told(capsys, "search", memory, "keys", "--top", 1)
    assert '"the keys are on the shelf"' in out


def test_info_says_what_there_is(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = object_of(capsys, "info", memory)
    (row,) = summary["agents"]
    assert (summary["records"], row["moments"], row["texts"]) == (14, 12, 2)
    assert summary["bytes"] > 0 and summary["encoder"].startswith("placecell-")
    out, _ = told(capsys, "info", memory)
    assert "records: 14" in out and "moments 12" in out


def test_export_writes_lines_tables_and_subtitles(
    memory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.loads(line) for line in told(capsys, "export", memory)[0].splitlines()]
    assert len(lines) == 14 and [line["start_s"] for line in lines] == sorted(line["start_s"] for line in lines)
    table = list(csv.DictReader(io.StringIO(told(capsys, "export", memory, "--format", "csv")[0])))
    assert [row["text"] for row in table if row["kind"] == "text"] == ["the keys are on the shelf", 'mind, the "step"']
    assert told(capsys, "export", memory, "--format", "srt")[0].strip() == SRT.strip()
    out, err = told(capsys, "export", memory, "--format", "vtt", "--output", tmp_path / "words.vtt")
    assert out == "" and "words.vtt" in err and [path.name for path in tmp_path.iterdir()] == ["words.vtt"]
    assert (tmp_path / "words.vtt").read_text().startswith("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nthe keys")


def test_encoder_list(capsys: pytest.CaptureFixture[str]) -> None:
    rows = object_of(capsys, "encoder", "list")["encoders"]
    assert any("builtin" in row.values() for row in rows)


def test_no_verb_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = told(capsys, code=2)
    assert out.startswith("usage: placecell")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_and_a_place_in_the_documentation(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*verb.split(), "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    (example,) = re.findall(r"^  placecell (.*)$", text, re.MULTILINE)
    assert example.startswith(verb)
    words = [word.strip("\"'") for word in re.findall(r"\"[^\"]*\"|\S+", example)]
    assert callable(build_parser({verb: lambda _: 0}, "x").parse_args(words).run)  # the example is valid
    page = (ROOT / "docs" / "cli.md").read_text()
    assert f"\n## {verb.split()[0]}" in page and f"placecell {verb}" in page
    for option in re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE):
        assert option == "--help" or f"`{option}" in page or f" {option}" in page, option


def test_the_documentation_names_every_benchmark() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    assert all(f"`{name}`" in page for name in BENCHMARKS)


def test_help_and_import_load_nothing_heavy_and_are_quick() -> None:
    heavy = [
        "numpy",
        "cv2",
        "av",
        "onnxruntime",
        "trimesh",
        "embreex",
        "gymnasium",
        "jaxtyping",
        "networkx",
        "msgpack",
        "tqdm",
        "torch",
        "sqlite3",
    ]
    code = (
        "import sys\nimport placecell, placecell.cli\n"
        "try:\n    placecell.cli.main(['ask', '--help'])\nexcept SystemExit: pass\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "print(repr(loaded), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert eval(done.stderr) == []


def test_ask_loads_nothing_that_it_does_not_need(memory: Path) -> None:
    code = (
        "import sys\nfrom placecell.cli import main\n"
        f"main(['ask', {str(memory)!r}, 'where is the sofa?'])\n"
        "heavy = [name for name in ('torch', 'trimesh', 'gymnasium', 'av') if name in sys.modules]\n"
        "print(repr(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert eval(done.stderr.splitlines()[-1]) == []


def test_a_reader_that_goes_away_is_no_error(memory: Path) -> None:
    command = f"{sys.executable} -m placecell.cli export {memory} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1 and done.stderr == ""


def test_a_video_that_is_in_is_neither_decoded_nor_encoded_again(walk: Path, memory: Path) -> None:
    code = (
        "import sys\nfrom placecell.cli import main\n"
        f"main(['ingest', {str(walk)!r}, '--memory', {str(memory)!r}])\n"
        "print(repr([name for name in ('onnxruntime', 'torch') if name in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "nothing to do" in done.stderr and done.stderr.splitlines()[-1] == "[]"
