"""Agents whose choices a chat model makes, as conditions of the experiments, and what asking it took.

Each of the cooperator's switches is a condition of its own. `chance` plays the same game with choices drawn at random:
what any model has to beat. Lessons (plans that worked, rules of cause and effect) come from worlds of their own, played
by the symbolic plan, the same for every episode.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from placecell.agents.chat_client import ChatClient
from placecell.agents.chat_cooperator import ChatCooperator
from placecell.agents.chat_model import ChatModel
from placecell.agents.crew import Crew, play
from placecell.benchmarks import bootstrap
from placecell.memory.memory import Memory

__all__ = [
    "CHANCE",
    "CHAT_CONDITIONS",
    "ChanceClient",
    "asked",
    "asked_figures",
    "asked_lines",
    "chooser",
    "cooperator",
]

CHANCE: Final = "chance"
#: What is switched on: finished subgoals in one line each, the fastest past plan, causal rules.
CHAT_CONDITIONS: Final[Mapping[str, Mapping[str, bool]]] = MappingProxyType(
    {
        "chat": {"chunks": True, "plans": True, "rules": True},
        "chat-plain": {"chunks": False, "plans": False, "rules": False},
        "chat-chunks": {"chunks": True, "plans": False, "rules": False},
        "chat-plans": {"chunks": False, "plans": True, "rules": False},
        "chat-rules": {"chunks": False, "plans": False, "rules": True},
        CHANCE: {"chunks": True, "plans": False, "rules": False},
    }
)
_LESSON_WORLDS: Final = range(900, 903)  # no experiment's own


@dataclass(slots=True)
class ChanceClient(ChatClient):
    """A model that draws its reply from the schema, each field by itself: what any other model has to beat.

    Example:
        >>> client = ChanceClient("http://localhost/v1", "chance", draws=np.random.default_rng(0))
        >>> client.complete([], schema={"properties": {"goal": {"enum": [1, 2, 3]}}})
        '{"goal": 3}'
    """

    draws: np.random.Generator | None = None

    def complete(self, messages: Sequence[Mapping[str, Any]], *, schema: Mapping[str, Any] | None = None) -> str:
        """Something that fits the schema."""
        if schema is None or self.draws is None:
            raise ValueError("chance needs a schema, and a generator to draw with")
        reply = {}
        for name, field in schema["properties"].items():
            options = field["enum"]
            reply[name] = options[int(self.draws.integers(len(options)))]
        return json.dumps(reply)


def chooser(condition: str, chat: ChatModel | None, seed: int) -> ChatClient:
    """Who chooses under a condition.

    Raises:
        ValueError: If it takes a model and none is configured.
    """
    if condition == CHANCE:
        return ChanceClient("http://localhost/v1", CHANCE, draws=np.random.default_rng(seed))
    if chat is None:
        raise ValueError(f"{condition} needs a model: add --chat-url URL and --chat-model NAME")
    return chat.client()


def cooperator(condition: str, client: ChatClient, rules: Any, max_questions: int) -> Callable[..., ChatCooperator]:
    """What makes the agents of a crew under a condition, as `make_crew` takes it.

    Args:
        condition: One of `CHAT_CONDITIONS`.
        client: Who chooses.
        rules: Of the world, for the lessons.
        max_questions: Questions of an agent in an episode.
    """
    switches = CHAT_CONDITIONS[condition]
    lessons = _lessons(rules) if switches["plans"] or switches["rules"] else None

    def make(*args: Any, **options: Any) -> ChatCooperator:
        told = {**options, **switches, "client": client, "lessons": lessons, "max_questions": max_questions}
        return ChatCooperator(*args, **told)

    return make


@lru_cache(maxsize=4)
def _lessons(rules: Any) -> Memory:
    """What the symbolic plan learns in worlds of its own."""
    from placecell.envs.crafter import CrafterTeamEnv  # an extra

    lessons = Memory(clock=lambda: 0.0)
    env = CrafterTeamEnv(1, replace(rules, length=1000))
    for world in _LESSON_WORLDS:
        agent = ChatCooperator("player_0", Memory(clock=lambda: 0.0), lessons=lessons)
        agent.finish(play(env, Crew({"player_0": agent}), world).is_solved)
    return lessons


def asked(client: ChatClient, notes: Sequence[str] = ()) -> dict[str, Any]:
    """What asking took so far, as plain values."""
    usage = asdict(client.usage)
    return usage | {"seconds": round(usage["seconds"], 2), "notes": [note[:300] for note in notes[:5]]}


def asked_figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Of the lines of episodes: how often a reply was as asked, tokens and seconds per question; None without any."""
    told = [(row["house"], row["result"]["asked"]) for row in rows if "asked" in row["result"]]
    total = {name: sum(one[name] for _, one in told) for name in told[0][1] if name != "notes"} if told else {}
    if not total.get("questions"):
        return None
    houses = np.array([house for house, _ in told])
    counts = {name: np.array([one[name] for _, one in told], float) for name in total}

    def each(name: str, digits: int = 1, also: str | None = None) -> dict[str, float]:
        above = counts[name] + (counts[also] if also else 0.0)
        return bootstrap.interval(
            houses, lambda drawn: float(above[drawn].sum() / max(counts["questions"][drawn].sum(), 1.0)), digits=digits
        )

    return {
        "questions": total["questions"],
        "answered": each("answered", 4),
        "answered_or_mended": each("answered", 4, "mended"),
        "retries": total["retries"],
        "truncated": total["truncated"],
        "prompt_tokens": each("prompt_tokens"),
        "completion_tokens": each("completion_tokens"),
        "seconds": each("seconds", 2),
    }


def asked_lines(figures: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """The same for people; nothing where nobody was asked."""
    rows = {name: row for name, row in figures.items() if row is not None}
    if not rows:
        return []
    lines = [
        f"{'model':22}{'questions':>10}{'as asked at once %':>22}{'or when asked again':>22}{'tokens read':>24}"
        f"{'written':>18}{'seconds':>20}"
    ]
    for name, row in rows.items():
        lines.append(
            f"{name:22}{row['questions']:>10}{bootstrap.shown(row['answered'], 100, 1):>22}"
            f"{bootstrap.shown(row['answered_or_mended'], 100, 1):>22}{bootstrap.shown(row['prompt_tokens'], 1, 0):>24}"
            f"{bootstrap.shown(row['completion_tokens'], 1, 1):>18}{bootstrap.shown(row['seconds'], 1, 2):>20}"
        )
    return lines
