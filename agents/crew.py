"""A team in one process: the agents, the network between them, and the loop over an environment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from placecell.agents.cooperation import Cooperator, Style
from placecell.agents.crafting import Cell
from placecell.memory.memory import Memory
from placecell.memory.sharing import Policy, Sharing
from placecell.memory.signing import KeyRegistry, Signer
from placecell.memory.transports import Faults, Network

__all__ = ["AGREED", "STEPS", "Crew", "Episode", "make_crew", "play"]

#: One step is one second of the protocol. Records go as soon as they are written; queries make up for what was lost.
STEPS = Policy(every_s=200.0, patience_s=300.0, name_lease_s=200.0)
#: The same for agents that begin together and have agreed to tell each other everything: no first query is sent.
AGREED = replace(STEPS, asks_first=False)


@dataclass(eq=False)
class Crew:
    """Agents by name, and the network between them; None where nothing is shared."""

    agents: dict[str, Cooperator]
    network: Network | None = None

    def act(self, step: int, observations: Mapping[str, Any]) -> dict[str, int]:
        """Actions of all who observe something. What is said in this step is heard in the next."""
        if self.network is not None:
            self.network.advance(1.0)
        living = [self.agents[name] for name in observations]
        for agent in living:
            agent.observe(step, observations[agent.name])
        for agent in living:
            agent.share()
        return {agent.name: agent.act() for agent in living}

    def bytes_sent(self) -> int:
        """By all agents so far, frames whole."""
        return sum(a.sharing.traffic.total("sent") for a in self.agents.values() if a.sharing is not None)


def make_crew(
    names: list[str],
    style: Style,
    shares: bool,
    area: Cell = (64, 64),
    policy: Policy = STEPS,
    seed: int = 0,
    make: Callable[..., Cooperator] = Cooperator,
) -> Crew:
    """Fresh agents; with `shares`, each signs what it says, speaks for itself alone, and is heard one step later.

    `make` makes them, from the arguments of `Cooperator`.
    """
    if not shares or len(names) < 2:
        return Crew({name: make(name, _memory(), None, area, style) for name in names})
    network, keys, signers = Network(Faults(delay_s=(1.0, 1.0)), seed), KeyRegistry(), {}
    for name in names:
        signers[name] = Signer(hashlib.blake2b(f"{seed} {name}".encode(), digest_size=32).digest())
        keys.add(name, signers[name].public)
    agents = {}
    for name in names:
        memory = _memory()
        sharing = Sharing(memory, network.join(name), None, policy, signers[name], keys, session="s0")
        agents[name] = make(name, memory, sharing, area, style)
    return Crew(agents, network)


def _memory() -> Memory:
    return Memory(clock=lambda: 0.0)  # a clock of the wall would make two runs differ


@dataclass(eq=False)
class Episode:
    """What came of one episode.

    `first` holds the step in which anybody first achieved something, `deaths` the step of each death, `trail` every
    agent's position and action by step.
    """

    num_steps: int
    is_solved: bool
    first: dict[str, int] = field(default_factory=dict)
    deaths: dict[str, int] = field(default_factory=dict)
    num_gifts: int = 0
    bytes_sent: int = 0
    bytes_by_kind: dict[str, int] = field(default_factory=dict)
    agent_steps: int = 0
    skipped_worlds: int = 0
    trail: str = ""


def play(env: Any, crew: Crew, seed: int, watch: Callable[[int, Mapping[str, Any]], None] | None = None) -> Episode:
    """Play an episode of a PettingZoo environment to its end.

    Args:
        env: A `placecell.envs.crafter.CrafterTeamEnv`.
        crew: Who plays; one agent for each name of the environment.
        seed: Of the environment.
        watch: Called in every step with its number and the observations, after all agents acted.
    """
    observations, infos = env.reset(seed=seed)
    episode, digest = Episode(0, False), hashlib.sha256()
    episode.skipped_worlds = next(iter(infos.values()))["skipped_worlds"]
    while env.agents:
        step = episode.num_steps
        seen = {name: observations[name] for name in env.agents}
        actions = crew.act(step, seen)
        if watch is not None:
            watch(step, seen)
        for name, action in actions.items():
            digest.update(f"{name} {seen[name]['position'].tolist()} {action};".encode())
        observations, _, terminations, _, infos = env.step(actions)
        episode.num_steps += 1
        episode.agent_steps += len(actions)
        for name, info in infos.items():
            episode.num_gifts += info["gave"] is not None
            for achieved in info["unlocked"]:
                episode.first.setdefault(achieved, episode.num_steps)
            if terminations[name] and not info["achievements"]["collect_diamond"] and name not in episode.deaths:
                health = observations[name]["inventory"][0]
                if health <= 0:
                    episode.deaths[name] = episode.num_steps
    episode.is_solved = "collect_diamond" in episode.first
    episode.bytes_sent, episode.trail = crew.bytes_sent(), digest.hexdigest()
    for agent in crew.agents.values():
        if agent.sharing is not None:
            for (way, kind), count in agent.sharing.traffic.bytes.items():
                if way == "sent":
                    episode.bytes_by_kind[kind] = episode.bytes_by_kind.get(kind, 0) + count
    return episode
