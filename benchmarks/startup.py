"""How long a person waits: the whole process of `--help`, `ask`, `search`, and an ingest of what is in already."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["run", "summary"]


def run(
    seed: int = 0, say: Callable[[str], None] = print, peers: Sequence[str] | None = None, repeats: int = 10
) -> dict[str, Any]:
    """Start each command `repeats` times in a process of its own, in turn.

    Args:
        seed: Of the footage.
        say: Takes one line per stage.
        peers: Not used: a start has no peer.
        repeats: Starts of each command.

    Returns:
        Per command the median, least and greatest seconds of wall clock.
    """
    from placecell.benchmarks.footage import write_footage
    from placecell.ingest import ingest
    from placecell.memory.memory import Memory

    with tempfile.TemporaryDirectory() as folder:
        video, memory = Path(folder) / "walk.mp4", Path(folder) / "walk.memory"
        write_footage(video, seconds=20, size=(320, 240), gop=30, seed=seed)
        with Memory.open(memory, encoder="builtin") as written:
            ingest(video, written)
        commands = {
            "--help": ["--help"],
            "ask": ["ask", str(memory), "where is the sofa?"],
            "search": ["search", str(memory), "red sofa"],
            "ingest, in already": ["ingest", str(video), "--memory", str(memory)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(repeats):
            say(f"turn {turn + 1} of {repeats}")
            for name, words in commands.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, "-m", "placecell.cli", *words], capture_output=True, check=True)
                seconds[name].append(time.perf_counter() - start)
    rows = {
        name: {"median_s": statistics.median(spent), "least_s": min(spent), "greatest_s": max(spent)}
        for name, spent in seconds.items()
    }
    return {"benchmark": "startup", "seed": seed, "repeats": repeats, "seconds": rows}


def summary(result: dict[str, Any]) -> str:
    """The figures as a table."""
    lines = [f"seconds from typing to done, {result['repeats']} starts each: median (least - greatest)"]
    for name, row in result["seconds"].items():
        lines.append(f"  {name:20s} {row['median_s']:.2f} ({row['least_s']:.2f} - {row['greatest_s']:.2f})")
    return "\n".join(lines)
