"""Teams on the way to the diamond: what sharing a memory, and claims and roles, are worth.

A condition is what is shared, how many play, and what each sees. Success is the first diamond of anybody in the team,
as in DAMCS (arXiv 2502.05453); an episode without one counts with its greatest length. Agents play from their own
observations and messages. Worlds are those of Crafter's generator with a diamond; a seed whose world has none stands
for the next world drawn from it, and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.agents.chat_cooperator import ChatCooperator
from placecell.agents.chat_model import ChatModel
from placecell.agents.cooperation import Cooperator, Style
from placecell.agents.crew import AGREED, STEPS, Crew, make_crew, play
from placecell.agents.goal_graph import GoalGraph
from placecell.benchmarks import bootstrap
from placecell.benchmarks.chat_players import (
    CHANCE,
    CHAT_CONDITIONS,
    asked,
    asked_figures,
    asked_lines,
    chooser,
    cooperator,
)
from placecell.benchmarks.crafter_film import CrewFilm
from placecell.benchmarks.episodes import Episode, Runner, episodes_of
from placecell.errors import MissingDependencyError

__all__ = ["CONDITIONS", "CooperateSettings", "aggregate", "condition_names", "cooperate", "play_one", "summary"]

#: What a team shares: nothing; claims, roles and where everybody is; finds; both; or every observation, whole. Under
#: the others it shares both, and a chat model, or chance, chooses its goals.
CONDITIONS: Final = ("private", "roles", "memory", "both", "everything", *CHAT_CONDITIONS)
FORGETFUL: Final = "forgetful"  # one agent that knows what it sees at the moment, the baseline of DAMCS's headline
VIEWS: Final = ("partial", "full")
_FRAME_BYTES: Final = 320.0  # enough for one record, signed
_SEEN_BYTES: Final = 160.0  # what one takes that tells where somebody has looked, and a share of those of finds
_TERSE_BYTES: Final = 4.0  # a step and peer; with less, finds of ores are all that is told
_NOBODY: Final = ChatModel("http://localhost/v1", "nobody")
MARKS: Final = {2: 0.63, 6: 0.74}  # fewer steps than one agent of the same kind
MILESTONES: Final = (
    "collect_wood", "place_table", "make_wood_pickaxe", "collect_stone", "make_stone_pickaxe", "collect_iron",
    "collect_coal", "place_furnace", "make_iron_pickaxe", "collect_diamond",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CooperateSettings:
    """What an episode depends on, besides its world and its condition.

    Args:
        rules: Preset of `CrafterTeamEnv`.
        max_steps: Length of an episode; what a failure counts.
        bytes_per_step: Budget of an agent, all its peers together; None for no limit.
        batch_steps: After how many steps an agent writes what it found.
        seed: Of keys and networks.
        chat: Who chooses goals under the conditions that ask a model.
    """

    rules: str = "peaceful"
    max_steps: int = 1500
    bytes_per_step: float | int | None = None
    batch_steps: int = 8
    seed: int = 0
    chat: ChatModel | None = None


def condition_names(conditions: Sequence[str], agents: Sequence[int], views: Sequence[str]) -> list[str]:
    """Names `condition/agents/view`; one agent, with nobody to share with, plays alone, with and without a memory."""
    names = []
    for view in views:
        for num in agents:
            if num == 1:
                names += [f"alone/1/{view}", f"{FORGETFUL}/1/{view}"]
                names += [f"{condition}/1/{view}" for condition in conditions if condition in CHAT_CONDITIONS]
            else:
                names += [f"{condition}/{num}/{view}" for condition in conditions]
    return list(dict.fromkeys(names))


def play_one(settings: CooperateSettings, videos: Path | None, episode: Episode) -> dict[str, Any]:
    """Play one world under one condition."""
    from placecell.envs.crafter import PRESETS, CrafterTeamEnv  # an extra

    condition, num, view = episode.planner.split("/")
    rules = replace(PRESETS[settings.rules], length=settings.max_steps)
    if view == "full":
        rules = replace(rules, view=None)
    env = CrafterTeamEnv(int(num), rules)
    style = Style(
        remembers=condition != FORGETFUL,
        claims=condition in ("roles", "both", "everything", *CHAT_CONDITIONS),
        roles=condition in ("roles", "both", "everything", *CHAT_CONDITIONS),
        tells_finds=condition in ("memory", "both", "everything", *CHAT_CONDITIONS),
        tells_all=condition == "everything",
        batch_steps=settings.batch_steps,
        thrifty=int(num) > 2,  # two tell each other as much as they like
        fetches_alone=int(num) > 2,
    )
    if condition == "everything":
        style = replace(style, batch_steps=1, crowd_steps=0, batch_cells=0, thrifty=True)
    shares = condition not in ("alone", FORGETFUL, "private")
    policy = STEPS
    if settings.bytes_per_step is not None and shares and condition != "everything":
        each = settings.bytes_per_step / (int(num) - 1)
        # A signed frame takes some 150 bytes: each peer is told of one find at once, and then it is saved up again.
        every_s = max(AGREED.every_s, 1000.0 / each)
        policy = replace(
            AGREED,
            bytes_per_s=each,
            burst_bytes=max(50 * each, 1536.0),
            saved_bytes=_FRAME_BYTES,
            every_s=every_s,
            patience_s=1.5 * every_s,
        )
        is_terse = each < _TERSE_BYTES
        batch_steps = max(style.batch_steps, min(round(150 / each), 40))
        style = replace(style, thrifty=True, terse=is_terse, sectors=is_terse, batch_steps=batch_steps)
        style = replace(style, seen_steps=round(_SEEN_BYTES / each), fetches_alone=style.fetches_alone or is_terse)
    make: Callable[..., Cooperator] = Cooperator
    client = None
    if condition in CHAT_CONDITIONS:
        client = chooser(condition, settings.chat, episode.seed(settings.seed))
        make = cooperator(condition, client, PRESETS[settings.rules], (settings.chat or _NOBODY).max_questions)
    crew = make_crew(env.possible_agents, style, shares, env.area, policy, settings.seed, make)
    film = None
    if videos is not None:
        videos.mkdir(parents=True, exist_ok=True)
        film = CrewFilm(videos / f"{episode.house}-{episode.planner.replace('/', '-')}.mp4", crew)
    played = play(env, crew, episode.house, None if film is None else film.add)
    if film is not None:
        film.close()
    return {
        "steps": played.num_steps if played.is_solved else settings.max_steps,
        "num_steps": played.num_steps,
        "solved": played.is_solved,
        "first": {name: played.first.get(name) for name in MILESTONES},
        "deaths": played.deaths,
        "gifts": played.num_gifts,
        "bytes": played.bytes_sent,
        "bytes_by_kind": played.bytes_by_kind,
        "agent_steps": played.agent_steps,
        "skipped_worlds": played.skipped_worlds,
        "spent": _spent(crew),
        "trail": played.trail,
        **({} if client is None else {"asked": asked(client, _notes(crew))}),
    }


def _notes(crew: Crew) -> list[str]:
    return [note for agent in crew.agents.values() if isinstance(agent, ChatCooperator) for note in agent.notes]


def _spent(crew: Crew) -> dict[str, dict[str, int]]:
    """Steps that the team told to have spent on each goal, by aim."""
    total: dict[str, dict[str, int]] = {}
    for agent in crew.agents.values():
        graph = GoalGraph()
        for record in agent.memory.records(agents=[agent.name]):
            graph.fold(record)
        for aim, goals in graph.spent(agent.name).items():
            for goal, steps in goals.items():
                total.setdefault(aim, {})[goal] = total.get(aim, {}).get(goal, 0) + steps
    return total


def cooperate(
    runner: Runner,
    settings: CooperateSettings,
    seeds: Sequence[int],
    conditions: Sequence[str] = CONDITIONS[:4],
    agents: Sequence[int] = (1, 2, 4, 6),
    views: Sequence[str] = ("partial",),
    *,
    videos: Path | None = None,
) -> dict[str, Any]:
    """Play every world under every condition and aggregate; see `Runner` for the folder.

    Raises:
        MissingDependencyError: If Crafter is not installed.
        ValueError: If a condition, a view or a number of agents is unknown.
    """
    for name in ("crafter", "pettingzoo", "cryptography"):
        if find_spec(name) is None:
            raise MissingDependencyError(f"cooperate needs {name}: pip install 'placecell[team]'")
    for given, known, what in ((conditions, CONDITIONS, "conditions"), (views, VIEWS, "views")):
        if unknown := set(given) - set(known):
            raise ValueError(f"{what} are {', '.join(known)}, got {', '.join(sorted(unknown))}")
    if settings.chat is None and (asking := set(conditions) & set(CHAT_CONDITIONS) - {CHANCE}):
        raise ValueError(f"{', '.join(sorted(asking))}: a chat model decides there: name it (--chat-url, --chat-model)")
    if not agents or min(agents) < 1 or max(agents) > 100:
        raise ValueError(f"agents are numbers from 1 to 100, got {list(agents)}")
    rows = runner.run(
        {"experiment": "cooperate", **_plain(settings)},
        episodes_of(seeds, 1, condition_names(conditions, agents, views)),
        partial(play_one, settings, videos),
        shown=lambda result: f"{result['steps']} steps{'' if result['solved'] else ', no diamond'}",
    )
    return aggregate(rows, settings)


def _plain(settings: CooperateSettings) -> dict[str, Any]:
    """Settings as plain values; a model that is not there is not told of."""
    return {name: value for name, value in asdict(settings).items() if name != "chat" or value is not None}


def aggregate(rows: Sequence[Mapping[str, Any]], settings: CooperateSettings) -> dict[str, Any]:
    """Figures by condition with 95 % intervals over worlds, and how many fewer steps than one agent."""
    names = list(dict.fromkeys(row["planner"] for row in rows))
    of = {name: [row for row in rows if row["planner"] == name] for name in names}
    figures = {name: _figures(of[name]) for name in names}
    fewer: dict[str, dict[str, Any]] = {}
    for name in names:
        view = name.split("/")[2]
        against = {"alone": of.get(f"alone/1/{view}"), FORGETFUL: of.get(f"{FORGETFUL}/1/{view}")}
        fewer[name] = {
            other: _fewer(of[name], rows_of)
            for other, rows_of in against.items()
            if rows_of and rows_of is not of[name]
        }
    result: dict[str, Any] = {
        "experiment": "cooperate",
        "settings": _plain(settings),
        "houses": sorted({row["house"] for row in rows}),
        "num_episodes": len(of[names[0]]),
        "skipped_worlds": sum(row["result"]["skipped_worlds"] for row in of[names[0]]),
        "privileged": {"full view": ["the whole map"]} if any(name.endswith("full") for name in names) else {},
        "conditions": figures,
        "fewer": fewer,
        "asked": {name: told for name in names if (told := asked_figures(of[name])) is not None},
        "marks": {},
    }
    for num, share in MARKS.items():
        name = f"both/{num}/partial"
        if "alone" in fewer.get(name, {}):
            mark = f"{num} agents take >= {share:.0%} fewer steps than one"
            result["marks"][mark] = fewer[name]["alone"]["value"] >= share
            result["marks"][f"{num} agents send <= 1 kB per agent and step"] = figures[name]["bytes"] <= 1000
        everything = figures.get(f"everything/{num}/partial")
        if everything is not None and name in figures and figures[name]["bytes"]:
            times = everything["bytes"] / figures[name]["bytes"]
            result["marks"][f"{num} agents send >= 20 times fewer bytes than everything ({times:.1f})"] = times >= 20
    if "alone/1/partial" in figures:
        result["marks"]["one agent solves >= 95 %"] = figures["alone/1/partial"]["solved"]["value"] >= 0.95
    return result


def _figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    worlds, results = [row["house"] for row in rows], [row["result"] for row in rows]
    steps = np.array([result["steps"] for result in results], float)
    first = {}
    for name in MILESTONES:
        reached = [result["first"][name] for result in results if result["first"][name] is not None]
        first[name] = {"mean": round(float(np.mean(reached)), 1), "reached": len(reached)} if reached else None
    return {
        "steps": bootstrap.mean(worlds, steps, digits=1),
        "median": bootstrap.interval(worlds, lambda chosen: float(np.median(steps[chosen])), digits=1),
        "solved": bootstrap.mean(worlds, [float(result["solved"]) for result in results]),
        "num_episodes": len(rows),
        "first": first,
        "bytes": round(sum(result["bytes"] for result in results) / sum(r["agent_steps"] for r in results), 1),
        "deaths": sum(len(result["deaths"]) for result in results),
        "gifts": sum(result["gifts"] for result in results),
        "seconds": round(sum(row["seconds"] for row in rows) / len(rows), 2),
        "most_seconds": max(row["seconds"] for row in rows),
    }


def _fewer(rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The share of steps that `rows` save over `others` in the same worlds."""
    by_world = {row["house"]: row["result"]["steps"] for row in others}
    pairs = [(row["house"], row["result"]["steps"], by_world[row["house"]]) for row in rows if row["house"] in by_world]
    ours, theirs = (np.array([pair[i] for pair in pairs], float) for i in (1, 2))
    return bootstrap.interval(
        [pair[0] for pair in pairs], lambda chosen: float(1 - ours[chosen].sum() / theirs[chosen].sum())
    )


def summary(result: Mapping[str, Any]) -> str:
    """The result as a table for people."""
    settings, worlds = result["settings"], result["houses"]
    lines = [
        f"{len(worlds)} worlds (seeds {worlds[0]} to {worlds[-1]}, {result['skipped_worlds']} redrawn for want of a "
        f"diamond), rules {settings['rules']}, at most {settings['max_steps']} steps; 95 % intervals over worlds",
        f"{'condition':22}{'steps':>24}{'median':>8}{'diamond':>9}{'fewer than alone %':>24}{'than forgetful %':>18}"
        f"{'bytes':>7}{'deaths':>7}{'gifts':>6}",
    ]
    for name, row in result["conditions"].items():
        fewer = result["fewer"][name]
        alone = bootstrap.shown(fewer["alone"], 100, 0) if "alone" in fewer else ""
        forgetful = f"{100 * fewer[FORGETFUL]['value']:.0f}" if FORGETFUL in fewer else ""
        solved = f"{round(row['solved']['value'] * row['num_episodes'])}/{row['num_episodes']}"
        lines.append(
            f"{name:22}{bootstrap.shown(row['steps'], 1, 0):>24}{row['median']['value']:>8.0f}{solved:>9}{alone:>24}"
            f"{forgetful:>18}{row['bytes']:>7.0f}{row['deaths']:>7}{row['gifts']:>6}"
        )
    lines.append("mean first step of each milestone, where it was reached")
    short = [name.replace("collect_", "").replace("make_", "").replace("place_", "") for name in MILESTONES]
    lines.append(f"{'':22}" + "".join(f"{name[:13]:>14}" for name in short))
    for name, row in result["conditions"].items():
        told = [row["first"][m] for m in MILESTONES]
        lines.append(f"{name:22}" + "".join(f"{'' if one is None else one['mean']:>14}" for one in told))
    lines += asked_lines(result["asked"])
    lines += [f"{'met' if is_met else 'MISSED':7}{mark}" for mark, is_met in result["marks"].items()]
    return "\n".join(lines)
