"""The web application of a node: the only place where its parts meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import License

from app.assets import Assets
from app.clock import is_plausible, minutes_of
from app.errors import StoreError, TntnError
from app.expiry import Expiry
from app.feed import BoardsChanged
from app.founding import Node
from app.front import UPLOAD_BYTES_MAX, Application, Front
from app.page_cache import PageCache
from app.radio.airtime import Modulation
from app.radio.supervisor import RadioSupervisor
from app.redundancy import Redundancy
from app.routes import api, boards, bundles, failures, health, network, node, peers, people, records, today
from app.routes.site import Channel, NeighborHeard, RadioDescription, Site
from app.sync.desk import PeerDesk
from app.sync.service import Sync

API_VERSION = "1"
SWEEP_SECONDS = 60
"""How often notices come down and parked records are looked at: both count in minutes."""
WATCH_AGAIN_SECONDS = 5
"""After the database refused: long enough not to fill the log."""
ROUTES = (
    today.today,
    boards.board,
    records.record,
    people.me,
    people.write,
    people.offline,
    node.node,
    node.open_session,
    node.invite,
    node.rename,
    node.set_join_policy,
    node.set_announcements,
    node.set_meshtastic,
    node.close_session,
    bundles.download,
    bundles.upload,
    peers.invite,
    peers.add,
    peers.remove,
    api.post_record,
    api.ask_custody,
    api.space,
    api.device,
    health.health,
    network.network,
    network.network_counts,
)


def create_app(
    node: Node,
    radio: RadioSupervisor | None = None,
    sync: Sync | None = None,
    *,
    https_port: int | None = None,
    keep_pages: bool = True,
) -> Front:
    """The ASGI application of a node. `https_port` is where pages over plain HTTP point those who want to write;
    `keep_pages=False` renders every page anew, for measuring.
    """
    assets = Assets.load()
    pages = PageCache(node.clock, enabled=keep_pages)
    radio_on_page = None if radio is None else _RadioOnPage(node, radio)
    site = Site(node, assets, pages, PeerDesk(node, sync), radio_on_page, https_port)

    def forget(event: BoardsChanged) -> None:
        pages.invalidate(event.revisions)

    node.feed.on_boards_changed(forget)
    application = Litestar(
        route_handlers=ROUTES,
        state=State({"site": site}, deep_copy=False),
        exception_handlers={
            TntnError: failures.our_error,
            HTTPException: failures.framework_error,
            Exception: failures.broken,
        },
        openapi_config=OpenAPIConfig(
            title="TNTN node",
            version=API_VERSION,
            summary="The boards of a community, and the door for signed records",
            description="Answers are JSON. Errors are `{error, message, field}`, the message a sentence for a person.",
            license=License(name="AGPL-3.0-or-later", identifier="AGPL-3.0-or-later"),
            path="/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
            use_handler_docstrings=False,
        ),
        request_max_body_size=UPLOAD_BYTES_MAX,
        logging_config=None,
    )
    return Front(cast(Application, application), assets, pages)


@asynccontextmanager
async def running(node: Node, radio: RadioSupervisor | None = None, sync: Sync | None = None) -> AsyncIterator[None]:
    """Everything that lives beside the requests: the feed, the sweep, the radio and the sync with peers."""
    await node.feed.start()
    async with asyncio.TaskGroup() as tasks:
        started = [
            tasks.create_task(_watch(node), name="feed: watch"),
            tasks.create_task(_sweep(node), name="boards: sweep"),
            tasks.create_task(Expiry(node.store, node.clock, node.feed).run(), name="expiry"),
            tasks.create_task(Redundancy(node.store, node.clock, node.feed).run(), name="redundancy"),
        ]
        if radio is not None:
            started.append(tasks.create_task(radio.run(), name="radio"))
        if sync is not None:
            started.append(tasks.create_task(sync.run(), name="sync"))
        try:
            yield
        finally:
            for task in started:
                task.cancel()


async def _watch(node: Node) -> None:
    """Notice what other processes write, also after a disk that failed for a while."""
    while True:
        try:
            await node.feed.watch()
        except StoreError as error:
            failures.log.error("The database is not read at the moment: %s", error.message)
            await asyncio.sleep(WATCH_AGAIN_SECONDS)


async def _sweep(node: Node) -> None:
    """Take down what has outlived its class, and look again at what came too early."""
    while True:
        now_ms = node.clock.now_ms()
        try:
            if is_plausible(now_ms) and await node.store.boards.take_down(minutes_of(now_ms)):
                await node.feed.publish()
            await node.door.retry_parked()
        except StoreError as error:
            failures.log.error("The boards were not swept: %s", error.message)
        await asyncio.sleep(SWEEP_SECONDS)


class _RadioOnPage:
    """The radio's state in the words of the node's page."""

    def __init__(self, node: Node, radio: RadioSupervisor) -> None:
        self._node = node
        self._radio = radio

    def describe(self) -> RadioDescription:
        status, now_ms = self._radio.status(), self._node.clock.monotonic_ms()
        shape = status.on_air.modulation
        return RadioDescription(
            port=status.port,
            profile=_own_settings(shape) if status.channels else status.profile.name,
            fault=status.fault,
            used_ms=status.spent_ms,
            budget_ms=status.limit_ms,
            waiting=sum(status.waiting.values()),
            neighbors=tuple(
                NeighborHeard(index, now_ms - heard.heard_ms, heard.signal.rssi_dbm, heard.signal.snr_db)
                for index, heard in status.neighbors.items()
            ),
            radio=status.radio,
            purses=tuple((priority.name.lower(), ms) for priority, ms in status.spent_by_class.items()),
            refused=tuple(sorted(status.rejected.items())),
            channel=Channel(
                status.profile.region,
                shape.spreading_factor,
                shape.bandwidth_khz,
                shape.coding_rate,
                shape.preamble_symbols,
                status.frame_bytes_max,
                status.on_air.overhead_bytes,
                status.on_air.signature_bytes,
                status.on_air.repeats,
            ),
            offered=tuple((channel.value, channel.name) for channel in status.channels),
        )


def _own_settings(shape: Modulation) -> str:
    """What a radio that keeps its own settings is set to."""
    return f"SF{shape.spreading_factor} · {shape.bandwidth_khz:g} kHz · 4/{shape.coding_rate}, as the radio is set"
