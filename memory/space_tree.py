"""The spatial tree of the forest: things and views by where they are, from a corner of a room to the whole world.

A leaf's *address* is its rooms (where the memory knows them), then the digits of its position in a fixed hierarchy of
cells (octants of octants), then a hash of its key. The tree is the compressed trie of the addresses: a cell is divided
exactly when it holds more than `CAPACITY` leaves or leaves of several rooms. So it is a function of what is in it: the
order of arrival changes nothing, nothing is ever rebuilt, and a leaf comes or goes along one path. Vectors are float16
and summed in float64, where such sums are exact, so that no trace is left of what was taken out.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float, Float16, Float32, Float64

from placecell.memory.node import Writer
from placecell.memory.queries import content_words

__all__ = ["CAPACITY", "Cell", "Leaf", "Part", "SpaceTree"]

CAPACITY: Final = 8  # leaves of a cell that is not divided
_QUANTUM_M: Final = 2.0**-6  # side of the smallest cell
_BITS: Final = 21  # the largest is 2**21 quanta: 32 km
_TOP: Final = 5
_SPREAD: Final = np.array([int(f"{i:b}", 8) for i in range(128)], np.int64)  # 7 bits to 7 octal digits

Digit = str | int
Point = tuple[float, float, float]
Region = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A thing or a view.

    Attributes:
        key: What it is known by.
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
    """

    key: str
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

    @property
    def address(self) -> tuple[Digit, ...]:
        """Digits from the coarsest to the finest; no two leaves share all."""
        return (*(self.region or ("",)), *_octants(self.position_m), *_hashed(self.key))


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
        words: Words that are frequent here and rare elsewhere.
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
        rows = [leaf.vector for leaf in self.leaves.values() if leaf.vector is not None]
        total: Float64[np.ndarray, "d"] = np.sum(rows, axis=0, dtype=np.float64)
        return total

    @property
    def centroid(self) -> Float64[np.ndarray, "d"] | None:
        """Mean of the vectors below, each counted once."""
        total = self.total
        return None if total is None else np.asarray(total / self.num_vectors)

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

    def _count(self, leaf: Leaf, sign: int) -> None:
        """Add or take away what adds up; extents are the caller's."""
        self.part = self._unit = None
        self.count += sign
        for counts, names in ((self.labels, leaf.labels), (self.words, leaf.words)):
            for name in names:
                counts[name] += sign
                if not counts[name]:
                    del counts[name]
        if leaf.vector is not None:
            self.num_vectors += sign
            if self.children:
                if self._total is None:
                    self._total = np.zeros(len(leaf.vector))
                self._total += leaf.vector if sign > 0 else -leaf.vector
                if not self.num_vectors:
                    self._total = None

    def _reach(self, other: Leaf | Cell) -> None:
        self.low_m = _corner(min, self.low_m, other.low_m)
        self.high_m = _corner(max, self.high_m, other.high_m)
        self.start_s, self.end_s = min(self.start_s, other.start_s), max(self.end_s, other.end_s)

    def _measure(self) -> None:
        """Extents anew, from what is right below."""
        self.low_m, self.high_m = (math.inf,) * 3, (-math.inf,) * 3
        self.start_s, self.end_s = math.inf, -math.inf
        for below in (*self.children.values(), *self.leaves.values()):
            self._reach(below)


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
    ) -> None:
        """Put a leaf in its place, from wherever it was; see `Leaf` for the arguments.

        Raises:
            ValueError: If the position is not three finite numbers, or the vector not finite or of another length.
        """
        where = _point("position_m", position_m)
        packed = None
        if vector is not None:
            packed = np.asarray(vector).astype(np.float16)
            if packed.ndim != 1 or not np.isfinite(packed).all() or self._dim not in (None, len(packed)):
                wanted = "d" if self._dim is None else self._dim
                raise ValueError(f"vector must be finite, of shape ({wanted},), got {packed.shape} for {key!r}")
            self._dim = len(packed)
        if isinstance(region, str):
            raise ValueError(f"region must be names, outermost first, got the string {region!r}; write ({region!r},)")
        leaf = Leaf(
            key, packed, where,
            where if low_m is None else _point("low_m", low_m), where if high_m is None else _point("high_m", high_m),
            float(start_s), float(start_s if end_s is None else end_s),
            tuple(dict.fromkeys(labels)), text, tuple(region), content_words(text) if text else (),
        )  # fmt: skip
        self.remove(key)
        self._leaves[key] = leaf
        self._root = _grown([leaf]) if self._root is None else _insert(self._root, leaf, leaf.address)

    def remove(self, key: str) -> bool:
        """Take a leaf out; says whether it was there."""
        leaf = self._leaves.pop(key, None)
        if leaf is None or self._root is None:
            return False
        self._root = _remove(self._root, leaf, leaf.address)
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
        return [self.part(cut[i]) for i in kept]

    def part(self, cell: Cell) -> Part:
        """Summary of a cell; made when it is asked for, and kept until something changes below."""
        if cell.part is None:
            assert self._root is not None
            everywhere = self._root.words
            telling = {
                word: count * math.log1p(everywhere.total() / everywhere[word]) for word, count in cell.words.items()
            }
            words = tuple(sorted(telling, key=lambda word: (-telling[word], word))[:_TOP])
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


# --- the trie --------------------------------------------------------------------------------------------------------


def _insert(cell: Cell, leaf: Leaf, address: tuple[Digit, ...]) -> Cell:
    shared = _common(cell.address, address)
    if shared < len(cell.address):  # it lies beside the cell
        are_apart = isinstance(address[shared], str) or isinstance(cell.address[shared], str)
        if cell.leaves and cell.count < CAPACITY and not are_apart:
            cell.address = address[:shared]
            _take(cell, leaf)
            return cell
        parent = Cell(address[:shared])
        beside = _grown([leaf])
        parent.children = {cell.address[shared]: cell, address[shared]: beside}
        _sum_up(parent)
        return parent
    if cell.children:
        cell._count(leaf, 1)
        cell._reach(leaf)
        below = cell.children.get(address[shared])
        cell.children[address[shared]] = _grown([leaf]) if below is None else _insert(below, leaf, address)
        return cell
    if cell.count < CAPACITY and not isinstance(address[shared], str):
        _take(cell, leaf)
        return cell
    return _grown([*cell.leaves.values(), leaf])


def _take(cell: Cell, leaf: Leaf) -> None:
    cell.leaves[leaf.key] = leaf
    cell._count(leaf, 1)
    cell._reach(leaf)


def _remove(cell: Cell, leaf: Leaf, address: tuple[Digit, ...]) -> Cell | None:
    if not cell.children:
        del cell.leaves[leaf.key]
        return _grown(list(cell.leaves.values())) if cell.leaves else None
    digit = address[len(cell.address)]
    below = _remove(cell.children[digit], leaf, address)
    if below is None:
        del cell.children[digit]
        if len(cell.children) == 1:
            return next(iter(cell.children.values()))
    else:
        cell.children[digit] = below
    if cell.count - 1 <= CAPACITY and not cell.is_mixed:
        return _grown(list(cell.all_leaves()))
    cell._count(leaf, -1)
    cell._measure()
    return cell


def _grown(leaves: Sequence[Leaf]) -> Cell:
    """The cell of these leaves, divided where it must be."""
    addresses = [leaf.address for leaf in leaves]
    shared = min(_common(addresses[0], address) for address in addresses)
    cell = Cell(addresses[0][:shared])
    groups: dict[Digit, list[Leaf]] = {}
    if len(leaves) > 1:
        for leaf, address in zip(leaves, addresses, strict=True):
            groups.setdefault(address[shared], []).append(leaf)
    if len(leaves) <= CAPACITY and not any(isinstance(digit, str) for digit in groups):
        for leaf in leaves:
            _take(cell, leaf)
    else:
        cell.children = {digit: _grown(group) for digit, group in groups.items()}
        _sum_up(cell)
    return cell


def _sum_up(cell: Cell) -> None:
    """Statistics of a divided cell from those of its children."""
    for child in cell.children.values():
        cell.count += child.count
        cell.num_vectors += child.num_vectors
        cell.labels.update(child.labels)
        cell.words.update(child.words)
        total = child.total
        if total is not None:
            cell._total = total.copy() if cell._total is None else cell._total + total
        cell._reach(child)


def _common(first: tuple[Digit, ...], second: tuple[Digit, ...]) -> int:
    length = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        length += 1
    return length


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


def _octants(position_m: Point) -> list[int]:
    """Digits 0 to 7 of the nested octants that hold a point; what lies beyond the largest cell counts to its edge."""
    half = 1 << (_BITS - 1)
    code = 0
    for axis, value in enumerate(position_m):
        n = min(max(math.floor(value / _QUANTUM_M) + half, 0), 2 * half - 1)
        spread = int(_SPREAD[n & 127]) | int(_SPREAD[n >> 7 & 127]) << 21 | int(_SPREAD[n >> 14]) << 42
        code |= spread << axis
    return [code >> shift & 7 for shift in range(3 * (_BITS - 1), -1, -3)]


def _hashed(key: str) -> list[int]:
    """Digits that part leaves of one place, and one that no other key has."""
    raw = key.encode()
    code = zlib.crc32(raw)
    return [*(code >> shift & 7 for shift in range(27, -1, -3)), int.from_bytes(b"\1" + raw)]


def _corner(choose: Callable[[float, float], float], a: Sequence[float], b: Sequence[float]) -> Point:
    return choose(a[0], b[0]), choose(a[1], b[1]), choose(a[2], b[2])


def _point(name: str, values: Sequence[float]) -> Point:
    point = tuple(float(value) for value in values)
    if len(point) != 3 or not all(map(math.isfinite, point)):
        raise ValueError(f"{name} must be three finite numbers, metres, got {point}")
    return point[0], point[1], point[2]
