"""A robot of a team that explores: it tells the others what it sees, claims where it goes, and keeps out of their way.

Each robot decides alone, from its own memory: the others' records are in it, so its map is that of all. Frontiers are
divided by claims: who is cheaper gets it, and the others look elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Float64

from placecell.agents.explorer import Explorer
from placecell.agents.planner import LEFT, STEP_S, STOP, Decision, Experience, Sensed
from placecell.agents.roaming import AGENT_RADIUS_M, Reach, Roamer
from placecell.agents.team import Mail, Mailbox, Turn
from placecell.geometry import Camera, unproject
from placecell.memory.claims import Claim
from placecell.memory.frames import SharedSpace
from placecell.memory.memory import Memory
from placecell.memory.places import Places
from placecell.memory.records import RecordId
from placecell.memory.sharing import Policy, Sharing
from placecell.memory.subscriptions import Subscription
from placecell.pathfinder import CELL_M, PathFinder
from placecell.perception.objects import Detector

__all__ = ["POLICY", "Robot", "RobotMaker", "Told", "without_bodies"]

#: Everybody reaches everybody, so queries are seldom needed and nothing is passed on at once.
POLICY: Final = Policy(every_s=2.0, patience_s=5.0, name_lease_s=1.0, relays_late=True)
_STEP_M: Final = 0.25
_SLACK_M: Final = 0.1
_BODY_M: Final = (-0.84, 0.5)  # heights of a body over its camera: all but what could be floor
_FORGET_STEPS: Final = 6  # a place told longer ago says nothing about where the robot is now
_SEEN_M: Final = 6.0
_NEAR_M: Final = 2.0  # others that are further off will have moved
_TOUCH_M: Final = 0.9
_LEASE_S: Final = 4.0
_SAME_M: Final = 1.25  # a claim stands for all frontiers so near to it
_PREFIX: Final = "frontier:"


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Where another robot said that its camera was, and how many steps ago."""

    name: str
    position_m: np.ndarray
    age_steps: float


class Robot:
    """One member of a team in a house.

    Args:
        name: The robot's; its records are of this agent.
        memory: Its own.
        camera: Of its pictures.
        detector: Finds things in them.
        policy: How it shares.
        wants: What it asks of the others.
        session: Names this run of the robot; never use one twice.
        start_s: Time of the first observation.
        is_alone: Share nothing and claim nothing.
        space: With it, the others' frames are not known: their records count from when `space` has aligned them.

    Example:
        >>> from placecell.memory.testing import HashEncoder
        >>> robot = Robot("ann", Memory(HashEncoder()), Camera(64, 64))
        >>> robot.name, robot.told()
        ('ann', [])
    """

    def __init__(
        self,
        name: str,
        memory: Memory,
        camera: Camera,
        detector: Detector | None = None,
        policy: Policy = POLICY,
        wants: Subscription | None = None,
        session: str = "1",
        start_s: float = 0.0,
        is_alone: bool = False,
        space: SharedSpace | None = None,
    ) -> None:
        self.name, self.memory, self.is_alone, self.space = name, memory, is_alone, space
        self.mailbox = Mailbox(name)
        self.sharing = Sharing(memory, self.mailbox, wants, policy, session=session)
        self.experience = Experience(memory, camera, detector, agent_id=name, start_s=start_s)
        self.planner = Explorer(self._choose, self._roam)
        self.planner.reset(None, self.experience)
        self.last: tuple[Sensed, Decision] | None = None
        self._claimed: tuple[str, float] | None = None  # what, and until when

    def turn(self, step: int, observation: Any, info: Mapping[str, Any], mail: Mail, peers: Sequence[str]) -> Turn:
        """Hear, look, tell, decide."""
        self.experience.step = step
        now_s = self.experience.stamp_s
        if not self.is_alone:
            self.mailbox.open(mail, peers)
            self.sharing.step(now_s)
        seen = without_bodies(observation, self.experience.camera, self.told())
        sensed = self.experience.observe(seen, info)
        if not self.is_alone:
            self.sharing.step(now_s)
        if self.space is not None:
            self.space.update()
        decision = self.planner.act(sensed)
        self.last = sensed, decision
        is_done = decision.action == STOP
        return Turn(LEFT if is_done else decision.action, self.mailbox.taken(), is_done)

    def report(self) -> Mapping[str, Any]:
        """Version vector, bytes sent by kind, what was refused, and where frames were not known, who is aligned."""
        sent = {kind: num for (way, kind), num in self.sharing.traffic.bytes.items() if way == "sent"}
        report = {"version": self.memory.version(), "sent": sent, "quarantined": len(self.sharing.quarantine)}
        return report if self.space is None else report | {"aligned": sorted(self.space.frames)}

    @property
    def places(self) -> Places:
        """The map of all whose frame is known, in the robot's own."""
        return self.memory.places if self.space is None else self.space.places

    def _here(self, agent_id: str, points_m: np.ndarray) -> np.ndarray | None:
        """Another agent's points (n, 3) in the robot's own frame; None while that agent's is not known."""
        if self.space is None:
            return points_m
        frame = self.space.frames.get(agent_id)
        return None if frame is None else frame.apply(points_m)

    def told(self) -> list[Told]:
        """Where the others were when they last said so."""
        found = []
        now_s = self.experience.stamp_s
        for agent_id, ranges in self.memory.have().items():
            if agent_id == self.name or not ranges.top:
                continue
            record = self.memory.get(RecordId(agent_id, ranges.top))
            age = (now_s - record.stamp_s) / STEP_S
            if record.pose is None or age > _FORGET_STEPS:
                continue
            spot = self._here(agent_id, record.pose[None, :3, 3])
            if spot is not None:
                found.append(Told(agent_id, spot[0], age))
        return found

    def _roam(self, experience: Experience) -> Roamer:
        return _TeamRoamer(experience, self)

    # --- dividing frontiers -------------------------------------------------------------------------------------

    def _choose(self, roamer: Roamer, options: Sequence[Reach], current: int | None) -> Reach:
        """The cheapest that no other robot claims for less; the cheapest of all where others claim them all."""
        now_s = self.experience.stamp_s
        claims = [
            (claim.cost, claim.holder, spot)
            for claim in self.sharing.claims.live(now_s)
            if claim.holder != self.name and (spot := self._spot(claim)) is not None
        ]

        def is_left(reach: Reach) -> bool:
            x, _, z = reach.frontier.middle_m.tolist()
            return not any(
                (cost, holder) < (reach.steps, self.name) and math.dist((x, z), spot) < _SAME_M
                for cost, holder, spot in claims
            )

        left = [reach for reach in options if is_left(reach)] or list(options)
        best = min(left, key=lambda reach: reach.steps)
        self._claim(best, now_s)
        return best

    def _claim(self, reach: Reach, now_s: float) -> None:
        if self.is_alone or not self.mailbox.peers():
            return
        x, _, z = reach.frontier.middle_m.tolist()
        name = f"{_PREFIX}{round(x * 2) / 2:.1f},{round(z * 2) / 2:.1f}"
        if self._claimed is not None and self._claimed[0] == name and now_s < self._claimed[1] - _LEASE_S / 2:
            return
        if self._claimed is not None and self._claimed[0] != name:
            self.sharing.release(self._claimed[0])
        self.sharing.claim(name, round(reach.steps, 1), _LEASE_S)
        self._claimed = name, now_s + _LEASE_S

    def _spot(self, claim: Claim) -> tuple[float, float] | None:
        """The place (x, z) in the name of a claim to a frontier; None for another claim, or one in another frame."""
        x, _, z = claim.target.removeprefix(_PREFIX).partition(",")
        try:
            named = np.array([[float(x), 0.0, float(z)]])
        except ValueError:
            return None
        spot = self._here(claim.holder, named) if np.isfinite(named).all() else None
        return None if spot is None else (float(spot[0, 0]), float(spot[0, 2]))


@dataclass(frozen=True)
class RobotMaker:
    """Makes the lives of one robot, in whatever process; the memory in its folder outlives them.

    Args:
        name: See `Robot`.
        camera: See `Robot`.
        folder: Of its memory; None for RAM, which no life outlives.
        encoder: See `placecell.memory.memory.Memory`.
        detector: See `Robot`.
        is_alone: See `Robot`.
        knows_frames: Whether poses of all robots are in one frame; else each aligns the others by what both saw.
    """

    name: str
    camera: Camera
    folder: Path | None = None
    encoder: Any = None
    detector: Detector | None = None
    is_alone: bool = False
    knows_frames: bool = True

    def __call__(self, life: int) -> Robot:
        """The robot in this life."""
        memory = Memory(self.encoder, folder=self.folder, clock=_no_clock)
        space = None if self.knows_frames else SharedSpace(memory, self.name)
        session = f"life-{life}"
        return Robot(
            self.name, memory, self.camera, self.detector, session=session, is_alone=self.is_alone, space=space
        )


def _no_clock() -> float:
    """Time of writing: a clock of the wall would make two runs differ."""
    return 0.0


class _TeamRoamer(Roamer):
    """Ways that keep clear of the others."""

    def __init__(self, experience: Experience, robot: Robot) -> None:
        super().__init__(experience)
        self._robot = robot
        self._others: list[Told] = []
        self._clear: tuple[PathFinder, tuple[float, ...], PathFinder] | None = None

    @property
    def places(self) -> Places:
        return self._robot.places

    def update(self, sensed: Sensed) -> bool:
        here = sensed.position_m
        away = {other.name: (other, _apart(other.position_m, here)) for other in self._robot.told()}
        self._others = [other for other, metres in away.values() if metres < _NEAR_M]
        if any(metres < _TOUCH_M for _, metres in away.values()):
            self.walker.excuse()
        return super().update(sensed)

    @property
    def finder(self) -> PathFinder:
        whole = super().finder
        if not self._others:
            return whole
        spots = tuple(float(other.position_m[axis]) for other in self._others for axis in (0, 2))
        if self._clear is None or self._clear[0] is not whole or self._clear[1] != spots:
            assert self._sensed is not None
            allowed = np.ones(whole.navigable.shape, np.uint8)
            for x, z in zip(spots[::2], spots[1::2], strict=True):
                row, column = whole.cell(x, z)
                # Never so wide that it holds the robot itself.
                apart = math.dist((x, z), self._sensed.position_m[[0, 2]].tolist())
                radius_m = min(2 * AGENT_RADIUS_M + _SLACK_M, apart - 2 * CELL_M)
                if radius_m > 0:
                    cv2.circle(allowed, (column, row), round(radius_m / CELL_M), 0, -1)
            self._clear = whole, spots, whole.restricted(allowed > 0)
        return self._clear[2]


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.hypot(*(a - b)[[0, 2]]))


def without_bodies(
    observation: Mapping[str, np.ndarray], camera: Camera, others: Sequence[Told]
) -> Mapping[str, np.ndarray]:
    """The observation without depth (and ids) where others may be in it, so that no map takes them for furniture.

    Args:
        observation: What an environment shows: `depth`, `pose`, perhaps `semantic`.
        camera: Its intrinsics.
        others: Where they said they are; the longer ago, the wider the space around it that is left out.

    Returns:
        The observation itself where nobody can be in view.
    """
    pose = np.asarray(observation["pose"], np.float64)
    near = []
    for other in others:
        radius_m = AGENT_RADIUS_M + _SLACK_M + _STEP_M * other.age_steps
        across, _, back = (other.position_m - pose[:3, 3]) @ pose[:3, :3]
        slope = camera.width / 2 / camera.focal_px
        if back < radius_m and abs(across) + slope * back < 2 * radius_m * math.hypot(1.0, slope) and -back < _SEEN_M:
            near.append((other.position_m, radius_m))
    if not near:
        return observation
    depth = np.array(observation["depth"], np.float32, copy=True)
    flat = depth[..., 0] if depth.ndim == 3 else depth
    points: Float64[np.ndarray, "h w 3"] = unproject(flat, camera, pose)
    is_near, is_body = np.zeros(flat.shape, bool), np.zeros(flat.shape, bool)
    with np.errstate(invalid="ignore"):
        for spot, radius_m in near:
            away = np.hypot(points[..., 0] - spot[0], points[..., 2] - spot[2])
            height = points[..., 1] - spot[1]
            is_column = (away < radius_m) & (height < _BODY_M[1])
            is_near |= is_column
            is_body |= is_column & (height > _BODY_M[0])  # floor may stay: nobody's foot is that flat
    flat[is_body] = 0.0
    seen = dict(observation) | {"depth": depth}
    if "semantic" in seen:
        seen["semantic"] = np.where(is_near, 0, seen["semantic"])
    return seen
