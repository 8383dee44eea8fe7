from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from placecell.agents.baselines import OraclePath, RandomWalk, nearest_frontier_search, no_memory
from placecell.agents.chat_client import ChatClient
from placecell.agents.chat_planner import ChatPlanner, parse_choice
from placecell.agents.chat_replies import ReplyError
from placecell.agents.embodied import Pursuit, pursue
from placecell.agents.explorer import Explorer
from placecell.agents.goals import Goal
from placecell.agents.navigator import Navigator
from placecell.agents.planner import STOP, Experience, Planner, Sensed
from placecell.agents.testing import ChatServer
from placecell.envs.house import HouseEnv
from placecell.memory.memory import Memory
from placecell.pathfinder import PathFinder
from placecell.perception.encoders import Encoder, open_encoder
from placecell.perception.objects import MaskDetector

SEED = 2_000_010


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return open_encoder("builtin", threads=1)


class Home:
    """A house in which planners are let loose one after the other, each with an empty memory."""

    def __init__(self, encoder: Encoder) -> None:
        self.env = HouseEnv(seed=SEED, num_rooms=5, resolution=(96, 96), max_steps=100_000)
        names = {thing.id: thing.category for thing in self.env.house.objects}
        self.detector = MaskDetector(names, encoder, min_px=12, max_described=6)
        self.encoder = encoder
        self.begin()

    def begin(self) -> None:
        observation, self.info = self.env.reset(seed=1)
        self.experience = Experience(Memory(encoder=self.encoder), self.env.camera, self.detector)
        self.sensed: Sensed = self.experience.observe(observation, self.info)

    def pursue(self, planner: Planner, goal: Goal | None, max_steps: int = 250) -> Pursuit:
        found = pursue(self.env, planner, self.experience, goal, self.sensed, self.info, max_steps)
        self.sensed, self.info = found.sensed, found.info
        return found

    def gap_m(self, category: str) -> float:
        """Metres on the floor plan to the nearest thing of a category."""
        x, _, z = self.env.position_m
        gaps = []
        for thing in self.env.house.objects:
            if thing.category == category:
                dx = max(thing.low_m[0] - x, x - thing.high_m[0], 0.0)
                dz = max(thing.low_m[2] - z, z - thing.high_m[2], 0.0)
                gaps.append(float(np.hypot(dx, dz)))
        return min(gaps)


@pytest.fixture(scope="module")
def shared(encoder: Encoder) -> Iterator[Home]:
    yield Home(encoder)


@pytest.fixture()
def home(shared: Home) -> Home:
    shared.begin()
    return shared


def test_planners_keep_the_interface() -> None:
    client = ChatClient("http://localhost:1/v1", "any")
    finder = PathFinder(np.ones((4, 4), bool))
    for planner in (
        Explorer(),
        Navigator(),
        no_memory(),
        nearest_frontier_search(),
        RandomWalk(),
        OraclePath(finder, lambda goal: ()),
        ChatPlanner(client),
    ):
        assert isinstance(planner, Planner) and planner.name
    assert (
        no_memory().is_forgetful and not Navigator().is_forgetful and OraclePath(finder, lambda goal: ()).is_privileged
    )


@pytest.mark.slow
def test_a_thing_is_found_and_what_was_seen_on_the_way_is_gone_to_straight(home: Home) -> None:
    planner = Navigator()
    first = home.pursue(planner, Goal.from_text("stool"))
    assert first.has_stopped and not first.decision.is_refusal and home.gap_m("stool") < 0.6
    seen = [thing.name for thing in home.experience.memory.objects.objects() if thing.num_sightings > 3]
    name = next(name for name in seen if name != "stool" and home.gap_m(name) > 1.5)
    known_m = min(
        float(np.hypot(*(np.array(thing.position_m) - home.sensed.position_m)[[0, 2]]))
        for thing in home.experience.memory.objects.objects()
        if thing.name == name
    )
    again = home.pursue(planner, Goal.from_text(name))
    assert again.has_stopped and not again.decision.is_refusal and home.gap_m(name) < 0.6
    assert again.path_m < 2.5 * known_m + 3.0


def test_the_oracle_walks_to_a_point_and_refuses_without_one(home: Home) -> None:
    goal = home.env.pathfinder.get_random_navigable_point()
    walked = home.pursue(OraclePath(home.env.pathfinder, lambda _: [goal]), Goal.from_text("sofa"))
    assert walked.has_stopped and home.env.pathfinder.geodesic_distance(home.env.position_m, goal) < 0.3
    assert home.pursue(OraclePath(home.env.pathfinder, lambda _: []), Goal.from_text("sofa")).decision.is_refusal


def test_a_random_walk_goes_on_until_the_budget_is_spent(home: Home) -> None:
    walked = home.pursue(RandomWalk(3), Goal.from_text("unicorn"), max_steps=20)
    assert walked.num_steps == 20 and not walked.has_stopped and walked.path_m > 0


def choose(messages: list[dict[str, Any]]) -> str:
    """A model that takes the first snapshot when a stool is on the menu, else the first frontier."""
    text = json.dumps(messages)
    content = messages[-1]["content"]
    parts = [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]
    for line in "\n".join(parts).splitlines():
        if line.startswith("Snapshot") and ": stool" in line:
            names = [item.split(": ") for item in line.split("objects ")[1].split(", ")]
            number = int(line.split()[1].rstrip(","))
            thing = next(int(i) for i, name in names if name == "stool")
            return json.dumps({"choice": f"snapshot {number}, object {thing}"})
    assert "Frontier 1" in text
    return json.dumps({"choice": "frontier 1"})


@pytest.mark.slow
def test_a_chat_model_chooses_among_snapshots_and_frontiers_and_hears_of_earlier_goals(home: Home) -> None:
    with ChatServer(answer=choose) as server:
        planner = ChatPlanner(ChatClient(server.base_url, "test"))
        found = home.pursue(planner, Goal.from_text("stool"))
        assert found.has_stopped and not found.decision.is_refusal and home.gap_m("stool") < 0.6
        assert planner.notes == [] and planner.usage.prompt_tokens > 0
        home.pursue(planner, Goal.from_text("stool"), max_steps=3)
        said = json.dumps(server.requests[-1])
        assert "Earlier goals" in said and "goal stool: ended at stool" in said


def test_without_its_model_a_chat_planner_navigates_by_the_value_map_and_says_so(home: Home) -> None:
    with ChatServer("nonsense") as server:
        planner = ChatPlanner(ChatClient(server.base_url, "test", max_retries=0))
        walked = home.pursue(planner, Goal.from_text("stool"), max_steps=30)
        assert walked.num_steps > 1 and len(server.requests) == 2
        assert len(planner.notes) == 1 and "does not answer as asked, twice" in planner.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "frontier 1",
        "[1]",
        '{"choice": "door 1"}',
        '{"choice": "frontier 3"}',
        '{"choice": "frontier 0"}',
        '{"choice": 1}',
        '{"choice": "snapshot 1, object 4"}',
        '{"choice": "snapshot 1, object 0"}',
        '{"choice": "snapshot 1"}',
        '{"choice": "snapshot 3, object 1"}',
    ],
)
def test_a_choice_that_is_not_on_the_menu_is_refused(text: str) -> None:
    with pytest.raises(ReplyError):
        parse_choice(text, [3, 1], 2)


def test_a_choice_is_read_from_a_fence_or_after_thoughts() -> None:
    plain = '{"choice": "Snapshot 2"}'
    for text in (plain, f"```json\n{plain}\n```", f"<think>hm</think>{plain}"):
        assert parse_choice(text, [3, 1], 2).object == 1


def test_a_navigator_needs_a_goal(home: Home) -> None:
    with pytest.raises(ValueError, match="needs a goal"):
        Navigator().reset(None, home.experience)
    assert home.pursue(Explorer(), None, max_steps=4).decision.action != STOP
