"""A node that was restored from a backup, or copied, takes another identity: a new device key under a new index.

Two machines under one key would give one number to two envelopes and one sequence to two records. Whoever hears that
others know a log of this node's own that it has not got says so to `Renewal`; the run loop (app/serving.py) then renews
the node and opens it again. What the other machine wrote under the old index is fetched like anybody's.
"""

import asyncio
import contextlib
import logging
import secrets

from app.clock import Clock
from app.store import NodeIdentity, Store

SEED_BYTES = 32
PAUSE_MS = 3_600_000
"""Between two renewals of one process: a peer that invents log numbers costs an index an hour, not all of them."""
LOOK_SECONDS = 300
"""How often the log itself is looked at: a stick may have brought what the other machine wrote."""

_log = logging.getLogger(__name__)


class Renewal:
    """What was heard of a node's own log. One lives as long as the process, also when its node is opened again."""

    def __init__(self, clock: Clock, pause_ms: int = PAUSE_MS) -> None:
        self._clock = clock
        self._pause_ms = pause_ms
        self._heard = asyncio.Event()
        self._number = 0
        self._last_ms: int | None = None

    def hear(self, number: int) -> None:
        """Somebody knows this node's own log up to this number."""
        self._number = max(self._number, number)
        self._heard.set()

    async def due(self, store: Store, identity: NodeIdentity) -> None:
        """Returns when this node has to be renewed: others know more of its own log than it does."""
        while True:
            own, here = await store.log.own(identity.index)
            if max(self._number, here) > own:
                _log.warning("Others know this node's log up to %d; itself it got to %d.", max(self._number, here), own)
                await self._wait_for_pause()
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), LOOK_SECONDS)
            self._heard.clear()

    def done(self) -> None:
        """The node has another log now."""
        self._number = 0
        self._heard.clear()
        self._last_ms = self._clock.monotonic_ms()

    async def _wait_for_pause(self) -> None:
        if self._last_ms is not None:
            left_ms = self._last_ms + self._pause_ms - self._clock.monotonic_ms()
            await asyncio.sleep(max(0, left_ms) / 1000)


async def renew_identity(store: Store) -> int:
    """A fresh device key and a free index; afterwards the store writes nothing until it is opened anew. The index."""
    return await store.node.renew(secrets.token_bytes(SEED_BYTES), secrets.choice)
