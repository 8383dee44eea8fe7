"""Agents that share over a network that loses, repeats, reorders and parts, with one that lies."""

import random

import numpy as np
import pytest

from placecell import Memory, Observation
from placecell.memory.delta import Delta
from placecell.memory.envelope import Envelope, close_frame
from placecell.memory.records import Record
from placecell.memory.sharing import Policy, Sharing
from placecell.memory.signing import KeyRegistry, Signer
from placecell.memory.subscriptions import Subscription
from placecell.memory.testing import HashEncoder, plain_image, walk
from placecell.memory.transports import Faults, Network

NAMES = ("ann", "bob", "cat", "dan")
QUERIES = [np.random.default_rng(seed).standard_normal(64) for seed in range(3)]


def new_memory(folder=None) -> Memory:
    return Memory(HashEncoder(), text_encoder=HashEncoder(32, "text"), folder=folder)


def answers(memory: Memory) -> list[object]:
    found: list[object] = [memory.version(), len(memory)]
    for query in (*QUERIES, "the lamp on the table"):
        for options in ({}, {"between": (5.0, 15.0), "labels": ["even"]}, {"agents": ["bob"], "as_of": 12.0}):
            hits = memory.recall(query, k=8, **options)
            found.append([(hit.record_id, hit.score, hit.probability, hit.box) for hit in hits])
    return found


def run(network: Network, agents, seconds: float, start_s: float, skew=None) -> float:
    """Let everybody take a turn each half second; returns the time."""
    for _ in range(int(2 * seconds)):
        network.advance(0.5)
        start_s += 0.5
        for name, agent in agents.items():
            agent.step(start_s + (skew or {}).get(name, 0.0))
    return start_s


def lies(rng: random.Random, secret: Signer | None, captured: list[bytes], seq: int) -> bytes:
    """One frame of an agent that means harm."""
    vectors = rng.choice((64, 3))
    forged = Record("ann", rng.choice((3, 9999)), "text", 0.0, 0.0, text="forged")
    bad = Record("eve", 1, "moment", 1.0, 1.0, embeddings=np.ones((1, vectors), np.float16))
    record, sender = rng.choice(((forged, "ann"), (forged, "eve"), (bad, "eve" if vectors == 3 else "bob")))
    payload = {"delta": Delta((record,), encoder="hash-64").to_bytes()}
    whole = Envelope("inform", sender, "evil", seq, 0.0, payload).to_bytes()
    frame = close_frame(whole, None if secret is None else secret.sign(whole))
    kind = rng.randrange(4)
    if kind == 0 and captured:
        return rng.choice(captured)
    if kind == 1:
        return rng.randbytes(rng.randrange(200))
    if kind == 2:
        return frame[: rng.randrange(len(frame))]
    return frame


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_all_converge_through_faults_lies_and_kills(seed, tmp_path):
    pytest.importorskip("cryptography", reason="needs the [team] extra")
    rng = random.Random(seed)
    network = Network(Faults(loss=0.3, duplication=0.2, delay_s=(0.0, 2.0)), seed)
    signers = {name: Signer(bytes([i]) * 32) for i, name in enumerate((*NAMES, "eve"))}
    keys = KeyRegistry()
    for name, signer in signers.items():
        keys.add(name, signer.public)
    skew = {name: 10_000.0 * i for i, name in enumerate(NAMES)}

    def start(name: str, session: int) -> Sharing:
        memory = new_memory(tmp_path / name)
        return Sharing(memory, network.join(name), signer=signers[name], keys=keys, session=f"{name}-{session}")

    agents = {name: start(name, 0) for name in NAMES}
    streams = {name: walk(i, 20, name, tiles=1) for i, name in enumerate(NAMES)}
    eve, captured, now_s = network.join("eve"), [], 0.0
    for turn in range(20):
        for name, agent in agents.items():
            ids = agent.memory.observe(streams[name][turn])
            if turn == 10:
                agent.memory.retract(ids[0], "mistaken")
        if turn == 5:
            network.partition(NAMES[:2], (*NAMES[2:], "eve"))
        if turn == 15:  # ten seconds later
            network.heal()
        if turn in (8, 16):
            killed = rng.choice(NAMES)
            agents[killed].close()
            agents[killed].memory.close()
            agents[killed] = start(killed, turn)
        captured += [frame for _, frame in eve.receive()]
        for name in NAMES:
            for source in ("eve", "ann" if name != "ann" else "bob"):
                network.carry(source, name, lies(rng, signers["eve"], captured, turn * 10 + 1))
        now_s = run(network, agents, 1.0, now_s, skew)
    now_s = run(network, agents, 20.0, now_s, skew)

    expected = new_memory()
    for name in NAMES:
        expected.merge(agents[name].memory.delta({other: 10**6 for other in (*NAMES, "eve") if other != name}))
    assert set(expected.version()) == set(NAMES) and len(expected) > 80
    for name, agent in agents.items():
        assert answers(agent.memory) == answers(expected), name
        assert not [record for record in agent.memory.records() if record.text == "forged"]
        assert len(agent.quarantine)
        agent.memory.close()


def test_any_order_of_frames_gives_the_same_memory_without_signatures():
    network = Network(Faults(duplication=0.5, delay_s=(0.0, 5.0)), seed=1)
    agents = {name: Sharing(new_memory(), network.join(name), session=name) for name in NAMES[:3]}
    for i, agent in enumerate(agents.values()):
        agent.memory.observe_many(walk(i, 30, agent.name))
    run(network, agents, 20.0, 0.0)
    first, *others = (answers(agent.memory) for agent in agents.values())
    assert all(other == first for other in others)
    # What nobody saw itself comes over a relay too.
    network.partition(NAMES[:2])
    last = Sharing(new_memory(), network.join("dan"), session="dan")
    network.partition(("ann", "dan"))
    run(network, {"ann": agents["ann"], "dan": last}, 20.0, 20.0)
    assert answers(last.memory) == first


def test_an_idle_team_sends_queries_only_and_nothing_twice():
    network = Network()
    agents = {name: Sharing(new_memory(), network.join(name), session=name) for name in NAMES[:2]}
    agents["ann"].memory.observe_many(walk(0, 40, "ann"))
    now_s = run(network, agents, 5.0, 0.0)
    sent = dict(agents["ann"].traffic.messages)
    run(network, agents, 5.0, now_s)
    after = dict(agents["ann"].traffic.messages)
    assert after.pop(("sent", "query")) > sent.pop(("sent", "query"))
    assert after.pop(("received", "query")) > sent.pop(("received", "query"))
    assert not len(agents["ann"].quarantine) and not len(agents["bob"].quarantine)
    assert after == sent == {("sent", "inform"): 1}
    ann, bob = agents["ann"].traffic, agents["bob"].traffic
    assert ann.total("sent") == bob.total("received") and ann.total("received") == bob.total("sent")


@pytest.mark.parametrize("asks_first", [True, False])
def test_agents_that_agreed_before_tell_each_other_without_a_query(asks_first):
    network = Network()
    policy = Policy(every_s=20.0, patience_s=30.0, asks_first=asks_first)
    ann, bob = (Sharing(new_memory(), network.join(name), policy=policy) for name in ("ann", "bob"))
    ann.memory.observe(Observation(0.0, "ann", text="the keys are on the shelf"))
    run(network, {"ann": ann, "bob": bob}, 5.0, 0.0)
    assert bob.memory.version() == {"ann": 1}
    assert ("sent", "query") not in bob.traffic.messages or asks_first
    run(network, {"ann": ann, "bob": bob}, 20.0, 5.0)  # what may have been lost is asked for in time
    assert bob.traffic.messages["sent", "query"] >= 1 and ann.traffic.messages["sent", "inform"] == 1


def test_private_records_and_what_takes_them_back_never_leave():
    network = Network()
    agents = {name: Sharing(new_memory(), network.join(name), session=name) for name in NAMES[:2]}
    ann, bob = agents.values()
    (secret,) = ann.memory.observe(Observation(0.0, "ann", text="the code is 1234", labels=("private",)))
    (told,) = ann.memory.observe(Observation(1.0, "ann", text="hello"))
    ann.memory.retract(secret, "it is 4321")
    run(network, agents, 5.0, 0.0)
    assert [r.record_id for r in bob.memory.records(include_retracted=True)] == [told]
    assert [r.record_id for r in ann.memory.delta({}).records] == [told]


def test_subscriptions_choose_by_place_time_label_agent_and_detail():
    network = Network()
    ann = Sharing(new_memory(), network.join("ann"), session="s")
    for i in range(6):
        pose = np.eye(4)
        pose[0, 3] = 10.0 * i
        views = np.random.default_rng(i).standard_normal((3, 64))
        ann.memory.observe(Observation(float(i), "ann", embeddings=views, pose=pose, labels=("mug",) if i % 2 else ()))
    wanted = {
        "near": (Subscription(near=((20.0, 0.0, 0.0), 10.0)), [1.0, 2.0, 3.0]),
        "time": (Subscription(between=(3.5, 9.0)), [4.0, 5.0]),
        "label": (Subscription(labels=("mug", "cup")), [1.0, 3.0, 5.0]),
        "agent": (Subscription(agents=("zoe",)), []),
        "detail": (Subscription(detail="descriptor"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
    }
    agents = {name: Sharing(new_memory(), network.join(name), want, session=name) for name, (want, _) in wanted.items()}
    for name, (_, stamps) in wanted.items():
        network.partition(("ann", name))
        run(network, {"ann": ann, name: agents[name]}, 4.0, ann._now_s)
        assert [record.stamp_s for record in agents[name].memory.records()] == stamps, name
    assert {len(record.embeddings) for record in agents["detail"].memory.records()} == {1}
    assert {len(record.embeddings) for record in agents["time"].memory.records()} == {3}


def test_pictures_come_on_request_and_only_then():
    network = Network()
    agents = {name: Sharing(new_memory(), network.join(name), session=name) for name in NAMES[:2]}
    ann, bob = agents.values()
    ids = ann.memory.observe_many([Observation(float(i), "ann", rgb=plain_image("red")) for i in range(3)])
    now_s = run(network, agents, 4.0, 0.0)
    assert len(bob.memory) == 3 and bob.memory.picture(ids[0]) is None
    bob.request(ids[:2])
    run(network, agents, 2.0, now_s)
    pictures = [bob.memory.picture_jpeg(record_id) for record_id in ids]
    assert pictures == [*(ann.memory.picture_jpeg(record_id) for record_id in ids[:2]), None]
    assert ann.traffic.messages["sent", "picture"] == 1 == bob.traffic.messages["received", "picture"]


def test_a_budget_is_kept_and_spent_on_what_is_new_first():
    policy = Policy(bytes_per_s=700.0, burst_bytes=1500.0)
    network = Network()
    ann = Sharing(new_memory(), network.join("ann"), policy=policy, session="s")
    bob = Sharing(new_memory(), network.join("bob"), session="s")
    views = np.repeat(np.random.default_rng(0).standard_normal((5, 64)), 20, axis=0)  # five sights, each twenty times
    ann.memory.observe_many([Observation(float(i), "ann", embeddings=view[None]) for i, view in enumerate(views)])
    agents, now_s, sights = {"ann": ann, "bob": bob}, 0.0, []
    for _ in range(6):
        now_s = run(network, agents, 1.0, now_s)
        assert ann.traffic.total("sent") <= 1500 + 700 * now_s
        sights.append(len({int(record.stamp_s) // 20 for record in bob.memory.records()}))
    assert len(bob.memory) < 50 and sights[-1] == 5
    run(network, agents, 100.0, now_s)
    assert bob.memory.version() == {"ann": 100}


def test_two_agents_of_one_name_are_told_apart_and_a_restart_is_not():
    network = Network()
    with pytest.raises(ValueError, match="'ann' is here already: give every agent a name of its own"):
        [network.join("ann") for _ in range(2)]
    network = Network()
    bob = Sharing(new_memory(), network.join("bob"), session="b")
    said = [Envelope("release", "ann", f"s{i % 2}", i + 1, 0.0, {"target": "x"}).to_bytes() for i in range(4)]
    for whole in said:
        network.carry("ann", "bob", close_frame(whole))
    bob.step(1.0)
    assert bob.quarantine.counts["ann"] == 2
    assert "two agents are named 'ann', sessions s0 and s1: give every agent" in bob.quarantine.last[0].reason
    later = Envelope("release", "ann", "s2", 1, 0.0, {"target": "x"}).to_bytes()
    network.carry("ann", "bob", close_frame(later))
    bob.step(10.0)  # ann was silent for so long that this is ann, started anew
    network.carry("ann", "bob", close_frame(Envelope("release", "ann", "s0", 9, 0.0, {"target": "x"}).to_bytes()))
    bob.step(30.0)
    assert bob.quarantine.counts["ann"] == 3 and "is over" in bob.quarantine.last[-1].reason


def test_replays_count_once_and_floods_are_dropped_unread():
    network = Network(max_waiting=100_000)
    policy = Policy(quota_bytes_per_s=10_000.0, quota_burst_bytes=20_000.0)
    bob = Sharing(new_memory(), network.join("bob"), policy=policy, session="b")
    frame = close_frame(Envelope("propose", "eve", "s", 1, 0.0, {"topic": "t", "body": None}).to_bytes())
    for _ in range(5000):
        network.carry("eve", "bob", frame)
    bob.step(1.0)
    assert len(bob.messages()) == 1 and bob.quarantine.counts["eve"] == 4999
    assert "quota" in bob.quarantine.last[-1].reason
    assert bob.traffic.bytes["received", "quarantine"] == 4999 * len(frame)
    network.carry(
        "ann", "bob", close_frame(Envelope("propose", "ann", "s", 1, 0.0, {"topic": "t", "body": 1}).to_bytes())
    )
    bob.step(1.0)
    assert [message.sender for message in bob.messages()] == ["ann"]


def test_claims_are_settled_alike_whatever_the_clocks_and_end_with_their_leases():
    network = Network(Faults(delay_s=(0.0, 1.0)), seed=2)
    skew = {"ann": 0.0, "bob": 7200.0, "cat": -0.0}
    agents = {name: Sharing(new_memory(), network.join(name), session=name) for name in NAMES[:3]}
    now_s = run(network, agents, 3.0, 0.0, skew)
    agents["ann"].claim("door", cost=5.0, lease_s=20.0)
    agents["bob"].claim("door", cost=3.0, lease_s=10.0)
    agents["cat"].claim("door", cost=3.0, lease_s=10.0)
    now_s = run(network, agents, 4.0, now_s, skew)

    def holders() -> set[str | None]:
        return {agent.claims.holder("door", now_s + skew[name]) for name, agent in agents.items()}

    assert holders() == {"bob"}
    agents["bob"].release("door")
    now_s = run(network, agents, 2.0, now_s, skew)
    assert holders() == {"cat"}
    now_s = run(network, agents, 6.0, now_s, skew)
    assert holders() == {"ann"}
    now_s = run(network, agents, 10.0, now_s, skew)
    assert holders() == {None}


def test_proposals_are_answered():
    network = Network()
    agents = {name: Sharing(new_memory(), network.join(name), session=name) for name in NAMES[:2]}
    ann, bob = agents.values()
    now_s = run(network, agents, 1.0, 0.0)
    asked = [ann.propose("bob", "hand over", {"item": item}) for item in ("wood", "iron")]
    now_s = run(network, agents, 1.0, now_s)
    wood, iron = bob.messages()
    assert wood.payload["body"] == {"item": "wood"}
    bob.accept(wood)
    bob.refuse(iron, "I need it")
    run(network, agents, 1.0, now_s)
    yes, no = ann.messages()
    assert (yes.performative, no.performative) == ("accept", "refuse")
    assert [yes.payload["reply_to"], no.payload["reply_to"]] == asked and list(ann.refusals) == [("bob", "I need it")]


def test_records_of_our_own_agent_are_not_taken_from_others():
    network = Network()
    agents = {name: Sharing(new_memory(), network.join(name), session=name) for name in NAMES[:2]}
    ann, bob = agents.values()
    ann.memory.observe(Observation(0.0, "ann", text="one"))
    bob.memory.merge(Delta((Record("ann", 2, "text", 1.0, 1.0, text="forged"),)))
    run(network, agents, 4.0, 0.0)
    assert ann.memory.version() == {"ann": 1} and "which only this memory numbers" in ann.quarantine.last[-1].reason
    assert any("only this memory numbers" in reason for _, reason in bob.refusals)
