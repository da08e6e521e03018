"""Pages whose content lives on the phone: writing, one's own key and notices, being away."""

from litestar import get

from app.core.boards import Board
from app.routes.site import AnyRequest, KeptResponse, site_of


@get("/me", include_in_schema=False)
async def me(request: AnyRequest) -> KeptResponse:
    """`/me`."""
    return await _plain(request, "me.html", "me")


@get("/write", include_in_schema=False)
async def write(request: AnyRequest) -> KeptResponse:
    """`/write`."""
    return await _plain(request, "write.html", "bulletin")


@get("/offline", include_in_schema=False)
async def offline(request: AnyRequest) -> KeptResponse:
    """`/offline`: what the service worker shows for a page that the phone has not kept."""
    return await _plain(request, "offline.html", "offline")


async def _plain(request: AnyRequest, template: str, page: str) -> KeptResponse:
    site = site_of(request)

    async def render(_form: str) -> bytes:
        return site.render(template, page)

    return await site.answer(request, Board, render)
