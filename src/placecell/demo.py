"""The demonstration: a walk through a house, two memories of it, eight questions to both, a report with pictures.

One memory is written while the agent walks (pictures, depth and poses); the other from nothing but the MP4 of the walk.
The simulator's ground truth chooses the questions and judges the answers; neither memory ever sees it.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.agents.answer import Answer
from placecell.agents.reader import EvidenceReader
from placecell.clock import format_time
from placecell.envs.house import CATEGORIES, COLOURS, House, HouseEnv, tour
from placecell.envs.walk import Frame, film, visible_objects
from placecell.geometry import Camera
from placecell.ingest import IngestReport, ingest
from placecell.memory.memory import Memory
from placecell.perception.clips import VideoWriter
from placecell.perception.observation import Observation
from placecell.report import Card, Event, Evidence, Question, Report, render

__all__ = ["DemoResult", "Inquiry", "inquire", "run_demo"]

FPS: Final = 10.0
EVERY_S: Final = 1.0  # both memories keep one moment a second
NUM_ROOMS: Final = 6
MAX_ACTIONS: Final = 250  # half a second each: about two minutes
CLEAR_SIDE_PX: Final = 48  # a thing that a question is about was seen at least so large ...
CLEAR_S: Final = 3.0  # ... for at least so long
SLACK_S: Final = 1.0


@dataclass(slots=True)
class Sightings:
    """When each object was truly in view (privileged: from the simulator's instance ids)."""

    frame_s: float
    stamps: dict[int, list[float]] = field(default_factory=dict)
    clear: Counter[int] = field(default_factory=Counter)
    rooms: list[tuple[float, int | None]] = field(default_factory=list)

    def add(self, frame: Frame) -> None:
        """Take note of what one frame shows."""
        self.rooms.append((frame.stamp_s, frame.room_id))
        for number, side in visible_objects(frame.semantic, min_side_px=24).items():
            self.stamps.setdefault(number, []).append(frame.stamp_s)
            self.clear[number] += side >= CLEAR_SIDE_PX

    def spans(self, numbers: Iterable[int]) -> tuple[tuple[float, float], ...]:
        """Stretches of time in which at least one of these objects was in view."""
        stamps = sorted({stamp for number in numbers for stamp in self.stamps.get(number, ())})
        spans: list[list[float]] = []
        for stamp in stamps:
            if spans and stamp - spans[-1][1] <= 1.5 * self.frame_s:
                spans[-1][1] = stamp
            else:
                spans.append([stamp, stamp])
        return tuple((first, last) for first, last in spans)


@dataclass(frozen=True, slots=True, eq=False)
class Inquiry:
    """A question with its truth, and the judge of an answer."""

    text: str
    truth: str
    is_right: Callable[[Answer], bool]
    spans: tuple[tuple[float, float], ...] = ()


@dataclass(slots=True)
class DemoResult:
    """What came of a demonstration."""

    report: Path
    video: Path
    rows: list[dict[str, Any]]
    figures: dict[str, float]

    @property
    def is_right(self) -> bool:
        """Whether both memories answered every question right."""
        return all(row["is_right"] for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "report": str(self.report),
            "video": str(self.video),
            "is_right": self.is_right,
            "answers": self.rows,
            "figures": self.figures,
        }

    def summary(self) -> str:
        """The answers as a table, and where the report is."""
        lines = []
        for row in self.rows:
            verdict = "right" if row["is_right"] else "WRONG"
            lines.append(f"{verdict}  {row['memory']:14s}  {row['question']}\n       {row['answer']}")
        right = sum(row["is_right"] for row in self.rows)
        lines.append(f"{right} of {len(self.rows)} answers right; open {self.report}")
        return "\n".join(lines)


def run_demo(output: Path, seed: int = 11, say: Callable[[str], None] = print) -> DemoResult:
    """Walk, remember, ask, report.

    Args:
        output: Folder for `report.html`, `walk.mp4` and the two memories; those of an earlier run are replaced.
        seed: House, start and questions.
        say: Takes one line per stage.

    Example:
        >>> run_demo(Path("runs/demo")).is_right  # doctest: +SKIP
        True
    """
    began = time.perf_counter()
    output.mkdir(parents=True, exist_ok=True)
    for name in ("live.memory", "video.memory"):
        shutil.rmtree(output / name, ignore_errors=True)
    env = HouseEnv(seed=seed, num_rooms=NUM_ROOMS, resolution=(8, 8), max_steps=MAX_ACTIONS + 1)
    env.reset(seed=seed)
    house, camera = env.house, Camera.from_degrees(384, 288, 90.0)
    say(f"a house of {len(house.rooms)} rooms and {len(house.objects)} objects (seed {seed}); walking through it ...")

    video_path, sightings = output / "walk.mp4", Sightings(1 / FPS)
    path: list[np.ndarray] = []
    with Memory.open(output / "live.memory", encoder="auto") as live:
        writer = VideoWriter(video_path, FPS, (camera.width, camera.height))
        with writer:
            frames = film(env, tour(env, max_steps=MAX_ACTIONS), camera, FPS)
            write_s, walked_s = _live(frames, live, camera, writer, sightings, path)
        notice = getattr(live.encoder, "notice", None)
        say(f"walked {walked_s:.0f} s of simulated time, {len(live)} moments written; reading {video_path.name} ...")
        with Memory.open(output / "video.memory", encoder=live.encoder) as filmed:
            ingested = ingest(video_path, filmed)
            say(f"ingested at {ingested.times_real_time:.0f} x real time; asking both memories ...")
            questions = inquire(house, sightings, np.random.default_rng(seed))
            memories = (("live", live), ("from the video", filmed))
            asked = [(question, [_ask(name, memory, question) for name, memory in memories]) for question in questions]
            figures = _figures(live, filmed, write_s, ingested, video_path, asked, time.perf_counter() - began)
            page = _page(house, path, walked_s, memories, asked, figures, notice, seed)
    report_path = output / "report.html"
    report_path.write_text(render(page), encoding="utf-8")
    if notice:
        say(notice)
    rows = [
        {
            "question": question.text,
            "truth": question.truth,
            "memory": name,
            "answer": answer.text,
            "probability": round(answer.probability, 3),
            "is_right": question.is_right(answer),
            "latency_ms": round(latency_ms, 1),
        }
        for question, answers in asked
        for name, answer, latency_ms in answers
    ]
    return DemoResult(report_path, video_path, rows, figures)


def _live(
    frames: Iterator[Frame],
    memory: Memory,
    camera: Camera,
    writer: VideoWriter,
    sightings: Sightings,
    path: list[np.ndarray],
) -> tuple[list[float], float]:
    """Walk to the end; returns what each observation took, encoder included, and the walk's length, in seconds."""
    took, stamp_s, next_s = [], 0.0, 0.0
    for frame in frames:
        writer.write(frame.rgb)
        sightings.add(frame)
        path.append(frame.pose[:3, 3])
        stamp_s = frame.stamp_s
        if stamp_s + 1e-6 >= next_s:
            next_s += EVERY_S
            start = time.perf_counter()
            memory.observe(
                Observation(
                    stamp_s=stamp_s,
                    end_s=stamp_s + EVERY_S,
                    agent_id="robot",
                    rgb=frame.rgb,
                    depth_m=frame.depth_m,
                    camera=camera,
                    pose=frame.pose,
                )
            )
            took.append(time.perf_counter() - start)
    return took, stamp_s


# --- questions ------------------------------------------------------------------------------------------------------


def inquire(house: House, sightings: Sightings, rng: np.random.Generator) -> list[Inquiry]:
    """Eight questions about a walk: six that it answers, two that it does not.

    Things asked about were in clear view for some seconds and are the only ones of their name, so that there is one
    right answer; among those, chance decides.
    """
    seen = [thing for thing in house.objects if sightings.clear[thing.id] * sightings.frame_s >= CLEAR_S]
    names = Counter((thing.category, thing.colour) for thing in house.objects)
    kinds = Counter(thing.category for thing in house.objects)
    named = [thing for thing in seen if names[thing.category, thing.colour] == 1 and thing.colour_asked]
    only = [thing for thing in seen if kinds[thing.category] == 1 and thing.colour_asked]
    rng.shuffle(named)
    rng.shuffle(only)
    if len(named) < 5 or len(only) < 2:
        raise ValueError("this walk saw too little to ask about; take another seed")
    when, where, room = named[:3]
    first, second = _ordered(sightings, named[3:])
    colour, there = only[:2]
    category = str(rng.choice([name for name in CATEGORIES if name not in kinds]))
    other = str(rng.choice([name for name in CATEGORIES if name not in kinds and name != category]))
    room_name = {each.id: each.type for each in house.rooms}

    def spans(thing: Any) -> tuple[tuple[float, float], ...]:
        return sightings.spans([thing.id])

    def name(thing: Any) -> str:
        return f"{thing.colour} {thing.category}"

    return [
        Inquiry(f"When did I see the {name(when)}?", _times(spans(when)), _sees(spans(when)), spans(when)),
        Inquiry(
            f"Where is the {name(where)}?", f"in the {room_name[where.room_id]}", _sees(spans(where)), spans(where)
        ),
        Inquiry(
            f"Which room is the {name(room)} in?",
            room_name[room.room_id],
            lambda answer: answer.value == room_name[room.room_id],
            spans(room),
        ),
        Inquiry(
            f"What colour is the {colour.category}?",
            colour.colour,
            lambda answer: answer.value == colour.colour,
            spans(colour),
        ),
        Inquiry(
            f"Is there a {there.category} in this home?",
            "yes",
            lambda answer: answer.value is True and _sees(spans(there))(answer),
            spans(there),
        ),
        Inquiry(
            f"Did I see the {name(first)} before the {name(second)}?",
            "yes",
            lambda answer: answer.value is True,
            sightings.spans([first.id, second.id]),
        ),
        Inquiry(f"When did I see the {rng.choice(list(COLOURS))} {category}?", "never: there is none", _declines),
        Inquiry(f"Where is the {other}?", "nowhere: there is none", _declines),
    ]


def _ordered(sightings: Sightings, things: Sequence[Any]) -> tuple[Any, Any]:
    """Two things of which one was clearly first seen earlier: all sightings of it start well before the other's."""
    by_time = sorted(things, key=lambda thing: sightings.stamps[thing.id][0])
    return by_time[0], by_time[-1]


def _sees(spans: Sequence[tuple[float, float]]) -> Callable[[Answer], bool]:
    """Whether the best evidence of an answer is from a moment at which the thing was in view."""

    def judge(answer: Answer) -> bool:
        if answer.is_refusal or not answer.evidence:
            return False
        stamp_s = answer.evidence[0].stamp_s
        return any(start - SLACK_S <= stamp_s <= end + SLACK_S for start, end in spans)

    return judge


def _declines(answer: Answer) -> bool:
    return answer.is_refusal


def _times(spans: Sequence[tuple[float, float]]) -> str:
    shown = [f"{format_time(start)[3:-2]}-{format_time(end)[3:-2]}" for start, end in spans]
    return ", ".join(shown[:6]) + (" and more" if len(shown) > 6 else "")


def _ask(name: str, memory: Memory, question: Inquiry) -> tuple[str, Answer, float]:
    start = time.perf_counter()
    answer = EvidenceReader(memory).ask(question.text)
    return name, answer, 1e3 * (time.perf_counter() - start)


# --- the report -----------------------------------------------------------------------------------------------------


def _figures(
    live: Memory,
    filmed: Memory,
    write_s: Sequence[float],
    ingested: IngestReport,
    video: Path,
    asked: Sequence[tuple[Inquiry, list[tuple[str, Answer, float]]]],
    seconds: float,
) -> dict[str, float]:
    latencies = [latency_ms for _, answers in asked for _, _, latency_ms in answers]
    return {
        "seconds": round(seconds, 1),
        "observe_ms": round(1e3 * float(np.median(write_s)), 1),
        "answer_ms": round(float(np.median(latencies)), 1),
        "times_real_time": round(ingested.times_real_time, 1),
        "live_bytes": live.nbytes(),
        "video_memory_bytes": filmed.nbytes(),
        "video_bytes": video.stat().st_size,
        "moments": len(live),
    }


def _page(
    house: House,
    path: Sequence[np.ndarray],
    walked_s: float,
    memories: Sequence[tuple[str, Memory]],
    asked: Sequence[tuple[Inquiry, list[tuple[str, Answer, float]]]],
    figures: dict[str, float],
    notice: str | None,
    seed: int,
) -> Report:
    plan, to_px = house.topdown(0.02)

    def pixel(x: float, z: float) -> np.ndarray:
        return np.asarray(to_px @ np.array([x, z, 1.0]))

    by_name = dict(memories)
    questions = [
        Question(
            question.text,
            question.truth,
            tuple(
                Card(
                    name,
                    answer.text,
                    question.is_right(answer),
                    answer.probability,
                    latency_ms,
                    _evidence(by_name[name], answer),
                )
                for name, answer, latency_ms in answers
            ),
            question.spans,
        )
        for question, answers in asked
    ]
    kib = {name: f"{figures[name] / 1024:.0f} KiB" for name in ("live_bytes", "video_memory_bytes", "video_bytes")}
    return Report(
        title="Placecell: what an agent remembers of a house",
        lead=f"An agent walked {walked_s:.0f} s through a house of {len(house.rooms)} rooms (seed {seed}). One memory "
        "was written live, from pictures, depth and poses; the other from nothing but the MP4 of the walk. Both were "
        "asked the same eight questions, two of which have no answer.",
        plan=plan,
        path_px=np.array([pixel(place[0], place[2]) for place in path]),
        rooms=(),
        objects_px=[(f"{each.colour} {each.category}", *pixel(*each.centre_m[[0, 2]])) for each in house.objects],
        duration_s=walked_s,
        events=[(name, _events(memory, walked_s)) for name, memory in memories],
        questions=questions,
        figures=[
            ("per moment, live (encode, index, write)", f"{figures['observe_ms']:.0f} ms"),
            ("per answer (median)", f"{figures['answer_ms']:.0f} ms"),
            ("ingest of the MP4", f"{figures['times_real_time']:.0f} x real time"),
            ("live memory, pictures included", kib["live_bytes"]),
            ("memory of the video", kib["video_memory_bytes"]),
            ("the MP4", kib["video_bytes"]),
        ],
        notes=[
            "The simulator's ground truth chose the questions and judged the answers; neither memory saw it.",
            "A yellow frame shows the tile of the view that matched.",
            *([notice] if notice else []),
        ],
    )


def _evidence(memory: Memory, answer: Answer) -> tuple[Evidence, ...]:
    shown = []
    for hit in answer.evidence[: 0 if answer.is_refusal else 1]:
        picture = memory.picture(hit.record_id)
        if picture is not None:
            caption = f"{format_time(hit.stamp_s)[3:-2]}, record {hit.record_id}, p {hit.probability:.2f}"
            shown.append(Evidence(picture, caption, hit.stamp_s, hit.position_m, hit.box))
    return tuple(shown)


def _events(memory: Memory, walked_s: float) -> list[Event]:
    starts = [record for record in memory.records() if record.kind == "moment"]
    heads = [record for i, record in enumerate(starts) if i == 0 or record.is_event_start]
    ends = [record.stamp_s for record in heads[1:]] + [walked_s]
    return [
        Event(record.stamp_s, end_s, memory.picture(record.record_id))
        for record, end_s in zip(heads, ends, strict=True)
    ]
