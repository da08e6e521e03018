"""A bundle's file, cut into what belongs to the bundle: hashed, opened, bounded. Blocking; writes nothing anywhere.

What is foreign or damaged is skipped and counted; where the file breaks off, reading ends.
"""

import os
from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from app.core.blob import BLOB_BYTES_MAX, BlobAddress
from app.core.keys import SpaceId
from app.errors import DecodeError
from app.sync import bundle
from app.sync.bundle import PACK, BundleKey, Manifest
from app.sync.car import Block, read_data, read_head, read_header
from app.sync.log import Placed

BLOCKS_MAX = 2 * (bundle.PACKS_MAX + bundle.BLOBS_MAX)
"""Blocks that are looked at in one file, its own and foreign ones: a million others are not skipped one by one."""
BATCH_BYTES = 8 << 20
"""Blobs handed over at once: one sync of the disk serves them all, and a Pi has the memory."""


class Pieces(msgspec.Struct, frozen=True):
    """What was read next: a pack's entries, or some blobs, whole and hashed. Neither at the end."""

    entries: list[Placed]
    blobs: list[bytes]


class BundleFile:
    """One reading of one open file: `read_manifest` first, then `next_pieces` until it has none.

    DecodeError from the first for what is no bundle of this space; afterwards `ended` says why reading stopped early.
    """

    def __init__(self, file: BinaryIO, space_id: SpaceId, links: Sequence[bytes]) -> None:
        self._file = file
        self._space_id = space_id
        self._links = links
        self._blocks = 0
        self._packs: set[BlobAddress] = set()
        self._blobs: set[BlobAddress] = set()
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.skipped = 0
        self.foreign = 0
        self.damaged = 0
        self.ended: str | None = None

    @property
    def position(self) -> int:
        """How far into the file reading is."""
        return self._file.tell()

    @property
    def missing(self) -> int:
        """Of what the manifest names, how much has not come."""
        return len(self._packs) + len(self._blobs)

    def read_manifest(self) -> Manifest:
        """What the writer says; whether it is the writer is for the caller to check."""
        roots = read_header(self._file)
        root = read_head(self._file)
        if len(roots) != 1 or root is None or root.address != roots[0]:
            raise DecodeError("root", "This CAR file is no bundle of TNTN.")
        block = read_data(self._file, root)
        if bundle.block_address(block) != root.address:
            raise DecodeError("hash", "The beginning of this bundle is damaged.")
        keys = [BundleKey(self._space_id, link) for link in self._links]
        manifest, self._key = bundle.open_manifest(block, self._space_id, keys)
        self._packs, self._blobs = set(manifest.packs), set(manifest.blobs)
        return manifest

    def next_pieces(self, held: set[BlobAddress]) -> Pieces:
        """The next pack, or the next few blobs that are not held."""
        blobs: list[bytes] = []
        waiting = 0
        while waiting < BATCH_BYTES:
            try:
                data = self._next_block(held)
            except DecodeError as error:
                self.ended = error.message
                break
            if data is None:
                break
            if isinstance(data, list):
                if data:
                    return Pieces(data, blobs)
            elif data:
                blobs.append(data)
                waiting += len(data)
        return Pieces([], blobs)

    def _next_block(self, held: set[BlobAddress]) -> list[Placed] | bytes | None:
        """A pack's entries, a blob, or nothing of use (empty); None at the end."""
        block = None if self.ended else read_head(self._file)
        if block is None:
            return None
        self._blocks += 1
        if self._blocks > BLOCKS_MAX:
            raise DecodeError("count", "The file has more blocks than any bundle.")
        if block.address in self._packs:
            return self._pack(block, block.address)
        if block.address in self._blobs and block.address not in held and block.size <= BLOB_BYTES_MAX:
            return self._blob(block, block.address)
        self._skip(block, held)
        return b""

    def _pack(self, block: Block, address: BlobAddress) -> list[Placed]:
        data = read_data(self._file, block)
        try:
            plain = self._key.open(PACK, data) if bundle.block_address(data) == address else None
            entries = None if plain is None else bundle.decode_pack(plain)
        except DecodeError:
            entries = None
        if entries is None:
            self.damaged += 1
            return []
        self._packs.discard(address)
        return entries

    def _blob(self, block: Block, address: BlobAddress) -> bytes:
        data = read_data(self._file, block)
        if bundle.block_address(data) != address:
            self.damaged += 1
            return b""
        self._blobs.discard(address)
        return data

    def _skip(self, block: Block, held: set[BlobAddress]) -> None:
        if self._file.tell() + block.size > self.size:
            raise DecodeError("truncated", "The file ends in the middle of a block.")
        self._file.seek(block.size, os.SEEK_CUR)
        if block.address in self._blobs and block.address in held:
            self._blobs.discard(block.address)
            self.skipped += 1
        else:
            self.foreign += 1
