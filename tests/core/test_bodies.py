"""Introductions: round trips, and hostile CBOR that is refused without a crash."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.bodies import (
    DeviceIntroduction,
    NodeIntroduction,
    check_name,
    decode_device_introduction,
    decode_map,
    decode_node_introduction,
)
from app.errors import DecodeError, InputError

names = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=13).map(check_name)
public_keys = st.binary(min_size=32, max_size=32)


@given(public_keys, names)
def test_a_device_introduction_comes_back(public_key: bytes, name: str) -> None:
    introduction = DeviceIntroduction(public_key, name)
    assert decode_device_introduction(introduction.encode()) == introduction


@given(public_keys, names, st.integers(0, 254))
def test_a_node_introduction_comes_back(public_key: bytes, name: str, index: int) -> None:
    introduction = NodeIntroduction(public_key, name, index)
    assert decode_node_introduction(introduction.encode()) == introduction


@given(st.binary(max_size=100))
def test_any_bytes_are_a_map_or_a_decode_error(body: bytes) -> None:
    try:
        fields = decode_map(body)
    except DecodeError:
        return
    assert all(type(key) is int for key in fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {1: b"short", 2: "Ada"},
        {1: b"k" * 32},
        {1: b"k" * 32, 2: ""},
        {1: b"k" * 32, 2: "x" * 41},
        {1: b"k" * 32, 2: "a\u202eb"},
        {1: b"k" * 32, 2: 7},
        {1: "k" * 32, 2: "Ada"},
    ],
)
def test_introductions_that_lack_something_are_refused(fields: dict[int, object]) -> None:
    with pytest.raises(DecodeError):
        decode_device_introduction(cbor2.dumps(fields))


@pytest.mark.parametrize("index", [None, -1, 255, True, "1", 1.0])
def test_a_node_without_a_proper_index_is_refused(index: object) -> None:
    with pytest.raises(DecodeError):
        decode_node_introduction(cbor2.dumps({1: b"k" * 32, 2: "Hill Farm", 3: index}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xa0\x00",  # a byte behind the map
        b"\x81\x00",  # a list
        b"\xa1\x61a\x00",  # a text key
        b"\x9f" * 500,  # deep nesting
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",  # a map of 2^64 pairs
        b"\xa1\x01\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",  # 2^63 bytes
        cbor2.dumps(cbor2.CBORTag(258, [1])),
    ],
)
def test_hostile_cbor_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_map(body)


def test_unknown_keys_are_carried_not_understood() -> None:
    body = cbor2.dumps({1: b"k" * 32, 2: "Ada", 60: [1, 2]})
    assert decode_device_introduction(body) == DeviceIntroduction(b"k" * 32, "Ada")


def test_a_name_is_tidied() -> None:
    assert check_name("  Ana   María ") == "Ana María"
    assert check_name("Jose\u0301") == "José"
    with pytest.raises(InputError):
        check_name("  ")
