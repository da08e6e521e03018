"""The ledger: the hour's airtime on the disk, so that a node that starts again does not begin a fresh hour. A shell.

What stands on the disk is never less than what was sent: it holds an advance, and frames go out within it only. The
calendar is not asked, for after a power cut it may say anything: what was written down counts as if the node had not
been off at all. So a node that starts again may send less than the law lets it for an hour, and never more.
"""

import asyncio
import contextlib
import logging

from app.clock import Clock
from app.errors import StoreError
from app.radio.parcel import Priority
from app.radio.purses import Meter, Spending
from app.store.airtime import AirtimeStore, SpentAirtime

SAVE_S = 60
"""How often what was spent is written down, if anything was."""
AGE_MS = 600_000
"""And so often when nothing was, until the hour is empty: what has grown old since counts less after a restart."""
ADVANCE = 0.05
"""The share of the hour that is written down ahead. A power cut costs so much, and spending it a write before the next
frame: 21 for the 308 frames of the fullest hour."""
ADVANCE_FRAMES = 2
"""Or so many of the longest frames where that is more."""

_log = logging.getLogger(__name__)


class Ledger:
    """Keeps one meter's hour. Nothing may be sent before `covers` says so."""

    def __init__(self, store: AirtimeStore, meter: Meter, clock: Clock) -> None:
        self._store = store
        self._meter = meter
        self._clock = clock
        self._advance_ms = ADVANCE * meter.limit_ms
        self._granted_ms: float | None = None
        self._saved_ms: int | None = None
        self._wanted = asyncio.Event()

    async def open(self) -> None:
        """Take over what was written down before the node stopped."""
        spent = await self._store.spent(self._meter.band)
        spending = [Spending(Priority(one.priority), one.ago_ms, one.ms) for one in spent]
        self._meter.carry_over(spending, self._clock.monotonic_ms())

    def covers(self, airtime_ms: float) -> bool:
        """Whether a frame of so much is on the disk already. If not, it soon will be."""
        self._advance_ms = max(self._advance_ms, ADVANCE_FRAMES * airtime_ms)
        if self._granted_ms is not None and self._meter.total_ms + airtime_ms <= self._granted_ms:
            return True
        self._wanted.set()
        return False

    async def run(self, wake: asyncio.Event) -> None:
        """Write down what is spent, until cancelled; then all of it without the advance. `wake` says: look again."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SAVE_S):
                        await self._wanted.wait()
                if self._wanted.is_set() or self._is_due():
                    await self._save(self._advance_ms)
                    wake.set()
        finally:
            await self._save(0.0)
            self._granted_ms = None

    def _is_due(self) -> bool:
        if self._granted_ms is None or self._saved_ms is None:
            return False  # nobody has asked yet: nothing was sent
        if self._meter.total_ms > self._granted_ms - self._advance_ms:
            return True
        now_ms = self._clock.monotonic_ms()
        return now_ms >= self._saved_ms + AGE_MS and self._meter.spent_ms(now_ms) > 0

    async def _save(self, advance_ms: float) -> None:
        self._wanted.clear()
        now_ms = self._clock.monotonic_ms()
        page, granted_ms = self._page(advance_ms, now_ms)
        try:
            await self._store.save(self._meter.band, page)
        except StoreError as error:
            # Alerts must go out from a node whose disk is full. As long as it runs, the hour is kept in memory.
            _log.error("The airtime that was spent is not written down: %s", error.message)
        self._granted_ms, self._saved_ms = granted_ms, now_ms

    def _page(self, advance_ms: float, now_ms: int) -> tuple[list[SpentAirtime], float]:
        """What is written down, and up to which total of the meter that is enough."""
        page = [SpentAirtime(one.priority, one.ago_ms, one.ms) for one in self._meter.spending(now_ms)]
        if advance_ms:
            page.append(SpentAirtime(Priority.PEOPLE, 0, advance_ms))
        return page, self._meter.total_ms + advance_ms
