"""CARv1: blocks in a file, each after its name, as IPFS reads and writes it. Names are CIDv1, raw, SHA-256 throughout.

Works on an open binary file and holds one block at a time; opens nothing itself. Source: the CARv1 specification
(ipld.io/specs/transport/car/carv1), the CID and multihash tables of multiformats. Byte table: docs/protocol/bundle.md.
"""

from base64 import b32encode
from collections.abc import Sequence
from io import BytesIO
from typing import BinaryIO

import cbor2
import msgspec

from app.core.blob import ADDRESS_BYTES, BlobAddress
from app.core.record import encode_varint
from app.errors import DecodeError

CID_PREFIX = b"\x01\x55\x12\x20"
"""CIDv1, codec raw, multihash sha2-256 of 32 bytes."""
CID_BYTES = len(CID_PREFIX) + ADDRESS_BYTES
CID_TAG = 42
"""CBOR's tag for a CID, which then begins with a zero byte (DAG-CBOR)."""
VERSION = 1
BLOCK_BYTES_MAX = 5 << 20
"""The largest block of a bundle is its manifest, 4.3 MB when it is full; a longer one is no block of ours."""
ROOTS_MAX = 100_000
"""A header of 4 MB: IPFS takes up to 32 MiB."""
HEADER_BYTES_MAX = 32 + ROOTS_MAX * (CID_BYTES + 5)
LENGTH_BYTES_MAX = 5
"""Five varint bytes: more than any length that is taken."""


class Block(msgspec.Struct, frozen=True):
    """What stands before a block's data. `address` is None where the name is of another kind than ours."""

    address: BlobAddress | None
    size: int


def cid_of(address: BlobAddress) -> bytes:
    """The CID's 36 bytes."""
    return CID_PREFIX + address


def cid_text(address: BlobAddress) -> str:
    """The CID as people and IPFS programs write it: base32, lower case, after a b."""
    return "b" + b32encode(cid_of(address)).decode().rstrip("=").lower()


def encode_header(roots: Sequence[BlobAddress]) -> bytes:
    """The file's beginning. Roots are what whoever imports the file keeps."""
    links = [cbor2.CBORTag(CID_TAG, b"\0" + cid_of(root)) for root in roots]
    header = cbor2.dumps({"roots": links, "version": VERSION})
    return encode_varint(len(header)) + header


def encode_head(address: BlobAddress, size: int) -> bytes:
    """What stands before a block of `size` bytes."""
    return encode_varint(CID_BYTES + size) + cid_of(address)


def read_header(file: BinaryIO) -> tuple[BlobAddress, ...]:
    """The roots. DecodeError for what is no CARv1 file with names of our kind."""
    try:
        length = _read_length(file, HEADER_BYTES_MAX)
    except DecodeError:
        length = None
    if length is None:
        raise _no_car()
    header = _read(file, length)
    try:
        found = cbor2.load(BytesIO(header))
        links = [bytes(link.value) for link in found["roots"]]
    except (cbor2.CBORDecodeError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise _no_car() from None
    roots = tuple(BlobAddress(link[1 + len(CID_PREFIX) :]) for link in links)
    if len(roots) > ROOTS_MAX or encode_header(roots) != encode_varint(length) + header:
        raise _no_car()  # one header has one encoding: all else in it is checked by writing it again
    return roots


def read_head(file: BinaryIO) -> Block | None:
    """What stands before the next block, None at the end of the file. The data follows: read or skipped by the caller.

    DecodeError where the file ends within it, or the block is larger than any of ours.
    """
    length = _read_length(file, CID_BYTES + BLOCK_BYTES_MAX)
    if length is None:
        return None
    if length < CID_BYTES:
        return Block(None, length)
    cid = _read(file, CID_BYTES)
    if not cid.startswith(CID_PREFIX):
        return Block(None, length - CID_BYTES)
    return Block(BlobAddress(cid[len(CID_PREFIX) :]), length - CID_BYTES)


def read_data(file: BinaryIO, block: Block) -> bytes:
    """The block's bytes; DecodeError where the file ends within them. Whether they fit the name is not checked."""
    return _read(file, block.size)


def _read_length(file: BinaryIO, length_max: int) -> int | None:
    value = 0
    for index in range(LENGTH_BYTES_MAX):
        byte = file.read(1)
        if not byte:
            if index == 0:
                return None
            raise _cut_off()
        value |= (byte[0] & 0x7F) << 7 * index
        if byte[0] < 0x80:
            if value > length_max or (byte[0] == 0 and index > 0):
                break
            return value
    raise DecodeError("length", "A block in this file is longer than any that TNTN writes.")


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise _cut_off()
    return data


def _cut_off() -> DecodeError:
    return DecodeError("truncated", "The file ends in the middle of a block.")


def _no_car() -> DecodeError:
    return DecodeError("header", "This is no CAR file of TNTN's kind.")
