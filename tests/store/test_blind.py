"""The blind node's database: founding, quota, what expires and what never does, and the tables it shares."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import ManualClock, unix_ms_of
from app.core.envelope import envelope_id
from app.core.keys import SpaceId
from app.core.record import Lifetime
from app.errors import ConflictError, NewerDatabaseError, NotFoundError, StoreFullError
from app.radio.span import Span
from app.store import open_database
from app.store.blind import (
    CATCH_UP_DAYS,
    FILE_NAME,
    MIGRATIONS,
    MINUTES_PER_DAY,
    PLACES_MAX,
    BlindEpoch,
    BlindIdentity,
    BlindStore,
    Held,
    found_blind,
    is_blind,
    open_blind,
)
from tests.people import NOW_MINUTES

pytestmark = pytest.mark.anyio
IDENTITY = BlindIdentity(7, "School cellar", SpaceId(b"s" * 16))
FIRST = BlindEpoch(1, b"r" * 32, b"l" * 32, NOW_MINUTES)
DAY_MS = 24 * 3_600_000


@pytest.fixture
async def blind(tmp_path: Path) -> AsyncIterator[BlindStore]:
    store = await found_blind(tmp_path, IDENTITY, [FIRST])
    yield store
    await store.close()


def held(number: int, lifetime: Lifetime = Lifetime.NORMAL, index: int = 0, data: bytes | None = None) -> Held:
    envelope = data or bytes([number % 251]) * 50 + number.to_bytes(50, "big")
    return Held(envelope_id(envelope), envelope, 1, lifetime, index, number)


async def test_who_it_is_is_found_again(tmp_path: Path) -> None:
    assert not is_blind(tmp_path)
    with pytest.raises(NotFoundError):
        await open_blind(tmp_path)
    await (await found_blind(tmp_path, IDENTITY, [FIRST])).close()
    again = await open_blind(tmp_path)
    assert await again.identity() == IDENTITY
    assert await again.epochs() == [FIRST]
    await again.close()
    assert is_blind(tmp_path)
    with pytest.raises(ConflictError):
        await found_blind(tmp_path, IDENTITY, [FIRST])


async def test_a_later_version_s_folder_is_left_alone(tmp_path: Path, blind: BlindStore) -> None:
    async with blind.database.write() as tx:
        await tx.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerDatabaseError):
        await open_database(tmp_path, MIGRATIONS, FILE_NAME)


async def test_peers_and_blobs_have_the_same_tables_as_on_a_member(tmp_path: Path, blind: BlindStore) -> None:
    member = await open_database(tmp_path / "member")
    query = "SELECT name, sql FROM sqlite_master WHERE tbl_name IN ('sync_key', 'peers', 'peer_invitations', 'blobs',"
    query += " 'blob_holders', 'blob_requests', 'bundles_heard') ORDER BY name"
    here, there = await blind.database.read(query), await member.read(query)
    await member.close()
    assert len(here) >= 7
    assert here == there


async def test_what_is_known_already_is_stored_once_and_gets_its_second_place(blind: BlindStore) -> None:
    assert await blind.append([held(1), held(2)]) == [True, True]
    again = held(1)
    assert await blind.append([again, Held(again.envelope_id, again.envelope, 1, Lifetime.NORMAL, 3, 9)]) == [True] * 2
    assert (await blind.counts())[0] == 2
    assert await blind.runs() == {0: (Span(1, 2),), 3: (Span(9, 9),)}


async def test_nobody_fills_the_log_with_invented_places(blind: BlindStore) -> None:
    one = held(1)
    await blind.append([Held(one.envelope_id, one.envelope, 1, Lifetime.NORMAL, 5, n) for n in range(1, 20)])
    await blind.append([held(100, data=bytes([n]) * 120) for n in range(20)])
    assert await blind.runs() == {0: (Span(100, 100),), 5: (Span(1, PLACES_MAX),)}
    assert len(await blind.within(0, Span(100, 100), 50)) == PLACES_MAX


async def test_at_the_quota_a_batch_is_refused_whole_and_said_so(blind: BlindStore) -> None:
    await blind.set_quota(1000)
    await blind.append([held(n) for n in range(1, 10)])
    with pytest.raises(StoreFullError, match="used up"):
        await blind.append([held(10), held(11)])
    assert await blind.counts() == (9, 900)
    assert await blind.append([held(3), held(10)]) == [True, True]


async def test_photos_count_towards_the_quota(blind: BlindStore) -> None:
    await blind.set_quota(1000)
    async with blind.database.write() as tx:
        await tx.execute("INSERT INTO blobs VALUES (?, 950)", (b"a" * 32,))
    with pytest.raises(StoreFullError):
        await blind.append([held(1)])


async def test_what_is_dropped_is_known_as_gone_and_does_not_come_back(blind: BlindStore) -> None:
    await blind.append([held(n) for n in range(1, 11)])
    moved = held(5)
    await blind.append([Held(moved.envelope_id, moved.envelope, 1, Lifetime.NORMAL, 2, 1)])
    await blind.drop(0, Span(4, 6))
    await blind.drop(0, Span(7, 7))
    assert [number for number, _ in await blind.within(0, Span(1, 20), 50)] == [1, 2, 3, 8, 9, 10]
    assert len(await blind.within(2, Span(1, 1), 5)) == 1  # it stands elsewhere too
    assert await blind.runs() == {0: (Span(1, 10),), 2: (Span(1, 1),)}
    assert await blind.append([held(4), held(11)]) == [False, True]
    assert await blind.counts() == (8, 800)
    assert await blind.database.read("SELECT * FROM gone") == [(0, 4, 7)]


async def expired_after(blind: BlindStore, clock: ManualClock, days: int) -> list[int]:
    """What is left after so many days on which the node was swept."""
    for _ in range(days):
        clock.advance(DAY_MS)
        await blind.expire(clock.now_ms())
    return [number for number, _ in await blind.within(0, Span(1, 100), 100)]


async def test_each_class_goes_its_days_after_the_end_of_its_epoch(blind: BlindStore, clock: ManualClock) -> None:
    await blind.append([held(1 + lifetime, lifetime) for lifetime in Lifetime])
    assert await expired_after(blind, clock, 500) == [1, 2, 3, 4, 5]  # nothing follows the epoch yet
    end = NOW_MINUTES + 500 * MINUTES_PER_DAY
    await blind.add_epochs([BlindEpoch(2, b"R" * 32, b"L" * 32, end)])
    assert await expired_after(blind, clock, 1) == [1, 2, 3, 4, 5]
    assert await expired_after(blind, clock, 2) == [2, 3, 4, 5]
    assert await expired_after(blind, clock, 5) == [3, 4, 5]
    assert await expired_after(blind, clock, 28) == [4, 5]
    assert await expired_after(blind, clock, 365) == [5]
    assert await expired_after(blind, clock, 800) == [5]
    assert await blind.runs() == {0: (Span(1, 5),)}
    assert await blind.append([held(1, Lifetime.ALERT)]) == [False]
    assert await blind.counts() == (1, 100)


async def test_a_twin_at_the_same_place_keeps_it(blind: BlindStore, clock: ManualClock) -> None:
    await blind.append([held(1, Lifetime.ALERT), held(1, Lifetime.PERMANENT, data=b"\x14" * 130)])
    await blind.add_epochs([BlindEpoch(2, b"R" * 32, b"L" * 32, NOW_MINUTES)])
    assert await expired_after(blind, clock, 10) == [1]
    assert await blind.database.read("SELECT * FROM gone") == []


@pytest.mark.parametrize("now_minutes", [0, NOW_MINUTES - 365 * MINUTES_PER_DAY])
async def test_a_clock_that_cannot_be_right_deletes_nothing(blind: BlindStore, now_minutes: int) -> None:
    await blind.append([held(1, Lifetime.ALERT)])
    await blind.add_epochs([BlindEpoch(2, b"R" * 32, b"L" * 32, 1)])
    assert await blind.expire(unix_ms_of(now_minutes)) == 0
    assert (await blind.counts())[0] == 1


async def test_a_clock_that_leaps_ten_years_is_followed_in_small_steps(blind: BlindStore, clock: ManualClock) -> None:
    await blind.append([held(1, Lifetime.NORMAL)])
    await blind.add_epochs([BlindEpoch(2, b"R" * 32, b"L" * 32, NOW_MINUTES)])
    await blind.expire(clock.now_ms())
    clock.advance(10 * 365 * DAY_MS)
    days = 35 // CATCH_UP_DAYS
    assert await expired_after(blind, clock, days) == [1]
    assert await expired_after(blind, clock, 2) == []


async def test_a_clock_that_is_wrong_from_the_start_is_not_believed_either(
    blind: BlindStore, clock: ManualClock
) -> None:
    await blind.append([held(1, Lifetime.SHORT)])
    await blind.add_epochs([BlindEpoch(2, b"R" * 32, b"L" * 32, NOW_MINUTES)])
    clock.advance(10 * 365 * DAY_MS)
    assert await expired_after(blind, clock, 7 // CATCH_UP_DAYS) == [1]
    assert await expired_after(blind, clock, 1) == []


async def test_sweeping_twice_a_day_does_not_hurry(blind: BlindStore, clock: ManualClock) -> None:
    await blind.append([held(1, Lifetime.ALERT)])
    await blind.add_epochs([BlindEpoch(2, b"R" * 32, b"L" * 32, NOW_MINUTES)])
    await blind.expire(clock.now_ms())
    clock.advance(3650 * DAY_MS)
    for _ in range(20):
        assert await blind.expire(clock.now_ms()) in (0, 1)
    assert (await blind.database.read_one("SELECT trusted_day FROM blind")) == (
        NOW_MINUTES // MINUTES_PER_DAY + CATCH_UP_DAYS,
    )


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 8), st.booleans()), max_size=12))
async def test_known_numbers_are_those_that_came_or_are_gone(steps: list[tuple[int, int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = await found_blind(Path(folder), IDENTITY, [FIRST])
        known: set[int] = set()
        for first, length, is_drop in steps:
            numbers = range(first, first + length + 1)
            known.update(numbers)
            if is_drop:
                await store.drop(0, Span(first, first + length))
            else:
                await store.append([held(n) for n in numbers])
        runs = (await store.runs()).get(0, ())
        total = await store.counts()
        left = await store.within(0, Span(1, 100), 1000)
        await store.close()
    assert {n for span in runs for n in range(span.first, span.last + 1)} == known
    assert total == (len(left), sum(len(envelope) for _, envelope in left))


async def test_the_keys_of_an_epoch_are_not_shown() -> None:
    assert "r" * 32 not in repr(FIRST)
    assert FIRST.keys.message == b""
