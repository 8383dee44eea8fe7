"""The command line: parse, call one library function, print.

Data goes to stdout (`--json` prints one JSON object), progress and messages to stderr. Exit codes: 0 done, 1 failed,
2 wrong usage, 130 stopped by Ctrl-C. Everything heavy is imported inside the verb that needs it, so that `--help` is
instant.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from placecell.experiment_verbs import bench, cooperate, eqa, explore, navigate
from placecell.options import build_parser
from placecell.terminal import print_json, say, usage_error

if TYPE_CHECKING:
    from placecell.agents.reader import Answer
    from placecell.memory.memory import Memory

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Its words; those of the process if not given.

    Returns:
        The exit code: 0 done, 1 failed, 130 stopped by Ctrl-C.

    Raises:
        SystemExit: With code 2 for wrong usage, with 0 after `--help` and `--version`.
    """
    from placecell import __version__

    for stream in (sys.stdout, sys.stderr):  # a file's name may be no text, and a terminal may not know every letter
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = build_parser(_VERBS, f"placecell {__version__}")
    arguments = parser.parse_args(argv)
    if arguments.verb is None:
        parser.print_help()
        return 2
    from placecell.errors import PlacecellError

    try:
        with _quiet_libraries():
            code = int(arguments.run(arguments) or 0)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        say(_STOPPED.get(arguments.verb, "stopped"))
        return 130
    except BrokenPipeError:  # the reader of a pipe went away: no error of ours
        _drop_output()
        return 0
    except (PlacecellError, ValueError, OSError) as error:
        say(f"error: {' '.join(str(error).split())}")
        if isinstance(error, OSError):
            _drop_output()
        return 1


_ONWARD = "stopped; the episodes that are done are kept: the same command with --resume goes on"
_STOPPED = {
    "ingest": "stopped; what was written is kept, and the same command goes on from there",
    "explore": _ONWARD,
    "navigate": _ONWARD,
    "eqa": _ONWARD,
    "cooperate": _ONWARD,
}


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep what libraries log (retries of downloads, above all) out of the messages to people."""
    import logging

    before = logging.root.manager.disable
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _drop_output() -> None:
    """Let go of what could not be printed, or the interpreter would try, and complain, again at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --- the verbs -------------------------------------------------------------------------------------------------------


def _demo(arguments: argparse.Namespace) -> int:
    from placecell.demo import run_demo

    result = run_demo(arguments.output, seed=arguments.seed, say=say)
    if arguments.json:
        print_json(result.to_dict())
    else:
        print(result.summary())
    return 0  # what was answered wrong is shown, and is no failure of the command


def _ingest(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from placecell.errors import VideoError
    from placecell.ingest import IngestSettings, ingest, video_files
    from placecell.memory.memory import Memory
    from placecell.progress import IngestBar

    if arguments.end_s is not None and arguments.end_s <= arguments.start_s:
        usage_error("ingest", f"--to must lie after --from, got {arguments.start_s:g} s and {arguments.end_s:g} s")
    settings = IngestSettings(
        every_s=arguments.every,
        start_s=arguments.start_s,
        end_s=arguments.end_s,
        subtitles=arguments.subtitles,
        tiles=arguments.tiles,
    )
    files = video_files(arguments.source)
    reports, failures = [], []
    with Memory.open(arguments.memory, encoder=arguments.encoder, max_bytes=arguments.max_bytes) as memory:
        if arguments.encoder != "auto" and not (memory.encoder_name or "").startswith(f"{arguments.encoder}@"):
            _ = memory.encoder  # says at once if the memory belongs to another one
        for path in files:
            with IngestBar(path.name) as bar:
                try:
                    report = ingest(path, memory, settings, on_progress=bar.update)
                except VideoError as error:
                    if len(files) == 1:
                        raise
                    failures.append({"source": str(path), "error": str(error)})  # one bad file must not stop a folder
                    say(f"error: {error}")
                    continue
            reports.append(report)
            for note in report.notes:
                say(note)
            say(report.summary(arguments.memory))
        if any(report.state != "unchanged" for report in reports) and memory.encoder.notice:
            say(memory.encoder.notice)
    if arguments.json:
        print_json(
            {"memory": str(arguments.memory), "videos": [asdict(report) for report in reports], "failed": failures}
        )
    return 1 if failures else 0


def _ask(arguments: argparse.Namespace) -> int:
    from placecell.output import evidence_lines, save_evidence

    if arguments.choices is not None and len(arguments.choices) < 2:
        usage_error("ask", "--choices must be at least two texts")
    filters = _filters("ask", arguments)
    with _open(arguments) as memory:
        answer = _answer(memory, arguments, filters)
        extras, notes = save_evidence(memory, answer.evidence, arguments.thumbs, arguments.clips)
        notes = [*answer.notes, *notes, *(["the memory is empty: ingest a video first"] if not len(memory) else [])]
        if arguments.json:
            record = answer.to_dict() | {"notes": notes}
            for row, extra in zip(record["evidence"], extras, strict=True):
                row.update(extra)
            print_json(record)
        else:
            print(answer.text)
            for line in evidence_lines(answer.evidence, extras):
                print(line)
    for note in notes:
        say(note)
    return 0


def _answer(memory: Memory, arguments: argparse.Namespace, filters: dict[str, Any]) -> Answer:
    from placecell.agents.reader import EvidenceReader

    if arguments.chat_url:
        from placecell.agents.chat import ChatReader
        from placecell.experiment_verbs import chat_model

        chat = chat_model(arguments)
        assert chat is not None
        reader = ChatReader(memory, chat.client(), chat.max_pictures)
        return reader.ask(arguments.question, choices=arguments.choices, k=arguments.top, **filters)
    return EvidenceReader(memory).ask(arguments.question, choices=arguments.choices, k=arguments.top, **filters)


def _search(arguments: argparse.Namespace) -> int:
    from placecell.agents.answer import evidence_row
    from placecell.memory.calibration import NO_MATCH_BELOW
    from placecell.output import evidence_lines, read_image, save_evidence

    if (arguments.text is None) == (arguments.image is None):
        usage_error("search", "expected either a text or --image FILE")
    filters = _filters("search", arguments)
    with _open(arguments) as memory:
        query = arguments.text if arguments.image is None else read_image(arguments.image)
        hits = memory.recall(query, k=arguments.top, **filters)
        is_match = bool(hits) and hits[0].probability >= NO_MATCH_BELOW
        extras, notes = save_evidence(memory, hits, arguments.thumbs, arguments.clips)
        notes = [*hits.notes, *notes, *(["the memory is empty: ingest a video first"] if not len(memory) else [])]
        if arguments.json:
            rows = [evidence_row(hit) | extra for hit, extra in zip(hits, extras, strict=True)]
            asked = arguments.text or str(arguments.image)
            print_json({"query": asked, "is_match": is_match, "evidence": rows, "notes": notes})
        else:
            if not is_match:
                print("no match" + (f" (best probability {hits[0].probability:.2f})" if hits else ""))
            for line in evidence_lines(hits, extras):
                print(line)
    for note in notes:
        say(note)
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from placecell.output import memory_summary, summary_lines

    with _open(arguments) as memory:
        summary = memory_summary(memory)
    if arguments.json:
        print_json(summary)
    else:
        for line in summary_lines(summary):
            print(line)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from placecell.output import export_lines, write_lines

    with _open(arguments) as memory:
        lines = export_lines(memory, arguments.format)
        if arguments.output is None:
            for line in lines:
                print(line)
        else:
            num = write_lines(arguments.output, lines)
            say(f"written: {arguments.output} ({num} lines)")
    return 0


def _encoder_list(arguments: argparse.Namespace) -> int:
    from placecell.perception.encoders import list_encoders

    rows = list_encoders()
    if arguments.json:
        print_json({"encoders": rows})
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
        print_json(report.to_dict())
    else:
        print(report)
    return 0


_VERBS = {
    "demo": _demo,
    "ingest": _ingest,
    "ask": _ask,
    "search": _search,
    "info": _info,
    "export": _export,
    "encoder list": _encoder_list,
    "encoder export": _encoder_export,
    "explore": explore,
    "navigate": navigate,
    "eqa": eqa,
    "cooperate": cooperate,
    "bench": bench,
}


# --- small parts -----------------------------------------------------------------------------------------------------


def _open(arguments: argparse.Namespace) -> Memory:
    from placecell.errors import PlacecellError
    from placecell.memory.memory import Memory

    if not arguments.memory.exists():
        raise PlacecellError(f"no memory at {arguments.memory}: make one by placecell ingest VIDEO --memory DIR")
    encoder = getattr(arguments, "encoder", "auto")
    encoder = None if encoder == "auto" else encoder  # None: the one that the memory was made with
    memory = Memory.open(arguments.memory, encoder=encoder, mode="r")
    if encoder is not None:
        try:
            _ = memory.encoder  # who names one wants it: say at once if it is not at hand, or not the memory's
        except BaseException:
            memory.close()
            raise
    return memory


def _filters(verb: str, arguments: argparse.Namespace) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    start_s, end_s = arguments.start_s, arguments.end_s
    if start_s is not None or end_s is not None:
        filters["between"] = (start_s or 0.0, float("inf") if end_s is None else end_s)
        if filters["between"][0] > filters["between"][1]:
            usage_error(verb, f"--to must lie after --from, got {start_s:g} s and {end_s:g} s")
    if arguments.agent:
        filters["agents"] = arguments.agent
    if arguments.label:
        filters["labels"] = arguments.label
    if arguments.near:
        filters["near"] = arguments.near
    return filters


if __name__ == "__main__":
    sys.exit(main())
