"""What is inside a backup: files one after the other, each with its name and size. Pure.

Only names that a data folder has are read, in their order, each once: nothing can be unpacked elsewhere. Spec:
docs/protocol/backup.md, "Inside".
"""

import re
from collections.abc import Callable, Iterator

import msgspec

from app.core.blob import BLOB_BYTES_MAX
from app.errors import DecodeError

DATABASE = "tntn.sqlite3"
BLIND_DATABASE = "blind.sqlite3"
NAME_BYTES_MAX = 100
SIZE_BYTES = 8
PIECE_BYTES = 64 * 1024
PEM_BYTES_MAX = 64 * 1024
DATABASE_BYTES_MAX = 2**40
"""A terabyte; the disk is full long before."""
_END = b"\0"
_NAMES = (
    (re.compile(r"(tntn|blind)\.sqlite3"), DATABASE_BYTES_MAX),
    (re.compile(r"certificates/[a-z0-9][a-z0-9-]{0,59}\.pem"), PEM_BYTES_MAX),
    (re.compile(r"blobs/([0-9a-f]{2})/\1[0-9a-f]{62}"), BLOB_BYTES_MAX),
)


class Entry(msgspec.Struct, frozen=True):
    """A file: its name below the data folder, with `/`, and its bytes."""

    name: str
    size: int


def is_kept(name: str) -> bool:
    """Whether a file of this name belongs into a backup."""
    return any(pattern.fullmatch(name) for pattern, _ in _NAMES)


def encode_entry(entry: Entry) -> bytes:
    """What stands before a file's bytes."""
    name = entry.name.encode("ascii")
    return bytes([len(name)]) + name + entry.size.to_bytes(SIZE_BYTES, "big")


def encode_end() -> bytes:
    """What stands behind the last file."""
    return _END


def read_entries(read: Callable[[int], bytes]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    """The files of an archive, each with its pieces, which are to be taken before the next file is asked for.

    `read(n)` yields fewer bytes than n only at the end. DecodeError where the archive breaks its format.
    """
    last = ""
    databases = 0
    while (length := _exactly(read, 1)) != _END:
        entry = _decode_entry(_exactly(read, length[0]), _exactly(read, SIZE_BYTES))
        if entry.name <= last:
            raise DecodeError("order", "The files in this backup are not in their order. It is damaged.")
        last = entry.name
        databases += entry.name in (DATABASE, BLIND_DATABASE)
        yield entry, _pieces(read, entry.size)
    if databases != 1:
        raise DecodeError("database", "This backup holds no node's database, or two.")
    if read(1):
        raise DecodeError("trailing", "Something follows the end of this backup. It is damaged.")


def _decode_entry(name: bytes, size: bytes) -> Entry:
    try:
        text = name.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    limit = next((limit for pattern, limit in _NAMES if pattern.fullmatch(text)), None)
    if limit is None or len(name) > NAME_BYTES_MAX:
        raise DecodeError("name", "This backup holds a file that this version of TNTN does not know.")
    entry = Entry(text, int.from_bytes(size, "big"))
    if entry.size > limit:
        raise DecodeError("oversized", f"{text} in this backup is larger than such a file can be.")
    return entry


def _pieces(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while size > 0:
        piece = _exactly(read, min(size, PIECE_BYTES))
        size -= len(piece)
        yield piece


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    data = read(count)
    if len(data) < count:
        raise DecodeError("truncated", "This backup ends too early. It is cut off or damaged.")
    return data
