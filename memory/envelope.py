"""Envelopes: what agents send each other, checked field by field, and the frames that carry them.

A frame is `[envelope, signature]` in msgpack: the envelope as bytes, and 64 bytes of Ed25519 over them or nothing; or
`[deflated, signature, dictionary]`, which is shorter. What an envelope says is one of the performatives; each has a
payload with fields of its own.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack

from placecell.errors import ProtocolVersionError
from placecell.memory.delta import MAX_SEQ
from placecell.memory.packing import deflated, inflated
from placecell.memory.wire import MAX_FRAME_BYTES, unpacked

__all__ = ["PERFORMATIVES", "PROTOCOL", "PROTOCOL_VERSION", "Envelope", "close_frame", "open_frame"]

PROTOCOL = "placecell"
PROTOCOL_VERSION = 2
MAX_INTERVALS = 4096  # of one agent, in a query
_SESSION = re.compile(r"[0-9A-Za-z_-]{1,32}")
_FIELDS = ("protocol", "version", "performative", "sender", "session", "seq", "sent_s", "payload")


def _name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and "/" not in value and value.isprintable()


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 1024


def _number(value: object) -> bool:
    return type(value) is float and math.isfinite(value)


def _seconds(value: object) -> bool:
    return isinstance(value, float) and 0 < value < math.inf


def _seq(value: object) -> bool:
    return type(value) is int and 1 <= value <= MAX_SEQ


def _intervals(value: object) -> bool:
    """Ends of closed intervals, ascending and apart."""
    if not isinstance(value, list) or len(value) % 2 or len(value) > 2 * MAX_INTERVALS or not all(map(_seq, value)):
        return False
    return all(a < b if i % 2 else a <= b for i, (a, b) in enumerate(zip(value, value[1:], strict=False)))


def _have(value: object) -> bool:
    return isinstance(value, dict) and all(_name(key) and _intervals(row) for key, row in value.items())


def _ids(value: object) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= 256:
        return False
    return all(isinstance(row, list) and len(row) == 2 and _name(row[0]) and _seq(row[1]) for row in value)


def _names(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) <= 256 and all(map(_name, value)))


def _message_id(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 8


def _anything(value: object) -> bool:
    return True


_Check = tuple[str, Callable[[object], bool]]
_DELTA: dict[str, _Check] = {"delta": ("bytes of a delta", lambda value: isinstance(value, bytes))}
#: What each performative carries: per field what is expected, and whether a value is that.
PERFORMATIVES: Mapping[str, Mapping[str, _Check]] = {
    "inform": _DELTA,
    "retract": _DELTA,
    "query": {
        "have": ("a map of agents to ascending ends of intervals", _have),
        "takes": ("a list of agents, or nothing for all", _names),
        "wants": ("a map", lambda value: isinstance(value, dict)),
    },
    "request": {"pictures": ("1 to 256 pairs of agent and seq", _ids)},
    "propose": {"topic": ("a text up to 1024 characters", _text), "body": ("anything", _anything)},
    "accept": {"reply_to": ("the 8 bytes of a message_id", _message_id), "body": ("anything", _anything)},
    "refuse": {
        "reply_to": ("the 8 bytes of a message_id, or nothing", lambda value: value is None or _message_id(value)),
        "reason": ("a text up to 1024 characters", _text),
    },
    "claim": {
        "target": ("a text up to 1024 characters", _text),
        "cost": ("a finite number", _number),
        "lease_s": ("seconds above 0", _seconds),
    },
    "release": {"target": ("a text up to 1024 characters", _text)},
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message.

    Args:
        performative: What kind of message it is, a key of `PERFORMATIVES`.
        sender: Name of the agent.
        session: Drawn anew whenever the agent starts, so that two agents of one name are told apart.
        seq: 1, 2, ... within the session, whoever the messages go to.
        sent_s: Clock of the sender, seconds; clocks of two agents may differ by any amount.
        payload: The fields of the performative.

    Raises:
        ValueError: If a field is not what it should be.

    Example:
        >>> envelope = Envelope("release", "ann", "s1", 1, 0.0, {"target": "door"})
        >>> Envelope.from_bytes(envelope.to_bytes()) == envelope
        True
    """

    performative: str
    sender: str
    session: str
    seq: int
    sent_s: float
    payload: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks = PERFORMATIVES.get(self.performative) if isinstance(self.performative, str) else None
        if checks is None:
            raise _wrong("performative", f"one of {', '.join(PERFORMATIVES)}", self.performative)
        if not _name(self.sender):
            raise _wrong("sender", "a name of 1 to 64 characters without '/'", self.sender)
        if not isinstance(self.session, str) or not _SESSION.fullmatch(self.session):
            raise _wrong("session", "1 to 32 letters, digits, '-' or '_'", self.session)
        if not _seq(self.seq):
            raise _wrong("seq", f"an integer from 1 to {MAX_SEQ}", self.seq)
        if not _number(self.sent_s):
            raise _wrong("sent_s", "a finite number of seconds", self.sent_s)
        if not isinstance(self.payload, Mapping) or set(self.payload) != set(checks):
            found = sorted(map(str, self.payload)) if isinstance(self.payload, Mapping) else self.payload
            raise _wrong(f"payload of {self.performative}", f"the fields {sorted(checks)}", found)
        for name, (expected, is_right) in checks.items():
            if not is_right(self.payload[name]):
                raise _wrong(f"{name} of {self.performative}", expected, self.payload[name])

    @property
    def message_id(self) -> bytes:
        """Eight bytes that follow from sender, session and seq, by which an answer names it."""
        whole = f"{self.sender}\0{self.session}\0{self.seq}".encode()
        return hashlib.blake2b(whole, digest_size=8).digest()

    def to_bytes(self) -> bytes:
        """The envelope as msgpack."""
        values = (PROTOCOL, PROTOCOL_VERSION, self.performative, self.sender, self.session, self.seq)
        message = dict(zip(_FIELDS, (*values, self.sent_s, dict(self.payload)), strict=True))
        packed: bytes = msgpack.packb(message, use_bin_type=True)
        return packed

    @classmethod
    def from_bytes(cls, data: bytes, max_bytes: int = MAX_FRAME_BYTES) -> Envelope:
        """Read what `to_bytes` wrote, trusting nothing.

        Raises:
            ProtocolVersionError: If it is of another version of the protocol.
            ValueError: If it is no envelope, too long, nested too deep, or a field is not what it should be.
        """
        message = unpacked(data, "an envelope", max_bytes)
        if not isinstance(message, dict) or message.get("protocol") != PROTOCOL:
            raise ValueError(f"an envelope is a map whose protocol is {PROTOCOL!r}")
        version = message.get("version")
        if type(version) is not int:
            raise _wrong("version", "an integer", version)
        if version != PROTOCOL_VERSION:
            raise ProtocolVersionError(
                f"this message speaks version {version} of the protocol, this Placecell speaks {PROTOCOL_VERSION}: "
                "update the older of the two"
            )
        if set(message) != set(_FIELDS):
            raise _wrong("an envelope", f"the fields {sorted(_FIELDS)}", sorted(message))
        return cls(*(message[name] for name in ("performative", "sender", "session", "seq", "sent_s", "payload")))


def close_frame(envelope: bytes, signature: bytes | None = None) -> bytes:
    """The bytes that a transport carries: the envelope deflated, where that is shorter."""
    short = deflated(envelope)
    parts = [envelope, signature] if short is None else [short, signature, 1]
    packed: bytes = msgpack.packb(parts, use_bin_type=True)
    return packed


def open_frame(frame: bytes, max_bytes: int = MAX_FRAME_BYTES) -> tuple[bytes, bytes | None]:
    """Bytes of the envelope in a frame, and its signature if it has one. Nothing is verified.

    Raises:
        ValueError: If this is no frame, or too long.
    """
    parts = unpacked(frame, "a frame", max_bytes, max_depth=1)
    if not isinstance(parts, list) or len(parts) not in (2, 3) or not isinstance(parts[0], bytes):
        raise ValueError("a frame is [envelope, signature], both bytes, or [deflated, signature, dictionary]")
    envelope, signature, *number = parts
    if signature is not None and not (isinstance(signature, bytes) and len(signature) == 64):
        raise ValueError("a signature has 64 bytes")
    if number:
        if type(number[0]) is not int:
            raise _wrong("dictionary", "a number", number[0])
        envelope = inflated(envelope, number[0])
    return envelope, signature


def _wrong(name: str, expected: str, got: object) -> ValueError:
    shown = repr(got)
    return ValueError(f"{name} must be {expected}, got {shown if len(shown) <= 80 else shown[:77] + '...'}")
