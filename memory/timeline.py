"""The table behind every index: which record an item is, when and where it was, and what stands beside it in time."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Mapping

import numpy as np

from placecell.memory.records import Moment, Record, RecordId

__all__ = ["Timeline"]

_KINDS = ("moment", "text")


class Timeline:
    """Moments and texts by *item*, a small integer that indexes use instead of a record's id.

    Items are given in the order in which records are folded; nothing that is shown to people may depend on them.

    Args:
        read: Gets a whole record from the log.

    Example:
        >>> table = Timeline(lambda record_id: None)
        >>> first, second = (table.add(Record("robot", seq, "text", float(seq), float(seq))) for seq in (1, 2))
        >>> table.moment(second).stamp_s, table.neighbours(first)
        (2.0, [1])
    """

    def __init__(self, read: Callable[[RecordId], Record | None]) -> None:
        self._read = read
        self._agents: list[str] = []
        self._numbers: dict[str, int] = {}
        self._streams: list[array[int]] = []  # items of each agent, in the order of time
        self._events: list[int] = []  # number of the last event of each agent
        self._label_sets: list[tuple[str, ...]] = [()]
        self._label_numbers: dict[tuple[str, ...], int] = {(): 0}
        self._agent: array[int] = array("i")
        self._seq: array[int] = array("q")
        self._kind: array[int] = array("b")
        self._event: array[int] = array("i")
        self._labels: array[int] = array("i")
        self._place: array[int] = array("q")  # where the item stands in its stream
        self._span: array[float] = array("d")  # stamp_s, end_s
        self._position: array[float] = array("d")  # x, y, z; NaN where unknown

    def __len__(self) -> int:
        return len(self._seq)

    @property
    def nbytes(self) -> int:
        """About how much RAM the table takes."""
        return 70 * len(self._seq)

    def add(self, record: Record) -> int:
        """Fold in the next record of its agent; returns its item."""
        number = self._numbers.get(record.agent_id)
        if number is None:
            number = self._numbers[record.agent_id] = len(self._agents)
            self._agents.append(record.agent_id)
            self._streams.append(array("q"))
            self._events.append(0)
        if record.labels not in self._label_numbers:
            self._label_numbers[record.labels] = len(self._label_sets)
            self._label_sets.append(record.labels)
        item = len(self._seq)
        self._events[number] += record.is_event_start
        self._agent.append(number)
        self._seq.append(record.seq)
        self._kind.append(_KINDS.index(record.kind))
        self._event.append(self._events[number])
        self._labels.append(self._label_numbers[record.labels])
        self._place.append(len(self._streams[number]))
        self._span.extend((record.stamp_s, record.end_s))
        self._position.extend(record.position_m or (math.nan, math.nan, math.nan))
        self._streams[number].append(item)
        return item

    def item(self, record_id: RecordId) -> int | None:
        """Item of a record; None if it is not folded."""
        number = self._numbers.get(record_id.agent_id)
        if number is None:
            return None
        stream = self._streams[number]
        lo, hi = 0, len(stream)
        while lo < hi:
            middle = (lo + hi) // 2
            if self._seq[stream[middle]] < record_id.seq:
                lo = middle + 1
            else:
                hi = middle
        return stream[lo] if lo < len(stream) and self._seq[stream[lo]] == record_id.seq else None

    def moment(self, item: int) -> Moment:
        """Key, time, event, place and labels of an item."""
        x, y, z = self._position[3 * item : 3 * item + 3]
        return Moment(
            RecordId(self._agents[self._agent[item]], self._seq[item]),
            _KINDS[self._kind[item]],
            self._span[2 * item],
            self._span[2 * item + 1],
            self._event[item],
            None if math.isnan(x) else (x, y, z),
            self._label_sets[self._labels[item]],
        )

    def neighbours(self, item: int) -> list[int]:
        """Items right before and right after this one in the stream of its agent, in the order of time."""
        stream, place = self._streams[self._agent[item]], self._place[item]
        return [stream[i] for i in (place - 1, place + 1) if 0 <= i < len(stream)]

    def stream(self, agent_id: str) -> list[int]:
        """All items of an agent, in the order of time."""
        number = self._numbers.get(agent_id)
        return [] if number is None else self._streams[number].tolist()

    def record(self, item: int) -> Record:
        """The whole record, read from the log."""
        record = self._read(RecordId(self._agents[self._agent[item]], self._seq[item]))
        assert record is not None, "a folded record is in the log"
        return record

    def extent_s(self) -> tuple[float, float]:
        """First and last stamp of everything; zeros for an empty table."""
        ends = [(self._span[2 * stream[0]], stream[-1]) for stream in self._streams if len(stream)]
        if not ends:
            return 0.0, 0.0
        return min(start for start, _ in ends), max(self._span[2 * last + 1] for _, last in ends)

    # --- put away and read back ---------------------------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """Everything as arrays."""
        streams = [np.array(stream, dtype=np.int64) for stream in self._streams]
        return {
            "agents": _text(self._agents),
            "labels": _text([json.dumps(labels) for labels in self._label_sets]),
            "lengths": np.array([len(stream) for stream in streams], dtype=np.int64),
            "streams": np.concatenate(streams) if streams else np.empty(0, np.int64),
            "events": np.array(self._events, dtype=np.int64),
            "agent": np.array(self._agent, dtype=np.int32),
            "seq": np.array(self._seq, dtype=np.int64),
            "kind": np.array(self._kind, dtype=np.int8),
            "event": np.array(self._event, dtype=np.int32),
            "label": np.array(self._labels, dtype=np.int32),
            "place": np.array(self._place, dtype=np.int64),
            "span": np.array(self._span, dtype=np.float64),
            "position": np.array(self._position, dtype=np.float64),
        }

    @classmethod
    def from_state(cls, read: Callable[[RecordId], Record | None], state: Mapping[str, np.ndarray]) -> Timeline:
        """The table that `state` describes."""
        table = cls(read)
        table._agents = _lines(state["agents"])
        table._numbers = {name: number for number, name in enumerate(table._agents)}
        table._label_sets = [tuple(json.loads(line)) for line in _lines(state["labels"])]
        table._label_numbers = {labels: number for number, labels in enumerate(table._label_sets)}
        start = 0
        for length in state["lengths"].tolist():
            table._streams.append(_array("q", state["streams"][start : start + length]))
            start += length
        table._events = state["events"].tolist()
        table._agent = _array("i", state["agent"])
        table._seq = _array("q", state["seq"])
        table._kind = _array("b", state["kind"])
        table._event = _array("i", state["event"])
        table._labels = _array("i", state["label"])
        table._place = _array("q", state["place"])
        table._span = _float_array(state["span"])
        table._position = _float_array(state["position"])
        return table


def _text(lines: list[str]) -> np.ndarray:
    return np.frombuffer("\0".join([*lines, ""]).encode(), np.uint8)


def _lines(data: np.ndarray) -> list[str]:
    return data.tobytes().decode().split("\0")[:-1]


def _array(code: str, values: np.ndarray) -> array[int]:
    found: array[int] = array(code)
    found.frombytes(np.ascontiguousarray(values, dtype=np.dtype(code)).tobytes())
    return found


def _float_array(values: np.ndarray) -> array[float]:
    found: array[float] = array("d")
    found.frombytes(np.ascontiguousarray(values, dtype=np.float64).tobytes())
    return found
