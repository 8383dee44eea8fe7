"""When was it seen? Questions about walks through unseen houses, answered from the MP4 files alone.

A camera walks from room to room (0.25 m or 30 degrees in half a second), turns around once in each, and is filmed as
H.264. Each film is ingested like any other video; the memory knows nothing else. Asked is "When did I see the red mug?"
for everything that was in view for a second at 32 pixels, and for as many things that the house does not have: half of
them of categories that it has in other colours only. The truth comes from instance images, which no one else sees.

Peers answer the same questions from the same moments: "whole" keeps one vector per moment and no tiles, "tiles" ranks
by the best tile's cosine and does nothing else, "random" draws five moments (its exact expectation), "blind" gives the
five moments that fit all questions together best, whatever is asked.
"""

from __future__ import annotations

import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.agents.reader import EvidenceReader
from placecell.benchmarks import bootstrap
from placecell.benchmarks.house_walks import FPS, HFOV_DEG, SIZE, Question, Walk, film_walk, questions_of
from placecell.envs.walk import ACTION_S
from placecell.ingest import IngestSettings, ingest
from placecell.memory.calibration import NO_MATCH_BELOW, auroc, calibration_error
from placecell.memory.memory import Memory
from placecell.perception.encoders import Encoder, open_encoder
from placecell.perception.observation import Observation

__all__ = ["PEERS", "run", "summary"]

PEERS: Final = ("tiles", "whole", "random", "blind")
FIRST_SEED: Final = 1_000_100  # houses that no training and no choice has seen
TOP: Final = 5
TOLERANCE_S: Final = 0.5  # half the step between kept moments
ANSWER_TOLERANCE_S: Final = 1.0
_MARK_RECALL, _MARK_AUROC = 0.90, 0.90


@dataclass(slots=True)
class _Asked:
    """What one memory gave for one question."""

    house: int
    question: Question
    is_found: dict[str, float] = field(default_factory=dict)  # by method: 1 if a right moment is among the first five
    best: dict[str, float] = field(default_factory=dict)  # by method: how sure it is that the thing was seen
    is_first_right: bool = False
    is_refused: bool = False
    is_answer_right: bool = False
    seconds: float = 0.0


def run(
    seed: int = 0,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
    *,
    num_houses: int = 16,
    seconds: float = 120.0,
    first_seed: int = FIRST_SEED,
    encoder: str = "builtin",
    workers: int = 2,
) -> dict[str, Any]:
    """Film, ingest, ask, judge.

    Args:
        seed: Shifts the houses by 1000 each, and draws the absent things.
        peers: Only these of `PEERS`; all by default.
        say: Told about progress.
        num_houses: Houses, one film each.
        seconds: Length of each film.
        first_seed: Seed of the first house.
        encoder: See `placecell.perception.encoders.open_encoder`.
        workers: Processes that film and ingest.

    Returns:
        Settings, sizes and times; recall@5 per method with its 95 % interval (bootstrap over houses); areas under the
        curve of present against absent things; what happens at the reader's threshold; and whether the marks are met.

    Raises:
        ValueError: If an argument is out of range or names no peer, or the films are too short to show anything.
    """
    chosen = PEERS if peers is None else tuple(peers)
    if unknown := set(chosen) - set(PEERS):
        raise ValueError(f"peers of this benchmark are {', '.join(PEERS)}, got {', '.join(sorted(unknown))}")
    if num_houses < 1 or seconds <= 0 or workers < 1:
        raise ValueError(f"num_houses, seconds and workers must be positive, got {num_houses}, {seconds}, {workers}")
    seeds = [first_seed + 1000 * seed + i for i in range(num_houses)]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="placecell-localise-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        walks, films = [], []
        for walk, film in _filmed(seeds, partial(_film_and_ingest, folder, seconds, encoder), workers):
            walks.append(walk)
            films.append(film)
            say(f"house {walk.seed}: {walk.duration_s:.0f} s filmed in {film['film_s']:.0f} s, ingested in "
                f"{film['ingest_s']:.0f} s; {len(walks)} of {num_houses}")  # fmt: skip
        rng = np.random.default_rng(seed)
        questions = [questions_of(walk, rng) for walk in walks]
        kinds = {question.kind for wanted in questions for question in wanted}
        if len(kinds) < 3 or not any(question.is_wide for wanted in questions for question in wanted):
            raise ValueError(f"films of {seconds} s show too little to ask for; make them longer")
        say(f"asking {sum(map(len, questions))} questions")
        model = open_encoder(encoder)
        asked = _ask_each(walks, questions, model, chosen)
        joint = _ask_all_at_once(walks, questions, model)
    return {
        "seeds": [seeds[0], seeds[-1]],
        "num_houses": num_houses,
        "minutes": round(sum(walk.duration_s for walk in walks) / 60, 2),
        "video": {
            "size": list(SIZE),
            "hfov_deg": HFOV_DEG,
            "fps": FPS,
            "seconds_per_action": ACTION_S,
            "codec": "h264",
        },
        "in_view": "longer side of the box around what is seen >= 32 px, for >= 1 s at a stretch",
        "right_moment": f"in view at the hit's stamp +- {TOLERANCE_S} s",
        "encoder": model.name,
        "privileged": "ground truth only",
        **_judged(asked, chosen),
        "one_memory": joint,
        "mp4_bytes": sum(film["mp4_bytes"] for film in films),
        "memory_bytes": sum(film["memory_bytes"] for film in films),
        "film_s": round(sum(film["film_s"] for film in films), 1),
        "ingest_s": round(sum(film["ingest_s"] for film in films), 1),
        "wall_s": round(time.perf_counter() - began, 1),
    }


# --- films and memories ----------------------------------------------------------------------------------------------


def _filmed(
    seeds: Sequence[int], make: Callable[[int], tuple[Walk, dict[str, float]]], workers: int
) -> Iterator[tuple[Walk, dict[str, float]]]:
    if workers == 1 or len(seeds) == 1:
        yield from map(make, seeds)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(make, seeds)


def _film_and_ingest(folder: Path, seconds: float, encoder: str, seed: int) -> tuple[Walk, dict[str, float]]:
    import cv2

    cv2.setNumThreads(1)
    began = time.perf_counter()
    walk = film_walk(seed, folder / f"house{seed}.mp4", seconds)
    filmed = time.perf_counter()
    with Memory.open(_memory_of(walk), encoder=open_encoder(encoder, threads=1)) as memory:
        ingest(walk.path, memory, IngestSettings(subtitles="off"))
        nbytes = memory.nbytes()
    sizes = {"mp4_bytes": walk.path.stat().st_size, "memory_bytes": nbytes}
    return walk, {"film_s": filmed - began, "ingest_s": time.perf_counter() - filmed, **sizes}


def _memory_of(walk: Walk) -> Path:
    return walk.path.with_suffix(".memory")


# --- asking ----------------------------------------------------------------------------------------------------------


def _ask_each(
    walks: Sequence[Walk], questions: Sequence[Sequence[Question]], model: Encoder, peers: Sequence[str]
) -> list[_Asked]:
    asked: list[_Asked] = []
    for house, (walk, wanted) in enumerate(zip(walks, questions, strict=True)):
        with ExitStack() as stack:
            memory = stack.enter_context(Memory.open(_memory_of(walk), encoder=model, mode="r"))
            records = [record for record in memory.records() if record.embeddings is not None]
            stamps = [record.stamp_s for record in records]
            tiles = np.stack([np.asarray(record.embeddings, np.float32) for record in records])  # (n, v, d)
            whole = stack.enter_context(_whole_views(memory, model)) if "whole" in peers else None
            texts = _texts(model, [question.phrase for question in wanted])
            everything = (tiles @ texts.mean(axis=0)).max(axis=1)
            reader = EvidenceReader(memory)
            memory.recall(wanted[0].text, k=TOP)  # the first one loads the views
            for question, text in zip(wanted, texts, strict=True):
                row = _Asked(house, question)
                began = time.perf_counter()
                hits = memory.recall(question.text, k=TOP)
                row.seconds = time.perf_counter() - began
                row.is_found["placecell"] = _any_right(question, (hit.stamp_s for hit in hits))
                row.best["placecell"] = max(hit.probability for hit in hits)
                surest = max(hits, key=lambda hit: hit.probability)
                row.is_first_right = question.is_right(surest.stamp_s, TOLERANCE_S)
                if "tiles" in peers:
                    scores = (tiles @ text).max(axis=1)
                    order = np.argsort(-scores, kind="stable")[:TOP]
                    row.is_found["tiles"] = _any_right(question, (stamps[i] for i in order))
                    row.best["tiles"] = float(scores.max())
                if whole is not None:
                    hits = whole.recall(question.text, k=TOP)
                    row.is_found["whole"] = _any_right(question, (hit.stamp_s for hit in hits))
                    row.best["whole"] = max(hit.probability for hit in hits)
                if "blind" in peers:
                    order = np.argsort(-everything, kind="stable")[:TOP]
                    row.is_found["blind"] = _any_right(question, (stamps[i] for i in order))
                if "random" in peers:
                    num_right = sum(question.is_right(stamp, TOLERANCE_S) for stamp in stamps)
                    row.is_found["random"] = 1 - math.comb(len(stamps) - num_right, TOP) / math.comb(len(stamps), TOP)
                answer = reader.ask(question.text)
                row.is_refused = answer.is_refusal
                row.is_answer_right = not answer.is_refusal and question.is_right(answer.value, ANSWER_TOLERANCE_S)
                asked.append(row)
    return asked


def _texts(model: Encoder, phrases: Sequence[str]) -> np.ndarray:
    prompt = model.prompts.get("seen") or model.prompts.get("object", "{}")
    return np.asarray(model.encode_texts([prompt.format(phrase) for phrase in phrases]), np.float32)


def _any_right(question: Question, stamps_s: Iterable[float]) -> float:
    return float(any(question.is_right(stamp, TOLERANCE_S) for stamp in stamps_s))


def _whole_views(memory: Memory, model: Encoder) -> Memory:
    """The same moments with the vector of the whole view only."""
    bare = Memory(encoder=model)
    bare.observe_many(
        Observation(
            stamp_s=record.stamp_s,
            end_s=record.end_s,
            agent_id=record.agent_id,
            embeddings=np.asarray(record.embeddings, np.float32)[:1],
        )
        for record in memory.records()
        if record.embeddings is not None
    )
    return bare


def _ask_all_at_once(walks: Sequence[Walk], questions: Sequence[Sequence[Question]], model: Encoder) -> dict[str, Any]:
    """All films in one memory, put together by exchange: a thing counts where any house shows it."""
    with Memory(encoder=model) as memory:
        houses: dict[str, int] = {}
        for house, walk in enumerate(walks):
            with Memory.open(_memory_of(walk), encoder=model, mode="r") as one:
                memory.merge(one.delta(since={}))
                houses |= {agent: house for agent in one.agents()}
        asked: dict[str, dict[int, Question]] = {}
        for house, wanted in enumerate(questions):
            for question in wanted:
                asked.setdefault(question.phrase, {})[house] = question
        has = {phrase for walk in walks for kind in walk.kinds.values() for phrase in (f"{kind[1]} {kind[0]}", kind[0])}
        rows = []
        for phrase, by_house in sorted(asked.items()):
            is_present = any(question.spans_s for question in by_house.values())
            if not is_present and phrase in has:
                continue  # some house has it, though nobody saw it well
            hits = memory.recall(next(iter(by_house.values())).text, k=TOP)
            right = any(
                (asked_there := by_house.get(houses[hit.agent_id])) is not None
                and asked_there.is_right(hit.stamp_s, TOLERANCE_S)
                for hit in hits
            )
            rows.append((is_present, right, max(hit.probability for hit in hits)))
        num_moments = len(memory)
    found = [right for is_present, right, _ in rows if is_present]
    present, absent = [p for is_present, _, p in rows if is_present], [p for is_present, _, p in rows if not is_present]
    return {
        "moments": num_moments,
        "present": len(present),
        "absent": len(absent),
        "recall_at_5": round(float(np.mean(found)), 4) if found else None,
        "auroc": round(auroc(present, absent), 4) if present and absent else None,
    }


# --- judging ---------------------------------------------------------------------------------------------------------


def _judged(asked: Sequence[_Asked], peers: Sequence[str]) -> dict[str, Any]:
    is_present = np.array([row.question.kind == "present" for row in asked])
    house = np.array([row.house for row in asked])
    kind = np.array([row.question.kind for row in asked])
    methods = ("placecell", *(peer for peer in PEERS if peer in peers))
    sure = np.array([row.best["placecell"] for row in asked])
    refused = np.array([row.is_refused for row in asked])
    answered = np.array([row.is_answer_right for row in asked])
    first = np.array([row.is_first_right for row in asked])
    is_wide = is_present & np.array([row.question.is_wide for row in asked])

    def share(values: np.ndarray, where: np.ndarray) -> dict[str, float]:
        return bootstrap.interval(house, lambda rows: float(values[rows[where[rows]]].mean()), where)

    def area(values: np.ndarray, absent: np.ndarray, present: np.ndarray = is_present) -> dict[str, float]:
        def of(rows: np.ndarray) -> float:
            return auroc(values[rows[present[rows]]].tolist(), values[rows[absent[rows]]].tolist())

        return bootstrap.interval(house, of, present, absent)

    result: dict[str, Any] = {
        "present": int(is_present.sum()),
        "absent": {name: int((kind == name).sum()) for name in ("absent category", "absent colour")},
        "recall_at_5": {name: share(np.array([row.is_found[name] for row in asked]), is_present) for name in methods},
        "recall_at_1": share(first, is_present),
        "no_sliver": {
            "present": int(is_wide.sum()),
            "recall_at_5": share(np.array([row.is_found["placecell"] for row in asked]), is_wide),
            "auroc": area(sure, ~is_present, is_wide),
        },
        "auroc": {
            name: {
                label: area(np.array([row.best[name] for row in asked]), where)
                for label, where in (
                    ("all", ~is_present),
                    ("absent category", kind == "absent category"),
                    ("absent colour", kind == "absent colour"),
                )
            }
            for name in methods
            if name in asked[0].best
        },
        "at_threshold": {
            "threshold": NO_MATCH_BELOW,
            "accepted_present": share(sure >= NO_MATCH_BELOW, is_present),
            "refused_absent_category": share(sure < NO_MATCH_BELOW, kind == "absent category"),
            "refused_absent_colour": share(sure < NO_MATCH_BELOW, kind == "absent colour"),
        },
        "reader": {
            "right_within_1_s": share(answered, is_present),
            "answered_present": share(~refused, is_present),
            "refused_absent_category": share(refused, kind == "absent category"),
            "refused_absent_colour": share(refused, kind == "absent colour"),
        },
        "calibration_error": round(calibration_error(sure.tolist(), (first & is_present).tolist()), 4),
        "ms_per_question": {
            name: round(1e3 * float(np.percentile([row.seconds for row in asked], q)), 2)
            for name, q in (("p50", 50), ("p99", 99))
        },
    }
    own, best = result["recall_at_5"]["placecell"]["value"], result["auroc"]["placecell"]["all"]["value"]
    result["marks"] = {
        f"recall@5 >= {_MARK_RECALL:.2f}": own >= _MARK_RECALL,
        f"AUROC of refusals >= {_MARK_AUROC:.2f}": best >= _MARK_AUROC,
    }
    return result


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""

    def shown(mark: Mapping[str, float]) -> str:
        return f"{mark['value']:.3f} [{mark['low']:.3f}, {mark['high']:.3f}]"

    width, height = result["video"]["size"]
    absent = result["absent"]
    lines = [
        f"{result['minutes']:.0f} min of film, {width}x{height}, {result['num_houses']} houses, seeds "
        f"{result['seeds'][0]} to {result['seeds'][1]}; encoder {result['encoder']}",
        f"questions: {result['present']} things seen ({result['in_view']}); {absent['absent category']} of absent "
        f"categories, {absent['absent colour']} of absent colours",
        f"{'':12}{'recall@5':>24}{'AUROC':>24}{'absent category':>24}{'absent colour':>24}",
    ]
    for name, found in result["recall_at_5"].items():
        areas = result["auroc"].get(name)
        cells = [shown(found)] + (
            [shown(areas[k]) for k in ("all", "absent category", "absent colour")] if areas else []
        )
        lines.append(f"{name:12}" + "".join(f"{cell:>24}" for cell in cells))
    at, reader, one = result["at_threshold"], result["reader"], result["one_memory"]
    lines += [
        f"at probability {at['threshold']}: present accepted {shown(at['accepted_present'])}, absent category refused "
        f"{shown(at['refused_absent_category'])}, absent colour refused {shown(at['refused_absent_colour'])}",
        f"reader: right within 1 s {shown(reader['right_within_1_s'])}, answered {shown(reader['answered_present'])}, "
        f"refused absent category {shown(reader['refused_absent_category'])}, absent colour "
        f"{shown(reader['refused_absent_colour'])}",
        f"of things whose shorter side is 32 px too ({result['no_sliver']['present']}): recall@5 "
        f"{shown(result['no_sliver']['recall_at_5'])}, AUROC {shown(result['no_sliver']['auroc'])}; recall@1 of all "
        f"{shown(result['recall_at_1'])}",
        f"calibration error {result['calibration_error']:.3f}; all films in one memory ({one['moments']} moments, "
        f"{one['present']} + {one['absent']} questions): recall@5 {one['recall_at_5']}, AUROC {one['auroc']}",
        f"per question: p50 {result['ms_per_question']['p50']} ms, p99 {result['ms_per_question']['p99']} ms; MP4 "
        f"{result['mp4_bytes'] / 1e6:.1f} MB, memories {result['memory_bytes'] / 1e6:.1f} MB; filming "
        f"{result['film_s']:.0f} s, ingest {result['ingest_s']:.0f} s, all {result['wall_s']:.0f} s",
    ]
    lines += [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()]
    return "\n".join(lines)
