"""Films of teams in Crafter: every agent's known map side by side, and what it is about to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import UInt8

from placecell.agents.crew import Crew
from placecell.perception.clips import VideoWriter

__all__ = ["CrewFilm", "draw_known"]

_PX: Final = 5  # of a cell
_BAR: Final = 40
#: Colours of materials by number, as in `placecell.agents.crafting.MATERIALS`; the first is that of the unknown.
_COLOURS: Final = np.array(
    [
        (28, 31, 38), (66, 122, 200), (112, 168, 88), (128, 128, 132), (190, 176, 146), (222, 206, 150), (44, 96, 52),
        (236, 96, 28), (52, 52, 56), (214, 160, 120), (240, 250, 255), (150, 96, 48), (84, 84, 92),
    ],
    np.uint8,
)  # fmt: skip
_SELF, _MATE, _GOAL, _DIAMOND = (255, 32, 96), (255, 190, 0), (255, 255, 255), (0, 255, 255)


class CrewFilm:
    """Writes one episode of a team as an MP4.

    Args:
        path: Where to; the folder must exist.
        crew: The agents, before the episode begins.
        fps: Steps shown per second.
    """

    def __init__(self, path: Path, crew: Crew, fps: int = 12) -> None:
        self._crew = crew
        num = len(crew.agents)
        self._across = math.ceil(math.sqrt(num * 1.5)) if num > 2 else num
        self._down = math.ceil(num / self._across)
        w, h = next(iter(crew.agents.values())).known.area
        self._tile = (w * _PX, h * _PX + _BAR)
        self._writer = VideoWriter(path, fps, (self._across * self._tile[0], self._down * self._tile[1]))

    def add(self, step: int, observations: Mapping[str, Any]) -> None:
        """Show one step; agents that are gone keep the last map that they had, darker."""
        w, h = self._tile
        picture = np.full((self._down * h, self._across * w, 3), 255, np.uint8)
        for number, agent in enumerate(self._crew.agents.values()):
            row, column = divmod(number, self._across)
            tile = draw_known(agent)
            if agent.name not in observations:
                tile = (tile // 2).astype(np.uint8)
            picture[row * h : row * h + tile.shape[0], column * w : (column + 1) * w] = tile
            goal = agent.goal
            doing = "gone" if agent.name not in observations else "" if goal is None else f"{goal.kind} {goal.item}"
            at = (column * w + 6, row * h + tile.shape[0])
            _write(picture, f"{agent.name}  step {step}", (at[0], at[1] + 16))
            _write(
                picture, doing + ("" if goal is None or not goal.reason else f": {goal.reason}"), (at[0], at[1] + 33)
            )
        self._writer.write(picture)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def draw_known(agent: Any) -> UInt8[np.ndarray, "h w 3"]:
    """The map that an agent knows, itself, what it believes of the others, and the diamonds that it has heard of."""
    known = agent.known
    picture = np.repeat(np.repeat(_COLOURS[known.materials.T], _PX, axis=0), _PX, axis=1)
    picture = np.ascontiguousarray(picture)

    def mark(cell: tuple[int, int], colour: tuple[int, int, int], radius: int, thick: int = -1) -> None:
        middle = (cell[0] * _PX + _PX // 2, cell[1] * _PX + _PX // 2)
        cv2.circle(picture, middle, radius, colour, thick, cv2.LINE_AA)

    for cell in known.cells("diamond"):
        mark(cell, _DIAMOND, 5, 2)
    for mate in agent.mates.values():
        mark(mate.position, _MATE, 4)
    if agent.goal is not None and agent.goal.target is not None:
        mark(agent.goal.target, _GOAL, 4, 1)
    if agent.now is not None:
        mark(agent.now.position, _SELF, 5)
    return np.asarray(picture, np.uint8)


def _write(picture: np.ndarray, text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text[:52], at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (28, 35, 51), 1, cv2.LINE_AA)
