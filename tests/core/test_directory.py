"""Directory entries: their body comes back, stays small, and no bytes at all upset its reader."""

from datetime import date
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.bodies import encode_map
from app.core.directory import (
    PAYMENTS,
    PRODUCTS,
    Category,
    DirectoryEntry,
    Opening,
    Place,
    Season,
    decode_entry,
)
from app.errors import DecodeError, InputError

SMALL: dict[int, Any] = {1: "usda", 2: "1000", 3: 0, 4: "Larch Hill Market"}

MARKET = DirectoryEntry(
    source="usda",
    source_id="1000",
    category=Category.MARKET,
    name="Larch Hill Market",
    place=Place("Ferry Lane", "Larch Hill", "Fern", "Vermont", "05099"),
    seasons=(
        Season(date(2017, 5, 31), date(2017, 10, 4), (Opening(2, 64, 78), Opening(5, 34, 52))),
        Season(11, 4, (), "Saturdays unless it snows"),
        Season(date(2016, 5, 20), None),
        Season(None, 9),
    ),
    products=1 << PRODUCTS.index("eggs") | 1 << PRODUCTS.index("fruit"),
    payments=1 << PAYMENTS.index("cards") | 1 << PAYMENTS.index("SNAP"),
    links=("https://larch.example",),
    listed_year=2017,
    setting="Private business parking lot",
)

lines = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40)
days = st.none() | st.integers(1, 12) | st.dates(date(2001, 1, 1), date(2178, 12, 31))
openings = st.builds(
    lambda weekday, opens, length: Opening(weekday, opens, min(opens + length, 96)),
    st.integers(0, 6),
    st.integers(0, 95),
    st.integers(1, 96),
)
seasons = st.builds(Season, days, days, st.lists(openings, max_size=6).map(tuple)) | st.builds(
    Season, days, days, st.just(()), lines.filter(bool)
)
entries = st.builds(
    DirectoryEntry,
    source=lines.filter(bool),
    source_id=lines.filter(bool),
    category=st.sampled_from(Category),
    name=lines.filter(bool),
    place=st.builds(Place, lines, lines, lines, lines, lines),
    seasons=st.lists(seasons, max_size=4).map(tuple),
    products=st.integers(0, 2**64 - 1),
    payments=st.integers(0, 2**64 - 1),
    links=st.lists(lines.filter(bool), max_size=5).map(tuple),
    listed_year=st.none() | st.integers(1900, 2200),
    setting=lines,
)


@given(entries)
def test_every_entry_comes_back(entry: DirectoryEntry) -> None:
    assert decode_entry(entry.encode()) == entry
    assert all(line.isprintable() or line for line in entry.text.splitlines())


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_refused(body: bytes) -> None:
    try:
        decode_entry(body)
    except DecodeError as error:
        assert error.code == "body"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.integers(1, 12), values))
def test_any_map_is_an_entry_or_refused(fields: dict[int, Any]) -> None:
    try:
        decode_entry(encode_map(SMALL | fields))
    except DecodeError as error:
        assert error.code == "body"


@pytest.mark.parametrize(
    "changes",
    [
        {1: ""},
        {2: 1000},
        {3: 9},
        {3: True},
        {4: "two\nlines"},
        {4: "x" * 301},
        {5: ["a"] * 6},
        {6: [[5, 10]]},
        {6: [[13, 10, []]]},
        {6: [[0, 0, ""]]},
        {6: [[0, 0, [53636]]]},
        {6: [[0, 0, [50097]]]},
        {6: [[0, 0, [73652]]]},
        {6: [[0, 0, []]] * 9},
        {7: -1},
        {8: 2**64},
        {9: [""]},
        {10: 20177},
        {11: 5},
    ],
)
def test_a_broken_field_is_refused(changes: dict[int, Any]) -> None:
    with pytest.raises(DecodeError):
        decode_entry(encode_map(SMALL | changes))


def test_keys_of_a_later_version_are_passed_over() -> None:
    assert decode_entry(encode_map(SMALL | {40: ["news"]})) == decode_entry(encode_map(SMALL))


def test_empty_fields_take_no_bytes() -> None:
    assert cbor2.loads(decode_entry(encode_map(SMALL)).encode()) == SMALL


def test_a_whole_entry_is_as_long_as_a_post() -> None:
    assert len(MARKET.encode()) < 210


def test_an_entry_that_breaks_a_limit_is_not_encoded() -> None:
    with pytest.raises(InputError):
        DirectoryEntry("usda", "1", Category.FARM, "x" * 301).encode()


def test_an_entry_reads_as_paragraphs() -> None:
    assert MARKET.is_market
    assert MARKET.text.split("\n\n") == [
        "Ferry Lane, Larch Hill, Fern County, Vermont 05099\nPrivate business parking lot",
        "May 31 to October 4, 2017: Wed 4:00 PM–7:30 PM, Sat 8:30 AM–1:00 PM\n"
        "November to April: Saturdays unless it snows\n"
        "from May 20, 2016\n"
        "until September",
        "Eggs, fruit.",
        "Takes cards, SNAP.",
        "https://larch.example",
        "As listed in 2017.",
    ]


def test_midnight_and_noon() -> None:
    assert Opening(0, 0, 96).words == "Mon 12:00 AM–12:00 AM"
    assert Opening(6, 48, 49).words == "Sun 12:00 PM–12:15 PM"
