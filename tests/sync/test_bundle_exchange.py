"""Bundles between whole nodes over real files: what they carry, and what spoilt, forged and huge ones do to nobody."""

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from app.clock import ManualClock
from app.core.blob import BlobAddress, address_of
from app.core.boards import Board
from app.core.keys import DeviceKey, derive_epoch_keys
from app.errors import InputError, NotFoundError, StoreFullError
from app.founding import Node, invite, start_node
from app.radio.span import Span
from app.store.blind import BlindEpoch, BlindIdentity, found_blind, open_blind
from app.store.blobs import BlobStore
from app.store.peers import Peer, PeerStore
from app.sync import bundle, bundle_file, bundle_writing
from app.sync.bundle import BundleKey, Manifest
from app.sync.bundle_file import BundleFile
from app.sync.bundle_party import Party
from app.sync.bundle_reading import read_bundle
from app.sync.bundle_writing import write_bundle
from app.sync.car import BLOCK_BYTES_MAX, encode_head, encode_header, read_data, read_head, read_header
from app.sync.home import sync_key
from app.sync.message import Role
from app.sync.parties import blind_party, member_party
from tests.people import NOW_MINUTES, Person

pytestmark = pytest.mark.anyio
BLIND_INDEX = 9


@pytest.fixture
async def other(node: Node, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Node]:
    """A second node of the community that has heard nothing yet."""
    joined = await start_node(tmp_path / "other", clock, name="Mill Bridge", join=await invite(node))
    await joined.feed.start()
    yield joined
    await joined.close()


@pytest.fixture
async def blind(node: Node, tmp_path: Path) -> AsyncIterator[Party]:
    """A blind node with what a pairing hands it."""
    epoch = await node.store.node.current_epoch()
    keys = derive_epoch_keys(node.identity.space_id, epoch.number, epoch.key)
    store = await found_blind(
        tmp_path / "blind",
        BlindIdentity(BLIND_INDEX, "School cellar", node.identity.space_id),
        [BlindEpoch(epoch.number, keys.relay, keys.link, epoch.started)],
    )
    yield await blind_party(store, tmp_path / "blind")
    await store.close()


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder / "tntn.car"


def photos(count: int, size: int = 5000, seed: int = 1) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(size) for _ in range(count)]


async def fill(node: Node, person: Person, notices: int = 3, minutes: int = NOW_MINUTES) -> None:
    await node.door.post(person.introduce(minutes))
    for number in range(notices):
        await node.door.post(person.write(f"Notice {number}", minutes))


def blocks_of(path: Path) -> list[tuple[BlobAddress, bytes]]:
    found = []
    with path.open("rb") as file:
        read_header(file)
        while (head := read_head(file)) is not None:
            assert head.address is not None
            found.append((head.address, read_data(file, head)))
    return found


def write_blocks(path: Path, blocks: list[tuple[BlobAddress, bytes]]) -> None:
    body = b"".join(encode_head(address, len(data)) + data for address, data in blocks)
    path.write_bytes(encode_header([blocks[0][0]]) + body)


async def manifest_of(path: Path, party: Party) -> Manifest:
    with path.open("rb") as file:
        return BundleFile(file, party.space_id, party.links).read_manifest()


async def test_a_bundle_brings_posts_and_photos_and_twice_changes_nothing(
    node: Node, other: Node, person: Person, stick: Path
) -> None:
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    pictures = photos(5)
    await here.blobs.add(pictures)
    written = await write_bundle(stick, here, NOW_MINUTES)
    assert (written.entries, written.blobs, written.left_out) == (5, 5, 0)
    assert written.size == stick.stat().st_size
    first = await read_bundle(stick, there)
    assert (first.index, first.written, first.known_writer) == (0, NOW_MINUTES, True)
    assert (first.new, first.known, first.refused, first.blobs_new) == (5, 0, 0, 5)
    assert first.ended is None and first.missing == first.damaged == first.foreign == 0
    assert (await other.store.boards.totals())[Board.BULLETIN] == 3
    assert await there.blobs.read(address_of(pictures[0]), 0, 9999) == pictures[0]
    before = await there.log.vector(), await there.log.keys(), await there.blobs.addresses()
    again = await read_bundle(stick, there)
    assert (again.new, again.known, again.blobs_new, again.blobs_known, again.missing) == (0, 5, 0, 5, 0)
    assert before == (await there.log.vector(), await there.log.keys(), await there.blobs.addresses())


async def test_the_same_content_is_the_same_file(node: Node, person: Person, stick: Path) -> None:
    await fill(node, person)
    here = await member_party(node)
    await write_bundle(stick, here, NOW_MINUTES)
    first = stick.read_bytes()
    await write_bundle(stick, here, NOW_MINUTES)
    assert stick.read_bytes() == first
    assert [path.name for path in stick.parent.iterdir()] == ["tntn.car"]


async def test_nothing_on_the_stick_can_be_read_without_the_key(node: Node, person: Person, stick: Path) -> None:
    await fill(node, person)
    await write_bundle(stick, await member_party(node), NOW_MINUTES)
    said = stick.read_bytes()
    for secret in (b"Notice", person.key.public_key, node.identity.key.public_key, b"Market", node.identity.space_id):
        assert secret not in said


async def test_the_next_bundle_for_a_node_holds_what_is_new(
    node: Node, other: Node, person: Person, stick: Path
) -> None:
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    old, new = photos(3), photos(2, seed=2)
    await here.blobs.add(old)
    await write_bundle(stick, here, NOW_MINUTES, holder=1)
    await read_bundle(stick, there)
    await write_bundle(stick, there, NOW_MINUTES, holder=0)
    back = await read_bundle(stick, here)
    assert back.new == 1  # its own introduction
    await node.door.post(person.write("One more"))
    await here.blobs.add(new)
    third = await write_bundle(stick, here, NOW_MINUTES, holder=1)
    assert (third.entries, third.blobs) == (1, 2)
    assert (await read_bundle(stick, there)).new == 1
    whole = await write_bundle(stick, here, NOW_MINUTES)
    assert (whole.entries, whole.blobs) == (7, 5)


async def test_photos_that_a_node_asks_for_come_first(node: Node, other: Node, stick: Path) -> None:
    here, there = await member_party(node), await member_party(other)
    names = [address_of(blob) for blob in photos(4)]
    await here.blobs.add(photos(4))
    await there.blobs.note([names[2]], holder=7)  # it heard of that one, and lacks it
    await write_bundle(stick, here, NOW_MINUTES)
    await read_bundle(stick, there)
    await there.blobs.forget(names[2])
    asked = await write_bundle(stick, there, NOW_MINUTES)
    assert asked.requests == 1
    await read_bundle(stick, here)
    await write_bundle(stick, here, NOW_MINUTES, holder=1)
    assert (await manifest_of(stick, here)).blobs[0] == names[2]


async def test_a_blind_node_carries_what_it_cannot_read(
    node: Node, other: Node, blind: Party, person: Person, stick: Path
) -> None:
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    await here.blobs.add(photos(2))
    await write_bundle(stick, here, NOW_MINUTES)
    taken = await read_bundle(stick, blind)
    assert (taken.new, taken.refused, taken.blobs_new, taken.known_writer) == (5, 0, 2, False)
    await write_bundle(stick, blind, NOW_MINUTES)
    brought = await read_bundle(stick, there)
    assert (brought.index, brought.new, brought.blobs_new) == (BLIND_INDEX, 5, 2)
    assert not brought.known_writer  # it was never paired with this node: its word counts for nothing
    assert (await other.store.boards.totals())[Board.BULLETIN] == 3
    assert await there.blobs.copies() == {1: 2}


async def test_a_blind_writer_is_known_by_the_key_that_was_pinned(
    node: Node, other: Node, blind: Party, person: Person, stick: Path, tmp_path: Path
) -> None:
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    await here.blobs.add(photos(2))
    await write_bundle(stick, here, NOW_MINUTES)
    await read_bundle(stick, blind)
    store = await open_blind(tmp_path / "blind")
    key = await sync_key(PeerStore(store.database))
    await store.close()
    peer = Peer(key.peer_id, key.certificate, "School cellar", BLIND_INDEX, Role.BLIND, True, None, (), 0)
    await other.store.peers.pin(peer)
    await write_bundle(stick, blind, NOW_MINUTES)
    assert (await read_bundle(stick, there)).known_writer
    assert await there.blobs.copies() == {2: 2}
    assert await there.roster.index_of("School cellar") == BLIND_INDEX
    nothing_new = await write_bundle(stick, there, NOW_MINUTES, holder=BLIND_INDEX)
    assert (nothing_new.entries, nothing_new.blobs) == (1, 0)  # this node's own introduction
    await write_bundle(stick, msgspec.structs.replace(blind, device=DeviceKey(b"\x09" * 32)), NOW_MINUTES)
    with pytest.raises(InputError, match="forged"):
        await read_bundle(stick, there)


async def test_a_writer_may_be_introduced_by_its_own_bundle(
    node: Node, other: Node, tmp_path: Path, clock: ManualClock, stick: Path
) -> None:
    third = await start_node(tmp_path / "third", clock, name="Far Farm", join=await invite(node))
    try:
        await write_bundle(stick, await member_party(third), NOW_MINUTES)
        reading = await read_bundle(stick, await member_party(other))
    finally:
        await third.close()
    assert reading.index == 2 and reading.new == 1 and reading.known_writer


async def test_a_bundle_makes_nobody_skip_or_delete(node: Node, other: Node, person: Person, stick: Path) -> None:
    """Its vector says that it knows numbers it never brings: they are missing here all the same."""
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    boast = {0: (Span(1, 1000),), 1: (Span(1, 50),), 7: (Span(1, 9),)}
    said = Manifest(0, here.device.public_key, NOW_MINUTES, boast, (), (), (), b"")
    block = bundle.seal_manifest(said, here.device, here.space_id, BundleKey(here.space_id, here.links[0]))
    write_blocks(stick, [(bundle.block_address(block), block)])
    before = await there.log.vector()
    assert (await read_bundle(stick, there)).new == 0
    assert await there.log.vector() == before
    assert (await there.log.missing(boast))[0] == (Span(1, 1000),)
    assert (await there.log.missing(boast))[7] == (Span(1, 9),)


async def test_what_is_gone_stays_gone(node: Node, other: Node, person: Person, stick: Path) -> None:
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    await write_bundle(stick, here, NOW_MINUTES)
    assert (await read_bundle(stick, there)).new == 5
    await there.log.drop(0, Span(3, 4))
    reading = await read_bundle(stick, there)
    assert (reading.new, reading.gone) == (0, 2)
    assert (await other.store.boards.totals())[Board.BULLETIN] == 1


async def test_another_community_reads_nothing(node: Node, tmp_path: Path, clock: ManualClock, stick: Path) -> None:
    await write_bundle(stick, await member_party(node), NOW_MINUTES)
    stranger = await start_node(tmp_path / "stranger", clock)
    try:
        with pytest.raises(InputError, match="another community"):
            await read_bundle(stick, await member_party(stranger))
    finally:
        await stranger.close()


async def test_a_forged_writer_is_refused_whole(node: Node, other: Node, person: Person, stick: Path) -> None:
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    forged = msgspec.structs.replace(here, device=DeviceKey(b"\x09" * 32))
    await write_bundle(stick, forged, NOW_MINUTES)
    with pytest.raises(InputError, match="forged"):
        await read_bundle(stick, there)
    assert (await other.store.boards.totals())[Board.BULLETIN] == 0


async def test_an_unknown_writers_word_counts_for_nothing(node: Node, other: Node, person: Person, stick: Path) -> None:
    """What it brings is checked by itself; that it holds it, and what it would like, is not believed."""
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    await here.blobs.add(photos(1))
    await write_bundle(stick, msgspec.structs.replace(here, index=77, device=DeviceKey(b"\x09" * 32)), NOW_MINUTES)
    reading = await read_bundle(stick, there)
    assert (reading.known_writer, reading.new, reading.blobs_new) == (False, 5, 1)
    assert await there.blobs.copies() == {1: 1}
    assert await there.heard.heard(77) is None


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.999])
async def test_a_truncated_file_gives_what_it_has(
    node: Node, other: Node, person: Person, stick: Path, part: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_writing, "PACK_BYTES_MAX", 400)
    await fill(node, person, 40)
    here, there = await member_party(node), await member_party(other)
    await here.blobs.add(photos(3))
    await write_bundle(stick, here, NOW_MINUTES)
    whole = stick.read_bytes()
    stick.write_bytes(whole[: int(len(whole) * part)])
    if part < 0.05:
        with pytest.raises(InputError, match="ends in the middle"):
            await read_bundle(stick, there)
        return
    reading = await read_bundle(stick, there)
    assert reading.ended is not None and "ends in the middle" in reading.ended
    assert reading.missing > 0
    assert 0 < reading.new + reading.blobs_new < 45
    stick.write_bytes(whole)
    rest = await read_bundle(stick, there)
    assert rest.ended is None and rest.new + reading.new == 42 and rest.missing == 0


async def test_wrong_hashes_and_foreign_blocks_are_skipped_and_counted(
    node: Node, other: Node, person: Person, stick: Path
) -> None:
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    await here.blobs.add(photos(3))
    await write_bundle(stick, here, NOW_MINUTES)
    root, pack, *blobs = blocks_of(stick)
    strange = b"not of this bundle" * 100
    spoilt = (blobs[0][0], blobs[0][1][:-1] + b"?")
    write_blocks(stick, [root, (address_of(strange), strange), spoilt, blobs[1], pack, blobs[1], pack, blobs[2]])
    reading = await read_bundle(stick, there)
    assert (reading.new, reading.blobs_new) == (5, 2)
    assert (reading.foreign, reading.damaged, reading.missing) == (3, 1, 1)
    with pytest.raises(NotFoundError):
        await there.blobs.read(address_of(strange), 0, 10)
    write_blocks(stick, [root, (pack[0], pack[1][:-1] + bytes([pack[1][-1] ^ 1]))])
    again = await read_bundle(stick, there)
    assert (again.damaged, again.new, again.ended) == (1, 0, None)


async def test_forged_envelopes_in_a_signed_pack_are_refused_one_by_one(
    node: Node, other: Node, person: Person, stick: Path
) -> None:
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    placed = await here.log.get(0, Span(1, 10), 10)
    spoilt = msgspec.structs.replace(placed[-1], envelope=placed[-1].envelope[:-1] + b"?")
    key = BundleKey(here.space_id, here.links[0])
    pack = key.seal(bundle.PACK, b"".join(map(bundle.encode_entry, [*placed[:-1], spoilt])))
    said = Manifest(0, here.device.public_key, NOW_MINUTES, {}, (bundle.block_address(pack),), (), (), b"")
    root = bundle.seal_manifest(said, here.device, here.space_id, key)
    write_blocks(stick, [(bundle.block_address(root), root), (bundle.block_address(pack), pack)])
    reading = await read_bundle(stick, there)
    assert (reading.new, reading.refused) == (4, 1)


async def test_a_file_with_a_million_blocks_ends_soon(
    node: Node, other: Node, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_file, "BLOCKS_MAX", 1000)
    here, there = await member_party(node), await member_party(other)
    await write_bundle(stick, here, NOW_MINUTES)
    name = b"../../etc/passwd"
    with stick.open("ab") as file:
        file.write((encode_head(address_of(name), len(name)) + name) * 5000)
    reading = await read_bundle(stick, there)
    assert reading.ended == "The file has more blocks than any bundle."
    assert reading.foreign < 1000
    assert reading.new == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 5000,
        b"PK\x03\x04" + b"../../../etc/cron.d/x" * 50,
        encode_header([]),
        encode_header([BlobAddress(bytes(32))]),
        encode_header([BlobAddress(bytes(32))]) + encode_head(BlobAddress(bytes(32)), 5) + b"12345",
        encode_header([address_of(b"../x")]) + encode_head(address_of(b"../x"), 4) + b"../x",
        encode_header([address_of(b"a"), address_of(b"b")]) + encode_head(address_of(b"a"), 1) + b"a",
    ],
)
async def test_what_is_no_bundle_is_refused_in_words(node: Node, tmp_path: Path, stick: Path, content: bytes) -> None:
    stick.write_bytes(content)
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(InputError) as refused:
        await read_bundle(stick, await member_party(node))
    assert refused.value.message.endswith(".")
    assert sorted(path for path in tmp_path.rglob("*")) == before  # no name in a file becomes a name on the disk


async def test_a_missing_file_and_a_folder_are_told(node: Node, stick: Path) -> None:
    here = await member_party(node)
    for path in (stick, stick.parent):
        with pytest.raises(InputError, match="cannot be read"):
            await read_bundle(path, here)
    with pytest.raises(InputError, match="plugged in"):
        await write_bundle(stick.parent / "nowhere" / "a.car", here, NOW_MINUTES)


@pytest.mark.parametrize("moment", ["write", "fsync"])
async def test_an_interrupted_write_leaves_the_old_bundle_whole(
    node: Node, person: Person, stick: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    await fill(node, person)
    here = await member_party(node)
    await write_bundle(stick, here, NOW_MINUTES)
    old = stick.read_bytes()
    await here.blobs.add(photos(3))
    full: Callable[..., None] = _full_after_one_block if moment == "write" else _full
    monkeypatch.setattr(bundle_writing, "_write_packs" if moment == "write" else "_sync_file", full)
    with pytest.raises(StoreFullError, match="unchanged"):
        await write_bundle(stick, here, NOW_MINUTES)
    assert stick.read_bytes() == old
    assert [path.name for path in stick.parent.iterdir()] == ["tntn.car"]


async def test_photos_that_do_not_fit_are_left_for_the_next_one(
    node: Node, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await member_party(node)
    await here.blobs.add(photos(10))
    monkeypatch.setattr(bundle_writing, "FILE_BYTES_MAX", BLOCK_BYTES_MAX + 25_000)
    written = await write_bundle(stick, here, NOW_MINUTES)
    assert (written.blobs, written.left_out) == (4, 6)


async def test_a_spoilt_photo_is_left_out_and_wanted_again(
    node: Node, other: Node, tmp_path: Path, stick: Path
) -> None:
    here, there = await member_party(node), await member_party(other)
    pictures = photos(2)
    await here.blobs.add(pictures)
    name = address_of(pictures[0])
    (tmp_path / "data" / "blobs" / name.hex()[:2] / name.hex()).write_bytes(b"rot")
    assert (await write_bundle(stick, here, NOW_MINUTES)).blobs == 1
    assert await here.blobs.size(name) is None
    reading = await read_bundle(stick, there)
    assert (reading.blobs_new, reading.missing) == (1, 1)


async def test_without_room_for_photos_the_posts_come_in(node: Node, other: Node, person: Person, stick: Path) -> None:
    await fill(node, person)
    here = await member_party(node)
    await here.blobs.add(photos(3))
    await write_bundle(stick, here, NOW_MINUTES)
    small = BlobStore(other.store.database, other.store.database.path.parent, quota_bytes=100)
    there = msgspec.structs.replace(await member_party(other), blobs=small)
    reading = await read_bundle(stick, there)
    assert (reading.new, reading.blobs_new, reading.blobs_refused) == (5, 0, 3)


async def test_progress_is_told_to_the_end(node: Node, other: Node, person: Person, stick: Path) -> None:
    await fill(node, person)
    here, there = await member_party(node), await member_party(other)
    await here.blobs.add(photos(3))
    seen: list[tuple[int, int]] = []
    await write_bundle(stick, here, NOW_MINUTES, tell=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (stick.stat().st_size,) * 2
    seen.clear()
    await read_bundle(stick, there, tell=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (stick.stat().st_size,) * 2


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def _full_after_one_block(file: object, root: bytes, _: object) -> None:
    file.write(root)  # type: ignore[attr-defined]
    _full()
