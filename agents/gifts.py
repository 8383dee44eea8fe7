"""Handing things over: to offer what somebody nearer to the diamond lacks, and to wait for what was offered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from placecell.agents.situation import Goal, Situation
from placecell.agents.style import Style
from placecell.agents.teammates import Mate
from placecell.memory.sharing import Sharing

__all__ = ["Gifts"]

_GIVEN: Final = ("iron", "coal", "wood")  # what is handed over; stone lies everywhere
_OFFER_EVERY: Final = 20  # steps until the same is offered to the same again


class Gifts:
    """What one agent offered, and what it was offered.

    Args:
        style: How near somebody has to be, and how much nearer to the diamond.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self._awaited: tuple[str, str, int] | None = None  # what is brought, by whom, until when it is waited for
        self._offered: dict[tuple[str, str], int] = {}  # when what was offered to whom

    def next_goal(self, now: Situation, sharing: Sharing, mates: Mapping[str, Mate], left_steps: float) -> Goal | None:
        """Wait for what somebody brings; or bring an agent that is nearer to the diamond what it lacks.

        Args:
            now: What the agent sees and has.
            sharing: Where offers come and go.
            mates: The others, as they last told of themselves.
            left_steps: How far this agent reckons to be from the diamond.
        """
        self._answer(now, sharing)
        if self._awaited is not None:
            item, sender, until = self._awaited
            if now.sight.step < until and _lacks(now.inventory, item):
                return Goal("wait", item, reason=f"{sender} brings it", peer=sender)
            self._awaited = None
        return self._give(now, sharing, mates, left_steps)

    def _answer(self, now: Situation, sharing: Sharing) -> None:
        for message in sharing.messages():
            if message.performative == "propose" and message.payload["topic"] == "give":
                item = message.payload["body"]
                if item in _GIVEN and _lacks(now.inventory, item) and not now.inventory["iron_pickaxe"]:
                    sharing.accept(message)
                    self._awaited = (item, message.sender, now.sight.step + 2 * self._style.give_steps)
                else:
                    sharing.refuse(message, "not needed")

    def _give(self, now: Situation, sharing: Sharing, mates: Mapping[str, Mate], left_steps: float) -> Goal | None:
        step = now.sight.step
        for cell, name in now.sight.players.items():
            far = abs(cell[0] - now.position[0]) + abs(cell[1] - now.position[1])
            mate = mates.get(name) if far <= self._style.give_steps else None
            if mate is None or mate.inventory.get("iron_pickaxe"):
                continue
            if mate.left_steps + self._style.loyal_steps > left_steps:  # or they would hand it to and fro
                continue
            for item in _GIVEN if mate.inventory.get("stone_pickaxe") else ():
                if _lacks(mate.inventory, item) and now.inventory[item] > 0:
                    offered = self._offered.get((mate.name, item), -1000)
                    if step - offered > _OFFER_EVERY:
                        self._offered[mate.name, item] = offered = step
                        sharing.propose(mate.name, "give", item)
                    if step - offered <= 2 * self._style.give_steps:
                        return Goal("give", item, cell, float(far), f"{mate.name} lacks it", mate.name)
        return None


def _lacks(inventory: Mapping[str, int], item: str) -> bool:
    return inventory.get(item, 0) < 1
