"""What sharing costs and withstands: records merged a second, and memories that become equal whatever goes wrong.

Processor time is measured, not the wall clock: one core does it all. The baseline is msgpack reading the same bytes
into lists, with nothing checked, built or stored.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from placecell.memory.delta import Delta
from placecell.memory.envelope import Envelope, close_frame
from placecell.memory.memory import Memory
from placecell.memory.records import Record
from placecell.memory.sharing import Policy, Sharing
from placecell.memory.signing import KeyRegistry, Signer
from placecell.memory.testing import HashEncoder, walk
from placecell.memory.transports import Faults, Network

__all__ = ["run", "summary"]

NAMES = ("ann", "bob", "cat", "dan")
_FORGED = "forged"


def run(
    seed: int = 0,
    say: Callable[[str], None] = print,
    peers: Sequence[str] | None = None,
    num_rows: int = 20,
    num: int = 5000,
    repeats: int = 5,
) -> dict[str, Any]:
    """Merge streams of `num` moments, and let four agents share through `num_rows` storms.

    Args:
        seed: Of the streams and the storms; the storms take `seed`, `seed` + 1, ...
        say: Takes one line per stage.
        peers: Not used: the baseline is always msgpack.
        num_rows: Storms.
        num: Moments of a stream; a fifth of them says something too.
        repeats: Merges of each stream, of which the median counts.
    """
    rates = []
    for dim in (64, 512):
        for place in ("RAM", "folder"):
            say(f"merging {dim} numbers a record into {place}")
            rates.append({"dim": dim, "place": place, **_rate(seed, num, dim, place == "folder", repeats)})
    storms = []
    for trial in range(num_rows):
        say(f"storm {trial + 1} of {num_rows}")
        storms.append(_storm(seed + trial))
    return {"benchmark": "sharing", "seed": seed, "num": num, "repeats": repeats, "rates": rates, "storms": storms}


def _rate(seed: int, num: int, dim: int, is_in_folder: bool, repeats: int) -> dict[str, float]:
    """Median records a second: msgpack alone, decoding and merging, and the same out of signed frames."""
    encoders = HashEncoder(dim), HashEncoder(32, "text")
    with Memory(*encoders) as source:
        source.observe_many(walk(seed, num, "ann", dim=dim))
        deltas, since = [], 0
        while len(delta := source.delta({"ann": since}, max_bytes=1 << 20)):
            deltas.append(delta.to_bytes())
            since = delta.records[-1].seq
    signer, keys = Signer(bytes(32)), KeyRegistry()
    keys.add("ann", signer.public)
    signed = []
    for seq, whole in enumerate(deltas, start=1):
        envelope = Envelope("inform", "ann", "s", seq, 0.0, {"delta": whole}).to_bytes()
        signed.append(close_frame(envelope, signer.sign(envelope)))
    spent: dict[str, list[float]] = {"msgpack": [], "merged": [], "signed": []}
    total = since
    for _ in range(repeats):
        start = time.process_time()
        for whole in deltas:
            msgpack.unpackb(whole)
        spent["msgpack"].append(time.process_time() - start)
        with tempfile.TemporaryDirectory() as folder:
            with Memory(*encoders, folder=Path(folder) / "a" if is_in_folder else None) as memory:
                start = time.process_time()
                for whole in deltas:
                    memory.merge(Delta.from_bytes(whole))
                spent["merged"].append(time.process_time() - start)
                assert len(memory) == total
            with Memory(*encoders, folder=Path(folder) / "b" if is_in_folder else None) as memory:
                network = Network()
                policy = Policy(max_frame_bytes=2 << 20, quota_burst_bytes=1e12)
                sharing = Sharing(memory, network.join("bob"), policy=policy, keys=keys, session="s")
                for frame in signed:
                    network.carry("ann", "bob", frame)
                start = time.process_time()
                sharing.step(1.0)
                spent["signed"].append(time.process_time() - start)
                assert len(memory) == total
    found = {name: total / float(np.median(seconds)) for name, seconds in spent.items()}
    return {**found, "ratio": found["msgpack"] / found["merged"], "bytes": sum(map(len, deltas)) / total}


def _storm(seed: int) -> dict[str, Any]:
    """Four agents through 30 % loss, repetition, delays, a partition, two kills, and one who forges and replays."""
    rng = random.Random(seed)
    network = Network(Faults(loss=0.3, duplication=0.2, delay_s=(0.0, 2.0)), seed)
    signers = {name: Signer(bytes([i]) * 32) for i, name in enumerate((*NAMES, "eve"))}
    keys = KeyRegistry()
    for name, signer in signers.items():
        keys.add(name, signer.public)

    with tempfile.TemporaryDirectory() as folder:

        def start(name: str, turn: int) -> Sharing:
            memory = Memory(HashEncoder(), HashEncoder(32, "text"), folder=Path(folder) / name)
            return Sharing(memory, network.join(name), signer=signers[name], keys=keys, session=f"{name}-{turn}")

        agents = {name: start(name, 0) for name in NAMES}
        streams = {name: walk(seed + i, 20, name, tiles=1) for i, name in enumerate(NAMES)}
        eve, heard, kills, num_quarantined = network.join("eve"), [b""], set(rng.sample(range(3, 19), 2)), 0
        parted = rng.randrange(0, 10)
        for turn in range(20):
            if turn in (parted, parted + 10):
                cut = rng.sample(NAMES, 2)
                network.heal() if turn > parted else network.partition(cut, (set(NAMES) | {"eve"}) - set(cut))
            if turn in kills:
                killed = rng.choice(NAMES)
                num_quarantined += len(agents[killed].quarantine)
                agents[killed].close()
                agents[killed].memory.close()
                agents[killed] = start(killed, turn)
            for name, agent in agents.items():
                ids = agent.memory.observe(streams[name][turn])
                if rng.random() < 0.1:
                    agent.memory.retract(ids[0], "mistaken")
            heard += [frame for _, frame in eve.receive()]
            for name in NAMES:
                for _ in range(3):
                    victim = rng.choice([other for other in (*NAMES, "eve") if other != name])
                    network.carry(victim, name, _lie(rng, victim, signers["eve"], heard))
            _pass(network, agents, 2)
        healed_s, wanted = network.now_s, {name: agents[name].memory.version()[name] for name in NAMES}
        while network.now_s < healed_s + 60 and any(agent.memory.version() != wanted for agent in agents.values()):
            _pass(network, agents, 1)
        answers = {name: _answers(agent.memory) for name, agent in agents.items()}
        forged = sum(r.text == _FORGED for agent in agents.values() for r in agent.memory.records())
        num_quarantined += sum(len(agent.quarantine) for agent in agents.values())
        for agent in agents.values():
            agent.memory.close()
    return {
        "seed": seed,
        "same_versions": all(agent[0] == wanted for agent in answers.values()),
        "same_answers": all(agent == answers["ann"] for agent in answers.values()),
        "forged": forged,
        "quarantined": num_quarantined,
        "seconds": network.now_s - healed_s,
    }


def _pass(network: Network, agents: dict[str, Sharing], half_seconds: int) -> None:
    for _ in range(half_seconds):
        network.advance(0.5)
        for i, agent in enumerate(agents.values()):
            agent.step(network.now_s + 3600.0 * i)  # clocks that differ by hours


def _lie(rng: random.Random, victim: str, signer: Signer, heard: Sequence[bytes]) -> bytes:
    record = Record(rng.choice(NAMES), rng.choice((1, 5, 9999)), "text", 0.0, 0.0, text=_FORGED)
    performative, payload = rng.choice(
        (
            ("inform", {"delta": Delta((record,), encoder="hash-64").to_bytes()}),
            ("query", {"have": {name: [1, 9999] for name in NAMES}, "takes": None, "wants": {"detail": "record"}}),
        )
    )
    envelope = Envelope(performative, victim, "evil", rng.randrange(1, 10_000), 0.0, payload).to_bytes()
    frame = close_frame(envelope, signer.sign(envelope))
    return rng.choice((frame, frame, rng.choice(heard), rng.randbytes(rng.randrange(300)), frame[: len(frame) // 2]))


def _answers(memory: Memory) -> list[Any]:
    found: list[Any] = [memory.version()]
    for query in (*np.random.default_rng(0).standard_normal((3, 64)), "the lamp on the table", "keys"):
        for options in ({}, {"between": (5.0, 15.0), "labels": ["even"]}, {"agents": ["bob"], "as_of": 12.0}):
            hits = memory.recall(query, k=8, **options)
            found.append([(hit.record_id, hit.score, hit.probability) for hit in hits])
    return found


def summary(result: dict[str, Any]) -> str:
    """The figures as two tables."""
    lines = [
        f"records merged a second of processor time, {result['num']} moments, median of {result['repeats']}",
        f"  {'numbers':>8} {'into':>7} {'bytes each':>11} {'unsigned':>9} {'signed':>9} {'msgpack alone':>14} ratio",
    ]
    for row in result["rates"]:
        lines.append(
            f"  {row['dim']:8d} {row['place']:>7} {row['bytes']:11.0f} {row['merged']:9,.0f} {row['signed']:9,.0f} "
            f"{row['msgpack']:14,.0f} {row['ratio']:5.1f}"
        )
    storms = result["storms"]
    if storms:
        seconds = [storm["seconds"] for storm in storms]
        lines += [
            f"storms survived, {len(storms)} seeds from {result['seed']} on: loss 30 %, repetition 20 %, "
            "delays to 2 s, 10 s partition, 2 kills, a liar",
            f"  equal versions {sum(s['same_versions'] for s in storms)}/{len(storms)}, "
            f"equal answers {sum(s['same_answers'] for s in storms)}/{len(storms)}, "
            f"forged records accepted {sum(s['forged'] for s in storms)}, "
            f"frames in quarantine {sum(s['quarantined'] for s in storms)}",
            f"  seconds until equal: median {np.median(seconds):.1f}, most {max(seconds):.1f}",
        ]
    return "\n".join(lines)
