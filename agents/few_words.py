"""What an agent tells where bytes are few: the first ores, the first iron pickaxe, and in turn where it has looked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np

from placecell.agents.crafting import MATERIALS, Sight
from placecell.agents.known_map import Find, KnownMap, write_finds
from placecell.agents.seen_blocks import write_seen
from placecell.agents.style import Style
from placecell.agents.teammates import Mate, write_status

__all__ = ["FewWords"]

_FIRSTS: Final = tuple(MATERIALS.index(item) for item in ("iron", "diamond"))


class FewWords:
    """What one agent tells.

    Args:
        name: The agent.
        mates: The others, as they last told of themselves; read at each call.
        style: How often it tells where it has looked.
    """

    def __init__(self, name: str, mates: Mapping[str, Mate], style: Style) -> None:
        self._name, self._mates, self._style = name, mates, style
        self._told_pickaxe = False

    def tell(self, sight: Sight, known: KnownMap, news: list[Find], peers: Collection[str]) -> str:
        """A text for the others; empty if there is nothing to tell them now.

        Args:
            sight: What the agent sees.
            known: Its map, the news in it.
            news: Cells that it just found.
            peers: Names of the others, who tell in turn where they have looked.
        """
        firsts = [find for find in _firsts(known, news) if not self._is_anothers(sight, find)]
        has_pickaxe = sight.inventory["iron_pickaxe"] > 0
        is_maker = has_pickaxe and not self._told_pickaxe and not self._has_maker()
        if not (firsts or is_maker or self._is_turn(sight.step, peers)):
            return ""
        words = [write_finds(firsts)] if firsts else []
        if has_pickaxe:
            self._told_pickaxe = True
            held = {"health": sight.inventory["health"], "iron_pickaxe": 1}
            words.append(write_status(sight.position, held, ""))
        return " ".join([*words, write_seen((known.materials > 0) | known.told)])

    def _is_anothers(self, sight: Sight, find: Find) -> bool:
        """Whether somebody in sight sees the same, whose name comes first."""
        reach = [side // 2 for side in sight.materials.shape]
        return any(
            name < self._name and all(abs(a - b) <= most for a, b, most in zip(cell, find.cell, reach, strict=True))
            for cell, name in sight.players.items()
        )

    def _has_maker(self) -> bool:
        return any(mate.inventory.get("iron_pickaxe") for mate in self._mates.values())

    def _is_turn(self, step: int, peers: Collection[str]) -> bool:
        names, every = sorted({self._name, *peers}), self._style.seen_steps
        since = step - self._style.silent_steps - names.index(self._name) * every // len(names)
        return every > 0 and since >= 0 and since % every == 0


def _firsts(known: KnownMap, news: list[Find]) -> list[Find]:
    """Iron and diamonds among the news, of which none was known before."""
    counts = {kind: sum(find.material == kind for find in news) for kind in _FIRSTS}
    first = [kind for kind in _FIRSTS if counts[kind] == np.count_nonzero(known.materials == kind)]
    return [find for find in news if find.material in first]
