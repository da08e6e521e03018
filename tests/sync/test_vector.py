"""Vectors between peers: they come back from the wire, shortened where they must be, and nothing impossible does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.record import encode_varint
from app.errors import PeerError
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import Span, Spans, normal
from app.sync.message import LogRuns
from app.sync.vector import LOG_RUNS_MAX, RUNS_MAX, both, less, pack, unpack

Places = set[tuple[int, int]]
SETS = st.sets(st.tuples(st.integers(0, 4), st.integers(1, 40)))


def vector_of(some: Places) -> dict[int, Spans]:
    return {
        index: normal(Span(number, number) for at, number in some if at == index)
        for index in sorted({index for index, _ in some})
    }


@given(SETS)
def test_a_vector_comes_back_from_the_wire(some: Places) -> None:
    assert unpack(pack(vector_of(some))) == vector_of(some)


@given(SETS, SETS)
def test_the_arithmetic_is_that_of_sets(some: Places, others: Places) -> None:
    one, other = vector_of(some), vector_of(others)
    assert less(one, other) == vector_of(some - others)
    assert both(one, other) == vector_of(some & others)


@given(st.lists(st.builds(LogRuns, st.integers(0, 5), st.binary(min_size=2, max_size=20)), max_size=3))
def test_any_runs_are_a_vector_or_an_error(logs: list[LogRuns]) -> None:
    try:
        vector = unpack(logs)
    except PeerError:
        return
    assert pack(vector) == tuple(logs)


@pytest.mark.parametrize(
    "logs",
    [
        (LogRuns(2, b"\x00\x01"), LogRuns(1, b"\x00\x01")),
        (LogRuns(2, b"\x00\x01"), LogRuns(2, b"\x00\x01")),
        (LogRuns(1, b"\x00\x00"),),
        (LogRuns(1, b"\x00\x01\x00\x01"),),
        (LogRuns(1, b"\x00\x01\x00"),),
        (LogRuns(1, b"\x00\x80"),),
        (LogRuns(1, b"\x00\x80\x00"),),
        (LogRuns(1, b"\x00" + encode_varint(2**28)),),
        (LogRuns(1, b"\x00" + encode_varint(2**32)),),
        (LogRuns(1, encode_varint(LOG_NUMBER_MAX) + b"\x01"),),
    ],
)
def test_what_is_no_vector_is_an_error(logs: tuple[LogRuns, ...]) -> None:
    with pytest.raises(PeerError):
        unpack(logs)


def test_a_whole_log_is_one_run() -> None:
    assert unpack([LogRuns(1, b"\x00" + encode_varint(LOG_NUMBER_MAX))]) == {1: (Span(1, LOG_NUMBER_MAX),)}


def test_a_long_vector_is_shortened_and_a_longer_one_refused() -> None:
    gaps = tuple(Span(number, number) for number in range(1, 2 * LOG_RUNS_MAX + 100, 2))
    logs = pack({1: gaps, 2: gaps, 3: gaps})
    assert unpack(logs) == {1: gaps[:LOG_RUNS_MAX], 2: gaps[:LOG_RUNS_MAX]}
    assert 2 * LOG_RUNS_MAX == RUNS_MAX
    with pytest.raises(PeerError):
        unpack([*logs, LogRuns(3, b"\x00\x01")])


def test_the_longest_runs_fit_into_their_log() -> None:
    far = LOG_NUMBER_MAX - 2_100_000
    spans = tuple(Span(far - 2_200_000 * at, far - 2_200_000 * at + 2_100_000) for at in reversed(range(100)))
    assert unpack(pack({7: spans})) == {7: spans}
    assert len(pack({7: spans})[0].runs) <= 8 * len(spans)
