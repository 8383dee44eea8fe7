"""An agent that plays Crafter from its own observations and from what others shared, and from nothing else.

What it finds goes into its memory's log, a short record for a few steps; the map it plans on is a view of that log, as
are its beliefs about the others. With a `Sharing`, the same records reach the others, and targets are claimed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from placecell.agents.crafting import ACTIONS, DIRECTIONS, MATERIALS, MINED_WITH, Cell, Sight
from placecell.agents.known_map import Find, KnownMap, write_finds
from placecell.agents.scouting import best_walk, walk_gains, worth_seeing
from placecell.agents.shelter import Shelter, find_shelter
from placecell.agents.situation import Goal, Situation
from placecell.agents.survival import Survival
from placecell.agents.teammates import Mate, read_status, write_status
from placecell.agents.tech_tree import TechTree
from placecell.memory.delta import PRIVATE, Ranges
from placecell.memory.memory import Memory
from placecell.memory.sharing import Sharing
from placecell.perception.observation import Observation

__all__ = ["Cooperator", "Style"]

_GIVEN: Final = ("iron", "coal", "wood")  # what is handed over; stone lies everywhere
_URGENT: Final = ("iron", "coal", "diamond", "table", "furnace", "water")


@dataclass(frozen=True, slots=True)
class Style:
    """How an agent plays; each field is a switch of the experiments.

    Args:
        remembers: Keeps its map; otherwise it knows what it sees at the moment.
        claims: Claims where it goes to look and what it goes for, and leaves to others what they claimed.
        roles: Whoever is nearest to the diamond goes for it, others look for what it lacks; things are handed over.
        tells_finds: Others may have what it found; otherwise only where it is, what it has and how far along it is.
        thrifty: Claims are told within the records, a few bytes each, instead of in frames of their own.
        tells_all: Others get every observation, whole: what sharing everything costs.
        tree: How it follows the tech tree.
        survival: When its needs come first.
        patience: See `placecell.agents.scouting.best_walk`.
        loyalty: See there.
        batch_steps: A record is written after so many steps, or at once where what was found is rare.
        lease_s: How long a claim holds, in steps.
        apart: What a cell that is another's to look at is worth, of 1.
        makers: Share of the team that makes tools from the start; the others look around first, with bare hands.
        scout_steps: How long they do so at most.
        aside_steps: What is this near is taken along.
        loyal_steps: How much nearer to the diamond somebody has to be to take over from one who makes tools.
        silence_steps: Who has said nothing for so long is taken to be gone.
        give_steps: How near somebody has to be to be handed what it lacks.
    """

    remembers: bool = True
    claims: bool = True
    roles: bool = True
    tells_finds: bool = True
    thrifty: bool = False
    tells_all: bool = False
    tree: TechTree = field(default_factory=TechTree)
    survival: Survival = field(default_factory=Survival)
    patience: float = 6.0
    loyalty: float = 1.15
    batch_steps: int = 8
    lease_s: float = 20.0
    apart: float = 0.2
    makers: float = 0.34
    scout_steps: int = 30
    aside_steps: float = 2.0
    give_steps: int = 3
    silence_steps: int = 60
    loyal_steps: float = 10.0


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
        self.known = KnownMap(area)
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
        self._claimed: tuple[str, float] | None = None
        self._awaited: tuple[str, str, int] | None = None  # what is brought, by whom, until when it is waited for
        self._offered: dict[tuple[str, str], int] = {}  # when what was offered to whom
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
        news = self.known.news(sight.corner, sight.materials, step)
        self._pending |= {find.cell: find for find in news}
        self._note_cows(sight)
        self._has_monsters |= any(kind in (2, 3, 4) for kind in sight.creatures_at.values())
        view = (sight.materials.shape[0], sight.materials.shape[1])
        self.now = Situation(sight, self.known, view, self.cows, self._has_monsters)
        if self._is_time_to_tell(sight, news):
            if self.sharing is not None and self.style.roles:
                self._left = self.style.tree.steps_left(self.now)
            self._tell(sight)

    def _is_time_to_tell(self, sight: Sight, news: list[Find]) -> bool:
        if sight.step - self._told_step >= self.style.batch_steps:
            return True
        if _num_tools(sight) != self._told_tools or sight.inventory["health"] <= 3:
            return True
        counts = np.bincount(self.known.materials.ravel(), minlength=13)
        return any(MATERIALS[find.material] in _URGENT and counts[find.material] <= 2 for find in news)

    def _tell(self, sight: Sight) -> None:
        doing = "" if self.goal is None else f"{self.goal.kind}.{self.goal.item}".rstrip(".")
        finds = write_finds(self._pending.values())
        target = self._claim_told() if self.style.thrifty else None
        status = write_status(sight.position, sight.inventory, doing, self._left, target)
        if not self.style.tells_finds:
            self._write(sight.step, finds, PRIVATE)
            finds = ""
        whole = f"#{self._whole}" if self.style.tells_all else ""
        self._write(sight.step, f"{finds} {status} {whole}".strip())
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
                self.known.news(sight.corner, sight.materials, sight.step)
                self.now = Situation(sight, self.known, self.now.view, self.cows, self._has_monsters)
        return new

    def _fold(self) -> None:
        """Take into the views what the log has new."""
        for record in self.memory.lacking(self._folded):
            self.known.fold(record)
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
        self.goal = goal = self._decide(now)
        action = self._unstuck(now, self._do(now, goal))
        return ACTIONS.index(action)

    def _decide(self, now: Situation) -> Goal:
        goal = self.style.survival.next_goal(now, self.goal)
        if goal is not None:
            return goal
        if self.style.roles and self.mates and self.sharing is not None:
            goal = self._hand_over(now)
            if goal is not None:
                return goal
        return self._plan(now)

    def _plan(self, now: Situation) -> Goal:
        """What to do next towards the diamond."""
        tree = self.style.tree
        if not self.style.roles or not self.mates or self._makes(now):
            return tree.next_goal(now, self._taken(now))
        return self._help(now)

    def _makes(self, now: Situation) -> bool:
        """Whether this agent makes tools: at first the first names do, then those who are nearest to the diamond.

        Who makes tools already is passed over only for somebody who is nearer by `loyal_steps`.
        """
        step = now.sight.step
        mates = [mate for mate in self.mates.values() if step - mate.step <= self.style.silence_steps]
        num = max(1, round((len(mates) + 1) * self.style.makers))
        if step < self.style.scout_steps:
            self._is_maker = sum(mate.name < self.name for mate in mates) < num
        else:
            mine = (self._left - self.style.loyal_steps * self._is_maker, self.name)
            self._is_maker = sum((mate.left_steps, mate.name) < mine for mate in mates) < num
        return self._is_maker

    def _help(self, now: Situation) -> Goal:
        """What to do while somebody else is nearer to the diamond: look for what the team has not found."""
        tree = replace(self.style.tree, near_steps=min(self.style.tree.near_steps, 3.0))
        goal = tree.next_goal(now, self._taken(now))
        is_known = {item: bool(now.known.mask(item).any()) for item in ("stone", "coal", "iron", "diamond")}
        missing = [item for item, known in is_known.items() if not known]
        if not missing or (goal.kind != "explore" and goal.cost <= self.style.aside_steps):
            return goal
        if not now.inventory["stone_pickaxe"] and now.sight.step >= self.style.scout_steps:
            return goal
        return Goal("explore", missing[-1], reason="looks for the others")

    def _hand_over(self, now: Situation) -> Goal | None:
        """Wait for what somebody brings; or bring an agent that is nearer to the diamond what it lacks."""
        assert self.sharing is not None
        step = now.sight.step
        for message in self.sharing.messages():
            if message.performative == "propose" and message.payload["topic"] == "give":
                item = message.payload["body"]
                if item in _GIVEN and self._lacks(now.inventory, item) and not now.inventory["iron_pickaxe"]:
                    self.sharing.accept(message)
                    self._awaited = (item, message.sender, step + 2 * self.style.give_steps)
                else:
                    self.sharing.refuse(message, "not needed")
        if self._awaited is not None:
            item, sender, until = self._awaited
            if step < until and self._lacks(now.inventory, item):
                return Goal("wait", item, reason=f"{sender} brings it", peer=sender)
            self._awaited = None
        for cell, kind in now.sight.creatures_at.items():
            far = abs(cell[0] - now.position[0]) + abs(cell[1] - now.position[1])
            mate = self.mates.get(f"player_{kind - 7}") if kind >= 7 and far <= self.style.give_steps else None
            if mate is None or mate.left_steps >= self._left or mate.inventory.get("iron_pickaxe"):
                continue
            for item in _GIVEN if mate.inventory.get("stone_pickaxe") else ():
                if self._lacks(mate.inventory, item) and now.inventory[item] > 0:
                    offered = self._offered.get((mate.name, item), -1000)
                    if step - offered > 20:
                        self._offered[mate.name, item] = step
                        self.sharing.propose(mate.name, "give", item)
                        offered = step
                    if step - offered <= 2 * self.style.give_steps:
                        return Goal("give", item, cell, float(far), f"{mate.name} lacks it", mate.name)
        return None

    @staticmethod
    def _lacks(inventory: Mapping[str, int], item: str) -> bool:
        return inventory.get(item, 0) < 1

    def _taken(self, now: Situation) -> set[Cell]:
        """Cells that others claimed."""
        if self.sharing is None or not self.style.claims:
            return set()
        step, taken = float(now.sight.step), set()
        if self.style.thrifty:
            mates = [mate for mate in self.mates.values() if step - mate.step < self.style.lease_s]
            return {mate.target for mate in mates if mate.target is not None and mate.doing.startswith("collect")}
        for name in self.mates:
            for target in self.sharing.claims.targets(name, step):
                kind, _, place = target.partition(":")
                if kind == "take":
                    taken.add(_cell(place))
        return taken

    def _claim(self, now: Situation, kind: str, cell: Cell, cost: float) -> None:
        """Claim a target, unless it is claimed already."""
        if self.sharing is None or not self.style.claims or not self.mates:
            return
        target, step = f"{kind}:{cell[0]},{cell[1]}", float(now.sight.step)
        if self._claimed is not None:
            held, until = self._claimed
            if held == target and step < until - 2:
                return
            if held != target and held.startswith("take") and not self.style.thrifty:
                self.sharing.release(held)
        if not self.style.thrifty:
            self.sharing.claim(target, cost, self.style.lease_s)
        self._claimed = (target, step + self.style.lease_s)

    def _claim_told(self) -> Cell | None:
        """The cell that is claimed for what is being done."""
        kinds = {"explore": "look", "collect": "take"}
        if self._claimed is None or self.goal is None or kinds.get(self.goal.kind) != self._claimed[0].split(":")[0]:
            return None
        return _cell(self._claimed[0].partition(":")[2])

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
            self._claim(now, "take", goal.target, goal.cost)
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
        worth = worth_seeing(self.known, item) * self._share_of_the_world(now)
        gains = walk_gains(worth, now.ways, now.view)
        found = best_walk(gains, now.ways, self.style.patience, self._target, self.style.loyalty)
        if found is None:
            return "noop"
        self._target = found[0]
        self._claim(now, "look", found[0], now.ways.to(found[0]))
        return now.go(found[0])

    def _share_of_the_world(self, now: Situation) -> np.ndarray:
        """How far each cell is this agent's to look at, from `apart` to 1: others are nearer to the rest."""
        area = self.known.area
        if self.sharing is None or not self.style.claims or not self.mates:
            return np.ones(area)
        xs, ys = np.mgrid[: area[0], : area[1]]
        mine = np.abs(xs - now.position[0]) + np.abs(ys - now.position[1])
        is_others = np.zeros(area, bool)
        step = float(now.sight.step)
        for name, mate in self.mates.items():
            places = [mate.position] if step - mate.step <= 2 * self.style.batch_steps else []
            if self.style.thrifty:
                is_live = mate.target is not None and step - mate.step < 2 * self.style.lease_s
                places = [mate.target] if is_live and mate.target is not None else places
            looks = [c for c in self.sharing.claims.live(step) if c.holder == name and c.target.startswith("look:")]
            if looks:
                places = [_cell(max(looks, key=lambda claim: claim.order).target[5:])]
            for x, y in places:
                is_others |= np.abs(xs - x) + np.abs(ys - y) < mine
        return np.where(is_others, self.style.apart, 1.0)

    def _unstuck(self, now: Situation, action: str) -> str:
        """Step aside where the same action has changed nothing three times."""
        sight = now.sight
        key = (sight.position, sight.facing, tuple(sight.inventory.values())[4:], action)
        self._stuck = self._stuck + 1 if key == self._last else 0
        self._last = key
        if self._stuck < 3 or action in ("noop", "sleep"):
            return action
        moves = list(DIRECTIONS.items())
        (dx, dy), move = moves[(sight.step + sum(self.name.encode())) % 4]
        is_deadly = self.known.at((sight.position[0] + dx, sight.position[1] + dy)) == "lava"
        return "noop" if is_deadly else move


def _num_tools(sight: Sight) -> int:
    return sum(sight.inventory[tool] for tool in set(MINED_WITH.values()) if tool)


def _cell(place: str) -> Cell:
    """The cell in a claim's target; one outside of every map where it is none."""
    x, _, y = place.partition(",")
    return (int(x), int(y)) if x.isdecimal() and y.isdecimal() and len(place) < 9 else (-1, -1)
