"""The first page: what is new, and what there is."""

from datetime import datetime

import msgspec
from litestar import get

from app.clock import is_plausible
from app.core.boards import Board
from app.routes.boards import FACES
from app.routes.site import AnyRequest, KeptResponse, Site, site_of
from app.routes.views import entry_view

LATEST = 5
"""Notices on the first page: about two screens of a phone."""


class DayView(msgspec.Struct, frozen=True):
    """The day where the node stands."""

    weekday: str
    date: str


@get("/", include_in_schema=False)
async def today(request: AnyRequest) -> KeptResponse:
    """`/`."""
    site = site_of(request)

    async def render(_form: str) -> bytes:
        page = await site.node.store.boards.page(Board.BULLETIN, limit=LATEST)
        totals = await site.node.store.boards.totals()
        counts = [(FACES[board], board, totals[board]) for board in Board if totals[board]]
        latest = [entry_view(standing) for standing in page.records]
        return site.render("today.html", "today", latest=latest, counts=counts, day=_day(site), market=None)

    return await site.answer(request, Board, render, site.midnight_ms())


def _day(site: Site) -> DayView | None:
    if not is_plausible(site.clock.now_ms()):
        return None
    now = datetime.fromtimestamp(site.clock.now_ms() / 1000).astimezone()
    return DayView(f"{now:%A}", f"{now:%B} {now.day}")
