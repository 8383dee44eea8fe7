"""What an agent keeps from one episode to the next: plans that worked, and rules of cause and effect, in its log.

A reference plan is the goals of a past success in their order, with the steps that each took, as in GITM
(arXiv 2305.17144). A causal rule says what an effect used up, what was always at hand, and what always stood near when
it came about, as in CLIN (arXiv 2310.10134): each further success can only take conditions away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from placecell.agents.crafting import STACKED
from placecell.memory.delta import PRIVATE
from placecell.memory.memory import Memory
from placecell.memory.records import Record
from placecell.perception.observation import Observation

__all__ = ["Chunks", "Rule", "Rules", "best_plan", "recall_rules", "write_plan", "write_rules"]

_PLAN: Final = "reference plan"
_RULE: Final = "causal rule"


class Chunks:
    """What was done, a line for a step; a finished subgoal becomes one line, as in HiAgent (arXiv 2408.09559).

    Args:
        is_chunked: Whether it does; otherwise every step keeps its line.

    Example:
        >>> chunks = Chunks()
        >>> for step, wood in enumerate((0, 1, 2)):
        ...     chunks.note(step, "collect wood", {"wood": wood}, "do")
        >>> chunks.note(3, "place table", {"wood": 2}, "place_table")
        >>> chunks.lines()
        ['0-2 collect wood: wood +2', '3 place table: place_table']
    """

    def __init__(self, is_chunked: bool = True) -> None:
        self.is_chunked = is_chunked
        self._done: list[str] = []
        self._steps: list[str] = []
        self._goal = ""
        self._began: tuple[int, dict[str, int]] = (0, {})
        self._last_step = 0
        self.finished: list[tuple[str, int]] = []  # goals and their steps

    def note(self, step: int, goal: str, inventory: Mapping[str, int], action: str) -> None:
        """One step: what for, with what in hand, and the action."""
        if goal != self._goal:
            self._close(inventory)
            self._goal, self._began = goal, (step, dict(inventory))
        self._steps.append(f"{step} {goal}: {action}")
        self._last_step = step

    def _close(self, inventory: Mapping[str, int]) -> None:
        if not self._steps:
            return
        first, before = self._began
        gained = [(item, inventory.get(item, 0) - before.get(item, 0)) for item in STACKED]
        told = ", ".join(f"{item} {change:+d}" for item, change in gained if change) or "nothing"
        self.finished.append((self._goal, self._last_step - first + 1))
        self._done += [f"{first}-{self._last_step} {self._goal}: {told}"] if self.is_chunked else self._steps
        self._steps = []

    def lines(self) -> list[str]:
        """Finished subgoals, then the steps of the one at hand."""
        return self._done + self._steps

    def plan(self) -> list[tuple[str, int]]:
        """Goals so far and their steps, the one at hand included."""
        return self.finished + ([(self._goal, self._last_step - self._began[0] + 1)] if self._steps else [])


@dataclass(frozen=True, slots=True)
class Rule:
    """What brought an effect about: used up, always at hand besides, always near, and how often it was seen."""

    effect: str
    uses: Mapping[str, int]
    had: frozenset[str]
    near: frozenset[str]
    count: int = 1

    def __str__(self) -> str:
        parts = (
            [f"uses {', '.join(f'{count} {item}' for item, count in sorted(self.uses.items()))}"] if self.uses else []
        )
        parts += [f"near {', '.join(sorted(self.near))}"] if self.near else []
        parts += [f"may need {', '.join(sorted(self.had))}"] if self.had else []
        return f"{self.effect}: {'; '.join(parts) or 'needs nothing'} (seen {self.count} times)"


class Rules:
    """Rules induced from what actions changed.

    Example:
        >>> rules = Rules()
        >>> rules.note({"wood": 3}, {"wood": 2, "wood_pickaxe": 1}, {"table", "grass"})
        >>> rules.note({"wood": 1, "stone": 2}, {"stone": 2, "wood_pickaxe": 1}, {"table", "stone"})
        >>> print(rules.rules["wood_pickaxe"])
        wood_pickaxe: uses 1 wood; near table (seen 2 times)
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules: dict[str, Rule] = {}
        for rule in rules:
            self._merge(rule)

    def note(self, before: Mapping[str, int], after: Mapping[str, int], near: Iterable[str]) -> None:
        """What was in hand before and after an action, and the materials within one cell."""
        gained = [item for item in STACKED if after.get(item, 0) > before.get(item, 0)]
        if len(gained) != 1:  # nothing, or several causes at once
            return
        uses = {i: before[i] - after.get(i, 0) for i in STACKED if before.get(i, 0) > after.get(i, 0)}
        had = frozenset(i for i in STACKED if before.get(i, 0) > 0 and i not in uses and i != gained[0])
        self._merge(Rule(gained[0], uses, had, frozenset(near)))

    def _merge(self, rule: Rule) -> None:
        known = self.rules.get(rule.effect)
        if known is not None:
            uses = {item: min(count, rule.uses[item]) for item, count in known.uses.items() if item in rule.uses}
            count = known.count + rule.count
            rule = Rule(rule.effect, uses, known.had & rule.had, known.near & rule.near, count)
        self.rules[rule.effect] = rule


def write_rules(memory: Memory, agent: str, rules: Rules) -> None:
    """Keep what one episode taught; `recall_rules` joins it with what others did."""
    for rule in rules.rules.values():
        told = {
            "effect": rule.effect,
            "uses": dict(rule.uses),
            "had": sorted(rule.had),
            "near": sorted(rule.near),
            "count": rule.count,
        }
        _write(memory, agent, json.dumps(told), _RULE)


def recall_rules(memory: Memory) -> Rules:
    """The rules of all episodes in a log."""
    found = []
    for record in _labelled(memory, _RULE):
        told = json.loads(record.text)
        found.append(Rule(told["effect"], told["uses"], frozenset(told["had"]), frozenset(told["near"]), told["count"]))
    return Rules(found)


def write_plan(memory: Memory, agent: str, goals: Sequence[tuple[str, int]]) -> None:
    """Keep the goals of a success, in their order, with the steps of each."""
    _write(memory, agent, json.dumps(list(goals)), _PLAN)


def best_plan(memory: Memory) -> list[tuple[str, int]] | None:
    """The past success that took fewest steps; None before the first."""
    plans = [[(str(goal), int(steps)) for goal, steps in json.loads(r.text)] for r in _labelled(memory, _PLAN)]
    return min(plans, key=lambda plan: sum(steps for _, steps in plan), default=None)


def _write(memory: Memory, agent: str, text: str, label: str) -> None:
    stamp_s = max((record.stamp_s for record in memory.records()), default=0.0) + 1.0  # lessons are only counted
    memory.observe(Observation(stamp_s, agent, text=text, labels=(label, PRIVATE), is_event_start=False))


def _labelled(memory: Memory, label: str) -> list[Record]:
    return [record for record in memory.records() if label in record.labels]
