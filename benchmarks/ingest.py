"""How much faster than real time a video becomes a memory, against the same pipeline written plainly.

Both decode one frame a second, encode it with the same encoder, make a JPEG of 320 pixels, and store it durably. The
plain one is what one writes first: PyAV decodes every frame, the wanted ones become full-size arrays, are resized,
encoded in batches, and go into LanceDB (SQLite where that is missing), one step after the other. Both give the same
number of vectors of each moment: the whole view only, or the whole view and nine tiles. They take turns in one process.
"""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from placecell.benchmarks import decode
from placecell.benchmarks.footage import sample_videos, write_footage
from placecell.ingest import IngestSettings, ingest
from placecell.memory.memory import Memory
from placecell.perception.encoders import open_encoder
from placecell.perception.tiles import encode_moments
from placecell.perception.video import Video
from placecell.pipeline import in_batches

if TYPE_CHECKING:
    from placecell.perception.encoders import Encoder

__all__ = ["PEERS", "run", "summary"]

LARGE = "ViT-B-32"
MARK = 1.3
_BATCH = 16
_PICTURE = 320
_SIZES = {"360p": (640, 360), "1080p": (1920, 1080)}
Method = Callable[[Path, Path, "Encoder", tuple[int, ...], float], int]


def placecell(path: Path, folder: Path, encoder: Encoder, scales: tuple[int, ...], end_s: float) -> int:
    """This project, opening and closing the memory included; returns the number of moments."""
    settings = IngestSettings(end_s=end_s, subtitles="off", tiles=scales[0] if scales else 0)
    with Memory.open(folder / "memory", encoder=encoder) as memory:
        report = ingest(path, memory, settings)
    assert report.num_vectors == (10 if scales else 1)
    return report.num_moments


def plain(
    path: Path, folder: Path, encoder: Encoder, scales: tuple[int, ...], end_s: float, threads: str = "SLICE"
) -> int:
    """The same steps one after the other; `SLICE` is how PyAV decodes unless it is told otherwise."""
    add = (_lance if importlib.util.find_spec("lancedb") is not None else _sqlite)(folder, encoder.dim)
    num = 0
    for batch in in_batches(_wanted(path, end_s, threads), _BATCH):
        vectors = encode_moments(encoder, [rgb for _, rgb in batch], scales)
        pictures = [_jpeg(rgb) for _, rgb in batch]
        add([stamp_s for stamp_s, _ in batch], vectors.astype(np.float16), pictures)
        num += len(batch)
    return num


def plain_threaded(path: Path, folder: Path, encoder: Encoder, scales: tuple[int, ...], end_s: float) -> int:
    """The same, decoding with a thread per core."""
    return plain(path, folder, encoder, scales, end_s, threads="AUTO")


PEERS: dict[str, Method] = {"plain": plain, "plain, threaded decoding": plain_threaded}


def run(
    seed: int = 0,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
    encoders: Sequence[str] = ("builtin", LARGE),
    sizes: Sequence[str] = ("360p", "1080p"),
    seconds: float = 32.0,
    repeats: int = 3,
    gop: int = 250,
    with_decoding: bool = True,
) -> dict[str, Any]:
    """Measure both pipelines on the same videos with the same encoders.

    Args:
        seed: Of the footage, where it is made, and of the large encoder's weights.
        peers: Names of `PEERS`; all if not given.
        say: Told what is being done.
        encoders: "builtin", "ViT-B-32" (of that size and random weights; passed over where the extra `[clip]` is not
            installed), or whatever `open_encoder` knows.
        sizes: Of "360p" and "1080p".
        seconds: Length of the videos; tiles with a large encoder are measured on their first quarter.
        repeats: How often each pipeline has its turn, in a new folder each time.
        gop: Most frames from one keyframe to the next.
        with_decoding: Whether to add the table of decoding alone, see `placecell.benchmarks.decode`.

    Returns:
        For each encoder, size and kind of view, and each pipeline: times real time by the clock and per core (median,
        lowest, highest), the ratio of this project to each peer by both, and the number of moments and vectors.

    Raises:
        ValueError: If a peer or a size is unknown.
    """
    chosen = list(PEERS) if peers is None else list(peers)
    if unknown := {*chosen} - {*PEERS} | {*sizes} - {*_SIZES}:
        raise ValueError(f"unknown: {sorted(unknown)}; peers are {list(PEERS)}, sizes are {list(_SIZES)}")
    source = next(iter(sample_videos()), None)
    store = "LanceDB" if importlib.util.find_spec("lancedb") is not None else "SQLite"
    result: dict[str, Any] = {
        "seed": seed, "repeats": repeats, "seconds": seconds, "gop": gop, "plain_store": store,
        "footage": source.name if source else "made", "notes": [], "cells": [],
    }  # fmt: skip
    methods: dict[str, Method] = {"placecell": placecell, **{name: PEERS[name] for name in chosen}}
    with tempfile.TemporaryDirectory() as folder:
        videos = {}
        for size in sizes:
            say(f"writing {seconds:g} s of {size} H.264, GOP {gop}")
            videos[size] = Path(folder) / f"{size}.mp4"
            write_footage(videos[size], seconds, gop, _SIZES[size], source=source, seed=seed)
        for name in encoders:
            encoder = _encoder(name, Path(folder), seed, result["notes"], say)
            if encoder is None:
                continue
            for size in sizes:
                for scales in ((), (2,)):
                    end_s = seconds / 4 if scales and encoder.image_size > 128 else seconds
                    cell = {"encoder": name, "size": size, "vectors": 10 if scales else 1, "seconds": end_s}
                    say(f"{name}, {size}, {cell['vectors']} vectors a moment")
                    cell |= _measure(videos[size], encoder, scales, end_s, methods, repeats)
                    result["cells"].append(cell)
    if with_decoding:
        names: list[str] | None = None if peers is None else []
        result["decode"] = decode.run(seed=seed, seconds=min(seconds, 20.0), repeats=repeats, peers=names, say=say)
    result["marks"] = {
        f"{cell['encoder']}, {cell['size']}: >= {MARK} x plain": cell["methods"]["plain"]["ratio"] >= MARK
        for cell in result["cells"]
        if cell["encoder"] == LARGE and cell["vectors"] == 1 and "plain" in cell["methods"]
    }
    return result


def summary(result: dict[str, Any]) -> str:
    """The result as a table for people."""
    lines = [
        f"video to memory, one moment a second, {result['seconds']:g} s of {result['footage']} footage, GOP "
        f"{result['gop']}, n = {result['repeats']} turns, seed {result['seed']}; plain: {result['plain_store']}",
        f"{'':48}{'x real time':>12}{'lowest-highest':>17}{'ratio':>8}{'x per core':>12}{'ratio':>8}",
    ]
    for cell in result["cells"]:
        what = f"{cell['encoder']}, {cell['size']}, {cell['vectors']} vectors"
        for name, row in cell["methods"].items():
            span = f"{row['lowest']:.1f}-{row['highest']:.1f}"
            lines.append(
                f"{what:30}{name:18.17}{row['median']:>12.1f}{span:>17}{row['ratio']:>7.2f}x"
                f"{row['per_core']:>12.1f}{row['ratio_per_core']:>7.2f}x"
            )
    lines += [f"{'met' if is_met else 'MISSED'}: {mark}" for mark, is_met in result["marks"].items()]
    lines += result["notes"]
    if "decode" in result:
        lines += ["", decode.summary(result["decode"])]
    return "\n".join(lines)


def _measure(
    path: Path, encoder: Encoder, scales: tuple[int, ...], end_s: float, methods: dict[str, Method], repeats: int
) -> dict[str, Any]:
    with Video.open(path) as video:
        length_s = min(end_s, video.info.duration_s)
    clock: dict[str, list[float]] = {name: [] for name in methods}
    core: dict[str, list[float]] = {name: [] for name in methods}
    moments = {}
    for repeat in range(-1, repeats):  # the first round loads libraries and the file, and is short
        for name, method in methods.items():
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                began, began_cpu = time.perf_counter(), time.process_time()
                num = method(path, Path(folder), encoder, scales, 4.0 if repeat < 0 else end_s)
                took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
            if repeat >= 0:
                moments[name] = num
                clock[name].append(length_s / took)
                core[name].append(length_s / took_cpu)
    own, own_core = statistics.median(clock["placecell"]), statistics.median(core["placecell"])
    return {
        "methods": {
            name: {
                "median": round(statistics.median(clock[name]), 2),
                "lowest": round(min(clock[name]), 2),
                "highest": round(max(clock[name]), 2),
                "per_core": round(statistics.median(core[name]), 2),
                "ratio": round(own / statistics.median(clock[name]), 3),
                "ratio_per_core": round(own_core / statistics.median(core[name]), 3),
                "moments": moments[name],
            }
            for name in methods
        }
    }


def _encoder(name: str, folder: Path, seed: int, notes: list[str], say: Callable[[str], None]) -> Encoder | None:
    """The encoder of this name; a large one is made, with random weights, which cost as much as learned ones."""
    if name != LARGE:
        return open_encoder(name)
    if any(importlib.util.find_spec(module) is None for module in ("torch", "open_clip", "onnx")):
        notes.append(f"{LARGE} was not measured: it needs pip install 'placecell[clip]'")
        return None
    import open_clip
    import torch

    from placecell.perception.export import export_encoder

    say(f"exporting {LARGE} with random weights")
    torch.manual_seed(seed)
    torch.save(open_clip.create_model(LARGE, pretrained=None).state_dict(), folder / "random.pt")
    export_encoder(LARGE, folder / "large", checkpoint=folder / "random.pt")
    return open_encoder(str(folder / "large"))


def _wanted(path: Path, end_s: float, threads: str) -> Iterator[tuple[float, np.ndarray]]:
    """Frames at whole seconds, full size, as PyAV hands them out."""
    import av

    num = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = threads
        for frame in container.decode(stream):
            if frame.time >= end_s:
                return
            if frame.time >= num - 1e-6:
                yield frame.time, frame.to_ndarray(format="rgb24")
                num += 1


def _jpeg(rgb: np.ndarray) -> bytes:
    scale = _PICTURE / max(rgb.shape[:2])
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small[..., ::-1])[1].tobytes()


Add = Callable[[list[float], np.ndarray, list[bytes]], None]


def _lance(folder: Path, dim: int) -> Add:
    import lancedb
    import pyarrow

    fields = [("stamp_s", pyarrow.float64()), ("row", pyarrow.int32()), ("picture", pyarrow.binary())]
    schema = pyarrow.schema([*fields, ("vector", pyarrow.list_(pyarrow.float16(), dim))])
    table = lancedb.connect(str(folder / "lance")).create_table("moments", schema=schema)

    def add(stamps_s: list[float], vectors: np.ndarray, pictures: list[bytes]) -> None:
        num, per = vectors.shape[:2]
        jpegs = [pictures[i // per] if i % per == 0 else None for i in range(num * per)]
        columns = [
            pyarrow.array(np.repeat(stamps_s, per)),
            pyarrow.array(np.tile(np.arange(per, dtype=np.int32), num)),
            pyarrow.array(jpegs, pyarrow.binary()),
            pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.reshape(-1)), dim),
        ]
        table.add(pyarrow.table(columns, schema=schema))

    return add


def _sqlite(folder: Path, dim: int) -> Add:
    import sqlite3

    db = sqlite3.connect(folder / "moments.sqlite")
    db.execute("CREATE TABLE moments (stamp_s REAL, picture BLOB, vectors BLOB)")

    def add(stamps_s: list[float], vectors: np.ndarray, pictures: list[bytes]) -> None:
        rows = zip(stamps_s, pictures, (row.tobytes() for row in vectors), strict=True)
        with db:
            db.executemany("INSERT INTO moments VALUES (?, ?, ?)", rows)

    return add
