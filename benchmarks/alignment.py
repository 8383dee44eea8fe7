"""Frames of two robots that do not know where the other one began: how often and how well they are aligned, or wrongly.

Two robots explore one house, each in the frame of its own start. Every 20 rounds the things and the floor that each has
seen are aligned; what the simulator knows of their starts is the judge. Robots of two different houses are aligned too:
any transform found there is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from placecell.agents.house_team import Robot, RobotMaker
from placecell.agents.team import Team
from placecell.benchmarks import bootstrap
from placecell.benchmarks.coverage import FloorMeter
from placecell.benchmarks.players import DETECTORS, BlindEncoder, house_detector
from placecell.envs.house_team import HouseTeam
from placecell.memory.alignment import Landmarks, Transform, align
from placecell.perception.objects import MaskDetector

__all__ = ["run", "summary"]

JUDGING: Final = 3_000_100
_EVERY: Final = 20
_MAX_ROUNDS: Final = 240
_SIDE_PX: Final = 192
_WRONG_M, _WRONG_RAD = 0.5, math.radians(10)


def run(
    seed: int = 0,
    num_rows: int = 4,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Explore every house with two robots, and align them again and again.

    Args:
        seed: Of the first house; 0, the default of the command line, stands for the judging houses.
        num_rows: How many houses.
        peers: One detector, `masks` (privileged, the default) or `regions`.
        say: Takes one line per house.

    Raises:
        ValueError: If `peers` is not one detector.
    """
    chosen = tuple(peers or ("masks",))
    if len(chosen) != 1 or chosen[0] not in DETECTORS:
        raise ValueError(f"expected one detector of {', '.join(DETECTORS)}, got {', '.join(chosen)}")
    first = seed or JUDGING
    tries: list[dict[str, Any]] = []
    last: list[Landmarks] = []
    strangers: list[bool] = []
    for house in range(first, first + num_rows):
        rows, known = _house(house, chosen[0])
        tries += rows
        for other in last:
            strangers.append(align(known[0], other).transform is not None)
        last = [known[1]]
        found = [row for row in rows if row["aligned"]]
        words = f"from round {found[0]['round']} on, {found[-1]['error_m']:.2f} m off" if found else rows[-1]["reason"]
        say(f"house {house}: {len(found)} of {len(rows)} tries aligned; {words}")
    aligned = [row for row in tries if row["aligned"]]
    right = [row for row in aligned if not row["wrong"]]
    houses = sorted({row["house"] for row in tries})
    ends = [max((row for row in tries if row["house"] == house), key=lambda row: row["round"]) for house in houses]
    result: dict[str, Any] = {
        "benchmark": "alignment",
        "detector": chosen[0],
        "houses": houses,
        "num_tries": len(tries),
        "aligned": bootstrap.mean([row["house"] for row in tries], [row["aligned"] for row in tries]),
        "aligned_at_the_end": bootstrap.mean(houses, [row["aligned"] for row in ends]),
        "wrong": sum(row["wrong"] for row in aligned),
        "strangers": len(strangers),
        "strangers_aligned": sum(strangers),
        "tries": tries,
    }
    if right:
        groups = [row["house"] for row in right]
        result["error_m"] = bootstrap.mean(groups, [row["error_m"] for row in right])
        result["error_deg"] = bootstrap.mean(groups, [row["error_deg"] for row in right])
    return result


def _house(house: int, spec: str) -> tuple[list[dict[str, Any]], list[Landmarks]]:
    env = HouseTeam(seed=house, agents=2, resolution=(_SIDE_PX, _SIDE_PX), max_steps=10**9)
    names = list(env.possible_agents)
    observations, infos = env.reset(house % 2**31)
    if spec == "masks":
        detector: Any = MaskDetector({thing.id: thing.category for thing in env.house.objects})
    else:
        detector = house_detector(spec, env.members[names[0]])
    frames = {}
    for name, member in env.members.items():
        x, _, z = member.position_m.tolist()
        frames[name] = Transform(member.yaw_rad, x, 0.0, z)
    back = {name: frame.inverse().matrix for name, frame in frames.items()}
    between = back[names[0]] @ frames[names[1]].matrix
    x, y, z = between[:3, 3].tolist()
    truth = Transform(math.atan2(between[0, 2], between[0, 0]), x, y, z)
    team = Team(
        {name: RobotMaker(name, env.camera, encoder=BlindEncoder(), detector=detector, is_alone=True) for name in names}
    )
    meters = [FloorMeter(env.members[name]) for name in names]
    rows: list[dict[str, Any]] = []
    known: list[Landmarks] = []
    for number in range(1, _MAX_ROUNDS + 1):
        seen = {name: {**observations[name], "pose": back[name] @ observations[name]["pose"]} for name in names}
        turns = team.round(seen, infos)
        observations, _, _, _, infos = env.step({name: turn.action for name, turn in turns.items()})
        for name, meter in zip(names, meters, strict=True):
            meter.add(observations[name]["depth"], observations[name]["pose"])
        is_over = min(meter.share for meter in meters) > 0.95 or all(turn.is_done for turn in turns.values())
        if number % _EVERY == 0 or is_over:
            known = [_landmarks(team.members[name]) for name in names]
            both = float((meters[0].seen & meters[1].seen).mean())
            rows.append({"house": house, "round": number, "both_saw": round(both, 3)} | _tried(known, truth))
        if is_over:
            break
    team.close()
    return rows, known


def _landmarks(robot: Robot) -> Landmarks:
    return Landmarks.of(robot.memory.objects.objects(), robot.memory.places.floors)


def _tried(known: Sequence[Landmarks], truth: Transform) -> dict[str, Any]:
    found = align(known[0], known[1])
    row: dict[str, Any] = {
        "aligned": found.transform is not None,
        "reason": found.reason,
        "num_shared": found.num_shared,
        "agreement": found.agreement,
        "rival": found.rival,
        "things": [len(side.things) for side in known],
        "wrong": False,
    }
    if found.best is not None:
        middle = np.mean([thing.position_m for thing in known[1].things], axis=0)
        metres, radians = found.best.off(truth, middle)
        row |= {"error_m": round(metres, 3), "error_deg": round(math.degrees(radians), 2)}
        row["wrong"] = row["aligned"] and (metres > _WRONG_M or radians > _WRONG_RAD)
        row["best_is_right"] = metres <= _WRONG_M and radians <= _WRONG_RAD
    return row


def summary(result: Mapping[str, Any]) -> str:
    """The result as text for people."""
    houses = result["houses"]
    privileged = " (privileged)" if result["detector"] == "masks" else ""
    lines = [
        f"two robots in each of {len(houses)} houses ({houses[0]} to {houses[-1]}), frames unknown, detector "
        f"{result['detector']}{privileged}; 95 % intervals over houses",
        f"aligned: {bootstrap.shown(result['aligned'], 100, 1)} % of {result['num_tries']} tries, "
        f"{bootstrap.shown(result['aligned_at_the_end'], 100, 1)} % of the houses at the end",
        f"wrong by more than {_WRONG_M} m or {math.degrees(_WRONG_RAD):.0f} degrees: {result['wrong']}; robots of two "
        f"different houses aligned: {result['strangers_aligned']} of {result['strangers']}",
    ]
    if "error_m" in result:
        lines.append(
            f"error where aligned: {bootstrap.shown(result['error_m'])} m in the middle of what the other saw, "
            f"{bootstrap.shown(result['error_deg'], 1, 2)} degrees"
        )
    return "\n".join(lines)
