"""Control frames: what nodes say to each other about their logs, sealed for the community and counted.

AES-256-GCM-SIV (RFC 8452) under a key derived from K_link. The nonce is the header, sender and counter: it differs for
every frame of honest nodes, and a cloned node that repeats one shows no more than that two frames are equal.
Pure. Spec: docs/protocol/radio-repair.md.
"""

import hmac
from collections.abc import Callable, Mapping
from enum import IntEnum

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from app.core.bodies import NODE_INDEX_MAX
from app.core.record import decode_varint, encode_varint
from app.errors import DecodeError
from app.radio.frame import CONTROL_TYPE, COUNTER_MAX, FRAME_BYTES_MAX, VERSION, LinkKeys, NodeIndex
from app.radio.iblt import Symbols, decode_symbols, encode_symbols
from app.radio.request import (
    Compare,
    Gone,
    Request,
    Wanted,
    check_scope,
    decode_compare,
    decode_gone,
    decode_request,
    decode_wanted,
    encode_compare,
    encode_gone,
    encode_request,
    encode_wanted,
)
from app.radio.vector import Vector, decode_vector, encode_vector
from app.radio.want import Want, decode_wants, encode_wants

HEADER_BYTES = 6
TAG_BYTES = 16
OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES + 1
"""Header, tag and the byte that tells the kind."""
BODY_BYTES_MAX = FRAME_BYTES_MAX - OVERHEAD_BYTES
COUNTER_LEAP_MAX = 2**26
"""A counter may be so far above the last: two years of one frame a second. One forged frame can't end a sender's."""
COUNTERS_LOW = 16
"""Ask for another block of counters while so many are left."""
HOUR_MS = 3_600_000
_NONCE_PADDING = bytes(12 - HEADER_BYTES)
_DOMAIN = b"tntn control 1\0"


class Kind(IntEnum):
    """What a control frame carries: the first byte under its seal."""

    VECTOR = 1
    REQUEST = 2
    GONE = 3
    COMPARE = 4
    SYMBOLS = 5
    WANTED = 6
    WANTS = 7


class Sketch(msgspec.Struct, frozen=True):
    """Symbols over the envelopes that the sender holds of log `index` up to number `up_to`."""

    index: int
    up_to: int
    symbols: Symbols


class Wants(msgspec.Struct, frozen=True):
    """Send me more symbols of these objects."""

    wants: tuple[Want, ...]


Message = Vector | Request | Gone | Compare | Sketch | Wanted | Wants


class ControlFrame(msgspec.Struct, frozen=True):
    """An opened control frame."""

    sender: NodeIndex
    counter: int
    message: Message


def seal_control(frame: ControlFrame, link: LinkKeys) -> bytes:
    """The frame's bytes under the current epoch. The message must fit BODY_BYTES_MAX, or what the radio leaves."""
    kind = KINDS[type(frame.message)]
    plaintext = bytes([kind]) + _CODECS[kind][0](frame.message)
    assert len(plaintext) <= 1 + BODY_BYTES_MAX, "messages are cut to fit before they are sealed"
    header = bytes([VERSION << 4 | CONTROL_TYPE, frame.sender]) + frame.counter.to_bytes(4, "big")
    return header + _cipher(link.space_id, link.keys[0]).encrypt(header + _NONCE_PADDING, plaintext, header)


def open_control(data: bytes, link: LinkKeys) -> ControlFrame:
    """The frame in `data`, sealed under a living epoch. DecodeError with code size, version, type, field, tag, kind, or
    what the message's own decoder says."""
    if not OVERHEAD_BYTES < len(data) <= FRAME_BYTES_MAX:
        raise DecodeError("size", f"A control frame has {OVERHEAD_BYTES + 1} to {FRAME_BYTES_MAX} bytes.")
    if data[0] >> 4 != VERSION:
        raise DecodeError("version", f"This is frame version {data[0] >> 4}; this node speaks version {VERSION}.")
    if data[0] & 0x0F != CONTROL_TYPE:
        raise DecodeError("type", "This is no control frame.")
    if data[1] > NODE_INDEX_MAX:
        raise DecodeError("field", f"A node's index ends at {NODE_INDEX_MAX}.")
    plaintext = _opened(data, link)
    codec = _CODECS.get(plaintext[0])
    if codec is None:
        raise DecodeError("kind", f"Control frames of kind {plaintext[0]} are not known to version {VERSION}.")
    counter = int.from_bytes(data[2:HEADER_BYTES], "big")
    return ControlFrame(NodeIndex(data[1]), counter, codec[1](plaintext[1:]))


def control_frame_bytes(message: Message) -> int:
    """The size of the frame that carries this message."""
    return OVERHEAD_BYTES + len(_CODECS[KINDS[type(message)]][0](message))


class OwnCounters:
    """This node's counters: blocks that are reserved on disk before the first of them is used."""

    def __init__(self) -> None:
        self._left = range(0)
        self._asked = False

    def grant(self, first: int, count: int) -> None:
        """A reserved block. What is left of the one before is skipped."""
        self._left = range(first, min(first + count, COUNTER_MAX + 1))
        self._asked = False

    def needs_more(self) -> bool:
        """True once, when a new block is to be reserved."""
        if len(self._left) >= COUNTERS_LOW or self._asked:
            return False
        self._asked = True
        return True

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be sent before the next block."""
        return not self._left

    def take(self) -> int:
        """The next counter. There must be one."""
        counter, self._left = self._left[0], self._left[1:]
        return counter


class HeardCounters:
    """The last counter of each sender, so that a frame is heard once. Start it with what was saved."""

    def __init__(self, saved: Mapping[int, int]) -> None:
        self._last = dict(saved)
        self.skipped = 0

    def admit(self, sender: int, counter: int) -> str | None:
        """None for a new frame, which is noted; otherwise the word for what is wrong: stale or leap."""
        last = self._last.get(sender)
        if last is not None and counter <= last:
            return "stale"
        if last is not None and counter > last + COUNTER_LEAP_MAX:
            return "leap"
        self.skipped = 0 if last is None else counter - last - 1
        self._last[sender] = counter
        return None

    def snapshot(self) -> dict[int, int]:
        """What to save, every minute or so: a frame heard after the last save could be replayed once after a crash."""
        return dict(self._last)


class NeighborPurses:
    """What repair on behalf of each neighbor may cost: a token bucket in ms of airtime, refilled over an hour.

    It starts full and holds an hour's worth, so that the first hour may cost twice as much; the law's budget is not
    here but where frames are sent.
    """

    def __init__(self, hourly_ms: float) -> None:
        self._hourly_ms = hourly_ms
        self._purses: dict[int, tuple[float, int]] = {}

    def left_ms(self, neighbor: int, now_ms: int) -> float:
        """What may be spent on this neighbor now."""
        left, since_ms = self._purses.get(neighbor, (self._hourly_ms, now_ms))
        return min(self._hourly_ms, left + (now_ms - since_ms) * self._hourly_ms / HOUR_MS)

    def spend(self, neighbor: int, airtime_ms: float, now_ms: int) -> bool:
        """Take so much, or nothing and False where there is less."""
        left = self.left_ms(neighbor, now_ms)
        if left < airtime_ms:
            return False
        self._purses[neighbor] = (left - airtime_ms, now_ms)
        return True

    def ready_at_ms(self, neighbor: int, airtime_ms: float, now_ms: int) -> int:
        """When so much can be spent."""
        lacking = max(0.0, airtime_ms - self.left_ms(neighbor, now_ms))
        return now_ms + int(lacking * HOUR_MS / self._hourly_ms) + (lacking > 0)


def _opened(data: bytes, link: LinkKeys) -> bytes:
    header = data[:HEADER_BYTES]
    for key in link.keys:
        try:
            return _cipher(link.space_id, key).decrypt(header + _NONCE_PADDING, data[HEADER_BYTES:], header)
        except InvalidTag:
            continue
    raise DecodeError("tag", "The frame is damaged, or from outside the community.")


def _cipher(space_id: bytes, link_key: bytes) -> AESGCMSIV:
    return AESGCMSIV(hmac.digest(link_key, _DOMAIN + space_id, "sha256"))


def _encode_sketch(sketch: Sketch) -> bytes:
    return bytes([sketch.index]) + encode_varint(sketch.up_to) + encode_symbols(sketch.symbols)


def _decode_sketch(data: bytes) -> Sketch:
    up_to, offset = decode_varint(data, 1, 4)
    check_scope(data[0], up_to)
    return Sketch(data[0], up_to, decode_symbols(data[offset:]))


def _encode_wants(message: Wants) -> bytes:
    return encode_wants(message.wants)


def _decode_wants(data: bytes) -> Wants:
    if not data:
        raise DecodeError("truncated", "The request names no object.")
    return Wants(decode_wants(data))


KINDS: dict[type[Message], Kind] = {
    Vector: Kind.VECTOR,
    Request: Kind.REQUEST,
    Gone: Kind.GONE,
    Compare: Kind.COMPARE,
    Sketch: Kind.SYMBOLS,
    Wanted: Kind.WANTED,
    Wants: Kind.WANTS,
}
_CODECS: dict[int, tuple[Callable[..., bytes], Callable[[bytes], Message]]] = {
    Kind.VECTOR: (encode_vector, decode_vector),
    Kind.REQUEST: (encode_request, decode_request),
    Kind.GONE: (encode_gone, decode_gone),
    Kind.COMPARE: (encode_compare, decode_compare),
    Kind.SYMBOLS: (_encode_sketch, _decode_sketch),
    Kind.WANTED: (encode_wanted, decode_wanted),
    Kind.WANTS: (_encode_wants, _decode_wants),
}
