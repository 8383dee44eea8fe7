"""Snapshots: the fewest views that show every object, each of them well.

A view counts for an object only if it shows it at least `floor` times as well as the best view there is of it. That one
rule keeps quality up, whatever is saved on views, and it cuts the problem: things seen through a door are seen better
from inside, so that rooms fall apart into groups that share no view. Every group is covered by itself, and a change
touches its own group only. Where doors chain the rooms of a large building together, groups are cut at the lines of a
coarse grid as well, and views that two cells chose where one would do are left out in the end. The cover is a function
of what was seen, not of the order in which it was seen.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final, Protocol, runtime_checkable

from placecell.memory.covering import bettered, exchanged, fewest
from placecell.memory.records import RecordId

__all__ = ["FLOOR", "WORTH", "SeenObject", "SeenObjects", "Snapshot", "SnapshotCover", "View"]

FLOOR: Final = 0.3
WORTH: Final = 2.0
_TRIED: Final = 16  # views of an object that a cover is made of: those that show most, well
_BEST: Final = 2  # and those that show it best
_LARGE: Final = 256  # objects of a map that is cut at the lines of a grid
_CELL_M: Final = 12.0
_AT_ONCE: Final = 40  # objects after which an update leaves the rest for later
_ONE: Final = 1_000_000  # qualities are whole millionths: sums of them do not depend on their order


@runtime_checkable
class View(Protocol):
    """One sighting of an object; `placecell.memory.objects.Sighting` is one."""

    @property
    def record_id(self) -> RecordId:
        """The record whose picture shows it."""
        ...

    @property
    def quality(self) -> float:
        """How well it shows it, from 0 on."""
        ...


@runtime_checkable
class SeenObject(Protocol):
    """What the cover has to know of an object."""

    @property
    def object_id(self) -> str:
        """Key of the object."""
        ...

    @property
    def position_m(self) -> tuple[float, float, float]:
        """Where it is, world frame, y up."""
        ...

    @property
    def sightings(self) -> Sequence[View]:
        """Views that show it."""
        ...


@runtime_checkable
class SeenObjects(Protocol):
    """Objects that change; `placecell.memory.objects.ObjectMap` is one."""

    @property
    def version(self) -> int:
        """Grows with every change."""
        ...

    def touched(self, since_version: int) -> Collection[str]:
        """Keys of the objects that came, changed or went since that version."""
        ...

    def objects(self) -> Iterable[SeenObject]:
        """All objects."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A view that is kept.

    Args:
        record_id: Whose picture it is.
        object_ids: The objects that it shows well, sorted; other snapshots may show some of them too.
        quality: Mean quality of its views of them.
    """

    record_id: RecordId
    object_ids: tuple[str, ...]
    quality: float


Cell = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    members: frozenset[str]
    kept: tuple[RecordId, ...]


class SnapshotCover:
    """A set of views that shows every object of a map, kept up to date.

    Args:
        objects: The map. Objects without sightings cannot be shown and are passed over.
        floor: A view counts for an object if its quality is at least this share of the best one's, in [0, 1].
        worth: What a snapshot is worth, in objects: a view is kept beside the cover if it improves the quality of what
            is kept, summed over objects and relative to the best view of each, by so much.

    Attributes:
        objects: The map.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(self, objects: SeenObjects, floor: float = FLOOR, worth: float = WORTH) -> None:
        if not 0 <= floor <= 1 or not worth > 0:
            raise ValueError(f"floor must lie between 0 and 1 and worth be positive, got {floor} and {worth}")
        self.objects = objects
        self._floor, self._worth = floor, worth
        self._version: int | None = None
        self._views: dict[str, dict[RecordId, int]] = {}  # by object: views that count, millionths of the best one
        self._best: dict[str, float] = {}  # by object: quality of its best view
        self._total: dict[RecordId, int] = {}  # by view: sum over what it shows
        self._shown: dict[RecordId, set[str]] = {}  # by view: objects for which it counts
        self._groups: dict[str, _Group] = {}  # by object
        self._cell: dict[str, Cell] = {}  # by object
        self._is_large = False
        self._loose: dict[str, None] = {}  # objects without a group, oldest first

    def update(self) -> None:
        """Take in what has changed in the map; costs what the groups around the change cost.

        Of many groups at once it covers some, and leaves the rest to the next updates, or to whoever asks.
        """
        self._take_in()
        self._regroup(_AT_ONCE)

    def _take_in(self) -> None:
        version = self.objects.version
        if version == self._version:
            return
        things = {thing.object_id: thing for thing in self.objects.objects() if thing.sightings}
        touched = self._views.keys() ^ things.keys()
        if self._version is not None:
            touched |= set(self.objects.touched(self._version))
        self._version = version
        is_large = len(things) > _LARGE
        if is_large != self._is_large:
            self._is_large = is_large
            touched |= things.keys()
        for name in touched:
            self._loosen(name)
            self._forget(name)
            if name in things:
                self._note(things[name])
                self._loose[name] = None
        for name in touched:  # groups that a new view ties to
            for view in self._views.get(name, ()):
                for other in self._shown[view]:
                    if self._cell[other] == self._cell[name]:
                        self._loosen(other)

    def snapshots(self) -> list[Snapshot]:
        """The views that are kept, in the order of their records."""
        self._take_in()
        self._regroup()
        found = []
        for view in sorted(self._needed({view for group in self._groups.values() for view in group.kept})):
            names = tuple(sorted(self._shown[view]))
            quality = sum(self._best[name] * self._views[name][view] for name in names) / (_ONE * len(names))
            found.append(Snapshot(view, names, quality))
        return found

    def _needed(self, kept: set[RecordId]) -> set[RecordId]:
        """The views less those whose objects others show about as well; those that show least go first."""
        if not self._is_large:
            return kept
        by = {name: self._views[name].keys() & kept for name in self._views}
        for view in sorted(kept, key=lambda view: (self._total[view], view)):
            lost = 0
            for name in self._shown[view]:
                rest = max((self._views[name][other] for other in by[name] if other != view), default=None)
                if rest is None:
                    break
                lost += max(0, self._views[name][view] - rest)
            else:
                if lost < self._worth * _ONE:
                    kept = kept - {view}
                    for name in self._shown[view]:
                        by[name] = by[name] - {view}
        return kept

    # --- what is shown where ------------------------------------------------------------------------------------

    def _loosen(self, name: str) -> None:
        """Take the group of an object apart."""
        group = self._groups.get(name)
        for member in () if group is None else group.members:
            del self._groups[member]
            self._loose[member] = None

    def _forget(self, name: str) -> None:
        for view, share in self._views.pop(name, {}).items():
            self._total[view] -= share
            shown = self._shown[view]
            shown.discard(name)
            if not shown:
                del self._shown[view], self._total[view]
        self._loose.pop(name, None)
        self._cell.pop(name, None)

    def _note(self, thing: SeenObject) -> None:
        qualities: dict[RecordId, float] = {}
        for sighting in thing.sightings:
            key, quality = sighting.record_id, float(sighting.quality)
            if quality >= qualities.get(key, 0.0):
                qualities[key] = quality
        name, best = thing.object_id, max(qualities.values())
        self._best[name] = best
        self._cell[name] = _cell_of(thing) if self._is_large else ()
        shares = {key: round(_ONE * quality / best) if best > 0 else _ONE for key, quality in qualities.items()}
        self._views[name] = good = {key: share for key, share in shares.items() if share >= self._floor * _ONE}
        for key, share in good.items():
            self._shown.setdefault(key, set()).add(name)
            self._total[key] = self._total.get(key, 0) + share

    # --- covering -----------------------------------------------------------------------------------------------

    def _regroup(self, most: int | None = None) -> None:
        """Cut objects into groups that share no view, and cover each, until so many objects are covered."""
        num = 0
        while self._loose and (most is None or num < most):
            inside, edge = set(), {next(iter(self._loose))}
            views: set[RecordId] = set()
            cell = self._cell[next(iter(edge))]
            while edge:
                inside |= edge
                reached = {view for name in edge for view in self._views[name]} - views
                views |= reached
                edge = {name for view in reached for name in self._shown[view] if self._cell[name] == cell} - inside
            group = _Group(frozenset(inside), self._cover(sorted(inside)))
            num += len(inside)
            for name in inside:
                del self._loose[name]
                self._groups[name] = group

    def _cover(self, names: Sequence[str]) -> tuple[RecordId, ...]:
        views = sorted({view for name in names for view in self._tried(name)})
        place_of = {view: place for place, view in enumerate(views)}
        quality: list[dict[int, int]] = [{} for _ in views]
        seen_in = [0] * len(names)
        for number, name in enumerate(names):
            good = self._views[name]
            for view in good.keys() & place_of.keys():
                place = place_of[view]
                quality[place][number] = good[view]
                seen_in[number] |= 1 << place
        shown = [sum(1 << number for number in shows) for shows in quality]
        kept = exchanged(fewest(shown, len(names)), quality, shown, seen_in)
        return tuple(views[place] for place in bettered(kept, quality, seen_in, self._worth * _ONE))

    def _tried(self, name: str) -> list[RecordId]:
        good, total = self._views[name], self._total
        if len(good) <= _TRIED + _BEST:
            return list(good)
        most = nsmallest(_TRIED, good, key=lambda view: (-total[view], view))
        return most + nsmallest(_BEST, good, key=lambda view: (-good[view], view))


def _cell_of(thing: SeenObject) -> Cell:
    return tuple(math.floor(value / _CELL_M) for value in thing.position_m)
