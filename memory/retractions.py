"""Which records no longer hold, now or as of an earlier time."""

from __future__ import annotations

import math
from collections.abc import Iterable

from placecell.memory.records import Record, RecordId

__all__ = ["Retractions"]


class Retractions:
    """A view of the log: who takes back whom.

    A record is retracted if some retraction of it holds; a retraction may itself be retracted, and the record then
    holds again. The answer depends on which records there are, not on the order in which they came.

    Example:
        >>> mug, wrong, not_wrong = (RecordId("robot", seq) for seq in (1, 2, 3))
        >>> view = Retractions([(wrong, mug, 10.0), (not_wrong, wrong, 20.0)])
        >>> view.holds(mug), view.holds(mug, as_of=15.0), view.holds(mug, as_of=5.0)
        (True, False, True)
    """

    def __init__(self, rows: Iterable[tuple[RecordId, RecordId, float]] = ()) -> None:
        self._of: dict[RecordId, list[tuple[RecordId, float]]] = {}
        for record_id, target, stamp_s in rows:
            self._note(record_id, target, stamp_s)

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def fold(self, records: Iterable[Record]) -> None:
        """Take in new records; all but retractions are passed over."""
        for record in records:
            if record.target is not None:
                self._note(record.record_id, record.target, record.stamp_s)

    def _note(self, record_id: RecordId, target: RecordId, stamp_s: float) -> None:
        known = self._of.setdefault(target, [])
        if (record_id, stamp_s) not in known:
            known.append((record_id, stamp_s))

    def of(self, record_id: RecordId) -> list[RecordId]:
        """Retractions of this record, whether they hold or not, in the order of their ids."""
        return sorted(by for by, _ in self._of.get(record_id, ()))

    def holds(self, record_id: RecordId, as_of: float | None = None) -> bool:
        """Whether no retraction stamped up to `as_of` (stream time, seconds) takes the record back and itself holds."""
        return self._holds(record_id, math.inf if as_of is None else as_of, frozenset())

    def _holds(self, record_id: RecordId, as_of: float, above: frozenset[RecordId]) -> bool:
        # `above` breaks circles, which no memory writes but a peer might send.
        return not any(
            stamp <= as_of and by not in above and self._holds(by, as_of, above | {record_id})
            for by, stamp in self._of.get(record_id, ())
        )

    def hidden(self, as_of: float | None = None) -> set[RecordId]:
        """Records that do not hold as of then."""
        return {record_id for record_id in self._of if not self.holds(record_id, as_of)}
