"""Blends: one frame that serves everyone who lacks any of several envelopes, whichever it is.

A blend is a sum over GF(256) of envelopes, each times a coefficient that follows from a seed and the envelope's place
in its log. Whoever lacks k of them needs any k blends: ten listeners who each lost other envelopes are served by as
many frames as the unluckiest lacks, and not by one for each that somebody lacks. Pure; knows no log and no time.
Spec: docs/protocol/radio-repair.md.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping

import msgspec

from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import ENVELOPE_BYTES_MIN
from app.core.record import decode_varint, encode_varint
from app.errors import DecodeError
from app.radio import galois
from app.radio.frame import BLEND_TYPE, FRAME_BYTES_MAX, LOG_NUMBER_MAX, VERSION, LinkKeys, NodeIndex
from app.radio.request import encode_portions
from app.radio.span import Portion, Span, normal

MAC_BYTES = 4
"""Spares the work on noise; the envelopes inside prove themselves, and a box that was spoiled is emptied."""
SEEDS = 2**16
PLACES_MAX = 32
"""Envelopes in one blend, and more than an answer has."""
ROW_BYTES = FRAME_BYTES_MAX - 4 - 3 - MAC_BYTES
"""The longest data: what a header, one place of one log and the MAC leave. An envelope in it has a byte less."""
REACH = 32
"""The numbers of one log in one blend lie so near to each other, and the last to where the log ends at who hears it."""
_HEADER_BYTES = 4
_NUMBERS_BYTES_MAX = 6
"""36 bits: the last number's low 5, and 31 for those before it."""
_DOMAIN = b"tntn blend 1\0"


class Place(msgspec.Struct, frozen=True, order=True):
    """Where an envelope stands: a log and a number."""

    index: int
    number: int


class Blend(msgspec.Struct, frozen=True):
    """A blend of the envelopes at these places."""

    sender: NodeIndex
    seed: int
    portions: tuple[Portion, ...]
    data: bytes

    @property
    def places(self) -> list[Place]:
        """The places, one by one."""
        return places_of(self.portions)


class Found(msgspec.Struct, frozen=True):
    """An envelope that came out of blends, not yet opened: it may be forged like any other."""

    place: Place
    envelope: bytes


def places_of(portions: Iterable[Portion]) -> list[Place]:
    """The places in these portions, one by one."""
    return [
        Place(portion.index, number)
        for portion in portions
        for span in portion.spans
        for number in range(span.first, span.last + 1)
    ]


def portions_of(places: Iterable[Place]) -> tuple[Portion, ...]:
    """The places as portions."""
    logs: dict[int, list[Span]] = {}
    for place in places:
        logs.setdefault(place.index, []).append(Span(place.number, place.number))
    return tuple(Portion(index, normal(spans)) for index, spans in sorted(logs.items()))


def blend_frame_bytes(places: Iterable[Place], longest_bytes: int) -> int:
    """The size of the frame that blends envelopes up to this length."""
    return _HEADER_BYTES + len(_encode_places(places)) + 1 + longest_bytes + MAC_BYTES


def blended(sender: NodeIndex, seed: int, envelopes: Mapping[Place, bytes]) -> Blend:
    """A blend of these envelopes. Together they must fit a frame: see `blend_frame_bytes`."""
    width = 1 + max(map(len, envelopes.values()))
    rows = ((coefficient(seed, place), row_of(envelope, width)) for place, envelope in envelopes.items())
    return Blend(sender, seed, portions_of(envelopes), galois.combine(rows, width))


def encode_blend(blend: Blend, link: LinkKeys) -> bytes:
    """version and type ‖ sender ‖ seed (2) ‖ size of the set ‖ set of logs ‖ their places ‖ data ‖ MAC (4)."""
    head = bytes([VERSION << 4 | BLEND_TYPE, blend.sender]) + blend.seed.to_bytes(2, "big")
    return head + _encode_places(blend.places) + blend.data + _mac(head, blend, link.space_id, link.keys[0])


def decode_blend(frame: bytes, link: LinkKeys, near: Callable[[int], int]) -> Blend:
    """The blend in `frame`, its MAC checked. DecodeError: size, version, type, mac, field, varint, number or limit.

    Numbers are told by their last five bits: `near` says how far each log goes here, about. Whoever is too far behind
    to read them right finds the MAC wrong.
    """
    if not _HEADER_BYTES + MAC_BYTES < len(frame) <= FRAME_BYTES_MAX:
        raise DecodeError("size", f"A blend has {_HEADER_BYTES + MAC_BYTES + 1} to {FRAME_BYTES_MAX} bytes.")
    if frame[0] >> 4 != VERSION:
        raise DecodeError("version", f"This is frame version {frame[0] >> 4}; this node speaks version {VERSION}.")
    if frame[0] & 0x0F != BLEND_TYPE:
        raise DecodeError("type", "This is no blend.")
    blend = _decode_body(frame[:-MAC_BYTES], near)
    macs = (_mac(frame[:_HEADER_BYTES], blend, link.space_id, key) for key in link.keys)
    if not any(hmac.compare_digest(frame[-MAC_BYTES:], mac) for mac in macs):
        raise DecodeError("mac", "The frame is damaged, from outside the community, or about numbers far from ours.")
    return blend


def _encode_places(places: Iterable[Place]) -> bytes:
    logs: dict[int, list[int]] = {}
    for place in sorted(places):
        logs.setdefault(place.index, []).append(place.number)
    bits = sum(1 << index for index in logs)
    listed = bits.to_bytes(-(-bits.bit_length() // 8), "little")
    return bytes([len(listed)]) + listed + b"".join(map(_encode_numbers, logs.values()))


def _encode_numbers(numbers: list[int]) -> bytes:
    """The last number's low bits, and above them a bit for each of the REACH - 1 numbers before it."""
    last = numbers[-1]
    before = sum(1 << (last - number - 1) for number in numbers[:-1])
    return encode_varint(before * REACH | last % REACH)


def _decode_body(body: bytes, near: Callable[[int], int]) -> Blend:
    places: list[Place] = []
    indices, offset = _decode_indices(body, _HEADER_BYTES)
    for index in indices:
        told, offset = decode_varint(body, offset, _NUMBERS_BYTES_MAX)
        last = _nearest(told % REACH, near(index))
        before = told // REACH
        places += [Place(index, last - bit - 1) for bit in range(REACH) if before >> bit & 1]
        places.append(Place(index, last))
        if before >= 1 << REACH - 1 or last - before.bit_length() < 1 or last > LOG_NUMBER_MAX:
            raise DecodeError("number", f"A blend names numbers of a log from 1 on, within {REACH} of each other.")
    if body[1] > NODE_INDEX_MAX:
        raise DecodeError("field", f"A node's index ends at {NODE_INDEX_MAX}.")
    if not 1 <= len(places) <= PLACES_MAX:
        raise DecodeError("limit", f"A blend is of 1 to {PLACES_MAX} envelopes.")
    data = body[offset:]
    if not 1 + ENVELOPE_BYTES_MIN <= len(data) <= ROW_BYTES:
        raise DecodeError("size", "The blend is too short or too long for an envelope.")
    return Blend(NodeIndex(body[1]), int.from_bytes(body[2:4], "big"), portions_of(places), data)


def _decode_indices(body: bytes, offset: int) -> tuple[list[int], int]:
    end = offset + 1 + body[offset]
    bits = int.from_bytes(body[offset + 1 : end], "little")
    if end > len(body) or body[offset] != -(-bits.bit_length() // 8) or bits.bit_length() > NODE_INDEX_MAX + 1:
        raise DecodeError("field", f"A set of logs ends with the last one in it, at most {NODE_INDEX_MAX}.")
    return [index for index in range(bits.bit_length()) if bits >> index & 1], end


def _nearest(low: int, near: int) -> int:
    """The number with these low bits that is nearest to `near`."""
    number = near + (low - near + REACH // 2 - 1) % REACH - (REACH // 2 - 1)
    return number if number > 0 else number + REACH


def row_of(envelope: bytes, width: int) -> bytes:
    """An envelope as a row: its length, itself, and zeros."""
    return (bytes([len(envelope)]) + envelope).ljust(width, b"\0")


def coefficient(seed: int, place: Place) -> int:
    """By what a blend with this seed multiplies the envelope at this place: never 0."""
    message = seed.to_bytes(2, "big") + bytes([place.index]) + place.number.to_bytes(4, "big")
    return 1 + int.from_bytes(hashlib.blake2b(message, digest_size=4, person=_DOMAIN).digest(), "big") % 255


def _mac(head: bytes, blend: Blend, space_id: bytes, key: bytes) -> bytes:
    """Over the numbers themselves, not their low bits."""
    said = head + encode_portions(blend.portions) + blend.data
    return hmac.digest(key, _DOMAIN + space_id + said, "sha256")[:MAC_BYTES]
