"""A neighbor that answers every request wrongly: counted on the node's page, bounded, and nothing is lost."""

import random

import pytest

from app.core.keys import DeviceKey
from app.founding import Node
from app.radio.blend import Place, blended, encode_blend
from app.radio.control import Sketch, Wants, open_control
from app.radio.fragment import Encoder, Symbol
from app.radio.frame import FRAME_BYTES_MAX, EnvelopeFrame, LinkKeys, NodeIndex, SymbolFrame, encode_frame, is_control
from app.radio.iblt import CELLS_MAX, Symbols
from app.radio.pairs import pair_key
from app.radio.request import Compare, Gone
from app.radio.span import Portion, Span
from app.radio.vector import NodeLog, Vector, checksum
from app.radio.want import Trust
from tests.people import Person
from tests.radio.node_air import MINUTE, OTHERS, Air, Start, garbage, kept, number_of, sealed

pytestmark = pytest.mark.anyio
ROUNDS_MAX = 120
"""Of half a minute: the hour within which a neighbor is seen through."""


async def test_a_neighbor_that_answers_everything_wrongly(start: Start, node: Node, person: Person) -> None:
    """Node 1 answers with forgeries and noise, and calls the rest gone; node 2 has what was asked for."""
    stranger = Person(node.identity.space_id, "Mallory", b"\x66" * 32)
    forged = bytearray(stranger.write("False"))
    forged[1:5] = person.key.device_id
    wrong = [await sealed(node, bytes(forged)), garbage(3, 150), garbage(4, 150)]
    true = [await sealed(node, person.write(f"True {number}")) for number in range(1, 6)]
    async with start() as air:
        await air.told(1, 1, Vector(0, 254, (NodeLog(1, 5, 7),)))
        await air.run(MINUTE // 2)
        for number, envelope in enumerate(wrong, start=1):
            await air.said(EnvelopeFrame(NodeIndex(1), 15, NodeIndex(1), number, envelope))
        await air.counts("wrong-answers", 3)
        await air.told(1, 2, Gone((Portion(2, (Span(1, 5),)),)))
        await air.told(1, 3, Gone((Portion(1, (Span(1, 5),)),)))
        counted = await air.counted()
        assert counted["signature"] == 1
        assert counted["stranger"] == 2
        assert counted["wrong-answers"] == 3
        assert counted["gone-unasked"] == 1
        spent_ms = await air.run(10 * MINUTE)
        assert spent_ms < 20_000, "it is asked ever more rarely"
        for number, envelope in enumerate(true, start=1):
            await air.said(EnvelopeFrame(NodeIndex(2), 15, NodeIndex(1), number, envelope))
        for envelope in true:
            await kept(air, envelope)


async def test_a_neighbor_that_blends_what_is_false(start: Start, node: Node, person: Person) -> None:
    """What comes out of it goes through the door like anything that is heard; the true one is taken afterwards."""
    true = await sealed(node, person.write("True"))
    async with start() as air:
        for seed in range(3):
            blend = blended(NodeIndex(1), seed, {Place(1, 1): garbage(seed, 150)})
            await air.hear(encode_blend(blend, air.link))
            await air.counts("wrong-answers", seed + 1)
        assert (await air.counted())["stranger"] == 3
        await air.hear(encode_blend(blended(NodeIndex(2), 9, {Place(1, 1): true}), air.link))
        await kept(air, true)


async def test_a_neighbor_that_answers_comparisons_with_noise(start: Start, node: Node, person: Person) -> None:
    number = number_of(await node.door.post(person.write("Ours")))
    right = checksum(place.envelope_id for place in await node.store.log.places() if place.index == 0)
    rng = random.Random(1)
    async with start() as air:
        await air.told(1, 1, Vector(0, 254, (NodeLog(0, number, right ^ 1),)))
        counter, spent_ms = 1, 0.0
        for _ in range(ROUNDS_MAX):
            said = len(air.wire.sent)
            spent_ms += await air.run(MINUTE // 2)
            for compare in asked_of_1(air, said):
                for frame in range(compare.frames):
                    cells = tuple((rng.getrandbits(64), rng.getrandbits(24)) for _ in range(CELLS_MAX))
                    counter += 1
                    await air.told(1, counter, Sketch(0, compare.up_to, Symbols(rng.getrandbits(16), frame + 1, cells)))
            if "comparisons-given-up" in await air.counted():
                break
        assert (await air.counted())["comparisons-given-up"] == 1
        assert spent_ms < 40_000
        assert {place.number for place in await node.store.log.places() if place.index == 0} == {*range(1, number + 1)}


def asked_of_1(air: Air, since: int) -> list[Compare]:
    frames = [open_control(frame, air.link).message for frame in air.wire.sent[since:] if is_control(frame)]
    return [message for message in frames if isinstance(message, Compare) and message.asked == 1]


async def test_a_neighbor_that_sends_false_fragments(start: Start, node: Node, person: Person) -> None:
    """It lies under the community's key, and under the key that it shares with the node; then another is asked."""
    envelope = await sealed(node, person.write("A long post\n" + random.Random(5).randbytes(300).hex()))
    true = Encoder(envelope, FRAME_BYTES_MAX)
    async with start() as air:
        links = {index: pair_link(node, air, index, key) for index, key in OTHERS.items()}
        for index in range(true.cut.source_symbols):
            await air.said(SymbolFrame(NodeIndex(1), 0, NodeIndex(2), 1, false(true, index)))
        await air.said(SymbolFrame(NodeIndex(2), 0, NodeIndex(2), 1, true.symbol(0)))
        turn = 0
        for _ in range(ROUNDS_MAX):
            said = len(air.wire.sent)
            await air.run(MINUTE // 2)
            for source, trust in wanted(air, since=said):
                pair = NodeIndex(0) if trust is Trust.PAIR else None
                for _ in range(true.cut.source_symbols):
                    turn += 1
                    symbol = false(true, turn) if source == 1 else true.symbol(turn)
                    frame = SymbolFrame(NodeIndex(source), 0, NodeIndex(2), 1, symbol, pair=pair)
                    await air.hear(encode_frame(frame, links[source]))
            if await air.holds(envelope):
                break
        await kept(air, envelope)
        counted = await air.counted()
        assert counted["symbols-spoiled"] >= 2
        assert counted["symbols-liar"] == 1


def pair_link(node: Node, air: Air, index: int, key: DeviceKey) -> LinkKeys:
    """The keys as the other node has them."""
    shared = pair_key(bytes(key._key), node.identity.key.public_key, node.identity.space_id)
    return LinkKeys(air.link.space_id, air.link.keys, {node.identity.index: shared})


def false(true: Encoder, index: int) -> Symbol:
    symbol = true.symbol(index)
    return Symbol(symbol.object_id, symbol.length, index, bytes(len(symbol.data)))


def wanted(air: Air, since: int) -> list[tuple[int, Trust]]:
    """Who is asked for symbols, and how they are to prove themselves; 1 answers where anybody may."""
    messages = [open_control(frame, air.link).message for frame in air.wire.sent[since:] if is_control(frame)]
    wants = [want for message in messages if isinstance(message, Wants) for want in message.wants]
    return [(1 if want.source is None else want.source, want.trust) for want in wants]
