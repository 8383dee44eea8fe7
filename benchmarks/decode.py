"""How much video one core reads at one frame a second, against OpenCV, decord and PyAV as they are usually used.

The measure is hours of video per core-hour: seconds of video over seconds of processor time, from opening the file to
the last picture at 224 x 224. All methods get one decoding thread, run in the same process, and take turns.
"""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from placecell.benchmarks.footage import sample_videos, write_footage
from placecell.perception.video import Video

__all__ = ["METHODS", "run", "summary"]

_SIDE = 224
Method = Callable[[Path, float], list[np.ndarray]]


def placecell(path: Path, every_s: float) -> list[np.ndarray]:
    """This project, as `ingest` uses it."""
    with Video.open(path) as video:
        return [frame.rgb for frame in video.frames(every_s, size=(_SIDE, _SIDE))]


def placecell_exact(path: Path, every_s: float) -> list[np.ndarray]:
    """This project, without any shortcut that changes a pixel or a stamp."""
    with Video.open(path) as video:
        return [frame.rgb for frame in video.frames(every_s, size=(_SIDE, _SIDE), exact=True)]


def opencv_grab(path: Path, every_s: float) -> list[np.ndarray]:
    """OpenCV: grab every frame, retrieve the wanted ones."""
    import cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    step = capture.get(cv2.CAP_PROP_FPS) * every_s
    found: list[np.ndarray] = []
    index = 0
    while capture.grab():
        if index >= len(found) * step - 1e-6:
            found.append(_shrunk_bgr(capture.retrieve()[1]))
        index += 1
    capture.release()
    return found


def opencv_seek(path: Path, every_s: float) -> list[np.ndarray]:
    """OpenCV: set the position, read one frame, and so on."""
    import cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    step = capture.get(cv2.CAP_PROP_FPS) * every_s
    found: list[np.ndarray] = []
    for index in np.arange(0, capture.get(cv2.CAP_PROP_FRAME_COUNT), step):
        capture.set(cv2.CAP_PROP_POS_FRAMES, round(float(index)))
        is_read, picture = capture.read()
        if is_read:
            found.append(_shrunk_bgr(picture))
    capture.release()
    return found


def decord(path: Path, every_s: float) -> list[np.ndarray]:
    """Decord: `get_batch` of the wanted frames, shrunk while decoding."""
    from decord import VideoReader

    reader = VideoReader(str(path), width=_SIDE, height=_SIDE, num_threads=1)
    rows = np.arange(0, len(reader), reader.get_avg_fps() * every_s).round().astype(int)
    return list(reader.get_batch(rows[rows < len(reader)].tolist()).asnumpy())


def pyav(path: Path, every_s: float) -> list[np.ndarray]:
    """PyAV: decode every frame, turn the wanted ones into arrays, shrink."""
    import av
    import cv2

    found: list[np.ndarray] = []
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(video=0):
            if frame.time >= len(found) * every_s - 1e-6:
                rgb = frame.to_ndarray(format="rgb24")
                found.append(cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
    return found


METHODS: dict[str, Method] = {
    "placecell": placecell,
    "placecell, exact": placecell_exact,
    "OpenCV, grab and retrieve": opencv_grab,
    "OpenCV, set position": opencv_seek,
    "decord": decord,
    "PyAV": pyav,
}


def run(
    seed: int = 0,
    gops: Sequence[int] = (30, 250),
    seconds: float = 30.0,
    repeats: int = 5,
    every_s: float = 1.0,
    size: tuple[int, int] = (1920, 1080),
    source: Path | None = None,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure all methods on the same videos.

    Args:
        seed: Seed of the footage, where it is made.
        gops: Most frames from one keyframe to the next; one video each.
        seconds: Length of the videos.
        repeats: Times that each method runs; methods take turns within a repeat.
        every_s: Seconds between wanted frames.
        size: `(width, height)` of the videos.
        source: A real video to loop and enlarge; the first of `PLACECELL_SAMPLE_DATA` if not given, else made footage.
        peers: Names of other methods to run, such as "decord"; all that are installed if not given.
        say: Told what is being done.

    Returns:
        Plain numbers: per GOP and method the median, least and greatest hours of video per core-hour, the number of
        pictures, their mean difference from "placecell, exact" in grey levels, and the ratio of "placecell" to each.

    Raises:
        ValueError: If `peers` names an unknown method.
    """
    source = source or next(iter(sample_videos()), None)
    names = _chosen(peers)
    result: dict[str, Any] = {
        "measure": "hours of video per core-hour",
        "seed": seed,
        "repeats": repeats,
        "every_s": every_s,
        "seconds": seconds,
        "size": list(size),
        "footage": source.name if source else "made",
        "gop": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for gop in gops:
            path = Path(folder) / f"gop{gop}.mp4"
            say(f"writing {seconds:g} s of {size[0]} x {size[1]} H.264, GOP {gop}")
            write_footage(path, seconds, gop, size, source=source, seed=seed)
            result["gop"][str(gop)] = _measure(path, names, repeats, every_s, say)
    return result


def summary(result: dict[str, Any]) -> str:
    """The result as a table for people."""
    width, height = result["size"]
    rows = [
        f"{result['measure']}, 1 frame per {result['every_s']:g} s, {width} x {height} H.264, "
        f"{result['seconds']:g} s of {result['footage']} footage, median of {result['repeats']} (least-greatest), "
        f"seed {result['seed']}"
    ]
    for gop, cell in result["gop"].items():
        rows.append(f"GOP {gop} ({cell['plan']}; at most {cell['off_grid_s']:.2f} s from the wanted moments)")
        for name, row in cell["methods"].items():
            rows.append(
                f"  {name:26} {row['median']:7.1f} ({row['low']:.1f}-{row['high']:.1f})  x{row['ratio']:.2f}  "
                f"{row['pictures']} pictures, {_told(row['difference'])}"
            )
    return "\n".join(rows)


def _measure(
    path: Path, names: Sequence[str], repeats: int, every_s: float, say: Callable[[str], None]
) -> dict[str, Any]:
    times: dict[str, list[float]] = {name: [] for name in names}
    pictures: dict[str, list[np.ndarray]] = {}
    with Video.open(path) as video:
        duration_s, plan = video.info.duration_s, video.plan(every_s)
    for repeat in range(-1, repeats):  # the first round only loads libraries and the file
        for name in names:
            began = time.process_time()
            pictures[name] = METHODS[name](path, every_s)
            if repeat >= 0:
                times[name].append(duration_s / (time.process_time() - began))
        say(f"{path.stem}: round {repeat + 1} of {repeats}")
    medians = {name: statistics.median(values) for name, values in times.items()}
    exact = pictures["placecell, exact"]
    return {
        "plan": f"{plan.kind}: {plan.reason}",
        "num_decoded": plan.num_decoded,
        "off_grid_s": float(np.abs(plan.stamps_s - np.round(plan.stamps_s / every_s) * every_s).max(initial=0.0)),
        "methods": {
            name: {
                "median": medians[name],
                "low": min(times[name]),
                "high": max(times[name]),
                "ratio": medians["placecell"] / medians[name],
                "pictures": len(pictures[name]),
                "difference": _difference(pictures[name], exact),
            }
            for name in names
        },
    }


def _chosen(peers: Sequence[str] | None) -> list[str]:
    others = [name for name in METHODS if not name.startswith("placecell")]
    if peers is None:
        peers = [name for name in others if name != "decord" or importlib.util.find_spec("decord") is not None]
    elif unknown := set(peers) - set(others):
        raise ValueError(f"unknown peers {sorted(unknown)}; known: {others}")
    return ["placecell", "placecell, exact", *peers]


def _difference(pictures: list[np.ndarray], exact: list[np.ndarray]) -> float | None:
    """Mean absolute difference in grey levels, None where the counts differ."""
    if len(pictures) != len(exact) or not exact:
        return None
    return float(np.mean([np.abs(a.astype(np.int16) - b).mean() for a, b in zip(pictures, exact, strict=True)]))


def _told(difference: float | None) -> str:
    return "another count than exact" if difference is None else f"differing by {difference:.2f} of 255"


def _shrunk_bgr(picture: np.ndarray) -> np.ndarray:
    import cv2

    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
