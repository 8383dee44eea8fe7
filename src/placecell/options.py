"""What can be typed on the command line: the verbs, their options, and how values are read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["BENCHMARKS", "Verb", "build_parser"]

BENCHMARKS = (
    "recall",
    "ingest",
    "localise",
    "write",
    "decode",
    "startup",
    "regions",
    "forest",
    "places",
    "objects",
    "snapshots",
    "facts",
    "told_goals",
    "alignment",
    "sharing",
)
Verb = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without repeating the whole usage."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse does, but a verb itself refuses what it does not know, and names the option that is like it."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            from difflib import get_close_matches

            near = get_close_matches(unknown[0].split("=")[0], self._option_string_actions, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        line = " ".join(message.split())
        print(f"{self.prog}: error: {line} (see {self.prog} --help)", file=sys.stderr, flush=True)
        raise SystemExit(2)


def build_parser(verbs: Mapping[str, Verb], version: str) -> argparse.ArgumentParser:
    """The parser of `placecell`; parsing sets `run` to the function of the verb.

    Args:
        verbs: The function of each verb, such as "ingest" or "encoder list".
        version: What `--version` prints.
    """
    parser = _Parser(
        prog="placecell",
        description="The episodic memory of embodied agents and of long videos.",
        epilog="example:\n  placecell ingest walk.mp4 --memory walk.memory\n"
        '  placecell ask walk.memory "when did I see the red mug?"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version)
    group = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")

    def verb(name: str, help: str, example: str, among: Any = group) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = among.add_parser(
            name.split()[-1],
            help=help,
            description=help[0].upper() + help[1:] + ".",
            epilog=f"example:\n  placecell {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in verbs:
            made.set_defaults(run=verbs[name])
        return made

    _demo(verb("demo", "explore a house, ask it, find things, see what moved, report", "demo --output runs/demo"))
    _ingest(verb("ingest", "put a video, or a folder of videos, into a memory", "ingest walk.mp4 --memory walk.memory"))
    _ask(
        verb(
            "ask",
            "answer a question, with evidence, or say that nothing matches",
            'ask walk.memory "where is the sofa?" --thumbs evidence',
        )
    )
    _search(
        verb(
            "search", "show the moments that match a text or a picture", 'search walk.memory "red mug" --clips evidence'
        )
    )
    info = verb("info", "say what a memory holds", "info walk.memory")
    _memory(info)
    _json(info)
    export = verb(
        "export", "write a memory's records as JSON lines, CSV or subtitles", "export walk.memory --format srt"
    )
    _memory(export)
    export.add_argument("--format", choices=("jsonl", "csv", "srt", "vtt"), default="jsonl", help="default jsonl")
    export.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    encoder = verb("encoder", "list encoders, or export a torch-free copy of an open_clip model", "encoder list")
    actions = encoder.add_subparsers(dest="action", metavar="ACTION", required=True)
    _json(verb("encoder list", "show the encoders that can be used here", "encoder list --json", actions))
    _encoder_export(
        verb(
            "encoder export",
            "write an open_clip model as ONNX, with a parity report",
            "encoder export ViT-B-32 vit.onnx --pretrained laion2b_s34b_b79k --int8",
            actions,
        )
    )
    _explore(
        verb(
            "explore",
            "explore houses never seen, and compare with nearest frontier, a random walk and a traveller with a map",
            "explore --houses 20 --output runs/explore",
        )
    )
    _navigate(
        verb(
            "navigate",
            "find goals by category, description and picture, one after another in a house, with and without memory",
            "navigate --houses 20 --absent 1 --output runs/navigate --resume",
        )
    )
    _eqa(
        verb(
            "eqa",
            "ask questions about houses never seen: from memory, while exploring, and after things were moved",
            "eqa --houses 20 --output runs/eqa --resume",
        )
    )
    _cooperate(
        verb(
            "cooperate",
            "send teams for Crafter's diamond, with and without a shared memory, claims and roles",
            "cooperate --worlds 20 --agents 1 2 6 --output runs/cooperate --resume",
        )
    )
    _bench(verb("bench", "run a benchmark with its peers in one call", "bench recall --rows 100000 --json"))
    return parser


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), metavar="DIR", help="where the report goes")
    parser.add_argument("--seed", type=_whole, default=3, help="house, questions, goals, change (default 3)")
    _json(parser)


def _ingest(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="video file or folder of videos")
    add("--memory", type=Path, required=True, metavar="DIR", help="the memory's folder, made if absent")
    add("--every", type=_pace, default=1.0, metavar="S", help="seconds between kept moments (default 1)")
    add("--from", dest="start_s", type=_time, default=0.0, metavar="TIME", help="begin here (s, MM:SS or HH:MM:SS)")
    add("--to", dest="end_s", type=_time, metavar="TIME", help="stop here")
    add("--subtitles", default="auto", metavar="FILE", help="auto, off, or an .srt or .vtt file (default auto)")
    add(
        "--tiles",
        type=int,
        choices=(0, 2, 3),
        help="also remember tiles of 1/2 or 1/3 of the view's sides, so that small things are found; 0 for none "
        "(default: 2, or 3 for large views and an encoder of small pictures)",
    )
    add("--max-bytes", type=_size, metavar="N", help="byte budget of the memory, e.g. 2G; the oldest pictures go first")
    _encoder(parser)
    _json(parser)


def _ask(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _memory(parser)
    add("question", type=_words, help="for example: when did I see the red mug?")
    add("--choices", nargs="+", metavar="TEXT", help="answer by one of these")
    _chat(parser, "let an OpenAI-compatible server answer from the same evidence", pictures=True)
    _evidence(parser)


def _search(parser: argparse.ArgumentParser) -> None:
    _memory(parser)
    parser.add_argument("text", nargs="?", type=_words, help="what to look for")
    parser.add_argument("--image", type=Path, metavar="FILE", help="look for what this picture shows")
    _evidence(parser)


def _encoder_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="an open_clip model name, e.g. ViT-B-32")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--pretrained", metavar="TAG", help="an open_clip tag, e.g. laion2b_s34b_b79k")
    weights.add_argument("--checkpoint", type=Path, metavar="FILE", help="a local checkpoint")
    parser.add_argument("--int8", action="store_true", help="quantise the matrix products to int8")
    _json(parser)


def _explore(parser: argparse.ArgumentParser) -> None:
    _experiment(parser, Path("runs/explore"), "ours nearest random traveller", "starts in every house")
    add = parser.add_argument
    add("--max-steps", type=_count, default=1500, metavar="N", help="give up after (default 1500)")
    add("--robots", nargs="+", type=_count, metavar="N", help="instead teams of so many robots, e.g. --robots 1 2 4")
    add("--starts", choices=("apart", "together"), default="apart", help="of the robots (default apart)")
    add("--silent", action="store_true", help="robots that tell each other nothing")
    add("--lost", action="store_true", help="robots that do not know where the others start: they align their frames")


def _navigate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _experiment(
        parser, Path("runs/navigate"), "ours forgetful nearest random oracle chat chance", "sequences in every house", 5
    )
    _chat(parser, "an OpenAI-compatible server: chooses for the planner chat", pictures=True, questions=20)
    add("--detector", choices=("regions", "masks"), default="regions", help="what finds things (masks are privileged)")
    add("--goals", type=_count, metavar="N", help="goals in a sequence (default: 5 to 10)")
    add("--rooms", type=_rooms, metavar="N", help="rooms of every house, 5 to 16 (default: drawn from 5 to 9)")
    add("--absent", type=_whole, default=0, metavar="N", help="and so many that the house has not got (default 0)")
    add("--max-steps", type=_count, default=500, metavar="N", help="actions per goal (default 500)")
    add("--lifetime", type=_count, metavar="STEPS", help="instead live so long in one house; print cost over time")
    add(
        "--max-bytes",
        type=_size,
        default=64 << 20,
        metavar="N",
        help="with --lifetime: cap on the memory (default 64M)",
    )


def _eqa(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _experiment(parser, Path("runs/eqa"), "", "visits with other starts and changes in every house")
    add("--detector", choices=("regions", "masks"), default="regions", help="what finds things (masks are privileged)")
    add("--questions", type=_count, default=8, metavar="N", help="of every category (default 8)")
    add("--max-steps", type=_count, default=1200, metavar="N", help="actions per visit (default 1200)")
    add(
        "--judge", metavar="URL", help="let an OpenAI-compatible server mark the answers too: OpenEQA's score, 0 to 100"
    )
    add("--judge-model", metavar="NAME", help="the model to ask that server for")
    add("--open-eqa", type=Path, metavar="FILE", help="instead score --predictions for OpenEQA's own question file")
    add("--predictions", type=Path, metavar="FILE", help='a list of {"question_id", "answer"}')
    add("--partial", action="store_true", help="let questions of --open-eqa without a prediction be")


def _experiment(
    parser: argparse.ArgumentParser, output: Path, planners: str, episodes: str, num_default: int | None = None
) -> None:
    """What every experiment in houses takes; the first `num_default` of the planners play if none is named."""
    names = tuple(planners.split())
    add = parser.add_argument
    add("--houses", type=_count, default=2, metavar="N", help="how many houses (default 2)")
    add("--first-house", type=_whole, default=2_000_000, metavar="SEED", help="seed of the first (default 2000000)")
    add("--episodes", type=_count, default=1, metavar="N", help=f"{episodes} (default 1)")
    if names:
        usual = names[:num_default]
        told = f"of {planners} (default {'all' if usual == names else f'the first {num_default}'})"
        add("--planners", nargs="+", choices=names, default=usual, metavar="NAME", help=told)
    add("--seed", type=_whole, default=0, help="draws the episodes (default 0)")
    add("--output", type=Path, default=output, metavar="DIR", help=f"episodes and report (default {output})")
    add("--resume", action="store_true", help="go on in a folder that holds episodes")
    _workers(parser)
    if names:
        add("--video", action="store_true", help="film every episode, with the map and the memory, into OUTPUT/videos")
    _json(parser)


def _chat(parser: argparse.ArgumentParser, use: str, *, pictures: bool = False, questions: int | None = None) -> None:
    """Which chat model takes part."""
    add = parser.add_argument
    add("--chat-url", metavar="URL", help=use)
    add("--chat-model", metavar="NAME", default="default", help="the model to ask that server for")
    add("--chat-timeout", type=_count, default=60, metavar="S", help="seconds for one answer (default 60)")
    if pictures:
        add("--chat-pictures", type=_whole, default=4, metavar="N", help="of a question (default 4; 0: it sees none)")
    if questions is not None:
        add("--chat-questions", type=_count, default=questions, metavar="N", help=f"at most (default {questions})")


def _workers(parser: argparse.ArgumentParser) -> None:
    """Where episodes are played."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=_count, default=1, metavar="N", help="processes (default 1)")
    where.add_argument(
        "--ray", metavar="ADDRESS", help="play episodes on a Ray cluster, or on a `local` one (extra [team])"
    )


def _cooperate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    conditions = "private roles memory both everything chat chat-plain chat-chunks chat-plans chat-rules chance"
    add("--worlds", type=_count, default=2, metavar="N", help="how many worlds (default 2)")
    add("--first-world", type=_whole, default=1000, metavar="SEED", help="seed of the first (default 1000)")
    add("--agents", type=_count, nargs="+", default=[1, 2, 4, 6], metavar="N", help="sizes of teams (default 1 2 4 6)")
    add(
        "--conditions",
        nargs="+",
        choices=conditions.split(),
        default=conditions.split()[:4],
        metavar="NAME",
        help=f"what is shared, of {conditions} (default the first four)",
    )
    add("--views", nargs="+", choices=("partial", "full"), default=["partial"], metavar="NAME", help="partial, full")
    add("--rules", choices=("peaceful", "strict", "damcs"), default="peaceful", help="of the world (default peaceful)")
    add("--max-steps", type=_count, default=1500, metavar="N", help="length of an episode (default 1500)")
    _chat(parser, "an OpenAI-compatible server that chooses goals under the chat conditions", questions=60)
    add("--bytes-per-step", type=_size, metavar="N", help="budget of an agent and step (default: no limit)")
    add("--batch-steps", type=_count, default=8, metavar="N", help="finds are told after so many steps (default 8)")
    add("--seed", type=_whole, default=0, help="of keys and networks (default 0)")
    add("--output", type=Path, default=Path("runs/cooperate"), metavar="DIR", help="default runs/cooperate")
    add("--resume", action="store_true", help="go on in a folder that holds episodes")
    _workers(parser)
    add("--video", action="store_true", help="film every agent's known map, into OUTPUT/videos")
    _json(parser)


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument(
        "--rows",
        type=_count,
        metavar="N",
        help="recall, write: records; sharing: storms; the benchmarks in houses: houses",
    )
    parser.add_argument("--peers", nargs="*", metavar="NAME", help="only these peers (default: all that are installed)")
    parser.add_argument("--seed", type=_whole, default=0, help="default 0")
    parser.add_argument("--output", type=Path, metavar="DIR", help="also write the result and its configuration here")
    _json(parser)


def _memory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", type=Path, metavar="DIR", help="a memory's folder")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _encoder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoder",
        default="auto",
        metavar="NAME",
        help="auto (the memory's own), builtin, an export's folder, open_clip:MODEL/TAG, or hf-hub:NAME (default auto)",
    )


def _evidence(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--top", type=_count, default=5, metavar="K", help="rows of evidence (default 5)")
    add("--from", dest="start_s", type=_time, metavar="TIME", help="only from here (s, MM:SS or HH:MM:SS)")
    add("--to", dest="end_s", type=_time, metavar="TIME", help="only up to here")
    add("--agent", action="append", metavar="NAME", help="only this agent or video; may be repeated")
    add("--label", action="append", metavar="NAME", help="only records with this label; may be repeated")
    add("--near", type=_near, metavar="X,Y,Z,R", help="only within R metres of a point")
    add("--thumbs", type=Path, metavar="DIR", help="write a picture of each row of evidence here")
    add("--clips", type=Path, metavar="DIR", help="cut a clip of each row out of its video")
    _encoder(parser)
    _json(parser)


# --- how values are read ---------------------------------------------------------------------------------------------


def _time(text: str) -> float:
    from placecell.clock import parse_time

    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _pace(text: str) -> float:
    value = _time(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"expected more than 0 seconds, got {text!r}")
    return value


def _words(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty: say what to look for")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, got {text!r}")
    return int(text)


def _rooms(text: str) -> int:
    if not text.isdecimal() or not 5 <= int(text) <= 16:
        raise argparse.ArgumentTypeError(f"expected a whole number from 5 to 16, got {text!r}")
    return int(text)


def _size(text: str) -> int:
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}.get(text[-1:].lower(), 1)
    try:
        value = int(float(text[:-1] if factor > 1 else text) * factor)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"a size is a number of bytes, or 512M, 2G, got {text!r}") from None
    if value <= 0:
        raise argparse.ArgumentTypeError(f"a size must be positive, got {text!r}")
    return value


def _near(text: str) -> tuple[tuple[float, float, float], float]:
    try:
        x, y, z, radius = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected X,Y,Z,R in metres, for example 2,0.9,-1,3; got {text!r}") from None
    return (x, y, z), radius
