"""The log: every record that a memory holds, in one SQLite file.

A record's key is one integer, the agent's number above 40 bits of sequence, so that an agent's records lie side by
side in the file in the order in which they were made and need no second index. What a byte budget may take away
(pictures, and the vectors of tiles) lies in tables of its own; the row that says what was seen is never touched.

One process writes; others read at the same time and notice new records by `refresh`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from placecell.memory.database import Database
from placecell.memory.delta import Ranges
from placecell.memory.records import Record, RecordId
from placecell.perception.scene import Scene

__all__ = ["Log"]

_SHIFT = 40
_KINDS = ("moment", "text", "retraction")

_COLUMNS = (
    "r.id, r.kind, r.stamp_s, r.end_s, r.recorded_s, r.is_start, r.text, r.labels, r.source, r.target, r.pose, "
    "r.text_vector, r.vector, d.vectors, s.camera, s.detections, g.scan FROM records r "
    "LEFT JOIN details d ON d.id = r.id LEFT JOIN scenes s ON s.id = r.id "
    "LEFT JOIN scans g ON g.id = r.id"
)
_INSERT = "INSERT INTO records VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"


@dataclass(slots=True)
class _Agent:
    number: int
    name: str
    is_local: bool
    ranges: Ranges
    last_stamp_s: float  # of its last moment or text; -1 before the first

    @property
    def base(self) -> int:
        return self.number << _SHIFT


class Log:
    """Records on disk (`path`) or in RAM (None).

    Args:
        path: The SQLite file; created if absent and `is_writer`.
        is_writer: Whether records may be appended. The caller sees to it that there is one writer.

    Raises:
        MemoryCorruptError: If the file is no log or is damaged.
        MemoryVersionError: If a newer Placecell wrote it.

    Example:
        >>> log = Log()
        >>> log.append([Record("robot", 1, "text", 0.0, 0.0, text="hello")])
        >>> log.version(), log.get(RecordId("robot", 1)).text
        ({'robot': 1}, 'hello')
    """

    def __init__(self, path: Path | None = None, is_writer: bool = True) -> None:
        self._agents: dict[str, _Agent] = {}
        self._names: dict[int, str] = {}
        self._data_version = -1
        self.db = Database(path, is_writer)
        self.refresh()

    def close(self) -> None:
        """Close the file; the log cannot be used afterwards."""
        self.db.close()

    # --- what is here -------------------------------------------------------------------------------------------

    def refresh(self) -> dict[str, list[tuple[int, int]]]:
        """Notice what another process has written: the new records of each agent as closed intervals of `seq`."""
        with self.db.explained():
            data_version = self.db.data_version()
            if data_version == self._data_version:
                return {}
            with self.db.transaction("DEFERRED"):  # one snapshot for all of the reads
                before = {name: agent.ranges for name, agent in self._agents.items()}
                gaps: dict[int, list[tuple[int, int]]] = {}
                for number, lo, hi in self.db.execute("SELECT agent, lo, hi FROM gaps ORDER BY agent, lo"):
                    gaps.setdefault(number, []).append((lo, hi))
                for number, name, is_local in self.db.execute("SELECT number, name, is_local FROM agents"):
                    self._agents[name] = self._load_agent(number, name, bool(is_local), gaps.get(number, []))
                    self._names[number] = name
            self._data_version = data_version
        news = {name: agent.ranges.beyond(before.get(name, Ranges())) for name, agent in self._agents.items()}
        return {name: intervals for name, intervals in news.items() if intervals}

    def _load_agent(self, number: int, name: str, is_local: bool, gaps: list[tuple[int, int]]) -> _Agent:
        base = number << _SHIFT
        span = (base, base + (1 << _SHIFT) - 1)
        (top,) = self.db.execute("SELECT max(id) FROM records WHERE id BETWEEN ? AND ?", span).fetchone()
        last = self.db.execute(
            "SELECT stamp_s FROM records WHERE id BETWEEN ? AND ? AND kind < 2 ORDER BY id DESC LIMIT 1", span
        ).fetchone()
        ranges = Ranges(0 if top is None else top - base, gaps)
        return _Agent(number, name, is_local, ranges, -1.0 if last is None else last[0])

    def __len__(self) -> int:
        return sum(len(agent.ranges) for agent in self._agents.values())

    def __contains__(self, record_id: RecordId) -> bool:
        agent = self._agents.get(record_id.agent_id)
        return agent is not None and record_id.seq in agent.ranges

    def agents(self) -> tuple[str, ...]:
        """Names of the agents that have records here, sorted."""
        return tuple(sorted(name for name, agent in self._agents.items() if agent.ranges.top))

    def has_scenes(self) -> bool:
        """Whether any record tells of things or of depth."""
        return self.db.execute("SELECT 1 FROM scenes LIMIT 1").fetchone() is not None

    def is_local(self, agent_id: str) -> bool:
        """Whether this log, and no peer, is where the agent's records were first written."""
        agent = self._agents.get(agent_id)
        return agent is not None and agent.is_local

    def version(self) -> dict[str, int]:
        """The version vector: for each agent the last record of the unbroken run from 1."""
        return {name: self._agents[name].ranges.prefix for name in self.agents()}

    def ranges(self, agent_id: str) -> Ranges:
        """Which records of an agent are here."""
        agent = self._agents.get(agent_id)
        return Ranges() if agent is None else agent.ranges.copy()

    def top(self, agent_id: str) -> int:
        """Largest number of a record of the agent; 0 if there is none."""
        agent = self._agents.get(agent_id)
        return 0 if agent is None else agent.ranges.top

    def last_stamp_s(self, agent_id: str) -> float:
        """Stamp of the agent's last moment or text; -1 if there is none."""
        agent = self._agents.get(agent_id)
        return -1.0 if agent is None else agent.last_stamp_s

    # --- writing ------------------------------------------------------------------------------------------------

    def append(
        self,
        records: Sequence[Record],
        pictures: Mapping[RecordId, bytes] | None = None,
        journal: Mapping[str, Any] | None = None,
        is_local: bool = True,
    ) -> None:
        """Write records, their pictures and journal entries in one transaction: all of it is durable, or none.

        Records that are here already are the caller's to leave out.

        Raises:
            PlacecellError: If the disk is full; what was written before is intact.
        """
        pictures = pictures or {}
        with self.db.explained():
            if len(records) == 1 and not pictures and not journal and self._is_plain(records[0], is_local):
                # The usual write of a running agent: one row, one statement, no transaction to open and close.
                record = records[0]
                self.db.execute(_INSERT, self._row(record, self._agents[record.agent_id].base))
                agent = self._agents[record.agent_id]
                agent.ranges.top = record.seq
                if record.kind != "retraction":
                    agent.last_stamp_s = record.stamp_s
                return
            touched: dict[str, _Agent] = {}
            with self.db.transaction():
                for record in records:
                    agent = touched.get(record.agent_id) or self._touch(record.agent_id, is_local, touched)
                    agent.ranges.add(record.seq)
                    if record.kind != "retraction" and record.seq >= agent.ranges.top:
                        agent.last_stamp_s = record.stamp_s
                    if record.target is not None and record.target.agent_id not in touched:
                        self._touch(record.target.agent_id, False, touched)
                self.db.executemany(_INSERT, (self._keyed(record, touched) for record in records))
                for record in records:
                    self._insert_extras(record, touched, pictures.get(record.record_id) if pictures else None)
                for record_id in pictures.keys() - {record.record_id for record in records} if pictures else ():
                    self._insert_picture(record_id, pictures[record_id])
                self._save_gaps(touched)
                for key, value in (journal or {}).items():
                    self.db.execute("INSERT OR REPLACE INTO journal VALUES (?, ?)", (key, json.dumps(value)))
            for name, agent in touched.items():  # only now: a failed transaction must leave no trace here either
                self._agents[name] = agent
                self._names[agent.number] = name

    def _is_plain(self, record: Record, is_local: bool) -> bool:
        agent = self._agents.get(record.agent_id)
        if agent is None or record.seq != agent.ranges.top + 1 or agent.is_local != is_local:
            return False
        if record.target is not None or record.scene is not None:
            return False
        return record.embeddings is None or len(record.embeddings) == 1

    def _touch(self, name: str, is_local: bool, touched: dict[str, _Agent]) -> _Agent:
        known = self._agents.get(name)
        if known is None:
            row = self.db.execute("SELECT coalesce(max(number), 0) + 1 FROM agents").fetchone()
            known = _Agent(row[0], name, is_local, Ranges(), -1.0)
            self.db.execute("INSERT INTO agents VALUES (?, ?, ?)", (known.number, name, int(is_local)))
        elif is_local and not known.is_local:
            self.db.execute("UPDATE agents SET is_local = 1 WHERE number = ?", (known.number,))
        is_local = is_local or known.is_local
        touched[name] = _Agent(known.number, name, is_local, known.ranges.copy(), known.last_stamp_s)
        return touched[name]

    def _row(self, record: Record, base: int, target: int | None = None) -> tuple[Any, ...]:
        vectors = record.embeddings
        text_vector = record.text_embedding
        return (
            base + record.seq,
            _KINDS.index(record.kind),
            record.stamp_s,
            record.end_s,
            record.recorded_s,
            1 if record.is_event_start else 0,
            record.text or None,
            json.dumps(record.labels) if record.labels else None,
            record.source or None,
            target,
            None if record.pose is None else np.asarray(record.pose[:3], dtype="<f8").tobytes(),
            None if text_vector is None else np.asarray(text_vector, dtype="<f2").tobytes(),
            None if vectors is None else np.asarray(vectors[0], dtype="<f2").tobytes(),
        )

    def _keyed(self, record: Record, agents: Mapping[str, _Agent]) -> tuple[Any, ...]:
        target = None if record.target is None else agents[record.target.agent_id].base + record.target.seq
        return self._row(record, agents[record.agent_id].base, target)

    def _insert_extras(self, record: Record, agents: Mapping[str, _Agent], jpeg: bytes | None) -> None:
        """What stands in other tables than the records."""
        base = agents[record.agent_id].base
        detail = b""
        if record.embeddings is not None and len(record.embeddings) > 1:
            detail = np.asarray(record.embeddings[1:], dtype="<f2").tobytes()
            self.db.execute("INSERT INTO details VALUES (?, ?)", (base + record.seq, detail))
        if jpeg is not None:
            self.db.execute("INSERT INTO pictures VALUES (?, ?)", (base + record.seq, jpeg))
        scene, scan = record.scene, b""
        if scene is not None:
            row = (base + record.seq, scene.camera_bytes, scene.detection_bytes)
            self.db.execute("INSERT INTO scenes VALUES (?, ?, ?)", row)
            scan = scene.scan_bytes or b""
        if scan:
            self.db.execute("INSERT INTO scans VALUES (?, ?)", (base + record.seq, scan))
        if detail or jpeg or scan:
            held = (base + record.seq, record.stamp_s, len(jpeg or b""), len(detail), len(scan))
            self.db.execute("INSERT INTO holdings VALUES (?, ?, ?, ?, ?)", held)

    def _insert_picture(self, record_id: RecordId, jpeg: bytes) -> None:
        """Add the picture of a record that came earlier without it."""
        if record_id not in self or self.picture(record_id) is not None:
            return
        key = self.key_of(record_id)
        self.db.execute("INSERT INTO pictures VALUES (?, ?)", (key, jpeg))
        self.db.execute(
            "INSERT INTO holdings SELECT id, stamp_s, ?, 0, 0 FROM records WHERE id = ? "
            "ON CONFLICT (id) DO UPDATE SET picture_bytes = excluded.picture_bytes",
            (len(jpeg), key),
        )

    def _save_gaps(self, touched: Mapping[str, _Agent]) -> None:
        for name, agent in touched.items():
            before = self._agents.get(name)
            if agent.ranges.missing != (before.ranges.missing if before else []):
                self.db.execute("DELETE FROM gaps WHERE agent = ?", (agent.number,))
                rows = [(agent.number, lo, hi) for lo, hi in agent.ranges.missing]
                self.db.executemany("INSERT INTO gaps VALUES (?, ?, ?)", rows)

    # --- reading ------------------------------------------------------------------------------------------------

    def get(self, record_id: RecordId) -> Record | None:
        """The record with this id, or None."""
        if record_id not in self:
            return None
        with self.db.explained():
            row = self.db.execute(f"SELECT {_COLUMNS} WHERE r.id = ?", (self.key_of(record_id),)).fetchone()
        return None if row is None else self._record(row)

    def scan(self, agent_id: str, lo: int = 1, hi: int | None = None, texts_only: bool = False) -> Iterator[Record]:
        """Records of one agent with `lo <= seq <= hi`, in the order in which they were made.

        The records are read in blocks; a block is one consistent state of the file. With `texts_only` those without a
        text are left out.
        """
        agent = self._agents.get(agent_id)
        if agent is None:
            return
        end = agent.base + min(agent.ranges.top if hi is None else hi, agent.ranges.top)
        start = agent.base + lo
        which = " AND r.text IS NOT NULL" if texts_only else ""
        query = f"SELECT {_COLUMNS} WHERE r.id BETWEEN ? AND ?{which} ORDER BY r.id LIMIT 512"
        while start <= end:
            with self.db.explained():
                rows = self.db.execute(query, (start, end)).fetchall()
            if not rows:
                return
            for row in rows:
                yield self._record(row)
            start = rows[-1][0] + 1

    def first_seq_from(self, agent_id: str, stamp_s: float) -> int:
        """Smallest `seq` from which on no moment or text of the agent is stamped before `stamp_s`.

        Stamps never run backwards within an agent, so this is a binary search of a few seeks.
        """
        agent = self._agents.get(agent_id)
        if agent is None:
            return 1
        lo, hi = 1, agent.ranges.top + 1
        query = "SELECT id, stamp_s FROM records WHERE id BETWEEN ? AND ? AND kind < 2 ORDER BY id LIMIT 1"
        with self.db.explained():
            while lo < hi:
                middle = (lo + hi) // 2
                row = self.db.execute(query, (agent.base + middle, agent.base + hi - 1)).fetchone()
                if row is None or row[1] >= stamp_s:
                    hi = middle
                else:
                    lo = row[0] - agent.base + 1
        return lo

    def retractions(self) -> list[tuple[RecordId, RecordId, float]]:
        """Every retraction as (its id, its target, its stamp)."""
        query = "SELECT id, target, stamp_s FROM records WHERE target IS NOT NULL"
        with self.db.explained():
            rows = self.db.execute(query).fetchall()
        return [(self.id_of(key), self.id_of(target), stamp) for key, target, stamp in rows]

    def picture(self, record_id: RecordId) -> bytes | None:
        """JPEG bytes of a record's picture, or None if it has none or it was forgotten."""
        if record_id.agent_id not in self._agents:
            return None
        with self.db.explained():
            row = self.db.execute("SELECT jpeg FROM pictures WHERE id = ?", (self.key_of(record_id),)).fetchone()
        return None if row is None else bytes(row[0])

    def vectors(self, record_ids: Iterable[RecordId]) -> list[np.ndarray | None]:
        """Whole-view vector of each record, float16 `(d,)`, None where a record has none."""
        found: list[np.ndarray | None] = []
        with self.db.explained():
            for record_id in record_ids:
                row = self.db.execute("SELECT vector FROM records WHERE id = ?", (self.key_of(record_id),)).fetchone()
                found.append(None if row is None or row[0] is None else np.frombuffer(row[0], dtype="<f2"))
        return found

    def journal(self, key: str) -> Any:
        """The value last stored under `key`, or None."""
        with self.db.explained():
            row = self.db.execute("SELECT value FROM journal WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    # --- conversions --------------------------------------------------------------------------------------------

    def key_of(self, record_id: RecordId) -> int:
        """The integer under which the record of a known agent is stored."""
        return self._agents[record_id.agent_id].base + record_id.seq

    def id_of(self, key: int) -> RecordId:
        """The record that is stored under this integer."""
        return RecordId(self._names[key >> _SHIFT], key & ((1 << _SHIFT) - 1))

    def _record(self, row: Sequence[Any]) -> Record:
        *row, camera, detections, scan = row
        key, kind, stamp, end, recorded, is_start, text, labels, source, target, pose, text_vector, vector, tiles = row
        is_bare = camera is None and detections is None and scan is None
        embeddings = None
        if vector is not None:
            embeddings = np.frombuffer(vector + (tiles or b""), dtype="<f2").reshape(-1, len(vector) // 2)
        matrix = None
        if pose is not None:
            matrix = np.eye(4)
            matrix[:3] = np.frombuffer(pose, dtype="<f8").reshape(3, 4)
        agent_id, seq = self.id_of(key)
        return Record(
            agent_id=agent_id,
            seq=seq,
            kind=_KINDS[kind],
            stamp_s=stamp,
            end_s=end,
            embeddings=embeddings,
            text=text or "",
            text_embedding=None if text_vector is None else np.frombuffer(text_vector, dtype="<f2"),
            labels=tuple(json.loads(labels)) if labels else (),
            pose=matrix,
            source=source or "",
            is_event_start=bool(is_start),
            target=None if target is None else self.id_of(target),
            recorded_s=recorded,
            scene=None if is_bare else Scene(camera, detections, scan),
        )
