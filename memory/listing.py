"""Records in the order of time, without a question: what held when, of whom."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator

from placecell.memory.log import Log
from placecell.memory.records import Record
from placecell.memory.retractions import Retractions

__all__ = ["listed"]


def listed(
    log: Log,
    retractions: Retractions,
    between: tuple[float, float] | None,
    agents: Iterable[str] | None,
    as_of: float | None,
    include_retracted: bool,
) -> Iterator[Record]:
    """See `placecell.memory.memory.Memory.records`."""
    low, high = (-math.inf, math.inf) if between is None else between
    high = min(high, math.inf if as_of is None else as_of)
    known = log.agents()
    names = known if agents is None else [name for name in sorted(set(agents)) if name in known]

    def of(name: str) -> Iterator[Record]:
        for record in log.scan(name, 1 if low <= 0 else log.first_seq_from(name, low)):
            if record.kind == "retraction":
                is_wanted = include_retracted  # one may be stamped earlier than what stands before it
            elif record.stamp_s > high and not include_retracted:
                return
            else:
                is_wanted = include_retracted or retractions.holds(record.record_id, as_of)
            if is_wanted and low <= record.stamp_s <= high:
                yield record

    yield from heapq.merge(*map(of, names), key=lambda r: (r.stamp_s, r.agent_id, r.seq))
