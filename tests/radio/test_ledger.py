"""The ledger: whenever the power goes, the disk says no less than was sent; and nobody is silent for long by it."""

import asyncio
import math
import random
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import ManualClock
from app.errors import StoreFullError
from app.radio.airtime import HOUR_MS
from app.radio.ledger import ADVANCE, Ledger
from app.radio.parcel import Priority
from app.radio.profile import EU868
from app.radio.purses import Meter, Spending
from app.store.airtime import AirtimeStore, SpentAirtime
from app.store.database import FILE_NAME, Database, open_database

pytestmark = pytest.mark.anyio
FRAME_MS = EU868.frame_airtime_ms(233)
MINUTE_MS = 60_000


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_database(tmp_path)
    yield database
    await database.close()


class Box:
    """One life of a node's radio, from power on to off."""

    def __init__(self, store: AirtimeStore, clock: ManualClock) -> None:
        self.clock = clock
        self.meter = Meter(EU868)
        self.ledger = Ledger(store, self.meter, clock)
        self.wake = asyncio.Event()
        self.sent_ms = 0.0

    async def send(self, frames: int, priority: Priority = Priority.PEOPLE) -> None:
        """As the supervisor does: only what the ledger covers."""
        for _ in range(frames):
            with anyio.fail_after(5):
                while not self.ledger.covers(FRAME_MS):
                    self.wake.clear()
                    await self.wake.wait()
            self.meter.spend(FRAME_MS, self.clock.monotonic_ms(), priority)
            self.sent_ms += FRAME_MS
            self.clock.advance(math.ceil(FRAME_MS))

    @property
    def spent_ms(self) -> float:
        return self.meter.spent_ms(self.clock.monotonic_ms())


@asynccontextmanager
async def living(store: AirtimeStore, clock: ManualClock | None = None) -> AsyncIterator[Box]:
    """A node that is stopped in an orderly way."""
    box = Box(store, clock or ManualClock())
    await box.ledger.open()
    task = asyncio.create_task(box.ledger.run(box.wake))
    await asyncio.sleep(0)
    try:
        yield box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def on_disk(store: AirtimeStore, meter: Meter) -> float:
    return sum(one.ms for one in await store.spent(meter.band))


async def test_a_node_that_is_stopped_and_started_goes_on_where_it_was(database: Database) -> None:
    store = AirtimeStore(database)
    async with living(store) as before:
        await before.send(20)
        await before.send(3, Priority.ALERT)
    async with living(store) as after:
        by_class = after.meter.by_priority(after.clock.monotonic_ms())
        assert by_class[Priority.PEOPLE] == pytest.approx(20 * FRAME_MS)
        assert by_class[Priority.ALERT] == pytest.approx(3 * FRAME_MS)


async def test_a_power_cut_at_any_frame_costs_an_advance_and_hides_nothing(database: Database, tmp_path: Path) -> None:
    store = AirtimeStore(database)
    async with living(store) as box:
        for _ in range(60):
            await box.send(1)
            with sqlite3.connect(tmp_path / FILE_NAME) as other:  # what a restart would find now
                (written_ms,) = other.execute("SELECT sum(ms) FROM radio_airtime").fetchone()
            other.close()
            assert box.sent_ms <= written_ms <= box.sent_ms + ADVANCE * box.meter.limit_ms + 1


@pytest.mark.parametrize("year_ms", [0, 4_000_000_000_000])
async def test_whatever_the_calendar_says_the_hour_is_kept_and_ends(database: Database, year_ms: int) -> None:
    store = AirtimeStore(database)
    async with living(store) as before:
        while before.meter.ready_at_ms(FRAME_MS, before.clock.monotonic_ms()) == before.clock.monotonic_ms():
            await before.send(1, Priority.ALERT)
    clock = ManualClock(year_ms)
    async with living(store, clock) as after:
        began_ms = clock.monotonic_ms()
        ready_ms = after.meter.ready_at_ms(FRAME_MS, began_ms)
        assert ready_ms is not None
        assert HOUR_MS - 7 * MINUTE_MS < ready_ms - began_ms <= HOUR_MS + MINUTE_MS


async def test_restarts_do_not_make_a_node_silent_for_more_than_the_hour(database: Database) -> None:
    """Every ten minutes it starts again: six starts later the first minute's airtime is forgotten."""
    store = AirtimeStore(database)
    async with living(store) as box:
        await box.send(30)
    for _ in range(7):
        async with living(store) as box:
            box.clock.advance(10 * MINUTE_MS)
    assert box.spent_ms == 0


async def test_a_node_without_a_radio_that_sends_writes_nothing(database: Database) -> None:
    store = AirtimeStore(database)
    async with living(store) as box:
        assert await on_disk(store, box.meter) == 0


async def test_what_the_radio_sent_by_itself_is_written_down_too(database: Database) -> None:
    store = AirtimeStore(database)
    async with living(store) as box:
        await box.send(1)
        box.meter.reported(5.0, box.clock.monotonic_ms())
        await box.send(1)
        assert await on_disk(store, box.meter) >= 0.05 * HOUR_MS


class Full(AirtimeStore):
    """A disk that is full."""

    async def save(self, band: str, spent: Iterable[SpentAirtime]) -> None:
        raise StoreFullError("The disk is full.")


async def test_a_full_disk_does_not_silence_an_alert(database: Database) -> None:
    async with living(Full(database)) as box:
        await box.send(40, Priority.ALERT)
        assert box.spent_ms == pytest.approx(40 * FRAME_MS)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 50), st.booleans()), min_size=1, max_size=8), st.integers()
)
def test_no_hour_holds_more_than_its_share_however_often_the_power_goes(
    lives: list[tuple[int, int, bool]], seed: int
) -> None:
    """Lives of (frames, minutes of rest, whether it is stopped in an orderly way), without a pause between them."""
    disk: list[SpentAirtime] = []
    rng = random.Random(seed)
    frames: list[tuple[float, float]] = []
    now_ms = 0
    for count, rest, orderly in lives:
        meter = Meter(EU868)
        began_ms = now_ms - rng.randrange(10**6)  # each life has its own monotonic clock
        ledger = Ledger(None, meter, None)  # type: ignore[arg-type]
        meter.carry_over([Spending(Priority(one.priority), one.ago_ms, one.ms) for one in disk], now_ms - began_ms)
        for _ in range(count):
            at_ms = meter.ready_at_ms(FRAME_MS, now_ms - began_ms)
            assert at_ms is not None
            now_ms = at_ms + began_ms
            if not ledger.covers(FRAME_MS):
                disk, ledger._granted_ms = ledger._page(ledger._advance_ms, at_ms)
                assert ledger.covers(FRAME_MS)
            meter.spend(FRAME_MS, at_ms, Priority.ALERT)
            frames.append((now_ms, now_ms + FRAME_MS))
            now_ms += round(FRAME_MS) + 1
        now_ms += rest * MINUTE_MS
        if orderly:
            disk, _ = ledger._page(0.0, now_ms - began_ms)
    first = 0
    for last, (_, end_ms) in enumerate(frames):
        while frames[first][1] <= end_ms - HOUR_MS:
            first += 1
        within = sum(end - max(start, end_ms - HOUR_MS) for start, end in frames[first : last + 1])
        assert within <= HOUR_MS * 0.1 + 1e-6
