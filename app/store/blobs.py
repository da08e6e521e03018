"""Blobs on this disk: which are held, which are on their way, who else has them, and what is wanted next.

Behind `app.sync.blobs.Blobs`. Rows here, bytes in app/store/blob_files.py: a row is written only when its file is
whole, hashed and synced. What others hold and this node lacks is wanted.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import TypeVar

import msgspec

from app.core.blob import BLOB_BYTES_MAX, BlobAddress, address_of
from app.errors import NotFoundError, PeerError, StoreError, StoreFullError
from app.store.blob_custody import BlobCustody
from app.store.blob_files import BlobFiles
from app.store.database import Database

QUOTA_BYTES = 4 * 1024**3
"""About 13,000 photos of 300 kB: an eighth of a 32 GB card."""
RESERVE_BYTES = 64 * 1024**2
"""What blobs leave free on the disk: the envelopes come first."""
INCOMING_MAX = 256
"""Blobs on their way whose hash is kept in memory: more than all peers together may have under way."""
THREADS = 4
"""Files that are synced at the same time: a disk takes several in one go (500 of 100 kB: 0.20 s, one by one 0.38 s)."""
T = TypeVar("T")


class BlobStore(BlobCustody):
    """The blobs of one data folder. Two processes may add to it at the same time; one fetches."""

    def __init__(
        self, database: Database, data: Path, quota_bytes: int = QUOTA_BYTES, reserve_bytes: int = RESERVE_BYTES
    ) -> None:
        super().__init__(database)
        self._files = BlobFiles(data)
        self._quota_bytes = quota_bytes
        self._reserve_bytes = reserve_bytes
        self._incoming: dict[BlobAddress, _Incoming] = {}
        self._counting = asyncio.Lock()
        self._room_bytes: int | None = None
        self._adding_bytes = 0
        self._swept = False

    async def addresses(self) -> bytes:
        """All blobs held: addresses, ascending, 32 bytes each, packed."""
        return b"".join(row[0] for row in await self._database.read("SELECT address FROM blobs ORDER BY address"))

    async def size(self, address: BlobAddress) -> int | None:
        """The bytes of a blob held here, or None."""
        row = await self._database.read_one("SELECT size FROM blobs WHERE address = ?", (address,))
        return None if row is None else int(row[0])

    async def read(self, address: BlobAddress, offset: int, limit: int) -> bytes:
        """At most `limit` bytes of a blob. NotFoundError when it is not held, or its file was taken away."""
        with _disk_errors():
            found = await asyncio.to_thread(self._files.read, address, offset, limit)
        if found is not None:
            return found
        if await self.size(address) is not None:
            await self.forget(address)
        raise NotFoundError("This photo is not on this node.")

    async def partials(self, addresses: Sequence[BlobAddress]) -> list[int | None]:
        """For each, how many bytes of it are here; None when it is held."""
        held = await self._held(addresses)

        def act() -> list[int | None]:
            return [None if address in held else self._files.partial_bytes(address) for address in addresses]

        with _disk_errors():
            return await asyncio.to_thread(act)

    async def write(self, address: BlobAddress, offset: int, data: bytes, size: int) -> None:
        """The next piece of a blob of `size` bytes. PeerError when it does not fit on, StoreFullError at the quota."""
        if not 0 < size <= BLOB_BYTES_MAX or not data or offset < 0 or offset + len(data) > size:
            raise PeerError("A piece of a photo is outside of it.")
        incoming = self._incoming.get(address)
        if incoming is None or offset == 0 or offset != incoming.done:
            async with self._counting:
                await self._make_room(size, address)
                incoming = await self._begin(address, offset, size)
        if size != incoming.size:
            raise PeerError("A photo has another size than it had a moment ago.")
        with _disk_errors():
            try:
                await _to_its_end(asyncio.to_thread(self._write, address, data, incoming))
            except OSError:
                self._incoming.pop(address, None)
                raise

    async def finish(self, addresses: Sequence[BlobAddress]) -> list[bool]:
        """For each, whether it is held now: whole, hashed and on the disk. What has another hash is thrown away."""
        held = await self._held(addresses)
        with _disk_errors():
            done = await self._in_slices(self._finish, [*{*addresses} - held])
            async with self._counting:  # a blob is under way until its row is there
                await self._record(done)
                for address in addresses:
                    self._incoming.pop(address, None)
        return [address in held or address in done for address in addresses]

    async def add(self, blobs: Sequence[bytes]) -> list[bool]:
        """Take in whole blobs: on the disk when this returns. For each, whether it is new here. StoreFullError."""
        named = await asyncio.to_thread(lambda: [address_of(blob) for blob in blobs])
        held = await self._held(named)
        new = {
            address: blob
            for address, blob in zip(named, blobs, strict=True)
            if address not in held and 0 < len(blob) <= BLOB_BYTES_MAX
        }
        size = sum(map(len, new.values()))
        async with self._counting:
            await self._make_room(size)
            self._adding_bytes += size
        done: dict[BlobAddress, int] = {}
        try:
            with _disk_errors():
                done = await self._in_slices(self._add, list(new.items()))
        finally:
            async with self._counting:
                self._adding_bytes -= size
                await self._record(done)
        firsts = {address: at for at, address in reversed(list(enumerate(named)))}
        return [address in new and firsts[address] == at for at, address in enumerate(named)]

    async def forget(self, address: BlobAddress) -> None:
        """A blob whose file is gone or spoilt: it is wanted again where somebody else has it."""
        async with self._database.write() as tx:
            await tx.execute("DELETE FROM blobs WHERE address = ?", (address,))
        self._room_bytes = None
        with _disk_errors():
            await asyncio.to_thread(self._files.remove, address)

    async def used_bytes(self) -> int:
        """What the blobs held here take."""
        row = await self._database.read_one("SELECT coalesce(sum(size), 0) FROM blobs")
        assert row is not None
        return int(row[0])

    async def _held(self, addresses: Sequence[BlobAddress]) -> set[BlobAddress]:
        marks = ", ".join("?" * len(addresses))
        rows = await self._database.read(f"SELECT address FROM blobs WHERE address IN ({marks})", tuple(addresses))
        return {BlobAddress(row[0]) for row in rows}

    async def _begin(self, address: BlobAddress, offset: int, size: int) -> "_Incoming":
        """A first piece, or one that goes on where an earlier run of the program stopped."""
        hasher = hashlib.sha256()
        if offset > 0:
            with _disk_errors():
                if await asyncio.to_thread(self._files.partial_bytes, address) != offset:
                    raise PeerError("A piece of a photo does not follow on the one before.")
                hasher = await asyncio.to_thread(self._files.hash_partial, address)
        while len(self._incoming) >= INCOMING_MAX:
            del self._incoming[next(iter(self._incoming))]
        incoming = _Incoming(hasher, offset, size)
        self._incoming[address] = incoming
        return incoming

    async def _make_room(self, size: int, address: BlobAddress | None = None) -> None:
        """Quota and disk are looked at anew after every batch, and before anything is refused."""
        if not self._swept:
            self._swept = True
            await asyncio.to_thread(self._files.sweep, time.time())
        if self._room_bytes is None or self._room_bytes < size:
            under_way = sum(incoming.size for name, incoming in self._incoming.items() if name != address)
            quota_bytes = self._quota_bytes - await self.used_bytes() - under_way - self._adding_bytes
            with _disk_errors():
                disk_bytes = await asyncio.to_thread(self._files.free_bytes) - self._reserve_bytes
            self._room_bytes = min(quota_bytes, disk_bytes)
            if quota_bytes < size:
                raise StoreFullError(f"The {self._quota_bytes // 1024**2} MiB for photos on this node are used up.")
            if disk_bytes < size:
                raise StoreFullError("This node's disk is nearly full: it takes no more photos.")
        self._room_bytes -= size

    def _write(self, address: BlobAddress, data: bytes, incoming: "_Incoming") -> None:
        self._files.write(address, incoming.done, data)
        incoming.hasher.update(data)
        incoming.done += len(data)

    def _finish(self, addresses: Sequence[BlobAddress]) -> dict[BlobAddress, int]:
        """In a thread: those that are sound, under their names, with their sizes."""
        done: dict[BlobAddress, int] = {}
        for address in addresses:
            incoming = self._incoming.get(address)
            size = self._files.partial_bytes(address)
            if size == 0:
                continue
            hasher = self._files.hash_partial(address) if incoming is None else incoming.hasher
            if hasher.digest() == address:
                self._files.sync_partial(address)
                done[address] = size
            else:
                self._files.discard(address)
        return done

    def _add(self, blobs: Sequence[tuple[BlobAddress, bytes]]) -> dict[BlobAddress, int]:
        for address, blob in blobs:
            self._files.add(address, blob)
        return {address: len(blob) for address, blob in blobs}

    def _sync(self, folders: Sequence[Path]) -> dict[BlobAddress, int]:
        for folder in folders:
            self._files.sync_folder(folder)
        return {}

    async def _record(self, sizes: dict[BlobAddress, int]) -> None:
        """The names are synced, then the rows say so."""
        self._room_bytes = None
        if sizes:
            with _disk_errors():
                await self._in_slices(self._sync, sorted(self._files.folders(sizes)))
            async with self._database.write() as tx:
                await tx.executemany("INSERT INTO blobs VALUES (?, ?) ON CONFLICT DO NOTHING", list(sizes.items()))

    async def _in_slices(
        self, act: Callable[[Sequence[T]], dict[BlobAddress, int]], things: Sequence[T]
    ) -> dict[BlobAddress, int]:
        """A disk syncs several files in one go: as many threads, a slice of the things for each."""
        slices = [things[start::THREADS] for start in range(min(THREADS, len(things)))]
        done: dict[BlobAddress, int] = {}
        for some in await _to_its_end(asyncio.gather(*(asyncio.to_thread(act, some) for some in slices))):
            done |= some
        return done


class _Incoming(msgspec.Struct):
    """A blob on its way: its hash so far, the bytes that are here, and how many it will have."""

    hasher: "hashlib._Hash"
    done: int
    size: int


async def _to_its_end(work: Awaitable[T]) -> T:
    """A thread cannot be cancelled: whoever was waits for it all the same, before anybody touches its file again."""
    running = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turns the disk's errors into the tree of app/errors.py."""
    try:
        yield
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise StoreFullError("This node's disk is full. Nothing was half written; free some space.") from error
        raise StoreError(f"A photo cannot be stored or read: {error.strerror or error}.") from error
