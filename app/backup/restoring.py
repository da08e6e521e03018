"""Reads a backup into an empty folder, and makes a node of its own of it: the machine it came from may still run.

Everything is unpacked aside and looked at first; the database gets its name last, and without it there is no node. What
was cut off half-way is taken up by the next restore, and no node starts in it (app/founding.py).
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from app.backup.archive import BLIND_DATABASE, DATABASE, Entry, read_entries
from app.backup.sealing import HEADER_BYTES, Opener, decode_header, derive_key
from app.backup.writing import FOLDERS, Progress
from app.errors import ConflictError, DecodeError, InputError
from app.founding import RESTORING
from app.renewal import renew_identity
from app.store import NodeStore, Store, open_database
from app.store.blind import open_blind
from app.store.database import store_errors

LEFT_ALONE = ("run.lock", "lost+found")
"""What an empty folder may hold: our own lock, and what a fresh disk comes with."""


class Restored(msgspec.Struct, frozen=True):
    """Whose backup it was. `index` is the node's new one; `community` is None for a blind node, which keeps its own."""

    name: str
    index: int
    community: str | None
    photos: int


async def restore_backup(
    path: Path, data: Path, passphrase: str, progress: Progress = lambda _done, _total: None
) -> Restored:
    """The node in the backup, in an empty folder, with an identity that no other machine has.

    ConflictError when the folder is not empty, DecodeError when the backup is damaged or the passphrase is another;
    then the folder is as it was.
    """
    with store_errors():
        was_there = _make_ready(data)
    aside = data / RESTORING
    try:
        with store_errors():
            aside.mkdir(mode=0o700)
        photos = _unpack(path, aside, passphrase, progress)
        restored = await _renew(aside, photos)
        with store_errors():
            os.sync()  # thousands of photos at once, before anything gets its name
            _move_in(aside, data)
            os.sync()
    except BaseException:
        _leave(data, was_there=was_there)
        raise
    return restored


def _make_ready(data: Path) -> bool:
    """Have the folder, empty but for what a restore left that was cut off. Whether it was there already."""
    was_there = data.exists()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = {entry.name for entry in data.iterdir()} - set(LEFT_ALONE)
    if RESTORING in found and not found & {DATABASE, BLIND_DATABASE}:
        for name in (RESTORING, *FOLDERS):
            shutil.rmtree(data / name, ignore_errors=True)
        found -= {RESTORING, *FOLDERS}
    if found:
        raise ConflictError(f"{data} is not empty. Restore into another --data folder; nothing was changed.")
    return was_there


def _leave(data: Path, *, was_there: bool) -> None:
    """Nothing half restored: the folder is as it was."""
    for name in (*FOLDERS, DATABASE, BLIND_DATABASE, RESTORING):
        path = data / name
        path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    if not was_there:
        shutil.rmtree(data, ignore_errors=True)


def _unpack(path: Path, aside: Path, passphrase: str, progress: Progress) -> int:
    """All files, into the folder aside. Returns how many photos there are."""
    try:
        source = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    with source:
        total = path.stat().st_size
        header = decode_header(_read(source.read)(HEADER_BYTES))
        opener = Opener(_read(source.read), derive_key(passphrase, header), header)
        photos = 0
        for entry, pieces in read_entries(opener.read):
            with store_errors():
                _write(aside, entry, pieces)
            photos += entry.name.startswith("blobs/")
            progress(source.tell(), total)
    return photos


def _read(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Reading whose errors say that it is the backup that can't be read."""

    def guarded(count: int) -> bytes:
        try:
            return read(count)
        except OSError as error:
            raise InputError(f"The backup cannot be read to its end: {error.strerror or error}.") from error

    return guarded


def _write(aside: Path, entry: Entry, pieces: Iterator[bytes]) -> None:
    target = aside / entry.name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in pieces:
            file.write(piece)


async def _renew(aside: Path, photos: int) -> Restored:
    """A member gets another key and index; a blind node numbers and signs nothing, and stays who it is."""
    if (aside / BLIND_DATABASE).exists():
        blind = await open_blind(aside)
        try:
            who = await blind.identity()
        finally:
            await blind.close()
        return Restored(who.name, who.index, None, photos)
    database = await open_database(aside)
    try:
        identity = await NodeStore(database).identity()
        if identity is None:
            raise DecodeError("database", "The database in this backup holds no node.")
        async with database.write() as tx:
            await tx.execute("DELETE FROM keeper_links")  # one that was used since would open again
        index = await renew_identity(Store(database, identity))
    finally:
        await database.close()
    return Restored(identity.name, index, identity.community, photos)


def _move_in(aside: Path, data: Path) -> None:
    """Folders first, the database last."""
    for path in sorted(aside.iterdir(), key=lambda path: path.is_file()):
        path.rename(data / path.name)
    aside.rmdir()
