"""KISS framing: escapes round trip, any stream is survived, and no more than a frame is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.dialects.kiss_codec import (
    FRAME_BYTES_MAX,
    Deframer,
    RadioParameters,
    decode_radio,
    encode_frame,
    encode_hardware,
)

payloads = st.binary(max_size=255) | st.lists(st.sampled_from([0xC0, 0xDB, 0xDC, 0xDD]), max_size=100).map(bytes)


@given(st.lists(payloads, max_size=5), st.integers(1, 20))
def test_frames_survive_being_cut_anywhere(messages: list[bytes], step: int) -> None:
    stream = b"".join(encode_frame(0, message) for message in messages)
    deframer = Deframer()
    frames = [frame for at in range(0, len(stream), step) for frame in deframer.receive(stream[at : at + step])]
    assert frames == [b"\x00" + message for message in messages]
    assert deframer.damaged == 0


@given(st.binary(max_size=400), payloads)
def test_noise_never_swallows_the_frame_after_the_next_delimiter(noise: bytes, message: bytes) -> None:
    deframer = Deframer()
    deframer.receive(noise)
    assert deframer.receive(b"\xc0" + encode_frame(0, message))[-1] == b"\x00" + message


@given(st.binary(max_size=300))
def test_escaped_bytes_never_look_like_delimiters(payload: bytes) -> None:
    assert 0xC0 not in encode_frame(6, payload)[1:-1]


def test_what_comes_before_the_first_delimiter_is_boot_noise() -> None:
    deframer = Deframer()
    assert deframer.receive(b"rst:0x1 (POWERON)\r\n" + encode_frame(0, b"hi")) == [b"\x00hi"]
    assert deframer.damaged == 0


@pytest.mark.parametrize("inside", [b"\x00ab\xdb\x00cd", b"\x00ab\xdb", bytes(FRAME_BYTES_MAX + 1)])
def test_damaged_and_oversized_frames_are_counted_and_dropped(inside: bytes) -> None:
    deframer = Deframer()
    assert deframer.receive(b"\xc0" + inside + b"\xc0") == []
    assert deframer.damaged == 1
    assert deframer.receive(encode_frame(0, b"next")) == [b"\x00next"]


def test_an_endless_frame_takes_no_memory() -> None:
    deframer = Deframer()
    deframer.receive(b"\xc0")
    for _ in range(100):
        deframer.receive(bytes(10_000))
    assert len(deframer._frame) <= FRAME_BYTES_MAX


def test_set_radio_is_little_endian() -> None:
    # MeshCore's own example values: 869.618 MHz, 62.5 kHz, SF8, 4/8.
    radio = RadioParameters(869_618_000, 62_500, 8, 8)
    assert encode_hardware(0x09, radio.encode()).hex(" ") == "c0 06 09 50 51 d5 33 24 f4 00 00 08 08 c0"
    assert decode_radio(radio.encode()) == radio
    with pytest.raises(DecodeError):
        decode_radio(radio.encode()[:-1])
