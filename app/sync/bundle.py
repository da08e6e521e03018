"""The bundle: envelopes with their places, and blobs, in a CAR file that a stick carries. What its blocks say.

The root block is the manifest, sealed under the link key, so that members and blind nodes read it and finders don't,
and signed by the writer's device. It names the packs and blobs that belong to the bundle; anything else in the file is
skipped. A bundle adds and asks: nothing in it makes anyone skip or delete. Pure. Spec: docs/protocol/bundle.md.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.blob import ADDRESS_BYTES, BlobAddress
from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import ENVELOPE_BYTES_MAX, ENVELOPE_BYTES_MIN
from app.core.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, DeviceKey, SpaceId, verify
from app.core.record import decode_varint, encode_varint
from app.errors import DecodeError, StrangerError
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import NUMBER_BYTES_MAX, decode_runs, encode_runs
from app.sync.car import BLOCK_BYTES_MAX
from app.sync.log import Placed, Vector

VERSION = 1
MANIFEST, PACK = 1, 2
"""Kinds of sealed blocks: with the version, the first byte."""
TAG_BYTES = 16
PACK_BYTES_MAX = 256 << 10
"""Envelopes of one pack with their places: what is verified and stored at once, and small beside a Pi's memory."""
PACKS_MAX = 8192
"""2 GiB of envelopes: a 32-bit file system's file takes that, and photos beside it."""
BLOBS_MAX = 65_536
REQUESTS_MAX = 16_384
HOLDS_MAX = 65_536
HOLD_BYTES = 16
"""Of a blob that the writer holds, its address up to here: no two share that much by chance."""
RUNS_MAX = 65_536
"""Runs of all logs together: a writer with more gaps says less about itself."""
MINUTES_BYTES = 3
_DOMAIN = b"tntn bundle 1\0"
_COUNT_BYTES_MAX = 3


class Manifest(msgspec.Struct, frozen=True):
    """What the writer says: who it is, what it knows, what is in the file, which blobs it would like. Signed.

    `holds`: of each blob on its disk the first 16 bytes of the address, ascending, packed: custody.
    """

    index: int
    public_key: bytes
    written: int
    vector: Vector
    packs: tuple[BlobAddress, ...]
    blobs: tuple[BlobAddress, ...]
    requests: tuple[BlobAddress, ...]
    holds: bytes


class BundleKey:
    """Seals and opens the blocks of one epoch's bundles. Made from the link key, which blind nodes have too."""

    def __init__(self, space_id: SpaceId, link: bytes) -> None:
        derived = HKDF(SHA256(), 44, space_id, b"tntn bundle 1").derive(link)
        self._cipher, self._nonce = AESGCMSIV(derived[:32]), derived[32:]

    def seal(self, kind: int, plain: bytes) -> bytes:
        """byte 0 ‖ ciphertext. The same content is always the same block, as with envelopes."""
        byte0 = bytes([VERSION << 4 | kind])
        return byte0 + self._cipher.encrypt(self._nonce, plain, byte0)

    def open(self, kind: int, block: bytes) -> bytes | None:
        """The content, or None when this key does not open it. DecodeError when it can be no such block."""
        if not TAG_BYTES < len(block) <= BLOCK_BYTES_MAX:
            raise DecodeError("size", "A block has an impossible length.")
        if block[0] != VERSION << 4 | kind:
            raise DecodeError("version", "This is no bundle, or a later version of TNTN wrote it.")
        try:
            return self._cipher.decrypt(self._nonce, block[1:], block[:1])
        except InvalidTag:
            return None


def seal_manifest(manifest: Manifest, device: DeviceKey, space_id: SpaceId, key: BundleKey) -> bytes:
    """The root block."""
    fields = _encode_fields(manifest)
    return key.seal(MANIFEST, fields + device.sign(_DOMAIN + space_id + fields))


def open_manifest(block: bytes, space_id: SpaceId, keys: Sequence[BundleKey]) -> tuple[Manifest, BundleKey]:
    """What the writer says, and the key that opens the packs too. StrangerError when none of the keys does.

    That the public key is the writer's is for the caller to check: this checks that whoever has it signed.
    """
    for key in keys:
        plain = key.open(MANIFEST, block)
        if plain is not None:
            break
    else:
        raise StrangerError
    fields, signature = plain[:-SIGNATURE_BYTES], plain[-SIGNATURE_BYTES:]
    manifest = _decode_fields(fields)
    if not verify(manifest.public_key, _DOMAIN + space_id + fields, signature):
        raise DecodeError("signature", "The bundle's signature does not fit: it was changed, or somebody forged it.")
    return manifest, key


def encode_entry(placed: Placed) -> bytes:
    """An envelope with its place, as it stands in a pack."""
    place = encode_varint(placed.index) + encode_varint(placed.number)
    return place + encode_varint(len(placed.envelope)) + placed.envelope


def decode_pack(data: bytes) -> list[Placed]:
    """The entries of a pack's content."""
    if len(data) > PACK_BYTES_MAX:
        raise DecodeError("size", "A pack is longer than any that TNTN writes.")
    entries = []
    offset = 0
    while offset < len(data):
        index, offset = decode_varint(data, offset)
        number, offset = decode_varint(data, offset, NUMBER_BYTES_MAX)
        size, offset = decode_varint(data, offset)
        if index > NODE_INDEX_MAX or not 1 <= number <= LOG_NUMBER_MAX:
            raise DecodeError("place", "An envelope stands at an impossible place.")
        if not ENVELOPE_BYTES_MIN <= size <= min(ENVELOPE_BYTES_MAX, len(data) - offset):
            raise DecodeError("size", "An envelope has an impossible length.")
        entries.append(Placed(index, number, data[offset : offset + size]))
        offset += size
    return entries


def block_address(block: bytes) -> BlobAddress:
    """The name of a block."""
    return BlobAddress(hashlib.sha256(block).digest())


def encode_vector(vector: Vector) -> bytes:
    """Each log once, ascending: index, how many runs, runs; the whole after the count of logs."""
    logs = bytearray()
    count, room = 0, RUNS_MAX
    for index, spans in sorted(vector.items()):
        if said := spans[:room]:
            logs += encode_varint(index) + encode_varint(len(said)) + encode_runs(0, said)
            count, room = count + 1, room - len(said)
    return encode_varint(count) + bytes(logs)


def decode_vector(data: bytes, offset: int) -> tuple[Vector, int]:
    """(the vector, next offset)."""
    count, offset = decode_varint(data, offset)
    vector = {}
    last, room = -1, RUNS_MAX
    for _ in range(count):
        index, offset = decode_varint(data, offset)
        if not last < index <= NODE_INDEX_MAX:
            raise DecodeError("index", "The logs of a vector are not in their order.")
        runs, offset = decode_varint(data, offset)
        if not 1 <= runs <= room:
            raise DecodeError("run", "A log has an impossible number of runs.")
        vector[index], offset = decode_runs(data, offset, runs, 0)
        last, room = index, room - runs
    return vector, offset


def _encode_fields(manifest: Manifest) -> bytes:
    encoded = bytearray(bytes([manifest.index]) + manifest.public_key)
    encoded += manifest.written.to_bytes(MINUTES_BYTES, "big") + encode_vector(manifest.vector)
    for addresses in (manifest.packs, manifest.blobs, manifest.requests):
        encoded += encode_varint(len(addresses)) + b"".join(addresses)
    return bytes(encoded + encode_varint(len(manifest.holds) // HOLD_BYTES) + manifest.holds)


def _decode_fields(fields: bytes) -> Manifest:
    offset = 1 + PUBLIC_KEY_BYTES + MINUTES_BYTES
    if len(fields) < offset or fields[0] > NODE_INDEX_MAX:
        raise DecodeError("truncated", "The bundle's manifest is too short, or its writer is nobody.")
    index, public_key = fields[0], fields[1 : 1 + PUBLIC_KEY_BYTES]
    written = int.from_bytes(fields[offset - MINUTES_BYTES : offset], "big")
    vector, offset = decode_vector(fields, offset)
    packs, offset = _decode_addresses(fields, offset, PACKS_MAX)
    blobs, offset = _decode_addresses(fields, offset, BLOBS_MAX)
    requests, offset = _decode_addresses(fields, offset, REQUESTS_MAX)
    holds, offset = _decode_names(fields, offset, HOLD_BYTES, HOLDS_MAX)
    if offset != len(fields):
        raise DecodeError("trailing", "The bundle's manifest goes on where it should end.")
    if len({*packs, *blobs}) < len(packs) + len(blobs):
        raise DecodeError("double", "The bundle's manifest names a block twice.")
    if any(some >= following for some, following in pairwise(holds)):
        raise DecodeError("order", "The bundle's manifest names what is held in another order than its own.")
    return Manifest(index, public_key, written, vector, packs, blobs, requests, b"".join(holds))


def _decode_addresses(data: bytes, offset: int, count_max: int) -> tuple[tuple[BlobAddress, ...], int]:
    names, offset = _decode_names(data, offset, ADDRESS_BYTES, count_max)
    return tuple(BlobAddress(name) for name in names), offset


def _decode_names(data: bytes, offset: int, size: int, count_max: int) -> tuple[list[bytes], int]:
    """(names of so many bytes each, next offset)."""
    count, offset = decode_varint(data, offset, _COUNT_BYTES_MAX)
    end = offset + count * size
    if count > count_max or end > len(data):
        raise DecodeError("count", "The bundle's manifest names more than it holds.")
    return [data[at : at + size] for at in range(offset, end, size)], end
