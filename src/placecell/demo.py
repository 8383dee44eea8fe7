"""The demonstration: an agent explores a house, is asked about it, finds three things, and notices what was moved.

One memory is written by the agent (pictures, depth and poses); another is made from nothing but the MP4 of its first
walk. The simulator's ground truth chooses questions, goals and the thing that is moved, and judges; neither memory ever
sees it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.agents.reader import EvidenceReader
from placecell.demo_life import (
    AWAY_S,
    Exploration,
    Find,
    Return,
    explore,
    find_all,
    open_house,
    rearranged,
    walk_again,
)  # fmt: skip
from placecell.demo_page import Asked, compose, explored
from placecell.demo_questions import Inquiry, Sightings, inquire, moved_inquiry
from placecell.envs.house import House, HouseEnv
from placecell.envs.walk import film
from placecell.geometry import Camera
from placecell.ingest import IngestReport, ingest
from placecell.memory.memory import Memory
from placecell.perception.clips import VideoWriter
from placecell.perception.objects import open_detector
from placecell.report import render

__all__ = ["DEFAULT_SEED", "DemoResult", "run_demo"]

DEFAULT_SEED: Final = 3
FPS: Final = 4.0  # two frames to an action
NUM_ROOMS: Final = 6
FILM: Final = (320, 320)  # square, as the agent's own pictures are: the film shows what it saw


@dataclass(slots=True)
class DemoResult:
    """What came of a demonstration."""

    report: Path
    video: Path
    rows: list[dict[str, Any]]
    goals: list[dict[str, Any]]
    moved: dict[str, Any]
    figures: dict[str, float]

    @property
    def is_right(self) -> bool:
        """Whether every answer is right, every goal was found, and the moved thing was noticed."""
        return all(row["is_right"] for row in (*self.rows, *self.goals, self.moved)) and len(self.goals) == 3

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "report": str(self.report),
            "video": str(self.video),
            "is_right": self.is_right,
            "answers": self.rows,
            "goals": self.goals,
            "moved": self.moved,
            "figures": self.figures,
        }

    def summary(self) -> str:
        """Goals, the moved thing and the answers as a table, and where the report is."""
        lines = []
        for goal in self.goals:
            lines.append(
                f"{_verdict(goal)}  {goal['kind']:14s}  {goal['text'] or 'a picture'}\n       {goal['reason']}"
            )
        moved = self.moved
        lines.append(f"{_verdict(moved)}  {'moved':14s}  {moved['truth']}\n       {moved['said'] or 'not noticed'}")
        lines += [f"       wrongly told as well: {line}" for line in moved["wrongly_told"]]
        for row in self.rows:
            lines.append(f"{_verdict(row)}  {row['memory']:14s}  {row['question']}\n       {row['answer']}")
        right = sum(row["is_right"] for row in self.rows)
        found = sum(goal["is_right"] for goal in self.goals)
        lines.append(
            f"{found} of {len(self.goals)} goals found; the moved thing "
            f"{'noticed' if moved['is_right'] else 'NOT noticed'}; {right} of {len(self.rows)} answers right; "
            f"open {self.report}"
        )
        return "\n".join(lines)


def _verdict(row: dict[str, Any]) -> str:
    return "right" if row["is_right"] else "WRONG"


def run_demo(output: Path, seed: int = DEFAULT_SEED, say: Callable[[str], None] = print) -> DemoResult:
    """Explore, remember, ask, find, come back, report.

    Args:
        output: Folder for `report.html`, `walk.mp4` and the two memories; those of an earlier run are replaced.
        seed: House, start, questions, goals, and what is moved.
        say: Takes one line per stage.

    Raises:
        ValueError: If too little was seen to ask about, or nothing can be moved; another seed will do.

    Example:
        >>> run_demo(Path("runs/demo")).is_right  # doctest: +SKIP
        True
    """
    began = time.perf_counter()
    output.mkdir(parents=True, exist_ok=True)
    for name in ("live.memory", "video.memory"):
        shutil.rmtree(output / name, ignore_errors=True)
    house = House.generate(seed, NUM_ROOMS)
    env = open_house(house)
    say(f"a house of {len(house.rooms)} rooms and {len(house.objects)} things (seed {seed}); exploring it ...")
    video = output / "walk.mp4"
    with Memory.open(output / "live.memory", encoder="auto") as live:
        detector = open_detector("regions", live.encoder)
        walk, experience, sensed = explore(env, live, detector, seed)
        known = explored(live, walk)
        say(
            f"{walk.num_steps} actions: {100 * walk.seen_share:.0f} % of the floor seen, {known.num_things} things in "
            f"{known.num_rooms} rooms on its map; filming the walk and reading {video.name} ..."
        )
        sightings = _filmed(house, walk, seed, video)
        with Memory.open(output / "video.memory", encoder=live.encoder) as filmed:
            ingested = ingest(video, filmed)
            say(f"ingested at {ingested.times_real_time:.0f} x real time; asking both memories ...")
            memories = {"live": live, "from the video": filmed}
            questions = inquire(house, sightings, np.random.default_rng(seed))
            asked: list[Asked] = [(question, _ask(question, memories)) for question in questions]
            say(f"{_num_right(asked)} of {2 * len(asked)} answers right; looking for three things ...")
            finds, sensed = find_all(env, experience, sensed, np.random.default_rng([seed, 3]), say)
            changed, change = rearranged(house, live, sightings, np.random.default_rng([seed, 9]))
            say("away for an hour; one thing is moved; walking through the rooms again ...")
            back = walk_again(changed, change, env, live, detector, experience.stamp_s + AWAY_S)
            last = moved_inquiry(change)
            back_asked: Asked = (last, _ask(last, {"live": live}))
            say(f"  {back.words or 'the change was NOT noticed'}")
            figures = _figures(live, filmed, walk, ingested, video, asked, time.perf_counter() - began)
            notice = getattr(live.encoder, "notice", None)
            page = compose(
                seed=seed, num_rooms=len(house.rooms), walk=walk, known=known, memories=memories, filmed=filmed,
                asked=asked, finds=finds, back=back, back_asked=back_asked, figures=figures, notice=notice,
            )  # fmt: skip
    report = output / "report.html"
    report.write_text(render(page), encoding="utf-8")
    if notice:
        say(notice)
    rows = [_row(question, *each) for question, answers in (*asked, back_asked) for each in answers]
    return DemoResult(report, video, rows, [_goal_row(find) for find in finds], _moved_row(back), figures)


def _filmed(house: House, walk: Exploration, seed: int, path: Path) -> Sightings:
    """Walk the same way again, with a camera that films what lies between two steps."""
    env = HouseEnv(house, resolution=(8, 8), max_steps=len(walk.actions) + 1)
    env.reset(seed=seed)
    camera, sightings = Camera.from_degrees(*FILM, 90.0), Sightings(1 / FPS)
    with VideoWriter(path, FPS, FILM) as writer:
        for frame in film(env, walk.actions, camera, FPS):
            writer.write(frame.rgb)
            sightings.add(frame)
    return sightings


def _ask(question: Inquiry, memories: dict[str, Memory]) -> list[tuple[str, Any, float]]:
    answers = []
    for name, memory in memories.items():
        start = time.perf_counter()
        answer = EvidenceReader(memory).ask(question.text)
        answers.append((name, answer, 1e3 * (time.perf_counter() - start)))
    return answers


def _num_right(asked: Sequence[Asked]) -> int:
    return sum(question.is_right(answer) for question, answers in asked for _, answer, _ in answers)


def _row(question: Inquiry, memory: str, answer: Any, latency_ms: float) -> dict[str, Any]:
    return {
        "question": question.text,
        "truth": question.truth,
        "memory": memory,
        "answer": answer.text,
        "probability": round(answer.probability, 3),
        "is_right": question.is_right(answer),
        "latency_ms": round(latency_ms, 1),
    }


def _goal_row(find: Find) -> dict[str, Any]:
    return {
        "kind": find.goal.kind,
        "text": find.goal.text,
        "truth": find.truth,
        "is_right": find.is_right,
        "path_m": round(find.path_m, 2),
        "shortest_m": round(find.shortest_m, 2),
        "spl": round(find.spl, 3),
        "left_m": round(find.left_m, 2),
        "steps": find.num_steps,
        "reason": find.reason,
    }


def _moved_row(back: Return) -> dict[str, Any]:
    before, after = back.change.before, back.change.after
    assert before is not None and after is not None
    return {
        "truth": f"the {before.colour} {before.category}, from the {before.room_type} to the {after.room_type}",
        "said": back.words,
        "is_right": back.noticed is not None,
        "wrongly_told": list(back.others),
        "steps": back.num_steps,
    }


def _figures(
    live: Memory,
    filmed: Memory,
    walk: Exploration,
    ingested: IngestReport,
    video: Path,
    asked: Sequence[Asked],
    seconds: float,
) -> dict[str, float]:
    latencies = [latency_ms for _, answers in asked for _, _, latency_ms in answers]
    return {
        "seconds": round(seconds, 1),
        "explore_steps": walk.num_steps,
        "floor_seen": round(walk.seen_share, 4),
        "observe_ms": round(1e3 * float(np.median(walk.step_s)), 1),
        "answer_ms": round(float(np.median(latencies)), 1),
        "times_real_time": round(ingested.times_real_time, 1),
        "live_bytes": live.nbytes(),
        "video_memory_bytes": filmed.nbytes(),
        "video_bytes": video.stat().st_size,
        "moments": len(live),
    }
