"""Footage to measure decoding with: a real video looped and enlarged where one is at hand, else a made one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from placecell.perception.clips import VideoWriter
from placecell.perception.video import Video

__all__ = ["moving_pictures", "sample_videos", "write_footage"]


def sample_videos() -> list[Path]:
    """Real videos in the folder that the environment variable `PLACECELL_SAMPLE_DATA` names, sorted; else none."""
    folder = os.environ.get("PLACECELL_SAMPLE_DATA", "")
    return sorted(Path(folder).glob("*.mp4")) if folder else []


def write_footage(
    path: Path,
    seconds: float,
    gop: int,
    size: tuple[int, int] = (1920, 1080),
    fps: int = 30,
    source: Path | None = None,
    seed: int = 0,
) -> None:
    """Write an H.264 video (x264 veryfast, crf 23, B-frames) with a keyframe at least every `gop` frames.

    Args:
        path: Where to.
        seconds: How long.
        gop: Most frames from one keyframe to the next.
        size: `(width, height)`.
        fps: Frames per second.
        source: A real video, played over and over and enlarged; without one the pictures are made.
        seed: Seed of the made pictures.
    """
    count = round(seconds * fps)
    pictures = moving_pictures(size, seed) if source is None else _looped(source, size)
    with VideoWriter(path, fps, size, crf=23, keyframe_s=gop / fps) as writer:
        for _ in range(count):
            writer.write(next(pictures))


def moving_pictures(size: tuple[int, int], seed: int = 0) -> Iterator[np.ndarray]:
    """Endless pictures `(h, w, 3)`: a camera that wanders over a textured plane with moving things and sensor noise.

    Every twelve seconds at 30 frames a second the plane changes, as if the camera had gone through a door.
    """
    import cv2

    rng = np.random.default_rng(seed)
    width, height = size
    margin = max(16, width // 8)
    noise = [rng.normal(0.0, 2.5, (height, width, 1)).round().astype(np.int16) for _ in range(5)]
    index = 0
    plane = np.zeros((1, 1, 3), np.uint8)
    while True:
        if index % 360 == 0:
            shape = (height + 2 * margin, width + 2 * margin)
            layers = [
                cv2.resize(rng.uniform(0, 1, (n, n * 16 // 9, 3)).astype(np.float32), shape[::-1]) for n in (5, 18, 70)
            ]
            plane = np.clip(150 * layers[0] + 70 * layers[1] + 36 * layers[2], 0, 255).astype(np.uint8)
            for _ in range(40):  # edges: furniture, doors
                x, y = rng.integers(0, shape[1]), rng.integers(0, shape[0])
                w, h = rng.integers(width // 40, width // 6), rng.integers(height // 40, height // 5)
                cv2.rectangle(plane, (int(x), int(y)), (int(x + w), int(y + h)), rng.integers(0, 256, 3).tolist(), -1)
            things = [(rng.uniform(0, 6.28, 2), rng.integers(0, 256, 3).tolist()) for _ in range(4)]
        t = index / 30.0
        dx = round(margin * (1 + np.sin(0.31 * t) * 0.95))
        dy = round(margin * (1 + np.sin(0.23 * t + 1.0) * 0.95))
        picture = plane[dy : dy + height, dx : dx + width].copy()
        for phase, colour in things:
            centre = (np.sin(0.5 * t + phase) * 0.4 + 0.5) * (width, height)
            cv2.circle(picture, (int(centre[0]), int(centre[1])), max(2, height // 12), colour, -1)
        yield np.clip(picture + noise[index % len(noise)], 0, 255).astype(np.uint8)
        index += 1


def _looped(source: Path, size: tuple[int, int]) -> Iterator[np.ndarray]:
    while True:
        with Video.open(source) as video:
            for frame in video.frames(0, size=size, exact=True):
                yield frame.rgb
