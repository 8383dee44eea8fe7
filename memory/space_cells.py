"""Cells of the spatial tree: the compressed trie of the addresses of its leaves, with exact statistics.

A leaf's *address* is its rooms, then the digits of its position in a fixed hierarchy of cells (octants of octants),
then a hash of its key. A cell is divided exactly when it holds more than `CAPACITY` leaves or leaves of several rooms,
so that the trie is a function of the leaves in it. Vectors are float16 and summed in float64, where such sums are
exact: no trace is left of what was taken out.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import numpy as np
from jaxtyping import Float16, Float32, Float64

from placecell.memory.records import RecordId

__all__ = ["CAPACITY", "Cell", "Leaf", "Part", "Point", "Region", "address_of", "grown", "insert", "remove"]

CAPACITY: Final = 16  # leaves of a cell that is not divided
_QUANTUM_M: Final = 2.0**-6  # side of the smallest cell
_BITS: Final = 21  # the largest is 2**21 quanta: 32 km
_HALF: Final = 1 << (_BITS - 1)
_LOW_BITS: Final = 11
_LOW: Final = (1 << _LOW_BITS) - 1
_SPREAD: Final = tuple(int(f"{i:b}", 8) for i in range(_LOW + 1))  # bits to octal digits

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


class _Extent(NamedTuple):
    low_m: Point
    high_m: Point
    start_s: float
    end_s: float


class Cell:
    """A node of the tree. Read it, do not change it: it is exact, and lives only until the tree changes.

    Attributes:
        address: Digits that all leaves below share.
        count: Number of leaves below.
        num_vectors: How many of them have a vector.
        labels: Number of leaves with each label.
        words: Number of leaves whose text has each word.
        children: Cells by their next digit; empty in a cell that is not divided.
        leaves: Leaves by key; empty in a cell that is divided.
    """

    __slots__ = (
        "_extent", "_total", "_unit", "address", "children", "count", "labels", "leaves", "num_vectors", "part",
        "words",
    )  # fmt: skip

    def __init__(self, address: tuple[Digit, ...]) -> None:
        self.address = address
        self.count = self.num_vectors = 0
        self.labels: dict[str, int] = {}
        self.words: dict[str, int] = {}
        self.children: dict[Digit, Cell] = {}
        self.leaves: dict[str, Leaf] = {}
        self.part: Part | None = None  # None: dirty
        self._extent: _Extent | None = None  # None: dirty
        self._total: Float64[np.ndarray, "d"] | None = None  # None: not asked for yet; kept in divided cells only
        self._unit: Float32[np.ndarray, "d"] | None = None  # None: dirty

    @property
    def region(self) -> Region:
        """Rooms and floors that everything below lies in."""
        named = [digit for digit in self.address if isinstance(digit, str)]
        return tuple(name for name in named if name)

    @property
    def total(self) -> Float64[np.ndarray, "d"] | None:
        """Sum of the vectors below, exact; None if there is none."""
        if not self.num_vectors:
            return None
        if self.leaves:
            rows = [leaf.vector for leaf in self.leaves.values() if leaf.vector is not None]
            total: Float64[np.ndarray, "d"] = np.array(rows).sum(axis=0, dtype=np.float64, initial=0.0)
            return total
        if self._total is None:
            for child in self.children.values():
                part = child.total
                if part is None:
                    continue
                if self._total is None:
                    self._total = part if child.leaves else part.copy()
                else:
                    self._total += part
        return self._total

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
    def low_m(self) -> Point:
        """Lowest corner of the boxes below, world frame."""
        return self._reach().low_m

    @property
    def high_m(self) -> Point:
        """Highest corner of the boxes below, world frame."""
        return self._reach().high_m

    @property
    def start_s(self) -> float:
        """First time below."""
        return self._reach().start_s

    @property
    def end_s(self) -> float:
        """Last time below."""
        return self._reach().end_s

    def _reach(self) -> _Extent:
        """Extent of all that is below; measured when it is asked for, and kept until something changes below."""
        if self._extent is None:
            below: list[Leaf | _Extent] = [*self.leaves.values(), *(child._reach() for child in self.children.values())]
            lowest = zip(*(one.low_m for one in below), strict=True)
            highest = zip(*(one.high_m for one in below), strict=True)
            self._extent = _Extent(
                cast(Point, tuple(map(min, lowest))), cast(Point, tuple(map(max, highest))),
                min(one.start_s for one in below), max(one.end_s for one in below),
            )  # fmt: skip
        return self._extent

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

    def _count(self, leaf: Leaf, sign: int) -> None:
        """Add or take away what adds up."""
        self.part = self._unit = self._extent = None
        self.count += sign
        _tally(self.labels, leaf.labels, sign)
        if leaf.words:
            _tally(self.words, leaf.words, sign)
        if leaf.vector is not None:
            self.num_vectors += sign
            if not self.num_vectors:
                self._total = None
            elif self._total is not None:
                (np.add if sign > 0 else np.subtract)(self._total, leaf.vector, out=self._total)


# --- the trie --------------------------------------------------------------------------------------------------------


def insert(cell: Cell, leaf: Leaf) -> Cell:
    """The cell with one leaf more; along one path, which is changed."""
    address, root = leaf.address, cell
    above: Cell | None = None
    known = 0  # digits of the cell's address that are the leaf's
    while True:
        known = _common(cell.address, address, known)
        if not cell.children or known < len(cell.address):
            break
        cell._count(leaf, 1)
        below = cell.children.get(address[known])
        if below is None:
            cell.children[address[known]] = grown([leaf])
            return root
        above, cell = cell, below
        known += 1
    changed = _joined(cell, leaf, known)
    if above is None:
        return changed
    above.children[address[len(above.address)]] = changed
    return root


def _joined(cell: Cell, leaf: Leaf, shared: int) -> Cell:
    """A cell that is not divided, or that the leaf lies beside, and the leaf; their addresses share so many digits."""
    address = leaf.address
    if shared < len(cell.address):
        are_apart = isinstance(address[shared], str) or isinstance(cell.address[shared], str)
        if not cell.leaves or cell.count >= CAPACITY or are_apart:
            parent = Cell(address[:shared])
            parent.children = {cell.address[shared]: cell, address[shared]: grown([leaf])}
            _sum_up(parent)
            return parent
        cell.address = address[:shared]
    elif cell.count >= CAPACITY or isinstance(address[shared], str):
        return grown([*cell.leaves.values(), leaf], shared)
    _take(cell, leaf)
    return cell


def _take(cell: Cell, leaf: Leaf) -> None:
    cell.leaves[leaf.key] = leaf
    cell._count(leaf, 1)


def remove(cell: Cell, leaf: Leaf) -> Cell | None:
    """The cell without a leaf that is in it, None if none is left; along one path, which is changed."""
    if not cell.children:
        del cell.leaves[leaf.key]
        return grown(list(cell.leaves.values()), len(cell.address)) if cell.leaves else None
    digit = leaf.address[len(cell.address)]
    below = remove(cell.children[digit], leaf)
    if below is None:
        del cell.children[digit]
        if len(cell.children) == 1:
            return next(iter(cell.children.values()))
    else:
        cell.children[digit] = below
    if cell.count - 1 <= CAPACITY and not cell.is_mixed:
        return grown(list(cell.all_leaves()), len(cell.address))
    cell._count(leaf, -1)
    return cell


def grown(leaves: Sequence[Leaf], known: int = 0) -> Cell:
    """The cell of these leaves, divided where it must be; their addresses share the first `known` digits."""
    first = leaves[0].address
    if len(leaves) == 1:
        known = len(first)
    else:  # no further than the first and the last of them share
        end = _common(first, leaves[-1].address, known)
        shared = first[known:end]
        while any(leaf.address[known:end] != shared for leaf in leaves):
            end -= 1
            shared = first[known:end]
        known = end
    cell = Cell(first[:known])
    is_alone = len(leaves) == 1
    if is_alone or (len(leaves) <= CAPACITY and not any(isinstance(leaf.address[known], str) for leaf in leaves)):
        for leaf in leaves:
            _take(cell, leaf)
        return cell
    groups: dict[Digit, list[Leaf]] = {}
    for leaf in leaves:
        groups.setdefault(leaf.address[known], []).append(leaf)
    cell.children = {digit: grown(group, known + 1) for digit, group in groups.items()}
    _sum_up(cell)
    return cell


def _sum_up(cell: Cell) -> None:
    """Statistics of a divided cell from those of its children."""
    for child in cell.children.values():
        cell.count += child.count
        cell.num_vectors += child.num_vectors
        for counts, below in ((cell.labels, child.labels), (cell.words, child.words)):
            for name, number in below.items():
                counts[name] = counts.get(name, 0) + number


def _tally(counts: dict[str, int], names: tuple[str, ...], sign: int) -> None:
    for name in names:
        counts[name] = left = counts.get(name, 0) + sign
        if not left:
            del counts[name]


def _common(first: tuple[Digit, ...], second: tuple[Digit, ...], known: int) -> int:
    """How many digits two addresses share, given that they share the first `known`; no leaf's is part of another's."""
    for digit in first[known:]:
        if second[known] != digit:
            break
        known += 1
    return known


def address_of(key: str, position_m: Point, region: Region = ()) -> tuple[Digit, ...]:
    """Rooms, nested octants of the position, a hash of the key.

    Example:
        >>> here, there = address_of("mug", (1.0, 0.9, 2.0), ("kitchen",)), address_of("cup", (1.0, 0.9, 2.1))
        >>> here[0], there[0], here[1:15] == there[1:15]
        ('kitchen', '', True)
    """
    x, y, z = position_m
    raw = key.encode()
    octants = _spread(x) | _spread(y) << 1 | _spread(z) << 2
    digits = b"%021o%011o" % (octants, zlib.crc32(raw))
    return (*(region or ("",)), *digits, int.from_bytes(b"\1" + raw))  # the last digit is of no other key


def _spread(value: float) -> int:
    """Number of the smallest cell along an axis, bits as octal digits; what lies beyond the largest is at its edge."""
    n = math.floor(value / _QUANTUM_M) + _HALF
    if not 0 <= n < 2 * _HALF:
        n = 0 if n < 0 else 2 * _HALF - 1
    return _SPREAD[n & _LOW] | _SPREAD[n >> _LOW_BITS] << 3 * _LOW_BITS
