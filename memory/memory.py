"""`Memory`, the one class that people use: a log of records, and the views that answer questions from it."""

from __future__ import annotations

import heapq
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from placecell.errors import EncoderMismatchError, MemoryLockedError, PlacecellError, UnknownRecordError
from placecell.memory.folder import (
    LOG,
    EncoderName,
    Header,
    WriterLock,
    read_header,
    write_header,
)
from placecell.memory.log import Log
from placecell.memory.records import Record, RecordId
from placecell.memory.sharing import Delta
from placecell.perception.observation import Observation

if TYPE_CHECKING:
    from placecell.perception.encoders import Encoder

__all__ = ["Memory"]

PICTURE_SIDE_PX = 640
PICTURE_QUALITY = 85
GIVEN = "given"  # name of the encoder of a memory that was only ever handed finished vectors


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
        clock: Callable[[], float] = time.time,
    ) -> None:
        if mode not in ("a", "r"):
            raise ValueError(f"mode must be 'a' (write) or 'r' (read), got {mode!r}")
        self.folder = None if folder is None else Path(folder)
        self.mode = mode
        self._clock = clock
        self._mutex = threading.RLock()
        self._encoders: dict[str, Any] = {"encoder": encoder, "text_encoder": text_encoder}
        self._lock: WriterLock | None = None
        self._header = self._open_folder()
        try:
            for role in ("encoder", "text_encoder"):
                self._check_encoder(role)
            path = None if self.folder is None else self.folder / LOG
            dim = None if self._header.encoder is None else self._header.encoder.dim
            self._log = Log(path, is_writer=mode == "a", dim=dim)
            if self.folder is not None and mode == "a" and not (self.folder / "memory.json").exists():
                write_header(self.folder, self._header)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        self._retracted_by: dict[RecordId, list[tuple[RecordId, float]]] = {}
        self._note_retractions()
        self._finalizer = weakref.finalize(self, _release, self._log, self._lock)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        encoder: Encoder | str | None = None,
        text_encoder: Encoder | str | None = None,
        mode: Literal["a", "r"] = "a",
        **options: Any,
    ) -> Memory:
        """Open the memory in `folder`; see `Memory` for the arguments and what may go wrong."""
        return cls(encoder, text_encoder, folder=folder, mode=mode, **options)

    def _open_folder(self) -> Header:
        if self.folder is None:
            if self.mode == "r":
                raise ValueError("a memory in RAM is always writable: mode 'r' needs a folder")
            return Header()
        header = read_header(self.folder)
        if self.mode == "r":
            if header is None:
                raise PlacecellError(f"{self.folder} holds no memory: check the name, or make one with mode='a'")
            return header
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = WriterLock(self.folder)
        # Read again: another process may have made the memory while this one waited for the lock.
        return read_header(self.folder) or Header()

    def close(self) -> None:
        """Put the views away and let others write. A closed memory cannot be used; closing twice does no harm."""
        with self._mutex:
            if self._finalizer.alive:
                self._finalizer()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- encoders -----------------------------------------------------------------------------------------------

    @property
    def encoder_name(self) -> str | None:
        """Name of the encoder that the memory belongs to; None before the first vector."""
        return None if self._header.encoder is None else self._header.encoder.name

    def _check_encoder(self, role: str) -> None:
        encoder = self._encoders[role]
        owner: EncoderName | None = getattr(self._header, role)
        if encoder is None or isinstance(encoder, str) or owner is None:
            return
        if (encoder.name, encoder.dim) != (owner.name, owner.dim):
            where = "this memory" if self.folder is None else str(self.folder)
            raise EncoderMismatchError(
                f"{where} belongs to {_role(role)} {owner.name!r} ({owner.dim} numbers), got {encoder.name!r} "
                f"({encoder.dim}): open it with {owner.name!r}, or ingest into another folder"
            )

    def encoder(self, role: Literal["encoder", "text_encoder"] = "encoder") -> Encoder:
        """The image encoder (or the text encoder), loaded now if it was not yet.

        Raises:
            ModelUnavailableError: If its weights are neither here nor can be fetched.
            EncoderMismatchError: If it is not the one that the memory belongs to.
        """
        with self._mutex:
            found = self._encoders[role]
            if found is None or isinstance(found, str):
                from placecell.perception.encoders import load_encoder

                owner: EncoderName | None = getattr(self._header, role)
                name = found if found not in (None, "auto") else (owner.name if owner else "auto")
                self._encoders[role] = load_encoder(name)
                self._check_encoder(role)
            encoder: Encoder = self._encoders[role]
            return encoder

    def _adopt(self, role: str, name: str, dim: int) -> None:
        """Make the memory belong to an encoder, or check that it does."""
        owner: EncoderName | None = getattr(self._header, role)
        if owner is None:
            pair = {"encoder": self._header.encoder, "text_encoder": self._header.text_encoder}
            pair[role] = EncoderName(name, dim)
            header = self._header.with_encoders(**pair)
            if self.folder is not None:
                write_header(self.folder, header)
            self._header = header
        elif owner.dim != dim or name != owner.name:
            raise EncoderMismatchError(
                f"this memory belongs to {_role(role)} {owner.name!r} with {owner.dim} numbers a vector, got {dim} "
                f"from {name!r}: use {owner.name!r}, or another folder"
            )

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
            self._must_write()
            batch = list(observations)
            records, pictures = self._records_of(batch)
            if records or journal:
                self._log.append(records, pictures, journal)
                self._after_append(records)
            return [record.record_id for record in records]

    def _records_of(self, batch: Sequence[Observation]) -> tuple[list[Record], dict[RecordId, bytes]]:
        tops: dict[str, int] = {}
        stamps: dict[str, float] = {}
        for observation in batch:
            agent_id = observation.agent_id
            last = stamps[agent_id] if agent_id in stamps else self._log.last_stamp_s(agent_id)
            if observation.stamp_s < last:
                raise ValueError(
                    f"stamps of agent {agent_id!r} must not run backwards: {observation.stamp_s} s after {last} s"
                )
            stamps[agent_id] = observation.stamp_s
        vectors = self._embed_views(batch)
        text_vectors = self._embed_texts([o.text for o in batch if o.text and o.text.strip()])
        now = self._clock()
        records: list[Record] = []
        pictures: dict[RecordId, bytes] = {}
        texts = iter(text_vectors)
        for observation, embeddings in zip(batch, vectors, strict=True):
            agent_id = observation.agent_id
            if agent_id not in tops:
                tops[agent_id] = self._log.ranges(agent_id).top
            for kind in self._kinds(observation, embeddings):
                tops[agent_id] += 1
                is_moment = kind == "moment"
                record = Record(
                    agent_id=agent_id,
                    seq=tops[agent_id],
                    kind=kind,
                    stamp_s=observation.stamp_s,
                    end_s=observation.stamp_s if observation.end_s is None else observation.end_s,
                    embeddings=embeddings if is_moment else None,
                    text="" if is_moment else (observation.text or "").strip(),
                    text_embedding=None if is_moment else next(texts),
                    labels=observation.labels,
                    pose=observation.pose,
                    source=observation.source,
                    is_event_start=bool(observation.is_event_start) and is_moment,
                    recorded_s=now,
                )
                records.append(record)
                if is_moment and observation.rgb is not None:
                    pictures[record.record_id] = _jpeg(observation.rgb)
        return records, pictures

    @staticmethod
    def _kinds(observation: Observation, embeddings: np.ndarray | None) -> list[str]:
        kinds = ["moment"] if embeddings is not None else []
        if observation.text and observation.text.strip():
            kinds.append("text")
        return kinds

    def _embed_views(self, batch: Sequence[Observation]) -> list[np.ndarray | None]:
        """Vectors (v, d) float16 of each observation; pictures of one size are encoded together."""
        found: list[np.ndarray | None] = [None] * len(batch)
        by_size: dict[tuple[int, ...], list[int]] = {}
        for i, observation in enumerate(batch):
            if observation.embeddings is not None:
                self._adopt("encoder", self._given_name(), observation.embeddings.shape[1])
                found[i] = observation.embeddings.astype(np.float16)
            elif observation.rgb is not None:
                by_size.setdefault(np.shape(observation.rgb), []).append(i)
        if by_size:
            from placecell.perception.tiles import encode_moments

            encoder = self.encoder()
            self._adopt("encoder", encoder.name, encoder.dim)
            for places in by_size.values():
                images = [rgb for i in places if (rgb := batch[i].rgb) is not None]
                for i, vectors in zip(places, encode_moments(encoder, images), strict=True):
                    found[i] = vectors.astype(np.float16)
        return found

    def _given_name(self) -> str:
        """Whose vectors those are that came with an observation: the memory's own encoder's, as the caller vouches."""
        encoder = self._encoders["encoder"]
        if self._header.encoder is not None:
            return self._header.encoder.name
        return GIVEN if encoder is None or isinstance(encoder, str) else str(encoder.name)

    def _embed_texts(self, texts: Sequence[str]) -> list[np.ndarray | None]:
        wanted = self._encoders["text_encoder"] is not None or self._header.text_encoder is not None
        if not texts or not wanted:
            return [None] * len(texts)
        encoder = self.encoder("text_encoder")
        self._adopt("text_encoder", encoder.name, encoder.dim)
        return list(encoder.encode_texts(texts).astype(np.float16))

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
            self._must_write()
            target = self.get(record_id)
            if stamp_s is None:
                stamp_s = max(self._log.last_stamp_s(target.agent_id), target.stamp_s)
            elif not (math.isfinite(stamp_s) and stamp_s >= 0):
                raise ValueError(f"stamp_s must be finite and not negative, got {stamp_s}")
            author = target.agent_id
            if not self._log.is_local(author):
                local = [name for name in self._log.agents() if self._log.is_local(name)]
                author = local[0] if local else f"memory-{self._header.uid}"
            record = Record(
                agent_id=author,
                seq=self._log.ranges(author).top + 1,
                kind="retraction",
                stamp_s=float(stamp_s),
                end_s=float(stamp_s),
                text=reason,
                target=target.record_id,
                recorded_s=self._clock(),
            )
            self._log.append([record])
            self._after_append([record])
            return record.record_id

    def _after_append(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.target is not None:
                self._retracted_by.setdefault(record.target, []).append((record.record_id, record.stamp_s))

    def _must_write(self) -> None:
        if self.mode != "a":
            raise MemoryLockedError(f"{self.folder} was opened with mode 'r': open it with mode='a' to write")

    # --- reading ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._log)

    def get(self, record_id: RecordId) -> Record:
        """The record with this id.

        Raises:
            UnknownRecordError: If there is none.
        """
        with self._mutex:
            record = self._log.get(_as_id(record_id))
            if record is None:
                raise UnknownRecordError(f"no record {RecordId(*record_id)} is in this memory")
            return record

    def history(self, record_id: RecordId) -> list[Record]:
        """The record, and what retracts it, and what retracts that, in this order."""
        with self._mutex:
            found = [self.get(record_id)]
            seen = {found[0].record_id}
            for record in found:
                for later in self._log.targeting(record.record_id):
                    if later.record_id not in seen:
                        seen.add(later.record_id)
                        found.append(later)
            return found

    def is_retracted(self, record_id: RecordId, as_of: float | None = None) -> bool:
        """Whether a retraction that itself holds (and was stamped up to `as_of`) takes the record back."""
        return self._is_retracted(_as_id(record_id), math.inf if as_of is None else as_of, frozenset())

    def _is_retracted(self, record_id: RecordId, as_of: float, above: frozenset[RecordId]) -> bool:
        return any(
            stamp <= as_of and by not in above and not self._is_retracted(by, as_of, above | {record_id})
            for by, stamp in self._retracted_by.get(record_id, ())
        )

    def _note_retractions(self) -> None:
        self._retracted_by.clear()
        for record_id, target, stamp in self._log.retractions():
            self._retracted_by.setdefault(target, []).append((record_id, stamp))

    def picture(self, record_id: RecordId) -> np.ndarray | None:
        """The picture that a moment kept, uint8 `(h, w, 3)`; None if it had none or the budget took it.

        Raises:
            UnknownRecordError: If there is no such record.
        """
        jpeg = self.picture_jpeg(record_id)
        if jpeg is None:
            return None
        import cv2

        decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            raise PlacecellError(f"the picture of {RecordId(*record_id)} does not decode: it came damaged")
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))

    def picture_jpeg(self, record_id: RecordId) -> bytes | None:
        """The same as JPEG bytes, as they are stored."""
        with self._mutex:
            self.get(record_id)
            return self._log.picture(_as_id(record_id))

    def agents(self) -> tuple[str, ...]:
        """Names of the agents that have records here, sorted."""
        return self._log.agents()

    def version(self) -> dict[str, int]:
        """The version vector: for each agent the last record of the unbroken run from 1."""
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
        lo, hi = (-math.inf, math.inf) if between is None else between
        limit = math.inf if as_of is None else as_of
        names = self.agents() if agents is None else [name for name in sorted(set(agents)) if name in self.agents()]

        def of(name: str) -> Iterator[Record]:
            for record in self._log.scan(name, 1 if lo <= 0 else self._log.first_seq_from(name, lo)):
                if record.kind != "retraction" and record.stamp_s > min(hi, limit):
                    if include_retracted:
                        continue  # a retraction may be stamped earlier than what stands before it
                    return
                if not lo <= record.stamp_s <= min(hi, limit):
                    continue
                if include_retracted or (
                    record.kind != "retraction" and not self.is_retracted(record.record_id, as_of)
                ):
                    yield record

        yield from heapq.merge(*(of(name) for name in names), key=lambda r: (r.stamp_s, r.agent_id, r.seq))

    def journal(self, key: str) -> Any:
        """The value that `observe_many(..., journal=...)` last stored under `key`, or None."""
        with self._mutex:
            return self._log.journal(key)

    # --- sharing ------------------------------------------------------------------------------------------------

    def delta(self, since: Mapping[str, int], max_bytes: int | None = None, pictures: bool = False) -> Delta:
        """Records that a memory with the version vector `since` lacks, oldest first.

        Args:
            since: The other memory's `version()`; empty for everything.
            max_bytes: Most bytes that the delta may take on the wire; what does not fit comes with the next one.
            pictures: Whether to send pictures too.

        Raises:
            ValueError: If a version is negative or no integer, or `max_bytes` has no room for a single record.
        """
        for agent_id, seq in since.items():
            if not isinstance(agent_id, str) or not isinstance(seq, int) or seq < 0:
                raise ValueError(f"a version vector maps names to numbers from 0 on, got {agent_id!r}: {seq!r}")
        with self._mutex:
            scans = [self._log.scan(name, since.get(name, 0) + 1) for name in self.agents()]
            return Delta.of(
                heapq.merge(*scans, key=lambda record: (record.stamp_s, record.record_id)),
                encoder=None if self._header.encoder is None else self._header.encoder.name,
                text_encoder=None if self._header.text_encoder is None else self._header.text_encoder.name,
                picture=self._log.picture if pictures else None,
                max_bytes=max_bytes,
            )

    def merge(self, delta: Delta) -> int:
        """Take in what another memory sent; what is here already is passed over, so deltas may repeat and overlap.

        Returns:
            How many records were new.

        Raises:
            EncoderMismatchError: If the vectors are of another encoder. Nothing is merged then.
            PlacecellError: If two memories wrote different records under one id; nothing is merged.
        """
        with self._mutex:
            self._must_write()
            fresh: dict[RecordId, Record] = {}
            for record in delta.records:
                if record.record_id in self._log or record.record_id in fresh:
                    known = fresh.get(record.record_id) or self.get(record.record_id)
                    if (known.kind, known.stamp_s, known.recorded_s) != (
                        record.kind,
                        record.stamp_s,
                        record.recorded_s,
                    ):
                        raise PlacecellError(
                            f"two memories wrote different records as {record.record_id}: give every agent its own name"
                        )
                else:
                    fresh[record.record_id] = record
            for role, name, vectors in (
                ("encoder", delta.encoder, [r.embeddings for r in fresh.values()]),
                ("text_encoder", delta.text_encoder, [r.text_embedding for r in fresh.values()]),
            ):
                for dim in sorted({v.shape[-1] for v in vectors if v is not None}):
                    self._adopt(role, name or GIVEN, dim)
            records = sorted(fresh.values(), key=lambda record: record.record_id)
            pictures = {key: jpeg for key, jpeg in delta.pictures.items() if key in fresh or key in self._log}
            if records or pictures:
                self._log.append(records, pictures, is_local=False)
                self._after_append(records)
            return len(records)


def _as_id(record_id: RecordId) -> RecordId:
    return record_id if isinstance(record_id, RecordId) else RecordId(*record_id)


def _role(role: str) -> str:
    return role.replace("_", " ")


def _jpeg(rgb: np.ndarray) -> bytes:
    import cv2

    height, width = rgb.shape[:2]
    scale = PICTURE_SIDE_PX / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    is_done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY]
    )
    if not is_done:
        raise PlacecellError(f"a picture of {width} x {height} cannot be stored as JPEG")
    return bytes(data)


def _release(log: Log, lock: WriterLock | None) -> None:
    log.close()
    if lock is not None:
        lock.release()
