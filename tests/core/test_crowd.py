"""Counts for anybody."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.crowd import ROUNDED_TO, crowd_of


def test_small_counts_all_look_alike() -> None:
    assert {crowd_of(count).words for count in range(ROUNDED_TO)} == {"fewer than 5"}


def test_counts_in_words() -> None:
    assert [crowd_of(count).words for count in (5, 7, 8, 12, 1234)] == [
        "about 5", "about 5", "about 10", "about 10", "about 1,235",
    ]  # fmt: skip


@given(st.integers(5, 100_000))
def test_a_count_is_told_to_the_nearest_five(count: int) -> None:
    about = crowd_of(count).about
    assert about is not None
    assert about % 5 == 0 and abs(about - count) <= 2
