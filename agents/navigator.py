"""Look for a goal: first where the memory knows of something like it, then where what was seen speaks for it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from placecell.agents.close_looks import NEAR_M
from placecell.agents.matching import Matcher
from placecell.agents.planner import LEFT, LOOK_DOWN, LOOK_UP, STOP, Decision, Experience, Sensed
from placecell.agents.prospects import Candidate, Prospects
from placecell.agents.roaming import SQUEEZE, Reach, Roamer
from placecell.agents.room_priors import RoomPriors
from placecell.agents.standing import BESIDE_M, Stand, floor_gap_m
from placecell.agents.surroundings import Surroundings
from placecell.agents.thing_colours import ThingColours
from placecell.agents.values import ValueMap

if TYPE_CHECKING:
    from placecell.agents.goals import Goal
    from placecell.memory.memory import Memory
    from placecell.memory.object_states import SceneObject

__all__ = ["Adviser", "Candidate", "Navigator", "NavigatorConfig"]

_LITTLE: Final = 1 / 60  # frontiers that open a smaller share of the floor can wait
_SPARE: Final = 100  # steps that late leaves to look for something at least; then it is refused
_STEPS_PER_M, _LOOKS = 6.0, 15.0  # what it takes to get to a thing, and to look at it
_BLOCKED_M: Final = 2.0  # so far from where one would stand it is the way that is blocked
_CIRCLING: Final = 60  # steps beside a thing after which that is near enough, if no way led nearer


@dataclass(frozen=True, slots=True)
class NavigatorConfig:
    """How a navigator decides.

    Args:
        go: Chance to be the goal from which a thing is gone to at once.
        maybe: Chance from which a thing is worth a look when it is not far.
        stop: Chance that a thing must have, seen from near, to be taken for the goal.
        alike: The same where the goal is a picture, as long as there is more to explore.
        settle: Chance that is good enough once nothing is left to explore.
        value_weight: What the value map adds to a frontier's worth.
        patrol_m: Floor that no view was taken from within this distance is visited before a goal is refused.
        looks_around: Whether to turn once around where a goal begins in unknown surroundings.
        is_nearest: Whether the next frontier is simply the nearest one.
        late: Steps after which the likeliest thing found is gone to instead of looking further, or later where the
            way is short; a hundred later, what may not even be that is refused.
        hunts: So many places that looked like the goal are gone near before it is refused.
        hunt: Value that such a place must have.
        trusts_rooms: Whether frontiers count for more where the room is one in which such things stood before.
    """

    go: float = 0.45
    maybe: float = 0.15
    stop: float = 0.35
    alike: float = 0.5
    settle: float = 0.12
    value_weight: float = 2.0
    patrol_m: float = 2.0
    looks_around: bool = True
    is_nearest: bool = False
    late: int = 380
    hunts: int = 3
    hunt: float = 0.15
    trusts_rooms: bool = True


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
    _roamer: Roamer

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

    def reset(self, goal: Goal | None, experience: Experience) -> None:
        """Begin to look for a goal.

        Raises:
            ValueError: If there is no goal: exploring is `Explorer`'s.
        """
        if goal is None:
            raise ValueError("a navigator needs a goal; to explore, use Explorer")
        before = self._roamer if experience.memory is self._memory else None
        if experience.memory is not self._memory:
            if self._memory is not None and not self.is_forgetful:
                things = self._memory.objects.objects()
                self.priors.learn(self._memory.places.rooms(things), things)
            self._memory, self._around = experience.memory, Surroundings(experience, self.priors)
            self._thing_colours = ThingColours(experience.memory)
        self.goal, self._experience, self._roamer = goal, experience, Roamer(experience, before=before)
        self._around.begin(experience, self._roamer)
        self.matcher = Matcher(goal, experience.memory.encoder, self._thing_colours.of)
        self._values, self._painted = ValueMap(), 0
        self._target: SceneObject | None = None
        self._stand = self._new_stand()
        self._frontier: int | None = None
        self._hunts: list[tuple[float, float]] = []  # places (x, z) that were gone near as they may hold the goal
        self._hunted: np.ndarray | None = None  # where it stands to look at the last of them, until it is there
        self._prospects = Prospects(self.matcher, self.config, self._around, self._roamer)
        self._began_s = experience.stamp_s
        self._spin = 0
        self._checks: list[int] = []
        self._checked = ""  # the last thing that was looked at again
        self._checked_s = -math.inf  # and since when
        self._beside = 0  # steps that it spent beside the target
        self._is_first = True
        self._last_step = experience.step + self.config.late
        self._is_ending = False  # whether no time is left but for the likeliest thing found

    def act(self, sensed: Sensed) -> Decision:
        """What to do now."""
        if not self._roamer.update(sensed):
            return Decision(LEFT, "no floor in view")
        self._around.note()
        if sensed.pose[1, 2] > 0.1 and not self._checks:  # the last goal left the camera tilted down
            return Decision(LOOK_UP, "level again")
        self._prospects.update(sensed)
        for _ in range(8):
            decision = self._try(sensed)
            if decision is not None:
                return decision
        return self._give_up()

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _try(self, sensed: Sensed) -> Decision | None:
        """A decision, or None when a target was dropped and another must be chosen."""
        candidates = self._prospects.candidates()
        best = self._prospects.best(candidates, self._target)
        is_last = False
        if self._adviser is not None:
            frontiers = self._roamer.frontiers()
            advice = self._adviser(self, sensed, frontiers)
            if isinstance(advice, Candidate):
                return self._approach(sensed, advice, is_last=True)
            if isinstance(advice, Reach):
                return self._explore([advice])
        if best is None or best.chance < self.config.go:
            if self._is_first and self.config.looks_around and self._around.is_new(sensed.position_m):
                self._spin = 11
            self._is_first = False
            if self._spin > 0:
                self._spin -= 1
                return Decision(LEFT, "looking around")
            is_late = self._is_late(sensed.step)
            if sensed.step >= self._last_step + _SPARE and not is_late:
                return self._give_up()
            if self._hunted is not None and not is_late:
                return self._hunt()
            frontiers = [] if is_late else self._roamer.frontiers(_LITTLE)
            is_poor = self._roamer.is_squeezing or all(reach.share < _LITTLE for reach in frontiers)
            inkling = None if is_late else self._prospects.inkling()
            maybes = candidates if inkling is None else [*candidates, inkling]
            maybe = self._prospects.worth_a_look(maybes, [] if is_poor else frontiers)
            if maybe is None and is_poor and not is_late and self._may_hunt():
                return self._hunt()
            if maybe is None and frontiers:
                return self._explore(frontiers)
            if maybe is None:
                spot = None if is_late else self._around.unwatched(self.config.patrol_m)
                if spot is not None:
                    return self._patrol(sensed, spot)
                maybe, is_last = self._prospects.at_last(), True
            if maybe is None:
                return self._give_up()
            best, is_last = maybe, is_last or is_late
        self._is_first = False
        self._spin = 0
        return self._approach(sensed, best, is_last)

    def _is_late(self, step: int) -> bool:
        """Whether just enough steps are left to go to the likeliest thing that was found."""
        if step < self._last_step:
            return False
        last = self._prospects.at_last()
        if last is not None and not self._is_ending:
            needed = min(_LOOKS + _STEPS_PER_M * last.metres, _SPARE)
            self._is_ending = step + needed >= self._last_step + _SPARE
        return last is not None and self._is_ending

    def _approach(self, sensed: Sensed, candidate: Candidate, is_last: bool) -> Decision | None:
        thing = candidate.thing
        if self._target is None or thing.object_id != self._target.object_id:
            self._stand, self._checks, self._beside = self._new_stand(), [], 0
        self._target = thing
        stand = self._stand.at(sensed, thing)
        x, y, z = (float(v) for v in thing.position_m)
        words = f"to {thing.name or 'something'} {thing.object_id} ({candidate.chance:.2f})"
        action = None
        self._beside += floor_gap_m(sensed.position_m, thing) < BESIDE_M
        is_there = self._beside > _CIRCLING
        if stand is not None and not self._checks and not is_there:
            facing = math.atan2(-(x - sensed.position_m[0]), -(z - sensed.position_m[2]))
            action = self._roamer.go(stand, facing)
        if action is not None:
            return Decision(action, words, (x, y, z))
        if stand is not None and not self._checks and not is_there and len(self._stand.bad) < 4:
            left_m = float(np.hypot(*(stand - sensed.position_m)[[0, 2]]))
            if left_m > _BLOCKED_M and not is_last:  # no way that is known leads there: look for another one first
                self._prospects.rejected[thing.object_id] = thing.num_sightings
                self._target = None
                return None
            if left_m > 0.4:  # something that no picture shows is in the way: try from another side
                self._stand.avoid(stand)
                return None
        check = self._check(sensed, candidate)
        if check is not None:
            return Decision(check, f"looking at {thing.object_id}", (x, y, z))
        is_seen = thing.last_s >= self._began_s - 1e-6
        is_fresh = thing.last_s >= self._checked_s - 1e-6
        if candidate.is_inkling and not is_fresh and sensed.record_ids:  # what is there shows from near
            self._prospects.missed.add(thing.object_id)
        is_taken = self._prospects.takes(candidate, is_last)
        if is_taken and stand is not None and (is_seen or is_last or thing.state != "unsure"):
            if floor_gap_m(sensed.position_m, thing) > _BLOCKED_M:
                said = f"found no way to {thing.name or 'something'} {thing.object_id}"
                covered = self._around.covered(self.config.patrol_m)
                return Decision(STOP, said, (x, y, z), is_refusal=True, covered=covered)
            return Decision(
                STOP, f"at {thing.name or 'something'} {thing.object_id}", (x, y, z), object_id=thing.object_id
            )
        self._prospects.rejected[thing.object_id] = thing.num_sightings
        self._target = None
        return None

    def _new_stand(self) -> Stand:
        return Stand(self._experience.memory, self._roamer, self._around.room_at)

    def _check(self, sensed: Sensed, candidate: Candidate) -> int | None:
        """Look again at what was not seen since the goal began, or by single views only: tilt the camera if need be."""
        thing = candidate.thing
        if self._checks:
            return self._checks.pop(0)
        is_old = thing.last_s < self._began_s - 1e-6
        if not is_old and (not candidate.is_inkling or thing.object_id == self._checked):
            return None
        height = thing.position_m[1] - sensed.position_m[1]
        self._checks = [LOOK_DOWN, LOOK_UP] if height < -0.2 else [LOOK_UP, LOOK_DOWN] if height > 0.4 else [LEFT]
        self._checked, self._checked_s = thing.object_id, sensed.stamp_s
        if is_old:
            self._began_s = -math.inf  # once
        return self._checks.pop(0)

    def _explore(self, frontiers: Sequence[Reach]) -> Decision | None:
        """Go to the frontier that promises most for its way."""
        self._target = None
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
            stays *= self._around.room_factor(frontier, self.matcher.names, self.matcher.mention.room)
        return stays * (1.0 + self.config.value_weight * value) * min(1.0, 0.3 + frontier.opens_m2 / 10.0)

    def _patrol(self, sensed: Sensed, spot: np.ndarray) -> Decision | None:
        """Go where no view was taken from, and look around."""
        self._target = None
        action = self._roamer.go(spot)
        x, y, z = spot.tolist()
        if action is not None:
            return Decision(action, "to where it was not looked from", (x, y, z))
        self._around.has_looked_around(spot)
        self._spin = 11
        return Decision(LEFT, "looking around", (x, y, z))

    def _may_hunt(self) -> bool:
        """Choose what looked most like the goal though no such thing was found there, to go near it; a few times."""
        if len(self._hunts) >= self.config.hunts:
            return False
        peak = self.values.peak(self.config.hunt, self._hunts, NEAR_M / 2)
        if peak is None:
            return False
        is_squeezing = self._roamer.is_squeezing
        self._roamer.squeeze(0)
        floor = self._roamer.floor()
        if not len(floor.x):
            self._roamer.squeeze(len(SQUEEZE) - 1 if is_squeezing else 0)
            return False
        self._hunted = floor.point(int(np.hypot(floor.x - peak[0], floor.z - peak[1]).argmin()))
        self._hunts.append(peak)
        return True

    def _hunt(self) -> Decision:
        """Go on to the place that was chosen, and look around there."""
        assert self._hunted is not None
        self._target = None
        x, y, z = self._hunted.tolist()
        action = self._roamer.go(self._hunted)
        if action is None:
            self._hunted, self._spin = None, 11
            return Decision(LEFT, "looking around", (x, y, z))
        return Decision(action, "to where it may have been overlooked", (x, y, z))

    def _give_up(self) -> Decision:
        """Refuse the goal, and say what was looked at and what was not."""
        covered, left = self._around.covered(self.config.patrol_m), len(self._roamer.frontiers())
        rest = f", {left} opening{'s' * (left > 1)} not followed" if left else ""
        wanted = re.sub(r"^(the|an?) ", "", self.goal.text) or "such thing"
        said = f"no {wanted} here: looked at {covered:.0%} of the known floor{rest}"
        return Decision(STOP, said, is_refusal=True, covered=covered)

    @property
    def values(self) -> ValueMap:
        """What was seen, as it speaks for the goal; painted when it is asked for: many a goal is found without."""
        news = self._around.glances[self._painted :]
        if news:
            counts = [len(glance.vectors) for glance in news]
            chances = self.matcher.view_chances(np.concatenate([glance.vectors for glance in news]))
            for glance, part in zip(news, np.split(chances, np.cumsum(counts)[:-1]), strict=True):
                self._values.paint(glance, part)
            self._painted += len(news)
        return self._values

    def candidate(self, thing: SceneObject) -> Candidate:
        """A thing, with what speaks for its being the goal and the way to it."""
        return self._prospects.candidate(thing)

    @property
    def things(self) -> list[SceneObject]:
        """Things of the map, as of the last observation."""
        return self._around.things

    @property
    def is_squeezing(self) -> bool:
        """Whether it goes where it would not fit by the map."""
        return self._roamer.is_squeezing

    @property
    def rejected(self) -> Mapping[str, int]:
        """Things that were looked at in vain, with how often they had been seen then."""
        return self._prospects.rejected
