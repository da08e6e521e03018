"""The frames' bytes: one encoding each, and any bytes decode to a frame or a DecodeError."""

from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.envelope import ENVELOPE_BYTES_MIN
from app.errors import DecodeError
from app.radio.fragment import Encoder
from app.radio.frame import (
    CONTROL_TYPE,
    FRAME_BYTES_MAX,
    HOPS_MAX,
    LOG_NUMBER_MAX,
    RECEIPT_PREFIXES_MAX,
    EnvelopeFrame,
    EnvelopePrefix,
    Frame,
    LinkKeys,
    NodeIndex,
    ReceiptFrame,
    SymbolFrame,
    decode_frame,
    encode_frame,
    envelope_frame_bytes,
    is_control,
    peek_frame,
    receipt_frame_bytes,
    symbol_frame_bytes,
)

LINK = LinkKeys(b"s" * 16, (b"new" * 11, b"old" * 11))
indexes = st.integers(0, 254).map(NodeIndex)
envelope_frames = st.builds(
    EnvelopeFrame,
    sender=indexes,
    hops=st.integers(0, HOPS_MAX),
    entry=indexes,
    number=st.integers(1, LOG_NUMBER_MAX),
    envelope=st.binary(min_size=ENVELOPE_BYTES_MIN, max_size=FRAME_BYTES_MAX - 12),
)
receipt_frames = st.builds(
    ReceiptFrame,
    sender=indexes,
    counter=st.integers(0, 2**32 - 1),
    prefixes=st.lists(st.binary(min_size=6, max_size=6).map(EnvelopePrefix), max_size=RECEIPT_PREFIXES_MAX).map(tuple),
)
symbol_frames = st.builds(
    SymbolFrame,
    sender=indexes,
    hops=st.integers(0, HOPS_MAX),
    entry=indexes,
    number=st.integers(1, LOG_NUMBER_MAX),
    symbol=st.builds(
        lambda envelope, index: Encoder(envelope, FRAME_BYTES_MAX).symbol(index),
        st.binary(min_size=300, max_size=900),
        st.integers(0, 16_383),
    ),
)
frames = st.one_of(envelope_frames, receipt_frames)


@given(frames)
def test_round_trip(frame: Frame) -> None:
    encoded = encode_frame(frame, LINK)
    assert len(encoded) <= FRAME_BYTES_MAX
    assert decode_frame(encoded, LINK) == frame == peek_frame(encoded)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_an_error(data: bytes) -> None:
    for decode in (partial(decode_frame, link=LINK), peek_frame):
        try:
            decode(data)
        except DecodeError as error:
            assert error.code in {"size", "version", "type", "mac", "field", "varint", "truncated"}


@given(symbol_frames)
def test_a_symbols_frame_comes_back(frame: SymbolFrame) -> None:
    encoded = encode_frame(frame, LINK)
    assert len(encoded) <= symbol_frame_bytes(len(frame.symbol.data)) <= FRAME_BYTES_MAX
    assert decode_frame(encoded, LINK) == frame
    with pytest.raises(DecodeError):
        peek_frame(encoded)


@given(symbol_frames)
def test_a_symbol_of_an_older_epoch_is_heard_and_a_strangers_is_not(frame: SymbolFrame) -> None:
    assert decode_frame(encode_frame(frame, LinkKeys(LINK.space_id, LINK.keys[1:])), LINK) == frame
    with pytest.raises(DecodeError) as caught:
        decode_frame(encode_frame(frame, LinkKeys(LINK.space_id, (b"x" * 32,))), LINK)
    assert caught.value.code == "mac"


@given(symbol_frames, indexes)
def test_a_symbol_under_a_pair_key_is_known_as_such(frame: SymbolFrame, asker: NodeIndex) -> None:
    mine = LinkKeys(LINK.space_id, LINK.keys, {asker: b"ours alone"})
    theirs = LinkKeys(LINK.space_id, LINK.keys, {frame.sender: b"ours alone"})
    encoded = encode_frame(msgspec.structs.replace(frame, pair=asker), mine)
    assert decode_frame(encoded, theirs) == msgspec.structs.replace(frame, pair=frame.sender)
    with pytest.raises(DecodeError) as caught:
        decode_frame(encoded, LINK)
    assert caught.value.code == "mac"


@given(st.binary(max_size=233))
def test_any_symbol_is_read_or_refused(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_frame(b"\x12" + data[:232], LINK)
    assert caught.value.code in {"size", "mac", "field", "varint", "truncated", "oversized", "cut"}


def test_control_frames_are_told_apart() -> None:
    assert is_control(bytes([0x10 | CONTROL_TYPE]) + bytes(30))
    assert not any(map(is_control, (b"", b"\x10", b"\x24")))


@given(frames | symbol_frames, st.data())
def test_one_changed_bit_is_noticed(frame: Frame, data: st.DataObject) -> None:
    encoded = bytearray(encode_frame(frame, LINK))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DecodeError):
        decode_frame(bytes(encoded), LINK)


@given(frames)
def test_decoding_is_strict(frame: Frame) -> None:
    """What decodes without its MAC encodes to the same bytes again: one value has one encoding."""
    encoded = encode_frame(frame, LINK)
    assert encode_frame(peek_frame(encoded), LINK) == encoded


@given(frames)
def test_an_older_epochs_frames_are_heard_and_a_strangers_are_not(frame: Frame) -> None:
    older = LinkKeys(LINK.space_id, LINK.keys[1:])
    assert decode_frame(encode_frame(frame, older), LINK) == frame
    for stranger in (LinkKeys(b"t" * 16, LINK.keys), LinkKeys(LINK.space_id, (b"x" * 32,))):
        with pytest.raises(DecodeError) as caught:
            decode_frame(encode_frame(frame, stranger), LINK)
        assert caught.value.code == "mac"


@given(envelope_frames, st.integers(0, RECEIPT_PREFIXES_MAX))
def test_sizes_are_known_beforehand(frame: EnvelopeFrame, count: int) -> None:
    assert len(encode_frame(frame, LINK)) == envelope_frame_bytes(len(frame.envelope), frame.number)
    receipt = ReceiptFrame(frame.sender, 1, (EnvelopePrefix(b"prefix"),) * count)
    assert len(encode_frame(receipt, LINK)) == receipt_frame_bytes(count)


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "size"), (bytes(234), "size"), (b"\x20" + bytes(40), "version"), (b"\x13" + bytes(40), "type"),
     (b"\x10", "mac"), (b"\x10" + bytes(200), "mac")],
)  # fmt: skip
def test_what_is_wrong_is_named(data: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_frame(data, LINK)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"\x10\xff\x00\x00\x01" + bytes(95), "field"), (b"\x10\x00\x10\x00\x01" + bytes(95), "field"),
     (b"\x10\x00\x00\x00\x00" + bytes(95), "field"), (b"\x10\x00\x00\x00\x81\x00" + bytes(95), "varint"),
     (b"\x10\x00\x00\x00\x01" + bytes(90), "size"), (b"\x11\x00\x00\x00\x00\x01abc", "size"),
     (b"\x11\xff\x00\x00\x00\x01", "field")],
)  # fmt: skip
def test_fields_out_of_range(body: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        peek_frame(body + bytes(8 if body[0] == 0x11 else 4))
    assert caught.value.code == code


@given(st.frozensets(st.integers(0, 254).map(NodeIndex), max_size=40), st.integers(0, 2**32 - 1))
def test_a_list_of_neighbors_comes_back(hears: frozenset[NodeIndex], counter: int) -> None:
    frame = ReceiptFrame(NodeIndex(7), counter, (), hears)
    encoded = encode_frame(frame, LINK)
    assert decode_frame(encoded, LINK) == frame
    assert len(encoded) == 14 + (max(hears, default=-1) // 8 + 1)


@pytest.mark.parametrize("listed", [b"\x00", b"\x01\x00", bytes(31) + b"\x80", bytes(32) + b"\x01"])
def test_a_list_of_neighbors_has_one_encoding(listed: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        peek_frame(b"\x15\x01" + bytes(4) + listed + bytes(8))
    assert caught.value.code == "field"


def test_a_members_secret_is_not_printed() -> None:
    assert "new" not in repr(LINK)
