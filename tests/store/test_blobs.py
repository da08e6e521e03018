"""Blobs on the disk: whole or on their way, never wrong, never said too early, never beyond the room there is."""

import asyncio
import hashlib
import os
import random
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.core.blob import ADDRESS_BYTES, BLOB_BYTES_MAX, BlobAddress, address_of
from app.errors import NotFoundError, PeerError, StoreError, StoreFullError
from app.store.blob_files import BlobFiles
from app.store.blobs import INCOMING_MAX, BlobStore
from app.store.database import Database, open_database

pytestmark = pytest.mark.anyio
PIECE = 64 * 1024


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def blobs(database: Database, tmp_path: Path) -> BlobStore:
    return BlobStore(database, tmp_path)


def some(count: int, size: int = 1000, seed: int = 1) -> dict[BlobAddress, bytes]:
    rng = random.Random(seed)
    made = [rng.randbytes(size) for _ in range(count)]
    return {address_of(blob): blob for blob in made}


async def receive(blobs: BlobStore, address: BlobAddress, blob: bytes, start: int = 0) -> None:
    for offset in range(start, len(blob), PIECE):
        await blobs.write(address, offset, blob[offset : offset + PIECE], len(blob))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / "blobs").rglob("*") if path.is_file())


async def test_a_blob_that_comes_in_pieces_is_held_once_it_is_finished(blobs: BlobStore, tmp_path: Path) -> None:
    ((address, blob),) = some(1, 3 * PIECE + 17).items()
    await receive(blobs, address, blob)
    assert await blobs.size(address) is None
    assert await blobs.addresses() == b""
    with pytest.raises(NotFoundError):
        await blobs.read(address, 0, 10)
    assert await blobs.finish([address]) == [True]
    assert await blobs.size(address) == len(blob)
    assert await blobs.read(address, PIECE, PIECE + 5) == blob[PIECE : 2 * PIECE + 5]
    assert await blobs.read(address, len(blob) - 3, 100) == blob[-3:]
    assert await blobs.read(address, len(blob) + 1, 100) == b""
    assert await blobs.addresses() == address
    assert files(tmp_path) == [f"blobs/{address.hex()[:2]}/{address.hex()}"]


async def test_addresses_are_packed_in_their_order(blobs: BlobStore) -> None:
    made = some(20)
    assert await blobs.add(list(made.values())) == [True] * 20
    assert await blobs.addresses() == b"".join(sorted(made))
    assert await blobs.add([*made.values(), *made.values()]) == [False] * 40
    assert await blobs.used_bytes() == 20_000


async def test_one_blob_given_twice_at_once_is_new_once(blobs: BlobStore) -> None:
    blob = b"twice" * 100
    assert await blobs.add([blob, blob]) == [True, False]


async def test_a_partial_that_the_power_spoilt_is_thrown_away(database: Database, tmp_path: Path) -> None:
    ((address, blob),) = some(1, 4 * PIECE).items()
    killed = BlobStore(database, tmp_path)
    await receive(killed, address, blob[: 2 * PIECE] + bytes(2 * PIECE))  # zeros where nothing was synced
    again = BlobStore(database, tmp_path)
    assert await again.partials([address]) == [4 * PIECE]
    assert await again.finish([address]) == [False]
    assert await again.partials([address]) == [0]


async def test_a_sound_partial_is_hashed_again_and_finished(database: Database, tmp_path: Path) -> None:
    ((address, blob),) = some(1, 4 * PIECE).items()
    killed = BlobStore(database, tmp_path)
    for offset in (0, PIECE):
        await killed.write(address, offset, blob[offset : offset + PIECE], len(blob))
    again = BlobStore(database, tmp_path)
    assert await again.partials([address]) == [2 * PIECE]
    await receive(again, address, blob, 2 * PIECE)
    assert await again.finish([address]) == [True]
    assert await again.read(address, 0, len(blob)) == blob


async def test_a_whole_file_that_no_row_knows_is_taken_up_again(blobs: BlobStore, tmp_path: Path) -> None:
    """The power went between the file's name and the row."""
    ((address, blob),) = some(1).items()
    folder = tmp_path / "blobs" / address.hex()[:2]
    folder.mkdir(parents=True)
    (folder / address.hex()).write_bytes(blob)
    assert await blobs.size(address) is None
    assert await blobs.partials([address]) == [len(blob)]
    assert await blobs.finish([address]) == [True]
    assert await blobs.read(address, 0, 5) == blob[:5]


async def test_other_bytes_under_a_right_address_are_thrown_away(blobs: BlobStore, tmp_path: Path) -> None:
    (good, blob), (bad, _) = some(2).items()
    await receive(blobs, good, blob)
    await receive(blobs, bad, b"x" * 1000)
    assert await blobs.finish([bad, good]) == [False, True]
    assert files(tmp_path) == [f"blobs/{good.hex()[:2]}/{good.hex()}"]
    assert await blobs.finish([good, bad]) == [True, False]  # once more changes nothing


async def test_pieces_that_do_not_follow_are_the_peers_fault(blobs: BlobStore) -> None:
    ((address, blob),) = some(1, 3 * PIECE).items()
    for offset, data, size in (
        (0, b"", 10),
        (0, blob, 10),
        (-1, b"x", 10),
        (5, b"123456", 10),
        (0, b"x", BLOB_BYTES_MAX + 1),
        (0, b"", 0),
        (PIECE, b"x", 3 * PIECE),
    ):
        with pytest.raises(PeerError):
            await blobs.write(address, offset, data, size)
    await blobs.write(address, 0, blob[:PIECE], len(blob))
    for offset, size in ((2 * PIECE, len(blob)), (PIECE, len(blob) - 1)):
        with pytest.raises(PeerError):
            await blobs.write(address, offset, b"x", size)
    await receive(blobs, address, blob)  # from the beginning is always right
    assert await blobs.finish([address]) == [True]


async def test_a_cancelled_write_is_whole_before_anybody_goes_on(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that ends in the middle of a write leaves a partial that the next one can rely on."""
    ((address, blob),) = some(1, 3 * PIECE).items()
    begun, go_on = threading.Event(), threading.Event()
    write = BlobFiles.write

    def slowly(files: BlobFiles, name: BlobAddress, offset: int, data: bytes) -> None:
        begun.set()
        go_on.wait(10)
        write(files, name, offset, data)

    with monkeypatch.context() as slow:
        slow.setattr(BlobFiles, "write", slowly)
        writing = asyncio.create_task(blobs.write(address, 0, blob[:PIECE], len(blob)))
        await asyncio.to_thread(begun.wait, 10)
        writing.cancel()
        await asyncio.sleep(0)
        assert not writing.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert await blobs.partials([address]) == [PIECE]
    await receive(blobs, address, blob, PIECE)
    assert await blobs.finish([address]) == [True]
    assert await blobs.read(address, 0, len(blob)) == blob


async def test_an_empty_and_a_too_large_blob_are_not_taken(blobs: BlobStore) -> None:
    assert await blobs.add([b"", bytes(BLOB_BYTES_MAX + 1), bytes(BLOB_BYTES_MAX)]) == [False, False, True]


async def test_the_quota_counts_what_is_under_way(database: Database, tmp_path: Path) -> None:
    blobs = BlobStore(database, tmp_path, quota_bytes=3500)
    made = list(some(4).items())
    assert await blobs.add([made[0][1]]) == [True]
    for address, blob in made[1:3]:
        await blobs.write(address, 0, blob[:500], len(blob))
    with pytest.raises(StoreFullError, match="for photos on this node"):
        await blobs.write(made[3][0], 0, made[3][1], 1000)
    with pytest.raises(StoreFullError):
        await blobs.add([made[3][1]])
    for address, blob in made[1:3]:
        await blobs.write(address, 500, blob[500:], len(blob))
    assert await blobs.finish([address for address, _ in made[1:3]]) == [True, True]
    assert await blobs.used_bytes() == 3000


async def test_the_disk_keeps_a_reserve(database: Database, tmp_path: Path) -> None:
    blobs = BlobStore(database, tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(StoreFullError, match="nearly full"):
        await blobs.add([b"photo"])


async def test_a_disk_that_fails_says_so_and_nothing_is_held(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = BlobStore(database, tmp_path)
    ((address, blob),) = some(1).items()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreFullError):
        await blobs.add([blob])
    with pytest.raises(StoreFullError):
        await blobs.write(address, 0, blob, len(blob))
    monkeypatch.undo()
    assert await blobs.finish([address]) == [False]
    assert await blobs.add([blob]) == [True]


async def test_nothing_is_held_before_its_bytes_are_synced(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that can't sync holds nothing, whatever was written."""
    blobs = BlobStore(database, tmp_path)
    ((address, blob),) = some(1).items()
    await receive(blobs, address, blob)

    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fails)
        with pytest.raises(StoreError):
            await blobs.finish([address])
        with pytest.raises(StoreError):
            await blobs.add([blob])
    assert await blobs.size(address) is None
    await receive(blobs, address, blob)
    assert await blobs.finish([address]) == [True]


async def test_a_file_that_somebody_took_away_is_wanted_again(blobs: BlobStore, tmp_path: Path) -> None:
    ((address, blob),) = some(1).items()
    await blobs.add([blob])
    await blobs.note([address], holder=3)
    (tmp_path / files(tmp_path)[0]).unlink()
    with pytest.raises(NotFoundError):
        await blobs.read(address, 0, 10)
    assert await blobs.size(address) is None
    assert await blobs.wanted(10, holder=3) == [address]


async def test_what_has_the_fewest_copies_is_wanted_first(blobs: BlobStore) -> None:
    made = sorted(some(4))
    await blobs.note(made, holder=1)
    await blobs.note([made[0], made[2]], holder=2)
    await blobs.note([made[0]], holder=3)
    assert await blobs.wanted(10) == [made[1], made[3], made[2], made[0]]
    assert await blobs.wanted(10, holder=2) == [made[2], made[0]]
    assert await blobs.wanted(1) == [made[1]]


async def test_a_bundle_for_a_node_has_what_it_asked_for_first_and_not_what_it_holds(blobs: BlobStore) -> None:
    made = some(4)
    names = sorted(made)
    await blobs.add(list(made.values()))
    await blobs.note([names[0], names[1]], holder=2)
    await blobs.note([names[3]], holder=5)
    assert [name for name, _ in await blobs.lacking(10, holder=2)] == [names[2], names[3]]
    await blobs.ask([names[1], names[3]], asker=2)  # it lost one of them
    assert await blobs.lacking(10, holder=2) == [(names[1], 1000), (names[3], 1000), (names[2], 1000)]
    assert len(await blobs.lacking(10)) == 4
    assert await blobs.copies() == {1: 2, 2: 2}
    await blobs.note([names[1]], holder=2)
    assert [name for name, _ in await blobs.lacking(10, holder=2)] == [names[3], names[2]]


async def test_blobs_are_found_by_the_part_of_their_address_that_the_check_has(blobs: BlobStore) -> None:
    made = some(5)
    await blobs.add(list(made.values()))
    names = sorted(made)
    assert await blobs.find([names[3][:16], names[0][:16], bytes(16)]) == [(names[3], 1000), (names[0], 1000)]
    await blobs.cover(b"".join(name[:16] for name in names[:2]), holder=4)
    assert [name for name, _ in await blobs.lacking(10, holder=4)] == names[2:]


async def test_more_blobs_than_are_remembered_may_be_under_way(database: Database, tmp_path: Path) -> None:
    blobs = BlobStore(database, tmp_path)
    made = some(INCOMING_MAX + 10, 200)
    for half in (slice(0, 100), slice(100, 200)):
        for address, blob in made.items():
            await blobs.write(address, half.start, blob[half], len(blob))
    assert all(await blobs.finish(list(made)))
    assert len(await blobs.addresses()) == len(made) * ADDRESS_BYTES


def test_what_a_killed_command_left_is_swept(tmp_path: Path) -> None:
    store = BlobFiles(tmp_path)
    address = BlobAddress(hashlib.sha256(b"a").digest())
    store.write(address, 0, b"partial")
    left = tmp_path / "blobs" / "partial" / "abc-1.new"
    left.write_bytes(b"half")
    now = left.stat().st_mtime
    assert store.sweep(now + 60) == 0
    assert store.sweep(now + 25 * 3600) == 1
    assert store.partial_bytes(address) == 7
