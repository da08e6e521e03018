"""RNode's byte before each frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.dialects import on_air


@given(st.binary(max_size=254), st.integers(0, 1000))
def test_round_trip(frame: bytes, sequence: int) -> None:
    packet = on_air.wrap(frame, sequence)
    assert len(packet) == len(frame) + on_air.HEADER_BYTES
    assert on_air.unwrap(packet) == frame


@pytest.mark.parametrize("packet", [b"", b"\x31half of a split packet", b"\x02other flags"])
def test_other_peoples_packets(packet: bytes) -> None:
    with pytest.raises(DecodeError):
        on_air.unwrap(packet)
