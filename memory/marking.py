"""Which moments of a live stream begin an event, decided at once: a record says so for good when it is written."""

from __future__ import annotations

import numpy as np

from placecell.perception.events import RunningStats

__all__ = ["EventMarks"]


class EventMarks:
    """Marks the moments that look unlike the one before, measured against the stream's own changes so far.

    A camera that is handed over moment by moment cannot wait for what comes next, as
    `placecell.perception.events.SceneTiler` does; this is the same rule with what has been seen only.

    Args:
        alpha: Deviations below the mean similarity of neighbours that end an event.
        min_fall: Fall of the similarity (a difference of cosines) that is still noise.
        min_len_s: An event lasts this long at least, seconds.

    Example:
        >>> marks, kitchen, garden = EventMarks(), *np.eye(2)
        >>> [marks.is_start("robot", float(s), v) for s, v in enumerate([kitchen] * 4 + [garden] * 2)]
        [True, False, False, False, True, False]
    """

    def __init__(self, alpha: float = 2.0, min_fall: float = 0.05, min_len_s: float = 2.0) -> None:
        self.alpha, self.min_fall, self.min_len_s = alpha, min_fall, min_len_s
        self._streams: dict[str, tuple[np.ndarray, float, RunningStats]] = {}

    def is_start(self, agent_id: str, stamp_s: float, view: np.ndarray) -> bool:
        """Whether an event of this agent begins with this moment; the first one is always a start.

        Args:
            agent_id: Whose stream.
            stamp_s: When, seconds.
            view: Unit vector of the whole view.
        """
        known = self._streams.get(agent_id)
        if known is None:
            self._streams[agent_id] = (view, stamp_s, RunningStats())
            return True
        last, began_s, stats = known
        similarity = float(last @ view)
        usual = stats.mean if stats.weight else 1.0
        is_start = (
            similarity < usual - max(self.alpha * stats.std, self.min_fall) and stamp_s - began_s >= self.min_len_s
        )
        if not is_start:
            stats.add(stamp_s, similarity)
        self._streams[agent_id] = (view, stamp_s if is_start else began_s, stats)
        return is_start
