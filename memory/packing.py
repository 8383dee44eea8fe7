"""Short envelopes made shorter: deflated with a dictionary of what most envelopes hold.

Most of a short message is names of fields, which every message repeats. With a dictionary that both sides have, they
take a few bytes. The dictionary is part of the protocol: its bytes never change, a better one would get another number.
"""

from __future__ import annotations

import zlib
from typing import Final

__all__ = ["DICTIONARIES", "MOST_BYTES", "deflated", "inflated"]

#: Longest envelope that is deflated or inflated: a few bytes of a stranger must not fill the memory.
MOST_BYTES: Final = 1 << 16
_LEVEL: Final = 6

_INTERVALS: Final = b"".join(b"\xa8player_%d\x92\x01" % number for number in range(4))
_WANTS: Final = b"\xa5takes\x91\xa8player_0\xa5wants\x81\xa6detail\xa6record"
_WORDS: Final = (
    b"eat.cowdrink.watersleepfightshelter!place.table!place.furnace!make.stone_pickaxe!make.iron_pickaxe"
    b"!collect.coal!collect.iron!collect.diamond!collect.stone!collect.wood!explore.water!explore.diamond!explore.iron"
    b"!explore.coal!explore.stone!explore.wood"
)
_RECORD: Final = (
    b"\x01\xcb\x00\x00\x00\x00\x00\x00\x00\x00\xcb@\x30\x00\x00\x00\x00\x00\x00\xcb@\x30\x00\x00\x00\x00\x00\x00"
    b"\xcb\x00\x00\x00\x00\x00\x00\x00\x00\xc0\xd9"
)
_HEAD: Final = b"\x88\xa8protocol\xa9placecell\xa7version\x02\xacperformative"
_TAIL: Final = b"\xa7session\xa2s0\xa3seq\xcc\xa7sent_s\xcb@\x30\x00\x00\x00\x00\x00\x00\xa7payload"

#: By number; the more often something occurs, the nearer to the end it stands.
DICTIONARIES: Final = {
    1: b"".join(
        (
            b"\xa7request\xa7retract\xa8pictures\xa6reason\xa8reply_to\xa6refuse\xa6accept\xa7propose\xa5topic\xa4body",
            b"\xa5claim\x83\xa6target\xa4cost\xcb\xa7lease_s\xcb\xa7release\x81\xa6target",
            b"\xa5query\x83\xa4have\x86",
            _INTERVALS,
            _WANTS,
            _WORDS,
            b"0123456789 g9>gs>gw>tT,1>g,2>g,3>g,4>g,5>g @",
            _HEAD + b"\xa6inform\xa6sender\xa8player_0" + _TAIL,
            b"\x81\xa5delta\xc4\xcc\x85\xa7version\x02\xa7encoder\xc0\xactext_encoder\xc0\xa7records\x91\x9f\xa8player_0",
            _RECORD + b"@,9:~\xc0\x90\xc0\xa0\xc2\xc0\xc0\xa8pictures\x90",
        )
    )
}


def deflated(data: bytes, number: int = 1) -> bytes | None:
    """Raw DEFLATE (RFC 1951) of `data` with a dictionary; None where that is no shorter, or `data` too long.

    Example:
        >>> inflated(deflated(b"performative" * 3), 1)
        b'performativeperformativeperformative'
    """
    if len(data) > MOST_BYTES:
        return None
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15, zdict=DICTIONARIES[number])
    packed = packer.compress(data) + packer.flush()
    return packed if len(packed) < len(data) else None


def inflated(packed: bytes, number: int) -> bytes:
    """What was deflated.

    Raises:
        ValueError: If there is no such dictionary, the bytes are no DEFLATE, or what they hold is too long.
    """
    if number not in DICTIONARIES:
        raise ValueError(f"dictionaries are {sorted(DICTIONARIES)}, got number {number}")
    unpacker = zlib.decompressobj(-15, zdict=DICTIONARIES[number])
    try:
        data = unpacker.decompress(packed, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"a deflated envelope is damaged: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"a deflated envelope is cut short, has bytes after its end, or more than {MOST_BYTES} bytes")
    return data
