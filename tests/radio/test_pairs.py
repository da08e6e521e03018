"""Pair keys: both ends get the same, nobody else does, and what is no key is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from app.errors import InputError
from app.radio.pairs import PAIR_KEY_BYTES, pair_key

SPACE = b"s" * 16
seeds = st.binary(min_size=32, max_size=32)


def public(seed: bytes) -> bytes:
    return bytes(SigningKey(seed).verify_key)


@given(seeds, seeds)
def test_both_ends_share_one_key(one: bytes, other: bytes) -> None:
    key = pair_key(one, public(other), SPACE)
    assert key == pair_key(other, public(one), SPACE)
    assert len(key) == PAIR_KEY_BYTES


def test_every_pair_and_every_space_has_its_own() -> None:
    a, b, c = (bytes([letter]) * 32 for letter in b"abc")
    keys = {
        pair_key(a, public(b), SPACE),
        pair_key(a, public(c), SPACE),
        pair_key(b, public(c), SPACE),
        pair_key(a, public(b), b"t" * 16),
    }
    assert len(keys) == 4


def test_the_key_of_a_known_pair() -> None:
    key = pair_key(b"a" * 32, public(b"b" * 32), SPACE)
    assert key.hex() == "c004289f06e513b31000f585b15629741ba79ceef4b743dd0d39c905707b6939"


@pytest.mark.parametrize("bad", [b"", bytes(32), b"\1" + bytes(31), b"\xff" * 32, bytes(31) + b"\x80"])
def test_what_is_no_key_is_refused(bad: bytes) -> None:
    with pytest.raises(InputError):
        pair_key(b"a" * 32, bad, SPACE)
