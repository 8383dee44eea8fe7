"""`Memory`, the one class that people use: a log of records, and the views that answer questions from it."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from placecell.errors import UnknownRecordError
from placecell.memory.answers import Answers
from placecell.memory.budget import Eviction, Gate
from placecell.memory.delta import Delta, Ranges
from placecell.memory.exchange import delta_since, fresh_records, is_private, lacking
from placecell.memory.folder import LOG
from placecell.memory.forgetting import Budget, folder_bytes, record_bytes
from placecell.memory.holdings import Holdings
from placecell.memory.home import Home
from placecell.memory.intake import Intake
from placecell.memory.listing import listed
from placecell.memory.log import Log
from placecell.memory.pictures import from_jpeg
from placecell.memory.queries import Query
from placecell.memory.recall import Recollections
from placecell.memory.records import Record, RecordId
from placecell.perception.observation import Observation

if TYPE_CHECKING:
    from placecell.memory.facts import FactGraph
    from placecell.memory.forest import Forest
    from placecell.memory.objects import ObjectMap
    from placecell.memory.places import Places
    from placecell.memory.snapshots import SnapshotCover
    from placecell.perception.encoders import Encoder
    from placecell.perception.objects import Detector

__all__ = ["Memory"]


class Memory:
    """What agents saw, heard and read; where and when.

    Without a folder the memory lives in RAM and behaves the same. A folder has one writer and any number of readers
    at a time, in other processes too; a record whose id was returned survives the death of the process.

    Args:
        encoder: What turns pictures and words into vectors: an object, a name, or None for the one that the memory
            was made with (a new memory: the default one). It is loaded when something has to be embedded, not before.
        text_encoder: The same for speech and captions; None for none.
        folder: Where the memory lives; None for RAM.
        mode: "a" to write (the folder is created if absent), "r" to read.
        max_bytes: Cap on the bytes of the folder, and on those in RAM; pictures go first, then the vectors of tiles.
        eviction: In which order they go, see `placecell.memory.budget`; by default first in, first out.
        gate: Decides which moments are worth a record; by default all are.
        detector: Finds the things in pictures that come with depth, camera and pose: an object, a name (see
            `placecell.perception.objects.open_detector`), or None for none.
        clock: Wall clock in Unix seconds, for `Record.recorded_s`.

    Raises:
        MemoryCorruptError: If the folder is incomplete or damaged.
        MemoryVersionError: If a newer Placecell wrote it.
        MemoryLockedError: If another process writes it and `mode` is "a".
        EncoderMismatchError: If the memory belongs to another encoder.

    Example:
        >>> memory = Memory()
        >>> (record_id,) = memory.observe(Observation(stamp_s=3.2, text="the keys are on the shelf"))
        >>> str(record_id), memory.get(record_id).text
        ('agent/1', 'the keys are on the shelf')
    """

    def __init__(
        self,
        encoder: Encoder | str | None = None,
        text_encoder: Encoder | str | None = None,
        *,
        folder: str | Path | None = None,
        mode: Literal["a", "r"] = "a",
        max_bytes: int | None = None,
        eviction: Eviction | None = None,
        gate: Gate | None = None,
        detector: Detector | str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._mutex = threading.RLock()
        self._home = Home(None if folder is None else Path(folder), mode, encoder, text_encoder)
        try:
            self._log = Log(None if self._home.folder is None else self._home.folder / LOG, is_writer=mode == "a")
            try:
                self._holdings = Holdings(self._log)
                self._answers = Answers(self._home, self._log, self._holdings)
                self._intake = Intake(self._home, self._log, gate, clock, detector)
                self._budget = self._budget_of(eviction, max_bytes)
                self._home.settle()
            except BaseException:
                self._log.close()
                raise
        except BaseException:
            self._home.release()
            raise
        self._finalizer = weakref.finalize(self, _release, self._log, self._home)

    def _budget_of(self, eviction: Eviction | None, max_bytes: int | None) -> Budget:
        answers = self._answers
        return Budget(
            self._log, self._holdings, eviction, max_bytes, answers.nbytes, answers.store_visits, answers.lose_details
        )

    @classmethod
    def open(
        cls,
        folder: str | Path,
        encoder: Encoder | str | None = None,
        text_encoder: Encoder | str | None = None,
        mode: Literal["a", "r"] = "a",
        max_bytes: int | None = None,
        *,
        eviction: Eviction | None = None,
        gate: Gate | None = None,
        detector: Detector | str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Memory:
        """Open the memory in `folder`; see `Memory` for the arguments and what may go wrong."""
        return cls(
            encoder,
            text_encoder,
            folder=folder,
            mode=mode,
            max_bytes=max_bytes,
            eviction=eviction,
            gate=gate,
            detector=detector,
            clock=clock,
        )

    def close(self) -> None:
        """Put the views away and let others write. A closed memory cannot be used; closing twice does no harm."""
        with self._mutex:
            if not self._finalizer.alive:
                return
            try:
                self.flush()
            finally:
                self._finalizer()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what it is ---------------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path | None:
        """Where the memory lives; None for RAM."""
        return self._home.folder

    @property
    def mode(self) -> str:
        """Whether it can be written ("a") or only read ("r")."""
        return self._home.mode

    @property
    def encoder(self) -> Encoder:
        """The image encoder, loaded now if it was not yet.

        Raises:
            ModelUnavailableError: If its weights are neither here nor can be fetched.
            EncoderMismatchError: If it is not the one that the memory belongs to.
        """
        with self._mutex:
            return self._home.encoder("encoder")

    @property
    def text_encoder(self) -> Encoder | None:
        """The encoder of speech and captions, loaded now if it was not yet; None if the memory has none."""
        with self._mutex:
            return self._home.encoder("text_encoder") if self._home.has("text_encoder") else None

    @property
    def encoder_name(self) -> str | None:
        """Name of the encoder that made the memory's image vectors; None before the first one. Loads nothing."""
        return self._home.name_of("encoder")

    @property
    def text_encoder_name(self) -> str | None:
        """Name of the encoder that made the vectors of words; None if there are none. Loads nothing."""
        return self._home.name_of("text_encoder")

    def nbytes(self) -> int:
        """Bytes of the folder, or of RAM for a memory without one."""
        with self._mutex:
            if self.folder is not None:
                return folder_bytes(self.folder)
            return self._log.db.nbytes() + self._answers.nbytes()

    # --- writing ------------------------------------------------------------------------------------------------

    def observe(self, observation: Observation) -> list[RecordId]:
        """Remember one moment; its ids are returned once it is durable.

        A picture (or vectors) and words of one moment make two records, in this order. Nothing to remember, no ids.

        Raises:
            ValueError: If the stamp lies before the agent's last one. Nothing is written then.
            EncoderMismatchError: If the vectors are not of this memory's encoder.
            PlacecellError: If the disk is full; earlier records are intact.
        """
        return self.observe_many((observation,))

    def observe_many(
        self, observations: Iterable[Observation], journal: Mapping[str, Any] | None = None
    ) -> list[RecordId]:
        """Remember several moments in one transaction, all or none; many times faster than one by one.

        Args:
            observations: Moments, each agent's in the order of time.
            journal: Values (of JSON) to store in the same transaction; see `journal`.
        """
        with self._mutex:
            self._home.must_write()
            records, pictures = self._intake.records_of(list(observations))
            if records or journal:
                self._append(records, pictures, journal)
            return [record.record_id for record in records]

    def retract(self, record_id: RecordId, reason: str = "", stamp_s: float | None = None) -> RecordId:
        """Say that a record no longer holds. Nothing is erased: `history` and `as_of` still know it.

        Args:
            record_id: What to take back; a retraction may itself be taken back.
            reason: Why, in words.
            stamp_s: From when on (stream time); by default the latest stamp of the target's agent.

        Returns:
            Id of the retraction. It belongs to the target's agent where that agent writes into this memory; another
            agent's numbers are its own to give, so that elsewhere it belongs to an agent of this memory.

        Raises:
            UnknownRecordError: If there is no such record.
        """
        with self._mutex:
            self._home.must_write()
            record = self._intake.retraction_of(self.get(record_id), reason, stamp_s)
            self._append([record])
            return record.record_id

    def _append(
        self,
        records: Sequence[Record],
        pictures: Mapping[RecordId, bytes] | None = None,
        journal: Mapping[str, Any] | None = None,
        is_local: bool = True,
    ) -> None:
        """Make room, write, fold."""
        if self._budget.max_bytes is not None:
            size = sum(map(record_bytes, records)) + sum(map(len, (pictures or {}).values()))
            self._budget.admit(size)
        self._log.append(records, pictures, journal, is_local)
        self._answers.fold(records)

    def forget(self, max_bytes: int, eviction: Eviction | None = None) -> int:
        """Drop pictures, then the vectors of tiles, until the memory fits; never the fact that something was seen.

        Args:
            max_bytes: What the memory may take from now until it is written to again; for a lasting cap, open it with
                `max_bytes`.
            eviction: In which order; by default the memory's own strategy.

        Returns:
            How many bytes were given back.

        Raises:
            PlacecellError: If it cannot be made that small. Everything that can be forgotten is then gone.
        """
        with self._mutex:
            self._home.must_write()
            before = self.nbytes()
            self._answers.discard()  # first what costs nothing but time
            self._budget.shrink(max_bytes, eviction)
            return max(before - self.nbytes(), 0)

    def flush(self) -> None:
        """Put away what only saves time, visits and views. Records need no flush: they are durable at once."""
        with self._mutex:
            self._answers.store(self._budget.max_bytes)

    # --- recall -------------------------------------------------------------------------------------------------

    def recall(
        self,
        query: str | Query | np.ndarray,
        *,
        near: tuple[Sequence[float], float] | None = None,
        between: tuple[float, float] | None = None,
        agents: Iterable[str] | None = None,
        labels: Iterable[str] | None = None,
        as_of: float | None = None,
        k: int = 5,
        diversify: bool = True,
    ) -> Recollections:
        """The `k` records that answer a query best, best first, each with the chance that it does.

        Args:
            query: Words, an image uint8 `(h, w, 3)`, or a vector `(d,)` of the memory's encoder.
            near: A point (metres, world frame) and a radius.
            between: Two stamps; records whose time meets the interval, ends included.
            agents: Only records of these agents.
            labels: Only records with all of these labels.
            as_of: The memory as it was at this stamp of stream time: what was stamped later, retractions included,
                does not count.
            k: Number of hits wanted.
            diversify: Give one hit of each event before a second one of any.

        Returns:
            Hits, also when none is good: a `probability` below `placecell.memory.recall.NO_MATCH_BELOW` means "no
            match". `notes` says what was not understood. Empty for an empty memory.

        Raises:
            ValueError: If the query is empty or an argument is malformed.
            EncoderMismatchError: If the query is a vector of another length.
            ModelUnavailableError: If the query needs an encoder that is not at hand, and there are no words to search
                instead.
        """
        with self._mutex:
            return self._answers.recall(
                query, near=near, between=between, agents=agents, labels=labels, as_of=as_of, k=k, diversify=diversify
            )

    def explain(self, query: str | Query | np.ndarray) -> tuple[str, ...]:
        """How a query is understood, line by line."""
        with self._mutex:
            return self._answers.explain(query)

    @property
    def forest(self) -> Forest:
        """The trees over time (events, episodes) and the one over space (rooms, things), with summaries of them."""
        with self._mutex:
            return self._answers.forest()

    @property
    def objects(self) -> ObjectMap:
        """The things that were seen: where they are, what they may be called, and what became of them.

        Empty unless observations came with detections, or with depth, camera and pose and a `detector`.
        """
        with self._mutex:
            return self._answers.scene().objects()

    @property
    def places(self) -> Places:
        """The map: free floor, rooms, doors and frontiers; empty unless observations came with depth and pose."""
        with self._mutex:
            return self._answers.scene().places()

    @property
    def snapshots(self) -> SnapshotCover:
        """The fewest kept views that show every object."""
        with self._mutex:
            return self._answers.scene().snapshots()

    @property
    def facts(self) -> FactGraph:
        """What holds between things, rooms and words; from when to when, and since when it is known."""
        with self._mutex:
            return self._answers.scene().facts()

    def refresh(self) -> bool:
        """Notice what a writer in another process has written; says whether there was anything. Costs microseconds.

        `recall` does so by itself.
        """
        with self._mutex:
            return self._answers.refresh()

    # --- reading ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        with self._mutex:
            return len(self._log)

    def get(self, record_id: RecordId) -> Record:
        """The record with this id.

        Raises:
            UnknownRecordError: If there is none.
        """
        with self._mutex:
            record = self._log.get(_as_id(record_id))
            if record is None:
                raise UnknownRecordError(f"no record {_as_id(record_id)} is in this memory")
            return record

    def history(self, record_id: RecordId) -> list[Record]:
        """The record, and what retracts it, and what retracts that, in this order."""
        with self._mutex:
            found = [self.get(record_id)]
            for record in found:  # grows while it is read
                found += [
                    self.get(by) for by in self._answers.retractions.of(record.record_id) if by not in _ids(found)
                ]
            return found

    def is_retracted(self, record_id: RecordId, as_of: float | None = None) -> bool:
        """Whether a retraction that itself holds (and was stamped up to `as_of`) takes the record back."""
        with self._mutex:
            return not self._answers.retractions.holds(_as_id(record_id), as_of)

    def picture(self, record_id: RecordId) -> np.ndarray | None:
        """The picture that a moment kept, uint8 `(h, w, 3)`; None if it had none or the budget took it.

        Raises:
            UnknownRecordError: If there is no such record.
        """
        jpeg = self.picture_jpeg(record_id)
        if jpeg is None:
            return None
        return from_jpeg(jpeg)

    def picture_jpeg(self, record_id: RecordId) -> bytes | None:
        """The same as JPEG bytes, as they are stored."""
        with self._mutex:
            self.get(record_id)
            return self._log.picture(_as_id(record_id))

    def agents(self) -> tuple[str, ...]:
        """Names of the agents that have records here, sorted."""
        with self._mutex:
            return self._log.agents()

    def version(self) -> dict[str, int]:
        """The version vector: for each agent the last record of the unbroken run from 1."""
        with self._mutex:
            return self._log.version()

    def records(
        self,
        between: tuple[float, float] | None = None,
        agents: Iterable[str] | None = None,
        as_of: float | None = None,
        include_retracted: bool = False,
    ) -> Iterator[Record]:
        """Moments and texts in the order of time, agents with equal stamps in the order of their names.

        Args:
            between: Only those that begin within these two stamps, both included.
            agents: Only those of these agents.
            as_of: The memory as it was at this stamp: later records, and later retractions, do not count.
            include_retracted: Also give what was retracted, and the retractions themselves.
        """
        return listed(self._log, self._answers.retractions, between, agents, as_of, include_retracted)

    def journal(self, key: str) -> Any:
        """The value that `observe_many(..., journal=...)` last stored under `key`, or None."""
        with self._mutex:
            return self._log.journal(key)

    # --- sharing ------------------------------------------------------------------------------------------------

    def delta(self, since: Mapping[str, int], max_bytes: int | None = None, pictures: bool = False) -> Delta:
        """Records that a memory with the version vector `since` lacks, oldest first; private ones stay here.

        Args:
            since: The other memory's `version()`; empty for everything.
            max_bytes: Most bytes that the delta may take on the wire; what does not fit comes with the next one.
            pictures: Whether to send pictures too.

        Raises:
            ValueError: If a version is negative or no integer, or `max_bytes` has no room for a single record.
        """
        with self._mutex:
            return delta_since(self._log, self._home, since, max_bytes, pictures)

    def have(self) -> dict[str, Ranges]:
        """For each agent the numbers of its records that are here: the version vector with what lies beyond a gap."""
        with self._mutex:
            return {name: self._log.ranges(name) for name in self._log.agents()}

    def own_agents(self) -> tuple[str, ...]:
        """The agents whose records were first written here, sorted."""
        with self._mutex:
            return tuple(name for name in self._log.agents() if self._log.is_local(name))

    def lacking(self, have: Mapping[str, Ranges]) -> Iterator[Record]:
        """Records that are here and not among `have`, oldest first, private ones and retractions included."""
        return lacking(self._log, have)

    def is_private(self, record: Record) -> bool:
        """Whether a record must not leave: it is labelled "private", or takes back one that is."""
        with self._mutex:
            return is_private(self._log, record)

    def merge(self, delta: Delta) -> int:
        """Take in what another memory sent; what is here already is passed over, so deltas may repeat and overlap.

        Returns:
            How many records were new.

        Raises:
            EncoderMismatchError: If the vectors are of another encoder. Nothing is merged then.
            RecordConflictError: If two memories wrote different records under one id; nothing is merged.
        """
        with self._mutex:
            self._home.must_write()
            records, pictures = fresh_records(self._log, self._home, delta)
            if records or pictures:
                self._append(records, pictures, is_local=False)
            return len(records)


def _as_id(record_id: RecordId) -> RecordId:
    return record_id if isinstance(record_id, RecordId) else RecordId(*record_id)


def _ids(records: Iterable[Record]) -> set[RecordId]:
    return {record.record_id for record in records}


def _release(log: Log, home: Home) -> None:
    log.close()
    home.release()
