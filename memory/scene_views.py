"""The views of the space that was seen (objects, places, snapshots, facts), each folded from the log when asked for.

They cost nothing in a memory that nobody asks for them (a film without depth has no map). Each is folded on its own:
who wants the map of a house does not wait for its objects. The maps of things and of places, which take seconds to
fold, are put away beside the log (see `placecell.memory.keeping`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, runtime_checkable

from placecell.memory.delta import Ranges
from placecell.memory.keeping import DAMAGE, keep, kept, told
from placecell.memory.log import Log
from placecell.memory.records import Record, RecordId

if TYPE_CHECKING:
    from placecell.memory.facts import FactGraph
    from placecell.memory.objects import ObjectMap
    from placecell.memory.places import Places
    from placecell.memory.snapshots import SnapshotCover
    from placecell.memory.space_feed import SpaceFeed, ViewSpots
    from placecell.memory.space_tree import SpaceTree

__all__ = ["Folded", "SceneViews"]

_UNSAVED: Final = 64  # records that are folded again in a third of a second


@runtime_checkable
class _View(Protocol):
    def fold(self, record: Record) -> None: ...


V = TypeVar("V", bound=_View)


class Folded(Generic[V]):
    """A view, and how much of the log is in it.

    Records of one agent are folded in their order. What comes late within an agent's stream, or is retracted, makes the
    view be folded anew, so that it depends on which records hold and not on when they came.

    Args:
        log: The records.
        make: Makes an empty view.
        file: Where it is put away; None for nowhere.
        texts_only: Whether only records with a text tell it anything.
        generation: Says how often scans were dropped from the log: a view from before that holds more than the log.
    """

    def __init__(
        self,
        log: Log,
        make: Callable[[], V],
        file: Path | None = None,
        texts_only: bool = False,
        generation: Callable[[], int] = lambda: 0,
    ) -> None:
        self._log, self._make, self._file = log, make, file
        self._texts_only, self._generation = texts_only, generation
        self._began = 0  # generation when the fold was begun
        self.view: V | None = None
        self._ranges: dict[str, Ranges] = {}
        self._hidden: frozenset[RecordId] = frozenset()

    def sync(self, hidden: Set[RecordId]) -> V:
        """The view, with everything in it that the log has, less the `hidden` (retracted) records."""
        if self.view is None:
            self._read_back(hidden)
        news = {name: self._log.ranges(name).beyond(self._ranges.get(name, Ranges())) for name in self._log.agents()}
        is_late = any(spans and spans[0][0] < self._ranges.get(name, Ranges()).top for name, spans in news.items())
        if self.view is None or is_late or hidden != self._hidden:
            self.view, self._ranges, self._hidden = self._make(), {}, frozenset(hidden)
            self._began = self._generation()
            news = {name: self._log.ranges(name).present() for name in self._log.agents()}
        for name, spans in news.items():
            if not spans:
                continue
            present = self._log.ranges(name)
            try:
                for record in self._log.scan(name, spans[0][0], texts_only=self._texts_only):
                    if record.kind != "retraction" and record.record_id not in hidden:
                        self.view.fold(record)
            except BaseException:  # Ctrl-C, a damaged page: half of a fold must not be taken for a whole one
                self.view = None
                raise
            self._ranges[name] = present
        return self.view

    def put_away(self, max_bytes: int | None = None) -> None:
        """Write the view to its file, if it is folded and knows much more than the file does.

        Args:
            max_bytes: A larger file is not written.
        """
        if self.view is None or self._file is None or self._began != self._generation():
            return
        before = _spans(told(self._file))
        if sum(map(len, self._ranges.values())) - sum(map(len, before.values())) < _UNSAVED:
            return
        header = {
            "generation": self._began,
            "folded": {name: [ranges.top, ranges.missing] for name, ranges in self._ranges.items()},
            "hidden": sorted(self._hidden),
        }
        with contextlib.suppress(OSError):  # a full disk must not lose what is durable already
            keep(self._file, self.view, header, max_bytes)

    def _read_back(self, hidden: Set[RecordId]) -> None:
        """Take the view from its file, if it is what a fold of those records would give now."""
        header = None if self._file is None else told(self._file)
        if header is None or self._file is None:
            return
        with contextlib.suppress(*DAMAGE):
            folded = _spans(header)
            away = frozenset(RecordId(str(name), int(seq)) for name, seq in header["hidden"])
            is_known = not any(ranges.beyond(self._log.ranges(name)) for name, ranges in folded.items())
            if is_known and away == hidden and header["generation"] == self._generation():
                view = kept(self._file)
                if type(view) is type(self._make()):
                    self.view, self._ranges, self._hidden = view, folded, away
                    self._began = header["generation"]


def _spans(header: dict[str, Any] | None) -> dict[str, Ranges]:
    """Which records a view in a file was folded from; none if its header is not sound."""
    with contextlib.suppress(*DAMAGE):
        folded = {} if header is None else header["folded"]
        return {
            str(name): Ranges(int(top), [(int(lo), int(hi)) for lo, hi in missing])
            for name, (top, missing) in folded.items()
        }
    return {}


class SceneViews:
    """The views of space of one memory.

    Args:
        log: The records.
        hidden: Gives the records that are retracted now.
        folder: Where the maps are put away; None for nowhere.
        generation: Says how often scans were dropped from the log.
    """

    def __init__(
        self,
        log: Log,
        hidden: Callable[[], Set[RecordId]],
        folder: Path | None = None,
        generation: Callable[[], int] = lambda: 0,
    ) -> None:
        self._log, self._hidden = log, hidden
        things, rooms = (None if folder is None else folder / name for name in ("objects", "places"))
        self._objects: Folded[ObjectMap] = Folded(log, _objects, things, generation=generation)
        self._places: Folded[Places] = Folded(log, _places, rooms, generation=generation)
        self._facts: Folded[FactGraph] = Folded(log, self._facts_of, texts_only=True)
        self._spots: Folded[ViewSpots] = Folded(log, _view_spots)
        self._snapshots: SnapshotCover | None = None
        self._feed: SpaceFeed | None = None
        self._fed: tuple[object, ...] = ()

    def objects(self) -> ObjectMap:
        """Things, where they are and what became of them."""
        return self._objects.sync(self._hidden())

    def places(self) -> Places:
        """Free floor, rooms, doors and frontiers."""
        return self._places.sync(self._hidden())

    def snapshots(self) -> SnapshotCover:
        """The fewest views that show every object."""
        from placecell.memory.snapshots import SnapshotCover

        objects = self.objects()
        if self._snapshots is None or self._snapshots.objects is not objects:
            self._snapshots = SnapshotCover(objects)
        self._snapshots.update()
        return self._snapshots

    def fill(self, tree: SpaceTree) -> SpaceTree:
        """The spatial tree of a forest, with all things and a view of each place in it, in their rooms."""
        from placecell.memory.scene_facts import RoomMap
        from placecell.memory.space_feed import SpaceFeed

        if not self._log.has_scenes():  # a film has no things in space: nothing need be folded
            return tree
        if self._feed is None or self._feed.tree is not tree:
            self._feed, self._fed = SpaceFeed(tree), ()
        objects, places, spots = self.objects(), self.places(), self._spots.sync(self._hidden())
        state = (objects, objects.version, places, places.version, spots, spots.version)
        if state != self._fed:
            things = objects.objects()
            rooms = places.rooms(things)
            self._feed.follow(things, rooms, spots.spots(), RoomMap(places, rooms).at)
            self._fed = state
        return tree

    def facts(self) -> FactGraph:
        """What holds between things, rooms and words, and since when."""
        return self._facts.sync(self._hidden())

    def put_away(self, max_bytes: int | None = None) -> None:
        """Write the maps that are folded to their files, where those lack much; no file larger than `max_bytes`."""
        self._objects.put_away(max_bytes)
        self._places.put_away(max_bytes)

    def _facts_of(self) -> FactGraph:
        from placecell.memory.facts import FactGraph

        return FactGraph(self.objects, self.places)


def _objects() -> ObjectMap:
    from placecell.memory.objects import ObjectMap

    return ObjectMap()


def _places() -> Places:
    from placecell.memory.places import Places

    return Places()


def _view_spots() -> ViewSpots:
    from placecell.memory.space_feed import ViewSpots

    return ViewSpots()
