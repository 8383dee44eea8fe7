from __future__ import annotations

import json

import pytest

from placecell.agents.testing import ChatServer
from placecell.benchmarks import cooperate
from placecell.benchmarks.episodes import Runner
from placecell.benchmarks.experiment_report import render_report
from placecell.cli import main


def row(world, planner, steps, cap=100, **more):
    result = {
        "steps": steps,
        "num_steps": steps,
        "solved": steps < cap,
        "first": {name: None for name in cooperate.MILESTONES} | {"collect_wood": 5},
        "deaths": {},
        "gifts": 1,
        "bytes": 400 * steps,
        "bytes_by_kind": {"inform": 400 * steps},
        "agent_steps": steps,
        "skipped_worlds": world % 2,
        "spent": {},
        "trail": "",
    }
    return {"house": world, "number": 0, "planner": planner, "seconds": 1.0, "result": result | more}


def test_conditions_are_named_once_each():
    names = cooperate.condition_names(("private", "both"), (1, 2), ("partial", "full"))
    assert names == [
        "alone/1/partial", "forgetful/1/partial", "private/2/partial", "both/2/partial",
        "alone/1/full", "forgetful/1/full", "private/2/full", "both/2/full",
    ]  # fmt: skip


def test_figures_are_those_of_the_rows():
    settings = cooperate.CooperateSettings(max_steps=100)
    steps = {"alone/1/partial": (60, 100), "forgetful/1/partial": (100, 100), "both/2/partial": (20, 40)}
    rows = [row(world, name, pair[world]) for name, pair in steps.items() for world in (0, 1)]
    result = cooperate.aggregate(rows, settings)
    both = result["conditions"]["both/2/partial"]
    assert both["steps"]["value"] == 30 and both["median"]["value"] == 30 and both["bytes"] == 400
    assert both["first"]["collect_wood"] == {"mean": 5.0, "reached": 2} and both["first"]["collect_diamond"] is None
    assert result["fewer"]["both/2/partial"]["alone"]["value"] == pytest.approx(1 - 60 / 160)
    assert result["fewer"]["both/2/partial"]["forgetful"]["value"] == pytest.approx(1 - 60 / 200)
    assert result["fewer"]["alone/1/partial"].keys() == {"forgetful"}
    assert result["conditions"]["alone/1/partial"]["solved"]["value"] == 0.5
    assert result["skipped_worlds"] == 1
    assert result["marks"]["2 agents take >= 63% fewer steps than one"] is False
    words, page = cooperate.summary(result), render_report(result)
    assert "both/2/partial" in words and "MISSED" in words
    assert "both/2/partial" in page and "<svg" in page and "Crafter" in page


def test_bytes_are_compared_with_those_of_sending_everything():
    rows = [row(0, "both/6/partial", 20, bytes=20 * 40), row(0, "everything/6/partial", 20, bytes=20 * 1000)]
    marks = cooperate.aggregate(rows, cooperate.CooperateSettings())["marks"]
    assert marks == {"6 agents send >= 20 times fewer bytes than everything (25.0)": True}


def test_a_run_is_written_filmed_and_resumed(tmp_path, capsys):
    pytest.importorskip("crafter", reason="needs the [team] extra")
    pytest.importorskip("pettingzoo", reason="needs the [team] extra")
    pytest.importorskip("cryptography", reason="needs the [team] extra")
    command = [
        "cooperate",
        "--worlds",
        "1",
        "--first-world",
        "1004",
        "--agents",
        "2",
        "--conditions",
        "both",
        "everything",
    ]
    command += ["--max-steps", "12", "--output", str(tmp_path), "--json"]
    assert main([*command, "--video"]) == 0
    result = json.loads(capsys.readouterr().out)
    figures = result["conditions"]
    assert figures["everything/2/partial"]["bytes"] > 2 * figures["both/2/partial"]["bytes"] > 0
    assert figures["both/2/partial"]["steps"]["value"] == 12 and figures["both/2/partial"]["solved"]["value"] == 0
    assert (tmp_path / "report.html").stat().st_size > 3000
    assert len(list((tmp_path / "videos").glob("*.mp4"))) == 2
    assert main([*command, "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["conditions"] == figures


def test_what_does_not_exist_is_said(tmp_path):
    pytest.importorskip("crafter", reason="needs the [team] extra")
    settings = cooperate.CooperateSettings()
    for options, words in (
        ({"conditions": ("telepathy",)}, "conditions are private"),
        ({"views": ("bird",)}, "views are partial"),
        ({"agents": (0,)}, "from 1 to 100"),
    ):
        with pytest.raises(ValueError, match=words):
            cooperate.cooperate(Runner(tmp_path), settings, [1], **options)


def test_a_chat_model_is_a_condition_beside_chance(tmp_path, capsys):
    pytest.importorskip("crafter", reason="needs the [team] extra")
    pytest.importorskip("pettingzoo", reason="needs the [team] extra")
    pytest.importorskip("cryptography", reason="needs the [team] extra")
    command = ["cooperate", "--worlds", "1", "--first-world", "1004", "--agents", "2", "--max-steps", "12", "--json"]
    command += ["--output", str(tmp_path), "--conditions", "chat-chunks", "chance", "--chat-model", "scripted"]
    assert main(command) == 1 and "--chat-url" in capsys.readouterr().err
    with ChatServer(answer=lambda messages: json.dumps({"goal": 1})) as server:
        assert main([*command, "--chat-url", server.base_url, "--chat-questions", "2"]) == 0
        assert 0 < server.num_requests <= 4  # two agents, two questions each
    result = json.loads(capsys.readouterr().out)
    told = result["asked"]["chat-chunks/2/partial"]
    assert told["questions"] == server.num_requests and told["answered"]["value"] == 1.0
    assert told["prompt_tokens"]["value"] == 100.0 and told["completion_tokens"]["value"] == 20.0
    assert result["asked"]["chance/2/partial"]["prompt_tokens"]["value"] == 0.0
    assert result["settings"]["chat"]["name"] == "scripted" and "as asked at once" in cooperate.summary(result)
    assert "chat" not in cooperate.aggregate([row(0, "alone/1/partial", 5)], cooperate.CooperateSettings())["settings"]
