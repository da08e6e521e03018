"""Addresses in text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.sync.address import DEFAULT_PORT, Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.168.1.20:8444", Address("192.168.1.20", 8444)),
        ("192.168.1.20", Address("192.168.1.20", DEFAULT_PORT)),
        (" NAS.local:99 ", Address("nas.local", 99)),
        ("nas", Address("nas", DEFAULT_PORT)),
        ("[FD00::1]:5", Address("fd00::1", 5)),
        ("[fd00::1]", Address("fd00::1", DEFAULT_PORT)),
        ("fd00::0001", Address("fd00::1", DEFAULT_PORT)),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", ":5", "a:0", "a:65536", "a:b", "a b", "a:1:2", "[a]:1:2", "300.1.1.1", "-a", "a/b", "ä.de", "a" * 300]
)
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(InputError):
        parse_address(text)


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_an_input_error(text: str) -> None:
    try:
        found = parse_address(text)
    except InputError:
        return
    assert parse_address(str(found)) == found
