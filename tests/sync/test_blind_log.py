"""The blind node's log: it takes the community's envelopes without reading them, and nobody else's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.core.blob import address_of
from app.core.boards import Board
from app.core.envelope import EnvelopeId, envelope_id, seal
from app.core.keys import SpaceId, derive_epoch_keys
from app.core.record import decode_signed
from app.errors import StoreFullError
from app.founding import Node, invite, start_node
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import Span
from app.store.blind import BlindEpoch, BlindIdentity, BlindStore, found_blind
from app.store.blobs import BlobStore
from app.sync.blind_log import BlindLog
from app.sync.log import Placed
from app.sync.member_log import MemberLog
from app.sync.message import NONCE_BYTES, PROOF_BYTES, Challenge
from app.sync.proof import prove
from tests.people import NOW_MINUTES, Person

pytestmark = pytest.mark.anyio
BATCH = 250
TEXTS = ("Twelve jars of honey on Saturday", "Wer hat ein Fahrrad für meine Tochter?")


async def blind_of(node: Node, folder: Path) -> BlindStore:
    """A blind node with what a pairing hands it."""
    epoch = await node.store.node.current_epoch()
    keys = derive_epoch_keys(node.identity.space_id, epoch.number, epoch.key)
    return await found_blind(
        folder,
        BlindIdentity(9, "School cellar", node.identity.space_id),
        [BlindEpoch(epoch.number, keys.relay, keys.link, epoch.started)],
    )


async def log_of(store: BlindStore) -> BlindLog:
    return BlindLog(store, [epoch.keys for epoch in await store.epochs()])


async def member_log_of(node: Node) -> MemberLog:
    epochs = await node.store.node.epoch_keys(node.identity.space_id)
    return MemberLog(node.store, node.door, epochs, node.identity.index)


@pytest.fixture
async def store(node: Node, tmp_path: Path) -> AsyncIterator[BlindStore]:
    blind = await blind_of(node, tmp_path / "blind")
    yield blind
    await blind.close()


async def carry(source: MemberLog | BlindLog, target: MemberLog | BlindLog) -> list[bool]:
    """What the target lacks, in batches as a session sends them."""
    held: list[bool] = []
    for index, spans in (await target.missing(await source.vector())).items():
        for span in spans:
            held += await target.append(await source.get(index, span, BATCH), via=index)
    return held


async def test_a_blind_node_passes_on_what_it_cannot_read(
    node: Node, person: Person, store: BlindStore, tmp_path: Path
) -> None:
    await node.door.post(person.introduce())
    for text in TEXTS:
        await node.door.post(person.write(text))
    member, blind = await member_log_of(node), await log_of(store)
    assert await carry(member, blind) == [True] * 4
    assert await blind.vector() == await member.vector()
    assert await blind.keys() == await member.keys()
    assert not await blind.missing(await member.vector())
    ids = [
        EnvelopeId(packed[at : at + 16])
        for packed in (await member.keys()).values()
        for at in range(0, len(packed), 16)
    ]
    assert {placed.envelope for placed in await blind.find([*ids, EnvelopeId(b"?" * 16)])} == {
        placed.envelope for placed in await member.find(ids)
    }


async def test_another_member_reads_what_came_through_the_blind_one(
    node: Node, person: Person, store: BlindStore, tmp_path: Path
) -> None:
    other = await start_node(tmp_path / "other", node.clock, name="Mill Bridge", join=await invite(node))
    await node.door.post(person.introduce())
    await node.door.post(person.write(TEXTS[0]))
    await carry(await member_log_of(node), await log_of(store))
    assert all(await carry(await log_of(store), await member_log_of(other)))
    page = await other.store.boards.page(Board.BULLETIN)
    await other.close()
    assert [record.title for record in page.records] == [TEXTS[0]]


async def test_what_is_foreign_or_no_envelope_is_refused(node: Node, person: Person, store: BlindStore) -> None:
    blind = await log_of(store)
    keys = (await node.store.node.epoch_keys(node.identity.space_id))[0]
    good = seal(decode_signed(person.introduce()), keys)
    stranger = derive_epoch_keys(SpaceId(b"x" * 16), 1, b"k" * 32)
    foreign = seal(decode_signed(person.introduce()), stranger)
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    version, lifetime = b"\x22" + good[1:], b"\x1f" + good[1:]
    arrived = [foreign, flipped, version, lifetime, b"", good[:80], good + bytes(9000), good]
    assert await blind.append([Placed(0, n + 1, one) for n, one in enumerate(arrived)], 0) == [False] * 7 + [True]
    outside = [Placed(255, 1, good), Placed(0, 0, good), Placed(0, LOG_NUMBER_MAX + 1, good), Placed(-1, 1, good)]
    assert await blind.append(outside, 0) == [False] * 4
    assert await blind.vector() == {0: (Span(8, 8),)}
    assert await blind.append([], 0) == []
    assert await blind.missing({0: (Span(0, LOG_NUMBER_MAX + 5),), 300: (Span(1, 2),)}) == {
        0: (Span(1, 7), Span(9, LOG_NUMBER_MAX))
    }


async def test_an_epoch_that_is_learnt_opens_the_door_for_its_envelopes(
    node: Node, person: Person, store: BlindStore
) -> None:
    blind = await log_of(store)
    later = derive_epoch_keys(node.identity.space_id, 2, b"n" * 32)
    placed = Placed(0, 1, seal(decode_signed(person.introduce()), later))
    assert await blind.append([placed], 0) == [False]
    await store.add_epochs([BlindEpoch(2, later.relay, later.link, NOW_MINUTES)])
    blind.learn([epoch.keys for epoch in await store.epochs()])
    assert await blind.append([placed], 0) == [True]
    assert list(await blind.keys()) == [2]


async def test_the_quota_is_told_to_whoever_sends(node: Node, person: Person, store: BlindStore) -> None:
    await node.door.post(person.introduce())
    await store.set_quota(10)
    with pytest.raises(StoreFullError):
        await carry(await member_log_of(node), await log_of(store))
    assert await (await log_of(store)).vector() == {}


async def test_only_who_has_the_bytes_can_prove_it(
    node: Node, person: Person, store: BlindStore, tmp_path: Path
) -> None:
    await node.door.post(person.introduce())
    await node.door.post(person.write(TEXTS[0]))
    member, blind = await member_log_of(node), await log_of(store)
    photos, cellar = BlobStore(node.store.database, tmp_path / "data"), BlobStore(store.database, tmp_path / "blind")
    photo = b"sealed" * 1000
    await carry(member, blind)
    assert await photos.add([photo]) == await cellar.add([photo]) == [True]
    names = tuple(envelope_id(placed.envelope) for placed in await member.get(0, Span(1, 3), 10))
    assert len(names) == 3
    challenge = Challenge(b"n" * NONCE_BYTES, names, (address_of(photo),))
    digest = await prove(challenge, blind, cellar)
    assert len(digest) == PROOF_BYTES
    assert digest == await prove(challenge, member, photos)
    others = [
        replace(challenge, nonce=b"m" * NONCE_BYTES),
        replace(challenge, names=names[::-1]),
        replace(challenge, blobs=()),
        replace(challenge, names=names[1:]),
    ]
    assert digest not in [await prove(other, blind, cellar) for other in others]
    await cellar.forget(address_of(photo))
    assert await prove(challenge, blind, cellar) == b""
    await blind.drop(0, Span(2, 2))
    assert await prove(replace(challenge, blobs=()), blind, cellar) == b""
