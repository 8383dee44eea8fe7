"""How a cooperator plays: the switches and constants of its experiments."""

from __future__ import annotations

from dataclasses import dataclass, field

from placecell.agents.survival import Survival
from placecell.agents.tech_tree import TechTree

__all__ = ["Style"]


@dataclass(frozen=True, slots=True)
class Style:
    """How an agent plays; each field is a switch of the experiments.

    Args:
        remembers: Keeps its map; otherwise it knows what it sees at the moment.
        claims: Claims where it goes to look and what it goes for, and leaves to others what they claimed.
        roles: Whoever is nearest to the diamond goes for it, others look for what it lacks; things are handed over.
        tells_finds: Others may have what it found; otherwise only where it is, what it has and how far along it is.
        thrifty: Claims are told within the records, a few bytes each, instead of in frames of their own; records are
            fewer where there are many to tell, or there is little to tell.
        fetches_alone: Each makes tools of its own, from what it saw itself and the iron and diamonds that others told
            of; all that others told of says where to look. Otherwise a few make tools, from everything that is known.
        terse: Others hear of the first iron, the first diamond and the first iron pickaxe, and in turn where each has
            looked, and of nothing else.
        sectors: Each looks in its own part of the circle around the start, instead of claiming where it looks.
        tells_all: Others get every observation, whole: what sharing everything costs.
        tree: How it follows the tech tree.
        survival: When its needs come first.
        patience: See `placecell.agents.scouting.best_walk`.
        loyalty: See there.
        batch_steps: A record is written after so many steps, or at once where what was found is rare.
        crowd_steps: Where it is thrifty, not before so many steps for each of the others, as every one of them is told.
        batch_cells: Where it is thrifty and found fewer cells in that time, after twice as many steps.
        lease_s: How long a claim holds, in steps.
        apart: What a cell that is another's to look at is worth, of 1.
        makers: Share of the team that makes tools from the start; the others look around first, with bare hands.
        scout_steps: How long they do so at most.
        aside_steps: What is this near is taken along.
        late_steps: The same once somebody has an iron pickaxe, as whoever finds the diamond then needs one too.
        loyal_steps: How much nearer to the diamond somebody has to be to take over from one who makes tools.
        silence_steps: Who has said nothing for so long is taken to be gone.
        give_steps: How near somebody has to be to be handed what it lacks.
        seen_steps: Where it is terse, it tells where it has looked once in so many steps; 0 for never.
        silent_steps: None does so in the first steps, while all are where all began.
        seek_steps: Where each fetches alone and somebody has an iron pickaxe, whoever is farther from what it lacks
            for one of its own looks for a diamond instead.
    """

    remembers: bool = True
    claims: bool = True
    roles: bool = True
    tells_finds: bool = True
    thrifty: bool = False
    fetches_alone: bool = False
    terse: bool = False
    sectors: bool = False
    tells_all: bool = False
    tree: TechTree = field(default_factory=TechTree)
    survival: Survival = field(default_factory=Survival)
    patience: float = 6.0
    loyalty: float = 1.15
    batch_steps: int = 8
    crowd_steps: int = 6
    batch_cells: int = 16
    lease_s: float = 20.0
    apart: float = 0.2
    makers: float = 0.34
    scout_steps: int = 30
    aside_steps: float = 2.0
    late_steps: float = 8.0
    give_steps: int = 3
    silence_steps: int = 60
    loyal_steps: float = 10.0
    seen_steps: int = 130
    silent_steps: int = 80
    seek_steps: float = 20.0

    def told_every(self, num_others: int) -> int:
        """Steps between two records of one agent, where nothing is urgent and there is something to tell."""
        return max(self.batch_steps, self.crowd_steps * num_others) if self.thrifty else self.batch_steps
