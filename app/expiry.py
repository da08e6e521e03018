"""Expiry: what nobody may need any more is let go of, in small steps, and never early.

An envelope goes when two things are so. By the clock it is over: a month for the epoch and the lifetime of its class
have passed since its author's minutes. And this node has kept it for as long itself, counted in minutes that it has
run. The second is what holds when clocks are wrong: one that is years ahead lets go of nothing before its time here,
and an author whose clock is years behind loses no day. A node that was off for a while keeps things longer; later is
always right. Decided in docs/adr/0008-expiry.md.
"""

import asyncio
import logging

from app.clock import MINUTE_MS, Clock, is_plausible, minutes_of
from app.errors import StoreError
from app.feed import Feed
from app.store import Store

EXPIRY_SECONDS = 3600
"""How often: lifetimes count in days, and what was lived since is forgotten when the power goes."""
STEPS_MAX = 200
"""Transactions in one go; the rest waits for the next hour."""

_log = logging.getLogger(__name__)


class Expiry:
    """Lets go, for one node. Nothing is dropped while the clock cannot be right."""

    def __init__(self, store: Store, clock: Clock, feed: Feed) -> None:
        self._store = store
        self._clock = clock
        self._feed = feed
        self._counted_ms = clock.monotonic_ms()

    async def run(self) -> None:
        """Now and then, until cancelled; a disk that fails is tried again."""
        while True:
            try:
                await self.sweep()
            except StoreError as error:
                _log.error("What is over was not let go of: %s", error.message)
            await asyncio.sleep(EXPIRY_SECONDS)

    async def sweep(self) -> int:
        """Count the time lived, take down and let go of what is over. Returns how many places are gone by it."""
        await self._live()
        now_ms = self._clock.now_ms()
        if not is_plausible(now_ms):
            return 0
        await self._store.boards.take_down(minutes_of(now_ms))
        dropped = 0
        for _ in range(STEPS_MAX):
            places = await self._store.log.drop(minutes_of(now_ms))
            if places is None:
                break
            dropped += len(places)
            self._feed.dropped(places)
        await self._feed.publish()
        return dropped

    async def _live(self) -> None:
        minutes = (self._clock.monotonic_ms() - self._counted_ms) // MINUTE_MS
        if minutes > 0:
            await self._store.node.live(minutes)
            self._counted_ms += minutes * MINUTE_MS
