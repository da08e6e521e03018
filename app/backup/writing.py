"""Writes a backup while the node runs: a copy of the database as it stands, the photos, the certificates.

The copy is made by SQLite (`VACUUM INTO`) beside the database, where the keys lie already, and is gone afterwards. The
file is whole under its name, or not there.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from app.backup.archive import PIECE_BYTES, Entry, encode_end, encode_entry, is_kept
from app.backup.sealing import SALT_BYTES, Header, Sealer, check_passphrase, derive_key
from app.errors import ConflictError, InputError, NotFoundError, StoreError, StoreFullError
from app.store import blind
from app.store.database import BUSY_TIMEOUT_MS, FILE_NAME, store_errors

LOCK_NAME = "backup.lock"
COPY_NAME = "backup.partial"
PARTIAL = ".partial"
FOLDERS = ("blobs", "certificates")

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all) now and then."""


class Written(msgspec.Struct, frozen=True):
    """What is in a backup, and how large it is."""

    photos: int
    file_bytes: int


def write_backup(data: Path, path: Path, passphrase: str, progress: Progress = lambda _done, _total: None) -> Written:
    """The node in `data` as one sealed file. It may run meanwhile.

    NotFoundError when no node lives there, InputError where the file cannot be written, StoreFullError on a full disk.
    """
    secret = check_passphrase(passphrase)
    database = _database(data)
    if path.is_dir():
        raise InputError(f"{path} is a folder. Name a file in it.")
    with _alone(data), _copied(database) as copy:
        with store_errors():
            files = sorted(_files(data, copy))
        total = sum(size for _, _, size in files)
        header = Header(secrets.token_bytes(SALT_BYTES))
        key = derive_key(secret, header)
        with _written_whole(path) as output:
            sealer = Sealer(output.write, key, header)
            done = 0
            for name, source, size in files:
                _put(sealer, name, source)
                done += size
                progress(done, total)
            sealer.write(encode_end())
            sealer.finish()
        return Written(sum(name.startswith("blobs/") for name, _, _ in files), path.stat().st_size)


def _database(data: Path) -> Path:
    """The database of the node in a folder, whichever kind it is."""
    found = [data / name for name in (FILE_NAME, blind.FILE_NAME) if (data / name).exists()]
    if not found:
        raise NotFoundError(f"There is no node in {data}.")
    return found[0]


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """One backup of a node at a time: they share the name of the copy."""
    with store_errors():
        lock = (data / LOCK_NAME).open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError("Another backup of this node is being written. Wait until it is done.") from None
        yield


@contextlib.contextmanager
def _copied(database: Path) -> Iterator[Path]:
    """The database as it stands, in a file that only this user can read; whoever writes need not wait."""
    copy = database.with_name(COPY_NAME)
    try:
        with store_errors():
            copy.unlink(missing_ok=True)  # of a backup that was killed
            os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            source = sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
            with contextlib.closing(source):
                source.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
                source.execute("VACUUM INTO ?", (str(copy),))
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _files(data: Path, copy: Path) -> Iterator[tuple[str, Path, int]]:
    """(name, where it is, bytes) of all that belongs into a backup."""
    yield _database(data).name, copy, copy.stat().st_size
    for folder in FOLDERS:
        for path in (data / folder).rglob("*"):
            name = path.relative_to(data).as_posix()
            if is_kept(name) and path.is_file():
                yield name, path, path.stat().st_size


def _put(sealer: Sealer, name: str, path: Path) -> None:
    """One file. A photo that was taken away meanwhile is left out."""
    with contextlib.ExitStack() as open_files:
        with store_errors():
            try:
                source = open_files.enter_context(path.open("rb"))
            except FileNotFoundError:
                return
            left = os.fstat(source.fileno()).st_size
        sealer.write(encode_entry(Entry(name, left)))
        while left > 0:
            with store_errors():
                piece = source.read(min(left, PIECE_BYTES))
            if not piece:
                raise StoreError(f"{name} became shorter while it was read.")
            sealer.write(piece)
            left -= len(piece)


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file that stands under its name when the block has ended, on the disk, and not before."""
    partial = path.with_name(path.name + PARTIAL)
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as output:
                yield output
                output.flush()
                os.fsync(output.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFullError("There is no room for the backup there. Nothing was written.") from error
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
