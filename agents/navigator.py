"""Look for a goal: first where the memory knows of something like it, then where what was seen speaks for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from placecell.agents.matching import Matcher
from placecell.agents.planner import LEFT, LOOK_DOWN, LOOK_UP, STOP, Decision, Experience, Sensed
from placecell.agents.roaming import SQUEEZE, Reach, Roamer
from placecell.agents.room_priors import RoomPriors
from placecell.agents.values import CELL_M, Glance, ValueMap
from placecell.memory.records import RecordId

if TYPE_CHECKING:
    from placecell.agents.goals import Goal
    from placecell.memory.memory import Memory
    from placecell.memory.object_states import SceneObject
    from placecell.memory.places import Frontier
    from placecell.memory.rooms import Room
    from placecell.perception.detection import Detection

__all__ = ["Adviser", "Candidate", "Navigator", "NavigatorConfig"]

_ROOMS_SERVE: Final = 8  # steps after which rooms are cut anew
_NEAR_M: Final = 2.5  # what is seen from within this distance is looked at closely
_LOOKS: Final = 6  # close looks at a thing that count, the last ones
_BESIDE_M: Final = 0.9  # so near to a thing one need not squeeze nearer
_CLOSER_M: Final = 0.2  # what squeezing must gain
_CIRCLING: Final = 50  # steps on the way to a thing after which beside it is near enough
_BEYOND_M: Final = 0.7  # behind a frontier lies the room that it leads to


@dataclass(frozen=True, slots=True)
class NavigatorConfig:
    """How a navigator decides.

    Args:
        go: Chance to be the goal from which a thing is gone to at once.
        maybe: Chance from which a thing is worth a look when it is not far.
        stop: Chance that a thing must have, seen from near, to be taken for the goal.
        settle: Chance that is good enough once nothing is left to explore.
        value_weight: What the value map adds to a frontier's worth.
        patrol_m: Floor that no view was taken from within this distance is visited before a goal is refused.
        looks_around: Whether to turn once around where a goal begins in unknown surroundings.
        is_nearest: Whether the next frontier is simply the nearest one.
        late: Steps after which the likeliest thing found is gone to instead of looking further.
        hunts: So many places that looked like the goal are gone near before it is refused.
        hunt: Value that such a place must have.
        trusts_rooms: Whether frontiers count for more where the room is one in which such things stood before.
    """

    go: float = 0.45
    maybe: float = 0.15
    stop: float = 0.35
    settle: float = 0.12
    value_weight: float = 2.0
    patrol_m: float = 2.0
    looks_around: bool = True
    is_nearest: bool = False
    late: int = 380
    hunts: int = 3
    hunt: float = 0.15
    trusts_rooms: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A thing that may be the goal."""

    thing: SceneObject
    chance: float
    metres: float


#: Says what to do next, given the navigator, the observation and the frontiers; None leaves it to the navigator.
Adviser = Callable[["Navigator", Sensed, Sequence[Reach]], "Candidate | Reach | None"]


class Navigator:
    """Goes to what the memory takes for the goal, else explores where its value map is highest.

    Args:
        config: How it decides.
        name: For tables.
        is_forgetful: Whether it is to be given an empty memory for every goal.
        adviser: Is asked first, at every step.
        priors: What it knows of rooms from places where it lived before; it adds to them when it moves on to another
            memory, unless it is forgetful.
    """

    is_privileged = False

    def __init__(
        self,
        config: NavigatorConfig | None = None,
        name: str = "memory",
        is_forgetful: bool = False,
        adviser: Adviser | None = None,
        priors: RoomPriors | None = None,
    ) -> None:
        self.config, self.name, self.is_forgetful = config or NavigatorConfig(), name, is_forgetful
        self._adviser = adviser
        self.priors = priors or RoomPriors()
        self._memory: Memory | None = None
        self._glances: list[Glance] = []
        self._looked: dict[tuple[int, int], int] = {}
        self._seq: dict[str, int] = {}

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        """Begin to look for a goal.

        Raises:
            ValueError: If there is no goal: exploring is `Explorer`'s.
        """
        if goal is None:
            raise ValueError("a navigator needs a goal; to explore, use Explorer")
        if experience.memory is not self._memory:
            if self._memory is not None and not self.is_forgetful:
                things = self._memory.objects.objects()
                self.priors.learn(self._memory.places.rooms(things), things)
            self._memory, self._glances, self._looked, self._seq = experience.memory, [], {}, {}
        self.goal, self._experience, self._roamer = goal, experience, Roamer(experience)
        self.matcher = Matcher(goal, experience.memory.encoder)
        self.values = ValueMap()
        self._painted = 0
        self._target: SceneObject | None = None
        self._stand: tuple[np.ndarray, int] | None = None
        self._frontier: int | None = None
        self._rejected: dict[str, int] = {}
        self._looks: dict[str, list[float]] = {}  # chances of close views of a thing to show the goal
        self._things: list[SceneObject] = []
        self._hunts: list[tuple[float, float]] = []  # places (x, z) that were gone near as they may hold the goal
        self._hunted: np.ndarray | None = None  # where it stands to look at the last of them, until it is there
        self._began_s = experience.stamp_s
        self._spin = 0
        self._checks: list[int] = []
        self._since = 0  # step at which it set out for the target
        self._bad: list[np.ndarray] = []  # where one would stand near the target, and did not get to
        self._is_first = True
        # Many signs that must all fit make a small chance of even the right thing.
        self._settle = self.config.settle if goal.kind == "category" else self.config.settle / 4
        self._last_step = experience.step + self.config.late
        self._rooms: tuple[int, list[Room]] = (-_ROOMS_SERVE, [])
        self._here_and_before = self.priors

    def act(self, sensed: Sensed) -> Decision:
        """What to do now."""
        if not self._roamer.update(sensed):
            return Decision(LEFT, "no floor in view")
        self._note(sensed)
        if sensed.pose[1, 2] > 0.1 and not self._checks:  # the last goal left the camera tilted down
            return Decision(LOOK_UP, "level again")
        self._things = self._experience.memory.objects.objects()
        self._look_closely(sensed)
        for _ in range(8):
            decision = self._try(sensed)
            if decision is not None:
                return decision
        return self._give_up()

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _try(self, sensed: Sensed) -> Decision | None:
        """A decision, or None when a target was dropped and another must be chosen."""
        candidates = self._candidates()
        best = self._best(candidates)
        is_last = False
        if self._adviser is not None:
            frontiers = self._roamer.frontiers()
            advice = self._adviser(self, sensed, frontiers)
            if isinstance(advice, Candidate):
                return self._approach(sensed, advice, is_last=True)
            if isinstance(advice, Reach):
                return self._explore([advice])
        if best is None or best.chance < self.config.go:
            if self._is_first and self.config.looks_around and self._is_new_here(sensed):
                self._spin = 11
            self._is_first = False
            if self._spin > 0:
                self._spin -= 1
                return Decision(LEFT, "looking around")
            is_late = sensed.step >= self._last_step and best is not None and best.chance >= self._settle
            frontiers = [] if is_late else self._roamer.frontiers()
            maybe = self._worth_a_look(candidates, frontiers)
            if maybe is None and frontiers:
                return self._explore(frontiers)
            if maybe is None:
                spot = None if is_late else self._unwatched()
                if spot is not None:
                    return self._patrol(sensed, spot)
                hunt = None if is_late else self._hunt()
                if hunt is not None:
                    return hunt
                # Everything was seen: now what was looked at in vain may still be the best that there is.
                known, is_last = self._best(self._candidates(is_last=True)), True
                maybe = known if known is not None and known.chance >= self._settle else None
            if maybe is None:
                return self._give_up()
            best, is_last = maybe, is_last or is_late
        self._is_first = False
        self._spin = 0
        return self._approach(sensed, best, is_last)

    def _candidates(self, is_last: bool = False) -> list[Candidate]:
        """Things that may be the goal; those looked at in vain only if more was seen of them, or at last."""
        found = []
        for thing in self._things:
            if thing.state == "gone":
                continue
            chance = self._chance(thing)
            if thing.state == "unsure":
                chance *= 0.5
            rejected = self._rejected.get(thing.object_id)
            if rejected is not None and not is_last and thing.num_sightings < 1.5 * rejected + 3:
                continue
            if chance >= min(self.config.maybe, self._settle):
                metres = self._roamer.metres_to(thing.position_m)
                found.append(Candidate(thing, chance, metres))
        return found

    def _chance(self, thing: SceneObject) -> float:
        """Chance to be the goal, by the map and by what close views showed."""
        chance = self.matcher.chance(thing, self._things, self._room_of)
        looks = self._looks.get(thing.object_id, ())
        if len(looks) < 2 or chance <= 0:
            return chance
        mapped = self.matcher.detection_chance(thing)
        return chance * (0.5 + 0.5 * float(np.mean(looks)) / mapped) if mapped > 0 else chance

    def _look_closely(self, sensed: Sensed) -> None:
        """Compare what is whole and near in the picture with the goal."""
        for found in sensed.detections:
            away = found.position_m[0] - sensed.position_m[0], found.position_m[2] - sensed.position_m[2]
            if found.is_cut or math.hypot(*away) > _NEAR_M:
                continue
            chance = None
            for thing in self._things:
                if _is_view_of(found, thing):
                    chance = self.matcher.detection_chance(found) if chance is None else chance
                    self._looks[thing.object_id] = [*self._looks.get(thing.object_id, ())[1 - _LOOKS :], chance]

    def _best(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """The likeliest; of things about as likely the nearest, and the one on the way already sooner than another."""
        if not candidates:
            return None
        top = max(candidate.chance for candidate in candidates)
        share = 0.92 if self.goal.is_unique else 0.8
        alike = [candidate for candidate in candidates if candidate.chance >= share * top]
        current = None if self._target is None else self._target.object_id
        return min(alike, key=lambda c: (c.metres - (1.0 if c.thing.object_id == current else 0.0), c.thing.object_id))

    def _worth_a_look(self, candidates: Sequence[Candidate], frontiers: Sequence[Reach]) -> Candidate | None:
        """An unlikely thing that is so near that it is worth a look before the next frontier."""
        options = [candidate for candidate in candidates if candidate.chance >= self.config.maybe]
        if not options:
            return None
        best = max(options, key=lambda c: c.chance / (c.metres + 1.0))
        if not frontiers:
            return best
        beyond = min(reach.metres for reach in frontiers)
        return best if best.chance / (best.metres + 1.0) > 0.25 / (beyond + 1.0) else None

    def _approach(self, sensed: Sensed, candidate: Candidate, is_last: bool) -> Decision | None:
        thing = candidate.thing
        if self._target is None or thing.object_id != self._target.object_id:
            self._stand, self._checks, self._bad, self._since = None, [], [], sensed.step
        self._target = thing
        stand = self._stand_at(sensed, thing)
        x, y, z = (float(v) for v in thing.position_m)
        words = f"to {thing.name or 'something'} {thing.object_id} ({candidate.chance:.2f})"
        action = None
        is_there = sensed.step - self._since > _CIRCLING and _gap_m(sensed.position_m, thing) < _BESIDE_M
        if stand is not None and not self._checks and not is_there:
            facing = math.atan2(-(x - sensed.position_m[0]), -(z - sensed.position_m[2]))
            action = self._roamer.go(stand, facing)
        if action is not None:
            return Decision(action, words, (x, y, z))
        if stand is not None and not self._checks and not is_there and len(self._bad) < 4:
            left_m = float(np.hypot(*(stand - sensed.position_m)[[0, 2]]))
            if left_m > 0.4:  # something that no picture shows is in the way: try from another side
                self._bad.append(stand)
                self._stand = None
                return None
        check = self._check(sensed, thing)
        if check is not None:
            return Decision(check, f"looking at {thing.object_id}", (x, y, z))
        needed = self._settle if is_last else self.config.stop
        is_seen = thing.last_s >= self._began_s - 1e-6
        if candidate.chance >= needed and stand is not None and (is_seen or is_last or thing.state != "unsure"):
            return Decision(
                STOP, f"at {thing.name or 'something'} {thing.object_id}", (x, y, z), object_id=thing.object_id
            )
        self._rejected[thing.object_id] = thing.num_sightings
        self._target, self._stand = None, None
        return None

    def _check(self, sensed: Sensed, thing: SceneObject) -> int | None:
        """Look again at what was not seen since the goal began: tilt the camera at things below it."""
        if thing.last_s >= self._began_s - 1e-6 and not self._checks:
            return None
        if not self._checks and thing.last_s < self._began_s:
            height = thing.position_m[1] - sensed.position_m[1]
            self._checks = [LOOK_DOWN, LOOK_UP] if height < -0.2 else [LOOK_UP, LOOK_DOWN] if height > 0.4 else [LEFT]
            self._began_s = -math.inf  # once
            return self._checks.pop(0)
        return self._checks.pop(0) if self._checks else None

    def _explore(self, frontiers: Sequence[Reach]) -> Decision | None:
        """Go to the frontier that promises most for its way."""
        self._target, self._stand = None, None
        scores = [
            1.0 / (1.0 + reach.steps) if self.config.is_nearest else self._promise(reach) / (reach.steps + 4.0)
            for reach in frontiers
        ]
        best = frontiers[int(np.argmax(scores))].frontier
        self._frontier = best.frontier_id
        action = self._roamer.go(best.position_m, best.direction_rad)
        if action is None:
            self._roamer.drop(best)
            return None
        x, y, z = np.asarray(best.position_m).tolist()
        return Decision(action, f"to frontier {best.frontier_id}", (x, y, z))

    def _promise(self, reach: Reach) -> float:
        """What a frontier is worth: unknown floor behind it, and what was seen there."""
        frontier = reach.frontier
        value = self.values.near(float(frontier.middle_m[0]), float(frontier.middle_m[2]))
        stays = 1.3 if frontier.frontier_id == self._frontier else 1.0
        if self.config.trusts_rooms:
            stays *= self._room_factor(frontier)
        return stays * (1.0 + self.config.value_weight * value) * min(1.0, 0.3 + frontier.unknown_m2 / 10.0)

    def _room_factor(self, frontier: Frontier) -> float:
        """How much the room that a frontier leads to, else the one that it lies in, speaks for the goal."""
        x, y, z = np.asarray(frontier.middle_m).tolist()
        ahead = -math.sin(frontier.direction_rad), -math.cos(frontier.direction_rad)
        room = self._room_at((x + _BEYOND_M * ahead[0], y, z + _BEYOND_M * ahead[1])) or self._room_at((x, y, z))
        if room is None:
            return 1.0
        return self._here_and_before.factor(self.matcher.names, room.names, self.matcher.mention.room)

    def _patrol(self, sensed: Sensed, spot: np.ndarray) -> Decision | None:
        """Go where no view was taken from, and look around."""
        self._target, self._stand = None, None
        action = self._roamer.go(spot)
        x, y, z = spot.tolist()
        if action is not None:
            return Decision(action, "to where it was not looked from", (x, y, z))
        for dx in (-0.5, 0.0, 0.5):
            for dz in (-0.5, 0.0, 0.5):
                self._looked[_cell(x + dx, z + dz)] = 12
        self._spin = 11
        return Decision(LEFT, "looking around", (x, y, z))

    def _hunt(self) -> Decision | None:
        """Go near what looked most like the goal though no such thing was found there, and look around; a few times."""
        self._target, self._stand = None, None
        if self._hunted is None:
            if len(self._hunts) >= self.config.hunts:
                return None
            found = self._promising()
            if found is None:
                return None
            peak, self._hunted = found
            self._hunts.append(peak)
        x, y, z = self._hunted.tolist()
        action = self._roamer.go(self._hunted)
        if action is None:
            self._hunted, self._spin = None, 11
            return Decision(LEFT, "looking around", (x, y, z))
        return Decision(action, "to where it may have been overlooked", (x, y, z))

    def _promising(self) -> tuple[tuple[float, float], np.ndarray] | None:
        """The place (x, z) of the highest value that was not gone near yet, and the reachable floor nearest to it."""
        x0, z0 = self.values.origin_m
        rows, columns = np.nonzero((self.values.value >= self.config.hunt) & (self.values.confidence > 0))
        x, z = x0 + (columns + 0.5) * CELL_M, z0 + (rows + 0.5) * CELL_M
        keep = np.ones(len(x), bool)
        for old_x, old_z in self._hunts:
            keep &= np.hypot(x - old_x, z - old_z) > _NEAR_M / 2
        if not keep.any():
            return None
        at = int(np.where(keep, self.values.value[rows, columns], -1.0).argmax())
        peak = float(x[at]), float(z[at])
        # Beside it, as near as one can stand.
        floor_rows, floor_columns = np.nonzero(np.isfinite(self._roamer.field))
        if not len(floor_rows):
            return None
        x0, z0 = self._roamer.finder.origin_m
        floor_x, floor_z = x0 + (floor_columns + 0.5) * 0.05, z0 + (floor_rows + 0.5) * 0.05
        near = int(np.hypot(floor_x - peak[0], floor_z - peak[1]).argmin())
        return peak, np.array([floor_x[near], self._roamer.finder.height_m, floor_z[near]])

    def _give_up(self) -> Decision:
        return Decision(STOP, f"no {self.goal.text or 'such thing'} here", is_refusal=True, covered=self._covered())

    def candidate(self, thing: SceneObject) -> Candidate:
        """A thing, with what speaks for its being the goal and the way to it."""
        return Candidate(thing, self._chance(thing), self._roamer.metres_to(thing.position_m))

    @property
    def things(self) -> list[SceneObject]:
        """Things of the map, as of the last observation."""
        return self._things

    @property
    def rejected(self) -> Mapping[str, int]:
        """Things that were looked at in vain, with how often they had been seen then."""
        return self._rejected

    # --- what is known -----------------------------------------------------------------------------------------------

    def _note(self, sensed: Sensed) -> None:
        """Take in what the memory wrote since the last look, and paint it."""
        memory = self._experience.memory
        for agent_id in memory.agents():
            top = memory.version().get(agent_id, 0)
            for seq in range(self._seq.get(agent_id, 0) + 1, top + 1):
                record = memory.get(RecordId(agent_id, seq))
                if record.kind == "moment" and record.scan is not None and record.pose is not None:
                    if record.embeddings is not None:
                        self._glances.append(Glance(record))
                    x, _, z = record.pose[:3, 3].tolist()
                    self._looked[_cell(x, z)] = self._looked.get(_cell(x, z), 0) + 1
            self._seq[agent_id] = top
        if self._painted < len(self._glances):
            news = self._glances[self._painted :]
            counts = [len(glance.vectors) for glance in news]
            chances = self.matcher.view_chances(np.concatenate([glance.vectors for glance in news]))
            for glance, part in zip(news, np.split(chances, np.cumsum(counts)[:-1]), strict=True):
                self.values.paint(glance, part)
            self._painted = len(self._glances)

    def _room_of(self, point: Sequence[float], kind: str) -> float | None:
        """Chance that the room at a point is of a kind, as what stands in it tells."""
        room = self._room_at(point)
        total = 0.0 if room is None else sum(weight for _, weight in room.names)
        return None if room is None or total <= 0 else dict(room.names).get(kind, 0.0) / total

    def _room_at(self, point: Sequence[float]) -> Room | None:
        places = self._experience.memory.places
        if self._experience.step - self._rooms[0] >= _ROOMS_SERVE:
            self._rooms = self._experience.step, places.rooms(self._things)
            self._here_and_before = self.priors.plus(RoomPriors().learn(self._rooms[1], self._things))
        floor = next((floor for floor in places.floors if floor.height_m == self._roamer.finder.height_m), None)
        if floor is None:
            return None
        row, column = floor.cell(float(point[0]), float(point[2]))
        best: tuple[int, Room] | None = None
        for room in self._rooms[1]:
            mask = room.mask[max(row - 4, 0) : max(row + 5, 0), max(column - 4, 0) : max(column + 5, 0)]
            count = int(mask.sum()) if room.floor == floor.number and room.mask.shape == floor.free.shape else 0
            if count and (best is None or count > best[0]):
                best = count, room
        return None if best is None else best[1]

    def _is_new_here(self, sensed: Sensed) -> bool:
        """Whether fewer than half a turn of views were taken around here."""
        x, _, z = sensed.position_m.tolist()
        cells = {_cell(x + dx, z + dz) for dx in (-1.0, 0.0, 1.0) for dz in (-1.0, 0.0, 1.0)}
        return sum(self._looked.get(cell, 0) for cell in cells) < 8

    def _unwatched(self) -> np.ndarray | None:
        """The nearest reachable floor that no view was taken from within `patrol_m`."""
        finder = self._roamer.finder
        field = self._roamer.field
        far = np.isfinite(field)
        rows, columns = np.nonzero(far)
        if not len(rows):
            return None
        x = (columns + 0.5) * 0.05 + finder.origin_m[0]
        z = (rows + 0.5) * 0.05 + finder.origin_m[1]
        keep = np.ones(len(rows), bool)
        for (i, k), count in self._looked.items():
            if count >= 2:
                keep &= np.hypot(x - (i + 0.5) * 0.5, z - (k + 0.5) * 0.5) > self.config.patrol_m
        if keep.sum() < 40:  # a tenth of a square metre
            return None
        way = np.where(keep, field[rows, columns], np.inf)
        at = int(way.argmin())
        return np.array([x[at], finder.height_m, z[at]])

    def _covered(self) -> float:
        """Share of the reachable floor near which views were taken."""
        field = self._roamer.field
        rows, columns = np.nonzero(np.isfinite(field))
        if not len(rows):
            return 0.0
        x = (columns + 0.5) * 0.05 + self._roamer.finder.origin_m[0]
        z = (rows + 0.5) * 0.05 + self._roamer.finder.origin_m[1]
        near = np.zeros(len(rows), bool)
        for i, k in self._looked:
            near |= np.hypot(x - (i + 0.5) * 0.5, z - (k + 0.5) * 0.5) <= self.config.patrol_m
        return float(near.mean())

    def _stand_at(self, sensed: Sensed, thing: SceneObject) -> np.ndarray | None:
        """Where to stand nearest to a thing, on the side from which it was seen."""
        if self._stand is not None and sensed.step - self._stand[1] < 6:
            return self._stand[0]
        found: tuple[float, np.ndarray, int] | None = None
        for number in range(len(SQUEEZE)):  # gaps are squeezed through only where that leads nearer
            self._roamer.squeeze(number)
            spot = self._nearest_floor(thing)
            if spot is not None and (found is None or spot[0] < found[0] - _CLOSER_M):
                found = *spot, number
            if found is not None and found[0] <= _BESIDE_M:
                break
        if found is None or found[0] > 1.5:
            return None
        self._roamer.squeeze(found[2])
        self._stand = found[1], sensed.step
        return self._stand[0]

    def _nearest_floor(self, thing: SceneObject) -> tuple[float, np.ndarray] | None:
        """Reachable floor beside a thing, and how far from it that is, metres."""
        field, finder = self._roamer.field, self._roamer.finder
        rows, columns = np.nonzero(np.isfinite(field))
        if not len(rows):
            return None
        x = (columns + 0.5) * 0.05 + finder.origin_m[0]
        z = (rows + 0.5) * 0.05 + finder.origin_m[1]
        dx = np.maximum(np.maximum(thing.low_m[0] - x, x - thing.high_m[0]), 0.0)
        dz = np.maximum(np.maximum(thing.low_m[2] - z, z - thing.high_m[2]), 0.0)
        gap = np.hypot(dx, dz)
        cost = gap + 0.02 * field[rows, columns]
        room = self._room_at(thing.position_m)
        if room is not None and room.mask.shape == field.shape:
            inside = room.mask[rows, columns]
            cost = cost + np.where(inside, 0.0, 0.5)
        eye = self._eye(thing)
        if eye is not None:
            off = float(np.hypot(eye[0] - thing.position_m[0], eye[2] - thing.position_m[2]))
            behind = finder.distance_field(eye, limit_m=2.0 * off + 4.0)[rows, columns]
            cost = cost + 0.05 * np.minimum(behind, 20.0)
        for bad in self._bad:
            cost = cost + np.where(np.hypot(x - bad[0], z - bad[2]) < 0.35, 1.0, 0.0)
        at = int(cost.argmin())
        return float(gap[at]), np.array([x[at], finder.height_m, z[at]])

    def _eye(self, thing: SceneObject) -> np.ndarray | None:
        """From where a thing was seen best."""
        for sighting in thing.sightings[:1]:
            pose = self._experience.memory.get(sighting.record_id).pose
            if pose is not None:
                return np.asarray(pose[:3, 3])
        return None


def _gap_m(position_m: np.ndarray, thing: SceneObject) -> float:
    """Metres on the floor from a point to a thing's box."""
    x, _, z = position_m.tolist()
    dx = max(thing.low_m[0] - x, x - thing.high_m[0], 0.0)
    return math.hypot(dx, max(thing.low_m[2] - z, z - thing.high_m[2], 0.0))


def _is_view_of(found: Detection, thing: SceneObject) -> bool:
    """Whether a detection lies where a thing is and is about as large: what stands on a desk is no view of it."""
    bounds = zip(thing.low_m, found.position_m, thing.high_m, strict=True)
    if not all(low - 0.1 <= at <= high + 0.1 for low, at, high in bounds):
        return False
    seen_m = max(high - low for low, high in zip(found.low_m, found.high_m, strict=True))
    return 0.5 * max(thing.size_m) <= seen_m <= 1.5 * max(thing.size_m) + 0.1


def _cell(x: float, z: float) -> tuple[int, int]:
    return math.floor(x / 0.5), math.floor(z / 0.5)
