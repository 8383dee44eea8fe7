"""What ought to be seen and is not: things that are gone, and places that were empty before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from placecell.memory.association import box_features
from placecell.memory.emptiness import KeyViews, gaze, pose_cell
from placecell.memory.records import Record
from placecell.memory.track import SOON_S
from placecell.memory.track_table import TrackTable
from placecell.perception.detection import Detection

__all__ = ["ask_before", "look"]

_FAR_M: Final = 6.0  # negative evidence from further away is not believed
_EMPTY_BELOW: Final = 0.25  # of the usual share of hits
_PRESENT_ABOVE: Final = 0.6
_LEAST_USUAL: Final = 0.3
_USUAL: Final = 0.6
_EMPTY_VIEWS: Final = 3
_CLEAR: Final = 0.7  # chance of being a thing


def look(table: TrackTable, record: Record, found: Sequence[Detection], explained: set[int]) -> set[int]:
    """Send the rays of a view through the known things that it did not show.

    Args:
        table: The tracks.
        record: A record with a pose and a scan.
        found: Its detections.
        explained: Numbers of the tracks that they belong to.

    Returns:
        Numbers of the tracks that changed.
    """
    pose, scan = record.pose, record.scan
    assert pose is not None and scan is not None
    offset = (table.low + table.high)[: len(table.tracks)] / 2 - pose[:3, 3]
    distance = np.sqrt((offset**2).sum(axis=1))
    ahead = -offset @ pose[:3, 2]
    is_seen = table.is_live[: len(table.tracks)] & (distance < _FAR_M) & (ahead > 0.35 * distance)
    numbers = np.flatnonzero(is_seen)
    if not len(numbers):
        return set()
    seen = gaze(scan, pose, table.low[numbers], table.high[numbers])
    low, high = (
        np.array([d.low_m for d in found]).reshape(-1, 3),
        np.array([d.high_m for d in found]).reshape(-1, 3),
    )
    covered = (
        box_features(low, high, table.low[numbers], table.high[numbers])[2] if found else np.zeros((0, len(numbers)))
    )
    is_covered = np.asarray((covered > 0.3).any(axis=0)).reshape(-1)
    empty, filled = [], []
    for i in np.flatnonzero(seen.is_clear):
        track, hits = table.tracks[int(numbers[i])], float(seen.hits[i])
        if track.number in explained:
            track.num_fills += 1
            track.fill += (hits - track.fill) / track.num_fills
            continue
        usual = track.usual_hits
        if usual < _LEAST_USUAL:
            continue  # too thin to stop rays even when it is there
        if hits <= _EMPTY_BELOW * usual:
            empty.append(track)
        elif hits >= _PRESENT_ABOVE * usual:
            filled.append((track, bool(is_covered[i]), float(seen.side_px[i])))
    num_known = len(explained) + len(filled)
    if len(empty) >= 4 and len(empty) > 2 * num_known:
        return set()  # everything gone at once: the pose is wrong, not the world
    cell = pose_cell(pose)
    changed = set()
    for track, is_explained, side_px in filled:
        if track.now.missed_s is not None:
            track.now.num_filled += 1
            changed.add(track.number)
        elif not is_explained and record.detections and side_px >= 6:
            track.num_misses += 1
    for track in empty:
        now = track.now
        if cell in track.empty_poses or now.last_s >= record.stamp_s:
            continue
        track.empty_poses.add(cell)
        now.num_empty += 1
        if now.missed_s is None:
            now.missed_s = record.stamp_s
        # Things seldom vanish while one looks: that takes twice the evidence, and more after every false alarm. What is
        # missed so soon and was never seen clearly was not there.
        is_sudden = now.missed_s - now.last_s < SOON_S
        needed = _EMPTY_VIEWS * (1 + track.num_alarms) * (2 if is_sudden else 1)
        is_ghost = is_sudden and track.confidence < _CLEAR
        if now.gone_s is None and not is_ghost and now.num_empty >= needed and now.num_empty > 2 * now.num_filled:
            now.gone_s = record.stamp_s
        changed.add(track.number)
    return changed


def ask_before(table: TrackTable, keys: KeyViews, number: int) -> set[int]:
    """Ask earlier views whether a place was empty before a thing was first seen there."""
    track = table.tracks[number]
    if not table.is_live[number] or len(track.presences) > 1:
        return set()
    presence = track.presences[0]
    views = keys.before(presence.first_s - SOON_S, table.low[number], table.high[number])
    usual = track.usual_hits if track.num_fills else _USUAL
    if usual < _LEAST_USUAL:
        return set()
    empty = [stamp for stamp, hits in views if hits <= _EMPTY_BELOW * usual]
    filled = [stamp for stamp, hits in views if hits >= _PRESENT_ABOVE * usual]
    was = presence.empty_s
    if len(empty) >= 2 and len(empty) > 2 * len(filled):
        presence.empty_s = empty[-1]
    return {number} if presence.empty_s != was else set()
