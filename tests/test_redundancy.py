"""A peer that is gone does not count as a copy, and counts again when it is back."""

import pytest

from app.clock import ManualClock
from app.core.blob import address_of
from app.core.envelope import EnvelopeId
from app.founding import Node
from app.redundancy import GONE_DAYS, Redundancy
from app.store.peers import Peer
from app.sync.message import Role
from tests.people import Person

pytestmark = pytest.mark.anyio

DAY_MS = 86_400_000
CELLAR, FARM = 7, 8


async def pinned(node: Node, index: int, now_ms: int) -> bytes:
    peer_id = bytes([index]) * 32
    await node.store.peers.pin(
        Peer(peer_id, bytes([index]) * 90, f"Peer {index}", index, Role.BLIND, True, None, (), now_ms)
    )
    return peer_id


async def held(node: Node) -> list[EnvelopeId]:
    rows = await node.store.database.read("SELECT envelope_id FROM envelopes ORDER BY id")
    return [EnvelopeId(row[0]) for row in rows]


async def test_a_peer_that_is_gone_is_no_copy(node: Node, person: Person, clock: ManualClock) -> None:
    await node.door.post(person.introduce())
    await node.door.post(person.write("Apples"))
    redundancy = Redundancy(node.store, clock, node.feed)
    start_ms, names = clock.now_ms(), await held(node)
    for index in (CELLAR, FARM):
        peer_id = await pinned(node, index, start_ms)
        await node.store.peers.connected(peer_id, start_ms)
        await node.store.custody.hold(names, index, start_ms)
    assert await node.store.custody.copies() == {3: len(names)}
    await node.store.peers.disconnected(bytes([CELLAR]) * 32, start_ms, None)
    clock.advance(GONE_DAYS * DAY_MS)
    assert await redundancy.look() == []
    clock.advance(1)
    assert await redundancy.look() == [CELLAR]
    assert await node.store.custody.copies() == {2: len(names)}
    assert await redundancy.look() == []
    await node.store.custody.hold(names, CELLAR, clock.now_ms())
    assert await node.store.custody.copies() == {3: len(names)}


async def test_who_is_heard_by_radio_is_not_gone(node: Node, person: Person, clock: ManualClock) -> None:
    await node.door.post(person.introduce())
    peer_id = await pinned(node, CELLAR, clock.now_ms())
    await node.store.peers.disconnected(peer_id, clock.now_ms(), None)
    first, last = (await held(node))[0], (await held(node))[-1]
    await node.store.custody.hold([first], CELLAR, clock.now_ms())
    clock.advance(20 * DAY_MS)
    await node.store.custody.add(last[:8], CELLAR, clock.now_ms())
    assert await Redundancy(node.store, clock, node.feed).look() == []


async def test_nobody_is_gone_by_a_clock_that_cannot_be_right(node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    await pinned(node, CELLAR, -(10**15))
    await node.store.custody.hold(await held(node), CELLAR, -(10**15))
    assert await Redundancy(node.store, ManualClock(), node.feed).look() == []
    assert await node.store.custody.copies() == {2: 2}


async def test_photos_of_a_peer_that_is_gone_are_sent_and_wanted_first(node: Node, clock: ManualClock) -> None:
    photos = [bytes([number]) * 1000 for number in range(4)]
    names = [address_of(photo) for photo in photos]
    assert all(await node.store.blobs.add(photos))
    peer_id = await pinned(node, CELLAR, clock.now_ms())
    await node.store.peers.disconnected(peer_id, clock.now_ms(), None)
    rare = sorted(names)[-1]
    await node.store.blobs.note(names, FARM)
    await node.store.blobs.note([name for name in names if name != rare], 9)
    await node.store.blobs.note([rare], CELLAR)
    lacking = [address for address, _ in await node.store.blobs.lacking(4, 30)]
    assert lacking == sorted(names)
    clock.advance((GONE_DAYS + 1) * DAY_MS)
    assert await Redundancy(node.store, clock, node.feed).look() == [CELLAR]
    lacking = [address for address, _ in await node.store.blobs.lacking(4, 30)]
    assert lacking[0] == rare
    assert await node.store.blobs.copies() == {2: 1, 3: 3}
