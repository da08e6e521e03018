"""Blends: one frame that serves everyone who lacks any of several envelopes, whichever it is.

A blend is a sum over GF(256) of envelopes, each times a coefficient that follows from a seed and the envelope's place
in its log. Whoever lacks k of them needs any k blends: ten listeners who each lost other envelopes are served by as
many frames as the unluckiest lacks, and not by one for each that somebody lacks. Pure; knows no log and no time.
Spec: docs/protocol/radio-repair.md.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping

import msgspec

from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import ENVELOPE_BYTES_MIN
from app.errors import DecodeError
from app.radio import galois
from app.radio.frame import FRAME_BYTES_MAX, VERSION, LinkKeys, NodeIndex
from app.radio.request import decode_portion, encode_portions
from app.radio.span import Portion, Span, normal, total

BLEND_TYPE = 6
MAC_BYTES = 4
"""Spares the work on noise; the envelopes inside prove themselves, and a box that was spoiled is emptied."""
SEEDS = 2**16
PLACES_MAX = 32
"""Envelopes in one blend, and more than an answer has."""
ROW_BYTES = FRAME_BYTES_MAX - 5 - 4 - MAC_BYTES
"""The longest data: what a header, one portion of one run and the MAC leave. An envelope in it has a byte less."""
ROWS_MAX = 64
"""Blends that wait to be solved: 16 kB. When one more comes, all are forgotten, and what is lacking is asked for."""
_HEADER_BYTES = 5
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
    return _HEADER_BYTES + len(encode_portions(portions_of(places))) + 1 + longest_bytes + MAC_BYTES


def blended(sender: NodeIndex, seed: int, envelopes: Mapping[Place, bytes]) -> Blend:
    """A blend of these envelopes. Together they must fit a frame: see `blend_frame_bytes`."""
    width = 1 + max(map(len, envelopes.values()))
    rows = ((_coefficient(seed, place), _row(envelope, width)) for place, envelope in envelopes.items())
    return Blend(sender, seed, portions_of(envelopes), galois.combine(rows, width))


def encode_blend(blend: Blend, link: LinkKeys) -> bytes:
    """version and type ‖ sender ‖ seed (2) ‖ count of portions ‖ portions ‖ data ‖ MAC (4)."""
    header = bytes([VERSION << 4 | BLEND_TYPE, blend.sender]) + blend.seed.to_bytes(2, "big")
    body = header + bytes([len(blend.portions)]) + encode_portions(blend.portions) + blend.data
    return body + _mac(body, link.space_id, link.keys[0])


def decode_blend(frame: bytes, link: LinkKeys) -> Blend:
    """The blend in `frame`, its MAC checked. DecodeError: size, version, type, mac, field, limit, or a run's code."""
    if not _HEADER_BYTES + MAC_BYTES < len(frame) <= FRAME_BYTES_MAX:
        raise DecodeError("size", f"A blend has {_HEADER_BYTES + MAC_BYTES + 1} to {FRAME_BYTES_MAX} bytes.")
    if frame[0] >> 4 != VERSION:
        raise DecodeError("version", f"This is frame version {frame[0] >> 4}; this node speaks version {VERSION}.")
    if frame[0] & 0x0F != BLEND_TYPE:
        raise DecodeError("type", "This is no blend.")
    body, mac = frame[:-MAC_BYTES], frame[-MAC_BYTES:]
    if not any(hmac.compare_digest(mac, _mac(body, link.space_id, key)) for key in link.keys):
        raise DecodeError("mac", "The frame is damaged, or from outside the community.")
    return _decode_body(body)


class Box:
    """Blends that are not solved yet, as rows in reduced form: each has a place of its own that no other row holds."""

    def __init__(self) -> None:
        self._rows: dict[Place, _Row] = {}

    def add(self, blend: Blend, held: Mapping[Place, bytes]) -> list[Found]:
        """Take a blend; `held` are the envelopes of its places that are on the disk. Returns what it solved."""
        row = _Row({place: _coefficient(blend.seed, place) for place in blend.places}, blend.data)
        for place, envelope in held.items():
            self.settle(place, envelope)
            row.take_out(place, envelope)
        if len(self._rows) >= ROWS_MAX:
            self._rows = {}
        return self._insert(row)

    def settle(self, place: Place, envelope: bytes) -> list[Found]:
        """This envelope is on the disk: it need not be solved. Returns what that solves."""
        touched = [pivot for pivot, row in self._rows.items() if place in row.coefficients]
        rows = [self._rows.pop(pivot) for pivot in touched]
        found: list[Found] = []
        for row in rows:
            row.take_out(place, envelope)
            found += self._insert(row)
        return found

    def rows_within(self, places: set[Place]) -> int:
        """How many rows are about nothing but these places: that many fewer blends of them are needed."""
        return sum(row.coefficients.keys() <= places for row in self._rows.values())

    def spoil(self) -> None:
        """Something that came out was forged or broken: forget all, since what remains may be too."""
        self._rows = {}

    def _insert(self, row: "_Row") -> list[Found]:
        for pivot, other in self._rows.items():
            if pivot in row.coefficients:
                row.subtract(other, row.coefficients[pivot])
        if not row.coefficients:
            return []
        pivot = min(row.coefficients)
        row.scale(galois.INVERSE[row.coefficients[pivot]])
        solved = [row] if len(row.coefficients) == 1 else []
        for other in self._rows.values():
            if pivot in other.coefficients:
                other.subtract(row, other.coefficients[pivot])
                solved += [other] if len(other.coefficients) == 1 else []
        self._rows[pivot] = row
        return [found for found in map(_opened, solved) if found is not None]


class _Row:
    """One equation: coefficients of unknown envelopes, and what they add up to."""

    __slots__ = ("coefficients", "data")

    def __init__(self, coefficients: dict[Place, int], data: bytes) -> None:
        self.coefficients = coefficients
        self.data = data.ljust(ROW_BYTES, b"\0")

    def take_out(self, place: Place, envelope: bytes) -> None:
        if place in self.coefficients and len(envelope) < ROW_BYTES:
            constant = self.coefficients.pop(place)
            self.data = galois.add(self.data, galois.scale(constant, _row(envelope, ROW_BYTES)))

    def subtract(self, other: "_Row", constant: int) -> None:
        self.data = galois.add(self.data, galois.scale(constant, other.data))
        for place, value in other.coefficients.items():
            left = self.coefficients.get(place, 0) ^ galois.TIMES[constant][value]
            if left:
                self.coefficients[place] = left
            else:
                del self.coefficients[place]

    def scale(self, constant: int) -> None:
        self.data = galois.scale(constant, self.data)
        self.coefficients = {place: galois.TIMES[constant][value] for place, value in self.coefficients.items()}


def _opened(row: _Row) -> Found | None:
    (place,) = row.coefficients
    length = row.data[0]
    if not ENVELOPE_BYTES_MIN <= length < ROW_BYTES or any(row.data[1 + length :]):
        return None
    return Found(place, row.data[1 : 1 + length])


def _decode_body(body: bytes) -> Blend:
    if body[1] > NODE_INDEX_MAX:
        raise DecodeError("field", f"A node's index ends at {NODE_INDEX_MAX}.")
    portions: list[Portion] = []
    offset = _HEADER_BYTES
    for _ in range(body[4]):
        portion, offset = decode_portion(body, offset, portions[-1].index + 1 if portions else 0)
        portions.append(portion)
    if not 1 <= sum(total(portion.spans) for portion in portions) <= PLACES_MAX:
        raise DecodeError("limit", f"A blend is of 1 to {PLACES_MAX} envelopes.")
    data = body[offset:]
    if not 1 + ENVELOPE_BYTES_MIN <= len(data) <= ROW_BYTES:
        raise DecodeError("size", "The blend is too short or too long for an envelope.")
    return Blend(NodeIndex(body[1]), int.from_bytes(body[2:4], "big"), tuple(portions), data)


def _row(envelope: bytes, width: int) -> bytes:
    return (bytes([len(envelope)]) + envelope).ljust(width, b"\0")


def _coefficient(seed: int, place: Place) -> int:
    message = seed.to_bytes(2, "big") + bytes([place.index]) + place.number.to_bytes(4, "big")
    return 1 + int.from_bytes(hashlib.blake2b(message, digest_size=4, person=_DOMAIN).digest(), "big") % 255


def _mac(body: bytes, space_id: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _DOMAIN + space_id + body, "sha256")[:MAC_BYTES]
