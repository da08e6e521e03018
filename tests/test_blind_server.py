"""The pages of a blind node: counts and nothing else; and what is over goes while it runs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.blind_server import blind_running, create_blind_app
from app.clock import ManualClock
from app.core.keys import SpaceId
from app.store.blind import BlindEpoch, BlindIdentity, BlindStore, found_blind
from app.store.peers import Peer
from app.sync.certificate import SyncKey
from app.sync.message import Role
from app.sync.service import Sync, blind_sync

pytestmark = pytest.mark.anyio
SPACE = SpaceId(b"space of theirs!")
KEY = SyncKey(b"k" * 32)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[BlindStore]:
    epochs = [BlindEpoch(1, b"r" * 32, b"l" * 32, 0)]
    found = await found_blind(tmp_path, BlindIdentity(7, "School <Cellar>", SPACE, 2_500_000_000), epochs)
    yield found
    await found.close()


@pytest.fixture
async def sync(store: BlindStore, tmp_path: Path, clock: ManualClock) -> Sync:
    return await blind_sync(store, tmp_path, clock, None)


@pytest.fixture
async def client(store: BlindStore, sync: Sync, clock: ManualClock) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_blind_app(store, sync, clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://cellar") as client:
        yield client


async def test_the_page_counts_and_names_nobody(client: httpx.AsyncClient, sync: Sync) -> None:
    address = ("10.1.2.3:8444",)
    await sync.home.peers.pin(Peer(KEY.peer_id, KEY.certificate, "Mill Bridge", 0, Role.MEMBER, True, None, address, 0))
    page = await client.get("/")
    assert page.status_code == 200
    assert "School &lt;Cellar&gt;" in page.text
    for words in ("0 B of 2.5 GB", "0 of 1"):
        assert words in page.text
    for secret in ("Mill Bridge", "10.1.2.3", KEY.peer_id.hex()[:8], SPACE.hex()):
        assert secret not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_it_says_that_it_works(client: httpx.AsyncClient) -> None:
    health = await client.get("/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok", "database": "ok"})


@pytest.mark.parametrize("path", ["/boards/bulletin", "/node", "/api/v1/space", "/schema/openapi.json"])
async def test_there_is_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_styles_are_served(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert (await client.get(style)).status_code == 200


async def test_it_syncs_and_sweeps_while_it_runs(store: BlindStore, sync: Sync, clock: ManualClock) -> None:
    async with blind_running(store, sync, clock), asyncio.timeout(10):
        while (await store.database.read("SELECT swept_day FROM blind"))[0][0] == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
