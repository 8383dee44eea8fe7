"""What decides which records a video gives."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from placecell.clock import format_time
from placecell.errors import PlacecellError
from placecell.perception.video import content_key

__all__ = ["IngestSettings"]

_SMALL_INPUT = 128  # pixels: encoders that read smaller pictures are cheap, and see little of a large view at once


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What decides which records a video gives; with the video's content and the encoder it is the key of a run.

    Args:
        every_s: Seconds between kept moments.
        start_s: Where in the video to begin, seconds.
        end_s: Where to stop; None is the end.
        subtitles: "auto" (a file beside the video, else an embedded track), "off", or a subtitle file.
        tiles: Besides the whole view, vectors of overlapping tiles of 1/`tiles` of its width and height: 2 for 9 of
            them, 3 for 25, 0 for none. None chooses 3 for views of more than 448 pixels where the encoder reads small
            pictures, else 2.
        picture_side: Longest side, pixels, of the picture kept as evidence; 0 keeps none.
        batch_size: Moments encoded and committed together.

    Raises:
        ValueError: If a value is out of range.
    """

    every_s: float | int = 1.0
    start_s: float | int = 0.0
    end_s: float | int | None = None
    subtitles: str = "auto"
    tiles: int | None = None
    picture_side: int = 320
    batch_size: int = 16

    def __post_init__(self) -> None:
        if not 0 < self.every_s < float("inf"):
            raise ValueError(f"seconds between moments must be positive, got {self.every_s}")
        if not 0 <= self.start_s < float("inf"):
            raise ValueError(f"the start must be finite and not negative, got {self.start_s}")
        if self.end_s is not None and not self.end_s > self.start_s:
            raise ValueError(
                f"the end must lie after the start {format_time(self.start_s)}, got {format_time(self.end_s)}"
            )
        if self.tiles not in (None, 0, 2, 3):
            raise ValueError(f"tiles must be 0, 2 or 3, got {self.tiles}")
        if self.picture_side < 0 or self.batch_size < 1:
            raise ValueError(
                f"picture_side must not be negative and batch_size positive, got {self.picture_side}, {self.batch_size}"
            )

    def key(self, content_key: str, encoder_name: str) -> str:
        """Name of a run: the same content, encoder and sampling give the same key, whatever the files are called.

        Raises:
            PlacecellError: If the subtitle file that was asked for does not exist.
        """
        words = self.subtitles if self.subtitles in ("auto", "off") else _content_key_of_words(Path(self.subtitles))
        end_s = None if self.end_s is None else float(self.end_s)
        sampling = [float(self.every_s), float(self.start_s), end_s, words, self.tiles, self.picture_side]
        text = json.dumps([content_key, encoder_name, sampling])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def span(self) -> str:
        """From where to where, for people."""
        end = "the end" if self.end_s is None else format_time(self.end_s)
        return f"between {format_time(self.start_s)} and {end}"

    def tiling(self, display_size: tuple[int, int], image_size: int) -> tuple[tuple[int, ...], tuple[int, int]]:
        """How a video's views are cut for an encoder.

        Args:
            display_size: `(width, height)` of the video.
            image_size: Side of the square that the encoder reads.

        Returns:
            Scales of the tiles (see `placecell.perception.tiles.tile_boxes`), and the size `(width, height)` to decode
            to: what fills the encoder with the smallest tile, never enlarged.

        Example:
            >>> IngestSettings().tiling((1920, 1080), 224)
            ((2,), (796, 448))
        """
        width, height = display_size
        scale = self.tiles
        if scale is None:
            scale = 3 if max(width, height) > 448 and image_size < _SMALL_INPUT else 2
        factor = min(1.0, max(scale, 1) * image_size / min(width, height))
        if self.picture_side:  # the picture that is kept is made of the same frame
            factor = max(factor, min(1.0, self.picture_side / max(width, height)))
        return (scale,) if scale else (), (max(2, round(width * factor)), max(2, round(height * factor)))


def _content_key_of_words(path: Path) -> str:
    """Name of a subtitle file's content.

    Raises:
        PlacecellError: If there is no such file.
    """
    if not path.is_file():
        raise PlacecellError(f"no such subtitle file: {path}")
    return content_key(path)
