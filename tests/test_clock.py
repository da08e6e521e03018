"""Minutes since 2025, there and back; a clock that cannot be right is told apart."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from app.clock import EPOCH_2025_MS, RELEASED_MS, ManualClock, SystemClock, is_plausible, minutes_of, unix_ms_of


def test_the_count_starts_with_2025() -> None:
    new_year = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    assert new_year.timestamp() * 1000 == EPOCH_2025_MS
    assert minutes_of(EPOCH_2025_MS + 60_000) == 1


@given(st.integers(0, 2**24))
def test_minutes_come_back(minutes: int) -> None:
    assert minutes_of(unix_ms_of(minutes)) == minutes


def test_a_clock_of_1970_counts_as_minute_zero_and_is_not_believed() -> None:
    assert minutes_of(0) == 0
    assert not is_plausible(0)
    assert is_plausible(RELEASED_MS)


def test_clocks_move_as_they_should() -> None:
    clock = ManualClock(5)
    clock.advance(7)
    assert (clock.now_ms(), clock.monotonic_ms()) == (12, 7)
    system = SystemClock()
    assert system.monotonic_ms() <= system.monotonic_ms()
    assert is_plausible(system.now_ms())
