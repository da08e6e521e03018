"""The pauses between two calls."""

import random

from hypothesis import given
from hypothesis import strategies as st

from app.sync.redial import FIRST_S, JITTER, LONGEST_S, REPLACED_TRIES, pause_s


@given(st.integers(0, 10**6), st.integers())
def test_pauses_grow_to_a_limit(tries: int, seed: int) -> None:
    pause = pause_s(tries, random.Random(seed))
    assert FIRST_S <= pause <= LONGEST_S * (1 + JITTER)
    assert pause_s(tries + 1, random.Random(seed)) >= pause


def test_a_cut_link_is_tried_at_once_and_a_twin_waits_a_minute() -> None:
    assert pause_s(0, random.Random(1)) < 2
    assert pause_s(REPLACED_TRIES, random.Random(1)) >= 60


def test_two_do_not_meet_in_the_same_moment_for_ever() -> None:
    assert len({pause_s(3, random.Random(seed)) for seed in range(20)}) == 20
