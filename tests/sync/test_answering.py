"""Answers to a want: all of it once, a piece at a time, in the order of the log, and no more than there is room for."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import PeerError
from app.radio.span import Span
from app.sync.answering import GAP_MAX, LATE_SPANS_MAX, Answering
from app.sync.batches import Batches
from app.sync.effects import Effect, Get, Send
from app.sync.log import Placed
from app.sync.message import Entries, Settled
from tests.sync.sim import Node
from tests.sync.test_batches import batches_in, unpacked
from tests.sync.test_vector import vector_of


def drain(answering: Answering, batches: Batches, get: Callable[[Get], list[Placed]]) -> list[Effect]:
    """Everything that is sent until nothing is left; the peer acknowledges at once."""
    sent: list[Effect] = []
    while True:
        reads = answering.go_on()
        for read in reads:
            assert isinstance(read, Get)
            answering.got(read, get(read))
        more = batches.flush()
        sent += more
        for effect in more:
            if isinstance(effect, Send) and isinstance(effect.message, Entries):
                batches.held(())
        if not reads and not more:
            return sent


def from_node(node: Node) -> Callable[[Get], list[Placed]]:
    return lambda read: node.get(read.index, read.span, read.limit)


@given(
    st.sets(st.tuples(st.integers(0, 2), st.integers(1, 60)), max_size=60),
    st.sets(st.tuples(st.integers(0, 2), st.integers(1, 60)), max_size=60),
    st.integers(0, 9),
)
def test_what_is_wanted_and_held_is_sent_once(
    held: set[tuple[int, int]], wanted: set[tuple[int, int]], seed: int
) -> None:
    rng = random.Random(seed)
    node = Node(0)
    for place in sorted(held):
        for _ in range(rng.choice((1, 1, 1, 3))):
            node.post(rng.randbytes(100), place)
    batches = Batches()
    answering = Answering(batches)
    answering.want(vector_of(wanted))
    sent = drain(answering, batches, from_node(node))
    assert sent[-1] == Send(Settled(0))
    expected = [Placed(*place, envelope) for place in sorted(held & wanted) for envelope in node.places[place]]
    assert unpacked(batches_in(sent)) == expected
    assert answering.idle


def test_clones_at_the_limit_of_a_read_are_all_sent() -> None:
    node = Node(0)
    rng = random.Random(1)
    for number in range(1, 200):
        for _ in range(3):
            node.post(rng.randbytes(100), (1, number))
    batches = Batches()
    answering = Answering(batches)
    answering.want({1: (Span(1, 199),)})
    assert len(unpacked(batches_in(drain(answering, batches, from_node(node))))) == 597


def test_single_numbers_that_stand_close_are_read_together() -> None:
    node = Node(0)
    rng = random.Random(1)
    reads: list[Get] = []
    for number in range(1, 101):
        node.post(rng.randbytes(100), (1, number))

    def get(read: Get) -> list[Placed]:
        reads.append(read)
        return node.get(read.index, read.span, read.limit)

    batches = Batches()
    answering = Answering(batches)
    answering.want({1: tuple(Span(number, number) for number in (1, 3, 5, 5 + GAP_MAX, 50))})
    sent = drain(answering, batches, get)
    assert [read.span for read in reads] == [Span(1, 5 + GAP_MAX), Span(50, 50)]
    [batch] = batches_in(sent)
    assert [placed.number for placed in unpacked([batch])] == [1, 3, 5, 5 + GAP_MAX, 50]


def test_nothing_is_read_that_has_to_wait_long() -> None:
    node = Node(0)
    rng = random.Random(1)
    for number in range(1, 10_001):
        node.post(rng.randbytes(100), (1, number))
    batches = Batches()
    answering = Answering(batches)
    answering.want({1: (Span(1, 10_000),)})
    read = 0
    while reads := answering.go_on():
        [get] = reads
        assert isinstance(get, Get)
        answering.got(get, node.get(get.index, get.span, get.limit))
        batches.flush()
        read += 1
    assert read < 12


def test_a_second_want_before_the_first_is_answered_is_an_error() -> None:
    answering = Answering(Batches())
    answering.want({})
    with pytest.raises(PeerError):
        answering.want({})


def test_late_news_are_kept_as_runs_and_bounded() -> None:
    node = Node(0)
    rng = random.Random(1)
    batches = Batches()
    answering = Answering(batches)
    news = [node.post(rng.randbytes(100), (1, number)) for number in range(1, 500)]
    answering.late(news)
    answering.late(Placed(2, 3 * number, bytes(100)) for number in range(1, 2 * LATE_SPANS_MAX))
    assert len(answering._late) == LATE_SPANS_MAX
    assert unpacked(batches_in(drain(answering, batches, from_node(node)))) == news
    assert answering.idle


def test_news_that_come_while_late_ones_are_read_are_not_lost() -> None:
    node = Node(0)
    rng = random.Random(1)
    batches = Batches()
    answering = Answering(batches)
    news = [node.post(rng.randbytes(100), (1, number)) for number in range(1, 4)]
    answering.late(news[:2])
    [read] = answering.go_on()
    assert isinstance(read, Get)
    answering.late(news[2:])
    answering.got(read, node.get(read.index, read.span, read.limit))
    assert unpacked(batches_in(drain(answering, batches, from_node(node)))) == news


def test_what_is_wanted_goes_before_what_is_late() -> None:
    node = Node(0)
    rng = random.Random(1)
    batches = Batches()
    answering = Answering(batches)
    answering.late([node.post(rng.randbytes(100), (1, 1))])
    node.post(rng.randbytes(100), (2, 1))
    answering.want({2: (Span(1, 1),)})
    [read] = answering.go_on()
    assert isinstance(read, Get) and read.index == 2
