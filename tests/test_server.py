"""What lives beside the requests: the sweep that takes notices down, and pages forgotten after a commit."""

import asyncio

import httpx
import pytest

from app import server
from app.clock import ManualClock
from app.core.record import Lifetime
from app.founding import Node
from app.server import create_app, running
from tests.people import Person

pytestmark = pytest.mark.anyio
DAY_MS = 86_400_000


async def titles(client: httpx.AsyncClient) -> list[str]:
    answer = await client.get("/boards/bulletin", headers={"accept": "application/json"})
    return [record["title"] for record in answer.json()["records"]]


async def until_titles(client: httpx.AsyncClient, wanted: list[str]) -> None:
    async with asyncio.timeout(5):
        while await titles(client) != wanted:  # noqa: ASYNC110 - the board is what is waited for, and tells nobody
            await asyncio.sleep(0.01)


async def test_what_has_outlived_its_class_comes_down(
    node: Node, person: Person, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.01)
    await node.door.post(person.introduce())
    await node.door.post(person.say(2, b"Short", Lifetime.SHORT).encode())
    await node.door.post(person.say(2, b"Long", Lifetime.LONG).encode())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(node)), base_url="http://x") as client:
        assert await titles(client) == ["Long", "Short"]
        async with running(node):
            clock.advance(8 * DAY_MS)
            await until_titles(client, ["Long"])


async def test_what_came_too_early_is_looked_at_again(
    node: Node, person: Person, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.01)
    await node.door.post(person.introduce())
    await node.door.post(person.write("Tomorrow", minutes=1_000_000 + 4 * 24 * 60))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(node)), base_url="http://x") as client:
        assert await titles(client) == []
        async with running(node):
            clock.advance(3 * DAY_MS)
            await until_titles(client, ["Tomorrow"])


async def test_a_receipt_from_another_node_shows_at_once(node: Node, person: Person) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(node)), base_url="http://x") as client:
        await node.door.post(person.introduce())
        accepted = await node.door.post(person.write("Cider press"))
        assert "kept by 1 node<" in (await client.get("/boards/bulletin")).text
        await node.store.custody.add(accepted.envelope_id, 1, node.clock.now_ms())
        await node.feed.publish()
        assert "kept by 2 nodes<" in (await client.get("/boards/bulletin")).text
