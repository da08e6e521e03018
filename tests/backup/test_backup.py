"""A backup of a living node, and what a restore makes of it: everything is there, under another identity."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from app.backup import writing
from app.backup.archive import Entry, encode_end, encode_entry
from app.backup.restoring import restore_backup
from app.backup.sealing import MEMORY_KIB_MIN, Header, Sealer, derive_key
from app.backup.writing import COPY_NAME, write_backup
from app.clock import ManualClock
from app.core.blob import address_of
from app.core.boards import Board
from app.core.keys import SpaceId
from app.errors import ConflictError, DecodeError, InputError, NewerDatabaseError, NotFoundError, StoreFullError
from app.founding import RESTORING, Node, keeper_link, start_node
from app.hotspot.certificates import FOLDER
from app.store.blind import BlindEpoch, BlindIdentity, found_blind, open_blind
from app.store.blobs import BlobStore
from app.store.database import FILE_NAME
from app.store.node import COUNTERS_AHEAD, RENEWED_INDEX_MIN
from app.store.peers import PeerStore
from tests.people import NOW_MINUTES, Person
from tests.store.test_blind import held

pytestmark = pytest.mark.anyio
PASSPHRASE = "correct horse battery"
PHOTOS = [b"one" * 1000, b"two" * 50_000]


@pytest.fixture
async def full(node: Node, person: Person, tmp_path: Path) -> Node:
    """A node with notices, photos, a sync key and certificates."""
    await node.door.post(person.introduce())
    for text in ("Apples", "Pears"):
        await node.door.post(person.write(text))
    await BlobStore(node.store.database, tmp_path / "data").add(PHOTOS)
    await PeerStore(node.store.database).seed(b"y" * 32)
    (tmp_path / "data" / FOLDER).mkdir()
    (tmp_path / "data" / FOLDER / "authority-key.pem").write_text("-----BEGIN\n")
    (tmp_path / "data" / "run.lock").touch()
    return node


async def test_a_restored_node_has_everything_and_another_identity(
    full: Node, person: Person, tmp_path: Path, clock: ManualClock
) -> None:
    data, path, new = tmp_path / "data", tmp_path / "valley.backup", tmp_path / "new"
    counter = await full.store.node.reserve_counters()
    link = (await keeper_link(full)).rsplit("/", 1)[1]
    written = write_backup(data, path, PASSPHRASE)
    assert written.photos == 2
    assert written.file_bytes == path.stat().st_size
    await full.door.post(person.write("After the backup"))
    restored = await restore_backup(path, new, PASSPHRASE)
    assert (restored.name, restored.community, restored.photos) == ("Market Square", "Upper Valley", 2)
    assert restored.index >= RENEWED_INDEX_MIN
    again = await start_node(new, clock)
    assert again.identity.index == restored.index
    assert again.identity.key.public_key != full.identity.key.public_key
    assert [record.title for record in (await again.store.boards.page(Board.BULLETIN)).records] == ["Pears", "Apples"]
    photos = BlobStore(again.store.database, new)
    assert [await photos.read(address_of(photo), 0, len(photo)) for photo in PHOTOS] == PHOTOS
    assert await PeerStore(again.store.database).seed(b"n" * 32) == b"y" * 32
    assert await again.store.node.reserve_counters() > counter + COUNTERS_AHEAD
    assert not await again.store.keeper.redeem(link, "session", clock.now_ms())
    assert (new / FOLDER / "authority-key.pem").read_text() == "-----BEGIN\n"
    assert [(node.index, node.name) for node in await again.store.devices.nodes()] == [
        (0, "Market Square"),
        (restored.index, "Market Square"),
    ]
    answer = await again.door.post(person.write("On the new machine"))
    assert (answer.entry_index, answer.log_number) == (restored.index, 2)
    vector = await again.store.envelopes.vector()
    assert vector == {0: 4, restored.index: 2}
    await again.close()


async def test_the_old_key_is_not_in_the_restored_folder(full: Node, tmp_path: Path) -> None:
    write_backup(tmp_path / "data", tmp_path / "backup", PASSPHRASE)
    await restore_backup(tmp_path / "backup", tmp_path / "new", PASSPHRASE)
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert all(full.identity.seed not in path.read_bytes() for path in files)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)


async def test_a_backup_shows_nothing_and_is_for_its_owner_only(full: Node, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    write_backup(tmp_path / "data", path, PASSPHRASE)
    sealed = path.read_bytes()
    for secret in (b"Apples", b"Upper Valley", b"SQLite format", full.identity.seed, PHOTOS[0][:60]):
        assert secret not in sealed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["backup", "data"]
    assert not (tmp_path / "data" / COPY_NAME).exists()


async def test_two_backups_have_no_byte_in_common_but_the_header(full: Node, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_backup(tmp_path / "data", tmp_path / name, PASSPHRASE)
    one, two = [(tmp_path / name).read_bytes() for name in ("one", "two")]
    assert one[14:] != two[14:]
    assert sum(a == b for a, b in zip(one[14:], two[14:], strict=True)) < len(one) / 100


async def test_a_backup_replaces_the_one_before_or_leaves_it(
    full: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "backup"
    path.write_bytes(b"the one before")
    written: list[int] = []

    def write(descriptor: int, *_arguments: object) -> None:
        written.append(descriptor)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(os, "fsync", write)
        with pytest.raises(StoreFullError):
            write_backup(tmp_path / "data", path, PASSPHRASE)
    assert written
    assert path.read_bytes() == b"the one before"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["backup", "data"]
    write_backup(tmp_path / "data", path, PASSPHRASE)
    assert path.read_bytes().startswith(b"tntnback")


async def test_what_cannot_be_backed_up_is_told(full: Node, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pytest.raises(NotFoundError):
        write_backup(tmp_path / "nowhere", tmp_path / "backup", PASSPHRASE)
    with pytest.raises(InputError, match="8 characters"):
        write_backup(data, tmp_path / "backup", "short")
    with pytest.raises(InputError, match="folder"):
        write_backup(data, tmp_path, PASSPHRASE)
    with pytest.raises(InputError, match="cannot be written"):
        write_backup(data, tmp_path / "no" / "such" / "folder", PASSPHRASE)
    with writing._alone(data), pytest.raises(ConflictError, match="Another backup"):
        write_backup(data, tmp_path / "backup", PASSPHRASE)
    assert not (tmp_path / "backup").exists()
    assert not (data / COPY_NAME).exists()


async def test_photos_that_vanish_meanwhile_are_left_out(full: Node, tmp_path: Path) -> None:
    photos = sorted((tmp_path / "data" / "blobs").glob("*/*"))
    assert len(photos) == 2

    def take_away(_done: int, _total: int) -> None:
        photos[1].unlink(missing_ok=True)

    write_backup(tmp_path / "data", tmp_path / "backup", PASSPHRASE, take_away)
    assert (await restore_backup(tmp_path / "backup", tmp_path / "new", PASSPHRASE)).photos == 1


async def test_a_full_folder_is_left_alone(full: Node, tmp_path: Path) -> None:
    write_backup(tmp_path / "data", tmp_path / "backup", PASSPHRASE)
    for folder in (tmp_path / "data", tmp_path / "mine"):
        folder.mkdir(exist_ok=True)
        (folder / "letter.txt").write_text("keep me")
        before = sorted(folder.rglob("*"))
        with pytest.raises(ConflictError, match="not empty"):
            await restore_backup(tmp_path / "backup", folder, PASSPHRASE)
        assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("keep", [0, 20, 40, 0.3, 0.9, 0.9999])
async def test_a_backup_cut_off_anywhere_leaves_no_trace(
    full: Node, tmp_path: Path, keep: float, *, there: bool
) -> None:
    write_backup(tmp_path / "data", tmp_path / "backup", PASSPHRASE)
    whole = (tmp_path / "backup").read_bytes()
    (tmp_path / "backup").write_bytes(whole[: keep if isinstance(keep, int) else int(len(whole) * keep)])
    new = tmp_path / "new"
    if there:
        new.mkdir()
        (new / "run.lock").touch()
    with pytest.raises(DecodeError):
        await restore_backup(tmp_path / "backup", new, PASSPHRASE)
    assert new.exists() == there
    assert not there or [path.name for path in new.iterdir()] == ["run.lock"]


async def test_a_changed_byte_or_another_passphrase_restores_nothing(full: Node, tmp_path: Path) -> None:
    write_backup(tmp_path / "data", tmp_path / "backup", PASSPHRASE)
    with pytest.raises(DecodeError, match="passphrase"):
        await restore_backup(tmp_path / "backup", tmp_path / "new", PASSPHRASE + "!")
    whole = bytearray((tmp_path / "backup").read_bytes())
    whole[-100_000] ^= 4
    (tmp_path / "backup").write_bytes(whole)
    with pytest.raises(DecodeError, match="damaged or cut off"):
        await restore_backup(tmp_path / "backup", tmp_path / "new", PASSPHRASE)
    with pytest.raises(InputError, match="cannot be read"):
        await restore_backup(tmp_path / "nothing", tmp_path / "new", PASSPHRASE)
    assert not (tmp_path / "new").exists()


def forge(path: Path, database: bytes, name: str = FILE_NAME) -> None:
    """A backup by somebody who has the passphrase."""
    header = Header(b"s" * 16, 1, MEMORY_KIB_MIN)
    with path.open("wb") as file:
        sealer = Sealer(file.write, derive_key(PASSPHRASE, header), header)
        sealer.write(encode_entry(Entry(name, len(database))) + database + encode_end())
        sealer.finish()


async def test_a_later_version_s_backup_and_no_node_at_all_are_refused(full: Node, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"
    with sqlite3.connect(other) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    forge(tmp_path / "later", other.read_bytes())
    with pytest.raises(NewerDatabaseError):
        await restore_backup(tmp_path / "later", tmp_path / "new", PASSPHRASE)
    forge(tmp_path / "empty", b"")
    with pytest.raises(DecodeError, match="holds no node"):
        await restore_backup(tmp_path / "empty", tmp_path / "new", PASSPHRASE)
    assert not (tmp_path / "new").exists()


async def test_a_restore_that_was_killed_is_no_node_and_is_taken_up_again(
    full: Node, tmp_path: Path, clock: ManualClock
) -> None:
    write_backup(tmp_path / "data", tmp_path / "backup", PASSPHRASE)
    new = tmp_path / "new"
    (new / RESTORING).mkdir(parents=True)  # killed between the photos and the database
    (new / RESTORING / FILE_NAME).write_bytes(b"half")
    (new / FOLDER).mkdir()
    with pytest.raises(ConflictError, match="cut off"):
        await start_node(new, clock)
    assert (await restore_backup(tmp_path / "backup", new, PASSPHRASE)).photos == 2
    assert not (new / RESTORING).exists()
    (new / RESTORING).mkdir()  # killed between the database and the end: it is whole
    await (await start_node(new, clock)).close()
    with pytest.raises(ConflictError, match="not empty"):
        await restore_backup(tmp_path / "backup", new, PASSPHRASE)


async def test_a_blind_node_comes_back_as_it_was(tmp_path: Path) -> None:
    identity = BlindIdentity(7, "School cellar", SpaceId(b"s" * 16), 10**9)
    store = await found_blind(tmp_path / "blind", identity, [BlindEpoch(1, b"r" * 32, b"l" * 32, NOW_MINUTES)])
    await store.append([held(n) for n in range(1, 50)])
    await BlobStore(store.database, tmp_path / "blind").add(PHOTOS)
    write_backup(tmp_path / "blind", tmp_path / "backup", PASSPHRASE)
    await store.close()
    restored = await restore_backup(tmp_path / "backup", tmp_path / "new", PASSPHRASE)
    assert (restored.name, restored.index, restored.community, restored.photos) == ("School cellar", 7, None, 2)
    again = await open_blind(tmp_path / "new")
    assert await again.identity() == identity
    assert await again.counts() == (49, 4900)
    assert await again.append([held(50)]) == [True]
    await again.close()
