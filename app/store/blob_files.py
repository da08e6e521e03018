"""Blobs as files: `blobs/ab/abcd…` for what is whole, `blobs/partial/abcd…` for what is on its way. No SQL, blocking.

A file stands under its address only after it was hashed and synced; the row that says so is written after that
(app/store/blobs.py). So a power cut leaves a partial that goes on, or a whole file that no row knows and that is
taken up again as a partial.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from app.core.blob import BlobAddress

FOLDER = "blobs"
PARTIAL = "partial"
HASH_PIECE_BYTES = 256 * 1024
"""What is read at once to hash a file."""
STALE_SECONDS = 24 * 3600
"""A temporary file that nobody has touched for a day was left by a command that was killed."""
NEW = ".new"


class BlobFiles:
    """The files below one data folder. Whoever calls does so in a thread."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER
        self._partial = self._folder / PARTIAL

    def path(self, address: BlobAddress) -> Path:
        """Where a whole blob stands."""
        name = address.hex()
        return self._folder / name[:2] / name

    def read(self, address: BlobAddress, offset: int, limit: int) -> bytes | None:
        """A piece of a whole blob; None when somebody took the file away."""
        try:
            with self.path(address).open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            return None

    def partial_bytes(self, address: BlobAddress) -> int:
        """How much is here of a blob that no row knows; a file that is whole already counts as such a part."""
        partial, whole = self._partial / address.hex(), self.path(address)
        try:
            return partial.stat().st_size
        except FileNotFoundError:
            if not whole.exists():
                return 0
        self._make_folder(self._partial)
        whole.replace(partial)
        return partial.stat().st_size

    def write(self, address: BlobAddress, offset: int, data: bytes) -> None:
        """A piece of a partial at its place; what stood behind it is cut off."""
        path = self._partial / address.hex()
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        except FileNotFoundError:
            self._make_folder(self._partial)
            file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            _write_all(file, data, offset)
            os.ftruncate(file, offset + len(data))
        finally:
            os.close(file)

    def hash_partial(self, address: BlobAddress) -> "hashlib._Hash":
        """The hash so far of what a partial holds."""
        hasher = hashlib.sha256()
        with (self._partial / address.hex()).open("rb") as file:
            while piece := file.read(HASH_PIECE_BYTES):
                hasher.update(piece)
        return hasher

    def sync_partial(self, address: BlobAddress) -> None:
        """A partial's bytes are on the disk, and it stands under its address; `sync_folders` makes the name last."""
        path = self._partial / address.hex()
        _sync(path)
        self._move(path, address)

    def add(self, address: BlobAddress, blob: bytes) -> None:
        """A whole blob at once, under its address; `sync_folders` makes the name last."""
        self._make_folder(self._partial)
        path = self._partial / f"{address.hex()}-{secrets.token_hex(4)}{NEW}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write_all(file, blob, 0)
            os.fsync(file)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(file)
        self._move(path, address)

    def folders(self, addresses: Iterable[BlobAddress]) -> set[Path]:
        """The folders that these blobs stand in."""
        return {self.path(address).parent for address in addresses}

    def sync_folder(self, folder: Path) -> None:
        """Names in a folder outlive a power cut."""
        _sync(folder)

    def discard(self, address: BlobAddress) -> None:
        """Throw a partial away."""
        (self._partial / address.hex()).unlink(missing_ok=True)

    def remove(self, address: BlobAddress) -> None:
        """Throw a whole blob away."""
        self.path(address).unlink(missing_ok=True)

    def sweep(self, now_seconds: float) -> int:
        """Throw away what killed commands left. Returns how many files that were."""
        stale = [
            path for path in self._partial.glob(f"*{NEW}") if abs(now_seconds - path.stat().st_mtime) > STALE_SECONDS
        ]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def free_bytes(self) -> int:
        """What the disk has left for this user."""
        self._make_folder(self._partial)
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def _move(self, path: Path, address: BlobAddress) -> None:
        target = self.path(address)
        try:
            path.replace(target)
        except FileNotFoundError:
            self._make_folder(target.parent)
            path.replace(target)

    def _make_folder(self, folder: Path) -> None:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(self._folder)
            _sync(self._folder.parent)


def _write_all(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
