"""What a keeper sees of bad input: a real node, its door, disk and radio machine, and who says false things.

The page is asked as a browser asks it. That all of it stays within bounds of memory and airtime is tested where the
machines are (test_mesh.py, test_assembly.py, test_repair*.py); here it is counted, and nothing is lost.
"""

import random
from collections.abc import Iterator

import pytest

from app.clock import ManualClock
from app.core.envelope import envelope_id
from app.core.keys import derive_epoch_keys
from app.core.record import encode_varint
from app.expiry import Expiry
from app.founding import Node
from app.radio import control
from app.radio.assembly import OBJECTS_MAX
from app.radio.blend import Place, blended, encode_blend
from app.radio.control import ControlFrame, Kind, seal_control
from app.radio.fragment import Encoder
from app.radio.frame import (
    COUNTER_MAX,
    FRAME_BYTES_MAX,
    LOG_NUMBER_MAX,
    EnvelopeFrame,
    LinkKeys,
    NodeIndex,
    ReceiptFrame,
    SymbolFrame,
    decode_frame,
    encode_frame,
    is_control,
)
from app.radio.parcel import prefix_of
from app.radio.tidings import Tidings, Told, encode_tidings
from app.radio.vector import NodeLog, Vector, checksum
from app.store.envelopes import Origin
from tests.people import Person
from tests.radio.node_air import MINUTE, STEP_MS, Start, carrying, eventually, garbage, kept, number_of, sealed

pytestmark = pytest.mark.anyio


def foreign_frames(link: LinkKeys) -> Iterator[bytes]:
    """Of another community's nodes, and of other systems on the same channel."""
    foreign = LinkKeys(link.space_id, (b"\x55" * 32,))
    envelope = garbage(1, 150)
    for number in range(1, 21):
        yield encode_frame(carrying(envelope, 1, number), foreign)
        yield encode_frame(ReceiptFrame(NodeIndex(1), number, (prefix_of(envelope_id(envelope)),)), foreign)
        yield encode_frame(ReceiptFrame(NodeIndex(2), number, (), frozenset({NodeIndex(1)})), foreign)
        symbol = Encoder(garbage(2, 900), FRAME_BYTES_MAX).symbol(number)
        yield encode_frame(SymbolFrame(NodeIndex(1), 0, NodeIndex(1), 1, symbol), foreign)
        yield seal_control(ControlFrame(NodeIndex(1), number, Vector(0, 254, (NodeLog(0, 9, 9),))), foreign)
        yield encode_tidings(Tidings(NodeIndex(1), number, (Told(0, number, 7),)), foreign)
        yield encode_blend(blended(NodeIndex(1), number, {Place(1, 1): envelope}), foreign)
        yield b"\xff\xff\xff\xff" + random.Random(number).randbytes(12 + number)  # Meshtastic's header
        yield b"\x40" + random.Random(number).randbytes(20)  # LoRaWAN's unconfirmed uplink
    yield b""
    yield bytes(255)


async def test_frames_of_other_networks(start: Start, node: Node, person: Person) -> None:
    true = await sealed(node, person.write("Still here"))
    async with start() as air:
        frames = list(foreign_frames(air.link))
        await air.hear(*frames)
        counted = await air.counted()
        assert sum(counted.values()) == len(frames)
        assert set(counted) == {"mac", "tag", "size", "version"}
        assert counted["mac"] == 120
        assert counted["tag"] == 20
        assert not air.radio.status().neighbors
        await air.said(carrying(true, 1, 1))
        await kept(air, true)
        assert await air.counted() == counted


async def test_last_months_frames(start: Start, node: Node, person: Person) -> None:
    """Counters outlive a restart; keys of an epoch that ended are strangers' keys; envelopes are on the disk."""
    envelope = await sealed(node, person.write("Last month"))
    vector = Vector(0, 254, (NodeLog(2, 40, 7),))
    prefix = prefix_of(envelope_id(envelope))
    receipt = ReceiptFrame(NodeIndex(2), 5_000, (prefix,))
    tidings = Tidings(NodeIndex(1), 4_998, (Told(1, 1, envelope_id(envelope)[0]),))
    ended = LinkKeys(node.identity.space_id, (derive_epoch_keys(node.identity.space_id, 9, b"\x07" * 32).link,))
    async with start() as air:
        await air.told(1, 5_000, vector)
        await air.said(receipt)
        await air.said(carrying(envelope, 1, 1))
        await kept(air, envelope)
        await saved(node)
    async with start() as air:
        before = await node.store.boards.totals()
        await air.said(receipt)
        await air.hear(encode_tidings(tidings, air.link))
        for counter in (4_000, 4_999, 5_000):
            await air.told(1, counter, vector)
            await air.hear(seal_control(ControlFrame(NodeIndex(1), 9_000 + counter, vector), ended))
            await air.hear(encode_frame(carrying(envelope, 1, 1), ended))
        for _ in range(50):
            await air.said(carrying(envelope, 1, 1))
        await air.run(MINUTE)
        assert await air.counted() == {"stale": 5, "tag": 3, "mac": 3, "old": 50}
        assert await node.store.boards.totals() == before
        assert await air.holds(envelope)
        said = [decode_frame(frame, air.link) for frame in air.wire.sent if not is_control(frame)]
        receipts = [frame for frame in said if isinstance(frame, ReceiptFrame) and prefix in frame.prefixes]
        assert len(receipts) == 1, "one a minute, should its author have lost the first"
        assert not [frame for frame in said if isinstance(frame, EnvelopeFrame) and frame.envelope == envelope]


async def test_last_months_fragments(start: Start, node: Node, person: Person) -> None:
    """Of a post that is on the disk: they are not put together again."""
    long = await sealed(node, person.write("A long post\n" + random.Random(5).randbytes(500).hex()))
    encoder = Encoder(long, FRAME_BYTES_MAX)
    old = [SymbolFrame(NodeIndex(1), 0, NodeIndex(1), 1, encoder.symbol(i)) for i in range(encoder.cut.source_symbols)]
    async with start() as air:
        for frame in old:
            await air.said(frame)
        await kept(air, long)
    async with start() as air:
        for frame in old:
            await air.said(frame)
        assert await air.counted() == {"old": len(old)}
        assert air.radio._mesh is not None
        assert not len(air.radio._mesh._assembler)


async def saved(node: Node) -> None:
    """Wait until both counters are on the disk."""

    async def are_saved() -> bool:
        vectors, receipts = await node.store.log.heard_counters(), await node.store.log.heard_receipts()
        return (vectors, receipts) == ({1: 5_000}, {2: 5_000})

    await eventually(are_saved)


async def test_envelopes_whose_time_was_over(start: Start, node: Node, clock: ManualClock, person: Person) -> None:
    """Kept until they were over, then let go of: said again they are not taken in, in this run or the next."""
    old = await sealed(node, person.write("Two months ago"))
    expiry = Expiry(node.store, clock, node.feed)
    async with start() as air:
        await air.said(carrying(old, 1, 1))
        await kept(air, old)
        await node.door.post(person.write("The newest"))
        clock.advance(66 * 24 * 60 * MINUTE)
        assert await expiry.sweep() == 1
        assert not await air.holds(old)
        await air.run(STEP_MS)
        for sender in (1, 2):
            await air.said(carrying(old, sender, 1, entry=1))
        assert await air.counted() == {"gone": 2}
        await air.said(carrying(old, 2, 5))
        await air.counts("expired", 1)
        assert await node.store.log.missing(2, 5, 5) == [], "nobody is asked for it at its second place either"
    async with start() as air:
        await air.said(carrying(old, 1, 1))
        await air.said(carrying(old, 2, 5))
        assert await air.counted() == {"gone": 2}
        assert not await air.holds(old)


async def test_one_forged_receipt_does_not_silence_its_sender(start: Start, node: Node, person: Person) -> None:
    """A counter far ahead would make all true ones stale, for ever since it is saved."""
    await node.door.post(person.write("Only here"))
    names = [place.envelope_id for place in await node.store.log.places()]
    async with start() as air:
        await air.said(ReceiptFrame(NodeIndex(1), 10, (prefix_of(names[0]),)))
        await air.said(ReceiptFrame(NodeIndex(1), COUNTER_MAX, ()))
        await air.said(ReceiptFrame(NodeIndex(1), 11, (prefix_of(names[1]),)))

        async def are_held() -> bool:
            return (await holdings(node))[1] == 2

        await eventually(are_held)
        assert await air.counted() == {"leap": 1}


async def test_an_endless_stream_of_fragments(start: Start, node: Node, person: Person) -> None:
    """A member sends symbols of envelopes that don't exist; a long post arrives between them."""
    long = await sealed(node, person.write("A long post\n" + random.Random(5).randbytes(500).hex()))
    true = Encoder(long, FRAME_BYTES_MAX)
    async with start() as air:
        for number in range(1, 301):
            symbol = Encoder(garbage(number, 4_000), FRAME_BYTES_MAX).symbol(number % 20)
            await air.said(SymbolFrame(NodeIndex(1), 0, NodeIndex(1), number, symbol))
            if number % 40 == 0:
                await air.said(SymbolFrame(NodeIndex(2), 0, NodeIndex(2), 1, true.symbol(number // 40 - 1)))
        await kept(air, long)
        counted = await air.counted()
        assert counted["symbols-evicted"] >= 300 - OBJECTS_MAX
        mesh = air.radio._mesh
        assert mesh is not None
        assert len(mesh._assembler) <= OBJECTS_MAX


async def test_fragments_of_forged_envelopes(start: Start, node: Node, person: Person) -> None:
    """Whole, named as they should be, and refused at the door like any other."""
    async with start() as air:
        for number in range(1, 11):
            encoder = Encoder(garbage(number, 400), FRAME_BYTES_MAX)
            for index in range(encoder.cut.source_symbols):
                await air.said(SymbolFrame(NodeIndex(1), 0, NodeIndex(1), number, encoder.symbol(index)))
        await air.counts("wrong-answers", 10)
        counted = await air.counted()
        assert counted["wrong-answers"] == 10
        assert counted["stranger"] == 10


def vector_of(contiguous: int) -> bytes:
    """A vector's bytes with a number that no encoder writes."""
    return bytes([0, 254, 1]) + encode_varint(contiguous << 2 | 1) + b"\0\7"


async def test_a_vector_that_claims_all_numbers(start: Start, node: Node, person: Person) -> None:
    own = await sealed(node, person.write("Ours"))
    await node.door.accept(own, Origin("phone"))
    async with start() as air:
        for counter, claimed in enumerate((2**32, 2**33 - 1, LOG_NUMBER_MAX + 1), start=1):
            await air.hear(sealed_bytes(1, counter, Kind.VECTOR, vector_of(claimed), air.link))
        await air.hear(sealed_bytes(1, 9, Kind.VECTOR, vector_of(2**60), air.link))
        assert await air.counted() == {"number": 3, "varint": 1}
        claims = (NodeLog(0, LOG_NUMBER_MAX, 7), NodeLog(1, LOG_NUMBER_MAX, 7))
        spent_ms = 0.0
        for counter in range(10, 20):
            await air.told(1, counter, Vector(0, 254, claims))
            spent_ms += await air.run(MINUTE)
        counted = await air.counted()
        assert counted["requests-unanswered"] >= 1
        assert counted["own log ahead"] >= 1
        assert spent_ms < 30_000, "of ten minutes, with the hello and our vectors"
        assert await air.holds(own)


def sealed_bytes(sender: int, counter: int, kind: Kind, body: bytes, link: LinkKeys) -> bytes:
    """A control frame with any body."""
    header = bytes([0x14, sender]) + counter.to_bytes(4, "big")
    cipher = control._cipher(link.space_id, link.keys[0])
    return header + cipher.encrypt(header + control._NONCE_PADDING, bytes([kind]) + body, header)


async def test_two_nodes_with_the_same_key(start: Start, node: Node, person: Person) -> None:
    """A copied card goes on under our index: the keeper is told, and what either took in is kept."""
    ours, theirs = [await sealed(node, person.write(text)) for text in ("Said here", "Said to the twin")]
    ahead = await sealed(node, person.write("Said to the twin later"))
    number = number_of(await node.door.accept(ours, Origin("phone")))
    async with start() as air:
        await air.run(MINUTE)  # a node knows its own counters once they are reserved
        await air.told(0, 90_000, Vector(0, 254, (NodeLog(0, 9, 1),)))
        await air.said(carrying(theirs, 1, number, entry=0))
        await air.said(carrying(ahead, 1, number + 3, entry=0))
        await kept(air, theirs)
        await kept(air, ahead)
        await air.said(carrying(garbage(1, 150), 1, LOG_NUMBER_MAX, entry=0))
        counted = await air.counted()
        assert counted == {"echo": 1, "twin": 1, "own log ahead": 2, "leap": 1}
        assert await air.holds(ours)
        later = await node.door.post(person.write("Said here afterwards"))
        assert number_of(later) > number + 3, "its own numbers go on above the twin's"


async def test_a_forged_i_have_all(start: Start, node: Node, person: Person) -> None:
    """Who cannot add up the ids has not got them: the page says so, and nothing counts as kept by it."""
    number = number_of(await node.door.post(person.write("Only here")))
    right = checksum(place.envelope_id for place in await node.store.log.places() if place.index == 0)
    async with start() as air:
        for counter in range(1, 6):
            forged = NodeLog(0, number, (right + counter) % 65_536)
            await air.told(1, counter, Vector(0, 254, (forged,)))
        await air.run(4 * STEP_MS)
        assert (await air.counted())["checksums-differ"] == 5
        assert await holdings(node) == {1: 0, 2: 0}
        await air.told(2, 1, Vector(0, 254, (NodeLog(0, number, right),)))

        async def is_held_by_two() -> bool:
            return await holdings(node) == {1: 0, 2: number}

        await eventually(is_held_by_two)
        assert (await air.counted())["checksums-differ"] == 5


async def holdings(node: Node) -> dict[int, int]:
    """How many envelopes each other node is known to hold."""
    return {holding.index: holding.held for holding in await node.store.overview.holdings(node.identity.index)}
