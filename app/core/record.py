"""The record: a signed statement by a device, and the bytes it is made of.

Knows nothing of envelopes, stores or transports. Spec: docs/protocol/record.md, "Record"; the byte table there
is the reference, `tests/vectors/record.json` the proof.
"""

import hashlib
from enum import IntEnum
from typing import NewType

import msgspec

from app.core import compression
from app.core.keys import (
    DEVICE_ID_BYTES,
    SIGNATURE_BYTES,
    DeviceId,
    DeviceKey,
    SpaceId,
    verify,
)
from app.errors import DecodeError, InputError

RecordId = NewType("RecordId", bytes)
"""The first 16 bytes of the hash over all that is signed."""

VERSION = 1
BODY_BYTES_MAX = 8192
"""A body above this is a blob, not a record; it also bounds what inflating may yield."""
SEQUENCE_MAX = 2**21 - 1
"""What three varint bytes hold: 575 records a day for ten years."""
MINUTES_MAX = 2**24 - 1
"""Three bytes: the field ends in November 2056."""
EPOCH_DAYS_MAX = 30
"""An epoch ends after a month at the latest: what was sealed in it counts from there."""
KIND_MAX = 63
REF_BYTES = 4
RECORD_ID_BYTES = 16
SIGNED_BYTES_MAX = 1 + DEVICE_ID_BYTES + 3 + 3 + 1 + REF_BYTES + BODY_BYTES_MAX + SIGNATURE_BYTES
_SIGNATURE_DOMAIN = b"tntn record 1\0"
_ID_DOMAIN = b"tntn record id 1\0"


class Lifetime(IntEnum):
    """The class of a record: urgency on the radio, and how long it is kept."""

    ALERT = 0
    SHORT = 1
    NORMAL = 2
    LONG = 3
    PERMANENT = 4

    @property
    def days(self) -> int | None:
        """Days after the end of its epoch; None for what stays."""
        return _LIFETIME_DAYS[self]


_LIFETIME_DAYS = {
    Lifetime.ALERT: 2,
    Lifetime.SHORT: 7,
    Lifetime.NORMAL: 35,
    Lifetime.LONG: 400,
    Lifetime.PERMANENT: None,
}


class Kind(IntEnum):
    """The kinds this version understands. Others are kept and carried: that is how versions live side by side."""

    DEVICE = 0
    NODE = 1
    POST = 2
    DIRECTORY = 3
    READING = 4


INTRODUCTIONS = frozenset({Kind.DEVICE, Kind.NODE})
"""Whoever joins years later needs them to read what the introduced wrote: they stay, whatever their class says."""


class Record(msgspec.Struct, frozen=True):
    """One statement, decoded. `body` is plain; `wire_body` is what was signed, compressed or not."""

    lifetime: Lifetime
    author: DeviceId
    sequence: int
    minutes: int
    kind: int
    ref: bytes | None
    body: bytes
    wire_body: bytes
    compressed: bool

    @property
    def kept_minutes(self) -> int | None:
        """How long it is kept: at least its class's lifetime past the end of its epoch. None for what stays."""
        if self.lifetime.days is None or self.kind in INTRODUCTIONS:
            return None
        return (EPOCH_DAYS_MAX + self.lifetime.days) * 24 * 60


class SignedRecord(msgspec.Struct, frozen=True):
    """The exact bytes of a signed record, beside what they say."""

    record: Record
    byte0: int
    fields: bytes
    signature: bytes

    def encode(self) -> bytes:
        """byte 0 ‖ fields ‖ signature: what a phone hands to a node."""
        return bytes([self.byte0]) + self.fields + self.signature

    def is_signed_by(self, public_key: bytes, space_id: SpaceId) -> bool:
        """True when the signature is that key's, for this space."""
        return verify(public_key, _signed_bytes(self, public_key, space_id), self.signature)


def compose(
    lifetime: Lifetime,
    author: DeviceId,
    sequence: int,
    minutes: int,
    kind: int,
    body: bytes,
    ref: bytes | None = None,
) -> Record:
    """A record ready to sign, its body compressed where that is shorter. InputError where a field is out of range."""
    _require(1 <= sequence <= SEQUENCE_MAX, "sequence", f"A sequence runs from 1 to {SEQUENCE_MAX}.")
    _require(
        0 <= minutes <= MINUTES_MAX,
        "minutes",
        "The clock says a year that records cannot carry (2025 to 2056). Set the date and try again.",
    )
    _require(0 <= kind <= KIND_MAX, "kind", f"A kind runs from 0 to {KIND_MAX}.")
    _require(ref is None or len(ref) == REF_BYTES, "ref", f"A ref is {REF_BYTES} bytes of a record id.")
    _require(
        len(body) <= BODY_BYTES_MAX,
        "body",
        f"This is {len(body)} bytes; one record holds {BODY_BYTES_MAX}. Shorten it, or split it in two.",
    )
    wire_body, compressed = compression.pack(body)
    return Record(lifetime, author, sequence, minutes, kind, ref, body, wire_body, compressed)


def sign(record: Record, key: DeviceKey, space_id: SpaceId) -> SignedRecord:
    """The record signed by its author's device key. The key must be the author's."""
    assert record.author == key.device_id, "a record is signed by its author"
    unsigned = SignedRecord(record, VERSION << 4 | record.lifetime, encode_fields(record), b"")
    signature = key.sign(_signed_bytes(unsigned, key.public_key, space_id))
    return msgspec.structs.replace(unsigned, signature=signature)


def encode_fields(record: Record) -> bytes:
    """author ‖ sequence ‖ minutes ‖ kind byte ‖ ref ‖ body, as signed and sealed."""
    kind_byte = record.kind << 2 | record.compressed << 1 | (record.ref is not None)
    return b"".join(
        (
            record.author,
            encode_varint(record.sequence),
            record.minutes.to_bytes(3, "big"),
            bytes([kind_byte]),
            record.ref or b"",
            record.wire_body,
        )
    )


def decode_signed(data: bytes) -> SignedRecord:
    """A signed record from its wire form; its signature is not checked here. DecodeError for anything else."""
    if len(data) > SIGNED_BYTES_MAX:
        raise DecodeError("oversized", f"A record is at most {SIGNED_BYTES_MAX} bytes; this is {len(data)}.")
    if not data:
        raise DecodeError("truncated", "The record is empty.")
    lifetime = decode_byte0(data[0])
    fields, signature = data[1:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    return SignedRecord(_decode_fields(lifetime, fields), data[0], fields, signature)


def record_id(signed: SignedRecord, public_key: bytes, space_id: SpaceId) -> RecordId:
    """SHA-256(domain ‖ space ‖ public key ‖ byte 0 ‖ fields)[:16]."""
    digest = hashlib.sha256(_ID_DOMAIN + space_id + public_key + bytes([signed.byte0]) + signed.fields)
    return RecordId(digest.digest()[:RECORD_ID_BYTES])


def decode_byte0(byte0: int) -> Lifetime:
    """The class in byte 0. DecodeError for another version or a class that version 1 does not know."""
    if byte0 >> 4 != VERSION:
        raise DecodeError("version", f"This is format version {byte0 >> 4}; this node reads version {VERSION}.")
    if byte0 & 0x0F not in _LIFETIME_DAYS:
        raise DecodeError("class", f"Class {byte0 & 0x0F} is not one of version {VERSION}.")
    return Lifetime(byte0 & 0x0F)


def encode_varint(value: int) -> bytes:
    """Unsigned LEB128, the shortest form."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode_varint(data: bytes, offset: int, bytes_max: int = 3) -> tuple[int, int]:
    """(value, next offset) of an unsigned LEB128. DecodeError when cut off, too long or not the shortest form."""
    value = 0
    for index in range(bytes_max):
        if offset + index >= len(data):
            raise DecodeError("truncated", "The record ends inside a number.")
        byte = data[offset + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if byte == 0 and index > 0:
                raise DecodeError("varint", "A number is not written in its shortest form.")
            return value, offset + index + 1
    raise DecodeError("varint", f"A number is longer than {bytes_max} bytes.")


def _decode_fields(lifetime: Lifetime, fields: bytes) -> Record:
    author = DeviceId(fields[:DEVICE_ID_BYTES])
    sequence, offset = decode_varint(fields, DEVICE_ID_BYTES)
    if sequence == 0:
        raise DecodeError("sequence", "A sequence starts at 1.")
    if len(fields) < offset + 4:
        raise DecodeError("truncated", "The record ends before its kind.")
    minutes = int.from_bytes(fields[offset : offset + 3], "big")
    kind_byte = fields[offset + 3]
    offset += 4
    ref = None
    if kind_byte & 1:
        ref = fields[offset : offset + REF_BYTES]
        offset += REF_BYTES
        if len(fields) < offset:
            raise DecodeError("truncated", "The record ends inside its ref.")
    wire_body = fields[offset:]
    if len(wire_body) > BODY_BYTES_MAX:
        raise DecodeError("oversized", f"A body is at most {BODY_BYTES_MAX} bytes.")
    compressed = bool(kind_byte & 2)
    body = compression.unpack(wire_body, BODY_BYTES_MAX) if compressed else wire_body
    return Record(lifetime, author, sequence, minutes, kind_byte >> 2, ref, body, wire_body, compressed)


def _signed_bytes(signed: SignedRecord, public_key: bytes, space_id: SpaceId) -> bytes:
    return _SIGNATURE_DOMAIN + space_id + public_key + bytes([signed.byte0]) + signed.fields


def _require(condition: bool, field: str, message: str) -> None:
    if not condition:
        raise InputError(message, field)
