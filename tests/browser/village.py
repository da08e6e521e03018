"""A node that runs inside the test, with what a test does to it from behind."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx

from app.clock import minutes_of
from app.founding import Node
from app.hotspot.certificates import ensure_certificates
from app.listeners import open_listeners
from app.serving import serving, tls_context
from tests.people import Person


class Village:
    """A node and the addresses where it answers."""

    def __init__(self, node: Node, http_port: int, https_port: int) -> None:
        self.node = node
        self.http_port = http_port
        self.https_port = https_port
        self.url = f"http://127.0.0.1:{http_port}"

    async def board(self) -> list[dict[str, object]]:
        """The bulletin board as programs see it."""
        async with httpx.AsyncClient(base_url=self.url, headers={"accept": "application/json"}) as client:
            answer = await client.get("/boards/bulletin")
        records: list[dict[str, object]] = answer.json()["records"]
        return records

    async def titles(self) -> list[object]:
        """The headlines on the board, the newest first."""
        return [record["title"] for record in await self.board()]

    async def put_up(self, *texts: str, name: str = "Ada Whitcombe") -> None:
        """Notices that a neighbor wrote at this node an hour ago."""
        minutes = minutes_of(self.node.clock.now_ms()) - 60
        neighbor = Person(self.node.identity.space_id, name)
        await self.node.door.post(neighbor.introduce(minutes))
        for text in texts:
            await self.node.door.post(neighbor.write(text, minutes))

    async def hear_receipt(self, node_index: int = 1) -> None:
        """A radio neighbor says that all of this node's log is on its disk."""
        now_ms = self.node.clock.now_ms()
        for entry in await self.node.store.envelopes.pending(100):
            await self.node.store.custody.add(entry.envelope_id, node_index, now_ms)
        await self.node.feed.publish()


@contextlib.asynccontextmanager
async def serve(node: Node, folder: Path) -> AsyncIterator[Village]:
    """The node's HTTP and HTTPS on free ports of loopback; closes the node afterwards."""
    listeners = open_listeners("127.0.0.1", 0, 0)
    context = tls_context(ensure_certificates(folder, ["127.0.0.1"], datetime.now(UTC)))
    village = Village(node, listeners.http_port, listeners.https_port)
    try:
        async with serving(node, listeners, context):
            yield village
    finally:
        listeners.http.close()
        listeners.https.close()
        await node.close()
