"""Who goes where: what one agent claims, what the others do, and which part of the world is whose to look at."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from placecell.agents.crafting import Cell
from placecell.agents.known_map import KnownMap
from placecell.agents.situation import Goal, Situation
from placecell.agents.style import Style
from placecell.agents.teammates import Mate
from placecell.memory.sharing import Sharing

__all__ = ["Targets"]

_KINDS = {"explore": "look", "collect": "take"}


class Targets:
    """The claims of one agent, in frames of their own or, where it is thrifty, within its records.

    Args:
        name: The agent.
        sharing: How it talks to the others; None if it does not.
        mates: The others, as they last told of themselves; read at each call.
        style: Whether and how claims are told, and how long they hold.
    """

    def __init__(self, name: str, sharing: Sharing | None, mates: dict[str, Mate], style: Style) -> None:
        self._name, self._sharing, self._mates, self._style = name, sharing, mates, style
        self._claimed: tuple[str, float] | None = None
        self._start: Cell | None = None  # where it first looked for something

    def claim(self, now: Situation, kind: str, cell: Cell, cost: float) -> None:
        """Claim a cell to "look" at or "take", unless that is claimed already."""
        if self._sharing is None or not self._style.claims or not self._mates:
            return
        target, step = f"{kind}:{cell[0]},{cell[1]}", float(now.sight.step)
        if self._claimed is not None:
            held, until = self._claimed
            if held == target and step < until - 2:
                return
            if held != target and held.startswith("take") and not self._style.thrifty:
                self._sharing.release(held)
        if not self._style.thrifty:
            self._sharing.claim(target, cost, self._style.lease_s)
        self._claimed = (target, step + self._style.lease_s)

    def told(self, goal: Goal | None) -> Cell | None:
        """The cell that is claimed for what is being done, where claims are told within records."""
        if not self._style.thrifty or self._claimed is None or goal is None:
            return None
        kind, _, place = self._claimed[0].partition(":")
        return _cell(place) if _KINDS.get(goal.kind) == kind else None

    def taken(self, now: Situation) -> set[Cell]:
        """Cells that others claimed to take."""
        if self._sharing is None or not self._style.claims:
            return set()
        step = float(now.sight.step)
        if self._style.thrifty:
            return {cell for mate in self._mates.values() if (cell := self._taken_by(mate, now)) is not None}
        found = set()
        for name in self._mates:
            for target in self._sharing.claims.targets(name, step):
                kind, _, place = target.partition(":")
                if kind == "take":
                    found.add(_cell(place))
        return found

    def _taken_by(self, mate: Mate, now: Situation) -> Cell | None:
        """What another agent takes, if that was told lately and it has been nearer, or its name comes first."""
        ago = now.sight.step - mate.step
        if mate.target is None or ago >= self._style.lease_s or not mate.doing.startswith("collect"):
            return None
        theirs, ours = _far(mate.position, mate.target) - ago, _far(now.position, mate.target)
        return mate.target if (theirs, mate.name) < (ours, self._name) else None

    def share_of_the_world(self, now: Situation, common: KnownMap) -> Float64[np.ndarray, "w h"]:
        """How far each cell is this agent's to look at, from `apart` to 1: others are nearer to the rest.

        Args:
            now: Where the agent is.
            common: What anybody is known to have seen.
        """
        area = now.known.area
        if self._sharing is None or not self._style.claims:
            return np.ones(area)
        if self._style.sectors:
            return self._sector(now, common)
        if not self._mates:
            return np.ones(area)
        xs, ys = np.mgrid[: area[0], : area[1]]
        mine = np.abs(xs - now.position[0]) + np.abs(ys - now.position[1])
        is_others = np.zeros(area, bool)
        step = float(now.sight.step)
        fresh_steps = 2 * self._style.told_every(len(self._mates))
        for name, mate in self._mates.items():
            places = [mate.position] if step - mate.step <= fresh_steps else []
            if self._style.thrifty:
                is_live = mate.target is not None and step - mate.step < 2 * self._style.lease_s
                places = [mate.target] if is_live and mate.target is not None else places
            looks = [c for c in self._sharing.claims.live(step) if c.holder == name and c.target.startswith("look:")]
            if looks:
                places = [_cell(max(looks, key=lambda claim: claim.order).target[5:])]
            for x, y in places:
                is_others |= np.abs(xs - x) + np.abs(ys - y) < mine
        return np.where(is_others, self._style.apart, 1.0)

    def _sector(self, now: Situation, common: KnownMap) -> Float64[np.ndarray, "w h"]:
        """The same where nobody says where it goes: equal parts of the circle around the start, in order of names.

        The more of its own part was seen, the more the others' are worth.
        """
        assert self._sharing is not None
        self._start = self._start or now.position
        names = sorted([self._name, *self._sharing.peers])
        xs, ys = np.mgrid[: now.known.area[0], : now.known.area[1]]
        turn = np.arctan2(ys - self._start[1], xs - self._start[0]) / (2 * np.pi)
        off = np.abs((turn - names.index(self._name) / len(names) + 0.5) % 1.0 - 0.5)
        is_own, apart = off <= 0.5 / len(names), self._style.apart
        seen = float(((common.materials > 0) | common.told)[is_own].mean())
        return np.where(is_own, 1.0, apart + (1.0 - apart) * seen**2)


def _far(a: Cell, b: Cell) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _cell(place: str) -> Cell:
    """The cell in a claim's target; one outside of every map where it is none."""
    x, _, y = place.partition(",")
    return (int(x), int(y)) if x.isdecimal() and y.isdecimal() and len(place) < 9 else (-1, -1)
