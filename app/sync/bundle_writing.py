"""Writes a bundle: into a temporary file beside its place, synced, then under its name. An old bundle stays whole.

Shell of app/sync/bundle.py.
"""

import asyncio
import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EDQUOT, EINVAL, ENOSPC
from pathlib import Path
from typing import BinaryIO

import msgspec

from app.core.blob import ADDRESS_BYTES, BLOB_BYTES_MAX, BlobAddress, address_of
from app.errors import InputError, NotFoundError, StoreError, StoreFullError
from app.radio.span import Span, minus
from app.sync import bundle
from app.sync.bundle import PACK, PACK_BYTES_MAX, PACKS_MAX, BundleKey, Manifest
from app.sync.bundle_party import Party
from app.sync.car import BLOCK_BYTES_MAX, ROOTS_MAX, encode_head, encode_header
from app.sync.log import Placed, Vector

GET_MAX = 250
"""Entries read from the log at once."""
FILE_BYTES_MAX = (1 << 32) - 1
"""A file on a FAT stick ends here; photos that no longer fit stay for the next bundle."""
SPOOL_BYTES_MAX = 8 << 20
"""Packs are kept in memory up to this, then in a file that has no name: the manifest stands before them."""
COPY_BYTES = 1 << 20

Tell = Callable[[int, int], None]
"""(bytes written, bytes in all), for whoever watches."""


class Written(msgspec.Struct, frozen=True):
    """What is in the bundle now. `left_out` photos did not fit."""

    entries: int
    blobs: int
    left_out: int
    requests: int
    size: int


async def write_bundle(
    path: Path, party: Party, written: int, holder: int | None = None, tell: Tell = lambda _done, _all: None
) -> Written:
    """Everything that is here, or what `holder` isn't known to have. `written` in minutes since 2025.

    InputError when the place can't be written to, StoreFullError when it is full: the file that stood there still does.
    """
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}. Is the stick plugged in?")
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES_MAX, dir=str(path.parent)) as spool:
        key = BundleKey(party.space_id, party.links[0])
        vector = await party.log.vector()
        packs, entries = await _spool_packs(spool, party, key, minus_vector(vector, await _known_to(party, holder)))
        room = min(FILE_BYTES_MAX, shutil.disk_usage(path.parent).free) - spool.tell() - BLOCK_BYTES_MAX
        blobs, left_out = await _choose(party, holder, room)
        requests = tuple(await party.blobs.wanted(bundle.REQUESTS_MAX))
        names = tuple(address for address, _ in blobs)
        held = _packed(await party.blobs.addresses())[: bundle.HOLDS_MAX]
        holds = b"".join(address[: bundle.HOLD_BYTES] for address in held)
        said = Manifest(party.index, party.device.public_key, written, vector, packs, names, requests, holds)
        root = bundle.seal_manifest(said, party.device, party.space_id, key)
        total = spool.tell() + sum(size for _, size in blobs)
        with _replacing(path) as file:
            await asyncio.to_thread(_write_packs, file, root, spool)
            written_blobs = 0
            async for address, blob in _sound(party, names):
                written_blobs += 1
                await asyncio.to_thread(file.write, encode_head(address, len(blob)) + blob)
                tell(file.tell(), total)
            size = file.tell()
            await asyncio.to_thread(_sync_file, file)
        tell(size, size)
    return Written(entries, written_blobs, left_out, len(requests), size)


async def sound_blobs(party: Party) -> AsyncIterator[tuple[BlobAddress, bytes]]:
    """All photos that are here, encrypted as they are, by their addresses."""
    async for found in _sound(party, _packed(await party.blobs.addresses())):
        yield found


async def export_blobs(path: Path, party: Party) -> int:
    """All photos in a CAR file of their own, each a root. Returns how many; InputError, StoreFullError as above."""
    names = _packed(await party.blobs.addresses())
    if len(names) > ROOTS_MAX:
        raise StoreError(f"There are more photos here than one file takes: {ROOTS_MAX}.")
    exported = 0
    with _replacing(path) as file:
        await asyncio.to_thread(file.write, encode_header(names))
        async for address, blob in _sound(party, names):
            await asyncio.to_thread(file.write, encode_head(address, len(blob)) + blob)
            exported += 1
        await asyncio.to_thread(_sync_file, file)
    return exported


def minus_vector(vector: Vector, known: Vector) -> Vector:
    """The places in one and not in the other."""
    return {index: minus(spans, known.get(index, ())) for index, spans in vector.items()}


async def _known_to(party: Party, holder: int | None) -> Vector:
    """What the node said of itself in its last bundle; nothing without one."""
    heard = None if holder is None else await party.heard.heard(holder)
    return {} if heard is None else bundle.decode_vector(heard, 0)[0]


async def _spool_packs(
    spool: "tempfile.SpooledTemporaryFile[bytes]", party: Party, key: BundleKey, places: Vector
) -> tuple[tuple[BlobAddress, ...], int]:
    """(the packs' names in their order, how many entries are in them)."""
    names: list[BlobAddress] = []
    entries, pending = 0, bytearray()

    def flush() -> None:
        block = key.seal(PACK, bytes(pending))
        names.append(bundle.block_address(block))
        spool.write(encode_head(names[-1], len(block)) + block)
        pending.clear()

    async for placed in _entries(party, places):
        encoded = bundle.encode_entry(placed)
        if len(pending) + len(encoded) > PACK_BYTES_MAX:
            await asyncio.to_thread(flush)
        pending += encoded
        entries += 1
        if len(names) >= PACKS_MAX:
            raise StoreError("There is more here than one bundle takes. Write one for a node: --for NODE.")
    if pending:
        await asyncio.to_thread(flush)
    return tuple(names), entries


async def _entries(party: Party, places: Vector) -> AsyncIterator[Placed]:
    """All that is held there, in the order of the logs; envelopes that share a place too."""
    for index, spans in sorted(places.items()):
        for span in spans:
            first, seen = span.first, set[bytes]()
            while True:
                found = await party.log.get(index, Span(first, span.last), GET_MAX)
                for placed in found:
                    if placed.envelope not in seen:
                        yield placed
                if len(found) < GET_MAX:
                    break
                first = found[-1].number
                seen = {placed.envelope for placed in found if placed.number == first}


async def _choose(party: Party, holder: int | None, room: int) -> tuple[list[tuple[BlobAddress, int]], int]:
    """(blobs with their sizes that fit into so many bytes, how many don't)."""
    lacking = await party.blobs.lacking(bundle.BLOBS_MAX, holder)
    chosen = []
    for address, size in lacking:
        room -= size + len(encode_head(address, size))
        if room < 0:
            break
        chosen.append((address, size))
    return chosen, len(lacking) - len(chosen)


def _packed(addresses: bytes) -> list[BlobAddress]:
    return [BlobAddress(addresses[at : at + ADDRESS_BYTES]) for at in range(0, len(addresses), ADDRESS_BYTES)]


async def _sound(party: Party, names: Sequence[BlobAddress]) -> AsyncIterator[tuple[BlobAddress, bytes]]:
    """The blobs, hashed again on their way out: one that is spoilt on this disk is left out, and wanted again."""
    for address in names:
        with suppress(NotFoundError):
            blob = await party.blobs.read(address, 0, BLOB_BYTES_MAX)
            if await asyncio.to_thread(address_of, blob) == address:
                yield address, blob
            else:
                await party.blobs.forget(address)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that stands under the name only when the block ended well; nothing is left of it otherwise."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):  # by a writing that was killed
            left.unlink()
        with temporary.open("xb") as file:
            yield file
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise StoreFullError(
                f"There is no room for the bundle at {path}. What stood there is unchanged."
            ) from error
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _write_packs(file: BinaryIO, root: bytes, spool: "tempfile.SpooledTemporaryFile[bytes]") -> None:
    name = bundle.block_address(root)
    file.write(encode_header([name]) + encode_head(name, len(root)) + root)
    spool.seek(0)
    while piece := spool.read(COPY_BYTES):
        file.write(piece)


def _sync_file(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """The name lasts; some file systems of sticks can't sync a folder, and write it at once."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != EINVAL:
            raise
    finally:
        os.close(descriptor)
