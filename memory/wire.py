"""Limits on msgpack that strangers send, checked by its headers before anything of it is decoded."""

from __future__ import annotations

from typing import Any

import msgpack

__all__ = ["MAX_DEPTH", "MAX_FRAME_BYTES", "check_msgpack", "unpacked"]

MAX_FRAME_BYTES = 1 << 20
MAX_DEPTH = 8

# Bytes that a value takes, header included, by its first byte; 0: a length follows, or it holds others; -1: refused.
_STEP = [1] * 0x80 + [0] * 0x20 + list(range(1, 33)) + [1, -1, 1, 1, 0, 0, 0, -1, -1, -1, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9]
_STEP += [-1] * 5 + [0] * 7 + [1] * 32
_LENGTH = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}  # binary and text: width of the length
_COUNT = {
    0xDC: (2, 1),
    0xDD: (4, 1),
    0xDE: (2, 2),
    0xDF: (4, 2),
}  # lists, maps: width of the count, values each


def check_msgpack(data: bytes, name: str, max_bytes: int | None = MAX_FRAME_BYTES, max_depth: int = MAX_DEPTH) -> None:
    """See to it that `data` is one whole msgpack value that is not too long and not nested too deep.

    Only headers are read, so that nothing is built of what is refused. Extension types are refused: nothing needs them.

    Raises:
        ValueError: If it is not; the message begins with `name`.

    Example:
        >>> check_msgpack(msgpack.packb([1, {"a": b"xyz"}]), "a note")
        >>> check_msgpack(msgpack.packb([[[[]]]]), "a note", max_depth=3)
        Traceback (most recent call last):
        ValueError: a note is nested deeper than 3
    """
    num = len(data)
    if max_bytes is not None and num > max_bytes:
        raise ValueError(f"{name} may take {max_bytes} bytes, got {num}")
    position, left = 0, 1
    above: list[int] = []  # how many values are left in each list or map around
    while True:
        while not left:
            if not above:
                if position != num:
                    raise ValueError(f"{name} is {position} bytes long, got {num}")
                return
            left = above.pop()
        if position >= num:
            raise ValueError(f"{name} is cut short after {num} bytes")
        left -= 1
        head = data[position]
        step = _STEP[head]
        if step > 0:
            position += step
        elif step < 0:
            raise ValueError(f"{name} holds a type that is not allowed: 0x{head:02x}")
        elif head in _LENGTH:
            width = _LENGTH[head]
            position += 1 + width + int.from_bytes(data[position + 1 : position + 1 + width], "big")
        else:
            if head < 0xA0:
                count, width = (head & 15) * (2 if head < 0x90 else 1), 0
            else:
                width, values = _COUNT[head]
                count = int.from_bytes(data[position + 1 : position + 1 + width], "big") * values
            position += 1 + width
            if count > num - position:
                raise ValueError(f"{name} is cut short after {num} bytes")
            above.append(left)
            left = count
            if len(above) > max_depth:
                raise ValueError(f"{name} is nested deeper than {max_depth}")


def unpacked(data: bytes, name: str, max_bytes: int | None = MAX_FRAME_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """What `data` holds, once its size and depth were checked; maps have text for keys, each once.

    Raises:
        ValueError: If it is no msgpack or breaks a limit.
    """
    check_msgpack(data, name, max_bytes, max_depth)
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=True, object_pairs_hook=_map)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise ValueError(f"{name} is no msgpack: {error or type(error).__name__}") from error


def _map(pairs: list[tuple[object, object]]) -> dict[str, object]:
    found = {key: value for key, value in pairs if isinstance(key, str)}
    if len(found) != len(pairs):
        raise ValueError("keys must be text, and each may stand once")
    return found
