"""PageRank against a linear solve and networkx; association over rare words and time."""

import networkx as nx
import numpy as np
import pytest

from placecell.memory.graph import DAMPING, pagerank, spread
from placecell.memory.lexicon import Lexicon


@pytest.mark.parametrize("seed", range(5))
def test_pagerank_is_the_solution_of_its_equation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = 30
    pairs = np.array([(a, b) for a in range(size - 1) for b in range(a + 1, size - 1) if rng.random() < 0.15])
    weights = rng.random(len(pairs)) + 0.1
    restart = rng.random(size) * (rng.random(size) < 0.3)
    restart[0] = 1.0
    rank = pagerank(size, pairs[:, 0], pairs[:, 1], weights, restart, rounds=200)  # node 29 is alone
    matrix = np.zeros((size, size))
    for (a, b), weight in zip(pairs, weights, strict=True):
        matrix[a, b] = matrix[b, a] = weight
    degree = matrix.sum(axis=0)
    start = restart / restart.sum()
    walk = np.where(degree > 0, matrix / np.where(degree > 0, degree, 1), start[:, None])
    exact = np.linalg.solve(np.eye(size) - DAMPING * walk, (1 - DAMPING) * start)
    np.testing.assert_allclose(rank, exact, atol=1e-9)
    graph = nx.Graph()
    graph.add_nodes_from(range(size))
    graph.add_weighted_edges_from((int(a), int(b), float(w)) for (a, b), w in zip(pairs, weights, strict=True))
    judge = nx.pagerank(graph, alpha=DAMPING, personalization=dict(enumerate(start)), tol=1e-12, max_iter=500)
    np.testing.assert_allclose(rank, [judge[i] for i in range(size)], atol=1e-8)


def test_restart_must_point_somewhere() -> None:
    with pytest.raises(ValueError, match="restart"):
        pagerank(2, np.array([0]), np.array([1]), np.ones(1), np.zeros(2))


def chain(contents: list[str]) -> tuple[Lexicon, object]:
    lexicon = Lexicon()
    for item, text in enumerate(contents):
        lexicon.add(item, text)

    def neighbours(item: int) -> list[int]:
        return [i for i in (item - 1, item + 1) if 0 <= i < len(contents)]

    return lexicon, neighbours


def test_association_reaches_the_answer_beside_the_question_and_over_a_rare_word() -> None:
    contents = [f"small talk number{i}" for i in range(60)]
    contents[20] = "where did you put the passport"
    contents[21] = "in the drawer with the zebra stickers"
    contents[45] = "those zebra stickers are ugly"
    lexicon, neighbours = chain(contents)
    items, shares = spread({20: 1.0}, lexicon, neighbours, lambda item: item)
    share = dict(zip(items.tolist(), shares.tolist(), strict=True))
    assert share[21] > share.get(45, 0.0) and share[21] > share[19] * 0.5
    items, shares = spread({21: 1.0}, lexicon, neighbours, lambda item: item)
    share = dict(zip(items.tolist(), shares.tolist(), strict=True))
    assert share[45] > 0 and set(share) <= {19, 20, 21, 22, 23, 45}


def test_numbering_of_the_records_changes_no_bit() -> None:
    contents = [f"talk{i % 9} about{i % 4} zebra{i // 20}" for i in range(80)]
    lexicon, neighbours = chain(contents)
    items, shares = spread({3: 1.0, 40: 0.5}, lexicon, neighbours, lambda item: item)
    other = Lexicon()
    for item in reversed(range(80)):
        other.add(79 - item, contents[item])
    turned, again = spread(
        {76: 1.0, 39: 0.5}, other, lambda i: [79 - j for j in neighbours(79 - i)], lambda item: 79 - item
    )
    assert (79 - turned).tolist() == items.tolist() and again.tobytes() == shares.tobytes()
