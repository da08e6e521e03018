"""When a listed market is open: its seasons and weekly hours laid over a day.

Says only what the listing says outright: a season without both ends, or hours in words, yield no date. Days and
hours are those of the place; the caller knows which day it is there.
"""

from collections.abc import Iterable
from datetime import date, timedelta

import msgspec

from app.core.directory import Opening, Season

DAYS_AHEAD = 14
"""How far ahead a next market day is looked for; beyond that the season says enough."""


class MarketDay(msgspec.Struct, frozen=True, order=True):
    """An opening on a day."""

    day: date
    opening: Opening


def is_in_season(season: Season, day: date) -> bool:
    """True when the season covers the day: between its dates, or within its months of any year."""
    start, end = season.start, season.end
    if isinstance(start, date) and isinstance(end, date):
        return start <= day <= end
    if isinstance(start, int) and isinstance(end, int):
        if start <= end:
            return start <= day.month <= end
        return day.month >= start or day.month <= end
    return False


def next_market_day(seasons: Iterable[Season], today: date) -> MarketDay | None:
    """The first opening from today on, within `DAYS_AHEAD` days."""
    found = [
        MarketDay(day, opening)
        for season in seasons
        for day in (today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD))
        if is_in_season(season, day)
        for opening in season.hours
        if opening.weekday == day.weekday()
    ]
    return min(found, default=None)


def days_words(day: date, today: date) -> str:
    """“today”, “tomorrow”, “in 2 days”."""
    ahead = (day - today).days
    return {0: "today", 1: "tomorrow"}.get(ahead, f"in {ahead} days")
