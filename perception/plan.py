"""Which packets of a video must be decoded to see it once every so many seconds, and no other.

Decoding is what costs: on one core some 450 frames of 1080p H.264 a second, while reading packets without decoding them
runs at 85,000 a second. So the whole file is read once (`PacketIndex`), and a `Plan` names the packets that the wanted
frames depend on: from the keyframe before a target up to the target, leaving out the pictures that nothing else refers
to. That is exact: what is left out has no say in what comes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

__all__ = ["PacketIndex", "Plan", "PlanKind", "make_plan", "plan_stamps"]

PlanKind = Literal["seek", "sequential", "keyframes"]

#: Slack when stamps are compared, seconds: far under the finest usual clock tick (1/90,000 s), far over rounding.
EPSILON_S = 1e-6
#: Share of all frames that must be decoded from which the video is read through rather than jumped through.
SEQUENTIAL_SHARE = 0.35


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """Every packet of one video stream, in the file's (decoding) order.

    Args:
        pts: Presentation stamp of each packet, in ticks of the stream's clock.
        is_key: Whether decoding can start at the packet.
        is_droppable: Whether no other picture is predicted from this one.
        is_shown: Whether its picture is displayed at all (edit lists hide some).
        is_broken: Whether the file says that the packet's bytes are incomplete.
        tick: `(numerator, denominator)` of the clock's tick in seconds.
        origin_s: What is subtracted so that the video starts near zero, seconds.
        last_duration_s: How long the last picture stays, seconds.
    """

    pts: Int64[np.ndarray, " n"]
    is_key: Bool[np.ndarray, " n"]
    is_droppable: Bool[np.ndarray, " n"]
    is_shown: Bool[np.ndarray, " n"]
    is_broken: Bool[np.ndarray, " n"]
    tick: tuple[int, int]
    origin_s: float = 0.0
    last_duration_s: float = 0.0

    def __len__(self) -> int:
        return len(self.pts)

    def seconds(self, pts: int) -> float:
        """Stamp in seconds of a stamp in ticks."""
        return pts * self.tick[0] / self.tick[1] - self.origin_s

    @cached_property
    def stamps_s(self) -> Float64[np.ndarray, " n"]:
        """Stamp of each packet in seconds, in decoding order."""
        return self.pts.astype(np.float64) * self.tick[0] / self.tick[1] - self.origin_s

    @cached_property
    def shown(self) -> Int64[np.ndarray, " m"]:
        """Packets whose picture is displayed, in the order of their stamps (one per stamp)."""
        rows = np.flatnonzero(self.is_shown)
        rows = rows[np.argsort(self.pts[rows], kind="stable")]
        first = np.ones(len(rows), bool)
        first[1:] = np.diff(self.pts[rows]) > 0
        return rows[first].astype(np.int64)

    @cached_property
    def shown_s(self) -> Float64[np.ndarray, " m"]:
        """Stamps of the displayed pictures in seconds, rising."""
        return np.asarray(self.stamps_s[self.shown])

    @cached_property
    def keys(self) -> Int64[np.ndarray, " k"]:
        """Packets at which decoding can start, in decoding order; the first packet counts, for want of another."""
        keys = np.flatnonzero(self.is_key)
        return (keys if len(keys) and keys[0] == 0 else np.r_[0, keys]).astype(np.int64)

    @cached_property
    def _order(self) -> Int64[np.ndarray, " n"]:
        return np.argsort(self.pts, kind="stable").astype(np.int64)

    def find(self, pts: int) -> int | None:
        """Packet of a stamp in ticks, or None."""
        row = int(np.searchsorted(self.pts, pts, sorter=self._order))
        return int(self._order[row]) if row < len(self) and self.pts[self._order[row]] == pts else None

    @property
    def duration_s(self) -> float:
        """When the last picture ends, seconds."""
        return float(self.shown_s[-1]) + self.last_duration_s if len(self.shown) else 0.0

    def starts(self, targets: Int64[np.ndarray, " t"]) -> Int64[np.ndarray, " t"]:
        """For each target the packet to start decoding at: the last keyframe before it in the file and in time.

        Both matter: in an open group of pictures the first ones shown before a keyframe come after it in the file, yet
        lean on the group before.
        """
        rank = np.searchsorted(self.keys, targets, side="right") - 1
        late = (rank > 0) & (self.pts[self.keys[rank]] > self.pts[targets])
        while late.any():
            rank = rank - late
            late = (rank > 0) & (self.pts[self.keys[rank]] > self.pts[targets])
        return self.keys[np.maximum(rank, 0)]

    def next_key_s(self, packet: int) -> float:
        """Stamp of the next keyframe after `packet`, or the end of the video: how far an error there can spread."""
        later = self.keys[np.searchsorted(self.keys, packet, side="right") :]
        later = later[self.pts[later] > self.pts[packet]]
        return float(self.stamps_s[later[0]]) if len(later) else self.duration_s


@dataclass(frozen=True, eq=False)
class Plan:
    """What to decode, and why so.

    Attributes:
        kind: "keyframes" decodes keyframes alone, "seek" jumps from one needed stretch to the next, "sequential" reads
            through and leaves out what nothing depends on.
        targets: Packets of the wanted frames, in the order of their stamps.
        stamps_s: Their stamps, seconds.
        needed: For every packet of the video whether it is decoded.
        groups: Rows `(first, last)`: stretches of packets that are decoded on their own, in order.
        skips_loop_filter: Whether the codec's deblocking is left out: a fifth to a third less work, and pictures that
            differ by about one grey level in 255 after shrinking.
        num_decoded: How many pictures are decoded.
        reason: One line for people.
    """

    kind: PlanKind
    targets: Int64[np.ndarray, " t"]
    stamps_s: Float64[np.ndarray, " t"]
    needed: Bool[np.ndarray, " n"]
    groups: Int64[np.ndarray, "g 2"]
    skips_loop_filter: bool
    num_decoded: int
    reason: str

    def __len__(self) -> int:
        return len(self.targets)


def make_plan(
    index: PacketIndex,
    every_s: float | int,
    start_s: float | int = 0.0,
    end_s: float | int | None = None,
    exact: bool = False,
) -> Plan:
    """Choose the cheapest way to see a video once every `every_s` seconds.

    The wanted moments are the multiples of `every_s` from the start of the video, whatever `start_s` is, and the frame
    of a moment is the one on display then. A frame is part of the plan if its own stamp lies in `[start_s, end_s)`: so
    plans of adjoining spans add up to the plan of the whole, frame for frame, and an interrupted run can go on inside
    a video. What is chosen depends on the whole video only, for the same reason.

    Args:
        index: The video's packets.
        every_s: Seconds between wanted moments; 0 wants every frame.
        start_s: Frames stamped before are left out, seconds.
        end_s: Frames stamped from here on are left out, seconds; None is the end of the video.
        exact: Whether to decode as the codec says to the last bit and to take each moment's own frame. Otherwise
            deblocking is skipped, and where keyframes lie no further apart than `every_s` the nearest keyframe stands
            for a moment (with its own, true stamp).

    Raises:
        ValueError: If a time is not finite, `every_s` is negative, or the span is empty.

    Source: Costs per packet and per picture measured with `benchmarks.decode`.
    """
    if not (math.isfinite(every_s) and every_s >= 0):
        raise ValueError(f"every_s must be finite and not negative, got {every_s}")
    if not math.isfinite(start_s):
        raise ValueError(f"start_s must be finite, got {start_s}")
    if end_s is not None and (math.isnan(end_s) or end_s < start_s):
        raise ValueError(f"end_s must not lie before start_s = {start_s}, got {end_s}")
    wanted = _on_grid(index, every_s)
    gap_s = _largest_key_gap_s(index)
    if not exact and every_s > 0 and gap_s <= every_s + EPSILON_S:
        kind: PlanKind = "keyframes"
        wanted = _nearest_keys(index, every_s)
        reason = f"keyframes lie at most {gap_s:.3g} s apart, within the {every_s:g} s wanted: they suffice"
    else:
        share = _needed(index, wanted)[0].sum() / max(1, len(index))
        kind = "sequential" if share >= SEQUENTIAL_SHARE else "seek"
        reason = f"{share:.0%} of all pictures must be decoded: " + (
            "reading through, without the pictures that nothing depends on"
            if kind == "sequential"
            else "jumping from keyframe to keyframe"
        )
    stamps_s = index.stamps_s[wanted]
    inside = stamps_s >= start_s - EPSILON_S / 2
    if end_s is not None:
        inside &= stamps_s < end_s - EPSILON_S / 2
    return _plan_for(index, wanted[inside], kind, reason, skips_loop_filter=not exact and kind != "keyframes")


def plan_stamps(index: PacketIndex, stamps_s: Float64[np.ndarray, " t"]) -> Plan:
    """Plan for the frames on display at the given moments, exactly, in the order of time, each once."""
    if not np.isfinite(stamps_s).all():
        raise ValueError("stamps_s must be finite, got NaN or infinity")
    rows = np.searchsorted(index.shown_s, np.asarray(stamps_s) + EPSILON_S, side="right") - 1
    targets = index.shown[np.unique(np.maximum(rows, 0))] if len(index.shown) else index.shown
    return _plan_for(index, targets, "seek", f"{len(targets)} moments asked for by name", skips_loop_filter=False)


def _on_grid(index: PacketIndex, every_s: float | int) -> Int64[np.ndarray, " t"]:
    """Packets of the frames that are on display at a multiple of `every_s`, in the order of time."""
    if every_s == 0 or not len(index.shown):
        return index.shown
    begin = index.shown_s.copy()
    begin[0] = min(begin[0], 0.0)  # before the first frame there is nothing else to show
    end = np.r_[index.shown_s[1:], max(index.duration_s, index.shown_s[-1] + 2 * EPSILON_S)]
    first = np.ceil((begin - EPSILON_S) / every_s) * every_s  # the first wanted moment that a frame could serve
    return np.asarray(index.shown[first < end - EPSILON_S])


def _nearest_keys(index: PacketIndex, every_s: float | int) -> Int64[np.ndarray, " t"]:
    """Keyframes nearest to the multiples of `every_s`, each once."""
    keys = index.shown[index.is_key[index.shown]]
    key_s = index.stamps_s[keys]
    ticks = np.arange(math.floor((index.duration_s - EPSILON_S) / every_s) + 1) * every_s
    right = np.clip(np.searchsorted(key_s, ticks), 0, len(keys) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(ticks - key_s[left] <= key_s[right] - ticks, left, right)
    return np.asarray(keys[np.unique(nearest)])


def _largest_key_gap_s(index: PacketIndex) -> float:
    keys = index.shown[index.is_key[index.shown]]
    if not len(keys):
        return math.inf
    return float(np.diff(np.r_[min(0.0, index.shown_s[0]), index.stamps_s[keys], index.duration_s]).max())


def _needed(
    index: PacketIndex, targets: Int64[np.ndarray, " t"]
) -> tuple[Bool[np.ndarray, " n"], Int64[np.ndarray, "g 2"]]:
    """Packets that the targets depend on, and the stretches that they form."""
    needed = np.zeros(len(index), bool)
    if not len(targets):
        return needed, np.empty((0, 2), np.int64)
    starts, first = np.unique(index.starts(targets), return_index=True)
    last = np.maximum.reduceat(targets, first)
    # An open group of pictures reaches past the next keyframe: the two stretches are then one.
    new = np.r_[True, starts[1:] > np.maximum.accumulate(last)[:-1]]
    groups = np.stack([starts[new], np.maximum.reduceat(last, np.flatnonzero(new))], axis=1).astype(np.int64)
    edges = np.zeros(len(index) + 1, np.int32)
    edges[groups[:, 0]] += 1
    np.add.at(edges, groups[:, 1] + 1, -1)
    needed = (np.cumsum(edges[:-1]) > 0) & ~index.is_droppable
    needed[targets] = True
    return needed, groups


def _plan_for(
    index: PacketIndex, targets: Int64[np.ndarray, " t"], kind: PlanKind, reason: str, skips_loop_filter: bool
) -> Plan:
    needed, groups = _needed(index, targets)
    return Plan(
        kind=kind,
        targets=targets,
        stamps_s=index.stamps_s[targets],
        needed=needed,
        groups=groups,
        skips_loop_filter=skips_loop_filter,
        num_decoded=int(needed.sum()),
        reason=reason,
    )
