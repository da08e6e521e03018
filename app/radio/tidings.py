"""Tidings: a frame that says which log places are on its sender's disk. In a crowd one speaks for all of them.

It is a receipt for whoever wrote these envelopes, and news for whoever lost them, in three or four bytes each. Its
counter is the control frames' own. Pure codec. Spec: docs/protocol/radio-repair.md.
"""

import hmac
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import EnvelopeId
from app.core.record import decode_varint, encode_varint
from app.errors import DecodeError
from app.radio.frame import LOG_NUMBER_MAX, TIDINGS_TYPE, VERSION, LinkKeys, NodeIndex
from app.radio.span import Portion, Span, normal

PLACES_MAX = 32
"""Places in one frame: at most 207 bytes."""
MAC_BYTES = 8
"""A person is told "kept by 2 nodes" because of it."""
_HEADER_BYTES = 6
_NUMBER_BYTES_MAX = 4
_DOMAIN = b"tntn tidings 1\0"


class Told(msgspec.Struct, frozen=True, order=True):
    """A place, and the first byte of its envelope's id: by it a twin's envelope at the same place is told apart."""

    index: int
    number: int
    check: int


class Tidings(msgspec.Struct, frozen=True):
    """These places are on the sender's disk."""

    sender: NodeIndex
    counter: int
    places: tuple[Told, ...]

    @property
    def portions(self) -> tuple[Portion, ...]:
        """The places as portions."""
        logs: dict[int, list[Span]] = {}
        for told in self.places:
            logs.setdefault(told.index, []).append(Span(told.number, told.number))
        return tuple(Portion(index, normal(spans)) for index, spans in logs.items())


def check_of(envelope_id: EnvelopeId) -> int:
    """The byte that stands for an envelope."""
    return envelope_id[0]


def tidings_bytes(places: Sequence[Told]) -> int:
    """The size of the frame."""
    return _HEADER_BYTES + len(_encode_places(places)) + MAC_BYTES


def encode_tidings(tidings: Tidings, link: LinkKeys) -> bytes:
    """version and type ‖ sender ‖ counter (4) ‖ (index ‖ number ‖ check) for each place, ascending ‖ MAC (8)."""
    head = bytes([VERSION << 4 | TIDINGS_TYPE, tidings.sender]) + tidings.counter.to_bytes(4, "big")
    body = head + _encode_places(tidings.places)
    return body + _mac(body, link.space_id, link.keys[0])


def decode_tidings(frame: bytes, link: LinkKeys) -> Tidings:
    """The tidings in `frame`, its MAC checked. DecodeError: size, version, type, mac, field, order, limit or varint."""
    if not _HEADER_BYTES + MAC_BYTES < len(frame) <= _HEADER_BYTES + PLACES_MAX * (_NUMBER_BYTES_MAX + 2) + MAC_BYTES:
        raise DecodeError("size", "Tidings have a place, and not too many.")
    if frame[0] >> 4 != VERSION:
        raise DecodeError("version", f"This is frame version {frame[0] >> 4}; this node speaks version {VERSION}.")
    if frame[0] & 0x0F != TIDINGS_TYPE:
        raise DecodeError("type", "These are no tidings.")
    body, mac = frame[:-MAC_BYTES], frame[-MAC_BYTES:]
    if not any(hmac.compare_digest(mac, _mac(body, link.space_id, key)) for key in link.keys):
        raise DecodeError("mac", "The frame is damaged, or from outside the community.")
    if body[1] > NODE_INDEX_MAX:
        raise DecodeError("field", f"A node's index ends at {NODE_INDEX_MAX}.")
    places = _decode_places(body)
    return Tidings(NodeIndex(body[1]), int.from_bytes(body[2:_HEADER_BYTES], "big"), places)


def _encode_places(places: Sequence[Told]) -> bytes:
    return b"".join(bytes([told.index]) + encode_varint(told.number) + bytes([told.check]) for told in places)


def _decode_places(body: bytes) -> tuple[Told, ...]:
    places: list[Told] = []
    offset = _HEADER_BYTES
    while offset < len(body):
        index = body[offset]
        number, offset = decode_varint(body, offset + 1, _NUMBER_BYTES_MAX)
        if index > NODE_INDEX_MAX or not 1 <= number <= LOG_NUMBER_MAX or offset == len(body):
            raise DecodeError("field", f"A place has an index up to {NODE_INDEX_MAX}, a number from 1 on, and a check.")
        places.append(Told(index, number, body[offset]))
        offset += 1
    if len(places) > PLACES_MAX:
        raise DecodeError("limit", f"Tidings are of {PLACES_MAX} places at most.")
    if any(one >= other for one, other in pairwise(places)):
        raise DecodeError("order", "Places stand in their order, each once.")
    return tuple(places)


def _mac(body: bytes, space_id: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _DOMAIN + space_id + body, "sha256")[:MAC_BYTES]
