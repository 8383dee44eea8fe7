"""One SQLite file: how it is opened, written in transactions, and what its errors mean.

WAL mode with `synchronous=NORMAL`: what was committed survives the death of the process at any moment. Pages are 16 KB,
so that rows with vectors of 1-2 KB waste little. One process writes; others read at the same time.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from placecell.errors import MemoryCorruptError, MemoryVersionError, PlacecellError

__all__ = ["FORMAT_VERSION", "PAGE_BYTES", "Database"]

FORMAT_VERSION = 2
PAGE_BYTES = 16384
_WAL_PAGES = 1024  # 16 MB are written ahead before they are folded into the file, which waits for the disk

_SCHEMA = """
CREATE TABLE agents (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, is_local INTEGER NOT NULL);
CREATE TABLE records (
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, stamp_s REAL NOT NULL, end_s REAL NOT NULL,
    recorded_s REAL NOT NULL, is_start INTEGER NOT NULL, text TEXT, labels TEXT, source TEXT, target INTEGER,
    pose BLOB, text_vector BLOB, vector BLOB);
CREATE INDEX targets ON records (target) WHERE target IS NOT NULL;
CREATE TABLE gaps (agent INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL);
CREATE TABLE details (id INTEGER PRIMARY KEY, vectors BLOB NOT NULL);
CREATE TABLE pictures (id INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
CREATE TABLE holdings (
    id INTEGER PRIMARY KEY, stamp_s REAL NOT NULL, picture_bytes INTEGER NOT NULL, detail_bytes INTEGER NOT NULL,
    scan_bytes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE scenes (id INTEGER PRIMARY KEY, camera BLOB, detections BLOB);
CREATE TABLE scans (id INTEGER PRIMARY KEY, scan BLOB NOT NULL);
CREATE TABLE visits (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, last_s REAL NOT NULL);
CREATE TABLE journal (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
#: From format 1, which knew nothing of the space before the camera.
_UPGRADE = """
ALTER TABLE holdings ADD COLUMN scan_bytes INTEGER NOT NULL DEFAULT 0;
CREATE TABLE scenes (id INTEGER PRIMARY KEY, camera BLOB, detections BLOB);
CREATE TABLE scans (id INTEGER PRIMARY KEY, scan BLOB NOT NULL);
"""


class Database:
    """The tables of one memory, on disk (`path`) or in RAM (None).

    Args:
        path: The SQLite file; created if absent and `is_writer`.
        is_writer: Whether anything may be written. The caller sees to it that there is one writer.

    Raises:
        MemoryCorruptError: If the file is no log or is damaged.
        MemoryVersionError: If a newer Placecell wrote it.
    """

    def __init__(self, path: Path | None, is_writer: bool) -> None:
        self.path = path
        self.is_writer = is_writer
        self.where = "the memory in RAM" if path is None else str(path)
        with self.explained():
            self._db = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        self.execute = self._db.execute
        self.executemany = self._db.executemany

    def _connect(self) -> sqlite3.Connection:
        if self.path is None:
            return _connected(":memory:")
        uri = self.path.resolve().as_uri()
        if self.is_writer:
            return _connected(uri + "?mode=rwc")
        db = _connected(uri + "?mode=ro")
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # WAL readers keep their locks in a file beside the log. On a read-only disk there can be no writer either.
            db.close()
            db = _connected(uri + "?immutable=1")
        return db

    def _prepare(self) -> None:
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found > FORMAT_VERSION:
            raise MemoryVersionError(
                f"{self.where} has format {found}, this Placecell reads up to {FORMAT_VERSION}: update placecell"
            )
        if self.is_writer:
            if found == 0:
                self._db.execute(f"PRAGMA page_size={PAGE_BYTES}")
                self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")  # a budget gives pages back to the file system
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._limit_write_ahead(_WAL_PAGES)
            if found < FORMAT_VERSION:
                with self.transaction():
                    for statement in (_SCHEMA if found == 0 else _UPGRADE).split(";")[:-1]:
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version={FORMAT_VERSION}")
        elif found == 0:
            raise MemoryCorruptError(f"{self.where} is no log: restore it from a copy, or ingest again")
        elif found == 1:  # a reader cannot upgrade the file, but can read it as if it had
            self._db.execute("CREATE TEMP TABLE scenes (id INTEGER PRIMARY KEY, camera, detections)")
            self._db.execute("CREATE TEMP TABLE scans (id INTEGER PRIMARY KEY, scan)")
        self._db.execute("PRAGMA cache_size=-16384")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def data_version(self) -> int:
        """A number that changes when another process commits; costs microseconds."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)

    def nbytes(self, with_write_ahead: bool = True) -> int:
        """Bytes of the file (or of the RAM) that the tables take, with or without what is written ahead."""
        with self.explained():
            (pages,) = self._db.execute("PRAGMA page_count").fetchone()
            (page_size,) = self._db.execute("PRAGMA page_size").fetchone()
        size: int = pages * page_size
        if self.path is not None and with_write_ahead:
            with contextlib.suppress(FileNotFoundError):
                size += Path(f"{self.path}-wal").stat().st_size
        return size

    def free_bytes(self) -> int:
        """Bytes of the file that hold nothing and will be written to next."""
        with self.explained():
            (pages,) = self._db.execute("PRAGMA freelist_count").fetchone()
            (page_size,) = self._db.execute("PRAGMA page_size").fetchone()
        return int(pages * page_size)

    def shrink(self) -> None:
        """Give free pages back to the file system, or to the process."""
        with self.explained():
            # As a script: one call of `execute` frees one page only.
            self._db.executescript("PRAGMA incremental_vacuum")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def limit_write_ahead(self, num_bytes: int) -> int:
        """Keep the write-ahead part below `num_bytes`, within reason; return what it then takes at most.

        A single transaction that is larger still makes it larger.
        """
        pages = min(max(num_bytes // PAGE_BYTES, 8), _WAL_PAGES)
        with self.explained():
            self._limit_write_ahead(pages)
        return pages * PAGE_BYTES

    def _limit_write_ahead(self, pages: int) -> None:
        self._db.execute(f"PRAGMA wal_autocheckpoint={pages}")
        self._db.execute(f"PRAGMA journal_size_limit={pages * PAGE_BYTES}")

    @contextlib.contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """All statements of the block take effect, or none ("DEFERRED": all of them read one state)."""
        self._db.execute(f"BEGIN {kind}")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Say in one line what SQLite's errors mean for the person at the keyboard."""
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise PlacecellError(self._full()) from error
        except sqlite3.OperationalError as error:
            if "full" in str(error) or "disk I/O" in str(error):
                raise PlacecellError(self._full()) from error
            raise PlacecellError(f"{self.where}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise MemoryCorruptError(
                f"{self.where} is damaged ({error}): restore it from a copy, or ingest again"
            ) from error

    def _full(self) -> str:
        return f"{self.where}: no space left to write; all earlier records are intact: free some space and go on"


def _connected(uri: str) -> sqlite3.Connection:
    # Any thread may use it: the memory sees to it that one does at a time. Transactions are begun and ended by hand.
    return sqlite3.connect(uri, uri=uri != ":memory:", timeout=30.0, isolation_level=None, check_same_thread=False)
