"""Several agents in one house, in the shape of a PettingZoo `ParallelEnv`: they see each other and block the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from jaxtyping import Float32, Float64, Int32, UInt8

from placecell.envs.bodies import BODY_COLOURS, show_body
from placecell.envs.house import Action, House, HouseEnv
from placecell.envs.walker import SUBSTEPS, as_action
from placecell.geometry import Camera, pose_from

__all__ = ["STARTS", "HouseTeam"]

STARTS: Final = ("apart", "together")
TOGETHER_M: Final = 2.0  # of the first agent's start, along the floor
_FIRST_BODY: Final = 900  # above the highest id of the house
_MAX_DRAWS: Final = 1000

Observations = dict[str, dict[str, np.ndarray]]
Infos = dict[str, dict[str, Any]]


class HouseTeam:
    """Agents that act at the same time in one house.

    Each has the observations, actions and `info` of a `HouseEnv`; others are in its pictures, as bodies whose ids are
    `body_ids`. All move at once, a tenth of a step at a time: a part of a step that would end too near to where another
    agent is, or is about to be, does not happen, for neither of two that want the same spot. So the order of agents
    changes nothing. `info` says `collided`, and `met`, the names of the agents that were in the way.

    An agent that stops leaves `agents`, and its body stays. There is no reward.

    Args:
        house: The house, or None to generate it.
        agents: Their names, or how many.
        seed: Seed of the house when none is given.
        starts: "apart": each start is drawn from the whole floor, or "together": within 2 m of the first.
        settings: The other arguments of `HouseEnv`, by name, the same for all: `resolution`, `max_steps`, ...

    Raises:
        ValueError: If names are missing or repeated.

    Example:
        >>> team = HouseTeam(seed=3, agents=2, resolution=(32, 32))
        >>> observations, infos = team.reset(seed=0)
        >>> team.agents, observations["robot-1"]["rgb"].shape
        (['robot-0', 'robot-1'], (32, 32, 3))
        >>> _, _, _, _, infos = team.step({"robot-0": Action.TURN_LEFT, "robot-1": Action.MOVE_FORWARD})
        >>> infos["robot-0"]["collided"]
        False

    Source: the interface is that of PettingZoo's parallel environments (Terry et al. 2021).
    """

    metadata: Mapping[str, Any] = {"render_modes": ["rgb_array"], "name": "placecell_house_team_v0"}  # noqa: RUF012

    def __init__(
        self,
        house: House | None = None,
        agents: int | Sequence[str] = 2,
        *,
        seed: int = 0,
        starts: str = "apart",
        **settings: Any,
    ) -> None:
        names = [f"robot-{i}" for i in range(agents)] if isinstance(agents, int) else list(agents)
        if not names or len(set(names)) != len(names):
            raise ValueError(f"agents must be a number above 0, or names that differ, got {agents!r}")
        if starts not in STARTS:
            raise ValueError(f"starts must be one of {', '.join(STARTS)}, got {starts!r}")
        self.house = House.generate(seed) if house is None else house
        self.possible_agents, self.starts = names, starts
        self.agents: list[str] = []
        self._has_begun = False
        first_id = max(thing.id for thing in self.house.objects) + _FIRST_BODY
        self.body_ids: dict[str, int] = {name: first_id + i for i, name in enumerate(names)}
        self.members: dict[str, _Member] = {name: _Member(self.house, **settings) for name in names}
        for name, member in self.members.items():
            member.bodies = self._bodies_but(name)
        self.render_mode: str | None = settings.get("render_mode")

    @property
    def camera(self) -> Camera:
        """Intrinsics of every agent's pictures."""
        return self.members[self.possible_agents[0]].camera

    @property
    def gap_m(self) -> float:
        """Agents are never nearer to each other than this, from middle to middle."""
        return 2 * self.members[self.possible_agents[0]].pathfinder.agent_radius_m

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """What an agent observes; the same object at each call."""
        return self.members[agent].observation_space

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """What an agent can do; the same object at each call."""
        return self.members[agent].action_space

    def _bodies_but(self, name: str) -> Callable[[], list[_Body]]:
        def bodies() -> list[_Body]:
            return [
                (pose_from(other.position_m, other.yaw_rad), BODY_COLOURS[i % len(BODY_COLOURS)], self.body_ids[agent])
                for i, (agent, other) in enumerate(self.members.items())
                if agent != name
            ]

        return bodies

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Observations, Infos]:
        """Put every agent at its start; the first one's is that of a `HouseEnv` with the same seed.

        Args:
            seed: Restarts the generators that draw starts; the house stays.
            options: `starts` gives, by name of agent, what `HouseEnv.reset` takes: `position` and `yaw_rad`.

        Raises:
            ValueError: If an agent cannot stand at its start, or stands in another, or is unknown.
        """
        starts = dict((options or {}).get("starts", {}))
        if unknown := set(starts) - set(self.possible_agents):
            raise ValueError(f"starts may name {', '.join(self.possible_agents)}, got {', '.join(sorted(unknown))}")
        taken: list[np.ndarray] = []
        for i, (name, member) in enumerate(self.members.items()):
            own = (
                None
                if seed is None
                else seed
                if i == 0
                else int(np.random.SeedSequence([seed, i]).generate_state(1)[0])
            )
            self._place(member, own, starts.get(name), taken)
            taken.append(member.position_m)
        self.agents, self._has_begun = list(self.possible_agents), True
        return self._observations(self.agents), {name: self._info(name, ()) for name in self.agents}

    def _place(self, member: _Member, seed: int | None, given: Any, taken: Sequence[np.ndarray]) -> None:
        for _ in range(_MAX_DRAWS):
            member.reset(seed=seed, options=given)
            seed = None
            away = [float(np.hypot(*(member.position_m - other)[[0, 2]])) for other in taken]
            is_near = self.starts == "apart" or not taken or given is not None
            if not is_near:
                is_near = member.pathfinder.geodesic_distance(member.position_m, taken[0]) <= TOGETHER_M
            if min(away, default=math.inf) >= self.gap_m and is_near:
                return
            if given is not None and "position" in given:
                raise ValueError(f"agents must start at least {self.gap_m:g} m apart, got {min(away):.2f} m")
        raise ValueError(f"no room for {len(self.members)} agents to start in: take fewer, or a larger house")

    def step(
        self, actions: Mapping[str, int | np.int64]
    ) -> tuple[Observations, dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """All agents act at once, then look.

        Args:
            actions: One for each of `agents`.

        Raises:
            ValueError: If an agent's action is missing or none, or an agent is not in the episode.
            RuntimeError: If `reset` was never called.
        """
        if not self._has_begun:
            raise RuntimeError("call reset() first: the episode has not begun")
        if set(actions) != set(self.agents):
            wanted, given = (", ".join(map(str, names)) or "none" for names in (self.agents, actions))
            raise ValueError(f"expected an action for each of {wanted}, got {given}")
        chosen = {name: as_action(actions[name], True) for name in self.agents}
        met = self._move([name for name, action in chosen.items() if action == Action.MOVE_FORWARD])
        ends = {name: self.members[name]._act(action) for name, action in chosen.items()}
        acted, self.agents = self.agents, [name for name in self.agents if not any(ends[name])]
        return (
            self._observations(acted),
            dict.fromkeys(acted, 0.0),
            {name: ends[name][0] for name in acted},
            {name: ends[name][1] for name in acted},
            {name: self._info(name, met.get(name, ())) for name in acted},
        )

    def _move(self, movers: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Move some agents at once; who was in whose way."""
        at = {name: (member._x, member._z) for name, member in self.members.items()}
        met: dict[str, tuple[str, ...]] = {}
        hits: set[str] = set()
        moving = list(movers)
        for _ in range(SUBSTEPS):
            ends: dict[str, tuple[float, float]] = {}
            for name in moving:
                part = self.members[name]._part(*at[name], self.members[name].yaw_rad, self.members[name]._can_stand)
                if part is not None:
                    ends[name] = part[:2]
                if part is None or part[2]:
                    hits.add(name)
            for name, end in ends.items():
                met[name] = tuple(
                    other
                    for other in self.members
                    if other != name
                    and min(math.dist(end, at[other]), math.dist(end, ends.get(other, at[other]))) < self.gap_m
                )
            moving = [name for name in ends if not met[name]]
            at |= {name: ends[name] for name in moving}
        for name in movers:
            self.members[name].move = (*at[name], name in hits or bool(met.get(name)))
        return met

    def _observations(self, names: Sequence[str]) -> Observations:
        return {name: self.members[name]._observe() for name in names}

    def _info(self, name: str, met: tuple[str, ...]) -> dict[str, Any]:
        return self.members[name]._info() | {"met": met}

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:
        """What the agents see, side by side; None unless `render_mode` is "rgb_array"."""
        if self.render_mode != "rgb_array":
            return None
        views = [member.render_at(member.pose)[0] for member in self.members.values()]
        return np.concatenate(views, axis=1)

    @property
    def unwrapped(self) -> HouseTeam:
        """The environment itself: nothing is wrapped around it."""
        return self

    def close(self) -> None:
        """Nothing has to be let go of."""


_Body = tuple[Float64[np.ndarray, "4 4"], tuple[int, int, int], int]


class _Member(HouseEnv):
    """One agent; the team says where its step ends, and who else is in its pictures."""

    bodies: Callable[[], list[_Body]] = staticmethod(list)
    move: tuple[float, float, bool] = (0.0, 0.0, False)

    def _move(self) -> None:
        self._x, self._z, self._collided = self.move

    def render_at(
        self, pose: Float64[np.ndarray, "4 4"], camera: Camera | None = None, antialias: int | None = None
    ) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"], Int32[np.ndarray, "h w"]]:
        view = super().render_at(pose, camera, antialias)
        for body_pose, colour, number in self.bodies():
            show_body(view, body_pose, colour, number, pose, camera or self.camera)
        return view
