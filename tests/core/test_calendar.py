"""Seasons and weekly hours laid over a day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.calendar import DAYS_AHEAD, MarketDay, days_words, is_in_season, next_market_day
from app.core.directory import Opening, Season

THURSDAY = date(2026, 10, 8)
SATURDAY_MORNING = Opening(5, 36, 52)
WEDNESDAY = Opening(2, 40, 48)


@pytest.mark.parametrize(
    ("season", "day", "expected"),
    [
        (Season(5, 10), date(2026, 5, 1), True),
        (Season(5, 10), date(2026, 10, 31), True),
        (Season(5, 10), date(2026, 11, 1), False),
        (Season(11, 4), date(2026, 12, 31), True),
        (Season(11, 4), date(2027, 4, 30), True),
        (Season(11, 4), date(2027, 5, 1), False),
        (Season(7, 7), date(2026, 7, 4), True),
        (Season(date(2026, 5, 2), date(2026, 10, 10)), date(2026, 5, 2), True),
        (Season(date(2026, 5, 2), date(2026, 10, 10)), date(2026, 10, 10), True),
        (Season(date(2017, 5, 2), date(2017, 10, 10)), date(2026, 6, 1), False),
        (Season(date(2026, 5, 2), None), date(2026, 6, 1), False),
        (Season(None, 10), date(2026, 6, 1), False),
        (Season(), date(2026, 6, 1), False),
    ],
)
def test_in_season(season: Season, day: date, expected: bool) -> None:
    assert is_in_season(season, day) is expected


def test_the_next_market_day() -> None:
    found = next_market_day([Season(5, 10, (WEDNESDAY, SATURDAY_MORNING))], THURSDAY)
    assert found == MarketDay(date(2026, 10, 10), SATURDAY_MORNING)


def test_a_market_is_open_today() -> None:
    found = next_market_day([Season(5, 10, (SATURDAY_MORNING,))], date(2026, 10, 10))
    assert found is not None
    assert days_words(found.day, date(2026, 10, 10)) == "today"


def test_the_earlier_of_two_openings_on_a_day() -> None:
    late = Opening(5, 60, 70)
    found = next_market_day([Season(5, 10, (late,)), Season(5, 10, (SATURDAY_MORNING,))], THURSDAY)
    assert found is not None
    assert found.opening == SATURDAY_MORNING


@pytest.mark.parametrize(
    "season",
    [
        Season(5, 10, (), "Saturdays, weather permitting"),
        Season(None, None, (SATURDAY_MORNING,)),
        Season(1, 3, (SATURDAY_MORNING,)),
    ],
)
def test_no_day_where_the_listing_names_none(season: Season) -> None:
    assert next_market_day([season], THURSDAY) is None


def test_the_season_s_last_day_counts_and_the_day_after_does_not() -> None:
    season = Season(date(2026, 5, 1), date(2026, 10, 10), (SATURDAY_MORNING,))
    assert next_market_day([season], date(2026, 10, 10)) is not None
    assert next_market_day([season], date(2026, 10, 11)) is None


@given(
    start=st.integers(1, 12),
    end=st.integers(1, 12),
    weekday=st.integers(0, 6),
    today=st.dates(date(2020, 1, 1), date(2040, 1, 1)),
)
def test_a_market_day_is_ahead_in_season_and_on_its_weekday(start: int, end: int, weekday: int, today: date) -> None:
    season = Season(start, end, (Opening(weekday, 40, 48),))
    found = next_market_day([season], today)
    days = [today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD)]
    fitting = [day for day in days if is_in_season(season, day) and day.weekday() == weekday]
    assert (None if found is None else found.day) == (fitting[0] if fitting else None)


@pytest.mark.parametrize(("ahead", "words"), [(0, "today"), (1, "tomorrow"), (2, "in 2 days")])
def test_days_in_words(ahead: int, words: str) -> None:
    assert days_words(THURSDAY + timedelta(days=ahead), THURSDAY) == words
