"""Spans are sets: their algebra is checked against Python's own; their encoding takes any bytes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import (
    Span,
    Spans,
    common,
    decode_runs,
    encode_runs,
    holds,
    minus,
    normal,
    shortened,
    total,
    up_to,
)

numbers = st.sets(st.integers(1, 60), max_size=40)


def spans_of(members: set[int]) -> Spans:
    return normal(Span(number, number) for number in members)


def members_of(spans: Spans) -> set[int]:
    return {number for span in spans for number in range(span.first, span.last + 1)}


any_spans = numbers.map(spans_of)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=20))
def test_the_normal_form_is_ascending_with_gaps(runs: list[tuple[int, int]]) -> None:
    spans = normal(Span(first, first + more) for first, more in runs)
    assert members_of(spans) == {number for first, more in runs for number in range(first, first + more + 1)}
    assert all(one.last + 1 < other.first for one, other in pairwise(spans))


@given(numbers, numbers)
def test_the_algebra_is_that_of_sets(some: set[int], others: set[int]) -> None:
    assert members_of(minus(spans_of(some), spans_of(others))) == some - others
    assert members_of(common(spans_of(some), spans_of(others))) == some & others
    assert total(spans_of(some)) == len(some)
    assert minus(spans_of(some), spans_of(others)) == spans_of(some - others)
    assert all(holds(spans_of(some), number) == (number in some) for number in range(62))


@given(any_spans, st.integers(0, 50))
def test_shortened_keeps_the_first_numbers(spans: Spans, count: int) -> None:
    assert members_of(shortened(spans, count)) == set(sorted(members_of(spans))[:count])


def test_up_to_nothing_is_nothing() -> None:
    assert up_to(0) == ()
    assert up_to(3) == (Span(1, 3),)


def test_runs_without_end_cost_nothing() -> None:
    everything = up_to(LOG_NUMBER_MAX)
    assert minus(everything, (Span(5, 9),)) == (Span(1, 4), Span(10, LOG_NUMBER_MAX))


@given(any_spans, st.integers(0, 5))
def test_runs_come_back_from_their_bytes(spans: Spans, after: int) -> None:
    shifted = tuple(Span(span.first + after, span.last + after) for span in spans)
    encoded = encode_runs(after, shifted)
    assert decode_runs(b"\xff" + encoded, 1, len(shifted), after) == (shifted, 1 + len(encoded))


@given(st.binary(max_size=40), st.integers(0, 12), st.integers(0, LOG_NUMBER_MAX))
def test_any_bytes_are_runs_or_an_error(data: bytes, count: int, after: int) -> None:
    try:
        spans, offset = decode_runs(data, 0, count, after)
    except DecodeError:
        return
    assert encode_runs(after, spans) == data[:offset]
    assert len(spans) == count
    assert all(after < span.first <= span.last <= LOG_NUMBER_MAX for span in spans)


@pytest.mark.parametrize(
    ("data", "count", "code"),
    [
        (bytes([0, 0]), 1, "run"),
        (bytes([3, 2, 0, 1]), 2, "run"),
        (bytes([3]), 1, "truncated"),
        (bytes([0, 0xFF, 0xFF, 0xFF, 0x7F, 5, 5]), 2, "number"),
        (bytes([0x80, 0x00, 1]), 1, "varint"),
    ],
)
def test_runs_that_are_none(data: bytes, count: int, code: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_runs(data, 0, count, 0)
    assert refusal.value.code == code
