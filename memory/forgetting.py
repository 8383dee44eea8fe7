"""Keeping a memory under a cap of bytes, in RAM and on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from placecell.errors import PlacecellError
from placecell.memory.budget import Eviction, FirstIn, chosen
from placecell.memory.database import PAGE_BYTES
from placecell.memory.holdings import Holdings
from placecell.memory.log import Log
from placecell.memory.records import Record

__all__ = ["MIN_BYTES", "Budget", "folder_bytes", "record_bytes"]

MIN_BYTES = 1 << 20  # the empty tables alone take a fifth of this
_SLACK = 0.1  # how far below the cap one round of forgetting goes, so that rounds are rare
_ROUNDS = 64


def folder_bytes(folder: Path) -> int:
    """Bytes of all the files in `folder` and the folders in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def record_bytes(record: Record) -> int:
    """About how many bytes a record takes in the log."""
    vectors = [record.embeddings, record.text_embedding, record.pose]
    words = len(record.text) + len(record.source) + sum(map(len, record.labels))
    scene = 0 if record.scene is None else record.scene.nbytes
    return 100 + 4 * words + scene + sum(array.nbytes for array in vectors if array is not None)


class Budget:
    """A cap that is kept during writes: room is made before a record is written, not after.

    Args:
        log: What is kept small.
        holdings: What may be taken from it.
        eviction: In which order.
        max_bytes: The cap; None for none.
        other_bytes: Bytes that count besides the log's: the views.
        before: Called before something is dropped, to store visits.
        after: Called after tiles were dropped, to let go of views that hold them.

    Raises:
        ValueError: If `max_bytes` is too small to hold anything.
    """

    def __init__(
        self,
        log: Log,
        holdings: Holdings,
        eviction: Eviction | None = None,
        max_bytes: int | None = None,
        other_bytes: Callable[[], int] = lambda: 0,
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        if max_bytes is not None and max_bytes < MIN_BYTES:
            raise ValueError(f"max_bytes must be {MIN_BYTES} (1 MiB) or more, got {max_bytes}")
        self.max_bytes = max_bytes
        self.eviction = eviction or FirstIn()
        self._log, self._holdings, self._other_bytes, self._before = log, holdings, other_bytes, before
        self._after = after
        self._room = 0  # bytes that may still be written before the file has to be looked at again
        self._ahead = 0
        if max_bytes is not None and log.db.is_writer:
            self._ahead = log.db.limit_write_ahead(max_bytes // 16) if log.db.path is not None else 0

    def admit(self, num_bytes: int) -> None:
        """Make room for about `num_bytes` more.

        Raises:
            PlacecellError: If there is no room although nothing is left to forget: facts are never forgotten, so the
                cap must be raised. Nothing is written then.
        """
        if self.max_bytes is None:
            return
        # A record takes its bytes in the log and again in the views, pages are not filled to the brim, and a write
        # touches a page of each table.
        cost = 3 * num_bytes + 8 * PAGE_BYTES
        if cost > self.max_bytes // 2:
            raise PlacecellError(
                f"{num_bytes} bytes in one write are too many for max_bytes {self.max_bytes}: write fewer at once"
            )
        self._room -= cost
        if self._room >= 0:
            return
        if self._used() + cost > self.max_bytes:
            self._make_room(self.max_bytes - cost, self.eviction)
        taken = self._used() + self._log.db.free_bytes()
        if taken + cost > (1 - _SLACK / 2) * self.max_bytes:
            self._log.db.shrink()
            taken = self._used() + self._log.db.free_bytes()
        # What goes into free pages makes the file no larger, but the views: up to half of what is reckoned above.
        self._room = min(self.max_bytes - self._used() - cost, 2 * (self.max_bytes - taken - cost))

    def shrink(self, max_bytes: int, eviction: Eviction | None = None) -> None:
        """Forget until everything fits in `max_bytes`, and give the space back.

        Raises:
            PlacecellError: If it does not fit although nothing is left to forget.
        """
        try:
            if self._used() > max_bytes:
                self._make_room(max_bytes, eviction or self.eviction, slack=0.0)
        finally:
            self._log.db.shrink()
            self._room = 0

    def _used(self) -> int:
        """Bytes that are taken and will not be written over."""
        db = self._log.db
        return db.nbytes(with_write_ahead=False) - db.free_bytes() + self._ahead + self._other_bytes()

    def _make_room(self, target: int, eviction: Eviction, slack: float = _SLACK) -> None:
        self._before()
        goal = target - int(slack * target)
        now_s = max((self._log.last_stamp_s(name) for name in self._log.agents()), default=0.0)
        for _ in range(_ROUNDS):
            excess = self._used() - goal
            if excess <= 0:
                return
            # Freeing bytes of rows frees other bytes of pages and of views: hence the rounds.
            pictures, details, scans = chosen(eviction, self._holdings.list(), excess, now_s, self._log.vectors)
            if not (pictures or details or scans):
                break
            self._holdings.drop(pictures, details, scans)
            if details:
                self._after()
        if self._used() > target:
            raise PlacecellError(
                f"{self._log.db.where} cannot be kept below {target} bytes: pictures and details are gone, and the "
                f"facts alone take {self._used()}: raise max_bytes"
            )
