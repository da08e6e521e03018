"""Directory entries in words: what a market's card and page show, and the directory's part of the JSON."""

from datetime import date
from functools import lru_cache

import msgspec

from app.core.calendar import MarketDay, days_words, is_in_season, next_market_day
from app.core.directory import DirectoryEntry, decode_entry
from app.errors import DecodeError

PRODUCTS_SHOWN = 7
"""What fits two lines of a card; the entry's own page has all."""
ENTRIES_KEPT = 512
"""Decoded entries kept in memory: the demo's file five times over, about 1 MB."""


class LinkView(msgspec.Struct, frozen=True):
    """A link as listed; `href` is None for what is no web address."""

    words: str
    href: str | None


class ListingView(msgspec.Struct, frozen=True):
    """A directory entry. `in_season` is None where the listing does not say."""

    in_season: bool | None
    place: str
    setting: str
    next_day: str | None
    seasons: list[str]
    sells_shortly: str
    sells: list[str]
    pays: list[str]
    links: list[LinkView]
    listed: int | None


class MarketDayView(msgspec.Struct, frozen=True):
    """The next market day, for the first page."""

    id: str
    name: str
    month: str
    day: int
    weekday: str
    when: str
    hours: str
    place: str


class ListingAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A directory entry for programs."""

    source: str
    source_id: str
    category: str
    place: dict[str, str]
    seasons: list[str]
    products: list[str]
    payments: list[str]
    links: list[str]
    listed_year: int | None = None
    setting: str = ""


@lru_cache(ENTRIES_KEPT)
def directory_entry(body: bytes) -> DirectoryEntry | None:
    """The entry in a body; None for one that this version cannot read."""
    try:
        return decode_entry(body)
    except DecodeError:
        return None


def listing_view(body: bytes, today: date | None) -> ListingView | None:
    """What a card and a page show. `today` is None while the clock cannot be right: then no days are told."""
    entry = directory_entry(body)
    if entry is None:
        return None
    names = entry.product_names
    more = len(names) - PRODUCTS_SHOWN
    shortly = ", ".join(names[:PRODUCTS_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return ListingView(
        in_season=_in_season(entry, today),
        place=entry.place.words,
        setting=entry.setting,
        next_day=_next_words(entry, today),
        seasons=[season.words for season in entry.seasons if season.words],
        sells_shortly=_capitalized(shortly),
        sells=names,
        pays=entry.payment_names,
        links=[LinkView(link, link if link.startswith(("http://", "https://")) else None) for link in entry.links],
        listed=entry.listed_year,
    )


def market_day(body: bytes, today: date) -> MarketDay | None:
    """The next day on which a listed market is open."""
    entry = directory_entry(body)
    return None if entry is None else next_market_day(entry.seasons, today)


def market_day_view(record_id: str, body: bytes, found: MarketDay, today: date) -> MarketDayView:
    """The next market day in words."""
    entry = directory_entry(body)
    assert entry is not None, "it had a market day"
    return MarketDayView(
        id=record_id,
        name=entry.name,
        month=f"{found.day:%b}".upper(),
        day=found.day.day,
        weekday=f"{found.day:%a}",
        when=days_words(found.day, today),
        hours=found.opening.words.partition(" ")[2],
        place=", ".join(part for part in (entry.place.street, entry.place.city) if part),
    )


def listing_answer(body: bytes) -> ListingAnswer | None:
    """A directory entry for programs."""
    entry = directory_entry(body)
    if entry is None:
        return None
    place: dict[str, str] = msgspec.structs.asdict(entry.place)
    return ListingAnswer(
        source=entry.source,
        source_id=entry.source_id,
        category=entry.category.name.lower(),
        place={name: value for name, value in place.items() if value},
        seasons=[season.words for season in entry.seasons if season.words],
        products=entry.product_names,
        payments=entry.payment_names,
        links=list(entry.links),
        listed_year=entry.listed_year,
        setting=entry.setting,
    )


def _in_season(entry: DirectoryEntry, today: date | None) -> bool | None:
    if today is None or not entry.seasons:
        return None
    return any(is_in_season(season, today) for season in entry.seasons)


def _next_words(entry: DirectoryEntry, today: date | None) -> str | None:
    found = None if today is None else next_market_day(entry.seasons, today)
    if found is None or today is None:
        return None
    when = days_words(found.day, today)
    hours = found.opening.words.partition(" ")[2]
    return f"Open today, {hours}" if found.day == today else f"Opens {found.day:%A}, {when}, {hours}"


def _capitalized(words: str) -> str:
    return words[:1].upper() + words[1:]
