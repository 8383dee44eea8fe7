"""The spatial tree of the forest: things and views by where they are, from a corner of a room to the whole world.

Rooms stand above cells where the memory knows them. The tree is a function of what is in it (see
`placecell.memory.space_cells`): the order of arrival changes nothing, nothing is ever rebuilt, and a leaf comes or goes
along one path.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Float16, Float32

from placecell.memory.node import Writer
from placecell.memory.queries import content_words
from placecell.memory.records import RecordId
from placecell.memory.space_cells import CAPACITY, Cell, Leaf, Part, Point, address_of, grown, insert, remove

__all__ = ["CAPACITY", "Cell", "Leaf", "Part", "SpaceTree"]

_TOP: Final = 5
_LARGEST: Final = 1e9  # squared length that float16 holds


class SpaceTree:
    """Leaves by place; `upsert` and `remove` cost the depth of one path.

    Args:
        write: Writes the line of a summary, see `placecell.memory.node.Writer`; None for extractive ones.

    Example:
        >>> tree = SpaceTree()
        >>> tree.upsert("mug", (1.0, 0.9, 2.0), labels=("mug",), region=("kitchen",))
        >>> tree.upsert("bed", (6.0, 0.3, 2.0), labels=("bed",), region=("bedroom",))
        >>> [(part.region, part.labels) for part in tree.overview(5)]
        [(('bedroom',), (('bed', 1),)), (('kitchen',), (('mug', 1),))]
        >>> tree.remove("bed"), len(tree)
        (True, 1)
    """

    def __init__(self, write: Writer | None = None) -> None:
        self._write = write
        self._leaves: dict[str, Leaf] = {}
        self._root: Cell | None = None
        self._dim: int | None = None

    def __len__(self) -> int:
        return len(self._leaves)

    def __contains__(self, key: object) -> bool:
        return key in self._leaves

    def __getitem__(self, key: str) -> Leaf:
        return self._leaves[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._leaves)

    @property
    def root(self) -> Cell | None:
        """The cell of everything; None when empty."""
        return self._root

    # --- change -------------------------------------------------------------------------------------------------

    def upsert(
        self,
        key: str,
        position_m: Sequence[float],
        vector: Float[np.ndarray, "d"] | None = None,
        *,
        low_m: Sequence[float] | None = None,
        high_m: Sequence[float] | None = None,
        start_s: float = 0.0,
        end_s: float | None = None,
        labels: Iterable[str] = (),
        text: str = "",
        region: Iterable[str] = (),
        sources: Iterable[RecordId] = (),
    ) -> None:
        """Put a leaf in its place, from wherever it was; see `Leaf` for the arguments.

        Raises:
            ValueError: If the position is not three finite numbers, or the vector not finite or of another length.
        """
        self._put(self._leaf(key, position_m, vector, low_m, high_m, start_s, end_s, labels, text, region, sources))

    def upsert_many(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put many leaves in their places, each given by the arguments of `upsert`; the tree is the same.

        An empty tree is filled in one pass, several times faster than leaf by leaf.
        """
        with _no_collection():  # nothing here is garbage, and looking for it takes a fifth of the time
            leaves = {leaf.key: leaf for leaf in (self._leaf(**row) for row in rows)}
            if self._root is None and leaves:
                self._leaves = leaves
                self._root = grown(list(leaves.values()))
                return
        for leaf in leaves.values():
            self._put(leaf)

    def _put(self, leaf: Leaf) -> None:
        self.remove(leaf.key)
        self._leaves[leaf.key] = leaf
        self._root = grown([leaf]) if self._root is None else insert(self._root, leaf)

    def _leaf(
        self,
        key: str,
        position_m: Sequence[float],
        vector: Float[np.ndarray, "d"] | None = None,
        low_m: Sequence[float] | None = None,
        high_m: Sequence[float] | None = None,
        start_s: float = 0.0,
        end_s: float | None = None,
        labels: Iterable[str] = (),
        text: str = "",
        region: Iterable[str] = (),
        sources: Iterable[RecordId] = (),
    ) -> Leaf:
        where = _point("position_m", position_m)
        packed = None
        if vector is not None:
            given = np.asarray(vector)
            is_sound = given.ndim == 1 and self._dim in (None, len(given)) and float(given.dot(given)) < _LARGEST
            if not is_sound:  # NaN is not less than anything
                wanted = "d" if self._dim is None else self._dim
                raise ValueError(f"vector must be finite, of shape ({wanted},), got {given.shape} for {key!r}")
            packed = given.astype(np.float16)
            self._dim = len(packed)
        if isinstance(region, str):
            raise ValueError(f"region must be names, outermost first, got the string {region!r}; write ({region!r},)")
        path = tuple(region)
        return Leaf(
            key, address_of(key, where, path), packed, where,
            where if low_m is None else _point("low_m", low_m), where if high_m is None else _point("high_m", high_m),
            float(start_s), float(start_s if end_s is None else end_s),
            tuple(dict.fromkeys(labels)), text, path, content_words(text) if text else (), tuple(sources),
        )  # fmt: skip

    def remove(self, key: str) -> bool:
        """Take a leaf out; says whether it was there."""
        leaf = self._leaves.pop(key, None)
        if leaf is None or self._root is None:
            return False
        self._root = remove(self._root, leaf)
        return True

    # --- search -------------------------------------------------------------------------------------------------

    def beam(
        self,
        score_leaf: Callable[[Leaf], float],
        score_cell: Callable[[Cell], float],
        k: int,
        width: int | None = 8,
    ) -> list[tuple[Leaf, float]]:
        """The `k` best leaves that a search down from the root reaches, best first.

        Args:
            score_leaf: Score of a leaf; `-inf` leaves it out.
            score_cell: Promise of a cell; `-inf` leaves it out with all that is below.
            k: Number wanted.
            width: Cells that are followed at each step; None follows all, which makes the search exact.
        """
        found: list[tuple[float, str]] = []
        layer = [] if self._root is None else [self._root]
        while layer:
            promise = [(round(score_cell(cell), 6), cell) for cell in layer]
            best = sorted((p for p in promise if p[0] > -math.inf), key=lambda p: -p[0])  # of equals the first
            layer = []
            for _, cell in best[:width]:
                found += [(round(score_leaf(leaf), 6), key) for key, leaf in cell.leaves.items()]
                layer += cell.ordered()
        ranked = sorted((entry for entry in found if entry[0] > -math.inf), key=lambda entry: (-entry[0], entry[1]))
        return [(self._leaves[key], score) for score, key in ranked[:k]]

    def nearest(
        self,
        query: Float[np.ndarray, "d"],
        k: int,
        width: int | None = 8,
        visible: Callable[[Leaf], bool] | None = None,
    ) -> list[tuple[Leaf, float]]:
        """Beam search for the leaves whose vectors are most like a unit vector, with their cosines.

        Raises:
            ValueError: If the query has another length than the vectors.
        """
        vector = np.asarray(query, np.float32)
        if self._dim is not None and vector.shape != (self._dim,):
            raise ValueError(f"query must have shape ({self._dim},), got {vector.shape}")

        def of_leaf(leaf: Leaf) -> float:
            if leaf.vector is None or (visible is not None and not visible(leaf)):
                return -math.inf
            return float(leaf.vector.astype(np.float32) @ vector)

        def of_cell(cell: Cell) -> float:
            direction = cell.direction
            return -math.inf if direction is None else float(direction @ vector)

        return self.beam(of_leaf, of_cell, k, width)

    # --- summaries ----------------------------------------------------------------------------------------------

    def rooms(self) -> list[Cell]:
        """The coarsest cells that do not span several rooms, rooms in the order of their names."""
        found, stack = [], [] if self._root is None else [self._root]
        while stack:
            cell = stack.pop()
            if cell.is_mixed:
                stack += cell.ordered()[::-1]
            else:
                found.append(cell)
        return found

    def overview(self, k: int) -> list[Part]:
        """Summaries of the `k` largest parts, see `largest`."""
        return [self.part(cell) for cell in self.largest(k)]

    def largest(self, k: int) -> list[Cell]:
        """At most `k` parts of the whole: one for each room, the fullest if there are more; cells where none is known.

        Raises:
            ValueError: If `k` is below 1.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        cut = self.rooms()
        if not any(cell.region for cell in cut):
            while len(cut) < k:
                fits = [cell for cell in cut if cell.children and len(cut) - 1 + len(cell.children) <= k]
                if not fits:
                    break
                largest = max(fits, key=lambda cell: cell.count)  # the first of equals: cut has a fixed order
                place = cut.index(largest)
                cut[place : place + 1] = largest.ordered()
        kept = sorted(sorted(range(len(cut)), key=lambda i: (-cut[i].count, i))[:k])
        return [cut[i] for i in kept]

    def part(self, cell: Cell) -> Part:
        """Summary of a cell; made when it is asked for, and kept until something changes below."""
        if cell.part is None:
            words = tuple(sorted(cell.words, key=lambda word: (-cell.words[word], word))[:_TOP])
            labels = tuple(sorted(cell.labels.items(), key=lambda pair: (-pair[1], pair[0]))[:_TOP])
            held = ", ".join([*(f"{n} {name}" if n > 1 else name for name, n in labels), *(f"'{w}'" for w in words)])
            line = f"{cell.region[-1]}: {held}" if cell.region and held else held or "/".join(cell.region)
            cell.part = Part(
                cell.region, cell.count, cell.low_m, cell.high_m, cell.start_s, cell.end_s, _standing(cell).key,
                labels, words, line,
            )  # fmt: skip
            if self._write is not None:
                below = [child.part for child in cell.ordered() if child.part is not None]
                cell.part = replace(cell.part, text=self._write(cell.part, below))
        return cell.part


def _standing(cell: Cell) -> Leaf:
    """The leaf nearest the cell's direction, found by going down to the nearest child."""
    direction = cell.direction

    def far(other: Float32[np.ndarray, "d"] | Float16[np.ndarray, "d"] | None) -> float:
        if direction is None or other is None:
            return 2.0
        return -round(float(other.astype(np.float32) @ direction), 6)

    while cell.children:
        cell = min(cell.ordered(), key=lambda child: far(child.direction))
    return min((cell.leaves[key] for key in sorted(cell.leaves)), key=lambda leaf: far(leaf.vector))


def _point(name: str, values: Sequence[float]) -> Point:
    if len(values) == 3:
        x, y, z = float(values[0]), float(values[1]), float(values[2])
        if math.isfinite(x) and math.isfinite(y) and math.isfinite(z):
            return x, y, z
    raise ValueError(f"{name} must be three finite numbers, metres, got {tuple(values)}")


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
