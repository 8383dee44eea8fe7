"""Times as people type and read them: `75.5`, `1:15.5`, `00:01:15.500`."""

from __future__ import annotations

import math
import re

__all__ = ["format_time", "parse_time"]

_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)$")


def parse_time(text: str) -> float:
    """Seconds of a time given as seconds, `MM:SS` or `HH:MM:SS`, with or without a fraction.

    Raises:
        ValueError: If `text` is none of these, or minutes or seconds reach 60.

    Example:
        >>> parse_time("1:02:03.5"), parse_time("90")
        (3723.5, 90.0)
    """
    text = text.strip()
    try:
        seconds = float(text)
    except ValueError:
        match = _CLOCK.match(text)
        if match is None or int(match[2]) >= 60 or float(match[3].replace(",", ".")) >= 60:
            raise ValueError(f"a time is seconds, MM:SS or HH:MM:SS, got {text!r}") from None
        return int(match[1] or 0) * 3600 + int(match[2]) * 60 + float(match[3].replace(",", "."))
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"a time must be finite and not negative, got {text!r}")
    return seconds


def format_time(stamp_s: float | int) -> str:
    """`HH:MM:SS.mmm`; hours are always there, so that long videos read right.

    Example:
        >>> format_time(3723.5)
        '01:02:03.500'
    """
    millis = round(stamp_s * 1000)
    minutes, rest = divmod(millis, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
