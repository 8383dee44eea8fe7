"""Keeping a memory under a cap of bytes, in RAM and on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from placecell.errors import PlacecellError
from placecell.memory.budget import Eviction, FirstIn, chosen
from placecell.memory.database import PAGE_BYTES
from placecell.memory.holdings import Holdings
from placecell.memory.log import Log

__all__ = ["MIN_BYTES", "Budget", "folder_bytes"]

MIN_BYTES = 1 << 20  # the empty tables alone take a fifth of this
_SLACK = 0.1  # how far below the cap one round of forgetting goes, so that rounds are rare
_ROUNDS = 64


def folder_bytes(folder: Path) -> int:
    """Bytes of all the files in `folder` and the folders in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Budget:
    """A cap that is kept during writes: room is made before a record is written, not after.

    Args:
        log: What is kept small.
        holdings: What may be taken from it.
        eviction: In which order.
        max_bytes: The cap; None for none.
        other_bytes: Bytes that count besides the log's: the views.
        before: Called before something is dropped, to store visits.

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
    ) -> None:
        if max_bytes is not None and max_bytes < MIN_BYTES:
            raise ValueError(f"max_bytes must be {MIN_BYTES} (1 MiB) or more, got {max_bytes}")
        self.max_bytes = max_bytes
        self.eviction = eviction or FirstIn()
        self._log, self._holdings, self._other_bytes, self._before = log, holdings, other_bytes, before
        self._room = 0  # bytes that may still be written before the file has to be looked at again
        self._ahead = 0
        if max_bytes is not None and log.db.is_writer:
            self._ahead = log.db.limit_write_ahead(max_bytes // 16) if log.db.path is not None else 0

    def admit(self, num_bytes: int) -> set[str]:
        """Make room for about `num_bytes` more; returns the agents that lost tiles for it.

        Raises:
            PlacecellError: If there is no room although nothing is left to forget. Nothing was dropped in vain: facts
                are never forgotten, so that the cap must be raised.
        """
        if self.max_bytes is None:
            return set()
        # Rows do not fill pages to the brim, a transaction touches a page in each table, and it passes through the
        # write-ahead file.
        cost = 2 * num_bytes + 8 * PAGE_BYTES
        self._room -= cost
        if self._room >= 0:
            return set()
        self._room = self.max_bytes - self._used() - cost
        if self._room >= 0:
            return set()
        losers = self._make_room(self.max_bytes - cost)
        self._room = self.max_bytes - self._used() - cost
        return losers

    def shrink(self, max_bytes: int) -> set[str]:
        """Forget until everything fits in `max_bytes`, and give the space back; returns the agents that lost tiles."""
        self._log.db.shrink()
        losers = self._make_room(max_bytes, slack=0.0)
        self._log.db.shrink()
        self._room = 0
        return losers

    def _used(self) -> int:
        """Bytes that are taken and will not be written over."""
        db = self._log.db
        return db.nbytes(with_write_ahead=False) - db.free_bytes() + self._ahead + self._other_bytes()

    def _make_room(self, target: int, slack: float = _SLACK) -> set[str]:
        self._before()
        goal = target - int(slack * target)
        now_s = max((self._log.last_stamp_s(name) for name in self._log.agents()), default=0.0)
        losers: set[str] = set()
        for _ in range(_ROUNDS):
            used = self._used()
            if used <= goal:
                return losers
            held = self._holdings.list()
            # Freeing bytes of rows frees fewer bytes of pages: hence the rounds.
            pictures, details = chosen(self.eviction, held, used - goal, now_s, self._log.vectors)
            if not pictures and not details:
                break
            self._holdings.drop(pictures, details)
            losers |= {record_id.agent_id for record_id in details}
        if self._used() > target:
            raise PlacecellError(
                f"{self._log.db.where} cannot be kept below {target} bytes: pictures and details are gone, and the "
                f"facts alone take {self._used()}: raise max_bytes"
            )
        return losers
