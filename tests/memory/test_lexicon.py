"""BM25 against a plain version of the formula; retraction, storage and order of arrival."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.memory.lexicon import K1, B, Lexicon, stem, terms

WORDS = ["key", "shelf", "mug", "table", "lamp", "door", "cat", "rug"]
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), min_size=1, max_size=20)
queries = st.lists(st.sampled_from([*WORDS, "piano"]), min_size=1, max_size=4, unique=True).map(" ".join)


def plain_bm25(documents: dict[int, str], query: str) -> dict[int, float]:
    """The formula, word by word."""
    split = {item: terms(text) for item, text in documents.items()}
    mean = max(sum(map(len, split.values())) / len(split), 1e-9)
    scores = {}
    for item, words in split.items():
        score = 0.0
        for word in dict.fromkeys(terms(query)):
            df = sum(word in other for other in split.values())
            count = words.count(word)
            idf = math.log(1 + (len(split) - df + 0.5) / (df + 0.5))
            score += idf * count * (K1 + 1) / (count + K1 * (1 - B + B * len(words) / mean))
        if score > 0:
            scores[item] = score
    return scores


def built(documents: dict[int, str]) -> Lexicon:
    lexicon = Lexicon()
    for item, text in documents.items():
        lexicon.add(item, text)
    return lexicon


@settings(max_examples=30, deadline=None)
@given(texts, queries)
def test_scores_are_those_of_the_formula(contents: list[str], query: str) -> None:
    documents = dict(enumerate(contents))
    scored = built(documents).score(query)
    expected = plain_bm25(documents, query)
    assert dict(zip(scored.items.tolist(), scored.totals.tolist(), strict=True)) == pytest.approx(expected)
    every = [expected.get(item, 0.0) for item in documents]
    assert (scored.mean, scored.std) == pytest.approx((np.mean(every), np.std(every)), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(texts, queries, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_no_bit(contents: list[str], query: str, random) -> None:
    order = list(enumerate(contents))
    straight = built(dict(order)).score(query)
    random.shuffle(order)
    shuffled = built(dict(order)).score(query)
    assert straight.items.tolist() == shuffled.items.tolist()
    assert straight.by_term.tobytes() == shuffled.by_term.tobytes()
    assert (straight.mean, straight.std) == (shuffled.mean, shuffled.std)


@settings(max_examples=25, deadline=None)
@given(texts, queries, st.data())
def test_discarding_equals_never_adding(contents: list[str], query: str, data) -> None:
    documents = dict(enumerate(contents))
    gone = data.draw(st.sets(st.sampled_from(sorted(documents)), max_size=len(documents) - 1))
    lexicon = built(documents)
    for item in gone:
        lexicon.discard(item)
    rest = built({item: text for item, text in documents.items() if item not in gone})
    assert lexicon.score(query).by_term.tobytes() == rest.score(query).by_term.tobytes()
    assert len(lexicon) == len(rest)
    assert all(lexicon.rare_terms(item) == rest.rare_terms(item) for item in documents if item not in gone)


def test_state_round_trip_continues_where_it_stopped() -> None:
    rng = np.random.default_rng(0)
    contents = [" ".join(rng.choice(WORDS, 6)) for _ in range(300)]
    lexicon = built(dict(enumerate(contents[:200])))
    lexicon.discard(7)
    loaded = Lexicon.from_state(lexicon.state())
    for both in (lexicon, loaded):
        for item in range(200, 300):
            both.add(item, contents[item])
    for query in ("key", "mug shelf", "piano"):
        assert lexicon.score(query).by_term.tobytes() == loaded.score(query).by_term.tobytes()
    assert loaded.rare_terms(3) == lexicon.rare_terms(3)
    assert len(Lexicon.from_state(Lexicon().state())) == 0


def test_packing_the_tail_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [f"word{i % 50} word{i % 7} key" for i in range(400)]
    plain = built(dict(enumerate(contents))).score("word3 key")
    monkeypatch.setattr("placecell.memory.lexicon._TAIL_MIN", 64)
    packed = built(dict(enumerate(contents))).score("word3 key")
    assert plain.by_term.tobytes() == packed.by_term.tobytes() and plain.items.tolist() == packed.items.tolist()


def test_coverage_counts_words_that_no_text_holds() -> None:
    lexicon = built({1: "a red mug", 2: "a red door", 3: "a blue mug"})
    scored = lexicon.score("red mug")
    assert dict(zip(scored.items.tolist(), scored.coverage.tolist(), strict=True))[1] == 1.0
    assert lexicon.score("red xylophone").coverage.max() < 0.5


def test_rare_terms_are_shared_but_not_common() -> None:
    documents = {i: f"common filler{i}" for i in range(100)} | {200: "common zebra", 201: "zebra once"}
    lexicon = built(documents)
    assert [word for word, _ in lexicon.rare_terms(200)] == ["zebra"]
    assert lexicon.holders("zebra").tolist() == [200, 201]


def test_words_of_other_scripts_are_found() -> None:
    lexicon = built({1: "鍵は棚の上", 2: "Schlüssel im Regal", 3: "the rug"})
    assert lexicon.score("棚").items.tolist() == [1]
    assert lexicon.score("schlüssel").items.tolist() == [2]
    assert [stem(word) for word in ("shelves", "boxes", "painted")] == ["shelf", "box", "paint"]


def test_adding_an_item_twice_is_refused_and_an_empty_lexicon_answers() -> None:
    lexicon = Lexicon()
    assert lexicon.score("key").items.tolist() == []
    lexicon.add(1, "")
    with pytest.raises(ValueError, match="already in"):
        lexicon.add(1, "key")
    assert lexicon.score("").coverage.tolist() == []
