from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from placecell.agents.chat_client import ChatClient
from placecell.agents.chat_cooperator import ChatCooperator, parse_goal
from placecell.agents.chat_replies import ReplyError
from placecell.agents.crafting import RECIPES
from placecell.agents.crew import Crew, play
from placecell.agents.lessons import Chunks, Rule, Rules, best_plan, recall_rules, write_plan, write_rules
from placecell.agents.testing import ChatServer
from placecell.memory.memory import Memory

pytest.importorskip("crafter", reason="needs the [team] extra")
pytest.importorskip("pettingzoo", reason="needs the [team] extra")

from placecell.envs import crafter  # noqa: E402

EASY = 1004


def episode(client=None, steps=60, lessons=None, **options):
    env = crafter.CrafterTeamEnv(1, replace(crafter.PRESETS["peaceful"], length=steps))
    agent = ChatCooperator("player_0", Memory(clock=lambda: 0.0), client=client, lessons=lessons, **options)
    return agent, play(env, Crew({"player_0": agent}), EASY)


def first_goal(messages):
    """What a model says that takes the first goal of the list."""
    return json.dumps({"goal": 1, "reason": "it comes first"})


def test_a_model_plays_over_http_and_its_tokens_are_counted():
    with ChatServer(answer=first_goal) as server:
        client = ChatClient(server.base_url, "any")
        agent, played = episode(client)
        assert not agent.notes and server.num_requests == client.usage.requests > 3
        assert client.usage.prompt_tokens > 0
        question = server.requests[-1]["messages"][-1]["content"]
    assert "Goals:\n1. " in question and "You have" in question
    assert played.first["make_wood_pickaxe"] < 60


def test_a_model_is_free_to_choose_otherwise():
    def wood(messages):
        numbers = re.findall(r"^(\d+)\. collect wood", messages[-1]["content"], re.MULTILINE)
        return json.dumps({"goal": int(numbers[0]) if numbers else 1, "reason": "wood"})

    with ChatServer(answer=wood) as server:
        agent, played = episode(ChatClient(server.base_url, "any"), 40)
    assert agent.now.inventory["wood"] >= 8 and "place_table" not in played.first


@pytest.mark.parametrize("mode", ["nonsense", "refused"])
def test_without_an_answer_the_symbolic_plan_decides(mode):
    plain, expected = episode(None, 25)
    with ChatServer(mode, answer=first_goal) as server:
        client = ChatClient(server.base_url, "any", max_retries=0)
        agent, played = episode(client, 25, max_questions=5)
        assert server.num_requests == {"nonsense": 6, "refused": 3}[mode]  # three questions, then it is given up
    assert len(agent.notes) == 3 and played.trail == expected.trail
    assert (client.usage.questions, client.usage.answered, client.usage.mended) == (3, 0, 0)


def test_one_failure_is_not_the_end_of_the_model():
    with ChatServer("error_once", answer=first_goal) as server:
        client = ChatClient(server.base_url, "any", max_retries=0)
        agent, _ = episode(client, 25)
        assert len(agent.notes) == 1 and "500" in agent.notes[0]
        assert client.usage.answered == client.usage.questions - 1 > 2


def test_the_reply_is_bound_to_the_goals_that_were_shown():
    with ChatServer(answer=first_goal) as server:
        episode(ChatClient(server.base_url, "any"), 5)
        request = server.requests[-1]
    numbers = re.findall(r"^(\d+)\. ", request["messages"][-1]["content"], re.MULTILINE)
    schema = request["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["goal"]["enum"] == [int(number) for number in numbers]


def test_what_was_done_is_only_added_to_until_there_is_too_much_of_it():
    with ChatServer(answer=first_goal) as server:
        episode(ChatClient(server.base_url, "any"), 60, chunks=False)
        told = [request["messages"][-1]["content"].split("\nStep ")[0] for request in server.requests]
        assert len(told) > 3 and all(later.startswith(sooner) for sooner, later in zip(told, told[1:], strict=False))
        episode(ChatClient(server.base_url, "any"), 60, chunks=False, max_history=800)
        told = [request["messages"][-1]["content"].split("\nStep ")[0] for request in server.requests[len(told) :]]
    assert "(32 earlier lines left out)" in told[-1] and max(map(len, told)) < 900


@pytest.mark.parametrize(
    "text",
    ["", "2", "[1]", '{"goal": "2"}', '{"goal": true}', '{"goal": 0}', '{"goal": 6}', '{"goal": 1} or {"goal": 2}'],
)
def test_what_is_no_choice_is_refused(text):
    with pytest.raises(ReplyError):
        parse_goal(text, 5)


def test_a_fenced_choice_after_a_thought_counts():
    assert parse_goal('<think>hm</think>\n```json\n{"goal": 3}\n```', 5) == 3
    assert parse_goal('I think {this} is best: {"goal": 3}, since 3 is near.', 5) == 3


# --- lessons -----------------------------------------------------------------------------------------------------


def test_lessons_are_kept_over_episodes_and_shown():
    lessons = Memory(clock=lambda: 0.0)
    for _ in range(2):
        agent, played = episode(None, 150, lessons)
        agent.finish(played.is_solved)
    assert played.is_solved
    known = recall_rules(lessons).rules
    for item in ("wood_pickaxe", "stone_pickaxe", "iron_pickaxe"):
        assert known[item].uses == RECIPES[item].uses
        assert set(RECIPES[item].near) <= known[item].near
    plan = best_plan(lessons)
    assert plan is not None and any(goal == "make iron_pickaxe" for goal, _ in plan)
    with ChatServer(answer=first_goal) as server:
        for is_shown in (True, False):
            episode(ChatClient(server.base_url, "any"), 5, lessons, plans=is_shown, rules=is_shown)
            question = server.requests[-1]["messages"][-1]["content"]
            assert ("iron_pickaxe: uses" in question) is ("Your fastest success" in question) is is_shown


def test_the_fastest_success_is_the_reference():
    memory = Memory(clock=lambda: 0.0)
    assert best_plan(memory) is None
    for steps in (30, 20, 25):
        write_plan(memory, "ann", [("collect wood", steps), ("place table", 1)])
    assert best_plan(memory) == [("collect wood", 20), ("place table", 1)]


def test_rules_only_lose_conditions_and_are_joined_from_logs():
    memory, rules = Memory(clock=lambda: 0.0), Rules()
    rules.note({"wood": 5, "coal": 1}, {"wood": 4, "coal": 1, "wood_pickaxe": 1}, {"table", "furnace"})
    write_rules(memory, "ann", rules)
    other = Rules()
    other.note({"wood": 1}, {"wood_pickaxe": 1}, {"table"})
    other.note({"wood": 1}, {"wood": 1}, {"table"})  # nothing came of it
    write_rules(memory, "ann", other)
    rule = recall_rules(memory).rules["wood_pickaxe"]
    assert rule == Rule("wood_pickaxe", {"wood": 1}, frozenset(), frozenset({"table"}), 2)


def test_a_finished_subgoal_takes_one_line():
    whole, short = Chunks(False), Chunks(True)
    for chunks in (whole, short):
        for step in range(40):
            chunks.note(step, "collect wood" if step < 30 else "explore iron", {"wood": min(step, 9)}, "do")
    assert len(whole.lines()) == 40 and len(short.lines()) == 11
    assert short.lines()[0] == "0-29 collect wood: wood +9"
    assert whole.plan() == short.plan() == [("collect wood", 30), ("explore iron", 10)]
