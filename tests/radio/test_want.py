"""Wants: requests come back as they were sent, and nothing else decodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.fragment import ObjectId
from app.radio.frame import FRAME_BYTES_MAX
from app.radio.want import WANTS_MAX, Trust, Want, decode_wants, encode_wants

names = st.binary(min_size=6, max_size=6).map(ObjectId)
counts = st.integers(1, 255)
wants = st.one_of(
    st.builds(Want, names, counts),
    st.builds(Want, names, counts, st.sampled_from([Trust.ONE, Trust.PAIR]), st.integers(0, 254)),
)


@given(st.lists(wants, max_size=WANTS_MAX))
def test_requests_come_back(asked: list[Want]) -> None:
    encoded = encode_wants(asked)
    assert decode_wants(encoded) == tuple(asked)
    # A control frame spends 6 bytes on its header, 16 on its tag and 1 on its kind.
    assert len(encoded) + 23 <= FRAME_BYTES_MAX


@given(st.binary(max_size=240))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        asked = decode_wants(data)
    except DecodeError as refusal:
        assert refusal.code in {"truncated", "count", "trust", "source"}
    else:
        assert encode_wants(asked) == data


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bytes(7), "truncated"),
        (bytes(6) + b"\0\0", "count"),
        (bytes(6) + b"\1\3", "trust"),
        (bytes(6) + b"\1\1", "source"),
        (bytes(6) + b"\1\2\xff", "source"),
        ((bytes(6) + b"\1\0") * (WANTS_MAX + 1), "count"),
    ],
)
def test_broken_requests_say_what_is_wrong(data: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_wants(data)
    assert refusal.value.code == code
