"""The command line: parse, call one library function, print.

Data goes to stdout (`--json` prints one JSON object), progress and messages to stderr. Exit codes: 0 done, 1 failed,
2 wrong usage, 130 stopped by Ctrl-C. Everything heavy is imported inside the verb that needs it, so that `--help` is
instant.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from placecell.agents.reader import Answer
    from placecell.memory.memory import Memory

__all__ = ["main"]

BENCHMARKS = ("recall", "ingest", "localise", "write")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.verb is None:
        parser.print_help()
        return 2
    from placecell.errors import PlacecellError

    try:
        code = int(arguments.run(arguments) or 0)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _say("stopped; what was written is kept, and the same command goes on from there")
        return 130
    except BrokenPipeError:  # the reader of a pipe went away: no error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (PlacecellError, ValueError, OSError) as error:
        _say(f"error: {error}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="placecell",
        description="The episodic memory of embodied agents and of long videos.",
        epilog="example:\n  placecell ingest walk.mp4 --memory walk.memory\n"
        '  placecell ask walk.memory "when did I see the red mug?"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")

    def verb(name: str, run: Callable[[argparse.Namespace], int | None], help: str, example: str) -> Any:
        made = verbs.add_parser(
            name,
            help=help,
            description=help[0].upper() + help[1:] + ".",
            epilog=f"example:\n  placecell {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made

    demo = verb("demo", _demo, "walk a house, remember it, ask it, write a report with pictures", "demo --output runs/demo")
    demo.add_argument("--output", type=Path, default=Path("runs/demo"), metavar="DIR", help="where the report goes")
    demo.add_argument("--seed", type=int, default=7, help="house and walk (default 7)")
    demo.add_argument("--json", action="store_true", help="print the results as one JSON object")

    ingest = verb("ingest", _ingest, "put a video, or a folder of videos, into a memory", "ingest walk.mp4 --memory walk.memory")
    ingest.add_argument("source", type=Path, metavar="SOURCE", help="video file or folder of videos")
    ingest.add_argument("--memory", type=Path, required=True, metavar="DIR", help="the memory's folder, made if absent")
    ingest.add_argument("--every", type=_time, default=1.0, metavar="S", help="seconds between kept moments (default 1)")
    ingest.add_argument("--from", dest="start_s", type=_time, default=0.0, metavar="TIME", help="begin here (s or HH:MM:SS)")
    ingest.add_argument("--to", dest="end_s", type=_time, default=None, metavar="TIME", help="stop here")
    ingest.add_argument("--subtitles", default="auto", metavar="FILE", help="auto, off, or an .srt or .vtt file")
    ingest.add_argument("--max-bytes", type=_size, default=None, metavar="N", help="byte budget of the memory, e.g. 2G")
    _encoder_options(ingest)
    ingest.add_argument("--json", action="store_true", help="print the report as one JSON object")

    ask = verb("ask", _ask, "answer a question, with evidence, or say that nothing matches", 'ask walk.memory "where is the sofa?"')
    ask.add_argument("memory", type=Path, metavar="DIR", help="a memory's folder")
    ask.add_argument("question", help="for example: when did I see the red mug?")
    ask.add_argument("--choices", nargs="+", metavar="TEXT", help="answer by one of these")
    ask.add_argument("--chat-url", metavar="URL", help="let an OpenAI-compatible server answer from the same evidence")
    ask.add_argument("--chat-model", metavar="NAME", default="default", help="the model to ask that server for")
    _search_options(ask)

    search = verb("search", _search, "show the moments that match a text or a picture", 'search walk.memory "red mug" --top 5')
    search.add_argument("memory", type=Path, metavar="DIR", help="a memory's folder")
    search.add_argument("text", nargs="?", help="what to look for")
    search.add_argument("--image", type=Path, metavar="FILE", help="look for what this picture shows")
    _search_options(search)

    info = verb("info", _info, "say what a memory holds", "info walk.memory")
    info.add_argument("memory", type=Path, metavar="DIR", help="a memory's folder")
    info.add_argument("--json", action="store_true", help="print one JSON object")

    export = verb("export", _export, "write a memory's records as JSON lines, subtitles or CSV", "export walk.memory --format srt")
    export.add_argument("memory", type=Path, metavar="DIR", help="a memory's folder")
    export.add_argument("--format", choices=("jsonl", "csv", "srt", "vtt"), default="jsonl", help="default jsonl")
    export.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")

    encoder = verb("encoder", _encoder_list, "list encoders, or export a torch-free copy of an open_clip model", "encoder list")
    actions = encoder.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the encoders that there are")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    listing.set_defaults(run=_encoder_list)
    made = actions.add_parser("export", help="write MODEL as ONNX, with a parity report")
    made.add_argument("model", metavar="MODEL", help="an open_clip model name, e.g. ViT-B-32")
    made.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    weights = made.add_mutually_exclusive_group()
    weights.add_argument("--pretrained", metavar="TAG", help="an open_clip tag, e.g. laion2b_s34b_b79k")
    weights.add_argument("--checkpoint", type=Path, metavar="FILE", help="a local checkpoint")
    made.add_argument("--int8", action="store_true", help="quantise the matrix products to int8")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.set_defaults(run=_encoder_export)

    bench = verb("bench", _bench, "run a benchmark with its peers in one call", "bench recall --rows 100000 --json")
    bench.add_argument("name", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    bench.add_argument("--rows", type=int, metavar="N", help="recall, write: size of the stream")
    bench.add_argument("--peers", nargs="*", metavar="NAME", help="only these peers (default: all that are installed)")
    bench.add_argument("--seed", type=int, default=0, help="default 0")
    bench.add_argument("--output", type=Path, metavar="DIR", help="also write the result and its configuration here")
    bench.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _encoder_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoder",
        default="auto",
        metavar="NAME",
        help="auto, builtin, an export folder, open_clip:MODEL/TAG, or hf-hub:NAME (default auto)",
    )


def _search_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--top", type=int, default=5, metavar="K", help="rows of evidence (default 5)")
    parser.add_argument("--from", dest="start_s", type=_time, metavar="TIME", help="only from here (s or HH:MM:SS)")
    parser.add_argument("--to", dest="end_s", type=_time, metavar="TIME", help="only up to here")
    parser.add_argument("--agent", action="append", metavar="NAME", help="only this agent or video; may be repeated")
    parser.add_argument("--label", action="append", metavar="NAME", help="only records with this label; may be repeated")
    parser.add_argument("--near", type=_near, metavar="X,Y,Z,R", help="only within R metres of a point")
    parser.add_argument("--thumbs", type=Path, metavar="DIR", help="write a picture of each row of evidence here")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="cut a clip of each row out of its video")
    _encoder_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


# --- the verbs -------------------------------------------------------------------------------------------------------


def _demo(arguments: argparse.Namespace) -> int:
    from placecell.demo import run_demo

    result = run_demo(arguments.output, seed=arguments.seed, say=_say)
    if arguments.json:
        _print_json(result.to_dict())
    else:
        print(result.summary())
    return 0 if result.is_right else 1


def _ingest(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from placecell.errors import VideoError
    from placecell.ingest import IngestSettings, ingest, video_files
    from placecell.memory.memory import Memory
    from placecell.progress import IngestBar

    settings = IngestSettings(
        every_s=arguments.every,
        start_s=arguments.start_s,
        end_s=arguments.end_s,
        subtitles=arguments.subtitles,
    )
    files = video_files(arguments.source)
    reports, failures = [], []
    with Memory.open(arguments.memory, encoder=arguments.encoder, max_bytes=arguments.max_bytes) as memory:
        for path in files:
            with IngestBar(path.name) as bar:
                try:
                    report = ingest(path, memory, settings, on_progress=bar.update)
                except VideoError as error:
                    if len(files) == 1:
                        raise
                    failures.append({"source": str(path), "error": str(error)})  # one bad file must not stop a folder
                    _say(f"error: {error}")
                    continue
            reports.append(report)
            for note in report.notes:
                _say(note)
            if report.state == "unchanged":
                _say(f"{path}: is in {arguments.memory} already, nothing to do")
            else:
                _say(
                    f"{path}: {report.num_moments} moments, {report.num_texts} texts, {report.num_events} events "
                    f"in {report.seconds:.1f} s ({report.times_real_time:.0f} x real time)"
                )
        if any(report.state != "unchanged" for report in reports):
            notice = getattr(memory.encoder, "notice", None)
            if notice:
                _say(notice)
    if arguments.json:
        _print_json({"memory": str(arguments.memory), "videos": [asdict(report) for report in reports], "failed": failures})
    return 1 if failures else 0


def _ask(arguments: argparse.Namespace) -> int:
    from placecell.evidence import evidence_lines, save_evidence

    with _open(arguments) as memory:
        answer = _answer(memory, arguments)
        extras = save_evidence(memory, answer.evidence, arguments.thumbs, arguments.clips)
        if arguments.json:
            record = answer.to_dict()
            for row, extra in zip(record["evidence"], extras, strict=True):
                row.update(extra)
            _print_json(record)
        else:
            print(answer.text)
            for line in evidence_lines(answer.evidence, extras):
                print(line)
            for note in answer.notes:
                _say(note)
    return 0


def _answer(memory: Memory, arguments: argparse.Namespace) -> Answer:
    from placecell.agents.reader import EvidenceReader

    filters = _filters(arguments)
    if arguments.chat_url:
        from placecell.agents.chat import ChatClient, ChatReader

        client = ChatClient(arguments.chat_url, arguments.chat_model, api_key=os.environ.get("PLACECELL_CHAT_KEY"))
        return ChatReader(memory, client).ask(arguments.question, choices=arguments.choices, k=arguments.top, **filters)
    return EvidenceReader(memory).ask(arguments.question, choices=arguments.choices, k=arguments.top, **filters)


def _search(arguments: argparse.Namespace) -> int:
    from placecell.evidence import evidence_lines, evidence_row, read_image, save_evidence
    from placecell.memory.calibration import NO_MATCH_BELOW

    if (arguments.text is None) == (arguments.image is None):
        raise SystemExit(_usage("search needs either a text or --image FILE"))
    with _open(arguments) as memory:
        query = arguments.text if arguments.image is None else read_image(arguments.image)
        hits = memory.recall(query, k=arguments.top, **_filters(arguments))
        is_match = bool(hits) and hits[0].probability >= NO_MATCH_BELOW
        extras = save_evidence(memory, hits, arguments.thumbs, arguments.clips)
        if arguments.json:
            rows = [evidence_row(hit) | extra for hit, extra in zip(hits, extras, strict=True)]
            _print_json({"query": arguments.text or str(arguments.image), "is_match": is_match, "evidence": rows})
        else:
            if not is_match:
                best = f" (best probability {hits[0].probability:.2f})" if hits else " (the memory is empty here)"
                print(f"no match{best}")
            for line in evidence_lines(hits, extras):
                print(line)
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from placecell.evidence import memory_info
    from placecell.memory.memory import Memory

    with Memory.open(arguments.memory, mode="r") as memory:
        summary = memory_info(memory)
    if arguments.json:
        _print_json(summary)
    else:
        for name, value in summary.items():
            if isinstance(value, list):
                print(f"{name}:")
                for row in value:
                    print("  " + "  ".join(f"{key} {item}" for key, item in row.items()))
            else:
                print(f"{name}: {value}")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from placecell.evidence import export_lines
    from placecell.memory.memory import Memory

    with Memory.open(arguments.memory, mode="r") as memory:
        lines = export_lines(memory, arguments.format)
        if arguments.output is None:
            for line in lines:
                print(line)
        else:
            with open(arguments.output, "w", encoding="utf-8", newline="") as file:
                for line in lines:
                    file.write(line + "\n")
            _say(f"written: {arguments.output}")
    return 0


def _encoder_list(arguments: argparse.Namespace) -> int:
    from placecell.perception.encoders import list_encoders

    rows = list_encoders()
    if arguments.json:
        _print_json({"encoders": rows})
    else:
        for row in rows:
            print("  ".join(str(value) for value in row.values()))
    return 0


def _encoder_export(arguments: argparse.Namespace) -> int:
    from placecell.perception.export import export_encoder

    report = export_encoder(
        arguments.model,
        arguments.out,
        pretrained=arguments.pretrained,
        checkpoint=arguments.checkpoint,
        int8=arguments.int8,
    )
    if arguments.json:
        _print_json(report.to_dict())
    else:
        print(report.summary())
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    import importlib

    module = importlib.import_module(f"placecell.benchmarks.{arguments.name}")
    options = {"seed": arguments.seed}
    if arguments.rows is not None:
        options["num_rows"] = arguments.rows
    if arguments.peers is not None:
        options["peers"] = arguments.peers
    result = module.run(say=_say, **options)
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        (arguments.output / f"{arguments.name}.json").write_text(json.dumps(result, indent=1) + "\n")
    if arguments.json:
        _print_json(result)
    else:
        print(module.summary(result))
    return 0


# --- small parts -----------------------------------------------------------------------------------------------------


def _open(arguments: argparse.Namespace) -> Memory:
    from placecell.memory.memory import Memory

    encoder = None if arguments.encoder == "auto" else arguments.encoder  # None: the one that the memory was made with
    return Memory.open(arguments.memory, encoder=encoder, mode="r")


def _filters(arguments: argparse.Namespace) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if arguments.start_s is not None or arguments.end_s is not None:
        filters["between"] = (arguments.start_s or 0.0, float("inf") if arguments.end_s is None else arguments.end_s)
    if arguments.agent:
        filters["agents"] = arguments.agent
    if arguments.label:
        filters["labels"] = arguments.label
    if arguments.near:
        filters["near"] = arguments.near
    return filters


def _time(text: str) -> float:
    from placecell.clock import parse_time

    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size(text: str) -> int:
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}.get(text[-1:].lower(), 1)
    try:
        value = int(float(text[:-1] if factor > 1 else text) * factor)
    except ValueError:
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


def _usage(message: str) -> int:
    _say(f"usage: {message}; see placecell --help")
    return 2


def _version() -> str:
    from placecell import __version__

    return f"placecell {__version__}"


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False))


def _say(message: str) -> None:
    print(f"placecell: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
