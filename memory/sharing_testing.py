"""The conformance suite that every transport must pass, other people's included.

A suite is run on a *meeting*: an object whose `join(name)` gives the transport of one more agent that all others reach,
as `Network` does.

import pytest
from placecell.memory.sharing_testing import TRANSPORT_CHECKS

@pytest.mark.parametrize("check", TRANSPORT_CHECKS, ids=lambda check: check.__name__)
def test_conforms(check):
    check(Network())

`golden_frames` hold the envelopes that any implementation of the protocol must write, and are frames that it must read
(DEFLATE may be written in more than one way); this writes them to a folder, with the dictionaries:

python -m placecell.memory.sharing_testing FOLDER
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgpack
import numpy as np

from placecell.errors import PlacecellError
from placecell.memory.delta import Delta
from placecell.memory.envelope import Envelope, close_frame, open_frame
from placecell.memory.memory import Memory
from placecell.memory.packing import DICTIONARIES
from placecell.memory.records import Record
from placecell.memory.sharing import Policy, Sharing
from placecell.memory.signing import Signer
from placecell.memory.subscriptions import Subscription
from placecell.memory.testing import HashEncoder, same_record, walk
from placecell.memory.transports import Transport

__all__ = ["TRANSPORT_CHECKS", "Meeting", "golden_frames", "until"]

#: A payload of each performative, for the golden frames.
_PAYLOADS: Mapping[str, Mapping[str, Any]] = {
    "query": {
        "have": {"ann": [1, 7], "bob": [1, 2, 5, 9]},
        "takes": ["bob"],
        "wants": Subscription(((1.0, 0.0, -2.0), 5.0), (0.0, 60.0), ("mug",), ("ann", "bob"), "summary").to_dict(),
    },
    "request": {"pictures": [["ann", 3], ["ann", 300]]},
    "propose": {"topic": "hand over", "body": {"item": "wood", "number": 2}},
    "accept": {"reply_to": bytes(range(8)), "body": None},
    "refuse": {"reply_to": None, "reason": "two agents are named 'ann'"},
    "claim": {"target": "frontier:12", "cost": 3.5, "lease_s": 10.0},
    "release": {"target": "frontier:12"},
}


def golden_frames(signer: Signer | None = None) -> dict[str, bytes]:
    """One frame of each performative, by name, the same in every run; signed if there is a signer."""
    vectors = np.array([[0.6, 0.8, 0.0], [0.0, -1.0, 0.5]], np.float16)
    seen = Record(
        "ann", 1, "moment", 1.5, 2.0, vectors, labels=("mug",), pose=np.eye(4), source="cam", recorded_s=1.75e9
    )
    said = Record("ann", 2, "text", 3.0, 3.0, text="der Schlüssel", text_embedding=vectors[0], recorded_s=1.75e9)
    undone = Record("ann", 3, "retraction", 4.0, 4.0, text="wrong", target=seen.record_id, recorded_s=1.75e9)
    informed = Delta((seen, said), {seen.record_id: b"\xff\xd8jpeg"}, "hash-3", "text-3")
    payloads = {
        "inform": {"delta": informed.to_bytes()},
        "retract": {"delta": Delta((undone,), encoder="hash-3").to_bytes()},
        **_PAYLOADS,
    }
    frames = {}
    for seq, (performative, payload) in enumerate(payloads.items(), start=1):
        whole = Envelope(performative, "ann", "s-1", seq, 12.25, payload).to_bytes()
        frames[performative] = close_frame(whole, None if signer is None else signer.sign(whole))
    return frames


@runtime_checkable
class Meeting(Protocol):
    """Where agents come together."""

    def join(self, name: str) -> Transport:
        """The transport of one more agent; a `ValueError` or `PlacecellError` if the name is taken."""
        ...


def until(is_so: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether something becomes so in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def check_frames_arrive_as_sent(meeting: Meeting) -> None:
    """Frames of any bytes and lengths come whole, with the name of their sender, each way."""
    ann, bob = meeting.join("ann"), meeting.join("bob")
    assert until(lambda: ann.peers() == ("bob",) and bob.peers() == ("ann",))
    rng = random.Random(0)
    frames = [rng.randbytes(size) for size in (0, 1, 127, 70_000, 500_000)]
    for a, b in ((ann, bob), (bob, ann)):
        assert all(a.send(b.name, frame) for frame in frames)
        found: list[tuple[str, bytes]] = []
        assert until(lambda b=b, found=found: found.extend(b.receive()) or len(found) == len(frames))  # type: ignore[misc]
        assert sorted(found) == sorted((a.name, frame) for frame in frames)
        assert b.receive() == []
    ann.close()
    bob.close()


def check_who_is_there(meeting: Meeting) -> None:
    """Agents see all others, sorted; those that are gone, or never were, cannot be sent to."""
    agents = {name: meeting.join(name) for name in ("cat", "ann", "bob")}
    assert until(lambda: all(set(agent.peers()) == set(agents) - {name} for name, agent in agents.items()))
    assert agents["cat"].peers() == ("ann", "bob")
    assert not agents["ann"].send("zoe", b"x") and not agents["ann"].send("ann", b"x")
    agents["bob"].close()
    agents["bob"].close()
    assert until(lambda: agents["ann"].peers() == ("cat",))
    assert not agents["ann"].send("bob", b"x") and not agents["bob"].send("ann", b"x")
    assert agents["bob"].receive() == [] and agents["bob"].peers() == ()
    again = meeting.join("bob")
    assert until(lambda: agents["ann"].peers() == ("bob", "cat") and again.peers() == ("ann", "cat"))
    assert again.receive() == []
    for agent in (again, agents["ann"], agents["cat"]):
        agent.close()


def check_a_name_is_given_once(meeting: Meeting) -> None:
    """A second agent of a name is refused in one line; the first one goes on."""
    ann, bob = meeting.join("ann"), meeting.join("bob")
    assert until(lambda: bob.peers() == ("ann",))
    try:
        meeting.join("ann").close()
    except (ValueError, PlacecellError) as error:
        assert "'ann' is here already: give every agent a name of its own" in str(error) and "\n" not in str(error)
    else:
        raise AssertionError("a second agent of one name must be refused")
    assert bob.send("ann", b"x")
    assert until(lambda: ann.receive() == [("bob", b"x")])
    ann.close()
    bob.close()


def check_memories_become_equal(meeting: Meeting) -> None:
    """Agents that share over it end up with the same records."""
    policy = Policy(every_s=0.05, patience_s=1.0)
    agents = [Sharing(Memory(HashEncoder()), meeting.join(name), policy=policy) for name in ("ann", "bob", "cat")]
    for i, agent in enumerate(agents):
        agent.memory.observe_many(walk(i, 30, agent.name))
    wanted = {agent.name: len(agent.memory) for agent in agents}
    start_s = time.monotonic()

    def is_equal() -> bool:
        for agent in agents:
            agent.step(time.monotonic() - start_s)
        return all(agent.memory.version() == wanted for agent in agents)

    assert until(is_equal)
    first = agents[0].memory
    for agent in agents:
        assert all(same_record(record, agent.memory.get(record.record_id)) for record in first.records())
        assert not len(agent.quarantine)
    for agent in agents:
        agent.close()
        agent.memory.close()


TRANSPORT_CHECKS: tuple[Callable[[Meeting], None], ...] = (
    check_frames_arrive_as_sent,
    check_who_is_there,
    check_a_name_is_given_once,
    check_memories_become_equal,
)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, frame in golden_frames().items():
        (folder / f"{name}.msgpack").write_bytes(frame)
    (folder / "signed.msgpack").write_bytes(golden_frames(Signer(bytes(32)))["claim"])
    plain = open_frame(golden_frames()["claim"])[0]
    (folder / "plain.msgpack").write_bytes(msgpack.packb([plain, None], use_bin_type=True))
    for number, dictionary in DICTIONARIES.items():
        (folder / f"dictionary-{number}.bin").write_bytes(dictionary)
