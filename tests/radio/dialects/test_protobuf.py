"""Protocol Buffers: what the documentation gives as examples, round trips, and bytes that break every rule."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.dialects import protobuf
from app.radio.dialects.protobuf import (
    FIELD_NUMBER_MAX,
    Wire,
    bytes_field,
    decode,
    fixed32_field,
    float_field,
    int_field,
    text_field,
    uint_field,
)

numbers = st.integers(1, FIELD_NUMBER_MAX)
uint32 = st.integers(0, 2**32 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)


def test_the_documentations_examples() -> None:
    assert uint_field(1, 150) == bytes.fromhex("089601")
    assert text_field(2, "testing") == bytes.fromhex("120774657374696e67")
    assert bytes_field(3, uint_field(1, 150)) == bytes.fromhex("1a03089601")
    assert int_field(1, -2) == bytes.fromhex("08feffffffffffffffff01")


@given(numbers, uint32, int32, st.binary(max_size=300))
def test_values_come_back(number: int, unsigned: int, signed: int, content: bytes) -> None:
    assert decode(uint_field(number, unsigned)).uint32(number) == unsigned
    assert decode(int_field(number, signed)).int32(number) == signed
    assert decode(fixed32_field(number, unsigned)).fixed32(number) == unsigned
    assert decode(bytes_field(number, content)).content(number) == content


@given(numbers, st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_come_back(number: int, value: float) -> None:
    assert decode(float_field(number, value)).float32(number) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_floats_that_are_no_number_read_as_absent(value: float) -> None:
    assert decode(float_field(3, value)).float32(3) is None


def test_absence() -> None:
    message = decode(b"")
    assert message.uint32(1) == message.fixed32(1) == message.int32(1) == 0
    assert not message.boolean(1)
    assert (message.float32(1), message.content(1), message.message(1)) == (None, None, None)
    assert message.text(1) == ""
    assert uint_field(1, 0) == fixed32_field(1, 0) == float_field(1, None) == text_field(1, "") == b""
    assert decode(uint_field(1, 0, always=True)).has(1, Wire.VARINT)


def test_a_field_of_another_kind_is_passed_over() -> None:
    message = decode(text_field(1, "words") + fixed32_field(2, 7))
    assert message.uint32(1) == 0
    assert message.content(2) is None
    assert message.uint32(2) == 0


def test_the_last_of_several_counts() -> None:
    assert decode(uint_field(1, 1) + uint_field(1, 2)).uint32(1) == 2


def test_wide_numbers_lose_their_upper_bits_and_strings_their_bad_bytes() -> None:
    assert decode(uint_field(1, 2**63 + 5)).uint32(1) == 5
    assert decode(bytes_field(1, b"a\xffb")).text(1) == "a\ufffdb"


@pytest.mark.parametrize(
    "broken",
    [
        "08",  # a tag without a value
        "0896",  # a number that goes on
        "08ffffffffffffffffffff01",  # eleven bytes
        "0a05616263",  # five bytes announced, three there
        "0d010203",  # three bytes of four
        "09010203040506",  # six of eight
        "0b",  # a group
        "0f",  # wire type 7
        "00",  # field 0
        "ffffffffff7f",  # a tag of six bytes
    ],
)
def test_what_breaks_the_format_is_refused(broken: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(bytes.fromhex(broken))
    assert caught.value.code == "protobuf"


@given(st.binary(max_size=512))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        message = decode(data)
        message.message(1)
    except DecodeError:
        return
    for number in range(1, 20):
        message.uint32(number), message.int32(number), message.float32(number), message.text(number)


@given(st.lists(st.tuples(numbers, uint32), max_size=20))
def test_fields_stand_beside_each_other(fields: list[tuple[int, int]]) -> None:
    message = decode(b"".join(fixed32_field(number, value) for number, value in fields))
    for number, value in dict(fields).items():
        assert message.fixed32(number) == value or any(field == (number, 0) for field in fields)


def test_fixed64_is_skipped_whole() -> None:
    data = protobuf.uint_field(1, 3) + b"\x11" + struct.pack("<Q", 2**64 - 1) + uint_field(3, 4)
    message = decode(data)
    assert (message.uint32(1), message.uint32(3)) == (3, 4)
