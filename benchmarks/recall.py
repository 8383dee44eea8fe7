"""How fast and how well memories are found: the chunk index against its peers, on streams, in one run on one core.

Engines take turns in blocks of queries, so that each has its own data in the caches and all have the same neighbours.
Time is processor time of all threads of the process (on one core, and without other load, it is what a clock shows).
Recall@10 is measured against the exact scan; a row that scores as high as the tenth counts as found.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["run", "summary"]

_BLOCK = 10
_ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "LANCE_CPU_THREADS",
        "TOKIO_WORKER_THREADS",
    )
}
_BIG = 300_000  # rows from which peers that take many minutes to build are left out unless they are named
_SLOW_TO_BUILD = ("faiss-hnsw", "usearch", "lancedb-ivf")
_FILTER_THEMSELVES = ("lancedb", "lancedb-ivf")
_ANN = ("faiss-ivf-sq8", "faiss-hnsw", "usearch", "lancedb-ivf")


def run(
    seed: int = 0,
    num_rows: int = 100_000,
    peers: Sequence[str] | None = None,
    num_queries: int = 100,
    dim: int = 512,
    filters: Sequence[str] = ("none", "time", "space", "label", "all"),
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Build every engine and ask each the same queries, in a process of its own with one thread and one core.

    Args:
        seed: Of streams and queries.
        num_rows: Rows in all, of eight agents.
        peers: Only these of `recall_peers.ENGINES`; by default all that are installed, but for a large memory those
            that take many minutes to build are left out.
        num_queries: Of each filter.
        dim: Length of the vectors.
        filters: Of `streams.FILTERS`.
        say: Told about progress.

    Returns:
        For each filter and engine the settings tried, with recall@10 and times (milliseconds); build times, insert
        rates and bytes; ratios; and whether the marks are met.
    """
    task = {
        "seed": seed,
        "num_rows": num_rows,
        "peers": peers,
        "num_queries": num_queries,
        "dim": dim,
        "filters": list(filters),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "placecell.benchmarks.recall", json.dumps(task)],
        env={**os.environ, **_ONE_THREAD},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None and worker.stderr is not None
        last: list[str] = []
        for line in worker.stderr:
            if line.startswith("> "):
                say(line[2:].rstrip())
            else:
                last = [*last[-20:], line]
        output = worker.stdout.read()
    if worker.returncode:
        raise RuntimeError(f"the benchmark's process ended with {worker.returncode}: {''.join(last).strip()}")
    result: dict[str, Any] = json.loads(output)
    result["marks"] = _marks(result)
    return result


def _work(task: Mapping[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    from placecell.benchmarks.recall_peers import ENGINES, Filters, opened
    from placecell.benchmarks.streams import make_queries, make_streams

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    num_rows, seed = task["num_rows"], task["seed"]
    names = ["placecell", "scan"]
    for name in ENGINES if task["peers"] is None else task["peers"]:
        is_left_out = task["peers"] is None and num_rows > _BIG and name in _SLOW_TO_BUILD
        if name not in names and not is_left_out:
            names.append(name)
    say(f"making streams of {num_rows} rows")
    streams = make_streams(num_rows, task["dim"], seed)
    result: dict[str, Any] = {
        **task,
        "num_rows": len(streams),
        "threads": 1,
        "mean_event_rows": round(len(streams) / int(streams.is_event_start.sum()), 2),
        "engines": {},
        "filters": {},
    }
    with opened(names) as engines:
        for name, engine in engines.items():
            say(f"building {name}")
            began, began_cpu = time.perf_counter(), time.process_time()
            engine.build(streams)
            wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
            result["engines"][name] = {
                "build_s": round(wall_s, 2),
                "build_cpu_s": round(cpu_s, 2),
                "rows_per_cpu_s": round(len(streams) / max(cpu_s, 1e-9)),
                "num_bytes": engine.num_bytes,
            }
        rows_of = Filters(streams)
        for name in task["filters"]:
            queries = make_queries(streams, name, task["num_queries"], seed)
            say(f"filter {name}: {len(queries)} queries")
            result["filters"][name] = _compare(streams, queries, engines, rows_of)
    result["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return result


def _compare(streams: Any, queries: Sequence[Any], engines: Mapping[str, Any], rows_of: Any) -> dict[str, Any]:
    """Recall and times of every engine and setting over the same queries."""
    truth, chosen, mask_ms = [], [], []
    for query in queries:
        began = time.process_time()
        rows = None if query.where is None else np.flatnonzero(rows_of.mask(query.where))
        mask_ms.append(1e3 * (time.process_time() - began))
        scores = (streams.vectors if rows is None else streams.vectors[rows]) @ query.vector
        chosen.append(rows)
        truth.append(np.sort(scores)[::-1][:10])
    asked = [i for i in range(len(queries)) if len(truth[i])]  # a conjunction may let nothing through
    cells: dict[tuple[str, int], dict[str, list[float]]] = {}
    for start in range(0, len(asked), _BLOCK):
        block = asked[start : start + _BLOCK]
        order = list(engines)
        turn = start // _BLOCK % len(order)
        for name in order[turn:] + order[:turn]:
            engine = engines[name]
            if queries[0].where is not None and not engine.has_filters:
                continue
            if engine.is_slow and start >= 6 * _BLOCK:
                continue
            prepared = [engine.prepare(queries[i].where, chosen[i]) for i in block]
            for i, ready in zip(
                block, [] if engine.is_slow else prepared, strict=False
            ):  # bring its data into the caches
                engine.search(queries[i], ready, engine.settings[0])
            for setting in engine.settings:
                cell = cells.setdefault((name, setting), {"recall": [], "cpu_ms": [], "wall_ms": [], "text": []})
                engine.search(queries[block[0]], prepared[0], setting)
                for i, ready in zip(block, prepared, strict=True):
                    wall, cpu = time.perf_counter(), time.process_time()
                    found = engine.search(queries[i], ready, setting)
                    cell["cpu_ms"].append(1e3 * (time.process_time() - cpu))
                    cell["wall_ms"].append(1e3 * (time.perf_counter() - wall))
                    recall = _recall(streams.vectors, queries[i].vector, found, chosen[i], truth[i])
                    cell["recall"].append(recall)
                    if queries[i].kind == "text":
                        cell["text"].append(recall)
    engines_found: dict[str, list[dict[str, float]]] = {}
    for (name, setting), cell in cells.items():
        spread = [float(value) for value in np.percentile(cell["cpu_ms"], (50, 10, 90))]
        engines_found.setdefault(name, []).append(
            {
                "setting": setting,
                "recall": round(float(np.mean(cell["recall"])), 4),
                "recall_text": round(float(np.mean(cell["text"])), 4) if cell["text"] else 1.0,
                "cpu_ms": round(spread[0], 4),
                "p10_ms": round(spread[1], 4),
                "p90_ms": round(spread[2], 4),
                "wall_ms": round(float(np.median(cell["wall_ms"])), 4),
                "num_queries": len(cell["recall"]),
            }
        )
    shares = [1.0 if rows is None else len(rows) / len(streams) for rows in chosen]
    return {
        "num_queries": len(asked),
        "share": round(float(np.mean(shares)), 5),
        "mask_ms": round(float(np.median(mask_ms)), 4),
        "engines": engines_found,
    }


def _recall(
    vectors: np.ndarray, query: np.ndarray, found: np.ndarray, passing: np.ndarray | None, best: np.ndarray
) -> float:
    """Share of the best scores that were found; what does not pass does not count."""
    found = np.unique(found)
    if passing is not None:
        found = found[np.isin(found, passing)]
    return float(min(len(best), int((vectors[found] @ query >= best[-1] - 1e-6).sum())) / len(best))


def _marks(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each mark: what, the figure, and whether it is met; without a bound it is told for comparison."""
    marks: list[dict[str, Any]] = []

    def add(what: str, value: float, least: float | None = None, most: float | None = None) -> None:
        is_met = None if least is None and most is None else (least or 0.0) <= value <= (most or float("inf"))
        marks.append({"mark": what, "value": round(value, 4), "is_met": is_met})

    for name, cell in result["filters"].items():
        engines = cell["engines"]
        own = engines["placecell"][0]
        if name == "none":
            add("no filter: recall@10 >= 0.95", own["recall"], least=0.95)
            add("no filter: >= 20 x faster than the exact scan", engines["scan"][0]["cpu_ms"] / own["cpu_ms"], least=20)
            for recall in (0.95, 0.98, 0.99):
                mine = _fastest({"placecell": engines["placecell"]}, recall)
                best = _fastest({peer: engines[peer] for peer in _ANN if peer in engines}, recall)
                if best is not None:
                    ratio = float("inf") if mine is None else mine[1] / best[1]
                    what = f"the time of the fastest ANN at recall {recall} ({best[0]})"
                    if recall == 0.99:
                        add(f"no filter: <= 2 x {what}", ratio, most=2)
                    else:
                        add(f"no filter: ratio to {what}", ratio)
            continue
        add(f"{name}: recall@10 >= 0.99", own["recall"], least=0.99)
        peers = {peer: rows for peer, rows in engines.items() if peer not in ("placecell", "scan")}
        best = _fastest(peers, 0.99)
        if best is not None:
            what = f"{name}: >= 3 x faster than the best peer that reaches 0.99 ({best[0]}, its bitmap made beforehand)"
            add(what, best[1] / own["cpu_ms"], least=3)
            others = {peer: rows for peer, rows in peers.items() if peer in _FILTER_THEMSELVES}
            whole = [best[1] + cell["mask_ms"]] + [found[1] for found in (_fastest(others, 0.99),) if found is not None]
            add(f"{name}: ratio to the best peer from predicate to result", min(whole) / own["cpu_ms"])
    rates = {name: engine["rows_per_cpu_s"] for name, engine in result["engines"].items()}
    if "faiss-hnsw" in rates:
        add("insert: >= 20 x the rate of HNSW (faiss)", rates["placecell"] / rates["faiss-hnsw"], least=20)
    if "usearch" in rates:
        add("insert: ratio to usearch", rates["placecell"] / rates["usearch"])
    return marks


def _fastest(engines: Mapping[str, Sequence[Mapping[str, float]]], recall: float) -> tuple[str, float] | None:
    """The engine that reaches a recall first, and its time."""
    good = [(row["cpu_ms"], name) for name, rows in engines.items() for row in rows if row["recall"] >= recall]
    return min(good)[::-1] if good else None


def summary(result: Mapping[str, Any]) -> str:
    """The result as tables for people."""
    lines = [
        f"recall@10, {result['num_rows']} rows x {result['dim']}, events of {result['mean_event_rows']} rows, seed "
        f"{result['seed']}, one thread, processor time; peak RSS {result['peak_rss_bytes'] / 1e9:.1f} GB",
        f"{'engine':15}{'build s':>10}{'rows/s':>10}{'MB':>8}",
    ]
    for name, engine in result["engines"].items():
        lines.append(
            f"{name:15}{engine['build_cpu_s']:>10.1f}{engine['rows_per_cpu_s']:>10}{engine['num_bytes'] / 1e6:>8.0f}"
        )
    for name, cell in result["filters"].items():
        lines.append(
            f"\nfilter {name}: {cell['num_queries']} queries, {100 * cell['share']:.2f} % of the rows pass; "
            f"the peers' bitmap takes {cell['mask_ms']:.2f} ms and is made beforehand"
        )
        lines.append(f"{'engine':15}{'setting':>8}{'recall':>8}{'texts':>8}{'p50 ms':>10}{'p10 - p90':>18}{'n':>6}")
        for peer, rows in cell["engines"].items():
            for row in rows:
                span = f"{row['p10_ms']:.3f} - {row['p90_ms']:.3f}"
                lines.append(
                    f"{peer:15}{row['setting'] or '':>8}{row['recall']:>8.3f}{row['recall_text']:>8.3f}"
                    f"{row['cpu_ms']:>10.3f}{span:>18}{row['num_queries']:>6}"
                )
    lines.append("")
    for mark in result["marks"]:
        verdict = {True: "met", False: "MISSED", None: "told"}[mark["is_met"]]
        lines.append(f"{verdict}: {mark['mark']}: {mark['value']:.3g}")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The process that `run` starts.")
    parser.add_argument("task")

    def _to_parent(line: str) -> None:
        print(f"> {line}", file=sys.stderr, flush=True)

    print(json.dumps(_work(json.loads(parser.parse_args().task), _to_parent)))
