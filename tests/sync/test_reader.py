"""The stream, cut anywhere, gives the same messages; what can't be one ends it at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import PeerError
from app.sync.message import LENGTH_BYTES, MESSAGE_BYTES_MAX, Message, encode_message
from app.sync.reader import MessageReader
from tests.sync.drawing import messages


@given(st.lists(messages(), max_size=5), st.integers(1, 50))
def test_messages_come_back_from_pieces_of_any_size(sent: list[Message], size: int) -> None:
    stream = b"".join(map(encode_message, sent))
    reader = MessageReader()
    heard: list[Message] = []
    for at in range(0, len(stream), size):
        heard += reader.feed(stream[at : at + size])
    assert heard == sent
    assert reader.pending_bytes == 0


@given(messages())
def test_a_message_that_is_not_whole_waits(message: Message) -> None:
    framed = encode_message(message)
    reader = MessageReader()
    assert reader.feed(framed[:-1]) == []
    assert reader.pending_bytes == len(framed) - 1
    assert reader.feed(framed[-1:]) == [message]


@pytest.mark.parametrize("length", [0, MESSAGE_BYTES_MAX + 1, 2**24 - 1])
def test_a_length_that_no_message_has_ends_it_before_its_bytes_come(length: int) -> None:
    with pytest.raises(PeerError):
        MessageReader().feed(length.to_bytes(LENGTH_BYTES, "big"))


def test_a_wrong_body_ends_it() -> None:
    with pytest.raises(PeerError):
        MessageReader().feed(b"\x00\x00\x01\x00")
