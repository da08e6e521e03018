"""The record: one value, one encoding; any bytes, a value or a DecodeError."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.keys import DeviceKey, SpaceId
from app.core.record import (
    BODY_BYTES_MAX,
    MINUTES_MAX,
    SEQUENCE_MAX,
    Lifetime,
    Record,
    compose,
    decode_signed,
    decode_varint,
    encode_varint,
    record_id,
    sign,
)
from app.errors import DecodeError, InputError

KEY = DeviceKey(b"\x01" * 32)
SPACE = SpaceId(b"\x02" * 16)

records = st.builds(
    compose,
    lifetime=st.sampled_from(Lifetime),
    author=st.just(KEY.device_id),
    sequence=st.integers(1, SEQUENCE_MAX),
    minutes=st.integers(0, MINUTES_MAX),
    kind=st.integers(0, 63),
    body=st.binary(max_size=300) | st.text(max_size=200).map(str.encode),
    ref=st.none() | st.binary(min_size=4, max_size=4),
)


@given(records)
def test_every_record_comes_back_as_it_was(record: Record) -> None:
    signed = sign(record, KEY, SPACE)
    back = decode_signed(signed.encode())
    assert back == signed
    assert back.is_signed_by(KEY.public_key, SPACE)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_record_or_a_decode_error(data: bytes) -> None:
    try:
        signed = decode_signed(data)
    except DecodeError as error:
        assert error.code
    else:
        assert signed.encode() == data


@given(records, st.data())
def test_a_flipped_bit_anywhere_breaks_the_signature_or_the_format(record: Record, data: st.DataObject) -> None:
    encoded = bytearray(sign(record, KEY, SPACE).encode())
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    try:
        changed = decode_signed(bytes(encoded))
    except DecodeError:
        return
    assert not changed.is_signed_by(KEY.public_key, SPACE)


@given(st.integers(0, 2**21 - 1))
def test_varints_are_shortest_and_come_back(value: int) -> None:
    encoded = encode_varint(value)
    assert decode_varint(encoded, 0) == (value, len(encoded))
    assert len(encoded) == 1 or value >= 1 << 7 * (len(encoded) - 1)


@pytest.mark.parametrize("encoded", [b"\x80\x00", b"\x81\x80\x00", b"\x80\x80\x80\x01", b"\x80", b""])
def test_varints_in_another_form_are_refused(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_varint(encoded, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sequence", 0),
        ("sequence", SEQUENCE_MAX + 1),
        ("minutes", MINUTES_MAX + 1),  # a phone whose clock says 2099
        ("minutes", -1),
        ("kind", 64),
        ("ref", b"abc"),
        ("body", b"x" * (BODY_BYTES_MAX + 1)),
    ],
)
def test_a_field_out_of_range_names_itself(field: str, value: object) -> None:
    fields: dict[str, Any] = {
        "lifetime": Lifetime.NORMAL,
        "author": KEY.device_id,
        "sequence": 1,
        "minutes": 1,
        "kind": 2,
        "body": b"",
    }
    with pytest.raises(InputError) as refusal:
        compose(**{**fields, field: value})
    assert refusal.value.field == field


def test_the_id_depends_on_the_space_the_key_and_every_field() -> None:
    signed = sign(compose(Lifetime.NORMAL, KEY.device_id, 1, 1, 2, b"a"), KEY, SPACE)
    longer = msgspec.structs.replace(signed, fields=signed.fields + b"a")
    other_class = msgspec.structs.replace(signed, byte0=signed.byte0 ^ 1)
    ids = {
        record_id(signed, KEY.public_key, SPACE),
        record_id(longer, KEY.public_key, SPACE),
        record_id(other_class, KEY.public_key, SPACE),
        record_id(signed, b"\x03" * 32, SPACE),
        record_id(signed, KEY.public_key, SpaceId(b"\x04" * 16)),
    }
    assert len(ids) == 5


def test_a_signature_does_not_fit_another_space() -> None:
    signed = sign(compose(Lifetime.NORMAL, KEY.device_id, 1, 1, 2, b"a"), KEY, SPACE)
    assert not signed.is_signed_by(KEY.public_key, SpaceId(b"\x04" * 16))
