"""The wire: what is written is read, and nothing else is."""

import math
import zlib
from pathlib import Path

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from placecell.errors import ProtocolVersionError
from placecell.memory.delta import Delta
from placecell.memory.envelope import PERFORMATIVES, Envelope, close_frame, open_frame
from placecell.memory.packing import DICTIONARIES, deflated, inflated
from placecell.memory.sharing_testing import golden_frames
from placecell.memory.signing import KeyRegistry, Signer
from placecell.memory.subscriptions import Subscription
from placecell.memory.testing import same_record
from placecell.memory.wire import check_msgpack, unpacked

GOLDEN = Path(__file__).parent / "golden"
REFUSED = (ValueError, TypeError, ProtocolVersionError)  # TypeError: shapes are checked first in tests
FRAMES = golden_frames()
ATOMS = st.one_of(
    st.sampled_from([None, True, -1, 0, 1, 2**40, 2**64 - 1, -1.0, 0.0, 1e300, math.inf, math.nan]),
    st.sampled_from(["", "ann", "a/b", "a\0", "x" * 2000, b"", bytes(8), bytes(64)]),
    st.text(max_size=8),
)
ANYTHING = st.one_of(
    ATOMS,
    st.lists(ATOMS, max_size=4),
    st.dictionaries(st.sampled_from(["a", "ann", "detail", "near", ""]), st.one_of(ATOMS, st.lists(ATOMS)), max_size=2),
    st.lists(st.lists(ATOMS, max_size=2), max_size=2),
)


def message_of(frame: bytes) -> dict:
    return msgpack.unpackb(open_frame(frame)[0])


def test_there_is_a_golden_frame_of_every_performative():
    assert set(FRAMES) == set(PERFORMATIVES)
    assert {path.stem for path in GOLDEN.glob("*.msgpack")} == {*PERFORMATIVES, "signed", "plain"}


@pytest.mark.parametrize("name", sorted(PERFORMATIVES))
def test_golden_frames_are_written_and_read(name):
    """To write them anew after a change of version: python -m placecell.memory.sharing_testing tests/memory/golden"""
    frame = (GOLDEN / f"{name}.msgpack").read_bytes()
    whole, signature = open_frame(frame)
    assert whole == open_frame(FRAMES[name])[0]
    envelope = Envelope.from_bytes(whole)
    assert signature is None and envelope.to_bytes() == whole
    assert (envelope.performative, envelope.sender, envelope.session, envelope.sent_s) == (name, "ann", "s-1", 12.25)


def test_the_golden_delta_and_subscription_are_read():
    delta = Delta.from_bytes(message_of(FRAMES["inform"])["payload"]["delta"])
    assert delta.records[1].text == "der Schlüssel" and list(delta.pictures.values()) == [b"\xff\xd8jpeg"]
    again = Delta.from_bytes(delta.to_bytes())
    assert all(map(same_record, delta.records, again.records))
    wants = Subscription.from_dict(message_of(FRAMES["query"])["payload"]["wants"])
    assert wants.near == ((1.0, 0.0, -2.0), 5.0) and wants.detail == "summary"


def test_the_golden_signature_verifies_and_no_other_bytes_do():
    pytest.importorskip("cryptography", reason="needs the [team] extra")
    signer, keys = Signer(bytes(32)), KeyRegistry()
    keys.add("ann", signer.public)
    frame = (GOLDEN / "signed.msgpack").read_bytes()
    whole, signature = open_frame(frame)
    assert (whole, signature) == open_frame(golden_frames(signer)["claim"])
    assert keys.verifies("ann", whole, signature)
    assert not keys.verifies("ann", whole + b"\0", signature) and not keys.verifies("ann", whole, None)
    assert not keys.verifies("bob", whole, signature) and not keys.verifies("ann", whole, Signer().sign(whole))
    with pytest.raises(ValueError, match="another key is registered for 'ann'"):
        keys.add("ann", Signer().public)
    keys.remove("ann")
    assert not keys.verifies("ann", whole, signature) and not keys.agents("ann")


def test_golden_dictionaries_never_change_and_frames_may_be_plain():
    for number, dictionary in DICTIONARIES.items():
        assert (GOLDEN / f"dictionary-{number}.bin").read_bytes() == dictionary
    assert open_frame((GOLDEN / "plain.msgpack").read_bytes()) == open_frame(FRAMES["claim"])


@given(st.binary(max_size=3000))
def test_deflated_envelopes_come_back_whole(data):
    frame = close_frame(data)
    assert open_frame(frame) == (data, None) and len(frame) <= len(data) + 6
    short = deflated(data * 3)
    if short is not None:
        assert inflated(short, 1) == data * 3


def test_what_was_deflated_wrong_or_holds_too_much_is_refused():
    big = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = big.compress(bytes(1 << 26)) + big.flush()
    right = deflated(b"performative" * 9)
    assert right is not None and deflated(bytes(1 << 17)) is None
    for packed, number, words in (
        (bomb, 1, "more than 65536"),
        (right[:-2], 1, "cut short"),
        (right + b"\0", 1, "after its end"),
        (b"\xff" * 9, 1, "damaged"),
        (right, 2, r"dictionaries are \[1\], got number 2"),
        (right, True, "dictionary must be a number"),
        (right, None, "dictionary must be a number"),
    ):
        with pytest.raises(ValueError, match=words):
            open_frame(msgpack.packb([packed, None, number]))


@settings(max_examples=200)
@given(st.sampled_from(sorted(FRAMES)), st.data())
def test_any_value_in_any_field_is_right_or_refused_in_one_line(name, data):
    message = message_of(FRAMES[name])
    place, keys = message, list(message)
    field = data.draw(st.sampled_from([*keys, *(("payload", key) for key in message["payload"])]))
    if isinstance(field, tuple):
        place, field = message["payload"], field[1]
    place[field] = data.draw(ANYTHING)
    try:
        envelope = Envelope.from_bytes(msgpack.packb(message))
    except (ValueError, ProtocolVersionError) as error:
        assert str(error) and len(str(error)) < 400
    except TypeError:
        pass
    else:
        assert math.isfinite(envelope.sent_s) and envelope.seq >= 1
        assert msgpack.unpackb(envelope.to_bytes()) == message


@settings(max_examples=150)
@given(st.sampled_from(sorted(FRAMES)), st.data())
def test_damaged_frames_are_refused_or_differ_in_a_value_only(name, data):
    frame = FRAMES[name]
    position = data.draw(st.integers(0, len(frame) - 1))
    damage = data.draw(st.sampled_from(["cut", "drop", "add", "flip"]))
    byte = bytes([data.draw(st.integers(0, 255))])
    damaged = {
        "cut": frame[:position],
        "drop": frame[:position] + frame[position + 1 :],
        "add": frame[:position] + byte + frame[position:],
        "flip": frame[:position] + bytes([frame[position] ^ (byte[0] or 1)]) + frame[position + 1 :],
    }[damage]
    try:
        envelope = Envelope.from_bytes(open_frame(damaged)[0])
    except REFUSED:
        return
    assert damage == "flip" or damaged == frame
    assert close_frame(envelope.to_bytes())[:2] == frame[:2]


@settings(max_examples=300)
@given(st.binary(max_size=60))
@example(b"\xdd\xff\xff\xff\xff")  # a list of four thousand million values
@example(b"\xc6\xff\xff\xff\xff")
@example(b"\x91" * 60)
@example(b"\xc1")
@example(b"\xd6\x00\x00\x00\x00\x00")
@example(b"\x82\xa1a\x01\xa1a\x02")  # one key twice
@example(b"\xa1\xff")  # no text
def test_what_the_check_lets_through_msgpack_can_read(data):
    try:
        value = unpacked(data, "x", max_depth=8)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert unpacked(msgpack.packb(value), "x") == value or value != value or "nan" in repr(value)


@settings(max_examples=100)
@given(ANYTHING)
def test_the_check_lets_through_all_that_is_right(value):
    data = msgpack.packb(value)
    check_msgpack(data, "x")
    with pytest.raises(ValueError, match="may take"):
        check_msgpack(data, "x", max_bytes=len(data) - 1)
    with pytest.raises(ValueError, match="bytes long"):
        check_msgpack(data + b"\0", "x")


def test_deep_and_long_frames_and_other_versions_are_named():
    with pytest.raises(ValueError, match="nested deeper than 8"):
        unpacked(b"\x91" * 100_000 + b"\x90", "an envelope")
    with pytest.raises(ValueError, match="may take 100 bytes, got 101"):
        open_frame(bytes(101), max_bytes=100)
    message = message_of(FRAMES["release"]) | {"version": 1}
    with pytest.raises(ProtocolVersionError, match="version 1 of the protocol, this Placecell speaks 2: update"):
        Envelope.from_bytes(msgpack.packb(message))
    message = message_of(FRAMES["release"]) | {"more": 1}
    with pytest.raises(ValueError, match="the fields"):
        Envelope.from_bytes(msgpack.packb(message))


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(["detail", "near", "between", "labels", "agents", "x"]), ANYTHING))
@example({"detail": "record", "near": [0.0, 0.0, 0.0, -1.0]})
@example({"detail": "record", "between": [2.0, 1.0]})
def test_subscriptions_from_strangers_are_right_or_refused(values):
    try:
        wants = Subscription.from_dict(values)
    except REFUSED:
        return
    assert Subscription.from_dict(wants.to_dict()) == wants
