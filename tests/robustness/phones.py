"""Phones that write as fast as a node takes it, and offer again what they have no answer for."""

import asyncio
import contextlib
import time

import httpx

from app.clock import minutes_of
from app.core.keys import SpaceId
from tests.people import Person

PAUSE_SECONDS = 0.02
"""Between two tries while the node is away."""


class Phone:
    """One device on one keep-alive connection. `told` are the record ids that it was told are kept."""

    def __init__(self, url: str, number: int, space_id: SpaceId) -> None:
        self.told: set[str] = set()
        self.written = 0
        self._url = url
        self._person = Person(space_id, f"Phone {number}", bytes([number + 1]) * 32)
        self._name = f"phone {number}"

    async def write_until(self, enough: asyncio.Event) -> None:
        """Introduce itself, then write until it is enough; whatever was begun is brought to its answer."""
        async with httpx.AsyncClient(base_url=self._url, timeout=10.0) as client:
            await self._keep(client, self.introduction())
            while not enough.is_set():
                await self._keep(client, self.post())

    def introduction(self) -> bytes:
        """Its first record, signed."""
        return self._person.introduce(now_minutes())

    def post(self, more: str = "") -> bytes:
        """Its next post, signed."""
        self.written += 1
        return self._person.write(f"Post {self.written} of {self._name}\n{more}", now_minutes())

    async def offer(self, client: httpx.AsyncClient, record: bytes) -> httpx.Response:
        """Offer a record once, and remember the id when the node says that it is kept."""
        octets = {"content-type": "application/octet-stream"}
        answer = await client.post("/api/v1/records", content=record, headers=octets)
        if answer.status_code in (httpx.codes.OK, httpx.codes.CREATED):
            self.told.add(answer.json()["id"])
        return answer

    async def _keep(self, client: httpx.AsyncClient, record: bytes) -> None:
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.offer(client, record)
                assert answer.status_code in (httpx.codes.OK, httpx.codes.CREATED), answer.text
                return
            await asyncio.sleep(PAUSE_SECONDS)


def now_minutes() -> int:
    """The time that the node's own clock shows."""
    return minutes_of(time.time_ns() // 1_000_000)
