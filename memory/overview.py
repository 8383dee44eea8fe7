"""Answers about the whole: one record that stands for each room, or for each part of the streams."""

from __future__ import annotations

from placecell.memory.channels import Moments, Visible
from placecell.memory.forest import Forest
from placecell.memory.records import Recollection, Record
from placecell.memory.routing import Ground
from placecell.memory.space_feed import is_view

__all__ = ["events_seen", "rooms_seen"]


def rooms_seen(ground: Ground, moments: Moments, k: int, test: Visible) -> list[Recollection]:
    """What there is: one view for each of the `k` largest rooms, of the thing that stands for it or of any shown."""
    hits = []
    for cell in ground.tree.largest(k):
        part = ground.tree.part(cell)
        leaves = [ground.tree[part.key], *cell.all_leaves()]
        items = (ground.item(source) for leaf in leaves for source in leaf.sources)
        item = next((item for item in items if item is not None and test(item)), None)
        if item is not None:
            num = sum(not is_view(leaf.key) for leaf in cell.all_leaves())
            held = f"{num} things" if num else f"{part.count} views"
            why = f"stands for {held}, seen from {part.start_s:.0f} to {part.end_s:.0f} s"
            hits.append(_standing_for(moments.record(item), part.text, why, (part.start_s, part.end_s)))
    return hits


def events_seen(
    forest: Forest, moments: Moments, k: int, test: Visible, is_backwards: bool = False
) -> list[Recollection]:
    """What happened, in the order of time or against it: one moment for each of about `k` parts of the streams."""
    hits = []
    for part in forest.overview(k, test):
        why = f"stands for {part.count} moments from {part.start_s:.0f} to {part.end_s:.0f} s"
        hits.append(_standing_for(moments.record(part.item), part.text, why, (part.start_s, part.end_s)))
    return hits[::-1] if is_backwards else hits


def _standing_for(record: Record, text: str, why: str, interval_s: tuple[float, float]) -> Recollection:
    """A record as one that stands for many."""
    return Recollection(
        record_id=record.record_id,
        score=0.0,
        probability=1.0,  # it did happen
        stamp_s=record.stamp_s,
        end_s=record.end_s,
        agent_id=record.agent_id,
        position_m=record.position_m,
        text=record.text or text,
        labels=record.labels,
        source=record.source,
        why=why,
        interval_s=interval_s,
    )
