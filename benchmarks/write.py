"""How fast records become durable: `Memory.observe` against SQLite's own limit and LanceDB, in one run.

One observation is a unit vector of 512 numbers, a pose, and a label; the encoder is left out. "single" commits one
observation at a time, "batch" 256 at a time; a commit has survived a `kill -9` when the call returns. SQLite's limit is
one table, one row of the same bytes per commit, with the same settings and no library in between. All methods take
turns, several rounds each; the checks of the observation are part of what is timed.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from placecell.memory.database import PAGE_BYTES
from placecell.memory.memory import Memory
from placecell.perception.observation import Observation

__all__ = ["run", "summary"]

_DIM = 512
_BATCH = 256
_LANCE_COMMITS = 150  # LanceDB takes milliseconds a commit, and each leaves files behind
_MARK_RATE, _MARK_P99_MS = 5000.0, 5.0


def _stream(rng: np.random.Generator, num: int) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.cumsum(rng.standard_normal((num, _DIM)), axis=0).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    poses = np.tile(np.eye(4), (num, 1, 1))
    poses[:, :3, 3] = np.cumsum(rng.normal(0, 0.1, (num, 3)), axis=0)
    return vectors, poses


def _placecell(folder: Path, vectors: np.ndarray, poses: np.ndarray, batch: int) -> list[float]:
    def moment(i: int) -> Observation:
        return Observation(float(i), "robot", embeddings=vectors[i : i + 1], pose=poses[i], labels=("kitchen",))

    with Memory.open(folder / "memory") as memory:
        if batch == 1:
            return _timed(len(vectors), lambda i: memory.observe(moment(i)))
        return _timed(
            len(vectors) // batch, lambda i: memory.observe_many(map(moment, range(i * batch, (i + 1) * batch)))
        )


def _sqlite(folder: Path, vectors: np.ndarray, poses: np.ndarray, batch: int) -> list[float]:
    db = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    db.execute(f"PRAGMA page_size={PAGE_BYTES}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, row BLOB)")
    # What a record takes in the log: the vector in half precision, three rows of the pose, stamps and a label.
    halves = vectors.astype(np.float16)
    rows = [halves[i].tobytes() + poses[i, :3].tobytes() + bytes(50) for i in range(len(vectors))]
    insert = "INSERT INTO rows VALUES (?, ?)"

    def commit(i: int) -> None:
        db.execute("BEGIN")
        db.executemany(insert, [(j, rows[j]) for j in range(i * batch, (i + 1) * batch)])
        db.execute("COMMIT")

    if batch == 1:
        times = _timed(len(rows), lambda i: db.execute(insert, (i, rows[i])))
    else:
        times = _timed(len(rows) // batch, commit)
    db.close()
    return times


def _lancedb(folder: Path, vectors: np.ndarray, poses: np.ndarray, batch: int) -> list[float]:
    import lancedb
    import pyarrow

    fields = [("stamp_s", pyarrow.float64()), ("pose", pyarrow.list_(pyarrow.float64(), 12))]
    schema = pyarrow.schema([*fields, ("label", pyarrow.string()), ("vector", pyarrow.list_(pyarrow.float16(), _DIM))])
    table = lancedb.connect(str(folder / "lance")).create_table("rows", schema=schema)
    halves = vectors.astype(np.float16)

    def commit(i: int) -> None:
        part = slice(i * batch, (i + 1) * batch)
        flat = poses[part, :3].reshape(-1)
        table.add(
            pyarrow.table(
                [
                    pyarrow.array(np.arange(part.start, part.stop, dtype=np.float64)),
                    pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat), 12),
                    pyarrow.array(["kitchen"] * batch),
                    pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(halves[part].reshape(-1)), _DIM),
                ],
                schema=schema,
            )
        )

    return _timed(min(len(vectors) // batch, _LANCE_COMMITS), commit)


def _timed(num: int, commit: Callable[[int], object]) -> list[float]:
    """Seconds of each of `num` commits."""
    times = []
    for i in range(num):
        began = time.perf_counter()
        commit(i)
        times.append(time.perf_counter() - began)
    return times


def run(
    seed: int = 0,
    num_rows: int = 20_000,
    rounds: int = 5,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Time all methods.

    Args:
        seed: Of the stream.
        num_rows: Observations of each round; LanceDB gets fewer.
        rounds: How often each method has its turn, in a new folder each time.
        peers: Only these of "sqlite" and "lancedb"; by default all that are installed.
        say: Told about progress.

    Returns:
        For "single" and "batch", and each method: rates in records/s (median, lowest and highest round), the median
        and 99th percentile of all commits in milliseconds, and processor time, opening included; the ratios; and
        whether the marks are met.
    """
    if num_rows < _BATCH:
        raise ValueError(f"num_rows must be {_BATCH} or more, got {num_rows}")
    methods: dict[str, Callable[..., list[float]]] = {"placecell": _placecell}
    if peers is None or "sqlite" in peers:
        methods["sqlite"] = _sqlite
    if (peers is None or "lancedb" in peers) and importlib.util.find_spec("lancedb") is not None:
        methods["lancedb"] = _lancedb
    vectors, poses = _stream(np.random.default_rng(seed), num_rows)
    result: dict[str, Any] = {"seed": seed, "num_rows": num_rows, "rounds": rounds, "dim": _DIM, "batch": _BATCH}
    for mode, batch in (("single", 1), ("batch", _BATCH)):
        rates: dict[str, list[float]] = {name: [] for name in methods}
        commits: dict[str, list[float]] = {name: [] for name in methods}
        cpu_s: dict[str, float] = dict.fromkeys(methods, 0.0)
        for number in range(rounds):
            for name, method in methods.items():
                say(f"{mode}: round {number + 1} of {rounds}, {name}")
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                    began = time.process_time()
                    times = method(Path(folder), vectors, poses, batch)
                    cpu_s[name] += time.process_time() - began
                rates[name].append(batch * len(times) / sum(times))
                commits[name] += times
        result[mode] = {
            name: {
                "records_per_s": round(statistics.median(rates[name]), 1),
                "lowest": round(min(rates[name]), 1),
                "highest": round(max(rates[name]), 1),
                "p50_ms": round(1e3 * float(np.percentile(commits[name], 50)), 4),
                "p99_ms": round(1e3 * float(np.percentile(commits[name], 99)), 4),
                "max_ms": round(1e3 * max(commits[name]), 2),
                "cpu_us_per_record": round(1e6 * cpu_s[name] / (batch * len(commits[name])), 2),
                "num_commits": len(commits[name]),
            }
            for name in methods
        }
        own = result[mode]["placecell"]["records_per_s"]
        result[mode]["ratio"] = {
            name: round(own / result[mode][name]["records_per_s"], 3) for name in methods if name != "placecell"
        }
    single = result["single"]["placecell"]
    result["marks"] = {
        f"single >= {_MARK_RATE:.0f} records/s": single["records_per_s"] >= _MARK_RATE,
        f"single p99 < {_MARK_P99_MS:.0f} ms": single["p99_ms"] < _MARK_P99_MS,
    }
    return result


def summary(result: dict[str, Any]) -> str:
    """The result as a table for people."""
    lines = [
        f"durable writes, {result['dim']} numbers a vector, n = {result['num_rows']} records x {result['rounds']} "
        f"rounds, seed {result['seed']}",
        f"{'':8}{'':12}{'records/s':>11}{'lowest - highest':>21}{'p50 ms':>10}{'p99 ms':>10}{'cpu us':>9}{'ratio':>9}",
    ]
    for mode in ("single", "batch"):
        for name, row in result[mode].items():
            if name == "ratio":
                continue
            ratio = result[mode]["ratio"].get(name)
            span = f"{row['lowest']:.0f} - {row['highest']:.0f}"
            lines.append(
                f"{mode:8}{name:12}{row['records_per_s']:>11.0f}{span:>21}{row['p50_ms']:>10.3f}{row['p99_ms']:>10.3f}"
                f"{row['cpu_us_per_record']:>9.1f}" + (f"{ratio:>8.2f}x" if ratio is not None else "")
            )
    lines += [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()]
    return "\n".join(lines)
