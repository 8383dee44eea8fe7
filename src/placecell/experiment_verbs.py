"""The verbs of the command line that run experiments and benchmarks: options in, figures and a page out."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from placecell.terminal import print_json, say, usage_error

if TYPE_CHECKING:
    from pathlib import Path

    from placecell.agents.chat_client import ChatClient
    from placecell.agents.chat_model import ChatModel
    from placecell.benchmarks.episodes import Runner

__all__ = ["bench", "chat_model", "cooperate", "eqa", "explore", "navigate"]


def explore(arguments: argparse.Namespace) -> int:
    """Explore houses, by one robot or by teams."""
    if arguments.robots is not None:
        return _robots(arguments)
    from placecell.benchmarks import explore as experiment

    settings = experiment.ExploreSettings(seed=arguments.seed, max_steps=arguments.max_steps)
    result = experiment.explore(_runner(arguments), settings, _houses(arguments), **_how(arguments))
    return _finish_experiment(arguments, result, experiment.summary(result))


def _robots(arguments: argparse.Namespace) -> int:
    from placecell.benchmarks import robots

    if arguments.video:
        usage_error("explore", "--video films one robot: leave out --robots")
    settings = robots.RobotsSettings(
        seed=arguments.seed,
        max_steps=arguments.max_steps,
        starts=arguments.starts,
        is_sharing=not arguments.silent,
        knows_frames=not arguments.lost,
    )
    result = robots.robots(
        _runner(arguments), settings, _houses(arguments), arguments.robots, num_each=arguments.episodes
    )
    return _finish_experiment(arguments, result, robots.summary(result))


def navigate(arguments: argparse.Namespace) -> int:
    """Search goals in houses, or live in one house for long."""
    from placecell.benchmarks import navigate as experiment

    settings = experiment.NavigateSettings(
        seed=arguments.seed,
        detector=arguments.detector,
        num_goals=arguments.goals,
        num_absent=arguments.absent,
        max_steps=arguments.max_steps,
        num_rooms=arguments.rooms,
        chat=chat_model(arguments),
    )
    if arguments.lifetime is not None:
        from placecell.benchmarks import lifetime

        given = [name for name in ("ray", "resume", "video") if getattr(arguments, name)]
        given += ["workers"] * (arguments.workers > 1) + ["planners"] * isinstance(arguments.planners, list)
        if given:
            usage_error("navigate", f"--lifetime is one life of our planner, in this process: leave out --{given[0]}")
        house = arguments.first_house
        result = lifetime.run(settings, house, arguments.lifetime, arguments.max_bytes, say=say)
        return _finish_experiment(arguments, result, lifetime.summary(result))
    result = experiment.navigate(_runner(arguments), settings, _houses(arguments), **_how(arguments))
    return _finish_experiment(arguments, result, experiment.summary(result))


def eqa(arguments: argparse.Namespace) -> int:
    """Answer questions about houses, or score a file of answers."""
    from placecell.benchmarks import openeqa_judge

    if (arguments.open_eqa is None) != (arguments.predictions is None):
        usage_error("eqa", "--open-eqa FILE (the questions) and --predictions FILE (the answers) go together")
    if arguments.partial and arguments.open_eqa is None:
        usage_error("eqa", "--partial goes with --open-eqa and --predictions")
    judge = _judge(arguments)
    if arguments.open_eqa is not None:
        scored = openeqa_judge.score_file(
            arguments.open_eqa, arguments.predictions, judge, is_partial=arguments.partial, say=say
        )
        if arguments.json:
            print_json(scored)
        else:
            print(openeqa_judge.summary(scored))
        judged = scored["judged"]
        return int(judged is not None and (judged["score"] is None or judged["num_not_asked"] > 0))
    from placecell.benchmarks import eqa as experiment

    settings = experiment.EqaSettings(
        seed=arguments.seed,
        detector=arguments.detector,
        num_per_category=arguments.questions,
        max_steps=arguments.max_steps,
    )
    result = experiment.eqa(_runner(arguments), settings, _houses(arguments), arguments.episodes, judge=judge)
    return _finish_experiment(arguments, result, experiment.summary(result))


def _judge(arguments: argparse.Namespace) -> ChatClient | None:
    """The model that marks answers, if one is configured."""
    if arguments.judge is None:
        if arguments.judge_model is not None:
            usage_error("eqa", "--judge-model needs --judge URL")
        return None
    if arguments.judge_model is None:
        usage_error("eqa", "--judge needs --judge-model NAME, the model to ask that server for")
    from placecell.agents.chat_client import ChatClient

    key = os.environ.get("PLACECELL_CHAT_KEY")
    return ChatClient(arguments.judge, arguments.judge_model, api_key=key, timeout_s=60.0)


def chat_model(arguments: argparse.Namespace) -> ChatModel | None:
    """The chat model that `--chat-url` and its fellows name, if they do."""
    if arguments.chat_url is None:
        return None
    from placecell.agents.chat_model import ChatModel

    given = vars(arguments)
    told = {name: given[f"chat_{name}"] for name in ("pictures", "questions") if f"chat_{name}" in given}
    return ChatModel(
        arguments.chat_url,
        arguments.chat_model,
        float(arguments.chat_timeout),
        **{f"max_{name}": value for name, value in told.items()},
    )


def cooperate(arguments: argparse.Namespace) -> int:
    """Play Crafter in teams."""
    from placecell.benchmarks import cooperate as experiment

    settings = experiment.CooperateSettings(
        rules=arguments.rules,
        max_steps=arguments.max_steps,
        bytes_per_step=arguments.bytes_per_step,
        batch_steps=arguments.batch_steps,
        seed=arguments.seed,
        chat=chat_model(arguments),
    )
    result = experiment.cooperate(
        _runner(arguments),
        settings,
        range(arguments.first_world, arguments.first_world + arguments.worlds),
        tuple(dict.fromkeys(arguments.conditions)),
        tuple(dict.fromkeys(arguments.agents)),
        tuple(dict.fromkeys(arguments.views)),
        videos=_videos(arguments),
    )
    return _finish_experiment(arguments, result, experiment.summary(result))


def _houses(arguments: argparse.Namespace) -> range:
    return range(arguments.first_house, arguments.first_house + arguments.houses)


def _runner(arguments: argparse.Namespace) -> Runner:
    from placecell.benchmarks.episodes import Runner

    return Runner(arguments.output, arguments.resume, arguments.workers, arguments.ray, say)


def _how(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "planners": tuple(dict.fromkeys(arguments.planners)),
        "num_each": arguments.episodes,
        "videos": _videos(arguments),
    }


def _videos(arguments: argparse.Namespace) -> Path | None:
    return arguments.output / "videos" if arguments.video else None


def _finish_experiment(arguments: argparse.Namespace, result: dict[str, Any], words: str) -> int:
    """Write the figures and the page, print the figures."""
    from placecell.benchmarks.experiment_report import write_report

    page = write_report(arguments.output, result)
    if arguments.json:
        print_json(result)
    else:
        print(words)
    say(f"written: {page}")
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """Run one of the benchmarks."""
    import importlib
    import inspect

    module = importlib.import_module(f"placecell.benchmarks.{arguments.name}")
    options = {"seed": arguments.seed}
    if arguments.rows is not None:
        if "num_rows" not in inspect.signature(module.run).parameters:
            usage_error("bench", f"{arguments.name} always takes the same samples: leave out --rows")
        options["num_rows"] = arguments.rows
    if arguments.peers is not None:
        options["peers"] = arguments.peers
    result = module.run(say=say, **options)
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        written = {"options": {"name": arguments.name, **options}, "result": result}
        (arguments.output / f"{arguments.name}.json").write_text(json.dumps(written, indent=1) + "\n")
    if arguments.json:
        print_json(result)
    else:
        print(module.summary(result))
    return 0
