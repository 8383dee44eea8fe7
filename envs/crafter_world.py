"""The world of Crafter for several players at a time, and the same world again for the same seed.

Built on the PyPI package `crafter` (Hafner 2021, MIT): its generator, materials, creatures and rules. What is changed,
and why: objects of a chunk are kept in the order in which they came (its sets iterate by memory address, so that runs
of one seed differ); `nearby` works at the edges of the map (a negative slice finds nothing there); creatures go after
the nearest living player (they knew one).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from crafter import constants, engine, objects, worldgen
from scipy import ndimage

__all__ = [
    "CHUNK",
    "CREATURES",
    "MATERIALS",
    "STACKED",
    "Cell",
    "Cow",
    "Fresh",
    "OrderedWorld",
    "Player",
    "Skeleton",
    "Zombie",
    "fresh_world",
    "nearest",
]

Cell = Sequence[int] | np.ndarray
CHUNK: Final = (12, 12)
MATERIALS: Final = (None, *constants.materials)
#: What a cell holds, by number; players from `len(CREATURES)` on, in the order in which they came.
CREATURES: Final = ("nothing", "cow", "zombie", "skeleton", "arrow", "plant", "ripe plant")
STACKED: Final = tuple(name for name in constants.items if name not in ("health", "food", "drink", "energy"))


class OrderedWorld(engine.World):  # type: ignore[misc]
    """Crafter's map and objects, with every order fixed."""

    def reset(self, seed: int | None = None) -> None:
        """Empty the world and restart its generator."""
        super().reset(seed)
        self._objects: dict[int, Any] = {0: None}
        self._chunks: dict[tuple[int, ...], dict[Any, None]] = {}
        self._next = 1
        self._num_players = 0
        self.kinds = np.zeros(self.area, np.uint8)
        self.plants: dict[Any, None] = {}

    @property
    def objects(self) -> list[Any]:
        """Living objects, oldest first; a new list, so that they may go while it is read."""
        return [thing for thing in self._objects.values() if thing is not None]

    @property
    def chunks(self) -> dict[tuple[int, ...], list[Any]]:
        """Objects of every chunk that ever had one, oldest first."""
        return {key: list(things) for key, things in self._chunks.items()}

    def add(self, thing: Any) -> None:
        """Put an object on a free cell."""
        place = (int(thing.pos[0]), int(thing.pos[1]))
        thing.pos = np.array(place)
        assert self._obj_map[place] == 0
        self._objects[self._next] = thing
        self._obj_map[place] = self._next
        self.kinds[place] = self._number(thing)
        self._next += 1
        self._chunks.setdefault(self.chunk_key(place), {})[thing] = None

    def _number(self, thing: Any) -> int:
        if isinstance(thing, objects.Plant):
            self.plants[thing] = None
        elif isinstance(thing, objects.Player):
            self._num_players += 1
            return len(CREATURES) - 1 + self._num_players
        return _NUMBERS.get(type(thing), 0)

    def remove(self, thing: Any) -> None:
        """Take an object away; nothing happens if it is gone."""
        if thing.removed:
            return
        place = tuple(thing.pos)
        del self._objects[int(self._obj_map[place])]
        self._obj_map[place] = self.kinds[place] = 0
        self.plants.pop(thing, None)
        del self._chunks[self.chunk_key(place)][thing]
        thing.removed = True

    def move(self, thing: Any, pos: Cell) -> None:
        """Move an object to a free cell."""
        if thing.removed:
            return
        old, new = (int(thing.pos[0]), int(thing.pos[1])), (int(pos[0]), int(pos[1]))
        assert self._obj_map[new] == 0
        self._obj_map[new] = self._obj_map[old]
        self.kinds[new] = self.kinds[old]
        self._obj_map[old] = self.kinds[old] = 0
        before, after = self.chunk_key(old), self.chunk_key(new)
        if before != after:
            del self._chunks[before][thing]
            self._chunks.setdefault(after, {})[thing] = None
        thing.pos = np.array(new)

    def __getitem__(self, pos: Cell) -> tuple[str | None, Any]:
        """Material and object of a cell; two times None outside of the map."""
        x, y = int(pos[0]), int(pos[1])
        if not (0 <= x < self.area[0] and 0 <= y < self.area[1]):
            return None, None
        return self._mat_names[self._mat_map.item(x, y)], self._objects[self._obj_map.item(x, y)]

    def grounds(self, material: str) -> dict[tuple[int, int], int]:
        """How many cells of a material each chunk has, by its first cell."""
        xs, ys = (np.arange(0, size, chunk) for size, chunk in zip(self.area, self._chunk_size, strict=True))
        sums = np.add.reduceat(self._mat_map == self._mat_ids[material], xs, 0, dtype=np.int32)
        sums = np.add.reduceat(sums, ys, 1).tolist()
        return {(x, y): sums[i][j] for i, x in enumerate(xs.tolist()) for j, y in enumerate(ys.tolist())}

    def within(self, distance: int, places: Sequence[Sequence[int]]) -> list[Any]:
        """Objects nearer than `distance`, counted along the axes, to any of the places; oldest first."""
        cells = np.flatnonzero(self._obj_map)
        xs, ys = np.divmod(cells, self.area[1])
        is_near = np.zeros(len(cells), bool)
        for x, y in places:
            is_near |= np.abs(xs - x) + np.abs(ys - y) < distance
        return [self._objects[i] for i in sorted(self._obj_map.ravel()[cells[is_near]].tolist())]

    def nearby(self, pos: Cell, distance: int) -> tuple[tuple[str, ...], list[Any]]:
        """Materials and objects within `distance` cells along each axis, at the map's edge too."""
        (x, y), d = (int(pos[0]), int(pos[1])), distance
        window = (slice(max(x - d, 0), x + d + 1), slice(max(y - d, 0), y + d + 1))
        materials = tuple(self._mat_names[i] for i in sorted(set(self._mat_map[window].ravel().tolist())))
        things = [self._objects[i] for i in self._obj_map[window].ravel().tolist() if i]
        return materials, things


class _Walker(objects.Object):  # type: ignore[misc]
    """The same as Crafter's object, faster."""

    def distance(self, target: Any) -> int:
        """Cells along the axes to a place or an object."""
        x, y = getattr(target, "pos", target)
        return abs(int(x) - int(self.pos[0])) + abs(int(y) - int(self.pos[1]))

    def move(self, direction: Cell) -> bool:
        """Take a step, if the cell is free."""
        target = int(self.pos[0] + direction[0]), int(self.pos[1] + direction[1])
        if not self.is_free(target):
            return False
        self.world.move(self, target)
        return True


class Player(_Walker, objects.Player):  # type: ignore[misc]
    """One of several players.

    Args:
        world: Where it lives.
        pos: Cell.
        name: Agent id.
        rules: What may be carried, and what iron tools need; see `placecell.envs.crafter.Rules`.
    """

    def __init__(self, world: OrderedWorld, pos: Cell, name: str, rules: Any) -> None:
        super().__init__(world, pos)
        self.name, self.rules = name, rules
        self.sleeping: bool = False

    def update(self) -> None:
        """Do the chosen action, then live: hunger, thirst, tiredness, health."""
        if self.sleeping:
            if self.inventory["energy"] < constants.items["energy"]["max"]:
                self.action = "sleep"
            else:
                self.sleeping = False
                self.achievements["wake_up"] += 1
        self._act(self.action)
        self._update_life_stats()
        self._degen_or_regen_health()
        for item, amount in self.inventory.items():
            top = self.rules.stack_cap if item in STACKED else constants.items[item]["max"]
            if not 0 <= amount <= top:
                self.inventory[item] = min(max(amount, 0), top)
        self._wake_up_when_hurt()

    def _act(self, action: str) -> None:
        verb, _, rest = action.partition("_")
        if verb == "move":
            self._move(rest)
        elif verb == "do":
            target = self.target
            material, thing = self.world[target]
            if thing is None:
                self._do_material(target, material)
            else:
                self._do_object(thing)
        elif verb == "sleep":
            if self.inventory["energy"] < constants.items["energy"]["max"]:
                self.sleeping = True
        elif verb == "place":
            target = self.target
            self._place(rest, target, self.world[target][0])
        elif verb == "make":
            self._make(rest)

    @property
    def target(self) -> tuple[int, int]:
        """The cell before the player."""
        return int(self.pos[0] + self.facing[0]), int(self.pos[1] + self.facing[1])

    def give(self, item: str, other: Player) -> bool:
        """Hand one `item` over; says whether it changed hands (nothing is lost where it could not)."""
        if self.inventory[item] < 1 or other.removed or other.inventory[item] >= self.rules.stack_cap:
            return False
        self.inventory[item] -= 1
        other.inventory[item] += 1
        return True

    def _do_object(self, thing: Any) -> None:
        if not isinstance(thing, objects.Fence):  # Crafter's players cannot carry one
            super()._do_object(thing)

    def _make(self, name: str) -> None:
        needed = constants.make[name]
        near, _ = self.world.nearby(self.pos, 1)
        for tool in needed["nearby"]:
            is_spared = tool == "table" and name.startswith("iron") and not self.rules.iron_needs_table
            if tool not in near and not is_spared:
                return
        if any(self.inventory[item] < amount for item, amount in needed["uses"].items()):
            return
        for item, amount in needed["uses"].items():
            self.inventory[item] -= amount
        self.inventory[name] += needed["gives"]
        self.achievements[f"make_{name}"] += 1


class Cow(_Walker, objects.Cow):  # type: ignore[misc]
    """Crafter's cow."""


class Zombie(_Walker, objects.Zombie):  # type: ignore[misc]
    """Goes after the nearest living player, whichever that is."""

    def __init__(self, world: OrderedWorld, pos: Cell, players: Sequence[Player]) -> None:
        super().__init__(world, pos, players[0])
        self.players = players

    def update(self) -> None:
        """Look who is nearest, then act."""
        self.player = nearest(self.players, self.pos)
        super().update()


class Skeleton(_Walker, objects.Skeleton):  # type: ignore[misc]
    """Shoots at the nearest living player, whichever that is."""

    def __init__(self, world: OrderedWorld, pos: Cell, players: Sequence[Player]) -> None:
        super().__init__(world, pos, players[0])
        self.players = players

    def update(self) -> None:
        """Look who is nearest, then act; a dead one is taken out, as in the rules for zombies."""
        if self.health <= 0:
            self.world.remove(self)
            return
        self.player = nearest(self.players, self.pos)
        super().update()


def nearest(players: Sequence[Player], pos: Cell) -> Player:
    """The nearest living player, the first of equals; the first of all if none lives."""
    best, best_distance = players[0], 1 << 30
    x, y = int(pos[0]), int(pos[1])
    for player in players:
        if not player.removed:
            px, py = player.pos.tolist()
            distance = abs(px - x) + abs(py - y)
            if distance < best_distance:
                best, best_distance = player, distance
    return best


_NUMBERS: Final = {
    objects.Cow: 1,
    Cow: 1,
    objects.Zombie: 2,
    Zombie: 2,
    objects.Skeleton: 3,
    Skeleton: 3,
    objects.Arrow: 4,
    objects.Plant: 5,
}


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """A world as its seed makes it, before anybody acts.

    `materials` is uint8 `(w, h)` of Crafter's material ids, `creatures` (kind, x, y) in the order of their making, and
    `state` the generator's state after it.
    """

    materials: np.ndarray
    creatures: tuple[tuple[str, int, int], ...]
    state: tuple[Any, ...]

    def count(self, material: str) -> int:
        """Cells of a material."""
        return int((self.materials == MATERIALS.index(material)).sum())

    def has_diamond(self) -> bool:
        """Whether somebody who begins in the middle can get a diamond.

        What it takes must exist, and the ground around the middle must touch trees and stone: with a pickaxe and stones
        to lay, everything else can be crossed, but nobody leaves an island that has none.
        """
        if not all(self.count(material) for material in ("diamond", "iron", "coal")):
            return False
        ground = np.isin(self.materials, [MATERIALS.index(material) for material in constants.walkable])
        regions, _ = ndimage.label(ground)
        middle = regions[self.materials.shape[0] // 2, self.materials.shape[1] // 2]
        shore = ndimage.binary_dilation((regions == middle) & (middle > 0))
        return all(bool((self.materials[shore] == MATERIALS.index(each)).any()) for each in ("tree", "stone"))


@functools.lru_cache(maxsize=64)
def fresh_world(seed: int, area: tuple[int, int] = (64, 64)) -> Fresh:
    """The world of a seed, by Crafter's own generator around the middle of the map; kept, as it takes a second."""
    world = OrderedWorld(area, constants.materials, CHUNK)
    world.reset(seed)
    worldgen.generate_world(world, SimpleNamespace(pos=np.array((area[0] // 2, area[1] // 2))))
    creatures = tuple((type(thing).__name__, int(thing.pos[0]), int(thing.pos[1])) for thing in world.objects)
    materials = world._mat_map.copy()
    materials.setflags(write=False)
    return Fresh(materials, creatures, world.random.get_state())
