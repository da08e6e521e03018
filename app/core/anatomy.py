"""A record or envelope taken apart, byte by byte, for people: `tntn record inspect`.

Yields one part after the other and raises DecodeError where the bytes stop making sense, so that whatever stands
before that place has been explained. Follows the byte tables of docs/protocol/record.md.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from app.core import boards, compression, directory
from app.core.bodies import decode_device_introduction, decode_node_introduction
from app.core.envelope import HINT_BYTES, TAG_BYTES, check_size
from app.core.keys import DEVICE_ID_BYTES, SIGNATURE_BYTES
from app.core.record import (
    BODY_BYTES_MAX,
    REF_BYTES,
    SIGNED_BYTES_MAX,
    VERSION,
    Kind,
    Record,
    SignedRecord,
    decode_byte0,
    decode_varint,
)
from app.errors import DecodeError

_YEAR_ZERO = datetime(2025, 1, 1, tzinfo=UTC)
_KINDS: dict[int, str] = {
    Kind.DEVICE: "introduction of a person's device",
    Kind.NODE: "introduction of a node",
    Kind.POST: "post",
    Kind.DIRECTORY: "directory entry",
    Kind.READING: "weather reading",
}


class Part(msgspec.Struct, frozen=True):
    """Some bytes, where they stand, and what they say."""

    offset: int
    data: bytes
    field: str
    meaning: str


def envelope_outside(envelope: bytes) -> Iterator[Part]:
    """What anybody can see of an envelope."""
    check_size(envelope)
    yield _byte0(envelope)
    yield Part(1, envelope[1 : 1 + HINT_BYTES], "hint", "picks the epoch's key; means nothing outside the community")
    sealed = envelope[1 + HINT_BYTES : -TAG_BYTES]
    yield Part(
        1 + HINT_BYTES, sealed, "sealed", "author, sequence, minutes, kind, body and signature (AES-256-GCM-SIV)"
    )
    yield Part(len(envelope) - TAG_BYTES, envelope[-TAG_BYTES:], "tag", "the seal over all of it, byte 0 included")


def envelope_inside(envelope: bytes, opened: SignedRecord) -> Iterator[Part]:
    """An opened envelope. The cipher keeps places: what is sealed stands where its plaintext does."""
    yield _byte0(envelope)
    yield Part(1, envelope[1 : 1 + HINT_BYTES], "hint", "picks the epoch's key; means nothing outside the community")
    yield from _fields(opened.fields, 1 + HINT_BYTES)
    signature_at = 1 + HINT_BYTES + len(opened.fields)
    yield Part(signature_at, opened.signature, "signature", "Ed25519 over domain, space, public key, byte 0 and fields")
    yield Part(len(envelope) - TAG_BYTES, envelope[-TAG_BYTES:], "tag", "the seal over all of it, byte 0 included")


def signed_record(data: bytes) -> Iterator[Part]:
    """A signed record as a phone hands it to a node. DecodeError where it breaks off."""
    if len(data) > SIGNED_BYTES_MAX:
        raise DecodeError("oversized", f"A record is at most {SIGNED_BYTES_MAX} bytes; this is {len(data)}.")
    if not data:
        raise DecodeError("truncated", "The record is empty.")
    yield _byte0(data)
    fields_end = max(1, len(data) - SIGNATURE_BYTES)
    yield from _fields(data[1:fields_end], 1)
    yield Part(fields_end, data[fields_end:], "signature", "Ed25519 over domain, space, public key, byte 0 and fields")


def is_readable(record: Record) -> bool:
    """True when the body is what the kind says: random bytes practically never are."""
    return record.kind in _KINDS and not _content(record.kind, record.body)[1]


def _byte0(data: bytes) -> Part:
    lifetime = decode_byte0(data[0])
    kept = "stays" if lifetime.days is None else f"kept {lifetime.days} days past its epoch"
    return Part(0, data[:1], "byte 0", f"version {VERSION}, class {lifetime:d}: {lifetime.name.lower()}, {kept}")


def _fields(fields: bytes, base: int) -> Iterator[Part]:
    yield Part(base, fields[:DEVICE_ID_BYTES], "author", "device id: the first 4 bytes of SHA-256(public key)")
    sequence, offset = decode_varint(fields, DEVICE_ID_BYTES)
    yield Part(base + DEVICE_ID_BYTES, fields[DEVICE_ID_BYTES:offset], "sequence", f"{sequence} (LEB128)")
    if sequence == 0:
        raise DecodeError("sequence", "A sequence starts at 1.")
    if len(fields) < offset + 4:
        raise DecodeError("truncated", "The record ends before its kind.")
    minutes = int.from_bytes(fields[offset : offset + 3], "big")
    moment = _YEAR_ZERO + timedelta(minutes=minutes)
    yield Part(
        base + offset, fields[offset : offset + 3], "minutes", f"{minutes}: {moment:%Y-%m-%d %H:%M} UTC, as claimed"
    )
    kind_byte = fields[offset + 3]
    yield Part(base + offset + 3, fields[offset + 3 : offset + 4], "kind", _kind_words(kind_byte))
    offset += 4
    if kind_byte & 1:
        ref = fields[offset : offset + REF_BYTES]
        if len(ref) < REF_BYTES:
            raise DecodeError("truncated", "The record ends inside its ref.")
        yield Part(base + offset, ref, "ref", "the first 4 bytes of the record id that this answers or replaces")
        offset += REF_BYTES
    yield Part(base + offset, fields[offset:], "body", _body_words(kind_byte, fields[offset:]))


def _kind_words(kind_byte: int) -> str:
    kind = kind_byte >> 2
    words = [f"{kind}: {_KINDS.get(kind, 'unknown here, kept and carried')}"]
    words += ["body deflated"] if kind_byte & 2 else []
    words += ["with ref"] if kind_byte & 1 else []
    return ", ".join(words)


def _body_words(kind_byte: int, wire_body: bytes) -> str:
    if kind_byte & 2:
        body = compression.unpack(wire_body, BODY_BYTES_MAX)
        size = f"{len(wire_body)} of {len(body)} bytes (dictionary {compression.DICTIONARY_VERSION})"
    else:
        body, size = wire_body, f"{len(wire_body)} bytes, plain"
    words, problem = _content(kind_byte >> 2, body)
    return f"{size}: {words}" + (f" ({problem})" if problem else "")


def _content(kind: int, body: bytes) -> tuple[str, str]:
    """(what the body says, why it cannot be read or nothing)."""
    try:
        return _CONTENT.get(kind, bytes.hex)(body), ""
    except DecodeError as error:
        return body.hex(), error.message


def _device_words(body: bytes) -> str:
    device = decode_device_introduction(body)
    return f"“{device.name}”, public key {device.public_key.hex()}"


def _node_words(body: bytes) -> str:
    node = decode_node_introduction(body)
    return f"node {node.index}, “{node.name}”, public key {node.public_key.hex()}"


def _post_words(body: bytes) -> str:
    boards.decode_post(body)
    return f"“{body.decode()}”"


def _entry_words(body: bytes) -> str:
    entry = directory.decode_entry(body)
    return f"{entry.source} {entry.source_id}, “{entry.name}”\n{entry.text}"


_CONTENT: dict[int, Callable[[bytes], str]] = {
    Kind.DEVICE: _device_words,
    Kind.NODE: _node_words,
    Kind.POST: _post_words,
    Kind.DIRECTORY: _entry_words,
}
