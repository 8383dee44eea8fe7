"""Cells of the spatial tree: the compressed trie of the addresses of its leaves, with exact statistics.

A leaf's *address* is its rooms, then the digits of its position in a fixed hierarchy of cells (octants of octants),
then a hash of its key. A cell is divided exactly when it holds more than `CAPACITY` leaves or leaves of several rooms,
so that the trie is a function of the leaves in it. Vectors are float16 and summed in float64, where such sums are
exact: no trace is left of what was taken out.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float16, Float32, Float64

from placecell.memory.records import RecordId

__all__ = ["CAPACITY", "Cell", "Leaf", "Part", "Point", "Region", "address_of", "grown", "insert", "remove"]

CAPACITY: Final = 16  # leaves of a cell that is not divided
_QUANTUM_M: Final = 2.0**-6  # side of the smallest cell
_BITS: Final = 21  # the largest is 2**21 quanta: 32 km
_SPREAD: Final = tuple(int(f"{i:b}", 8) for i in range(128))  # 7 bits to 7 octal digits

Digit = str | int
Point = tuple[float, float, float]
Region = tuple[str, ...]


class Leaf(NamedTuple):
    """A thing or a view.

    Attributes:
        key: What it is known by.
        address: Digits from the coarsest to the finest, see `address_of`; no two leaves share all.
        vector: Unit length, or None.
        position_m: World frame, metres; it decides the cell.
        low_m: Lowest corner of its box.
        high_m: Highest corner of its box.
        start_s: When it was first seen.
        end_s: When it was last seen.
        labels: Names and exact labels.
        text: Words about it.
        region: Where it belongs, outermost first: `("ground floor", "kitchen")`.
        words: Content words of `text`.
        sources: Records that show it, the best one first.
    """

    key: str
    address: tuple[Digit, ...]
    vector: Float16[np.ndarray, "d"] | None
    position_m: Point
    low_m: Point
    high_m: Point
    start_s: float
    end_s: float
    labels: tuple[str, ...] = ()
    text: str = ""
    region: Region = ()
    words: tuple[str, ...] = ()
    sources: tuple[RecordId, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What a cell holds, in short.

    Attributes:
        region: Rooms and floors that all of it lies in; () where it spans several.
        count: Number of leaves.
        low_m: Lowest corner of all, world frame.
        high_m: Highest corner.
        start_s: First time.
        end_s: Last time.
        key: The leaf that stands for it.
        labels: Most frequent labels, with their numbers.
        words: Most frequent words.
        text: One line, by the summariser if there is one.
    """

    region: Region
    count: int
    low_m: Point
    high_m: Point
    start_s: float
    end_s: float
    key: str
    labels: tuple[tuple[str, int], ...]
    words: tuple[str, ...]
    text: str


class Cell:
    """A node of the tree. Read it, do not change it: it is exact, and lives only until the tree changes.

    Attributes:
        address: Digits that all leaves below share.
        count: Number of leaves below.
        num_vectors: How many of them have a vector.
        low_m: Lowest corner of their boxes.
        high_m: Highest corner.
        start_s: First time.
        end_s: Last time.
        labels: Number of leaves with each label.
        words: Number of leaves whose text has each word.
        children: Cells by their next digit; empty in a cell that is not divided.
        leaves: Leaves by key; empty in a cell that is divided.
    """

    __slots__ = (
        "_total", "_unit", "address", "children", "count", "end_s", "high_m", "labels", "leaves", "low_m",
        "num_vectors", "part", "start_s", "words",
    )  # fmt: skip

    def __init__(self, address: tuple[Digit, ...]) -> None:
        self.address = address
        self.count = self.num_vectors = 0
        self.low_m, self.high_m = (math.inf,) * 3, (-math.inf,) * 3
        self.start_s, self.end_s = math.inf, -math.inf
        self.labels: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.children: dict[Digit, Cell] = {}
        self.leaves: dict[str, Leaf] = {}
        self.part: Part | None = None  # None: dirty
        self._total: Float64[np.ndarray, "d"] | None = None
        self._unit: Float32[np.ndarray, "d"] | None = None  # None: dirty

    @property
    def region(self) -> Region:
        """Rooms and floors that everything below lies in."""
        named = [digit for digit in self.address if isinstance(digit, str)]
        return tuple(name for name in named if name)

    @property
    def total(self) -> Float64[np.ndarray, "d"] | None:
        """Sum of the vectors below, exact; None if there is none."""
        if self.children or not self.num_vectors:
            return self._total
        total: Float64[np.ndarray, "d"] | None = None
        for leaf in self.leaves.values():
            if leaf.vector is not None:
                if total is None:
                    total = np.zeros(len(leaf.vector))
                np.add(total, leaf.vector, out=total)
        return total

    @property
    def centroid(self) -> Float64[np.ndarray, "d"] | None:
        """Mean of the vectors below, each counted once."""
        total = self.total
        return None if total is None else np.divide(total, self.num_vectors)

    @property
    def direction(self) -> Float32[np.ndarray, "d"] | None:
        """Direction of the centroid, unit length."""
        if self._unit is None and (total := self.total) is not None:
            self._unit = (total / max(1e-12, float(np.linalg.norm(total)))).astype(np.float32)
        return self._unit

    @property
    def is_mixed(self) -> bool:
        """Whether it spans several rooms."""
        return any(isinstance(digit, str) for digit in self.children)

    def ordered(self) -> list[Cell]:
        """Children, in the order of their digits; rooms by name, first."""
        return [self.children[digit] for digit in sorted(self.children, key=lambda d: (isinstance(d, int), d))]

    def all_leaves(self) -> Iterator[Leaf]:
        """Every leaf below, in an order that depends on the leaves only."""
        yield from (self.leaves[key] for key in sorted(self.leaves))
        for child in self.ordered():
            yield from child.all_leaves()

    # --- kept exact by the tree ---------------------------------------------------------------------------------

    def _count(self, leaf: Leaf, sign: int, row: Float64[np.ndarray, "d"] | None = None) -> None:
        """Add or take away what adds up; extents are the caller's. `row` is the leaf's vector in float64."""
        self.part = self._unit = None
        self.count += sign
        for counts, names in ((self.labels, leaf.labels), (self.words, leaf.words)):
            for name in names:
                counts[name] = left = counts.get(name, 0) + sign
                if not left:
                    del counts[name]
        if leaf.vector is not None:
            self.num_vectors += sign
        if row is not None and self._total is None:
            self._total = row.copy()
        elif row is not None and self._total is not None:
            (np.add if sign > 0 else np.subtract)(self._total, row, out=self._total)
            if not self.num_vectors:
                self._total = None

    def _reach(self, other: Leaf | Cell) -> None:
        (a, b, c), (x, y, z) = self.low_m, other.low_m
        if x < a or y < b or z < c:
            self.low_m = (min(a, x), min(b, y), min(c, z))
        (a, b, c), (x, y, z) = self.high_m, other.high_m
        if x > a or y > b or z > c:
            self.high_m = (max(a, x), max(b, y), max(c, z))
        self.start_s, self.end_s = min(self.start_s, other.start_s), max(self.end_s, other.end_s)

    def _measure(self) -> None:
        """Extents anew, from those of the children."""
        self.low_m, self.high_m = (math.inf,) * 3, (-math.inf,) * 3
        self.start_s, self.end_s = math.inf, -math.inf
        for child in self.children.values():
            self._reach(child)


# --- the trie --------------------------------------------------------------------------------------------------------


def insert(cell: Cell, leaf: Leaf) -> Cell:
    """The cell with one leaf more; along one path, which is changed."""
    return _insert(cell, leaf, None if leaf.vector is None else leaf.vector.astype(np.float64), 0)


def _insert(cell: Cell, leaf: Leaf, row: Float64[np.ndarray, "d"] | None, known: int) -> Cell:
    """See `insert`; the first `known` digits of the cell's address are the leaf's."""
    address = leaf.address
    shared = _common(cell.address, address, known)
    if shared < len(cell.address):  # it lies beside the cell
        are_apart = isinstance(address[shared], str) or isinstance(cell.address[shared], str)
        if cell.leaves and cell.count < CAPACITY and not are_apart:
            cell.address = address[:shared]
            _take(cell, leaf)
            return cell
        parent = Cell(address[:shared])
        parent.children = {cell.address[shared]: cell, address[shared]: grown([leaf])}
        _sum_up(parent)
        return parent
    if cell.children:
        cell._count(leaf, 1, row)
        cell._reach(leaf)
        below = cell.children.get(address[shared])
        cell.children[address[shared]] = grown([leaf]) if below is None else _insert(below, leaf, row, shared + 1)
        return cell
    if cell.count < CAPACITY and not isinstance(address[shared], str):
        _take(cell, leaf)
        return cell
    return grown([*cell.leaves.values(), leaf], shared)


def _take(cell: Cell, leaf: Leaf) -> None:
    cell.leaves[leaf.key] = leaf
    cell._count(leaf, 1)
    cell._reach(leaf)


def remove(cell: Cell, leaf: Leaf) -> Cell | None:
    """The cell without a leaf that is in it, None if none is left; along one path, which is changed."""
    return _remove(cell, leaf, None if leaf.vector is None else leaf.vector.astype(np.float64))


def _remove(cell: Cell, leaf: Leaf, row: Float64[np.ndarray, "d"] | None) -> Cell | None:
    if not cell.children:
        del cell.leaves[leaf.key]
        return grown(list(cell.leaves.values()), len(cell.address)) if cell.leaves else None
    digit = leaf.address[len(cell.address)]
    below = _remove(cell.children[digit], leaf, row)
    if below is None:
        del cell.children[digit]
        if len(cell.children) == 1:
            return next(iter(cell.children.values()))
    else:
        cell.children[digit] = below
    if cell.count - 1 <= CAPACITY and not cell.is_mixed:
        return grown(list(cell.all_leaves()), len(cell.address))
    cell._count(leaf, -1, row)
    cell._measure()
    return cell


def grown(leaves: Sequence[Leaf], known: int = 0) -> Cell:
    """The cell of these leaves, divided where it must be; their addresses share the first `known` digits."""
    first = leaves[0].address
    groups: dict[Digit, list[Leaf]] = {}
    if len(leaves) == 1:
        known = len(first)
    else:
        while len({leaf.address[known] for leaf in leaves}) == 1:
            known += 1
        for leaf in leaves:
            groups.setdefault(leaf.address[known], []).append(leaf)
    cell = Cell(first[:known])
    if len(leaves) <= CAPACITY and not any(isinstance(digit, str) for digit in groups):
        for leaf in leaves:
            _take(cell, leaf)
    else:
        cell.children = {digit: grown(group, known + 1) for digit, group in groups.items()}
        _sum_up(cell)
    return cell


def _sum_up(cell: Cell) -> None:
    """Statistics of a divided cell from those of its children."""
    for child in cell.children.values():
        cell.count += child.count
        cell.num_vectors += child.num_vectors
        cell.labels.update(child.labels)
        if child.words:
            cell.words.update(child.words)
        total = child.total
        if total is not None:
            cell._total = total.copy() if cell._total is None else cell._total + total
        cell._reach(child)


def _common(first: tuple[Digit, ...], second: tuple[Digit, ...], known: int = 0) -> int:
    """How many digits two addresses share, given that they share the first `known`."""
    end = min(len(first), len(second))
    while known < end and first[known] == second[known]:
        known += 1
    return known


def address_of(key: str, position_m: Point, region: Region = ()) -> tuple[Digit, ...]:
    """Rooms, nested octants of the position, a hash of the key.

    Example:
        >>> here, there = address_of("mug", (1.0, 0.9, 2.0), ("kitchen",)), address_of("cup", (1.0, 0.9, 2.1))
        >>> here[0], there[0], here[1:15] == there[1:15]
        ('kitchen', '', True)
    """
    return (*(region or ("",)), *_octants(position_m), *_hashed(key))


def _octants(position_m: Point) -> bytes:
    """Digits of the nested octants that hold a point; what lies beyond the largest cell counts to its edge."""
    half = 1 << (_BITS - 1)
    code = 0
    for axis, value in enumerate(position_m):
        n = min(max(math.floor(value / _QUANTUM_M) + half, 0), 2 * half - 1)
        code |= (_SPREAD[n & 127] | _SPREAD[n >> 7 & 127] << 21 | _SPREAD[n >> 14] << 42) << axis
    return b"%021o" % code


def _hashed(key: str) -> tuple[int, ...]:
    """Digits that part leaves of one place, and one that no other key has."""
    raw = key.encode()
    return (*(b"%011o" % zlib.crc32(raw)), int.from_bytes(b"\1" + raw))
