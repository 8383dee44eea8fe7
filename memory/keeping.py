"""Views of the scene put away in files of their own, and read back only if they would be folded the same today.

A file says what it was folded from and by which code; what was folded by other code, from records that are not there or
no longer hold, or is damaged, is not used: the log is the truth, and a view only saves the time to read it. Nothing in
a file can run: it names classes of plain state, and nothing else is ever made from it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import pickle
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["DAMAGE", "keep", "kept", "told"]

_MAGIC: Final = b"placecell view 1\n"
_LEVEL: Final = 1  # of compression: a fifth of the size, and a tenth of a second for a house
#: What may be wrong with a file that others wrote.
DAMAGE: Final = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, ImportError, zlib.error,
                 pickle.UnpicklingError)  # fmt: skip
#: Classes that hold the state of a view, besides dataclasses and named tuples.
_STATES: Final = frozenset(
    """AgentTracks Differences Duplicates FloorPlan Grid KeyViews ObjectMap Places RoomBook TrackTable""".split()  # noqa: SIM905
)
_OURS: Final = ("placecell.memory.", "placecell.perception.", "placecell.geometry")
_PLAIN: Final = frozenset({
    ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "slice"), ("builtins", "complex"),
    ("collections", "deque"), ("collections", "OrderedDict"), ("collections", "Counter"),
    ("numpy", "ndarray"), ("numpy", "dtype"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"), ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
})  # fmt: skip


def keep(path: Path, view: object, header: Mapping[str, Any], max_bytes: int | None = None) -> bool:
    """Put a view away in one step: a crash leaves the old file or the new one.

    Args:
        path: The file; its folder is made.
        view: What to put away.
        header: What it was folded from, as JSON.
        max_bytes: A larger file is not written.

    Returns:
        Whether it was written: not if it is too large, or holds anything that could not be read back.

    Raises:
        OSError: If it cannot be written; the old file is then still there.
    """
    try:
        packed = pickle.dumps(view, protocol=5)
        _Reader(io.BytesIO(packed)).load()
    except (pickle.PicklingError, *DAMAGE):
        return False
    packed = zlib.compress(packed, _LEVEL)
    head = json.dumps({**header, "code": _code(), "crc": zlib.crc32(packed)}).encode()
    if max_bytes is not None and len(_MAGIC) + len(head) + 1 + len(packed) > max_bytes:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(_MAGIC + head + b"\n" + packed)
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    for stale in path.parent.glob(f"{path.name}.*"):  # of processes that were killed
        with contextlib.suppress(OSError):
            stale.unlink()
    return True


def told(path: Path) -> dict[str, Any] | None:
    """What the view in a file was folded from; None if there is no file of this code that is whole to here."""
    try:
        with path.open("rb") as file:
            if file.readline() != _MAGIC:
                return None
            header = json.loads(file.readline())
        return header if isinstance(header, dict) and header["code"] == _code() else None
    except DAMAGE:
        return None


def kept(path: Path) -> object:
    """The view in a file.

    Raises:
        OSError, ValueError, LookupError, ...: One of `DAMAGE`, if it cannot be had.
    """
    with path.open("rb") as file:
        if file.readline() != _MAGIC:
            raise ValueError(f"{path} holds no view")
        header, packed = json.loads(file.readline()), file.read()
    if header["code"] != _code() or header["crc"] != zlib.crc32(packed):
        raise ValueError(f"{path} is of other code, or damaged")
    return _Reader(io.BytesIO(zlib.decompress(packed))).load()


class _Reader(pickle.Unpickler):
    """Makes arrays, containers and plain state; refuses everything else that a file may name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module.startswith(_OURS) and "." not in name:
            found = super().find_class(module, name)
            is_plain = isinstance(found, type) and (
                dataclasses.is_dataclass(found) or issubclass(found, tuple) or name in _STATES
            )
            if is_plain:
                return found
        raise pickle.UnpicklingError(f"a view may not hold {module}.{name}")


@cache
def _code() -> int:
    """Checksum of the code that folds views."""
    import placecell.geometry
    import placecell.perception

    found = 0
    folders = [Path(__file__).parent, *map(Path, placecell.perception.__path__)]
    for file in [Path(placecell.geometry.__file__), *sorted(p for folder in folders for p in folder.glob("*.py"))]:
        found = zlib.crc32(file.read_bytes(), zlib.crc32(file.name.encode(), found))
    return found
