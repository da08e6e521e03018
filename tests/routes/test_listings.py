"""Directory entries in words."""

from datetime import date

from app.core.directory import Category, DirectoryEntry, Opening, Season
from app.routes.listings import PRODUCTS_SHOWN, listing_answer, listing_view

THURSDAY = date(2026, 10, 8)
WINTER = Season(11, 4, (Opening(5, 40, 52),))
SUMMER = Season(5, 10, (Opening(5, 36, 52),))


def body(*seasons: Season, products: int = 0) -> bytes:
    return DirectoryEntry("usda", "1", Category.MARKET, "Market", seasons=seasons, products=products).encode()


def test_in_season_and_when_it_opens() -> None:
    listing = listing_view(body(WINTER, SUMMER), THURSDAY)
    assert listing is not None
    assert listing.in_season is True
    assert listing.next_day == "Opens Saturday, in 2 days, 9:00 AM–1:00 PM"


def test_open_today() -> None:
    listing = listing_view(body(SUMMER), date(2026, 10, 10))
    assert listing is not None
    assert listing.next_day == "Open today, 9:00 AM–1:00 PM"


def test_out_of_season() -> None:
    listing = listing_view(body(WINTER), THURSDAY)
    assert listing is not None
    assert (listing.in_season, listing.next_day) == (False, None)


def test_without_seasons_or_without_a_clock_nothing_is_claimed() -> None:
    for listing in (listing_view(body(), THURSDAY), listing_view(body(SUMMER), None)):
        assert listing is not None
        assert (listing.in_season, listing.next_day) == (None, None)


def test_a_card_shows_the_first_products_and_counts_the_rest() -> None:
    listing = listing_view(body(products=2**10 - 1), THURSDAY)
    assert listing is not None
    assert listing.sells_shortly.startswith("Organic food, baked goods")
    assert listing.sells_shortly.endswith(f"and {10 - PRODUCTS_SHOWN} more")
    assert len(listing.sells) == 10


def test_a_body_that_this_version_cannot_read_shows_nothing() -> None:
    assert listing_view(b"\xff", THURSDAY) is None
    assert listing_answer(b"\xff") is None
