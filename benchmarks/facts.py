"""Where was it, where is it now, when was it moved, where did you think it was? Asked of facts of rearranged houses.

An agent walks through a house that it has not seen, the house is rearranged, it walks through it again. Asked is about
each thing that is the only one of its category and that both walks showed at 32 pixels: those that were moved, and as
many that were not. The detections are the simulator's masks with its names (privileged), and so is the way that is
walked; rooms come from the map that the depth makes. An answer is right if it is exactly the true room or carrier.

The same is asked of facts of the true things where they truly were: what is wrong there too is the facts' (or the
rooms') own fault, the rest is the object map's. Then things are told of what was seen, see `fact_hops`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from placecell.benchmarks.bootstrap import interval, shown
from placecell.benchmarks.fact_hops import Hop, Witness, ask_over_facts, figures
from placecell.benchmarks.object_walks import MIN_SIDE_PX, Walks, rearranged, walk_twice
from placecell.envs.house import House, HouseObject
from placecell.memory.facts import FactGraph
from placecell.memory.object_states import ObjectChange, SceneObject, Sighting, Stay
from placecell.memory.objects import ObjectMap
from placecell.memory.places import Places
from placecell.memory.records import Record
from placecell.perception.encoders import open_encoder
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
    first, encoder = seed or JUDGING, open_encoder("builtin")
    rows: list[tuple[int, Asked]] = []
    true_rows: list[tuple[int, Asked]] = []
    hops: list[tuple[int, Hop]] = []
    for number in range(first, first + num_rows):
        before, after, _ = rearranged(number)
        names = {thing.id: thing.category for thing in (*before.objects, *after.objects)}
        witness = Witness(MaskDetector(names, max_described=0))
        walks = walk_twice(number, {"masks": witness}, with_other=False)
        asked, truly = ask(walks), ask(walks, TrueThings(walks, witness))
        rows += [(number, row) for row in asked]
        true_rows += [(number, row) for row in truly]
        found = ask_over_facts(walks.house, walks.first["masks"], witness, encoder)
        hops += [(number, hop) for hop in found]
        linked = [hop for hop in found if hop.hops]
        say(f"house {number}: {sum(row.is_right for row in asked)} of {len(asked)} right, of true things "
            f"{sum(row.is_right for row in truly)}; over facts {sum(hop.with_view for hop in linked):.0f} of "
            f"{len(linked)}, without {sum(hop.without_view for hop in linked):.0f}")  # fmt: skip
    if not rows:
        raise ValueError(f"houses {first} to {first + num_rows - 1} show nothing that could be asked about: take more")
    wrong = [(mine, true) for (_, mine), (_, true) in zip(rows, true_rows, strict=True) if not mine.is_right]
    return {
        "seeds": [first, first + num_rows - 1],
        "houses": num_rows,
        "privileged": "instance masks with their names, and the way walked",
        "all": _figure(rows),
        "moved": _figure([row for row in rows if row[1].is_moved]),
        "unmoved": _figure([row for row in rows if not row[1].is_moved]),
        "true things": _figure(true_rows),
        "wrong": {"by the map": sum(true.is_right for _, true in wrong),
                  "by facts or rooms": sum(not true.is_right for _, true in wrong)},
        "forms": {form: _figure([row for row in rows if row[1].form == form]) for form in _FORMS},
        "hops": figures(hops),
    }  # fmt: skip


def _figure(rows: Sequence[tuple[int, Asked]]) -> dict[str, float] | None:
    if not rows:
        return None
    right = np.array([row.is_right for _, row in rows], float)
    return {**interval([house for house, _ in rows], lambda picked: float(right[picked].mean())), "n": len(rows)}


class TrueThings:
    """The things of two walks as they truly were, with the face of `placecell.memory.objects.ObjectMap`.

    Args:
        walks: What was recorded and what is true.
        witness: What was seen in every view, at 32 pixels or more.
    """

    version = 1

    def __init__(self, walks: Walks, witness: Witness) -> None:
        self._things: list[SceneObject] = []
        self._changes: list[ObjectChange] = []
        views = list(zip((*walks.first["masks"], *walks.second["masks"]), witness.shown, strict=True))
        num_first = len(walks.first["masks"])
        again_s = views[num_first][0].stamp_s
        befores = {thing.id: thing for thing in walks.house.objects}
        afters = {thing.id: thing for thing in walks.changed.objects}
        for number in sorted(befores.keys() | afters.keys()):
            seen = [[(r, s[number]) for r, s in part if number in s] for part in (views[:num_first], views[num_first:])]
            places = [(state[number], part) for state, part in zip((befores, afters), seen, strict=True)
                      if number in state and part]  # fmt: skip
            if places:
                self._add(places, again_s if number not in afters else None)

    def _add(self, places: Sequence[tuple[HouseObject, Sequence[tuple[Record, int]]]], gone_s: float | None) -> None:
        """One thing, from where it stood and the views of it there."""
        last, name = places[-1][0], f"truth:{places[-1][0].id}"
        stays = [Stay(_point(thing), part[0][0].stamp_s) for thing, part in places]
        is_moved = len(stays) > 1 and stays[0].position_m != stays[1].position_m
        stays = stays if is_moved else stays[:1]
        if is_moved:
            before, after = stays
            self._changes.append(ObjectChange("moved", name, before.position_m, after.position_m, after.from_s))
        since_s = stays[-1].from_s if gone_s is None else gone_s
        sightings = [Sighting(r.record_id, r.stamp_s, min(1.0, side / 128), (0.0, 0.0, 1.0, 1.0))
                     for _, part in places for r, side in part]  # fmt: skip
        self._things.append(
            SceneObject(
                name, "truth", last.category, ((last.category, 1.0),), None, _point(last), _corner(last.low_m),
                _corner(last.high_m), len(sightings), 1.0, stays[0].from_s, sightings[-1].stamp_s,
                "gone" if gone_s is not None else "moved" if is_moved else "here", since_s, tuple(stays),
                tuple(sightings), True,
            )
        )  # fmt: skip

    def touched(self, since_version: int) -> set[str]:
        """See `placecell.memory.scene_facts.Scene`."""
        return {thing.object_id for thing in self._things} if since_version < self.version else set()

    def objects(self) -> list[SceneObject]:
        """See `placecell.memory.scene_facts.Scene`."""
        return self._things

    def changes(self) -> list[ObjectChange]:
        """See `placecell.memory.scene_facts.Scene`."""
        return self._changes


def _corner(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z


def _point(thing: HouseObject) -> tuple[float, float, float]:
    return _corner(thing.centre_m)


def ask(walks: Walks, things: TrueThings | None = None) -> list[Asked]:
    """Ask about all things of two walks that can be asked about.

    Args:
        walks: What was recorded and what is true.
        things: Known instead of what the map makes of the records.
    """
    objects, places = ObjectMap(), Places()
    for record in (*walks.first["masks"], *walks.second["masks"]):
        if things is None:
            objects.fold(record)
        places.fold(record)
    graph = FactGraph(objects if things is None else things, places)
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
    rows = [("all", result["all"]), ("moved", result["moved"]), ("not moved", result["unmoved"]),
            ("of true things", result["true things"])]  # fmt: skip
    for name, figure in [*rows, *result["forms"].items()]:
        if figure is not None:
            lines.append(f"{name:14s} {shown(figure)}  n = {figure['n']}")
    lines.append("wrong " + ", ".join(f"{name}: {number}" for name, number in result["wrong"].items()))
    lines.append("recall@5 of a view of the thing (and of all links), with the walk over facts and without:")
    for hops, row in result["hops"].items():
        with_it, without, gain = (shown(row[name]) for name in ("with_view", "without_view", "gain_view"))
        lines.append(f"  {hops} facts away, n = {row['n']}: {with_it} against {without}, gain {gain}")
        lines.append(f"{'all links':>14s}: {shown(row['with_all'])} against {shown(row['without_all'])}, "
                     f"gain {shown(row['gain_all'])}")  # fmt: skip
    return "\n".join(lines)
