"""Colours of parts that keep theirs whatever the colour of the thing, RGB in 0-1."""

from __future__ import annotations

__all__ = ["CREAM", "DARK_WOOD", "INK", "LEAF", "METAL", "SCREEN", "STEEL", "WATER", "WOOD"]

WOOD = (0.56, 0.37, 0.21)
DARK_WOOD = (0.33, 0.20, 0.12)
METAL = (0.64, 0.65, 0.68)
STEEL = (0.36, 0.37, 0.40)
INK = (0.07, 0.07, 0.08)
CREAM = (0.93, 0.90, 0.83)
LEAF = (0.20, 0.48, 0.20)
SCREEN = (0.10, 0.16, 0.27)
WATER = (0.55, 0.75, 0.88)
