"""What an agent believes of the others: from the records that they shared, never from the simulator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from placecell.agents.crafting import STACKED, Cell
from placecell.memory.records import Record

__all__ = ["Mate", "read_status", "write_status"]

_STATUS: Final = re.compile(
    r"@(\d{1,3}),(\d{1,3}),(\d{1,2}):((?:[a-z]\d{1,3})*)(?:!([a-z_.]{1,32}))?(?:~(\d{1,4}))?(?:>(\d{1,3}),(\d{1,3}))?"
)
#: Letters of items in a status, in the order of `STACKED`.
_LETTERS: Final = dict(zip(STACKED, "pwscidkltxyz", strict=True))
_ITEMS: Final = {letter: item for item, letter in _LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Mate:
    """Another agent, as it last told of itself."""

    name: str
    step: int
    position: Cell
    health: int
    inventory: Mapping[str, int] = field(default_factory=dict)
    doing: str = ""
    left_steps: int = 9999  # to its iron pickaxe, as it estimates
    target: Cell | None = None  # what it claims, where claims are told this way


def write_status(
    position: Cell, inventory: Mapping[str, int], doing: str, left_steps: float = 9999, target: Cell | None = None
) -> str:
    """One word that tells where an agent is, how it feels, what it has and what it does.

    Example:
        >>> write_status((3, 4), {"health": 9, "wood": 2, "iron_pickaxe": 1}, "explore", 40.0)
        '@3,4,9:w2t1!explore~40'
        >>> write_status((3, 4), {"health": 9}, "explore", target=(7, 8))
        '@3,4,9:!explore>7,8'
    """
    held = "".join(f"{_LETTERS[item]}{inventory[item]}" for item in STACKED if inventory.get(item))
    told = f"@{position[0]},{position[1]},{inventory['health']}:{held}" + (f"!{doing}" if doing else "")
    told += f"~{round(left_steps)}" if left_steps < 9999 else ""
    return told + (f">{target[0]},{target[1]}" if target is not None else "")


def read_status(record: Record) -> Mate | None:
    """The status in a record, if there is one.

    Example:
        >>> mate = read_status(Record("ann", 1, "text", 7.0, 7.0, text="3,4>g @3,4,9:w2t1!explore"))
        >>> mate.position, mate.inventory, mate.doing
        ((3, 4), {'wood': 2, 'iron_pickaxe': 1}, 'explore')
    """
    for word in reversed(record.text.split()):
        match = _STATUS.fullmatch(word)
        if match is not None:
            pairs = re.findall(r"([a-z])(\d+)", match[4])
            held = {_ITEMS[letter]: int(count) for letter, count in pairs if letter in _ITEMS}
            place = (int(match[1]), int(match[2]))
            left = int(match[6] or 9999)
            target = (int(match[7]), int(match[8])) if match[7] else None
            step, health, doing = int(record.stamp_s), int(match[3]), match[5] or ""
            return Mate(record.agent_id, step, place, health, held, doing, left, target)
    return None
