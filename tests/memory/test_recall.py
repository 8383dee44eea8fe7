"""Recall on small memories: fusion against its rivals, exact filters, abstention, order, time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.memory.calibration import auroc, best_of_logit
from placecell.memory.channels import Moment
from placecell.memory.forest import Forest
from placecell.memory.lexicon import Lexicon
from placecell.memory.predicates import Predicate
from placecell.memory.queries import parse_query
from placecell.memory.recall import Recaller, Recollections, is_match
from placecell.memory.records import Record

DIM = 48
THINGS = ["mug", "lamp", "sofa", "piano", "clock", "plant", "bed", "desk"]


# --- a memory of plain arrays, scanned exactly ---------------------------------------------------------------------


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)).astype(np.float32)


class ExactIndex:
    """Scores every row of every item; an item counts with its best row."""

    def __init__(self, world: World, vectors: Callable[[Record], np.ndarray | None]) -> None:
        self._world = world
        self._vectors = vectors
        self._rows: tuple[list[int], np.ndarray] | None = None

    def _scores(self, query: np.ndarray, where: Predicate | None) -> list[tuple[float, int, int]]:
        """Best score, item and row of every item that may be shown."""
        if self._rows is None:
            found = [(i, self._vectors(record)) for i, record in enumerate(self._world.records)]
            blocks = [(i, np.atleast_2d(rows).astype(np.float32)) for i, rows in found if rows is not None]
            self._rows = [i for i, rows in blocks for _ in rows], np.concatenate([rows for _, rows in blocks] or [[]])
        owners, matrix = self._rows
        best: dict[int, tuple[float, int]] = {}
        first: dict[int, int] = {}
        for place, (item, score) in enumerate(zip(owners, (matrix @ query).tolist() if owners else [], strict=True)):
            first.setdefault(item, place)
            if item not in best or score > best[item][0]:
                best[item] = score, place - first[item]
        shown = [i for i in best if where is None or where.lets_through(self._world.moment(i))]
        return [(best[item][0], item, best[item][1]) for item in shown]

    def search(
        self, query: np.ndarray, k: int, where: Predicate | None = None
    ) -> tuple[list[int], list[float], list[int]]:
        best = sorted(self._scores(query, where), key=lambda hit: -hit[0])[:k]
        return [item for _, item, _ in best], [score for score, _, _ in best], [row for _, _, row in best]

    def background(self, query: np.ndarray, where: Predicate | None = None) -> tuple[float, float, int]:
        scores = [score for score, _, _ in self._scores(query, where)]
        return (float(np.mean(scores)), float(np.std(scores)), len(scores)) if scores else (0.0, 0.0, 0)


class FixedEncoder:
    """Vectors from a table of texts; any other text is unknown to it."""

    def __init__(self, table: dict[str, np.ndarray], calibration: tuple[float, float] | None = None) -> None:
        self.table = table
        self.calibration = calibration
        self.prompts = {"object": "{}"}

    def unknown_words(self, text: str) -> tuple[str, ...]:
        known = {word for name in self.table for word in name.split()} | {"a", "the", "in", "on", "of"}
        return tuple(word for word in text.split() if word not in known)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self.table[text] for text in texts], dtype=np.float32)

    def encode_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return unit(np.array([image.reshape(-1)[: self.dim].astype(np.float32) for image in images]))

    @property
    def dim(self) -> int:
        return len(next(iter(self.table.values())))


class World:
    """Records in the order in which they came; streams in the order of time."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = list(records)
        self.lexicon = Lexicon()
        self.forest = Forest()
        self.visual = ExactIndex(self, lambda record: record.embeddings)
        self.dense = ExactIndex(self, lambda record: record.text_embedding)
        order = sorted(range(len(records)), key=lambda i: (records[i].agent_id, records[i].seq))
        self._beside: dict[int, list[int]] = {item: [] for item in order}
        self._event: dict[int, int] = {}
        events: dict[str, int] = {}
        for item, record in enumerate(records):
            if record.text:
                self.lexicon.add(item, record.text)
        for before, item in zip([None, *order], order, strict=False):
            record = records[item]
            events[record.agent_id] = events.get(record.agent_id, 0) + record.is_event_start
            self._event[item] = events[record.agent_id]
            if before is not None and records[before].agent_id == record.agent_id:
                self._beside[before].append(item)
                self._beside[item].insert(0, before)
            vector = None if record.embeddings is None else record.embeddings[0].astype(np.float32)
            self.forest.insert(
                record.agent_id, item, vector, record.stamp_s, record.end_s, record.position_m, record.labels,
                record.text, record.is_event_start,
            )  # fmt: skip

    def moment(self, item: int) -> Moment:
        r = self.records[item]
        return Moment(r.record_id, r.kind, r.stamp_s, r.end_s, self._event[item], r.position_m, r.labels)

    def neighbours(self, item: int) -> list[int]:
        return self._beside[item]

    def record(self, item: int) -> Record:
        return self.records[item]

    def extent_s(self) -> tuple[float, float]:
        stamps = [record.stamp_s for record in self.records]
        return (min(stamps), max(record.end_s for record in self.records)) if stamps else (0.0, 0.0)

    def recaller(
        self, channels: str = "visual dense words", encoder: object = None, text_encoder: object = None
    ) -> Recaller:
        return Recaller(
            self,
            visual=self.visual if "visual" in channels else None,
            dense=self.dense if "dense" in channels else None,
            lexicon=self.lexicon if "words" in channels else None,
            forest=self.forest,
            encoder=None if encoder is None else lambda: encoder,
            text_encoder=None if text_encoder is None else lambda: text_encoder,
        )


# --- worlds --------------------------------------------------------------------------------------------------------


def talk(kind: str, seed: int, n: int = 120, questions: int = 20) -> tuple[World, FixedEncoder, list[tuple[str, int]]]:
    """Texts, and questions about one each. "words": words tell and meaning is blurred; "meaning": the reverse."""
    rng = np.random.default_rng(seed)
    vocabulary = [f"zq{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(400)]
    share = 1 / np.arange(1, 401)
    share /= share.sum()
    texts = [list(rng.choice(vocabulary, 9, p=share)) for _ in range(n)]
    vectors = unit(rng.standard_normal((n, DIM)))
    records = [
        Record("a", i + 1, "text", i * 5.0, i * 5.0 + 4, text=" ".join(texts[i]), text_embedding=vectors[i])
        for i in range(n)
    ]
    table: dict[str, np.ndarray] = {}
    asked = []
    for q in range(questions):
        target = int(rng.integers(n))
        if kind == "words":
            words, cosine = list(rng.choice(texts[target], 4, replace=False)), 0.3
        else:
            words, cosine = [f"synonym{q}", *rng.choice(vocabulary, 3, p=share)], 0.62
        question = " ".join(words)
        noise = unit(rng.standard_normal(DIM))
        table[question] = unit(cosine * vectors[target] + math.sqrt(1 - cosine**2) * noise)
        asked.append((question, target + 1))
    return World(records), FixedEncoder(table), asked


def house(
    seed: int, agents: tuple[str, ...] = ("robot",), length: int = 120, missing: tuple[str, ...] = ("piano", "desk")
) -> tuple[World, FixedEncoder, dict[str, set[tuple[str, int]]]]:
    """Walks past things: 3 tiles a moment, an event every 6 moments, each thing seen in three moments of an event."""
    rng = np.random.default_rng(seed)
    looks = dict(zip(THINGS, np.linalg.qr(rng.standard_normal((DIM, DIM)))[0][:, : len(THINGS)].T, strict=True))
    seen: dict[str, set[tuple[str, int]]] = {thing: set() for thing in THINGS}
    records = []
    for agent_id in agents:
        shown = {}
        for thing in THINGS:
            if thing not in missing:
                start = 6 * int(rng.integers(length // 6)) + 1
                shown |= {start + i: thing for i in range(3)}
        scenes = unit(rng.standard_normal((length // 6 + 1, DIM)))
        for i in range(length):
            rows = 0.6 * scenes[i // 6] + 0.8 * unit(rng.standard_normal((10, DIM)))
            if i in shown:
                rows[4] = 0.75 * looks[shown[i]] + 0.66 * unit(rng.standard_normal(DIM))
                seen[shown[i]].add((agent_id, i + 1))
            pose = np.eye(4)
            pose[:3, 3] = (i * 0.1, 1.0, 0.0)
            records.append(
                Record(
                    agent_id, i + 1, "moment", float(i), i + 1.0, embeddings=unit(rows).astype(np.float16), pose=pose,
                    labels=("even",) if i % 2 == 0 else (), is_event_start=i % 6 == 0,
                )
            )  # fmt: skip
    return World(records), FixedEncoder({thing: unit(look) for thing, look in looks.items()}), seen


def ids(hits: Recollections) -> list[tuple[str, int]]:
    return [tuple(hit.record_id) for hit in hits]


# --- fusion --------------------------------------------------------------------------------------------------------


def reciprocal_rank(ranked: list[int], target: int) -> float:
    return 1 / (1 + ranked.index(target)) if target in ranked else 0.0


def test_fusion_beats_rank_fusion_and_every_channel_alone() -> None:
    means: dict[str, list[float]] = {"fused": [], "words": [], "dense": [], "rrf": [], "fixed": []}
    for kind in ("words", "meaning"):
        world, encoder, asked = talk(kind, seed=0)
        recallers = {
            "fused": world.recaller("dense words", text_encoder=encoder),
            "words": world.recaller("words"),
            "dense": world.recaller("dense", text_encoder=encoder),
        }
        found: dict[str, list[float]] = {name: [] for name in means}
        for question, target in asked:
            for name, recaller in recallers.items():
                ranked = [hit.record_id.seq for hit in recaller.recall(question, k=10)]
                found[name].append(reciprocal_rank(ranked, target))
            scored = world.lexicon.score(question)
            by_words = (scored.items[np.argsort(-scored.totals, kind="stable")] + 1).tolist()
            by_meaning = [item + 1 for item in world.dense.search(encoder.table[question], 120)[0]]
            fused: dict[int, float] = {}
            for ranked in (by_words, by_meaning):
                for place, seq in enumerate(ranked):
                    fused[seq] = fused.get(seq, 0.0) + 1 / (60 + place + 1)
            found["rrf"].append(reciprocal_rank(sorted(fused, key=lambda seq: -fused[seq]), target))
            cosines = np.array([record.text_embedding @ encoder.table[question] for record in world.records])
            z = (cosines - cosines.mean()) / cosines.std()
            z[scored.items] += (scored.totals - scored.mean) / scored.std
            found["fixed"].append(reciprocal_rank((np.argsort(-z) + 1).tolist(), target))
        for name, ranks in found.items():
            means[name].append(float(np.mean(ranks)))
    print({name: [round(value, 3) for value in pair] for name, pair in means.items()}, "words / meaning corpus")
    assert min(means["fused"]) > 0.9  # good on both
    for rival in ("words", "dense", "rrf", "fixed"):
        assert sum(means["fused"]) > sum(means[rival]) + 0.2  # every rival loses badly on one of them


@pytest.mark.parametrize("noisy", ["dense", "words"])
def test_a_channel_without_signal_does_not_hurt(noisy: str) -> None:
    rng = np.random.default_rng(3)
    world, encoder, asked = talk("words" if noisy == "dense" else "meaning", seed=1)
    if noisy == "dense":
        encoder.table = {text: unit(rng.standard_normal(DIM)) for text in encoder.table}
    good = "words" if noisy == "dense" else "dense"
    alone = world.recaller(good, text_encoder=encoder)
    both = world.recaller("dense words", text_encoder=encoder)
    ranks = [
        [reciprocal_rank([hit.record_id.seq for hit in recaller.recall(text, k=10)], target) for text, target in asked]
        for recaller in (alone, both)
    ]
    assert np.mean(ranks[1]) >= np.mean(ranks[0]) - 0.01


def test_order_of_arrival_changes_no_result() -> None:
    world, encoder, asked = talk("words", seed=2, n=120, questions=4)
    seen, looker, _ = house(5, agents=("x", "y"), length=60)
    records = world.records + seen.records
    rng = np.random.default_rng(0)
    expected: list[list[tuple]] | None = None
    for _ in range(4):
        order = rng.permutation(len(records))
        shuffled = World([records[i] for i in order])
        recaller = shuffled.recaller(encoder=looker, text_encoder=None)
        talker = shuffled.recaller("dense words", text_encoder=encoder)
        got = [recaller.recall(thing, k=12) for thing in ("mug", "piano", "lamp")]
        got += [talker.recall(text, k=12) for text, _ in asked]
        plain = [[(hit.record_id, hit.score, hit.probability, hit.why, hit.interval_s) for hit in hits] for hits in got]
        expected = expected or plain
        for mine, theirs in zip(plain, expected, strict=True):
            assert [row[0] for row in mine] == [row[0] for row in theirs]
            for a, b in zip(mine, theirs, strict=True):
                assert a[1:3] == pytest.approx(b[1:3], abs=1e-4) and a[3:] == b[3:]


# --- seeing, and not seeing ----------------------------------------------------------------------------------------


def test_things_are_found_at_their_moments_with_their_tile_and_absent_ones_are_refused() -> None:
    present, absent, right = [], [], []
    for seed in range(4):
        world, encoder, seen = house(seed)
        recaller = world.recaller(encoder=encoder)
        for thing in THINGS:
            hits = recaller.recall(f"When did I see the {thing}?", k=5)
            (present if seen[thing] else absent).append(hits[0].probability)
            if seen[thing]:
                right.append(ids(hits)[0] in seen[thing])
                if right[-1]:
                    assert hits[0].box == (0.0, 0.25, 0.5, 0.75) and "visual" in hits[0].why
    area = auroc(present, absent)
    print(f"top-1 {np.mean(right):.3f}, AUROC {area:.3f}, n = {len(present)} + {len(absent)}")
    assert np.mean(right) > 0.9 and area > 0.9
    assert np.mean([p >= 0.5 for p in present]) > 0.85 and np.mean([p >= 0.5 for p in absent]) < 0.25


def test_a_calibrated_encoder_gives_its_own_chances_for_the_best_of_so_many_moments() -> None:
    world, encoder, _ = house(1)
    encoder.calibration = (8.0, -5.0)
    recaller = world.recaller(encoder=encoder)
    n = sum(record.kind == "moment" for record in world.records)
    window = (0.0, 40.0)
    few = sum(record.kind == "moment" and record.stamp_s <= 40.0 for record in world.records)
    for between, count in ((None, n), (window, few)):
        hit = recaller.recall("mug", k=1, between=between)[0]
        record = next(record for record in world.records if record.record_id == hit.record_id)
        assert record.embeddings is not None
        cosine = float((record.embeddings.astype(np.float32) @ encoder.table["mug"]).max())
        logit = best_of_logit(8.0 * cosine - 5.0, count)
        assert 0.1 < hit.probability < 0.99
        assert hit.probability == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-4)


def test_unknown_words_are_reported_and_never_embedded() -> None:
    world, encoder, _ = house(0)
    world = World([*world.records, Record("tv", 1, "text", 3.0, 4.0, text="he plays the xylophone")])
    recaller = world.recaller(encoder=encoder)
    hits = recaller.recall("where is the xylophone?")
    assert hits.notes == ("unknown word: 'xylophone'",) and is_match(hits)
    assert ids(hits)[0] == ("tv", 1) and "visual" not in hits[0].channels
    assert "unknown word: 'xylophone'" in recaller.explain("xylophone")
    # A place that the encoder does not know is left out; the thing is still looked for.
    assert ids(recaller.recall("mug in the veranda")) == ids(recaller.recall("mug"))
    assert recaller.recall("mug in the veranda").notes == ("unknown word: 'veranda'",)


def test_pictures_and_vectors_can_be_looked_for() -> None:
    world, encoder, seen = house(2)
    recaller = world.recaller(encoder=encoder)
    assert ids(recaller.recall(encoder.table["lamp"] * 7.0, k=1))[0] in seen["lamp"]
    image = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    assert len(recaller.recall(image, k=3)) == 3
    for bad in (np.full(DIM, np.nan), np.zeros(DIM), np.ones((4, 4)), np.zeros((4, 4), np.uint8)):
        with pytest.raises((ValueError, TypeError), match="finite vector"):
            recaller.recall(bad)


# --- time, space, events -------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    between=st.none() | st.tuples(st.floats(0, 60), st.floats(0, 60)).map(lambda pair: tuple(sorted(pair))),
    near=st.none() | st.tuples(st.tuples(st.floats(0, 6), st.just(1.0), st.just(0.0)), st.floats(0, 3)),
    agents=st.none() | st.sets(st.sampled_from(["x", "y", "nobody"])),
    labels=st.none() | st.sets(st.sampled_from(["even"])),
    as_of=st.none() | st.floats(0, 60),
)
def test_predicates_are_exact_in_any_conjunction(between, near, agents, labels, as_of) -> None:
    world, encoder = WALK
    hits = world.recaller(encoder=encoder).recall(
        "mug", between=between, near=near, agents=agents, labels=labels, as_of=as_of, k=1000
    )
    expected = {
        tuple(r.record_id)
        for r in world.records
        if (between is None or (r.stamp_s <= between[1] and r.end_s >= between[0]))
        and (near is None or math.dist(r.position_m, near[0]) <= near[1])
        and (agents is None or r.agent_id in agents)
        and (labels is None or labels <= set(r.labels))
        and (as_of is None or r.stamp_s <= as_of)
    }
    assert set(ids(hits)) == expected and len(hits) == len(expected)


WALK = house(7, agents=("x", "y"), length=60)[:2]


def test_times_in_the_question_filter() -> None:
    world, encoder, _ = house(3)
    recaller = world.recaller(encoder=encoder)
    assert all(hit.end_s >= 60 for hit in recaller.recall("mug after 1:00", k=40))
    assert all(hit.stamp_s <= 30 for hit in recaller.recall("mug in the first 30 seconds", k=40))
    late = recaller.recall("mug after 10:00")
    assert late == [] and late.notes == ("nothing satisfies the filters",)


def test_before_and_after_a_thing() -> None:
    world, encoder, seen = house(4)
    recaller = world.recaller(encoder=encoder)
    first, last = (f(i for _, i in seen["lamp"]) - 1 for f in (min, max))
    assert all(hit.stamp_s <= first for hit in recaller.recall("mug before the lamp", k=30))
    assert all(hit.end_s >= last + 1 for hit in recaller.recall("mug after the lamp", k=30))
    notes = recaller.recall("mug after the piano").notes
    assert notes == ("no match for 'piano', so 'after' was left out",)
    unnamed = recaller.recall("What did I see after the lamp?", k=4)
    assert len(unnamed) == 4 and all(hit.end_s >= last + 1 for hit in unnamed)


def test_no_event_comes_twice_before_every_event_came_once() -> None:
    world, encoder, seen = house(6)
    recaller = world.recaller(encoder=encoder)
    hits = recaller.recall("sofa", k=12)
    events = [int(hit.stamp_s) // 6 for hit in hits]
    assert len(set(events)) == 12
    plain = recaller.recall("sofa", k=3, diversify=False)
    assert {int(hit.stamp_s) // 6 for hit in plain} == {events[0]}
    times = [i - 1 for _, i in seen["sofa"]]
    assert hits[0].interval_s[0] <= min(times) and hits[0].interval_s[1] >= max(times) + 1
    everything = recaller.recall("sofa", k=500)
    assert len(ids(everything)) == len(set(ids(everything))) and set(seen["sofa"]) <= set(ids(everything))


def test_the_answer_beside_the_question_is_found() -> None:
    small = [f"small talk about number{i}" for i in range(80)]
    small[40] = "where did you put my passport"
    small[41] = "in the top drawer"
    world = World([Record("a", i + 1, "text", float(i), i + 0.9, text=text) for i, text in enumerate(small)])
    hits = world.recaller().recall("passport", k=3)
    assert (
        ids(hits)[0] == ("a", 41) and ("a", 42) in ids(hits) and hits[0].why == "says 'where did you put my passport'"
    )
    assert hits[0].probability > 0.5 > hits[1].probability


def test_words_and_pictures_of_one_moment_support_each_other() -> None:
    world, encoder, seen = house(8)
    when = min(i for _, i in seen["clock"])
    records = [r for r in world.records if r.seq <= when]
    records += [Record("robot", when + 1, "text", when - 1.0, when - 1.0, text="what a lovely clock")]
    records += [
        Record("robot", r.seq + 1, r.kind, r.stamp_s, r.end_s, r.embeddings, is_event_start=r.is_event_start)
        for r in world.records
        if r.seq > when
    ]
    hits = World(records).recaller(encoder=encoder).recall("clock", k=2)
    assert ids(hits)[0] in {("robot", when), ("robot", when + 1), ("robot", when + 2)} and {"visual", "words"} <= {
        name for hit in hits for name in hit.channels
    }


def test_drift_over_time_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    drift, thing = np.eye(DIM)[0], np.eye(DIM)[1]
    right = {True: 0, False: 0}
    for target in rng.integers(30, 250, 5).tolist():
        records = []
        for i in range(800):
            row = unit(rng.standard_normal(DIM)) * 0.6 + (0.2 + 0.8 * i / 800) * drift
            if abs(i - target) <= 1:
                row = row + 0.45 * thing
            records.append(Record("a", i + 1, "moment", float(i), i + 1.0, embeddings=row[None].astype(np.float16)))
        world = World(records)
        query = (thing + 0.8 * drift).astype(np.float32)
        hit = world.recaller().recall(query, k=1)[0]
        right[True] += abs(hit.stamp_s - target) <= 1
        right[False] += abs(world.visual.search(query / np.linalg.norm(query), 1)[0][0] - target) <= 1
    print(f"right of 5: {right[True]} with the drift taken out, {right[False]} without")
    assert right[True] >= 4 > right[False]


def test_a_question_about_the_whole_gives_its_parts_in_order() -> None:
    world, encoder, _ = house(9)
    hits = world.recaller(encoder=encoder).recall("What happened?", k=6)
    stamps = [hit.stamp_s for hit in hits]
    assert len(hits) == 6 and stamps == sorted(stamps) and all("stands for" in hit.why for hit in hits)
    late = world.recaller(encoder=encoder).recall("What happened in the last minute?", k=6)
    assert late and all(hit.end_s >= 60 for hit in late)


# --- bad input -----------------------------------------------------------------------------------------------------


def test_a_question_about_a_use_is_led_down_the_forest() -> None:
    rng = np.random.default_rng(0)
    rows = 0.3 * unit(rng.standard_normal((120, DIM)))
    use = unit(rng.standard_normal(DIM))
    rows[66:72] += 0.25 * use  # a whole event looks a little like it
    rows[20] += 0.26 * use  # and so does one moment elsewhere, a little more
    records = [
        Record("a", i + 1, "moment", float(i), i + 1.0, unit(row[None]).astype(np.float16), is_event_start=i % 6 == 0)
        for i, row in enumerate(rows)
    ]
    encoder = FixedEncoder({"somewhere to sit": use, "seat": use})
    recaller = World(records).recaller(encoder=encoder)
    hits = recaller.recall("somewhere to sit", k=3)
    assert 66 <= hits[0].stamp_s < 72 and "forest" in hits[0].channels
    assert "forest" not in recaller.recall("seat", k=1)[0].channels


def test_an_empty_memory_answers_nothing() -> None:
    world = World([])
    hits = world.recaller().recall("mug")
    assert hits == [] and not is_match(hits) and hits.notes
    assert Recaller(world).recall("mug") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be"),
        ({"between": (5.0, 1.0)}, "between must be"),
        ({"between": (math.nan, 1.0)}, "between must be"),
        ({"near": ((0.0, 0.0), 1.0)}, "near must be"),
        ({"near": ((0.0, math.nan, 0.0), 1.0)}, "near must be"),
        ({"near": ((0.0, 0.0, 0.0), -1.0)}, "near must be"),
        ({"labels": "even"}, "labels must be"),
    ],
)
def test_bad_arguments_get_one_clear_line(options: dict, message: str) -> None:
    world, encoder = WALK
    with pytest.raises((ValueError, TypeError), match=message):
        world.recaller(encoder=encoder).recall("mug", **options)
    with pytest.raises(ValueError, match="at least one word"):
        world.recaller(encoder=encoder).recall("  ")


def test_a_query_that_was_parsed_before_gives_the_same() -> None:
    world, encoder = WALK
    recaller = world.recaller(encoder=encoder)
    assert ids(recaller.recall(parse_query("mug"))) == ids(recaller.recall("mug"))
    assert Predicate(between=(1.0, 2.0)).within(3.0, 4.0) is None
