"""Messages: each comes back from its bytes, and no other bytes are one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import PeerError
from app.sync.message import (
    LENGTH_BYTES,
    MESSAGE_BYTES_MAX,
    Bye,
    Entries,
    EntryRun,
    Held,
    Hello,
    Known,
    Message,
    Role,
    Settled,
    decode_body,
    encode_body,
    encode_message,
)
from tests.sync.drawing import MESSAGES, messages


@given(messages())
def test_a_message_comes_back_from_its_bytes(message: Message) -> None:
    assert decode_body(encode_body(message)) == message
    framed = encode_message(message)
    assert int.from_bytes(framed[:LENGTH_BYTES], "big") == len(framed) - LENGTH_BYTES


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(body: bytes) -> None:
    try:
        message = decode_body(body)
    except PeerError:
        return
    assert encode_body(message) == body


@given(messages(), st.data())
def test_changed_bytes_are_a_message_or_an_error(message: Message, data: st.DataObject) -> None:
    body = bytearray(encode_body(message))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = decode_body(bytes(body))
    except PeerError:
        return
    assert encode_body(other) == bytes(body)


def test_kinds_have_numbers_of_their_own() -> None:
    tags = [kind.__struct_config__.tag for kind in MESSAGES]
    assert len(set(tags)) == len(tags)
    assert all(isinstance(tag, int) and 0 <= tag < 128 for tag in tags)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x92\x06\xcd\x00\x07",  # 7 in three bytes
        b"\x93\x06\x00\x00",  # a field too many
        b"\x91\x06",  # one too few
        b"\x92\x06\x00\x00",  # bytes behind the message
        b"\x92\x06\xff",  # a run below none
        b"\x92\x06\xc0",  # nothing for a number
        b"\x92\x7f\x00",  # a kind that isn't there
        b"\x92\x05\xdd\xff\xff\xff\xff",  # four thousand million refusals
        b"\xdd\xff\xff\xff\xff\x05",
        b"\x92\x12\xdb\xff\xff\xff\xff",
        b"\x92\x12\xa2\xff\xff",  # a word that is no UTF-8
        b"\x91" * 100_000,
        b"\x92\x01" + b"\x91" * 100_000,
    ],
)
def test_what_is_no_message_is_an_error(body: bytes) -> None:
    with pytest.raises(PeerError):
        decode_body(body)


@pytest.mark.parametrize(
    "message",
    [
        Hello(255, Role.MEMBER, bytes(8), bytes(8), True),
        Hello(1, Role.MEMBER, bytes(8), bytes(7), True),
        Entries((EntryRun(1, 1, (bytes(93),)),)),
        Entries((EntryRun(1, 1, (bytes(9000),)),)),
        Entries((EntryRun(1, 0, (bytes(95),)),)),
        Entries((EntryRun(1, 2**28, (bytes(95),)),)),
        Entries((EntryRun(1, 1, (bytes(95),) * 251),)),
        Entries((EntryRun(1, 1, ()),)),
        Entries(()),
        Held((250,)),
        Settled(2**16),
        Bye("x" * 33),
    ],
)
def test_what_breaks_a_limit_is_an_error(message: Any) -> None:
    with pytest.raises(PeerError):
        decode_body(encode_body(message))


def test_a_message_has_at_most_a_mebibyte() -> None:
    assert MESSAGE_BYTES_MAX < 1 << 8 * LENGTH_BYTES
    with pytest.raises(AssertionError):
        encode_message(Entries((EntryRun(1, 1, (bytes(8000),) * 250),)))


def test_the_smallest_messages_are_a_handful_of_bytes() -> None:
    assert len(encode_message(Held(()))) == 6
    assert len(encode_message(Known(()))) == 6
