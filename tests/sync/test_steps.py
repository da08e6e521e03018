"""The parts of a step: they come back as they were packed, and nothing else unpacks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import PeerError
from app.sync.message import Leaf, Split
from app.sync.steps import (
    RANGES_MAX,
    Listing,
    Prints,
    pack_bits,
    pack_leaf,
    pack_split,
    unpack_bits,
    unpack_leaf,
    unpack_split,
)


@st.composite
def prints(draw: st.DrawFn) -> Prints:
    depth, fan = draw(st.integers(0, 60)), draw(st.integers(1, 4))
    prefixes = sorted(draw(st.sets(st.integers(0, 2**depth - 1), min_size=1, max_size=5)))
    part = st.lists(st.binary(min_size=3, max_size=3), min_size=1 << fan, max_size=1 << fan)
    return Prints(draw(st.integers(0, 9)), depth, fan, tuple((prefix, draw(part)) for prefix in prefixes))


@st.composite
def listings(draw: st.DrawFn) -> Listing:
    depth = draw(st.integers(0, 64))
    prefixes = sorted(draw(st.sets(st.integers(0, 2**depth - 1), min_size=1, max_size=5)))
    ids = st.sets(st.binary(min_size=4, max_size=4), max_size=6).map(sorted)
    return Listing(draw(st.integers(0, 9)), depth, tuple((prefix, draw(ids)) for prefix in prefixes))


@given(prints())
def test_fingerprints_come_back(some: Prints) -> None:
    assert unpack_split(pack_split(some)) == some


@given(listings())
def test_ids_come_back(some: Listing) -> None:
    assert unpack_leaf(pack_leaf(some)) == some


@given(st.integers(0, 60), st.integers(1, 4), st.binary(max_size=12), st.binary(max_size=60))
def test_any_split_is_taken_apart_or_an_error(depth: int, fan: int, ranges: bytes, packed: bytes) -> None:
    split = Split(1, depth, fan, ranges, packed)
    try:
        taken = unpack_split(split)
    except PeerError:
        return
    assert pack_split(taken) == split


@given(st.integers(0, 64), st.binary(max_size=8), st.binary(max_size=8), st.binary(max_size=40))
def test_any_leaf_is_taken_apart_or_an_error(depth: int, ranges: bytes, counts: bytes, ids: bytes) -> None:
    leaf = Leaf(1, depth, ranges, counts, ids)
    try:
        taken = unpack_leaf(leaf)
    except PeerError:
        return
    assert pack_leaf(taken) == leaf


@given(st.lists(st.booleans(), max_size=40))
def test_bits_come_back(bits: list[bool]) -> None:
    assert unpack_bits(pack_bits(bits), len(bits)) == bits


@given(st.binary(max_size=4), st.integers(0, 33))
def test_any_bytes_are_bits_or_an_error(packed: bytes, count: int) -> None:
    try:
        bits = unpack_bits(packed, count)
    except PeerError:
        return
    assert pack_bits(bits) == packed


def test_more_ranges_than_a_step_has_are_an_error() -> None:
    with pytest.raises(PeerError):
        unpack_leaf(Leaf(1, 60, bytes(RANGES_MAX + 1), bytes(RANGES_MAX + 1), b""))
    assert len(unpack_leaf(Leaf(1, 60, bytes(RANGES_MAX), bytes(RANGES_MAX), b"")).ranges) == RANGES_MAX


def test_the_last_prefix_of_the_deepest_range_comes_back() -> None:
    deepest = Listing(1, 64, ((2**64 - 1, [bytes(4)]),))
    assert unpack_leaf(pack_leaf(deepest)) == deepest
