"""Agents that play Crafter as members of a `Team`, in one process or as Ray actors; a folder outlives each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from placecell.agents.cooperation import Cooperator, Style
from placecell.agents.crafting import Cell
from placecell.agents.crew import STEPS
from placecell.agents.team import Mail, Mailbox, Turn
from placecell.memory.memory import Memory
from placecell.memory.sharing import Policy, Sharing
from placecell.memory.signing import KeyRegistry, Signer

__all__ = ["CooperatorMaker", "CooperatorMember"]

#: As in one process, but who was started anew is heard again soon.
RESTARTS: Final = replace(STEPS, every_s=50.0, patience_s=75.0, name_lease_s=5.0)


class CooperatorMember:
    """A `Cooperator` with a mailbox; see `placecell.agents.team.Member`."""

    def __init__(self, agent: Cooperator, mailbox: Mailbox) -> None:
        self.name, self.agent, self.mailbox = agent.name, agent, mailbox

    def turn(self, step: int, observation: Any, info: Mapping[str, Any], mail: Mail, peers: Sequence[str]) -> Turn:
        """Observe, share, act."""
        self.mailbox.open(mail, peers)
        self.agent.observe(step, observation)
        self.agent.share()
        return Turn(self.agent.act(), self.mailbox.taken())

    def report(self) -> Mapping[str, Any]:
        """Version vector, bytes sent by kind, and what was refused."""
        sharing = self.agent.sharing
        traffic = {} if sharing is None else sharing.traffic.bytes
        return {
            "version": self.agent.memory.version(),
            "sent": {kind: num for (way, kind), num in traffic.items() if way == "sent"},
            "quarantined": 0 if sharing is None else len(sharing.quarantine),
        }


@dataclass(frozen=True)
class CooperatorMaker:
    """Makes the lives of one agent, in whatever process.

    Args:
        name: The agent's.
        names: Of the whole team; who is alone shares nothing.
        folder: Of its memory; None for RAM, which no life outlives.
        style: How it plays.
        area: Cells of the map.
        policy: How it shares; a second is a step.
        seed: Of the keys that messages are signed with.
    """

    name: str
    names: tuple[str, ...]
    folder: Path | None = None
    style: Style = field(default_factory=Style)
    area: Cell = (64, 64)
    policy: Policy = RESTARTS
    seed: int = 0

    def __call__(self, life: int) -> CooperatorMember:
        """The agent in this life."""
        memory = Memory(folder=self.folder, clock=_no_clock)
        mailbox = Mailbox(self.name)
        sharing = None
        if len(self.names) > 1:
            signers = {name: Signer(_secret(self.seed, name)) for name in self.names}
            keys = KeyRegistry()
            for name, signer in signers.items():
                keys.add(name, signer.public)
            sharing = Sharing(memory, mailbox, None, self.policy, signers[self.name], keys, session=f"life-{life}")
        return CooperatorMember(Cooperator(self.name, memory, sharing, self.area, self.style), mailbox)


def _secret(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed} {name}".encode(), digest_size=32).digest()


def _no_clock() -> float:
    return 0.0
