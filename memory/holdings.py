"""What a byte budget could take away: pictures, vectors of tiles and scans, and how often each was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from placecell.memory.log import Log
from placecell.memory.records import RecordId

__all__ = ["Holding", "Holdings"]

DETAILS_DROPPED = "details_dropped"
SCANS_DROPPED = "scans_dropped"


class Holding(NamedTuple):
    """What a byte budget could take from one record."""

    record_id: RecordId
    stamp_s: float
    picture_bytes: int
    detail_bytes: int
    visits: int
    visited_s: float  # stream time of the last visit; the record's own stamp if there was none
    scan_bytes: int = 0


class Holdings:
    """The ledger of one log's pictures and tiles.

    Example:
        >>> Holdings(Log()).list()
        []
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._db = log.db

    def list(self) -> list[Holding]:
        """What a budget could take, in the order of agents and their records."""
        query = (
            "SELECT h.id, h.stamp_s, h.picture_bytes, h.detail_bytes, coalesce(v.count, 0), "
            "coalesce(v.last_s, h.stamp_s), h.scan_bytes FROM holdings h LEFT JOIN visits v ON v.id = h.id"
        )
        with self._db.explained():
            found = [Holding(self._log.id_of(row[0]), *row[1:]) for row in self._db.execute(query)]
        return sorted(found, key=lambda held: held.record_id)

    def drop(self, pictures: Sequence[RecordId], details: Sequence[RecordId], scans: Sequence[RecordId] = ()) -> None:
        """Forget pictures, tile vectors and scans; their pages are the next ones to be written to.

        Nothing happens to records that hold none.
        """
        keys = [(self._log.key_of(record_id),) for record_id in pictures]
        gone = [(self._log.key_of(record_id),) for record_id in details]
        flat = [(self._log.key_of(record_id),) for record_id in scans]
        with self._db.explained(), self._db.transaction():
            self._db.executemany("DELETE FROM pictures WHERE id = ?", keys)
            self._db.executemany("UPDATE holdings SET picture_bytes = 0 WHERE id = ?", keys)
            self._db.executemany("DELETE FROM details WHERE id = ?", gone)
            self._db.executemany("UPDATE holdings SET detail_bytes = 0 WHERE id = ?", gone)
            self._db.executemany("DELETE FROM scans WHERE id = ?", flat)
            self._db.executemany("UPDATE holdings SET scan_bytes = 0 WHERE id = ?", flat)
            empty = "DELETE FROM holdings WHERE id = ? AND picture_bytes + detail_bytes + scan_bytes = 0"
            self._db.executemany(empty, keys + gone + flat)
            for name, dropped in ((DETAILS_DROPPED, gone), (SCANS_DROPPED, flat)):
                if dropped:
                    self._db.execute(
                        "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1", (name,)
                    )

    def detail_bytes(self) -> int:
        """Bytes of all the vectors of tiles."""
        with self._db.explained():
            (total,) = self._db.execute("SELECT coalesce(sum(detail_bytes), 0) FROM holdings").fetchone()
        return int(total)

    def generation(self) -> int:
        """How often tiles were dropped: a view that was folded before the last time holds more than the log does."""
        return self._count(DETAILS_DROPPED)

    def scan_generation(self) -> int:
        """The same for scans and the maps that are folded from them."""
        return self._count(SCANS_DROPPED)

    def _count(self, name: str) -> int:
        with self._db.explained():
            row = self._db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def add_visits(self, visits: Mapping[RecordId, tuple[int, float]]) -> None:
        """Store how many times more, and when last (stream time, seconds), records were recalled."""
        rows = [(self._log.key_of(record_id), count, last) for record_id, (count, last) in visits.items()]
        with self._db.explained(), self._db.transaction():
            self._db.executemany(
                "INSERT INTO visits VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "count = count + excluded.count, last_s = max(last_s, excluded.last_s)",
                rows,
            )
