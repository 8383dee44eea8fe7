"""A long life in one house: goal after goal under a byte cap, and what a step costs as the memory grows old.

Looks that teach nothing are not written: `RevisitGate` thins what is seen again from where it was seen before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from placecell.agents.goals import Goal
from placecell.agents.planner import LEFT, STOP
from placecell.benchmarks.coverage import FloorMeter
from placecell.benchmarks.house_goals import GoalSite, HouseGoal, agent_goal, draw_goals
from placecell.benchmarks.navigate import SUCCESS_M, NavigateSettings
from placecell.benchmarks.players import TimedEnv, house_detector, new_experience, open_player
from placecell.memory.memory import Memory
from placecell.memory.revisits import RevisitGate
from placecell.progress import resident_mb

__all__ = ["run", "summary"]

_PARTS: Final = 10
MARK_GROWTH: Final = 1.25  # processor time per step of the last tenth over that of the second: flat up to noise
MARK_STEPS_PER_S: Final = 5.0


def run(
    settings: NavigateSettings,
    house: int,
    num_steps: int = 10_000,
    max_bytes: int = 64 << 20,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Live `num_steps` actions in a house.

    Args:
        settings: As for sequences of goals; `num_goals` is of no account.
        house: Seed of the house.
        num_steps: How long.
        max_bytes: Cap on the memory.
        say: Told how it goes.

    Returns:
        `parts`: for each tenth of the life the mean and 95th percentile of the milliseconds per step (everything but
        the simulator), its processor time, and at its end the memory's bytes and records and the process's size; the
        goals found; whether the cap held.
    """
    env = settings.house(house)
    site, meter = GoalSite(env), FloorMeter(env)
    world = TimedEnv(env, meter)
    rng = np.random.default_rng([settings.seed, house])
    world.reset(int(rng.integers(2**31)))
    goals: list[HouseGoal] = []
    planner = open_player("ours", env, settings.seed, _nowhere)
    experience = new_experience(env, house_detector(settings.detector, env), max_bytes=max_bytes, gate=RevisitGate())
    sensed = experience.observe(world.last, world.info)
    size = max(num_steps // _PARTS, 1)
    costs: list[float] = []
    cpu: list[float] = []
    parts: list[dict[str, float]] = []
    num_found, num_told = 0, 0
    while len(costs) < num_steps:
        if not goals:
            goals = draw_goals(site, rng)
        goal = goals.pop(0)
        planner.reset(agent_goal(goal, str(num_told)), experience)
        num_told += 1
        for number in range(settings.max_steps):
            began, before_s = time.perf_counter(), world.seconds
            began_cpu, before_cpu_s = time.process_time(), world.cpu_s
            decision = planner.act(sensed)
            is_over = decision.action == STOP
            if is_over:
                is_near = site.distance_m(env.position_m, goal.object_ids) < SUCCESS_M
                num_found += not decision.is_refusal and is_near
                if number:
                    break
            # Who stops at once turns all the same: a life goes on.
            observation, _, _, _, info = world.step(LEFT if is_over else decision.action)
            sensed = experience.observe(observation, info)
            costs.append(time.perf_counter() - began - (world.seconds - before_s))
            cpu.append(time.process_time() - began_cpu - (world.cpu_s - before_cpu_s))
            if len(costs) % size == 0:
                parts.append(_part(costs, cpu, size, experience.memory))
                say(_line(parts[-1]))
            if is_over or len(costs) >= num_steps:
                break
    top = max(part["bytes"] for part in parts)
    growth = parts[-1]["cpu_ms"] / parts[min(1, len(parts) - 1)]["cpu_ms"]
    return {
        "experiment": "lifetime",
        "settings": settings.to_dict(),
        "house": house,
        "num_steps": len(costs),
        "max_bytes": max_bytes,
        "num_goals": num_told,
        "num_found": int(num_found),
        "parts": parts,
        "growth": round(growth, 3),
        "steps_per_s": round(len(costs) / sum(costs), 2),
        "marks": {
            "bytes under the cap": top <= max_bytes,
            f"processor time per step flat (last tenth <= {MARK_GROWTH} x the second)": growth <= MARK_GROWTH,
            f"at least {MARK_STEPS_PER_S:g} steps/s": len(costs) / sum(costs) >= MARK_STEPS_PER_S,
        },
        "privileged": {"ours": ["the detector"]} if settings.detector == "masks" else {},
    }


def _nowhere(goal: Goal) -> list[np.ndarray]:
    return []


def _part(costs: Sequence[float], cpu: Sequence[float], size: int, memory: Memory) -> dict[str, float]:
    ms = 1e3 * np.array(costs[-size:])
    return {
        "step": len(costs),
        "mean_ms": round(float(ms.mean()), 2),
        "p95_ms": round(float(np.percentile(ms, 95)), 2),
        "cpu_ms": round(1e3 * float(np.mean(cpu[-size:])), 2),
        "bytes": memory.nbytes(),
        "records": len(memory),
        "resident_mb": round(resident_mb(), 1),
    }


def _line(part: Mapping[str, float]) -> str:
    return (
        f"{part['step']:6.0f} steps: {part['mean_ms']:6.1f} ms a step (p95 {part['p95_ms']:6.1f}, processor "
        f"{part['cpu_ms']:6.1f}), {part['bytes'] / 1e6:7.2f} MB, {part['records']:6.0f} records, process "
        f"{part['resident_mb']:.0f} MB"
    )


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""
    lines = [
        f"{result['num_steps']} steps in house {result['house']}, detector {result['settings']['detector']}, cap "
        f"{result['max_bytes'] / 1e6:.0f} MB; {result['num_found']} of {result['num_goals']} goals found; "
        f"{result['steps_per_s']} steps/s",
        *(_line(part) for part in result["parts"]),
    ]
    return "\n".join(lines + [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()])
