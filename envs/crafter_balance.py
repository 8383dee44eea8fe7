"""Crafter's balance of creatures: they come and go with the light, away from every player."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from placecell.envs.crafter_world import Cell, OrderedWorld, Player, nearest

__all__ = ["balance"]


def balance(
    world: OrderedWorld, players: Sequence[Player], has_monsters: bool, spawn: Callable[[str, Cell], None]
) -> None:
    """Balance every chunk once, with the distance to the nearest player.

    Args:
        world: Its generator draws who comes and goes.
        players: Nobody comes or goes near them.
        has_monsters: Whether there are zombies and skeletons.
        spawn: Puts a creature of a kind onto a cell.
    """
    grass, path = world.grounds("grass"), world.grounds("path")
    light = float(world.daylight)
    for chunk, things in world.chunks.items():
        keep = _Chunk(world, players, chunk, things, spawn).keep
        if has_monsters:
            most = 3.5 - 3 * light
            keep("Zombie", "grass", 6, 0, 0.3, 0.4, 0 if grass[chunk[0], chunk[2]] < 50 else most, most)
            keep("Skeleton", "path", 7, 7, 0.1, 0.1, 0 if path[chunk[0], chunk[2]] < 6 else 1, 2)
        keep("Cow", "grass", 5, 5, 0.01, 0.1, 0 if grass[chunk[0], chunk[2]] < 30 else 1, 1.5 + light)


class _Chunk:
    def __init__(
        self, world: OrderedWorld, players: Sequence[Player], chunk: tuple[int, ...], things: Sequence[Any],
        spawn: Callable[[str, Cell], None],
    ) -> None:  # fmt: skip
        self._world, self._players, self._chunk, self._things, self._spawn = world, players, chunk, things, spawn

    def keep(
        self, kind: str, material: str, spawn_from: int, leave_from: int, spawn_chance: float, leave_chance: float,
        low: float | int, high: float | int,
    ) -> None:  # fmt: skip
        """Keep the creatures of a kind between `low` and `high`, by chance."""
        random, chunk = self._world.random, self._chunk
        creatures = [thing for thing in self._things if type(thing).__name__ == kind and not thing.removed]
        if len(creatures) < int(low) and random.uniform() < spawn_chance:
            xs, ys = np.nonzero(self._world.mask(*chunk, material))
            if not len(xs):
                return
            i = random.randint(0, len(xs))
            pos = (chunk[0] + int(xs[i]), chunk[2] + int(ys[i]))
            if self._world[pos][1] is None and self._distance(pos) >= spawn_from:
                self._spawn(kind, pos)
        elif len(creatures) > int(high) and random.uniform() < leave_chance:
            creature = creatures[random.randint(0, len(creatures))]
            if self._distance(creature.pos) >= leave_from:
                self._world.remove(creature)

    def _distance(self, pos: Cell) -> int:
        return int(nearest(self._players, pos).distance(np.asarray(pos)))
