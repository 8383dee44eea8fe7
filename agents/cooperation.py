"""An agent that plays Crafter from its own observations and from what others shared, and from nothing else.

What it finds goes into its memory's log, a short record for a few steps; the map it plans on is a view of that log, as
are its beliefs about the others. With a `Sharing`, the same records reach the others, and targets are claimed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from placecell.agents.crafting import ACTIONS, DIRECTIONS, MATERIALS, MINED_WITH, Cell, Sight
from placecell.agents.few_words import FewWords
from placecell.agents.gifts import Gifts
from placecell.agents.known_map import Find, KnownMap, read_finds, write_finds
from placecell.agents.scouting import best_walk, walk_gains, worth_seeing
from placecell.agents.shelter import Shelter, find_shelter
from placecell.agents.situation import Goal, Situation
from placecell.agents.steadiness import Steadiness
from placecell.agents.style import Style
from placecell.agents.targets import Targets
from placecell.agents.teammates import Mate, read_status, write_status
from placecell.agents.tech_tree import TechTree
from placecell.memory.delta import PRIVATE, Ranges
from placecell.memory.memory import Memory
from placecell.memory.sharing import Sharing
from placecell.perception.observation import Observation

__all__ = ["Cooperator", "Style"]

_WORK: Final = ("collect", "place", "make", "explore")  # where nothing to do means that something is in the way
_ORES: Final = ("iron", "diamond")  # that are rare
_URGENT: Final = ("iron", "coal", "diamond", "table", "furnace")


class Cooperator:
    """One agent. In each step: `observe`, then `share` (which may be left out), then `act`.

    Args:
        name: Its name, and the agent of its records.
        memory: Its log; what is in it already is known from the start, so that an agent that died of a crash goes on.
        sharing: How it talks to the others; None for an agent that shares nothing.
        area: Cells of the map.
        style: How it plays.

    Example:
        >>> from placecell.envs.crafter import CrafterTeamEnv                     # doctest: +SKIP
        >>> env = CrafterTeamEnv(1, "peaceful")                                   # doctest: +SKIP
        >>> seen, _ = env.reset(seed=1)                                           # doctest: +SKIP
        >>> agent = Cooperator("player_0", Memory())                              # doctest: +SKIP
        >>> agent.observe(0, seen["player_0"]); env.step({"player_0": agent.act()})   # doctest: +SKIP
    """

    def __init__(
        self,
        name: str,
        memory: Memory,
        sharing: Sharing | None = None,
        area: Cell = (64, 64),
        style: Style | None = None,
    ) -> None:
        self.name, self.memory, self.sharing, self.style = name, memory, sharing, style or Style()
        self.known = KnownMap(area)  # what it goes by
        self.common = KnownMap(area) if self.style.fetches_alone else self.known  # what anybody who shares has seen
        self.mates: dict[str, Mate] = {}
        self.cows: dict[Cell, int] = {}
        self.goal: Goal | None = None
        self.now: Situation | None = None
        self._folded: dict[str, Ranges] = {}
        self._pending: dict[Cell, Find] = {}
        self._told_step = -1000
        self._left = 9999.0
        self._whole = ""
        self._is_maker = False
        self._told_tools = 0
        self._target: Cell | None = None
        self._targets = Targets(name, sharing, self.mates, self.style)
        self._gifts = Gifts(self.style)
        self._few_words = FewWords(name, self.mates, self.style)
        self._steady = Steadiness()
        self._has_monsters = False
        self._shelter: Shelter | None = None  # where it digs in
        self._stuck = 0
        self._last: tuple[Any, ...] | None = None
        self._fold()

    # --- memory -------------------------------------------------------------------------------------------------

    def observe(self, step: int, seen: Mapping[str, np.ndarray]) -> None:
        """Take in one observation; what is new in it goes into the log, a few steps at a time."""
        sight = Sight.from_observation(step, seen, self.known.area)
        if self.style.tells_all:
            self._whole = base64.b85encode(b"".join(part.tobytes() for part in seen.values())).decode()
        if not self.style.remembers:
            self.known.forget()
            self.common.forget()
        news = self._look(sight)
        self._pending |= {find.cell: find for find in news}
        self._note_cows(sight)
        self._has_monsters |= any(kind in (2, 3, 4) for kind in sight.creatures_at.values())
        view = (sight.materials.shape[0], sight.materials.shape[1])
        self.now = Situation(sight, self.known, view, self.cows, self._has_monsters)
        if self._is_time_to_tell(sight, news):
            if self.sharing is not None and self.style.roles:
                self._left = self.style.tree.steps_left(self.now)
            self._tell(sight)
        if self.style.terse and self.sharing is not None:
            self._write(step, self._few_words.tell(sight, self.common, news, self.sharing.peers))

    def _look(self, sight: Sight) -> list[Find]:
        """Put a view into the maps; says what of it nobody knew."""
        if self.common is not self.known:
            self.known.news(sight.corner, sight.materials, sight.step)
        return self.common.news(sight.corner, sight.materials, sight.step)

    def _is_time_to_tell(self, sight: Sight, news: list[Find]) -> bool:
        silent = sight.step - self._told_step
        has_little = self.style.thrifty and len(self._pending) < self.style.batch_cells
        if silent >= self.style.told_every(len(self.mates)) * (2 if has_little else 1):
            return True
        if _num_tools(sight) != self._told_tools or sight.inventory["health"] <= 3:
            return True
        found = {find.material for find in news if MATERIALS[find.material] in _URGENT}
        if not found:
            return False
        counts = np.bincount(self.common.materials.ravel(), minlength=len(MATERIALS))
        new = np.bincount([find.material for find in news], minlength=len(MATERIALS))
        return any(counts[material] - new[material] < 2 for material in found)

    def _tell(self, sight: Sight) -> None:
        doing = "" if self.goal is None else f"{self.goal.kind}.{self.goal.item}".rstrip(".")
        finds = write_finds(self._pending.values())
        target = self._targets.told(self.goal)
        status = write_status(sight.position, sight.inventory, doing, self._left, target)
        if not self.style.tells_finds:
            self._write(sight.step, finds, PRIVATE)
            finds = ""
        whole = f"#{self._whole}" if self.style.tells_all else ""
        self._write(sight.step, f"{finds} {status} {whole}".strip(), *((PRIVATE,) if self.style.terse else ()))
        self._pending, self._told_step = {}, sight.step
        self._told_tools = _num_tools(sight)
        self._folded[self.name] = self.memory.have()[self.name].copy()

    def _write(self, step: int, text: str, *labels: str) -> None:
        if text:
            self.memory.observe(Observation(float(step), self.name, text=text, labels=labels, is_event_start=False))

    def share(self) -> int:
        """Send and hear what there is; says how many records were new."""
        if self.sharing is None or self.now is None:
            return 0
        new = self.sharing.step(float(self.now.sight.step))
        if new:
            self._fold()
            if self.now is not None:
                sight = self.now.sight
                self._look(sight)
                self.now = Situation(sight, self.known, self.now.view, self.cows, self._has_monsters)
        return new

    def _fold(self) -> None:
        """Take into the views what the log has new."""
        for record in self.memory.lacking(self._folded):
            self.common.fold(record)
            if self.common is not self.known:
                is_own = record.agent_id == self.name
                finds = [find for find in read_finds(record.text) if is_own or MATERIALS[find.material] in _ORES]
                self.known.put(finds, int(record.stamp_s))
            mate = read_status(record)
            if mate is not None and record.agent_id != self.name:
                known = self.mates.get(mate.name)
                if known is None or known.step < mate.step:
                    self.mates[mate.name] = mate
        self._folded = {name: ranges.copy() for name, ranges in self.memory.have().items()}

    def _note_cows(self, sight: Sight) -> None:
        x0, y0 = sight.corner
        w, h = sight.materials.shape
        self.cows = {
            cell: step
            for cell, step in self.cows.items()
            if not (x0 <= cell[0] < x0 + w and y0 <= cell[1] < y0 + h) and sight.step - step < 300
        }
        self.cows |= {cell: sight.step for cell, kind in sight.creatures_at.items() if kind == 1}

    # --- deciding -----------------------------------------------------------------------------------------------

    def act(self) -> int:
        """Number of the action to take now."""
        assert self.now is not None, "observe first"
        now = self.now
        if now.sight.is_asleep:
            return 0
        self.goal = goal = self._steady.keep(now, self._decide(now))
        action = self._unstuck(now, goal, self._do(now, goal))
        return ACTIONS.index(action)

    def _decide(self, now: Situation) -> Goal:
        goal = self.style.survival.next_goal(now, self.goal)
        if goal is not None:
            return goal
        if self.style.roles and self.mates and self.sharing is not None and not self.style.terse:
            goal = self._gifts.next_goal(now, self.sharing, self.mates, self._left)
            if goal is not None:
                return goal
        return self._plan(now)

    def _plan(self, now: Situation) -> Goal:
        """What to do next towards the diamond."""
        tree = self.style.tree
        if self.style.fetches_alone:
            return self._seek(now, tree.next_goal(now, self._targets.taken(now)))
        if not self.style.roles or not self.mates or self._makes(now):
            return tree.next_goal(now, self._targets.taken(now))
        return self._help(now, tree)

    def _seek(self, now: Situation, goal: Goal) -> Goal:
        """The goal given or, with roles, to look for a diamond: somebody has a pickaxe for it, and one's own is far."""
        has, mates = now.inventory, self.mates.values() if self.style.terse else self._fresh_mates(now)
        is_able = self.style.roles and has["stone_pickaxe"] and not has["iron_pickaxe"]
        is_far = goal.kind == "explore" or goal.cost > self.style.seek_steps
        if not is_able or not is_far or now.known.mask("diamond").any():
            return goal
        has_maker = any(mate.inventory.get("iron_pickaxe") for mate in mates)
        return Goal("explore", "diamond", reason="looks for the others") if has_maker else goal

    def _fresh_mates(self, now: Situation) -> list[Mate]:
        step = now.sight.step
        return [mate for mate in self.mates.values() if step - mate.step <= self.style.silence_steps]

    def _makes(self, now: Situation) -> bool:
        """Whether this agent makes tools: at first the first names do, then those who are nearest to the diamond.

        Who makes tools already is passed over only for somebody who is nearer by `loyal_steps`.
        """
        step = now.sight.step
        mates = self._fresh_mates(now)
        num = max(1, round((len(mates) + 1) * self.style.makers))
        if step < self.style.scout_steps:
            self._is_maker = sum(mate.name < self.name for mate in mates) < num
        else:
            mine = (self._left - self.style.loyal_steps * self._is_maker, self.name)
            self._is_maker = sum((mate.left_steps, mate.name) < mine for mate in mates) < num
        return self._is_maker

    def _help(self, now: Situation, tree: TechTree) -> Goal:
        """What to do while somebody else is nearer to the diamond: look for what the team has not found."""
        is_late = any(mate.inventory.get("iron_pickaxe") for mate in self._fresh_mates(now))
        aside, near = (self.style.late_steps,) * 2 if is_late else (self.style.aside_steps, min(tree.near_steps, 3.0))
        goal = replace(tree, near_steps=near).next_goal(now, self._targets.taken(now))
        is_known = {item: bool(now.known.mask(item).any()) for item in ("stone", "coal", "iron", "diamond")}
        missing = [item for item, known in is_known.items() if not known]
        if not missing or (goal.kind != "explore" and goal.cost <= aside):
            return goal
        if not now.inventory["stone_pickaxe"] and now.sight.step >= self.style.scout_steps:
            return goal
        return Goal("explore", missing[-1], reason="looks for the others")

    # --- acting -------------------------------------------------------------------------------------------------

    def _do(self, now: Situation, goal: Goal) -> str:
        if goal.kind == "explore":
            return self._explore(now, goal.item)
        if goal.kind == "place":
            return now.place(goal.item, ("table",) if goal.item == "furnace" else ())
        if goal.kind == "sleep":
            return "sleep"
        if goal.kind == "shelter":
            return self._dig_in(now)
        if goal.target is None:
            return "noop"
        if goal.kind == "make":
            return f"make_{goal.item}" if goal.target == now.position else now.go(goal.target)
        if goal.kind == "meet":
            return now.go(goal.target)
        if goal.kind == "give":
            return f"give_{goal.item}" if now.sight.ahead == goal.target else now.use(goal.target)
        if goal.kind == "collect" and goal.item in ("iron", "diamond") and goal.cost > 3:
            self._targets.claim(now, "take", goal.target, goal.cost)
        return now.use(goal.target)

    def _dig_in(self, now: Situation) -> str:
        """Go on with the shelter that was begun, while it still can be one."""
        kept = self._shelter
        action = kept.action(now) if kept is not None and now.position in kept.cells else "noop"
        if action == "noop":  # none was begun, it was left, or the way in took a wall that it needed
            self._shelter = find_shelter(now)[1]
            action = "noop" if self._shelter is None else self._shelter.action(now)
        return action

    def _explore(self, now: Situation, item: str) -> str:
        kept = self._target
        if self._steady.is_held and kept is not None and kept != now.position and now.ways.to(kept) < 1000:
            return now.go(kept)
        known = self.common if item in MINED_WITH and item != "wood" else self.known
        worth = worth_seeing(known, item) * self._targets.share_of_the_world(now, self.common)
        gains = walk_gains(worth, now.ways, now.view)
        found = best_walk(gains, now.ways, self.style.patience, self._target, self.style.loyalty)
        if found is None:
            return "noop"
        self._target = found[0]
        self._targets.claim(now, "look", found[0], now.ways.to(found[0]))
        return now.go(found[0])

    def _unstuck(self, now: Situation, goal: Goal, action: str) -> str:
        """Step aside where the same action has changed nothing three times."""
        sight = now.sight
        key = (sight.position, sight.facing, tuple(sight.inventory.values())[4:], action)
        self._stuck = self._stuck + 1 if key == self._last else 0
        self._last = key
        if self._steady.is_blocked and sum(self.name.encode()) % 2:  # of two who dodge each other one stands still
            return "noop"
        if self._stuck < 3 or action == "sleep" or (action == "noop" and goal.kind not in _WORK):
            return action
        moves = list(DIRECTIONS.items())
        (dx, dy), move = moves[(sight.step + sum(self.name.encode())) % 4]
        is_deadly = self.known.at((sight.position[0] + dx, sight.position[1] + dy)) == "lava"
        return "noop" if is_deadly else move


def _num_tools(sight: Sight) -> int:
    """Tools that change who goes first to the diamond."""
    return sight.inventory["stone_pickaxe"] + sight.inventory["iron_pickaxe"]
