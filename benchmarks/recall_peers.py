"""The engines that `bench recall` compares: each adds all rows, then answers one query at a time on one core."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from placecell.benchmarks.streams import Query, Streams
from placecell.memory.chunks import ChunkIndex
from placecell.memory.predicates import Predicate

__all__ = ["ENGINES", "Engine", "Filters", "opened"]

K = 10


class Filters:
    """Rows that a predicate lets through, from columns in RAM: for engines that have no predicates of their own."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        names = sorted({label for labels in streams.label_sets for label in labels})
        has = np.array([[label in labels for labels in streams.label_sets] for label in names])
        self._rows_of_label = {label: has[i][streams.labels] for i, label in enumerate(names)}

    def mask(self, where: Predicate) -> np.ndarray:
        """Which rows pass (n,)."""
        s = self._streams
        keep = np.ones(len(s), bool)
        if where.between is not None:
            keep &= (s.stamp_s >= where.between[0]) & (s.stamp_s <= where.between[1])
        for label in where.labels or ():
            keep &= self._rows_of_label[label]
        if where.near is not None:
            (x, _, z), radius = where.near  # every row has y = 0
            keep &= (s.position[:, 0] - x) ** 2 + (s.position[:, 2] - z) ** 2 <= radius * radius
        return keep


class Engine(ABC):
    """One way of searching.

    Attributes:
        settings: What to try, from fast to thorough; more of it finds more.
        has_filters: Whether it can be limited to some rows.
        num_bytes: Of the index, as far as it can be told.
        is_slow: Whether it gets fewer queries.
    """

    settings: Sequence[int] = (0,)
    has_filters = True
    is_slow = False
    num_bytes = 0

    @abstractmethod
    def build(self, streams: Streams) -> None:
        """Add all rows and make all indexes."""

    def prepare(self, where: Predicate | None, rows: np.ndarray | None) -> Any:
        """Turn a predicate (rows: the numbers of those that pass) into what `search` takes; not part of its time."""
        return rows

    @abstractmethod
    def search(self, query: Query, prepared: Any, setting: int) -> np.ndarray:
        """Numbers of the ten best rows, fewer if fewer pass."""

    def close(self) -> None:  # noqa: B027  (most have nothing to do)
        """Give back what `build` took."""


class _Placecell(Engine):
    settings = (0, 4, 8, 16, 32, 64)  # chunks read in full; 0 is the default

    def build(self, streams: Streams) -> None:
        self.index = ChunkIndex(streams.vectors.shape[1])
        for agent in range(int(streams.agent[-1]) + 1):
            part = streams.rows_of(agent)
            self.index.extend(
                np.arange(part.start, part.stop),
                streams.vectors[part],
                stream=f"agent{agent}",
                start_s=streams.stamp_s[part],
                positions=streams.position[part],
                labels=[streams.label_sets[number] for number in streams.labels[part]],
                is_event_start=streams.is_event_start[part],
            )
        self.index.search(streams.vectors[0], 1)  # the first search fits the sketches
        self.num_bytes = self.index.nbytes

    def prepare(self, where: Predicate | None, rows: np.ndarray | None) -> Predicate | None:
        return where

    def search(self, query: Query, prepared: Any, setting: int) -> np.ndarray:
        return self.index.search(query.vector, K, prepared, num_chunks=setting or None).items


class _Scan(Engine):
    """NumPy over float32 rows: all of them, or those that pass."""

    is_slow = True

    def build(self, streams: Streams) -> None:
        self.vectors = streams.vectors
        self.num_bytes = self.vectors.nbytes

    def search(self, query: Query, prepared: Any, setting: int) -> np.ndarray:
        rows = prepared
        scores = (self.vectors if rows is None else self.vectors[rows]) @ query.vector
        best = np.argpartition(scores, -K)[-K:] if len(scores) > K else np.arange(len(scores))
        best = best[np.argsort(-scores[best])]
        return best if rows is None else rows[best]


def _faiss_module() -> Any:
    return importlib.import_module("faiss")  # its stubs lack what its Python layer adds


class _Faiss(Engine):
    def _make(self, dim: int, num: int) -> Any:
        raise NotImplementedError

    def _parameters(self, selector: Any, setting: int) -> Any:
        faiss = _faiss_module()
        return faiss.SearchParameters(sel=selector) if selector is not None else None

    def build(self, streams: Streams) -> None:
        faiss = _faiss_module()
        faiss.omp_set_num_threads(1)
        self.index = self._make(streams.vectors.shape[1], len(streams))
        if not self.index.is_trained:
            chosen = np.random.default_rng(0).choice(len(streams), min(len(streams), 100_000), replace=False)
            self.index.train(streams.vectors[np.sort(chosen)])
        self.index.add(streams.vectors)
        self.num = len(streams)

    def prepare(self, where: Predicate | None, rows: np.ndarray | None) -> Any:
        faiss = _faiss_module()
        if rows is None:
            return None
        bits = np.zeros(self.num, bool)
        bits[rows] = True
        packed = np.packbits(bits, bitorder="little")
        return faiss.IDSelectorBitmap(packed), packed

    def search(self, query: Query, prepared: Any, setting: int) -> np.ndarray:
        parameters = self._parameters(None if prepared is None else prepared[0], setting)
        found = self.index.search(query.vector[None], K, params=parameters)[1][0]
        return np.asarray(found[found >= 0])


class _FaissFlat(_Faiss):
    is_slow = True

    def _make(self, dim: int, num: int) -> Any:
        faiss = _faiss_module()
        self.num_bytes = num * dim * 4
        return faiss.IndexFlatIP(dim)


class _FaissSQ8(_Faiss):
    is_slow = True

    def _make(self, dim: int, num: int) -> Any:
        faiss = _faiss_module()
        self.num_bytes = num * dim
        return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)


class _FaissIVF(_Faiss):
    settings = (1, 2, 4, 8, 16, 32, 64, 256)

    def _make(self, dim: int, num: int) -> Any:
        faiss = _faiss_module()
        lists = int(4 * num**0.5)
        self.num_bytes = num * (dim + 8) + lists * dim * 4
        self.quantizer = faiss.IndexFlatIP(dim)
        return faiss.IndexIVFScalarQuantizer(
            self.quantizer, dim, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )

    def _parameters(self, selector: Any, setting: int) -> Any:
        faiss = _faiss_module()
        if selector is None:
            return faiss.SearchParametersIVF(nprobe=setting)
        return faiss.SearchParametersIVF(nprobe=setting, sel=selector)


class _FaissHNSW(_Faiss):
    settings = (16, 32, 64, 128, 256)

    def _make(self, dim: int, num: int) -> Any:
        faiss = _faiss_module()
        index = faiss.IndexHNSWFlat(dim, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 64
        self.num_bytes = num * (4 * dim + 4 * 2 * 16)
        return index

    def _parameters(self, selector: Any, setting: int) -> Any:
        faiss = _faiss_module()
        if selector is None:
            return faiss.SearchParametersHNSW(efSearch=setting)
        return faiss.SearchParametersHNSW(efSearch=setting, sel=selector)


class _Usearch(Engine):
    settings = (16, 32, 64, 128, 256)
    has_filters = False  # its Python interface takes no predicate

    def build(self, streams: Streams) -> None:
        from usearch.index import Index

        self.index = Index(ndim=streams.vectors.shape[1], metric="cos", dtype="f16")
        self.index.add(np.arange(len(streams)), streams.vectors, threads=1)
        self.num_bytes = self.index.memory_usage

    def search(self, query: Query, prepared: Any, setting: int) -> np.ndarray:
        self.index.expansion_search = setting
        return np.asarray(self.index.search(query.vector, K, threads=1).keys).astype(np.int64)


class _LanceScan(Engine):
    """LanceDB with indexes on the columns, and exact distances of what they let through."""

    is_slow = True
    num_probes: int | None = None

    def build(self, streams: Streams) -> None:
        import lancedb
        import pyarrow

        self.folder = Path(tempfile.mkdtemp())
        dim = streams.vectors.shape[1]
        database = lancedb.connect(self.folder)
        self.table: Any = None
        for start in range(0, len(streams), 100_000):
            part = slice(start, min(start + 100_000, len(streams)))
            rows = pyarrow.table(
                {
                    "id": np.arange(part.start, part.stop),
                    "stamp_s": streams.stamp_s[part],
                    "x": streams.position[part, 0],
                    "z": streams.position[part, 2],
                    "labels": pyarrow.array(
                        [list(streams.label_sets[i]) for i in streams.labels[part]], pyarrow.list_(pyarrow.string())
                    ),
                    "vector": pyarrow.FixedSizeListArray.from_arrays(
                        pyarrow.array(streams.vectors[part].reshape(-1)), dim
                    ),
                }
            )
            if self.table is None:
                self.table = database.create_table("rows", rows)
            else:
                self.table.add(rows)
        for column in ("stamp_s", "x", "z"):
            self.table.create_scalar_index(column, index_type="BTREE")
        self.table.create_scalar_index("labels", index_type="LABEL_LIST")
        self._index(len(streams))
        self.num_bytes = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def _index(self, num: int) -> None:
        """No vector index."""

    def prepare(self, where: Predicate | None, rows: np.ndarray | None) -> str | None:
        if where is None:
            return None
        parts = []
        if where.between is not None:
            parts.append(f"stamp_s >= {where.between[0]!r} AND stamp_s <= {where.between[1]!r}")
        if where.near is not None:
            (x, _, z), r = where.near
            parts.append(f"x >= {x - r!r} AND x <= {x + r!r} AND z >= {z - r!r} AND z <= {z + r!r}")
            parts.append(f"(x - {x!r}) * (x - {x!r}) + (z - {z!r}) * (z - {z!r}) <= {r * r!r}")
        parts += [f"array_has_any(labels, ['{label}'])" for label in where.labels or ()]
        return " AND ".join(parts)

    def search(self, query: Query, prepared: Any, setting: int) -> np.ndarray:
        ask = self.table.search(query.vector, vector_column_name="vector").distance_type("dot").limit(K).select(["id"])
        ask = ask.nprobes(setting) if setting else ask.bypass_vector_index()
        if prepared is not None:
            ask = ask.where(prepared, prefilter=True)
        return np.asarray(ask.to_arrow()["id"].to_numpy())

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class _LanceIVF(_LanceScan):
    """LanceDB with an IVF index of plain vectors too."""

    settings = (1, 8, 32, 128)

    def _index(self, num: int) -> None:
        self.table.create_index(
            metric="dot", vector_column_name="vector", index_type="IVF_FLAT", num_partitions=max(1, int(num**0.5))
        )


ENGINES: dict[str, tuple[type[Engine], str | None]] = {
    "placecell": (_Placecell, None),
    "scan": (_Scan, None),
    "faiss-flat": (_FaissFlat, "faiss"),
    "faiss-sq8": (_FaissSQ8, "faiss"),
    "faiss-ivf-sq8": (_FaissIVF, "faiss"),
    "faiss-hnsw": (_FaissHNSW, "faiss"),
    "usearch": (_Usearch, "usearch"),
    "lancedb": (_LanceScan, "lancedb"),
    "lancedb-ivf": (_LanceIVF, "lancedb"),
}


@contextmanager
def opened(names: Sequence[str]) -> Iterator[dict[str, Engine]]:
    """The engines of these names that are installed, to be closed at the end."""
    engines = {}
    for name in names:
        if name not in ENGINES:
            raise ValueError(f"peers must be of {', '.join(ENGINES)}, got {name!r}")
        kind, needs = ENGINES[name]
        if needs is None or importlib.util.find_spec(needs) is not None:
            engines[name] = kind()
    try:
        yield engines
    finally:
        for engine in engines.values():
            engine.close()
