"""Worlds to remember: a procedural house with a Gymnasium environment, its renderer and its path finder."""

import gymnasium

from placecell.envs.house import CATALOGUE, CATEGORIES, COLOURS, ROOM_TYPES, STRUCTURE, Action, House, HouseEnv, tour
from placecell.pathfinder import PathFinder, ShortestPath

__all__ = [
    "CATALOGUE",
    "CATEGORIES",
    "COLOURS",
    "ROOM_TYPES",
    "STRUCTURE",
    "Action",
    "House",
    "HouseEnv",
    "PathFinder",
    "ShortestPath",
    "tour",
]

if "placecell/House-v0" not in gymnasium.registry:
    gymnasium.register("placecell/House-v0", entry_point="placecell.envs.house:HouseEnv", disable_env_checker=True)
