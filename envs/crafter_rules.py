"""What holds in a world of Crafter for teams, and the presets that experiments use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["PRESETS", "Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds in a world.

    Args:
        monsters: Whether there are zombies and skeletons.
        night: Whether days end.
        stack_cap: Most of one item that a player carries.
        iron_needs_table: Whether iron tools need a table beside the furnace, as Crafter has it.
        sharing: Whether an item can be handed to the player in front ("adjacent"), to anybody ("anywhere"), or not.
        view: Cells across and down that a player sees, itself in the middle; None for the whole map.
        length: Steps of an episode at most.
        ends_with_diamond: Whether the first diamond ends the episode for all.
    """

    monsters: bool = True
    night: bool = True
    stack_cap: int = 9
    iron_needs_table: bool = True
    sharing: Literal["adjacent", "anywhere"] | None = "adjacent"
    view: tuple[int, int] | None = (9, 7)
    length: int = 10_000
    ends_with_diamond: bool = True

    def __post_init__(self) -> None:
        if self.stack_cap < 1 or self.length < 1:
            raise ValueError(f"stack_cap and length must be positive, got {self.stack_cap} and {self.length}")
        if self.view is not None and (min(self.view) < 1 or not all(side % 2 for side in self.view)):
            raise ValueError(f"view must be two odd numbers, so that the player is in the middle, got {self.view}")
        if self.sharing not in ("adjacent", "anywhere", None):
            raise ValueError(f"sharing must be 'adjacent', 'anywhere' or None, got {self.sharing!r}")


#: `strict` is Crafter's own rules with hand-over; `damcs` the changed ones of MA-Crafter (arXiv 2502.05453).
PRESETS: Final[Mapping[str, Rules]] = {
    "strict": Rules(),
    "peaceful": Rules(monsters=False, night=False),
    "damcs": Rules(monsters=False, night=True, stack_cap=999, iron_needs_table=False, sharing="anywhere", length=350),
}
