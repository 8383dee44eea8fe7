"""Where one event ends and the next begins, and which moments are news; decided while the stream runs."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["RunningStats", "SceneTiler", "Surprise", "Verdict"]


class RunningStats:
    """Mean and deviation of a stream in constant memory; optionally what is old counts less.

    Args:
        half_life_s: Age at which a value counts half; infinity forgets nothing.

    Example:
        >>> stats = RunningStats()
        >>> for value in (1.0, 2.0, 3.0):
        ...     stats.add(0.0, value)
        >>> stats.mean, round(stats.std, 4)
        (2.0, 0.8165)

    Source: West 1979, "Updating mean and variance estimates", with weights that decay.
    """

    __slots__ = ("half_life_s", "mean", "stamp_s", "sum_squares", "weight")

    def __init__(self, half_life_s: float = math.inf) -> None:
        if not half_life_s > 0:
            raise ValueError(f"half_life_s must be positive, got {half_life_s}")
        self.half_life_s = half_life_s
        self.stamp_s = 0.0
        self.weight = self.mean = self.sum_squares = 0.0

    @property
    def std(self) -> float:
        """Deviation of the values themselves (not an estimate for a larger set); 0 before there are any."""
        return math.sqrt(max(0.0, self.sum_squares) / self.weight) if self.weight else 0.0

    def add(self, stamp_s: float | int, value: float) -> None:
        """Take in a value seen at `stamp_s` seconds."""
        keep = 0.5 ** (max(0.0, stamp_s - self.stamp_s) / self.half_life_s) if self.weight else 0.0
        self.stamp_s = stamp_s
        kept = self.weight * keep
        self.weight = kept + 1.0
        step = value - self.mean
        self.mean += step / self.weight
        self.sum_squares = self.sum_squares * keep + step * step * kept / self.weight

    def state(self) -> list[float]:
        """What is needed to go on later."""
        return [self.stamp_s, self.weight, self.mean, self.sum_squares]

    def load(self, state: list[float]) -> None:
        """Go on from what `state` gave."""
        self.stamp_s, self.weight, self.mean, self.sum_squares = (float(value) for value in state)


class SceneTiler:
    """Cuts a stream of embeddings into events as it comes, with a bounded delay.

    The similarity of each moment to the next falls where an event ends. How deep a fall is, is measured on both sides:
    from the valley up to the top that the similarities rise to without falling, behind it and ahead of it, the latter
    at most `lookahead` moments away. A valley that is deeper than the running mean of all depths so far by `alpha`
    deviations is a boundary, and the moment after it begins an event. The work per moment does not depend on how many
    there were.

    Fewer than three moments, and moments that are alike, have no boundaries; the first moment is not one.

    Args:
        lookahead: Moments after a boundary's own that must be seen before it is decided.
        alpha: Deviations over the mean depth that make a boundary; more gives fewer and longer events.
        min_len_s: Boundaries nearer to the one before (or the first moment) are passed over, seconds.
        min_depth: Depth that is still noise, as a difference of cosines; keeps a still camera's stream whole.
        half_life_s: Age at which depths count half in the mean and deviation; infinity weighs the whole stream alike.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> tiler = SceneTiler(lookahead=2)
        >>> kitchen, garden = np.eye(2)
        >>> found = []
        >>> for stamp_s, seen in enumerate([kitchen] * 5 + [garden] * 5):
        ...     found += tiler.push(stamp_s, seen)
        >>> found + tiler.flush()
        [5.0]

    Source: VideoLLaMB's SceneTilling (depth on both sides, mean + alpha x deviation), which needs the whole video,
        measures slopes as well as valleys, and is undefined under three frames. Here only valleys count.
    """

    def __init__(
        self,
        lookahead: int = 8,
        alpha: float | int = 1.0,
        min_len_s: float | int = 2.0,
        min_depth: float | int = 0.02,
        half_life_s: float | int = math.inf,
    ) -> None:
        if lookahead < 1:
            raise ValueError(f"lookahead must be at least 1 moment, got {lookahead}")
        for name, value in (("alpha", alpha), ("min_len_s", min_len_s), ("min_depth", min_depth)):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and not negative, got {value}")
        self.lookahead, self.alpha, self.min_len_s, self.min_depth = lookahead, alpha, min_len_s, min_depth
        self._stats = RunningStats(half_life_s)
        self._last: np.ndarray | None = None
        self._last_s = -math.inf
        self._event_s = -math.inf  # when the running event began
        self._before = math.inf  # similarity before the oldest undecided one; infinity where there is none
        self._left_top = 0.0  # top that the similarities climb to going back from `_before`
        self._open: deque[tuple[float, float]] = deque()  # undecided (stamp of the later moment, similarity)

    def push(self, stamp_s: float | int, vector: np.ndarray) -> list[float]:
        """Take in the next moment.

        Args:
            stamp_s: Its time, seconds; later than the one before.
            vector: Its embedding, of any length but zero.

        Returns:
            Stamps of the moments that are now known to begin an event: none or one.

        Raises:
            ValueError: If the stamp does not rise, or the vector is not finite, zero, or of another size.
        """
        unit = _unit(vector, None if self._last is None else len(self._last))
        if not (math.isfinite(stamp_s) and stamp_s > self._last_s):
            raise ValueError(f"stamps must be finite and rise, got {stamp_s} s after {self._last_s} s")
        found: list[float] = []
        if self._last is None:
            self._event_s = float(stamp_s)
        else:
            self._open.append((float(stamp_s), float(self._last @ unit)))
            if len(self._open) > self.lookahead:
                found = self._decide()
        self._last, self._last_s = unit, float(stamp_s)
        return found

    def flush(self) -> list[float]:
        """Decide about the rest, as if nothing came after; then ready for a new stream, the statistics kept."""
        found: list[float] = []
        while self._open:
            found += self._decide()
        self._last, self._last_s, self._before = None, -math.inf, math.inf
        return found

    def _decide(self) -> list[float]:
        """Decide about the oldest undecided similarity."""
        stamp_s, valley = self._open.popleft()
        left = self._left_top if self._before >= valley and self._before < math.inf else valley
        right = valley
        for _, similarity in self._open:
            if similarity < right:
                break
            right = similarity
        depth = left + right - 2.0 * valley
        self._stats.add(stamp_s, depth)
        is_valley = self._before > valley and (right > valley or not self._open)
        self._before, self._left_top = valley, left
        is_deep = depth > max(self._stats.mean + self.alpha * self._stats.std, self.min_depth)
        if is_valley and is_deep and stamp_s - self._event_s >= self.min_len_s:
            self._event_s = stamp_s
            return [stamp_s]
        return []

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on in another process, as plain numbers and lists."""
        return {
            "last": None if self._last is None else self._last.tolist(),
            "last_s": _plain(self._last_s),
            "event_s": _plain(self._event_s),
            "before": _plain(self._before),
            "left_top": self._left_top,
            "open": [list(pair) for pair in self._open],
            "stats": self._stats.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the tiler that gave `state` stood; the arguments of both must be the same."""
        self._last = None if state["last"] is None else np.asarray(state["last"], np.float64)
        self._last_s = _number(state["last_s"], -math.inf)
        self._event_s = _number(state["event_s"], -math.inf)
        self._before = _number(state["before"], math.inf)
        self._left_top = float(state["left_top"])
        self._open = deque((float(a), float(b)) for a, b in state["open"])
        self._stats.load(state["stats"])


@dataclass(frozen=True, slots=True)
class Verdict:
    """How unexpected a moment was.

    Attributes:
        error: One minus the cosine of what came to what was predicted: 0 as predicted, 1 unrelated.
        is_kept: Whether the moment is worth keeping in full.
    """

    error: float
    is_kept: bool


class Surprise:
    """Says which moments of a stream are worth keeping in full: those that its recent past did not predict.

    The prediction is the mean of what came, old moments fading. A moment is kept if its error stands out of the running
    mean of errors by `alpha` deviations, if it is the first, or if nothing was kept for `max_gap_s`.

    Args:
        memory_s: Half-life of the prediction, seconds.
        alpha: Deviations over the mean error that make news.
        max_gap_s: Longest time without a kept moment, seconds.
        min_error: Error that is still noise.
        half_life_s: Age at which errors count half in their mean and deviation, seconds.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> gate = Surprise()
        >>> wall, cat = np.eye(2)
        >>> [gate.push(stamp_s, seen).is_kept for stamp_s, seen in enumerate([wall, wall, wall, cat, cat])]
        [True, False, False, True, False]
    """

    def __init__(
        self,
        memory_s: float | int = 4.0,
        alpha: float | int = 1.0,
        max_gap_s: float | int = 10.0,
        min_error: float | int = 0.02,
        half_life_s: float | int = 600.0,
    ) -> None:
        if not (memory_s > 0 and max_gap_s > 0):
            raise ValueError(f"memory_s and max_gap_s must be positive, got {memory_s} and {max_gap_s}")
        if not (math.isfinite(alpha) and alpha >= 0 and math.isfinite(min_error) and min_error >= 0):
            raise ValueError(f"alpha and min_error must be finite and not negative, got {alpha} and {min_error}")
        self.memory_s, self.alpha, self.max_gap_s, self.min_error = memory_s, alpha, max_gap_s, min_error
        self._stats = RunningStats(half_life_s)
        self._mean: np.ndarray | None = None
        self._last_s = self._kept_s = -math.inf

    def push(self, stamp_s: float | int, vector: np.ndarray) -> Verdict:
        """Take in the next moment and judge it.

        Raises:
            ValueError: If the stamp does not rise, or the vector is not finite, zero, or of another size.
        """
        unit = _unit(vector, None if self._mean is None else len(self._mean))
        if not (math.isfinite(stamp_s) and stamp_s > self._last_s):
            raise ValueError(f"stamps must be finite and rise, got {stamp_s} s after {self._last_s} s")
        if self._mean is None:
            self._mean, error, is_news = unit, 0.0, True
        else:
            norm = float(np.linalg.norm(self._mean))
            error = 1.0 - float(self._mean @ unit) / norm if norm > 0 else 1.0
            self._stats.add(stamp_s, error)
            is_news = error > max(self._stats.mean + self.alpha * self._stats.std, self.min_error)
            keep = 0.5 ** ((stamp_s - self._last_s) / self.memory_s)
            self._mean = keep * self._mean + (1.0 - keep) * unit
        self._last_s = float(stamp_s)
        is_kept = is_news or stamp_s - self._kept_s >= self.max_gap_s
        if is_kept:
            self._kept_s = float(stamp_s)
        return Verdict(max(0.0, error), is_kept)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on in another process, as plain numbers and lists."""
        return {
            "mean": None if self._mean is None else self._mean.tolist(),
            "last_s": _plain(self._last_s),
            "kept_s": _plain(self._kept_s),
            "stats": self._stats.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the gate that gave `state` stood; the arguments of both must be the same."""
        self._mean = None if state["mean"] is None else np.asarray(state["mean"], np.float64)
        self._last_s = _number(state["last_s"], -math.inf)
        self._kept_s = _number(state["kept_s"], -math.inf)
        self._stats.load(state["stats"])


def _unit(vector: np.ndarray, dim: int | None) -> np.ndarray:
    row = np.asarray(vector, np.float64)
    if row.ndim != 1 or (dim is not None and len(row) != dim):
        raise ValueError(f"vector must have shape ({'d' if dim is None else dim},), got {row.shape}")
    norm = float(np.linalg.norm(row))
    if not (math.isfinite(norm) and norm > 0):
        raise ValueError("vector must be finite and not zero: a direction is needed")
    return row / norm


def _plain(value: float) -> float | None:
    """A number as JSON knows it: infinity becomes None."""
    return value if math.isfinite(value) else None


def _number(value: float | None, absent: float) -> float:
    return absent if value is None else float(value)
