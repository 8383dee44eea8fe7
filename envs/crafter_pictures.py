"""Crafter's own drawings, of a player's view and of the whole map; drawing changes nothing in the world."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from crafter import constants, engine

from placecell.envs.crafter_world import OrderedWorld, Player

__all__ = ["drawn_map", "drawn_view"]


def drawn_view(
    world: OrderedWorld, player: Player, view: tuple[int, int], size_px: int, seed: Sequence[int]
) -> np.ndarray:
    """What a player sees, inventory included, uint8 `(size_px, size_px, 3)`.

    Args:
        world: What is drawn.
        player: In the middle.
        view: Cells across and down.
        size_px: Height and width.
        seed: Of the noise of the night.
    """
    rows = math.ceil(len(constants.items) / view[0])
    unit = np.array([size_px // view[0], size_px // (view[1] + rows)])
    local = _QuietView(world, _textures(), view, np.random.RandomState(list(seed)))(player, unit)
    items = engine.ItemView(_textures(), [view[0], rows])(player.inventory, unit)
    drawn = np.concatenate([local, items], axis=1)
    canvas = np.zeros((size_px, size_px, 3), np.uint8)
    w, h = drawn.shape[:2]
    x, y = (size_px - w) // 2, (size_px - h) // 2
    canvas[x : x + w, y : y + h] = drawn
    return canvas.transpose((1, 0, 2))


def drawn_map(world: OrderedWorld, seed: Sequence[int], cell_px: int = 8) -> np.ndarray:
    """The whole map, uint8 `(h, w, 3)`."""
    area = tuple(int(side) for side in world.area)
    view = _QuietView(world, _textures(), area, np.random.RandomState(list(seed)))
    drawn = view(_Middle(np.array(area) // 2), np.array([cell_px, cell_px]))
    return np.asarray(drawn, np.uint8).transpose((1, 0, 2))


@dataclass(frozen=True, slots=True, eq=False)
class _Middle:
    """Where a picture is centred, when nobody stands there."""

    pos: np.ndarray
    sleeping: bool = False


class _QuietView(engine.LocalView):  # type: ignore[misc]
    """Crafter's view with noise from another generator than the world's."""

    def __init__(self, world: OrderedWorld, textures: Any, grid: Sequence[int], random: np.random.RandomState) -> None:
        super().__init__(world, textures, grid)
        self._random = random

    def _noise(self, canvas: np.ndarray, amount: float, stddev: float) -> np.ndarray:
        noise = self._random.uniform(32, 127, canvas.shape[:2])[..., None]
        mask = amount * self._vignette(canvas.shape, stddev)[..., None]
        return np.asarray((1 - mask) * canvas + mask * noise)


@functools.cache
def _textures() -> Any:
    return engine.Textures(constants.root / "assets")
