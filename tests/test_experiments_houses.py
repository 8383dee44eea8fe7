"""Experiments in houses: goals mean what they say, distances are right, figures follow from what was played."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from placecell.agents.testing import ChatServer, pictures_of
from placecell.benchmarks import explore, navigate
from placecell.benchmarks.coverage import FloorMeter, Traveller, shortest_order
from placecell.benchmarks.episodes import Episode, ExperimentError, Runner, episodes_of
from placecell.benchmarks.experiment_report import render_report, write_report
from placecell.benchmarks.floor_graph import FloorGraph
from placecell.benchmarks.house_goals import GoalSite, PointDistances, agent_goal, descriptions, draw_goals
from placecell.benchmarks.plots import bars, lines
from placecell.cli import main
from placecell.envs.house import House, HouseEnv
from placecell.geometry import look_at
from placecell.pathfinder import PathFinder

HOUSE = 2_000_003


@pytest.fixture(scope="module")
def site() -> GoalSite:
    env = HouseEnv(seed=HOUSE, resolution=(64, 64), max_steps=10**6)
    env.reset(seed=0)
    return GoalSite(env)


# --- the floor -------------------------------------------------------------------------------------------------------


def test_the_graph_measures_as_the_path_finder_does() -> None:
    rng = np.random.default_rng(0)
    finder = PathFinder(np.pad(rng.random((30, 40)) > 0.12, 1), 0.05)
    graph = FloorGraph(finder)
    points = graph.points[rng.integers(len(graph.points), size=12)]
    between = graph.between(points, points)
    away, which = graph.nearest(points[:4])
    for i, a in enumerate(points):
        for j, b in enumerate(points):
            exact = finder.geodesic_distance(a, b)
            assert math.isinf(exact) == math.isinf(between[i, j])
            if math.isfinite(exact):
                assert exact - 1e-6 <= between[i, j] <= 1.09 * exact + 0.06
        number = graph.numbers(a[None])[0]
        assert away[number] == pytest.approx(between[:4, i].min())
        if np.isfinite(away[number]):
            assert between[which[number], i] == pytest.approx(away[number])


def test_a_way_out_of_a_pocket_begins_at_the_floor_beside_it() -> None:
    free = np.pad(np.ones((40, 60), bool), 1)
    free[20:22, 1:20] = False  # a strip along the wall, cut off
    free[:21, 20] = False
    finder = PathFinder(free, 0.0)
    beyond, pocket = np.array([[2.5, 0.0, 0.5]]), np.array([0.5, 0.0, 0.9])
    distance = PointDistances(FloorGraph(finder), beyond)
    assert math.isinf(finder.geodesic_distance(pocket, beyond[0]))
    assert distance(np.array([0.5, 0.0, 1.2])) == pytest.approx(distance(pocket) - 0.2, abs=0.1)
    assert distance(beyond[0]) == 0 and math.isinf(PointDistances(FloorGraph(finder), np.zeros((0, 3)))(pocket))


def test_a_short_order_is_no_longer_than_any_of_few() -> None:
    from itertools import permutations

    rng = np.random.default_rng(1)
    for _ in range(20):
        points = rng.random((6, 2))
        distances = np.linalg.norm(points[:, None] - points[None], axis=2)
        order = shortest_order(distances)
        assert order[0] == 0 and sorted(order) == list(range(6))

        def length(way: tuple[int, ...] | list[int], table: np.ndarray = distances) -> float:
            return float(sum(table[a, b] for a, b in zip(way[:-1], way[1:], strict=True)))

        best = min(length((0, *rest)) for rest in permutations(range(1, 6)))
        assert length(order) <= 1.12 * best


def test_floor_counts_as_seen_only_where_nothing_stands_before_it(site: GoalSite) -> None:
    env = site.env
    observation, _ = env.reset(seed=3)
    meter = FloorMeter(env)
    shares = [meter.add(observation["depth"], observation["pose"])]
    for _ in range(11):
        observation = env.step(np.int64(2))[0]
        shares.append(meter.add(observation["depth"], observation["pose"]))
    assert all(a <= b for a, b in zip(shares[:-1], shares[1:], strict=True)) and 0 < shares[-1] < 0.9
    here = env.house.room_at(*env.position_m[[0, 2]].tolist())
    rooms = [env.house.room_at(x, z) for x, _, z in meter.points[meter.seen].tolist()]
    assert here is not None and sum(room is here for room in rooms) > 0.5 * len(rooms)
    blind = FloorMeter(env)
    blind.add(np.full((64, 64), 0.2, np.float32), observation["pose"])  # its nose at a wall
    assert np.hypot(*(blind.points[blind.seen] - env.position_m)[:, [0, 2]].T).max() < 0.6


@pytest.mark.slow
def test_a_traveller_sees_the_floor_and_knows_how_short_its_way_is(site: GoalSite) -> None:
    env = HouseEnv(seed=HOUSE, resolution=(96, 96), max_steps=10**6)
    observation, _ = env.reset(seed=3)
    meter = FloorMeter(env)
    meter.add(observation["depth"], observation["pose"])
    traveller = Traveller(env, meter)
    tour = traveller.plan(0.7)
    assert tour.share >= 0.7 and tour.length_m > 0 and all(env.pathfinder.is_navigable(stop) for stop in tour.stops_m)
    steps = 0
    for action in traveller.actions(0.7):
        observation = env.step(action)[0]
        meter.add(observation["depth"], observation["pose"])
        steps += 1
    assert meter.share >= 0.7 and steps < 400


# --- goals -----------------------------------------------------------------------------------------------------------


def test_goals_are_of_every_kind_apart_and_never_asked_twice(site: GoalSite) -> None:
    goals = draw_goals(site, np.random.default_rng(5), num_absent=2)
    present = [goal for goal in goals if not goal.is_absent]
    assert 5 <= len(present) <= 10 and len(goals) - len(present) == 2
    assert {goal.kind for goal in present} == {"category", "description", "image"}
    asked = [number for goal in present for number in goal.object_ids]
    assert len(set(asked)) == len(asked)
    for goal in present:
        things = [site.house.object(number) for number in goal.object_ids]
        assert {thing.category for thing in things} == {goal.category}
        if goal.kind == "category":
            assert len(things) == sum(thing.category == goal.category for thing in site.house.objects)
        else:
            assert len(things) == 1
        if goal.kind == "description":
            assert goal.text in descriptions(site.house, things[0])
    for before, after in zip(present[:-1], present[1:], strict=True):
        for number in before.object_ids:
            for point in site.nearest_points(number):
                assert site.distance_m(point, after.object_ids) > 1.7
    again = draw_goals(site, np.random.default_rng(5), num_absent=2)
    assert [(goal.kind, goal.text, goal.object_ids) for goal in goals] == [
        (goal.kind, goal.text, goal.object_ids) for goal in again
    ]


def test_a_description_fits_one_thing_of_the_house(site: GoalSite) -> None:
    """Read back by brute force: colour and room must single the thing out."""
    num = 0
    for thing in site.house.objects:
        for text in descriptions(site.house, thing):
            if f" in the {thing.room_type}" not in text:
                continue
            words = text.removeprefix("the ").removesuffix(f" in the {thing.room_type}")
            fitting = [
                other
                for other in site.house.objects
                if other.room_type == thing.room_type
                and words in (other.category, f"{other.colour} {other.category}")
                and (words == other.category or other.colour_asked)
            ]
            assert fitting == [thing], text
            num += 1
    assert num > 10


def test_what_does_not_exist_does_not_exist(site: GoalSite) -> None:
    for seed in range(8):
        goals = draw_goals(site, np.random.default_rng(seed), num_goals=1, num_absent=2)
        for goal in goals:
            if goal.is_absent and goal.kind == "category":
                assert all(thing.category != goal.category for thing in site.house.objects)
            elif goal.is_absent:
                colour = goal.text.removeprefix("the ").removesuffix(f" {goal.category}")
                same = [thing for thing in site.house.objects if thing.category == goal.category]
                assert same and all(thing.colour != colour for thing in same)


def test_nearest_points_lie_in_the_room_and_view_points_see(site: GoalSite) -> None:
    env = site.env
    num_seen = 0
    for thing in site.house.objects[::5]:
        room = site.house.rooms[thing.room_id]
        points = site.nearest_points(thing.id)
        assert len(points) and all(room.contains(x, z) for x, _, z in points.tolist())
        assert site.distance_m(points[0], [thing.id]) == pytest.approx(0.0, abs=0.05)
        assert not site.is_at_view_point(np.array([*site.env.position_m]), []) and len(points)
        if site.is_at_view_point(points[0], [thing.id]):
            around = [points[0] + (dx, 0, dz) for dx in (-0.2, 0, 0.2) for dz in (-0.2, 0, 0.2)]
            eyes = [point + (0, env.sensor_height_m, 0) for point in around if env.pathfinder.is_navigable(point)]
            seen = [int((env.render_at(look_at(eye, thing.centre_m))[2] == thing.id).sum()) for eye in eyes]
            assert max(seen) > 0
            num_seen += 1
    assert num_seen >= 5


def test_a_picture_shows_its_thing_in_the_middle(site: GoalSite) -> None:
    goals = [goal for goal in draw_goals(site, np.random.default_rng(2), num_goals=6) if goal.kind == "image"]
    assert goals
    for goal in goals:
        assert goal.image is not None and goal.image.shape == (256, 256, 3) and not goal.text
        told = agent_goal(goal, "3")
        assert (told.kind, told.text, told.goal_id) == ("image", "", "3")


# --- playing ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    settings = navigate.NavigateSettings(num_goals=3, num_absent=1, side_px=64)
    result = navigate.play(settings, None, Episode(HOUSE, 0, "oracle"))
    return {"episode": "x", "house": HOUSE, "number": 0, "planner": "oracle", "seconds": 1.0, "result": result}


def test_the_oracle_finds_all_by_nearly_the_shortest_way(oracle: dict[str, Any]) -> None:
    goals = oracle["result"]["goals"]
    present = [goal for goal in goals if not goal["absent"]]
    assert len(present) == 3 and all(goal["success"] and goal["spl"] > 0.7 for goal in present)
    assert [goal["refused"] for goal in goals if goal["absent"]] == [True]
    assert oracle["result"]["privileged"] == ["the planner"]
    for goal in present:
        assert goal["path_m"] >= goal["shortest_m"] - 1.0 and goal["steps"] <= 500


@pytest.mark.slow
def test_an_episode_is_a_function_of_its_seed(oracle: dict[str, Any]) -> None:
    settings = navigate.NavigateSettings(num_goals=3, num_absent=1, side_px=64)
    again = navigate.play(settings, None, Episode(HOUSE, 0, "oracle"))
    timeless = [{k: v for k, v in goal.items() if k != "agent_s"} for goal in again["goals"]]
    assert timeless == [{k: v for k, v in goal.items() if k != "agent_s"} for goal in oracle["result"]["goals"]]


def test_an_episode_in_a_large_house_is_told_apart_from_others(tmp_path: Path) -> None:
    plain = navigate.NavigateSettings(side_px=16)
    large = replace(plain, num_rooms=12)
    assert "num_rooms" not in plain.to_dict() and large.to_dict()["num_rooms"] == 12
    env = large.house(HOUSE)
    assert len(env.house.rooms) == 12 and env.house.digest() == House.generate(HOUSE, 12).digest()
    Runner(tmp_path).run(plain.to_dict(), episodes_of([HOUSE], 1, ["x"]), lambda episode: {})
    with pytest.raises(ExperimentError, match="num_rooms = null, not 12"):
        Runner(tmp_path, resume=True).run(large.to_dict(), episodes_of([HOUSE], 1, ["x"]), lambda episode: {})


def rows_of(oracle: dict[str, Any], planner: str, hits: Iterator[bool], house: int) -> dict[str, Any]:
    goals = []
    for goal in oracle["result"]["goals"]:
        is_hit = next(hits) if not goal["absent"] else False
        changes = {} if goal["absent"] else {"success": is_hit, "spl": 0.5 * is_hit, "at_view_point": is_hit}
        goals.append(goal | changes)
    return oracle | {"planner": planner, "house": house, "result": oracle["result"] | {"goals": goals}}


def test_figures_are_means_over_goals_and_gains_are_paired(oracle: dict[str, Any]) -> None:
    def pattern(values: str) -> Iterator[bool]:
        return iter([letter == "1" for letter in values])

    rows = [
        rows_of(oracle, "ours", pattern("111"), 1),
        rows_of(oracle, "forgetful", pattern("100"), 1),
        rows_of(oracle, "ours", pattern("110"), 2),
        rows_of(oracle, "forgetful", pattern("010"), 2),
    ]
    result = navigate.aggregate(rows, navigate.NavigateSettings())
    assert result["num_goals"] == 6 and result["houses"] == [1, 2]
    ours = result["planners"]["ours"]["all"]
    assert ours["success"]["value"] == pytest.approx(5 / 6, abs=1e-3)
    assert (ours["success"]["low"], ours["success"]["high"]) == (pytest.approx(2 / 3, abs=1e-3), 1.0)
    gain = result["gains"]["forgetful"]
    assert gain["success"]["value"] == 0.5 and gain["spl"]["value"] == 0.25
    steps = [goal["steps"] for goal in oracle["result"]["goals"] if not goal["absent"]]
    for budget in navigate.BUDGETS:  # brute force
        is_in_time = np.array([count <= budget for count in steps])
        found = (is_in_time & np.array([[True, True, True], [True, True, False]])).mean()
        others = (is_in_time & np.array([[True, False, False], [False, True, False]])).mean()
        assert ours["within"][str(budget)]["value"] == pytest.approx(found, abs=1e-3)
        assert gain["within"][str(budget)]["value"] == pytest.approx(found - others, abs=1e-3)
    assert result["marks"]["success >= 90%"] is False
    assert result["marks"]["success over no memory across goals >= +10.5 points"] is True
    words, page = navigate.summary(result), render_report(result)
    for text in ("MISSED: success >= 90%", "ours over forgetful: success 50.0", "success % within so many actions"):
        assert text in words
    assert (
        "<svg" in page
        and "What memory is worth" in page
        and "Who is in a hurry" in page
        and "Where they went" not in page
    )


def test_exploration_counts_steps_to_each_share() -> None:
    settings = explore.ExploreSettings(max_steps=25, side_px=64, share=0.9)
    rows = []
    for planner in ("ours", "random"):
        result = explore.play(settings, None, Episode(HOUSE, 0, planner))
        assert not result["reached"] and result["steps"] == 25 and result["num_steps"] == 25
        assert result["curve"] == sorted(result["curve"]) and result["share"] < 0.9
        rows.append({"house": HOUSE, "number": 0, "planner": planner, "result": result})
    rows[0]["result"] |= {"reached": True, "steps": 10}
    aggregate = explore.aggregate(rows, settings)
    assert aggregate["ratios"]["random"]["value"] == 0.4
    assert "ours takes 0.400 [0.400, 0.400] times the steps of random" in explore.summary(aggregate)
    assert "<polyline" in render_report(aggregate)


def test_the_command_plays_resumes_films_and_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(navigate, "PLANNERS", ("oracle",))  # what else is there takes its time
    command = ["navigate", "--houses", "1", "--first-house", str(HOUSE), "--goals", "1", "--planners", "oracle"]
    command += ["--output", str(tmp_path / "run"), "--json"]
    assert main([*command, "--video"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["planners"]["oracle"]["all"]["success"]["value"] == 1.0
    with av.open(str(next((tmp_path / "run" / "videos").glob("*.mp4")))) as video:
        assert sum(1 for _ in video.decode(video=0)) >= 2
    assert main(command) == 1
    assert "--resume goes on" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["planners"]["oracle"]["all"] == first["planners"]["oracle"]["all"]
    assert main([*command, "--resume", "--max-steps", "7"]) == 1
    error = capsys.readouterr().err
    assert "max_steps = 500, not 7" in error and error.count("\n") == 1
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Where they went" in page and str(tmp_path) not in page


def test_a_chat_model_and_chance_choose_in_the_same_houses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["navigate", "--houses", "1", "--first-house", str(HOUSE), "--goals", "1", "--max-steps", "6", "--json"]
    command += ["--planners", "chat", "chance", "--output", str(tmp_path)]
    assert main(command) == 1 and "--chat-url" in capsys.readouterr().err
    with ChatServer(answer=lambda messages: json.dumps({"choice": "frontier 1"})) as server:
        assert main([*command, "--chat-url", server.base_url, "--chat-pictures", "0"]) == 0
        assert server.num_requests > 0 and not any(pictures_of(request["messages"]) for request in server.requests)
    result = json.loads(capsys.readouterr().out)
    assert result["asked"]["chat"]["answered"]["value"] == result["asked"]["chance"]["answered"]["value"] == 1.0
    assert result["asked"]["chat"]["questions"] == server.num_requests
    assert "as asked at once" in navigate.summary(result)


def test_a_page_of_a_life_shows_both_costs(tmp_path: Path) -> None:
    parts = [
        {"step": 100 * i, "mean_ms": 50.0, "p95_ms": 80.0, "cpu_ms": 40.0}
        | {"bytes": 1000 * i, "records": 10 * i, "resident_mb": 300.0}
        for i in (1, 2, 3)
    ]
    result = {
        "experiment": "lifetime",
        "settings": {"seed": 0, "detector": "masks"},
        "house": 5,
        "num_steps": 300,
        "max_bytes": 4 << 20,
        "num_goals": 4,
        "num_found": 3,
        "steps_per_s": 20.0,
        "parts": parts,
        "marks": {"bytes under the cap": True},
        "privileged": {"ours": ["the detector"]},
    }
    page = write_report(tmp_path / "life", result).read_text()
    assert page.count("<polyline") == 4 and "3 of 4 goals found" in page and "Privileged: ours: the detector" in page


def test_plots_hold_what_they_are_given() -> None:
    figure = {"value": 0.25, "low": 0.2, "high": 0.3}
    svg = bars(["a<b"], {"x": [figure], "y": [None]}, 1.0, 100, " %")
    assert "x, a&lt;b: 25 % [20, 30]" in svg and svg.count("<rect") == 1
    assert lines({"x": [(0, 0), (10, 5)]}, "steps", "y").count("<polyline") == 1
    assert lines({}, "steps", "y").startswith("<svg")
