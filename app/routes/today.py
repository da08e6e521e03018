"""The first page: what is new, what there is, and the next market day."""

from datetime import date

import msgspec
from litestar import get

from app.core.boards import Board
from app.routes.boards import FACES, listed
from app.routes.listings import MarketDayView, market_day, market_day_view
from app.routes.site import AnyRequest, KeptResponse, Site, site_of
from app.routes.views import entry_view

LATEST = 5
"""Notices on the first page: about two screens of a phone."""
MARKETS_MAX = 500
"""Markets that are looked through for the next market day; more than a state has."""


class DayView(msgspec.Struct, frozen=True):
    """The day where the node stands."""

    weekday: str
    date: str


@get("/", include_in_schema=False)
async def today(request: AnyRequest) -> KeptResponse:
    """`/`."""
    site = site_of(request)

    async def render(_form: str) -> bytes:
        day = site.today()
        page = await site.node.store.boards.page(Board.BULLETIN, limit=LATEST)
        totals = await site.node.store.boards.totals()
        return site.render(
            "today.html",
            "today",
            day=None if day is None else DayView(f"{day:%A}", f"{day:%B} {day.day}"),
            latest=[entry_view(standing, day) for standing in page.records],
            counts=[(FACES[board], board, totals[board]) for board in listed(totals)],
            markets=totals[Board.MARKETS],
            market=None if day is None else await _next_market(site, day),
        )

    return await site.answer(request, Board, render, site.midnight_ms())


async def _next_market(site: Site, day: date) -> MarketDayView | None:
    """The market that opens next, of several on one day the first by hour."""
    page = await site.node.store.boards.page(Board.MARKETS, limit=MARKETS_MAX)
    found = [
        (opens, standing.record_id.hex(), standing.body)
        for standing in page.records
        if standing.body is not None and (opens := market_day(standing.body, day)) is not None
    ]
    if not found:
        return None
    opens, record_id, body = min(found)
    return market_day_view(record_id, body, opens, day)
