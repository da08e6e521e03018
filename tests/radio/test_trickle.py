"""The Trickle timer, rule by rule (RFC 6206, section 4.2)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.radio.trickle import Trickle, TrickleConfig

CONFIG = TrickleConfig(interval_min_ms=1000, doublings=4, redundancy=2)
IMAX = 16_000


def started(seed: int = 1, config: TrickleConfig = CONFIG, now_ms: int = 0) -> Trickle:
    trickle = Trickle(config, random.Random(seed))
    trickle.start(now_ms)
    return trickle


def sent_at(trickle: Trickle, until_ms: int) -> list[int]:
    """When it transmits, if it is polled at its deadlines."""
    times: list[int] = []
    while (deadline_ms := trickle.deadline_ms()) is not None and deadline_ms < until_ms:
        if trickle.poll(deadline_ms):
            times.append(deadline_ms)
    return times


def test_imax_is_imin_doubled_so_often() -> None:
    assert CONFIG.interval_max_ms == IMAX


def test_before_the_start_nothing_happens() -> None:
    trickle = Trickle(CONFIG, random.Random(1))
    trickle.hear_inconsistent(5)
    assert trickle.deadline_ms() is None
    assert not trickle.poll(10**9)


@given(st.integers(0, 10**6), st.integers(0, 10**9))
def test_rule_1_and_2_t_lies_in_the_second_half_of_the_first_interval(seed: int, now_ms: int) -> None:
    trickle = started(seed, now_ms=now_ms)
    assert trickle.interval_ms == 1000
    deadline_ms = trickle.deadline_ms()
    assert deadline_ms is not None
    assert now_ms + 500 <= deadline_ms < now_ms + 1000


@pytest.mark.parametrize(("heard", "speaks"), [(0, True), (1, True), (2, False), (9, False)])
def test_rule_3_and_4_it_transmits_when_fewer_than_k_were_consistent(heard: int, speaks: bool) -> None:
    trickle = started()
    for _ in range(heard):
        trickle.hear_consistent()
    deadline_ms = trickle.deadline_ms()
    assert deadline_ms is not None
    assert trickle.poll(deadline_ms) is speaks
    assert not trickle.poll(deadline_ms)


@given(st.integers(0, 10**6))
def test_rule_5_the_interval_doubles_up_to_imax_and_t_stays_in_its_second_half(seed: int) -> None:
    times = sent_at(started(seed), 100_000)
    begins = [0, 1000, 3000, 7000, 15_000, 31_000, 47_000, 63_000, 79_000]
    lengths = [1000, 2000, 4000, 8000, 16_000, 16_000, 16_000, 16_000, 16_000]
    for time, begin, length in zip(times, begins, lengths, strict=False):
        assert begin + length // 2 <= time < begin + length
    assert len(times) >= len(begins)


def test_rule_5_the_counter_starts_again_with_each_interval() -> None:
    trickle = started()
    for _ in range(5):
        trickle.hear_consistent()
    assert len(sent_at(trickle, 3000)) == 1


def test_rule_6_an_inconsistency_begins_again_at_imin() -> None:
    trickle = started()
    sent_at(trickle, 40_000)
    assert trickle.interval_ms == IMAX
    trickle.hear_consistent()
    trickle.hear_inconsistent(40_000)
    assert trickle.interval_ms == 1000
    (time,) = sent_at(trickle, 41_000)
    assert 40_500 <= time < 41_000


def test_rule_6_at_imin_an_inconsistency_does_nothing() -> None:
    trickle = started()
    before = trickle.deadline_ms()
    trickle.hear_inconsistent(300)
    assert trickle.deadline_ms() == before
    assert sent_at(trickle, 1000) == [before]


def test_a_stream_of_inconsistencies_costs_one_transmission_an_imin() -> None:
    trickle = started()
    sent = 0
    for now_ms in range(0, 60_000, 50):
        trickle.hear_inconsistent(now_ms)
        sent += trickle.poll(now_ms)
    assert sent <= 60


@given(st.integers(0, 10**6), st.integers(1, 10**10))
def test_whoever_was_away_transmits_once_and_goes_on(seed: int, away_ms: int) -> None:
    trickle = started(seed)
    trickle.poll(away_ms)
    assert sum(trickle.poll(away_ms) for _ in range(50)) <= 1
    deadline_ms = trickle.deadline_ms()
    assert deadline_ms is not None
    assert deadline_ms > away_ms


@given(st.integers(0, 10**6), st.lists(st.integers(1, 3000), max_size=60), st.data())
def test_nothing_makes_it_miss_its_bounds(seed: int, waits: list[int], data: st.DataObject) -> None:
    trickle = started(seed)
    now_ms = 0
    for wait_ms in waits:
        now_ms += wait_ms
        match data.draw(st.sampled_from(["consistent", "inconsistent", "poll"])):
            case "consistent":
                trickle.hear_consistent()
            case "inconsistent":
                trickle.hear_inconsistent(now_ms)
            case _:
                trickle.poll(now_ms)
        assert 1000 <= trickle.interval_ms <= IMAX
        assert trickle.interval_ms % 1000 == 0
