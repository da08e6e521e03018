"""Redundancy: a machine that is gone for two weeks does not count as a copy any more.

"Kept by n nodes" is to be n disks. Whoever comes back says what it has in its first check and counts again. Until then
what it held is short of a copy: it is wanted first by those who have room, and offered again where nobody else has it.
"""

import asyncio
import logging

from app.clock import Clock, is_plausible
from app.errors import StoreError
from app.feed import Feed
from app.store import Store

GONE_DAYS = 14
"""A keeper's holiday is no loss; a machine that nobody starts for longer may never start again."""
GONE_MS = GONE_DAYS * 86_400_000
LOOK_SECONDS = 3600

_log = logging.getLogger(__name__)


class Redundancy:
    """Keeps one node's custody true."""

    def __init__(self, store: Store, clock: Clock, feed: Feed) -> None:
        self._store = store
        self._clock = clock
        self._feed = feed

    async def run(self) -> None:
        """Now and then, until cancelled; a disk that fails is tried again."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                _log.error("Who is gone was not looked at: %s", error.message)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> list[int]:
        """Let go of the copies of those who are gone. Returns their indexes; nobody while the clock cannot be right."""
        now_ms = self._clock.now_ms()
        if not is_plausible(now_ms):
            return []
        gone = await self._store.custody.silent(now_ms - GONE_MS)
        for index in gone:
            count = await self._store.custody.forget(index)
            _log.warning("Node %d is gone for %d days: its %d copies do not count any more.", index, GONE_DAYS, count)
        if gone:
            await self._feed.publish()
        return gone
