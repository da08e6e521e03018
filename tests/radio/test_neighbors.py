"""Neighbors: claims that are replaced, misses that make waits longer, and words that are kept."""

from itertools import pairwise

from app.radio.neighbors import (
    CREDIT_MAX,
    FORGIVEN_AFTER_MS,
    GONE_RUNS_MAX,
    MISS_WAIT_MAX_MS,
    MISS_WAIT_MS,
    MISSES_MAX,
    NEIGHBORS_MAX,
    OFFER_WAIT_MAX_MS,
    OFFER_WAIT_MS,
    Neighbor,
    Neighborhood,
)
from app.radio.span import Span
from app.radio.vector import NodeLog, Vector
from tests.radio.repair_parts import claim, means, spans


def test_a_slice_takes_the_place_of_what_it_covers() -> None:
    neighbor = Neighbor(0)
    neighbor.claim(claim((1, 5), (7, 9), (20, 3)))
    neighbor.claim(Vector(5, 10, (NodeLog(8, 2, None),)))
    assert sorted((log.index, log.contiguous) for log in neighbor.claims.values()) == [(1, 5), (8, 2), (20, 3)]


def test_misses_make_the_wait_longer_up_to_an_hour() -> None:
    neighborhood = Neighborhood(means())
    neighbor = neighborhood.hear(3, 0)
    waits = []
    for _ in range(20):
        neighborhood.miss(3, 0)
        waits.append(neighbor.ask_after_ms)
    assert waits[0] <= 20_000
    assert all(wait_ms <= MISS_WAIT_MAX_MS for wait_ms in waits)
    assert min(waits[10:]) >= MISS_WAIT_MAX_MS // 2
    neighbor.deliver(77)
    assert (neighbor.misses, neighbor.ask_after_ms) == (-1, 77)


def test_who_delivered_before_is_forgiven_some_misses_but_not_more() -> None:
    neighborhood = Neighborhood(means())
    neighbor = neighborhood.hear(3, 0)
    for _ in range(50):
        neighbor.deliver(0)
    waits = []
    for _ in range(CREDIT_MAX + 4):
        neighborhood.miss(3, 0)
        waits.append(neighbor.ask_after_ms)
    assert max(waits[: CREDIT_MAX + 1]) <= 2 * MISS_WAIT_MS
    assert waits[-1] > 2 * MISS_WAIT_MS
    assert neighborhood.states(0)[0].misses == 4


def test_who_is_not_there_any_more_is_not_asked_for_ever() -> None:
    neighborhood = Neighborhood(means())
    neighbor = neighborhood.hear(3, 0)
    neighbor.asked_ms = 10
    for _ in range(MISSES_MAX):
        assert not neighbor.is_hopeless
        neighborhood.miss(3, 10)
    assert neighbor.is_hopeless
    assert not neighborhood.hear(3, 20).is_hopeless
    assert neighborhood.states(20)[0].misses == MISSES_MAX


def test_who_was_away_begins_afresh() -> None:
    neighborhood = Neighborhood(means())
    neighbor = neighborhood.hear(3, 0)
    neighborhood.miss(3, 0)
    neighborhood.hear(3, FORGIVEN_AFTER_MS)
    assert neighbor.misses == 1
    neighborhood.hear(3, 2 * FORGIVEN_AFTER_MS + 1)
    assert neighbor.misses == 0


def test_who_kept_its_word_is_asked_first() -> None:
    neighborhood = Neighborhood(means())
    for index in (4, 2, 3):
        neighborhood.hear(index, index)
    neighborhood.miss(4, 10)
    assert [index for index, _ in neighborhood] == [3, 2, 4]
    assert [state.index for state in neighborhood.states(10)] == [2, 3, 4]
    assert [state.misses for state in neighborhood.states(10)] == [0, 0, 1]


def test_the_neighbor_silent_longest_gives_way() -> None:
    neighborhood = Neighborhood(means())
    for index in range(NEIGHBORS_MAX + 5):
        neighborhood.hear(index, index)
    assert len(neighborhood.states(0)) == NEIGHBORS_MAX
    assert neighborhood.get(0) is None
    assert neighborhood.get(NEIGHBORS_MAX + 4) is not None
    neighborhood.miss(0, 5)


def test_what_is_gone_at_a_neighbor_is_remembered_within_a_limit() -> None:
    neighbor = Neighbor(0)
    neighbor.call_gone(3, spans((1, 4), (9, 9)))
    neighbor.call_gone(3, spans((5, 6)))
    assert neighbor.gone[3] == spans((1, 6), (9, 9))
    neighbor.call_gone(3, tuple(Span(number, number) for number in range(20, 20 + 3 * GONE_RUNS_MAX, 3)))
    assert len(neighbor.gone[3]) == GONE_RUNS_MAX
    assert neighbor.gone[3][:2] == spans((1, 6), (9, 9))


def test_a_neighbor_that_goes_on_lacking_the_same_is_told_ever_more_rarely() -> None:
    neighbor = Neighbor(0)
    neighbor.claim(claim((1, 5)))
    told = [now_ms for now_ms in range(0, 8 * OFFER_WAIT_MAX_MS, 1000) if neighbor.may_be_offered(now_ms)]
    waits = [later - earlier for earlier, later in pairwise(told)]
    assert waits[:3] == [OFFER_WAIT_MS, 2 * OFFER_WAIT_MS, 4 * OFFER_WAIT_MS]
    assert max(waits) <= OFFER_WAIT_MAX_MS + 1000
    neighbor.claim(claim((1, 6)))
    assert neighbor.offer_wait_ms == OFFER_WAIT_MS


def test_whoever_asks_need_not_be_told() -> None:
    neighbor = Neighbor(0)
    neighbor.ask(1000)
    assert not neighbor.may_be_offered(2000)
    assert neighbor.may_be_offered(1_000_000)
