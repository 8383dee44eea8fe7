"""Where was it, where is it now, when was it moved, where did you think it was? Asked of facts of rearranged houses.

An agent walks through a house that it has not seen, the house is rearranged, it walks through it again. Asked is about
each thing that is the only one of its category and that both walks showed at 32 pixels: those that were moved, and as
many that were not. The detections are the simulator's masks with its names (privileged), and so is the way that is
walked; rooms come from the map that the depth makes. An answer is right if it is exactly the true room or carrier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from placecell.benchmarks.bootstrap import interval, shown
from placecell.benchmarks.object_walks import MIN_SIDE_PX, Walks, rearranged, walk_twice
from placecell.envs.house import House, HouseObject
from placecell.memory.facts import FactGraph
from placecell.memory.objects import ObjectMap
from placecell.memory.places import Places
from placecell.perception.objects import MaskDetector

__all__ = ["ask", "run", "summary"]

JUDGING: Final = 3_000_100
_FORMS: Final = ("room then", "room now", "room believed", "carrier then", "carrier now", "when moved", "never moved")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its form, whether the thing was moved, and whether the answer was right."""

    form: str
    is_moved: bool
    is_right: bool


def run(
    seed: int = 0,
    num_rows: int = 12,
    peers: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Walk, rearrange, walk again, ask.

    Args:
        seed: Of the first house; 0, the default of the command line, stands for the judging houses.
        num_rows: How many houses.
        peers: Not used.
        say: Takes one line per house.
    """
    first = seed or JUDGING
    rows: list[tuple[int, Asked]] = []
    for number in range(first, first + num_rows):
        before, after, _ = rearranged(number)
        names = {thing.id: thing.category for thing in (*before.objects, *after.objects)}
        walks = walk_twice(number, {"masks": MaskDetector(names, max_described=0)})
        asked = ask(walks)
        rows += [(number, row) for row in asked]
        say(f"house {number}: {sum(row.is_right for row in asked)} of {len(asked)} right")
    if not rows:
        raise ValueError(f"houses {first} to {first + num_rows - 1} show nothing that could be asked about: take more")
    return {
        "seeds": [first, first + num_rows - 1],
        "houses": num_rows,
        "privileged": "instance masks with their names, and the way walked",
        "all": _figure(rows),
        "moved": _figure([row for row in rows if row[1].is_moved]),
        "unmoved": _figure([row for row in rows if not row[1].is_moved]),
        "forms": {form: _figure([row for row in rows if row[1].form == form]) for form in _FORMS},
    }


def _figure(rows: Sequence[tuple[int, Asked]]) -> dict[str, float] | None:
    if not rows:
        return None
    right = np.array([row.is_right for _, row in rows], float)
    return {**interval([house for house, _ in rows], lambda picked: float(right[picked].mean())), "n": len(rows)}


def ask(walks: Walks) -> list[Asked]:
    """Ask about all things of two walks that can be asked about."""
    objects, places = ObjectMap(), Places()
    for record in (*walks.first["masks"], *walks.second["masks"]):
        objects.fold(record)
        places.fold(record)
    graph = FactGraph(objects, places)
    then_s, again_s = walks.first["masks"][-1].stamp_s, walks.second["masks"][0].stamp_s
    now_s = walks.second["masks"][-1].stamp_s
    room_of = {room.room_id: walks.house.room_at(*room.centre_m[[0, 2]].tolist()) for room in places.rooms()}
    befores = {thing.id: thing for thing in walks.house.objects}
    counts = Counter(thing.category for thing in walks.house.objects)
    later = Counter(thing.category for thing in walks.changed.objects)
    moved = {change.object_id for change in walks.changes if change.kind == "moved"}
    fair = [
        thing for thing in walks.changed.objects
        if thing.id in befores and counts[thing.category] == later[thing.category] == 1
        and all(side.get(thing.id, 0) >= MIN_SIDE_PX for side in walks.seen)
    ]  # fmt: skip
    rng = np.random.default_rng(walks.house.seed)
    still = [thing for thing in fair if thing.id not in moved and thing.on is not None]
    num = sum(thing.id in moved for thing in fair)
    still = [still[i] for i in sorted(rng.permutation(len(still))[: max(num, 1)].tolist())]
    found: list[Asked] = []
    for thing in [*(thing for thing in fair if thing.id in moved), *still]:
        is_moved, old, name = thing.id in moved, befores[thing.id], thing.category

        def room_at(at_s: float, as_of_s: float | None = None, name: str = name) -> set[int | None]:
            facts = graph.facts(name, "in", at_s=at_s, as_of_s=as_of_s)
            rooms = [room_of[fact.object] for fact in facts if fact.object in room_of]
            return {None if room is None else room.id for room in rooms}

        def carriers_at(at_s: float, name: str = name) -> set[str]:
            facts = [*graph.facts(name, "on", at_s=at_s), *graph.facts(name, "in", at_s=at_s)]
            return {graph.name(fact.object) for fact in facts if fact.object not in room_of}

        found.append(Asked("room then", is_moved, room_at(then_s) == {old.room_id}))
        found.append(Asked("room now", is_moved, room_at(now_s) == {thing.room_id}))
        found.append(Asked("room believed", is_moved, room_at(again_s, again_s) == {old.room_id}))
        found += [
            Asked(form, is_moved, carriers_at(at_s) == {_category(house, state.on)})
            for form, at_s, house, state in (
                ("carrier then", then_s, walks.house, old), ("carrier now", now_s, walks.changed, thing),
            )
            if state.on is not None
        ]  # fmt: skip
        moves = graph.facts(name, "moved from")
        if is_moved and (old.room_id != thing.room_id or old.on != thing.on):
            is_right = bool(moves) and all(then_s < fact.valid_from_s <= now_s for fact in moves)
            found.append(Asked("when moved", True, is_right))
        elif not is_moved:
            found.append(Asked("never moved", False, not moves))
    return found


def _category(house: House, number: int) -> str:
    things: dict[int, HouseObject] = {thing.id: thing for thing in house.objects}
    return things[number].category


def summary(result: dict[str, Any]) -> str:
    """A table of accuracies."""
    lines = [f"{result['houses']} houses {result['seeds'][0]}-{result['seeds'][1]}; privileged: {result['privileged']}"]
    rows = [("all", result["all"]), ("moved", result["moved"]), ("not moved", result["unmoved"])]
    for name, figure in [*rows, *result["forms"].items()]:
        if figure is not None:
            lines.append(f"{name:14s} {shown(figure)}  n = {figure['n']}")
    return "\n".join(lines)
