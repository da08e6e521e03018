"""The web pages of a blind node: one that says how it is, and `/health`. There is nothing here that it could read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State

from app.assets import Assets
from app.clock import Clock
from app.errors import StoreError
from app.front import Application, Front
from app.page_cache import PageCache
from app.routes import failures
from app.routes.health import HealthAnswer
from app.routes.node_views import size_words
from app.routes.site import AnyRequest, page_response
from app.store.blind import BlindStore
from app.sync.service import Sync
from app.templates import Templates

SWEEP_SECONDS = 3600
"""How often it is looked whether a day has passed: what outlived its class goes then."""


class BlindSite(msgspec.Struct, frozen=True):
    """What the two routes need."""

    store: BlindStore
    sync: Sync
    templates: Templates


@get("/", include_in_schema=False)
async def status(request: AnyRequest) -> Response[bytes]:
    """How much it keeps, for how many it is there. No names, no places."""
    site = _site_of(request)
    envelopes, held_bytes = await site.store.counts()
    identity = await site.store.identity()
    peers = await site.sync.home.peers.all()
    body = site.templates.render(
        "blind.html",
        {
            "name": identity.name,
            "envelopes": envelopes,
            "size": size_words(held_bytes),
            "quota": None if identity.quota_bytes is None else size_words(identity.quota_bytes),
            "peers": len(peers),
            "connected": len(site.sync.links.status()),
        },
    )
    return page_response(body)


@get("/health", include_in_schema=False)
async def health(request: AnyRequest) -> Response[HealthAnswer]:
    """For a supervisor: does this node work?"""
    try:
        await _site_of(request).store.database.data_version()
    except StoreError as error:
        return Response(HealthAnswer("failing", error.message), status_code=503)
    return Response(HealthAnswer("ok", "ok"), headers={"cache-control": "no-store"})


def create_blind_app(store: BlindStore, sync: Sync, clock: Clock) -> Front:
    """The ASGI application of a blind node."""
    assets = Assets.load()
    site = BlindSite(store, sync, Templates(assets))
    application = Litestar(
        route_handlers=[status, health],
        state=State({"blind": site}, deep_copy=False),
        openapi_config=None,
        logging_config=None,
    )
    return Front(cast(Application, application), assets, PageCache(clock, enabled=False))


@asynccontextmanager
async def blind_running(store: BlindStore, sync: Sync, clock: Clock) -> AsyncIterator[None]:
    """What lives beside the requests: the sync, and the sweep of what is over."""
    async with asyncio.TaskGroup() as tasks:
        started = [
            tasks.create_task(sync.run(), name="sync"),
            tasks.create_task(_sweep(store, clock), name="blind: sweep"),
        ]
        try:
            yield
        finally:
            for task in started:
                task.cancel()


async def _sweep(store: BlindStore, clock: Clock) -> None:
    while True:
        try:
            await store.expire(clock.now_ms())
        except StoreError as error:
            failures.log.error("What is over was not let go: %s", error.message)
        await asyncio.sleep(SWEEP_SECONDS)


def _site_of(request: Request[object, object, State]) -> BlindSite:
    return cast(BlindSite, request.app.state["blind"])
