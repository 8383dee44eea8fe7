"""Worlds to remember: procedural houses, scenes that users bring, Habitat; one interface, one suite of checks."""

import gymnasium

from placecell.envs.house import CATALOGUE, CATEGORIES, COLOURS, ROOM_TYPES, STRUCTURE, Action, House, HouseEnv, tour
from placecell.envs.house_team import HouseTeam
from placecell.envs.scene import SceneEnv
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
    "HouseTeam",
    "PathFinder",
    "SceneEnv",
    "ShortestPath",
    "tour",
]

if "placecell/House-v0" not in gymnasium.registry:
    gymnasium.register("placecell/House-v0", entry_point="placecell.envs.house:HouseEnv", disable_env_checker=True)
