"""The views of the space that was seen (objects, places, snapshots, facts), each folded from the log when asked for.

They cost nothing in a memory that nobody asks for them (a film without depth has no map). Each is folded on its own:
who wants the map of a house does not wait for its objects.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from placecell.memory.delta import Ranges
from placecell.memory.log import Log
from placecell.memory.records import Record, RecordId

if TYPE_CHECKING:
    from placecell.memory.facts import FactGraph
    from placecell.memory.objects import ObjectMap
    from placecell.memory.places import Places
    from placecell.memory.snapshots import SnapshotCover
    from placecell.memory.space_feed import SpaceFeed
    from placecell.memory.space_tree import SpaceTree

__all__ = ["Folded", "SceneViews"]


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
    """

    def __init__(self, log: Log, make: Callable[[], V]) -> None:
        self._log, self._make = log, make
        self.view: V | None = None
        self._ranges: dict[str, Ranges] = {}
        self._hidden: frozenset[RecordId] = frozenset()

    def sync(self, hidden: Set[RecordId]) -> V:
        """The view, with everything in it that the log has, less the `hidden` (retracted) records."""
        news = {name: self._log.ranges(name).beyond(self._ranges.get(name, Ranges())) for name in self._log.agents()}
        is_late = any(spans and spans[0][0] < self._ranges.get(name, Ranges()).top for name, spans in news.items())
        if self.view is None or is_late or hidden != self._hidden:
            self.view, self._ranges, self._hidden = self._make(), {}, frozenset(hidden)
            news = {name: self._log.ranges(name).present() for name in self._log.agents()}
        for name, spans in news.items():
            if not spans:
                continue
            present = self._log.ranges(name)
            try:
                for record in self._log.scan(name, spans[0][0]):
                    if record.kind != "retraction" and record.record_id not in hidden:
                        self.view.fold(record)
            except BaseException:  # Ctrl-C, a damaged page: half of a fold must not be taken for a whole one
                self.view = None
                raise
            self._ranges[name] = present
        return self.view


class SceneViews:
    """The views of space of one memory.

    Args:
        log: The records.
        hidden: Gives the records that are retracted now.
    """

    def __init__(self, log: Log, hidden: Callable[[], Set[RecordId]]) -> None:
        self._log, self._hidden = log, hidden
        self._objects: Folded[ObjectMap] = Folded(log, _objects)
        self._places: Folded[Places] = Folded(log, _places)
        self._facts: Folded[FactGraph] = Folded(log, self._facts_of)
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
        """The spatial tree of a forest, with all things in it, in their rooms."""
        from placecell.memory.space_feed import SpaceFeed

        if not self._log.has_scenes():  # a film has no things in space: nothing need be folded
            return tree
        if self._feed is None or self._feed.tree is not tree:
            self._feed, self._fed = SpaceFeed(tree), ()
        objects, places = self.objects(), self.places()
        state = (objects, objects.version, places, places.version)
        if state != self._fed:
            things = objects.objects()
            self._feed.follow(things, places.rooms(things))
            self._fed = state
        return tree

    def facts(self) -> FactGraph:
        """What holds between things, rooms and words, and since when."""
        return self._facts.sync(self._hidden())

    def _facts_of(self) -> FactGraph:
        from placecell.memory.facts import FactGraph

        return FactGraph(self.objects, self.places)


def _objects() -> ObjectMap:
    from placecell.memory.objects import ObjectMap

    return ObjectMap()


def _places() -> Places:
    from placecell.memory.places import Places

    return Places()
