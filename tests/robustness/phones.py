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
        self._url = url
        self._person = Person(space_id, f"Phone {number}", bytes([number + 1]) * 32)
        self._name = f"phone {number}"
        self.told: set[str] = set()
        self.written = 0

    async def write(self, enough: asyncio.Event) -> None:
        """Introduce itself, then write until it is enough; whatever was begun is brought to its answer."""
        async with httpx.AsyncClient(base_url=self._url, timeout=10.0) as client:
            await self._keep(client, self._person.introduce(now_minutes()))
            while not enough.is_set():
                self.written += 1
                await self._keep(client, self._person.write(f"Post {self.written} of {self._name}", now_minutes()))

    async def _keep(self, client: httpx.AsyncClient, record: bytes) -> None:
        """Offer one record until the node says that it has it."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await client.post(
                    "/api/v1/records", content=record, headers={"content-type": "application/octet-stream"}
                )
                assert answer.status_code in (httpx.codes.OK, httpx.codes.CREATED), answer.text
                self.told.add(answer.json()["id"])
                return
            await asyncio.sleep(PAUSE_SECONDS)


def now_minutes() -> int:
    """The time that the node's own clock shows."""
    return minutes_of(time.time_ns() // 1_000_000)
