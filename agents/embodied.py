"""One planner after one goal in one environment: the loop that everything embodied runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from placecell.agents.goals import Goal
from placecell.agents.planner import STOP, Decision, Experience, Planner, Sensed

__all__ = ["Pursuit", "pursue"]

Watch = Callable[[Sensed, Decision, dict[str, Any]], None]


@dataclass(slots=True)
class Pursuit:
    """What came of one goal.

    Args:
        sensed: The last observation.
        info: The environment's words about it.
        decision: The planner's last decision; STOP unless the budget ran out.
        num_steps: Actions taken, STOP included.
        path_m: Sum of the straight displacements between observations, metres.
        way_m: Where the camera was at each observation, the first included.
    """

    sensed: Sensed
    info: dict[str, Any]
    decision: Decision
    num_steps: int = 0
    path_m: float = 0.0
    way_m: list[np.ndarray] = field(default_factory=list)

    @property
    def has_stopped(self) -> bool:
        """Whether the planner ended the goal itself."""
        return self.decision.action == STOP


def pursue(
    env: Any,
    planner: Planner,
    experience: Experience,
    goal: Goal | None,
    sensed: Sensed,
    info: dict[str, Any] | None = None,
    max_steps: int = 500,
    watch: Watch | None = None,
) -> Pursuit:
    """Let a planner look for a goal until it stops or its budget is spent.

    STOP is not handed to the environment, whose episode goes on with the next goal.

    Args:
        env: After `reset`, with steps left.
        planner: Who decides.
        experience: Takes the observations.
        goal: What to look for; None to explore.
        sensed: The latest observation, as `experience` returned it.
        info: What the environment said with it.
        max_steps: Budget of actions, STOP included.
        watch: Called with every observation, the decision that follows, and the environment's `info`.
    """
    planner.reset(goal, experience)
    pursuit = Pursuit(sensed, info or {}, Decision(STOP, "no step was allowed"), way_m=[sensed.position_m])
    while pursuit.num_steps < max_steps:
        decision = planner.act(pursuit.sensed)
        pursuit.decision = decision
        pursuit.num_steps += 1
        if watch is not None:
            watch(pursuit.sensed, decision, pursuit.info)
        if decision.action == STOP:
            break
        observation, _, _, _, pursuit.info = env.step(decision.action)
        pursuit.sensed = experience.observe(observation, pursuit.info)
        pursuit.path_m += float(np.linalg.norm(pursuit.sensed.position_m - pursuit.way_m[-1]))
        pursuit.way_m.append(pursuit.sensed.position_m)
    return pursuit
