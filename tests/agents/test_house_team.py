"""Robots in one house: they share one map, divide what is left, keep out of each other's way and out of the map."""

import math
import random

import numpy as np
import pytest

from placecell.agents.house_team import Robot, RobotMaker, Told, without_bodies
from placecell.agents.team import Mailbox, Member, Team
from placecell.benchmarks.players import BlindEncoder
from placecell.envs.house import House
from placecell.envs.house_team import HouseTeam
from placecell.geometry import Camera, pose_from
from placecell.memory.alignment import Transform
from placecell.memory.claims import Claim
from placecell.memory.frames import SharedSpace
from placecell.memory.memory import Memory
from placecell.memory.places import Places
from placecell.memory.records import Record
from placecell.memory.transports import Transport
from placecell.perception.observation import Observation
from placecell.perception.scan import Scan
from placecell.perception.scene import Scene

NAMES = ["ann", "bob", "cat"]


@pytest.fixture(scope="module")
def house() -> House:
    return House.generate(seed=5)


def run(house: House, rounds: int, names: list[str], carry: object = None, **settings: object) -> tuple[Team, list]:
    env = HouseTeam(house, names, resolution=(48, 48), max_steps=10**6, **settings)  # type: ignore[arg-type]
    observations, infos = env.reset(seed=0)
    makers = {name: RobotMaker(name, env.camera, encoder=BlindEncoder()) for name in names}
    team = Team(makers) if carry is None else Team(makers, carry)  # type: ignore[arg-type]
    way = []
    for _ in range(rounds):
        turns = team.round(observations, infos)
        observations, _, _, _, infos = env.step({name: turn.action for name, turn in turns.items()})
        way.append({name: seen["pose"][:3, 3].tolist() for name, seen in observations.items()})
    return team, way


@pytest.fixture(scope="module")
def explored(house: House) -> tuple[Team, list]:
    return run(house, 12, NAMES, starts="together")


def test_what_one_saw_all_know(explored: tuple[Team, list]) -> None:
    team, _ = explored
    for member in team.members.values():
        assert isinstance(member, Member) and isinstance(member, Robot)
        version = member.memory.version()
        assert version.pop(member.name) == 12 and version == dict.fromkeys(set(NAMES) - {member.name}, 11)
        assert not len(member.sharing.quarantine) and not member.sharing.refusals
    own = run_alone(team.members["ann"])
    whole = team.members["ann"].memory.places.floors[0]  # type: ignore[attr-defined]
    assert whole.free.sum() > 1.2 * own.floors[0].free.sum()


def run_alone(member: object) -> Places:
    """The map from a robot's own records only."""
    assert isinstance(member, Robot)
    places = Places()
    for record in member.memory.records(agents=[member.name]):
        places.fold(record)
    return places


def test_each_record_is_sent_to_each_peer_once(explored: tuple[Team, list]) -> None:
    team, _ = explored
    for member in team.members.values():
        assert isinstance(member, Robot)
        traffic = member.sharing.traffic
        assert traffic.messages["received", "inform"] == 2 * 11
        assert traffic.messages["sent", "inform"] <= 2 * 12


def test_robots_that_start_together_claim_different_frontiers(explored: tuple[Team, list]) -> None:
    team, _ = explored
    ann = team.members["ann"]
    assert isinstance(ann, Robot)
    live = ann.sharing.claims.live(ann.experience.stamp_s)
    assert len({claim.holder for claim in live}) == 3
    assert len({claim.target for claim in live}) >= 2  # there may be fewer frontiers than robots


def test_the_same_seed_gives_the_same_run_and_loss_of_mail_is_made_up_for(
    house: House, explored: tuple[Team, list]
) -> None:
    _, way = run(house, 12, NAMES, starts="together")
    assert way == explored[1]
    rng = random.Random(1)
    team, _ = run(house, 24, NAMES[:2], lambda sender, peer, frame: rng.random() > 0.3)
    for member in team.members.values():  # what was lost is asked for again, later
        assert isinstance(member, Robot)
        have = member.memory.have()
        assert all(len(ranges) >= 16 for ranges in have.values())


def test_another_robot_in_view_does_not_become_furniture(house: House) -> None:
    env = HouseTeam(house, ["ann", "bob"], resolution=(96, 96))
    finder = house.pathfinder(0.18)
    finder.seed(0)
    draws = (finder.get_random_navigable_point() for _ in range(1000))
    spot = next(point for point in draws if finder.distance_to_closest_obstacle(point) > 0.9)
    starts = {
        "ann": {"position": spot + (0, 0, 0.7), "yaw_rad": 0.0},
        "bob": {"position": spot - (0, 0, 0.8), "yaw_rad": 0.0},
    }
    seen, _ = env.reset(seed=0, options={"starts": starts})
    told = Told("bob", env.members["bob"].pose[:3, 3], 1.0)
    masked = without_bodies(seen["ann"], env.camera, [told])
    is_body = seen["ann"]["semantic"] == env.body_ids["bob"]
    assert is_body.any() and not (masked["semantic"] == env.body_ids["bob"]).any()
    assert (masked["depth"] == seen["ann"]["depth"])[~is_body].mean() > 0.8

    def stands_at_bob(view: dict) -> bool:
        places = Places()
        scan = Scan.from_depth(view["depth"], env.camera)
        scene = Scene.of(env.camera, scan=scan)
        for seq in range(1, 4):
            places.fold(Record("ann", seq, "moment", float(seq), float(seq), pose=view["pose"], scene=scene))
        floor = places.floors[0]
        row, column = floor.cell(float(told.position_m[0]), float(told.position_m[2]))
        return bool(floor.occupied[row - 3 : row + 5, column - 4 : column + 5].any())

    assert stands_at_bob(dict(seen["ann"])) and not stands_at_bob(dict(masked))
    far = Told("bob", told.position_m + (0, 0, 9.0), 1.0)  # behind ann
    assert without_bodies(seen["ann"], env.camera, [far]) is seen["ann"]


def test_a_claim_is_a_place_in_the_shared_frame(explored: tuple[Team, list]) -> None:
    team, way = explored
    ann = team.members["ann"]
    assert isinstance(ann, Robot)
    for claim in ann.sharing.claims.live(ann.experience.stamp_s):
        x, z = map(float, claim.target.removeprefix("frontier:").split(","))
        assert math.dist((x, z), (way[-1][claim.holder][0], way[-1][claim.holder][2])) < claim.cost * 0.25 + 2.0


def test_what_others_tell_is_mapped_into_the_own_frame_or_left_out_while_that_is_not_known() -> None:
    memory = Memory(BlindEncoder())
    space = SharedSpace(memory, "ann", {"bob": Transform(math.pi / 2, 1.0, 0.0, 0.0)})
    ann = Robot("ann", memory, Camera(8, 8), space=space)
    for name in ("bob", "cat"):
        theirs = Memory(BlindEncoder())
        pose = pose_from(np.array([0.0, 0.9, -2.0]), 0.0)
        theirs.observe(Observation(0.0, name, rgb=np.zeros((8, 8, 3), np.uint8), pose=pose))
        memory.merge(theirs.delta({}))
    (bob,) = ann.told()
    assert bob.name == "bob" and np.allclose(bob.position_m, (-1.0, 0.9, 0.0))
    (known,) = Robot("ann", memory, Camera(8, 8)).told()[:1]
    assert np.allclose(known.position_m, (0.0, 0.9, -2.0))
    for holder, target, spot in (
        ("bob", "frontier:0.0,-2.0", (-1.0, 0.0)),
        ("cat", "frontier:0.0,-2.0", None),
        ("bob", "frontier:nan,1.0", None),
        ("bob", "item:3", None),
    ):
        found = ann._spot(Claim(target, holder, 1.0, 9.0, (0, 1)))
        assert found is None if spot is None else np.allclose(found, spot)


def test_a_mailbox_is_a_transport_and_a_team_has_members() -> None:
    box = Mailbox("ann")
    assert isinstance(box, Transport)
    box.open([("bob", b"1")], ["ann", "bob"])
    assert box.peers() == ("bob",) and not box.send("ann", b"x") and box.send("bob", b"x")
    assert box.receive() == [("bob", b"1")] and box.receive() == [] and box.taken() == [("bob", b"x")]
    box.close()
    assert not box.send("bob", b"x")
    with pytest.raises(ValueError, match="at least one member"):
        Team({})
