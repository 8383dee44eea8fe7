"""The benchmark of the forest: the baseline does what its description says, questions are scored as stated."""

from __future__ import annotations

import numpy as np
import pytest

from placecell.benchmarks import embodied_rag, forest
from placecell.benchmarks.forest_questions import DEVELOPMENT, JUDGING, explicit_questions, implicit_questions
from placecell.envs.building import House
from placecell.envs.catalogue import CATEGORIES


def test_the_baseline_clusters_by_place_and_meaning_and_finds_what_its_summaries_lead_to() -> None:
    rng = np.random.default_rng(0)
    looks = np.linalg.qr(rng.standard_normal((16, 16)))[0].astype(np.float32)
    kind = np.arange(60) % 6
    vectors = looks[kind]
    positions = np.stack([200.0 * (np.arange(60) % 2), np.zeros(60), rng.uniform(0, 1, 60)], axis=1)
    tree = embodied_rag.build(positions, vectors)
    assert len(tree) >= 3 and [len(level.members) for level in tree] == sorted(
        (len(level.members) for level in tree), reverse=True
    )
    for group in tree[1].members:
        assert len({kind[i] for i in group}) == 1  # 1 - 0.4 - 0 > 0.4: unlike things never join at the first level
    assert sorted(i for group in tree[1].members for i in group) == list(range(60))
    best, score = embodied_rag.choose(tree, looks[3])[0]
    assert kind[best] == 3 and score == pytest.approx(1.0, abs=1e-5)


def test_questions_are_answerable_and_the_halves_share_no_question() -> None:
    house = House.generate(2_000_000)
    for _, _, things in (*DEVELOPMENT, *JUDGING):
        assert set(things.split(", ")) <= set(CATEGORIES)
    assert not {text.lower() for _, text, _ in DEVELOPMENT} & {text.lower() for _, text, _ in JUDGING if _ == "own"}
    assert len(JUDGING) >= 60 and all(question.accepted for question in implicit_questions(house, True))
    assert [q.text for q in explicit_questions(house, True)] == [q.text for q in explicit_questions(house, True)]


def test_a_run_without_text_encoder_and_peer_prints_every_row(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PLACECELL_TEXT_MODEL", str(tmp_path / "none"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = forest.run(seed=2_000_000, say=lambda line: None, peers=[], num_rows=1000, num_houses=1)
    kinds = {row["kind"]: row["recall"]["words"]["value"] for row in result["recall"]["rows"]}
    assert set(kinds) == {"explicit", "implicit", "global"} and min(kinds.values()) > 0.7
    told = forest.summary(result)
    assert "1,000 leaves" in told and "no text encoder" in told and "Embodied-RAG builds" in told
