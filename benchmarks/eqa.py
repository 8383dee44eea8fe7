"""Questions about houses never seen before, answered from memory after exploration, and while exploring.

An agent explores a house by its own map, then is asked (see `placecell.benchmarks.eqa_questions`). Then things are
moved, taken away and added behind its back; it walks through the rooms that it knows, and is asked what changed. Every
answer stands on at most four pictures. Answers are closed, and one counts if it is the right one; a refusal counts
where the house does not hold the answer. With every answer right scored 5 and every other 1, OpenEQA's formula gives
the same figure.

*Active*: while it explores the agent asks itself every `ask_every` steps, and stops once an answer is surer than `sure`
twice in a row. Exploration does not depend on the question, so one walk serves all of them.

Peers: *blind* answers by what was right in other houses for such a question; *frames* keeps `frames` evenly spaced
pictures and no map, and reads them with the same encoder and the same words.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import cv2
import numpy as np

from placecell.agents.chat_client import ChatClient
from placecell.agents.explorer import Explorer
from placecell.agents.planner import Experience
from placecell.agents.reader import EvidenceReader
from placecell.benchmarks.episodes import Episode, Runner, episodes_of
from placecell.benchmarks.eqa_figures import aggregate, summary
from placecell.benchmarks.eqa_questions import EqaQuestion, generate_questions
from placecell.benchmarks.eqa_score import canonical, is_right, said, trained_guesser
from placecell.benchmarks.eqa_visits import PICTURES, Patrol, SelfAsking, visit
from placecell.benchmarks.eqa_world import visible_sides
from placecell.benchmarks.openeqa_judge import judge_rows
from placecell.benchmarks.players import house_detector, new_experience
from placecell.envs.catalogue import COLOURS
from placecell.envs.floorplan import ROOM_TYPES
from placecell.envs.house import Change, House, HouseEnv
from placecell.memory.memory import Memory
from placecell.memory.records import RecordId
from placecell.perception.observation import Observation

__all__ = ["EqaSettings", "aggregate", "eqa", "play", "summary"]

_PAUSE_S: Final = 3600.0  # between the two visits
_THUMB_PX: Final = 144  # width of the pictures that are kept of one answer of each category


@dataclass(frozen=True, slots=True)
class EqaSettings:
    """What an episode depends on, besides its house.

    Args:
        seed: Draws starts, changes and questions.
        detector: What finds things: "regions", or "masks" (the simulator's: privileged).
        num_per_category: Questions of each category.
        changes: How many things are moved, added and removed between the two visits.
        max_steps: Actions of each visit.
        ask_every: Actions between two questions to itself while it explores.
        sure: Chance from which on it takes an answer for sure.
        frames: Pictures that the peer without a map keeps.
        side_px: Height and width of the pictures.
    """

    seed: int = 0
    detector: str = "regions"
    num_per_category: int = 8
    changes: tuple[int, int, int] = (4, 2, 2)
    max_steps: int = 1200
    ask_every: int = 25
    sure: float = 0.8
    frames: int = 32
    side_px: int = 256


# --- one house -------------------------------------------------------------------------------------------------------


def play(settings: EqaSettings, episode: Episode) -> dict[str, Any]:
    """Explore one house, answer; walk through it again after changes, answer.

    Returns:
        One row per question, with what every method said, and what the visits cost.
    """
    seed = episode.seed(settings.seed)
    rng = np.random.default_rng(seed)
    house = House.generate(episode.house)
    after, changes = _changed(house, rng, settings.changes)
    sides, sides_after = visible_sides(house), visible_sides(after)
    asked = generate_questions(house, rng, num_per_category=settings.num_per_category, visible=sides)
    asked_after = generate_questions(
        after,
        rng,
        changes,
        before=house,
        categories=("change",),
        num_per_category=settings.num_per_category,
        visible=sides_after,
        visible_before=sides,
    )
    env = _env(house, settings, seed)
    experience = new_experience(env, house_detector(settings.detector, env))
    active = SelfAsking(experience.memory, asked, settings.ask_every, settings.sure)
    began = time.perf_counter()
    first = visit(env, experience, Explorer(), settings.max_steps, active.watch)
    first_s = time.perf_counter() - began
    active.finish(first)
    rows = _ask(experience.memory, asked, settings, active)
    env = _env(after, settings, seed + 1)
    later = Experience(
        experience.memory,
        env.camera,
        house_detector(settings.detector, env),
        agent_id=experience.agent_id,
        start_s=experience.stamp_s + _PAUSE_S,
    )
    began = time.perf_counter()
    second = visit(env, later, Patrol(), settings.max_steps)
    second_s = time.perf_counter() - began
    rows += _ask(experience.memory, asked_after, settings, None)
    return {
        "questions": rows,
        "num_steps": [first, second],
        "visit_s": [round(first_s, 2), round(second_s, 2)],
        "num_objects": len(experience.memory.objects.objects()),
        "memory_bytes": experience.memory.nbytes(),
    }


def _env(house: House, settings: EqaSettings, seed: int) -> HouseEnv:
    env = HouseEnv(house, resolution=(settings.side_px, settings.side_px), max_steps=10**9)
    env.reset(seed=seed % 2**31)
    return env


def _changed(house: House, rng: np.random.Generator, wanted: tuple[int, int, int]) -> tuple[House, list[Change]]:
    """The house rearranged, by less where there is no room for so much."""
    moved, added, removed = wanted
    while True:
        try:
            return house.relocate(rng, moved, added, removed)
        except ValueError:
            moved, added = max(moved - 1, 0), max(added - 1, 0)
            if moved == added == 0:
                raise


def _ask(
    memory: Memory, asked: Sequence[EqaQuestion], settings: EqaSettings, active: SelfAsking | None
) -> list[dict[str, Any]]:
    reader, blind = EvidenceReader(memory), trained_guesser()
    rows: list[dict[str, Any]] = []
    shown: set[str] = set()
    with _frames(memory, settings.frames) as frames:
        frame_reader = EvidenceReader(frames)
        for question in asked:
            began = time.perf_counter()
            answer = reader.ask(question.question, choices=question.choices or None, k=PICTURES)
            seconds = time.perf_counter() - began
            told = {
                "placecell": said(question, answer),
                "blind": canonical(blind.guess(question.question, question.choices), question.kind),
                "frames": _from_frames(frame_reader, question),
            }
            row = {
                "question_id": question.question_id,
                "category": question.category,
                "question": question.question,
                "answer": question.answer,
                "is_answerable": question.is_answerable,
                "reply": answer.text,
                "said": told,
                "right": {name: is_right(question, text) for name, text in told.items()},
                "probability": round(float(answer.probability), 4),
                "num_pictures": len(answer.evidence),
                "evidence": [str(hit.record_id) for hit in answer.evidence],
                "seconds": round(seconds, 4),
            }
            if active is not None:
                step, text = active.answers[question.question_id]
                row["active"] = {"step": step, "said": text, "right": is_right(question, text)}
            if answer.evidence and question.category not in shown:
                shown.add(question.category)
                row["pictures"] = [thumb for hit in answer.evidence if (thumb := _thumb(memory, hit.record_id))]
            rows.append(row)
    return rows


def _thumb(memory: Memory, record_id: RecordId) -> str:
    """A small copy of a picture, as JPEG in base64; "" if the memory does not keep it."""
    rgb = memory.picture(record_id)
    if rgb is None:
        return ""
    size = (_THUMB_PX, max(1, round(_THUMB_PX * rgb.shape[0] / rgb.shape[1])))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
    return base64.b64encode(data.tobytes()).decode()


def _frames(memory: Memory, count: int) -> Memory:
    """Evenly spaced pictures of a memory, without poses, depth or things."""
    moments = [record for record in memory.records() if record.embeddings is not None]
    picked = [moments[i] for i in np.unique(np.linspace(0, len(moments) - 1, count).round().astype(int))]
    bare = Memory(encoder=memory.encoder)
    bare.observe_many(
        Observation(record.stamp_s, record.agent_id, embeddings=np.asarray(record.embeddings, np.float32))
        for record in picked
    )
    return bare


def _from_frames(reader: EvidenceReader, question: EqaQuestion) -> str:
    """What the pictures say; told what the answer may be, so that it need not find the words itself."""
    closed = {"colour": tuple(COLOURS), "room": ROOM_TYPES, "yes_no": ("yes", "no")}
    choices = question.choices or closed.get(question.kind)
    answer = reader.ask(question.question, choices=choices, k=PICTURES)
    if choices and answer.choice_index is not None:
        return canonical(choices[answer.choice_index], question.kind)
    return said(question, answer)


# --- all houses ------------------------------------------------------------------------------------------------------


def eqa(
    runner: Runner,
    settings: EqaSettings,
    houses: Sequence[int],
    num_each: int = 1,
    *,
    judge: ChatClient | None = None,
) -> dict[str, Any]:
    """Ask in every house and aggregate; see `Runner` for the folder.

    With a judge the figures hold OpenEQA's score of all answers too, as `judged`.
    """
    rows = runner.run(
        {"experiment": "eqa", **asdict(settings)},
        episodes_of(houses, num_each, ("placecell",)),
        partial(play, settings),
        shown=_shown,
    )
    result = aggregate(rows, settings)
    if judge is not None:
        result["judged"] = judge_rows(judge, rows, runner.say)
    return result


def _shown(result: Mapping[str, Any]) -> str:
    right = [row["right"]["placecell"] for row in result["questions"] if row["is_answerable"]]
    return f"{sum(right)} of {len(right)} right"
