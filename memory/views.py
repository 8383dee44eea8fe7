"""The views of a log that answer questions: timeline, chunk indexes, lexicon and forest, folded and put away together.

A view is a fold over records: agent by agent in the order of `seq`. What arrives late and belongs in the middle makes
the views be folded anew, so that they depend on which records there are and not on when they came. They are put away
beside the log to save time; what is missing, damaged or out of date is folded again from the log.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from placecell.errors import PlacecellError
from placecell.memory.chunks import ChunkIndex
from placecell.memory.delta import Ranges
from placecell.memory.forest import Forest
from placecell.memory.lexicon import Lexicon
from placecell.memory.log import Log
from placecell.memory.records import Record
from placecell.memory.timeline import Timeline

__all__ = ["VIEWS_VERSION", "Views"]

VIEWS_VERSION = 1
_MANIFEST = "manifest.json"
_CHECKED_BYTES = 4 << 20  # larger files are only checked by their size
_DAMAGE = (PlacecellError, OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


class Views:
    """Everything that recall reads, folded from one log.

    Args:
        log: The records.
        generation: How often tiles were dropped from the log; views of another generation hold too much.

    Attributes:
        timeline: What the items of the others are.
        visual: Vectors of views and their tiles, by item; None before the first.
        dense: Vectors of texts, by item; None before the first.
        lexicon: Words of texts.
        forest: Trees over time.
    """

    def __init__(self, log: Log, generation: int = 0) -> None:
        self._log = log
        self.generation = generation
        self._clear()

    def _clear(self) -> None:
        self._folded: dict[str, Ranges] = {}
        self.timeline = Timeline(self._log.get)
        self.visual: ChunkIndex | None = None
        self.dense: ChunkIndex | None = None
        self.lexicon = Lexicon()
        self.forest = Forest(self._looks)

    def _looks(self, items: Sequence[int]) -> list[np.ndarray | None]:
        return self._log.vectors(self.timeline.moment(item).record_id for item in items)

    @property
    def nbytes(self) -> int:
        """About how much RAM the views take."""
        indexes = [int(index.nbytes) for index in (self.visual, self.dense) if index is not None]
        return self.timeline.nbytes + sum(indexes)

    # --- folding ------------------------------------------------------------------------------------------------

    def sync(self) -> int:
        """Fold in what the log has and the views lack; returns how many records were read."""
        news = {name: self._log.ranges(name).beyond(self._folded.get(name, Ranges())) for name in self._log.agents()}
        news = {name: intervals for name, intervals in news.items() if intervals}
        if any(name in self._folded and news[name][0][0] < self._folded[name].top for name in news):
            # Something late belongs in the middle. Taking rows out of an index would leave holes that show, so that all
            # is folded anew; peers that exchange by version vectors never send anything late.
            self._clear()
            news = {name: self._log.ranges(name).present() for name in self._log.agents()}
        num_read = 0
        for name, intervals in news.items():
            present = self._log.ranges(name)
            try:
                num_read += self._fold(name, intervals[0][0])
            except BaseException:  # Ctrl-C, a damaged page: half of a fold must not be taken for a whole one
                self._clear()
                raise
            self._folded[name] = present
        return num_read

    def _fold(self, name: str, start: int) -> int:
        seen: list[tuple[int, Record, np.ndarray]] = []
        said: list[tuple[int, Record, np.ndarray]] = []
        count = 0
        for record in self._log.scan(name, start):
            count += 1
            if record.kind == "retraction":
                continue
            item = self.timeline.add(record)
            vector = None
            if record.embeddings is not None:
                vector = record.embeddings[0].astype(np.float32)
                seen.append((item, record, record.embeddings))
            if record.text:
                self.lexicon.add(item, record.text)
                if record.text_embedding is not None:
                    said.append((item, record, record.text_embedding[None]))
            self.forest.insert(
                name, item, vector, record.stamp_s, record.end_s, record.position_m, record.labels, record.text,
                record.is_event_start,
            )  # fmt: skip
        self.visual = _extended(self.visual, seen)
        self.dense = _extended(self.dense, said)
        return count

    # --- put away and read back ---------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Put the views away in `folder`, in one step: a crash leaves the old ones or the new ones.

        Vectors that were put away before are linked, not written again.

        Raises:
            OSError: If they cannot be written; the old ones are then still there.
        """
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            _put(draft / "timeline.npz", self.timeline.state())
            _put(draft / "lexicon.npz", self.lexicon.state())
            _put(draft / "forest.npz", self.forest.state())
            for name, index in (("visual", self.visual), ("dense", self.dense)):
                if index is not None:
                    index.save(draft / name, previous=folder / name)
            manifest = {
                "version": VIEWS_VERSION,
                "generation": self.generation,
                "folded": {name: [ranges.top, ranges.missing] for name, ranges in self._folded.items()},
                "files": _fingerprints(draft),
            }
            (draft / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
            old = folder.with_name(f"{folder.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                folder.rename(old)
            draft.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    @staticmethod
    def num_saved(folder: Path, generation: int) -> int:
        """How many records the views that were put away in `folder` hold, by their own account; 0 if unusable."""
        try:
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            if (manifest["version"], manifest["generation"]) != (VIEWS_VERSION, generation):
                return 0
            return sum(len(Ranges(top, missing)) for top, missing in manifest["folded"].values())
        except _DAMAGE:
            return 0

    @classmethod
    def load(cls, log: Log, folder: Path, generation: int) -> Views:
        """The views that were put away in `folder`, or empty ones if those are damaged, of another time, or absent."""
        views = cls(log, generation)
        try:
            views._load(folder)
        except _DAMAGE:
            views._clear()
        return views

    def _load(self, folder: Path) -> None:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        if manifest["version"] != VIEWS_VERSION or manifest["generation"] != self.generation:
            raise ValueError("views of another version, or of before tiles were dropped")
        if _fingerprints(folder) != manifest["files"]:
            raise ValueError("a file is missing, cut short or changed")
        folded = {
            name: Ranges(int(top), [(int(lo), int(hi)) for lo, hi in missing])
            for name, (top, missing) in manifest["folded"].items()
        }
        if any(ranges.beyond(self._log.ranges(name)) for name, ranges in folded.items()):
            raise ValueError("views know records that the log does not have")  # the log was put back from a copy
        self.timeline = Timeline.from_state(self._log.get, _arrays(folder / "timeline.npz"))
        self.lexicon = Lexicon.from_state(_arrays(folder / "lexicon.npz"))
        self.forest.restore(_arrays(folder / "forest.npz"))
        self.visual, self.dense = (
            ChunkIndex.load(folder / name) if (folder / name).exists() else None for name in ("visual", "dense")
        )
        self._folded = folded


def _fingerprints(folder: Path) -> dict[str, list[int]]:
    """Size and, of files that are not large, checksum of each file but the manifest."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != _MANIFEST:
            size = path.stat().st_size
            checksum = zlib.crc32(path.read_bytes()) if size <= _CHECKED_BYTES else 0
            found[str(path.relative_to(folder))] = [size, checksum]
    return found


def _put(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # its stub takes the arrays for the flag that comes first


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _extended(index: ChunkIndex | None, rows: Sequence[tuple[int, Record, np.ndarray]]) -> ChunkIndex | None:
    """The index with the vectors of more records of one agent, in the order of time."""
    for item, record, vectors in rows:
        if index is None:
            index = ChunkIndex(vectors.shape[1])
        index.append(
            item,
            vectors,
            stream=record.agent_id,
            start_s=record.stamp_s,
            end_s=record.end_s,
            position=record.position_m,
            labels=record.labels,
            is_event_start=record.is_event_start,
        )
    return index
