"""What an agent knows of Crafter before it plays: names, what is made of what, and how to read an observation.

These are the game's rules, which a player may know; nothing here knows a map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

__all__ = [
    "ACTIONS",
    "DIRECTIONS",
    "ITEMS",
    "LETTERS",
    "MATERIALS",
    "MINED_WITH",
    "RECIPES",
    "STACKED",
    "Cell",
    "Recipe",
    "Sight",
]

Cell = tuple[int, int]

_FIRST_PLAYER: Final = 7  # among creatures
#: Numbers of materials are places in this tuple; 0 is unknown or outside of the map.
MATERIALS: Final = (
    "", "water", "grass", "stone", "path", "sand", "tree", "lava", "coal", "iron", "diamond", "table", "furnace",
)  # fmt: skip
#: One letter for each material, in the same order, for records.
LETTERS: Final = "?wgspntlcidTF"
ITEMS: Final = (
    "health", "food", "drink", "energy", "sapling", "wood", "stone", "coal", "iron", "diamond",
    "wood_pickaxe", "stone_pickaxe", "iron_pickaxe", "wood_sword", "stone_sword", "iron_sword",
)  # fmt: skip
STACKED: Final = ITEMS[4:]
ACTIONS: Final = (
    "noop", "move_left", "move_right", "move_up", "move_down", "do", "sleep", "place_stone", "place_table",
    "place_furnace", "place_plant", "make_wood_pickaxe", "make_stone_pickaxe", "make_iron_pickaxe", "make_wood_sword",
    "make_stone_sword", "make_iron_sword", *(f"give_{item}" for item in STACKED),
)  # fmt: skip
DIRECTIONS: Final[Mapping[Cell, str]] = {
    (-1, 0): "move_left",
    (1, 0): "move_right",
    (0, -1): "move_up",
    (0, 1): "move_down",
}
#: The tool that a material takes to be collected; None for bare hands.
MINED_WITH: Final[Mapping[str, str | None]] = {
    "tree": None,
    "stone": "wood_pickaxe",
    "coal": "wood_pickaxe",
    "iron": "stone_pickaxe",
    "diamond": "iron_pickaxe",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an action uses up, and what has to stand within one cell."""

    uses: Mapping[str, int]
    near: tuple[str, ...] = ()


RECIPES: Final[Mapping[str, Recipe]] = {
    "table": Recipe({"wood": 2}),
    "furnace": Recipe({"stone": 4}),
    "wood_pickaxe": Recipe({"wood": 1}, ("table",)),
    "stone_pickaxe": Recipe({"wood": 1, "stone": 1}, ("table",)),
    "iron_pickaxe": Recipe({"wood": 1, "coal": 1, "iron": 1}, ("table", "furnace")),
    "wood_sword": Recipe({"wood": 1}, ("table",)),
    "stone_sword": Recipe({"wood": 1, "stone": 1}, ("table",)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One observation, read: what the agent sees, has and feels.

    `materials` and `creatures` are `(w, h)`, the cell `corner` of the map first; `creatures` holds 1 for a cow, 2 a
    zombie, 3 a skeleton, 4 an arrow, 5 and 6 plants, and players from 7 on.
    """

    step: int
    materials: np.ndarray
    creatures: np.ndarray
    corner: Cell
    position: Cell
    facing: Cell
    inventory: Mapping[str, int]
    daylight: float
    is_asleep: bool
    creatures_at: Mapping[Cell, int] = field(default_factory=dict)

    @property
    def players(self) -> dict[Cell, str]:
        """Names of the other players in sight, by their cells."""
        found = {cell: kind - _FIRST_PLAYER for cell, kind in self.creatures_at.items() if kind >= _FIRST_PLAYER}
        return {cell: f"player_{number}" for cell, number in found.items()}

    @classmethod
    def from_observation(cls, step: int, seen: Mapping[str, np.ndarray], area: Cell) -> Sight:
        """Read what `placecell.envs.crafter.CrafterTeamEnv` shows to one player.

        Raises:
            ValueError: If a field is missing.
        """
        missing = {"materials", "creatures", "inventory", "position", "facing", "daylight", "sleeping"} - set(seen)
        if missing:
            raise ValueError(f"an observation of Crafter has {', '.join(sorted(missing))} too; got {sorted(seen)}")
        x, y = (int(value) for value in seen["position"])
        w, h = seen["materials"].shape
        corner = (0, 0) if (w, h) == area else (x - w // 2, y - h // 2)
        creatures = seen["creatures"]
        found = {
            (corner[0] + i, corner[1] + j): int(creatures[i, j])
            for i, j in np.argwhere(creatures).tolist()
            if (corner[0] + i, corner[1] + j) != (x, y)
        }
        return cls(
            step,
            seen["materials"],
            creatures,
            corner,
            (x, y),
            (int(seen["facing"][0]), int(seen["facing"][1])),
            dict(zip(ITEMS, seen["inventory"].tolist(), strict=True)),
            float(seen["daylight"][0]),
            bool(seen["sleeping"][0]),
            found,
        )

    @property
    def ahead(self) -> Cell:
        """The cell that the agent faces."""
        return self.position[0] + self.facing[0], self.position[1] + self.facing[1]
