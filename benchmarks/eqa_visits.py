"""Visits to a house: walk through it, ask oneself on the way, and go through the known rooms again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from placecell.agents.embodied import pursue
from placecell.agents.planner import LEFT, STOP, Decision, Experience, Sensed
from placecell.agents.reader import EvidenceReader
from placecell.agents.walking import Walker
from placecell.benchmarks.eqa_questions import EqaQuestion
from placecell.benchmarks.eqa_score import said
from placecell.envs.house import HouseEnv
from placecell.memory.memory import Memory

__all__ = ["PICTURES", "Patrol", "SelfAsking", "visit"]

PICTURES: Final = 4
_TURNS: Final = 12


class Patrol:
    """Walks to the middle of every known room, nearest first, and turns around once in each."""

    name, is_privileged, is_forgetful = "patrol", False, False

    def __init__(self) -> None:
        self._walker = Walker()
        self._left: list[np.ndarray] = []
        self._turns = 0

    def reset(self, goal: Any, experience: Experience) -> None:
        """Take note of the rooms."""
        self._experience = experience
        self._left = [np.asarray(room.centre_m) for room in experience.memory.places.rooms()]
        self._walker, self._turns = Walker(), _TURNS

    def act(self, sensed: Sensed) -> Decision:
        """Turn around, or go on to the next room."""
        self._walker.observe(sensed)
        if self._turns:
            self._turns -= 1
            return Decision(LEFT, "look around")
        finder = self._walker.patched(self._experience.memory.places.pathfinder())
        while self._left:
            here = sensed.position_m
            self._left.sort(key=lambda point: float(np.hypot(*(point - here)[[0, 2]])))
            action = self._walker.action(finder, sensed.pose, self._left[0], arrive_m=0.3)
            if action is not None:
                return Decision(action, "to the next room")
            del self._left[0]
            self._turns = _TURNS - 1
            return Decision(LEFT, "look around")
        return Decision(STOP, "every room was visited")


def visit(
    env: HouseEnv,
    experience: Experience,
    planner: Any,
    max_steps: int,
    watch: Callable[[Sensed, Decision, Mapping[str, Any]], None] | None = None,
) -> int:
    """Let a planner walk until it stops; how many steps it took."""
    observation, info = env.reset(options={"position": env.position_m, "yaw_rad": env.yaw_rad})
    sensed = experience.observe(observation, info)
    return pursue(env, planner, experience, None, sensed, info, max_steps, watch).num_steps


class SelfAsking:
    """Asks every question while the agent explores, and notes when each was answered for good.

    Args:
        memory: What is asked.
        asked: The questions.
        every: Steps between two times of asking.
        sure: Chance from which on an answer counts, if it is given twice in a row.

    Attributes:
        answers: By question, the step at which it was answered, and the answer.
    """

    def __init__(self, memory: Memory, asked: Sequence[EqaQuestion], every: int, sure: float) -> None:
        self._every, self._sure = every, sure
        self._reader = EvidenceReader(memory)
        self._open = {question.question_id: question for question in asked}
        self._before: dict[str, str] = {}
        self.answers: dict[str, tuple[int, str]] = {}

    def watch(self, sensed: Sensed, decision: Decision, info: Mapping[str, Any]) -> None:
        """Called at every step."""
        if sensed.step == 0 or sensed.step % self._every:
            return
        for key, question in list(self._open.items()):
            answer = self._reader.ask(question.question, choices=question.choices or None, k=PICTURES)
            text = said(question, answer)
            is_sure = not answer.is_refusal and bool(answer.evidence) and answer.probability >= self._sure
            if is_sure and self._before.get(key) == text:
                self.answers[key] = sensed.step, text
                del self._open[key]
            elif is_sure:
                self._before[key] = text
            else:
                self._before.pop(key, None)

    def finish(self, num_steps: int) -> None:
        """Answer what is left at the end of the exploration."""
        for key, question in self._open.items():
            answer = self._reader.ask(question.question, choices=question.choices or None, k=PICTURES)
            self.answers[key] = num_steps, said(question, answer)
