"""Two desks with real stores between them: everything arrives, whole, once, and what is wrong ends the session."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from app.core.blob import BlobAddress, address_of
from app.errors import PeerError
from app.store.blobs import BlobStore
from app.store.database import open_database
from app.sync.blob_desk import WANTS_MAX, Desk
from app.sync.message import BlobGone, BlobHave, BlobHeld, BlobMessage, BlobName, BlobPiece, BlobWant

pytestmark = pytest.mark.anyio
HERE, THERE = 1, 2
WAIT_SECONDS = 20


def photos(count: int, size: int = 100_000, seed: int = 1) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(size) for _ in range(count)]


@asynccontextmanager
async def store(folder: Path, **limits: int) -> AsyncIterator[BlobStore]:
    database = await open_database(folder)
    yield BlobStore(database, folder, **limits)
    await database.close()


class Link:
    """Two desks; what one sends the other receives, in order, until the link is cut after so many messages."""

    def __init__(self, ours: BlobStore, theirs: BlobStore, messages_max: int | None = None) -> None:
        self._left = messages_max
        self.sent: list[BlobMessage] = []
        self.received: list[BlobMessage] = []
        self._queues = (asyncio.Queue[BlobMessage](), asyncio.Queue[BlobMessage]())
        claims: set[BlobAddress] = set()
        self.here = Desk(ours, THERE, claims, self._sender(0))
        self.there = Desk(theirs, HERE, set(), self._sender(1))

    def _sender(self, side: int) -> Callable[[BlobMessage], Awaitable[None]]:
        async def send(message: BlobMessage) -> None:
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    raise ConnectionResetError
            self.sent.append(message)
            self._queues[side].put_nowait(message)

        return send

    async def _carry(self, side: int, desk: Desk) -> None:
        while True:
            message = await self._queues[side].get()
            self.received.append(message)
            await desk.receive(message)

    async def run(self, until: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WAIT_SECONDS), asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(work)
                for work in (self.here.run(), self.there.run(), self._carry(0, self.there), self._carry(1, self.here))
            ]
            while not await until():  # noqa: ASYNC110 - the stores tell nobody
                await asyncio.sleep(0.005)
            for task in running:
                task.cancel()


async def offer_all(link: Link, blobs: list[bytes]) -> None:
    await link.here.offer([address_of(blob)[:16] for blob in blobs])


def holds(there: BlobStore, count: int) -> Callable[[], Awaitable[bool]]:
    async def held() -> bool:
        return len(await there.addresses()) == 32 * count

    return held


async def test_everything_the_peer_lacks_arrives(tmp_path: Path) -> None:
    async with store(tmp_path / "a") as ours, store(tmp_path / "b") as theirs:
        made = photos(40)
        await ours.add(made)
        await theirs.add(made[:5])
        link = Link(ours, theirs)
        await offer_all(link, made)
        await link.run(holds(theirs, 40))
        assert await theirs.addresses() == await ours.addresses()
        assert sum(isinstance(message, BlobWant) for message in link.sent) == 35
        assert sum(len(one.data) for one in link.sent if isinstance(one, BlobPiece)) == 35 * 100_000
        assert await theirs.copies() == {2: 40}


async def test_what_is_held_is_told_and_counted(tmp_path: Path) -> None:
    async with store(tmp_path / "a") as ours, store(tmp_path / "b") as theirs:
        made = photos(3)
        await ours.add(made)
        link = Link(ours, theirs)
        await offer_all(link, made)

        async def counted() -> bool:
            return await ours.copies() == {2: 3}

        await link.run(counted)
        told = [address for one in link.sent if isinstance(one, BlobHeld) for address in one.addresses]
        assert sorted(told) == sorted(address_of(blob) for blob in made)


async def test_both_ways_at_once(tmp_path: Path) -> None:
    async with store(tmp_path / "a") as ours, store(tmp_path / "b") as theirs:
        mine, yours = photos(20), photos(20, seed=2)
        await ours.add(mine)
        await theirs.add(yours)
        link = Link(ours, theirs)
        await link.here.offer([address_of(blob)[:16] for blob in mine])
        await link.there.offer([address_of(blob)[:16] for blob in yours])

        async def alike() -> bool:
            return len(await ours.addresses()) == len(await theirs.addresses()) == 32 * 40

        await link.run(alike)
        assert await ours.addresses() == await theirs.addresses()


@pytest.mark.parametrize("seed", range(5))
async def test_a_link_that_is_cut_again_and_again_gets_there(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    made = photos(12, 300_000)
    pieces = sessions = 0
    async with store(tmp_path / "a") as ours:
        await ours.add(made)
        for _ in range(200):
            async with store(tmp_path / "b") as theirs:
                link = Link(ours, theirs, rng.randrange(3, 40))
                await offer_all(link, made)
                with suppress(ExceptionGroup):
                    await link.run(holds(theirs, 12))
                pieces += sum(isinstance(one, BlobPiece) for one in link.received)
                sessions += 1
                if len(await theirs.addresses()) == 32 * 12:
                    break
        async with store(tmp_path / "b") as theirs:
            assert await theirs.addresses() == await ours.addresses()
            for blob in made:
                assert await theirs.read(address_of(blob), 0, len(blob)) == blob
    assert pieces <= 12 * 5 + sessions  # what had come was not sent again, but for the piece at each cut


async def test_a_wrong_photo_ends_the_session_and_is_not_kept(tmp_path: Path) -> None:
    async with store(tmp_path / "a") as ours, store(tmp_path / "b") as theirs:
        (blob,) = photos(1)
        await ours.add([blob])
        name = address_of(blob)
        (tmp_path / "a" / "blobs" / name.hex()[:2] / name.hex()).write_bytes(blob[:-1] + bytes([blob[-1] ^ 1]))
        link = Link(ours, theirs)
        await offer_all(link, [blob])
        with pytest.raises(ExceptionGroup) as ended:
            await link.run(holds(theirs, 1))
        assert ended.group_contains(PeerError, match="another photo")
        assert await theirs.addresses() == b""
        assert await theirs.partials([name]) == [0]


async def test_at_the_quota_photos_stop_and_the_session_goes_on(tmp_path: Path) -> None:
    async with store(tmp_path / "a") as ours, store(tmp_path / "b", quota_bytes=550_000) as theirs:
        made = photos(10)
        await ours.add(made)
        link = Link(ours, theirs)
        await offer_all(link, made)

        async def full() -> bool:
            return link.there.is_full and await theirs.used_bytes() == 500_000

        await link.run(full)
        await link.there.receive(BlobHave((BlobName(bytes(32), 5),)))
        assert await theirs.used_bytes() == 500_000


async def test_a_photo_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    async with store(tmp_path / "a") as ours, store(tmp_path / "b") as theirs:
        link = Link(ours, theirs)
        nobody = BlobName(address_of(b"nobody has it"), 10)
        link.here.tell([nobody])

        async def refused() -> bool:
            return any(isinstance(one, BlobGone) for one in link.sent)

        await link.run(refused)
        assert BlobWant(nobody.address, 0, 10) in link.sent


async def test_the_rarest_come_first(tmp_path: Path) -> None:
    async with store(tmp_path / "a") as ours, store(tmp_path / "b") as theirs:
        made = photos(6)
        names = [address_of(blob) for blob in made]
        await ours.add(made)
        await theirs.note(names[:4], holder=7)
        await theirs.note(names[:2], holder=8)
        link = Link(ours, theirs)
        await offer_all(link, made)
        await link.run(holds(theirs, 6))
        asked = [one.address for one in link.sent if isinstance(one, BlobWant)]
        assert [set(asked[at : at + 2]) for at in (0, 2, 4)] == [set(names[at : at + 2]) for at in (4, 2, 0)]


async def test_a_peer_that_asks_for_too_much_at_once_is_none_of_ours(tmp_path: Path) -> None:
    async with store(tmp_path / "a") as ours, store(tmp_path / "b") as theirs:
        desk = Link(ours, theirs).here
        for number in range(WANTS_MAX):
            await desk.receive(BlobWant(address_of(bytes([number % 256])), 0, 10))
        with pytest.raises(PeerError, match="at once"):
            await desk.receive(BlobWant(bytes(32), 0, 10))


async def test_two_sessions_fetch_each_photo_once(tmp_path: Path) -> None:
    async with (
        store(tmp_path / "a") as first,
        store(tmp_path / "b") as second,
        store(tmp_path / "c") as theirs,
    ):
        made = photos(20)
        await first.add(made)
        await second.add(made)
        links = [Link(first, theirs), Link(second, theirs)]
        claims: set[BlobAddress] = set()
        for link in links:
            link.there._fetching._claims = claims
            await offer_all(link, made)
        async with asyncio.TaskGroup() as tasks:
            for link in links:
                tasks.create_task(link.run(holds(theirs, 20)))
        asked = [one.address for link in links for one in link.sent if isinstance(one, BlobWant)]
        assert sorted(asked) == sorted(address_of(blob) for blob in made)
