"""How much an agent says and hears, how often, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from placecell.memory.wire import MAX_FRAME_BYTES

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How much, how often, how long.

    Args:
        every_s: Seconds between two queries to a peer.
        asks_first: Query a peer as soon as it is heard of; without, agents have agreed before to tell each other
            everything that is their own, and the first query comes after `every_s`.
        patience_s: Seconds after which something sent that has not arrived is sent again.
        name_lease_s: Seconds of silence after which an agent's name may be taken over by another session of it.
        max_frame_bytes: Longest frame that is sent or read.
        bytes_per_s: Budget of each peer for what is sent to it; None for no limit.
        burst_bytes: Most of the budget that can be saved up.
        saved_bytes: What of it is saved up when a peer is first heard of; by default all.
        quota_bytes_per_s: How much each peer may send; beyond that its frames are dropped unread. A frame counts 256
            bytes more than it has.
        quota_burst_bytes: Most of the quota that can be saved up.
        max_peers: Most peers.
        max_lease_s: Longest lease of a claim; longer ones are cut.
        relays_late: Pass on what others said only to a peer that still lacks it `patience_s` later: where all reach
            all, each record then takes one way to each instead of several.
    """

    every_s: float = 1.0
    asks_first: bool = True
    patience_s: float = 2.0
    name_lease_s: float = 5.0
    max_frame_bytes: int = MAX_FRAME_BYTES
    bytes_per_s: float | None = None
    burst_bytes: float = 65536.0
    saved_bytes: float | None = None
    quota_bytes_per_s: float = 8e6
    quota_burst_bytes: float = 32e6
    max_peers: int = 256
    max_lease_s: float = 300.0
    relays_late: bool = False

    def __post_init__(self) -> None:
        for name in ("every_s", "patience_s", "name_lease_s", "burst_bytes", "quota_bytes_per_s", "quota_burst_bytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.max_frame_bytes < 4096:
            raise ValueError(f"max_frame_bytes must be at least 4096, got {self.max_frame_bytes}")
