"""Real nodes over TLS on loopback: what one has the others get, at first and then at once."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from app.acceptance import Draft
from app.clock import ManualClock
from app.core.record import Kind, Lifetime
from app.founding import Node, invite, start_node
from app.store.blind import BlindEpoch, BlindIdentity, BlindStore, found_blind
from app.store.peers import Peer
from app.sync.blobs import Blobs
from app.sync.home import Home
from app.sync.message import Role
from app.sync.service import Sync, blind_sync, member_sync
from tests.sync.homes import PATIENCE, SECONDS_MAX

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def running(sync: Sync) -> AsyncIterator[None]:
    task = asyncio.create_task(sync.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def joined(node: Node, folder: Path, clock: ManualClock) -> AsyncIterator[Node]:
    """A second node of the community."""
    other = await start_node(folder, clock, name="North Valley", join=await invite(node))
    await other.feed.start()
    try:
        yield other
    finally:
        await other.close()


@contextlib.asynccontextmanager
async def blind(node: Node, folder: Path, index: int = 9) -> AsyncIterator[BlindStore]:
    """A blind node of the community."""
    keys = (await node.store.node.epoch_keys(node.identity.space_id))[0]
    epochs = [BlindEpoch(keys.number, keys.relay, keys.link, 0)]
    store = await found_blind(folder, BlindIdentity(index, "Cellar", node.identity.space_id), epochs)
    try:
        yield store
    finally:
        await store.close()


async def pin(home: Home, other: Home, *addresses: str, photos: bool = True) -> None:
    known = (other.key.peer_id, other.key.certificate, other.name, other.index, other.role)
    peer = Peer(*known, photos, None, addresses, 0)
    await home.peers.pin(peer)


async def eventually(find: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not await find():  # noqa: ASYNC110 - whatever a test looks at
            await asyncio.sleep(0.01)


async def post(node: Node, text: str) -> None:
    await node.door.publish([Draft(Kind.POST, Lifetime.NORMAL, text.encode())], "node")


async def held(node: Node) -> int:
    return (await node.store.overview.counts()).envelopes


async def test_a_second_node_gets_all_there_is_and_then_what_is_new(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    for number in range(300):
        await post(node, f"Post {number}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        async with joined(node, tmp_path / "second", clock) as other:
            near, far = await member_sync(node, listener, PATIENCE), await member_sync(other, None, PATIENCE)
            await pin(near.home, far.home)
            await pin(far.home, near.home, address)
            async with running(near), running(far):
                await eventually(lambda: _equal(node, other))
                await eventually(lambda: _settled(near, far))
                await post(other, "Something new")
                await eventually(lambda: _equal(node, other))
                await post(node, "Something else")
                await eventually(lambda: _equal(node, other))
                assert await held(node) == 304
                # Each knows of all of it that the other has it too.
                await eventually(lambda: _all_kept_by_two(node))
                await eventually(lambda: _all_kept_by_two(other))
                assert await node.store.peers.port() == listener.getsockname()[1]
            assert not near.links.notes()["protocol"] + far.links.notes()["protocol"]


async def test_a_link_that_is_cut_again_and_again_loses_nothing(
    node: Node, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sync.redial.FIRST_S", 0.02)
    await node.store.blobs.add([bytes([number]) * 100_000 for number in range(10)])
    async with joined(node, tmp_path / "second", clock) as other:
        for number in range(400):
            await post(node, f"Post {number}")
            await post(other, f"Answer {number}")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near, far = await member_sync(node, listener, PATIENCE), await member_sync(other, None, PATIENCE)
            await pin(near.home, far.home)
            await pin(far.home, near.home, f"127.0.0.1:{listener.getsockname()[1]}")
            async with running(near), running(far):
                for cut_after_s in (0.02, 0.05, 0.1, 0.05, 0.2, 0.02, 0.1, 0.2):
                    await eventually(lambda: _meet(near, far))
                    await asyncio.sleep(cut_after_s)
                    for link in list(far.links._live.values()):
                        link.stream.abort()
                await eventually(lambda: _equal(node, other))
                await eventually(lambda: _same_photos(node.store.blobs, other.store.blobs))
                await eventually(lambda: _settled(near, far))
                assert await held(node) == 802
                assert not near.links.notes()["protocol"] + far.links.notes()["protocol"]


async def _meet(*syncs: Sync) -> bool:
    return all(sync.links.status() for sync in syncs)


async def test_a_blind_node_stands_between_two_that_never_meet(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        async with joined(node, tmp_path / "second", clock) as other, blind(node, tmp_path / "blind") as cellar:
            one, two = await member_sync(node, None, PATIENCE), await member_sync(other, None, PATIENCE)
            middle = await blind_sync(cellar, tmp_path / "blind", clock, listener, PATIENCE)
            for home in (one.home, two.home):
                await pin(home, middle.home, address)
                await pin(middle.home, home)
            await post(node, "Before they met")
            async with running(one), running(two), running(middle):
                await eventually(lambda: _equal(node, other))
                await post(other, "While all are there")
                await eventually(lambda: _equal(node, other))
                assert (await cellar.counts())[0] == await held(node) == 4
                assert middle.home.role is Role.BLIND


async def test_photos_travel_to_whom_they_should(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    """On from the blind node that got them, too, and to nobody who does without."""
    photos = [bytes([number]) * 150_000 for number in range(6)]
    await node.store.blobs.add(photos)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        async with joined(node, tmp_path / "second", clock) as other, blind(node, tmp_path / "blind") as cellar:
            one, two = await member_sync(node, None, PATIENCE), await member_sync(other, None, PATIENCE)
            middle = await blind_sync(cellar, tmp_path / "blind", clock, listener, PATIENCE)
            await pin(one.home, middle.home, address)
            await pin(two.home, middle.home, address, photos=False)
            await pin(middle.home, one.home)
            await pin(middle.home, two.home, photos=False)
            async with running(one), running(two), running(middle):
                await eventually(lambda: _same_photos(node.store.blobs, middle._blobs))
                await eventually(lambda: _equal(node, other))
                assert await other.store.blobs.addresses() == b""
            await pin(two.home, middle.home, address)
            await pin(middle.home, two.home)
            async with running(two), running(middle):
                await eventually(lambda: _same_photos(node.store.blobs, other.store.blobs))


async def test_a_machine_with_another_index_than_its_pin_is_followed(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    """As after a restore: the sync key stays, the index is a new one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with blind(node, tmp_path / "blind", index=9) as cellar:
            near = await member_sync(node, listener, PATIENCE)
            far = await blind_sync(cellar, tmp_path / "blind", clock, None, PATIENCE)
            await pin(
                near.home,
                Home(**{field: getattr(far.home, field) for field in far.home.__struct_fields__} | {"index": 5}),
            )
            await pin(far.home, near.home, f"127.0.0.1:{listener.getsockname()[1]}")
            async with running(near), running(far):
                await eventually(lambda: _is_at(near, 9))
                await eventually(lambda: _all_kept_by_two(node))


async def test_a_blind_node_proves_what_it_holds_and_one_that_threw_things_away_cannot(
    node: Node, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sync.service.LOOK_S", 0.05)
    for number in range(20):
        await post(node, f"Post {number}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with blind(node, tmp_path / "blind") as cellar:
            near = await member_sync(node, listener, PATIENCE)
            far = await blind_sync(cellar, tmp_path / "blind", clock, None, PATIENCE)
            await pin(near.home, far.home)
            await pin(far.home, near.home, f"127.0.0.1:{listener.getsockname()[1]}")
            async with running(near), running(far):
                await eventually(lambda: _judged(near, proved=True))
                assert not near.links.notes()["not-proved"]
                async with cellar.database.write() as tx:
                    await tx.execute("UPDATE envelopes SET bytes = zeroblob(length(bytes))")
                monkeypatch.setattr("app.sync.service.CHALLENGE_MS", 0)
                await eventually(lambda: _judged(near, proved=False))


async def _judged(sync: Sync, *, proved: bool) -> bool:
    (peer,) = await sync.home.peers.all()
    return (peer.proved_ms if proved else peer.unproved_ms) is not None


async def _equal(one: Node, other: Node) -> bool:
    return await one.store.log.names(b"", 1000) == await other.store.log.names(b"", 1000)


async def _same_photos(some: Blobs, others: Blobs) -> bool:
    return await some.addresses() == await others.addresses() != b""


async def _settled(*syncs: Sync) -> bool:
    return all(link.settled and link.alike for sync in syncs for link in sync.links.status())


async def _all_kept_by_two(node: Node) -> bool:
    rows = await node.store.database.read("SELECT min(kept_by), max(kept_by) FROM envelopes")
    return list(rows[0]) == [2, 2]


async def _is_at(sync: Sync, index: int) -> bool:
    return [peer.index for peer in await sync.home.peers.all()] == [index]
