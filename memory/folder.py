"""A memory's folder: which files it has, who owns it, and who may write to it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from placecell.errors import MemoryCorruptError, MemoryLockedError, MemoryVersionError, PlacecellError
from placecell.memory.database import FORMAT_VERSION

__all__ = ["EncoderName", "Header", "WriterLock", "read_header", "write_header"]

HEADER = "memory.json"
LOG = "log.sqlite"
LOCK = "writer.lock"
VIEWS = "views"
SCENE = "scene"


@dataclass(frozen=True, slots=True)
class EncoderName:
    """Which encoder made the vectors of a memory, how long they are, and by what name or path to load it again."""

    name: str
    dim: int
    spec: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """What `memory.json` says: the format, this memory's own name, and the encoders that it belongs to."""

    format: int = FORMAT_VERSION
    uid: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    encoder: EncoderName | None = None
    text_encoder: EncoderName | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = {"encoder": self.encoder, "text_encoder": self.text_encoder}
        named = {role: None if encoder is None else asdict(encoder) for role, encoder in found.items()}
        return {"format": self.format, "uid": self.uid, **named}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Header:
        """Read what `to_dict` gave; KeyError, TypeError or ValueError where it is something else."""

        def encoder(value: Any) -> EncoderName | None:
            return None if value is None else EncoderName(str(value["name"]), int(value["dim"]), str(value["spec"]))

        return cls(
            int(values["format"]), str(values["uid"]), encoder(values["encoder"]), encoder(values["text_encoder"])
        )

    def with_encoders(self, encoder: EncoderName | None, text_encoder: EncoderName | None) -> Header:
        """A copy that belongs to these encoders."""
        return replace(self, encoder=encoder, text_encoder=text_encoder)


def _is_empty_log(path: Path) -> bool:
    """Whether a log was begun and no record written: what a crash in the first instant leaves."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'records'").fetchone() == (0,) or (
                db.execute("SELECT id FROM records LIMIT 1").fetchone() is None
            )
    except sqlite3.DatabaseError:
        return False


def read_header(folder: Path) -> Header | None:
    """The header of the memory in `folder`, or None where there is no memory yet.

    Raises:
        MemoryCorruptError: If one of the two files that make a memory is missing or unreadable.
        MemoryVersionError: If a newer Placecell wrote it.
        PlacecellError: If `folder` is a file, or is full of something else.
    """
    if folder.exists() and not folder.is_dir():
        raise PlacecellError(f"{folder} is a file: a memory is a folder, give another name")
    header, log = folder / HEADER, folder / LOG
    if not header.exists() and not log.exists():
        ours = {LOCK, VIEWS, SCENE}
        strangers = sorted(path.name for path in folder.iterdir() if path.name not in ours) if folder.exists() else []
        if strangers:
            raise PlacecellError(f"{folder} holds {strangers[0]} and no memory: give an empty or a new folder")
        return None
    if not log.exists():
        raise MemoryCorruptError(f"{log} is missing: restore it from a copy, or delete {folder} and ingest again")
    if not header.exists():
        if _is_empty_log(log):
            return None
        raise MemoryCorruptError(f"{header} is missing: restore it from a copy, or delete {folder} and ingest again")
    try:
        values = json.loads(header.read_text(encoding="utf-8"))
        found = int(values["format"])
        if found > FORMAT_VERSION:
            raise MemoryVersionError(
                f"{folder} has format {found}, this Placecell reads up to {FORMAT_VERSION}: update placecell"
            )
        return Header.from_dict(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MemoryCorruptError(f"{header} is damaged ({error!r}): restore it from a copy") from error


def write_header(folder: Path, header: Header) -> None:
    """Write `memory.json` so that a crash leaves either the old or the new one."""
    path = folder / HEADER
    draft = folder / f"{HEADER}.{os.getpid()}"
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(header.to_dict(), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise PlacecellError(f"{path} cannot be written: {error.strerror or error}") from error


class WriterLock:
    """The right to write a memory. The operating system takes it back when the process dies, however it dies.

    Raises:
        MemoryLockedError: If another process, or another `Memory` of this one, holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[str] = (folder / LOCK).open("a+", encoding="utf-8")
        try:
            _lock(self._file)
        except OSError as error:
            self._file.seek(0)
            owner = self._file.read().strip() or "?"
            self._file.close()
            raise MemoryLockedError(
                f"{folder} is being written by process {owner}: wait for it, stop it, or open the memory with mode='r'"
            ) from error
        self._file.seek(0)
        self._file.truncate()
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let somebody else write."""
        with contextlib.suppress(OSError):
            self._file.close()


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(1 << 30)  # far behind the owner's number, which others must be able to read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
