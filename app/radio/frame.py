"""Frames: what one TNTN node says to those who can hear it, at most 233 bytes at a time.

An envelope frame carries one sealed record, a symbol frame a share of one that is too long; a receipt frame says which
envelopes are on the sender's disk, and with no envelopes that the sender is there. All end in a MAC under the epoch's
K_link, so that members hear members; control frames (control.py) are sealed under it. Decoders are strict and total.
Spec: docs/protocol/radio.md.
"""

import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NewType

import msgspec

from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import ENVELOPE_BYTES_MIN
from app.core.record import decode_varint, encode_varint
from app.errors import DecodeError
from app.radio.fragment import OVERHEAD_BYTES_MAX as SYMBOL_OVERHEAD_BYTES
from app.radio.fragment import Symbol, decode_symbol, encode_symbol

NodeIndex = NewType("NodeIndex", int)
"""A node's place in the roster, 0 to 254."""
EnvelopePrefix = NewType("EnvelopePrefix", bytes)
"""The first 6 bytes of an envelope id: 2^48 is enough among one community's living envelopes."""

VERSION = 1
FRAME_BYTES_MAX = 233
"""What a Meshtastic data packet holds; the raw radios take 255. One limit for all, so that frames can cross."""
ENVELOPE_TYPE = 0
RECEIPT_TYPE = 1
NEIGHBORS_TYPE = 5
"""A receipt frame for no envelope, with the list of nodes that its sender hears."""
SYMBOL_TYPE = 2
CONTROL_TYPE = 4
BLEND_TYPE = 6
TIDINGS_TYPE = 7
ENVELOPE_MAC_BYTES = 4
"""The envelope proves itself by its seal and signature: the MAC only spares the work on strangers' noise."""
RECEIPT_MAC_BYTES = 8
"""Nothing else proves a receipt, and a person is told "kept by 2 nodes" because of it."""
HOPS_MAX = 15
"""A chain of villages longer than this waits for the repair by node logs."""
LOG_NUMBER_MAX = 2**28 - 1
"""Four varint bytes."""
PREFIX_BYTES = 6
_LOG_NUMBER_BYTES_MAX = 4
_ENVELOPE_HEADER_BYTES = 4
_RECEIPT_HEADER_BYTES = 6
RECEIPT_PREFIXES_MAX = (FRAME_BYTES_MAX - _RECEIPT_HEADER_BYTES - RECEIPT_MAC_BYTES) // PREFIX_BYTES
COUNTER_MAX = 2**32 - 1
_DOMAIN = b"tntn frame 1\0"


class LinkKeys(msgspec.Struct, frozen=True):
    """What authenticates frames: the space, and K_link of its living epochs, the current one first.

    `pairs` are the keys that this node shares with one other each, by that node's index.
    """

    space_id: bytes
    keys: tuple[bytes, ...]
    pairs: Mapping[int, bytes] = MappingProxyType({})

    def __repr__(self) -> str:
        return f"LinkKeys({len(self.keys)} epochs)"


class EnvelopeFrame(msgspec.Struct, frozen=True):
    """One envelope on its way: who says it, how many have said it before, and where it entered the network."""

    sender: NodeIndex
    hops: int
    entry: NodeIndex
    number: int
    envelope: bytes


class ReceiptFrame(msgspec.Struct, frozen=True):
    """These envelopes are on the sender's disk. The counter grows with every receipt frame of a sender."""

    sender: NodeIndex
    counter: int
    prefixes: tuple[EnvelopePrefix, ...]
    hears: frozenset[NodeIndex] | None = None
    """Instead of envelopes, the nodes that the sender heard lately: how others know whom it reaches."""


class SymbolFrame(msgspec.Struct, frozen=True):
    """A share of an envelope that is too long for one frame. Where the sender speaks of it, it is on its disk.

    `pair` is the other node of the pair key that its MAC is made with; None for K_link.
    """

    sender: NodeIndex
    hops: int
    entry: NodeIndex
    number: int
    symbol: Symbol
    pair: NodeIndex | None = None


Frame = EnvelopeFrame | ReceiptFrame | SymbolFrame


def encode_frame(frame: Frame, link: LinkKeys) -> bytes:
    """The frame's bytes with its MAC under the current epoch."""
    match frame:
        case EnvelopeFrame():
            body, mac_bytes = _encode_envelope(frame), ENVELOPE_MAC_BYTES
        case ReceiptFrame():
            body, mac_bytes = _encode_receipt(frame), RECEIPT_MAC_BYTES
        case SymbolFrame():
            return _encode_symbol_frame(frame, link)
    encoded = body + _mac(body, link.space_id, link.keys[0], mac_bytes)
    assert len(encoded) <= FRAME_BYTES_MAX, "ask envelope_frame_bytes() first"
    return encoded


def decode_frame(data: bytes, link: LinkKeys) -> Frame:
    """The frame in `data`, its MAC checked. DecodeError with code size, version, type, mac or field otherwise.

    A symbol may also be oversized, or of no even cut. Control frames are for control.py to open.
    """
    frame_type, mac_bytes = _frame_type(data)
    if frame_type == SYMBOL_TYPE:
        return _decode_symbol_frame(data, link)
    body, mac = data[:-mac_bytes], data[-mac_bytes:]
    if not any(hmac.compare_digest(mac, _mac(body, link.space_id, key, mac_bytes)) for key in link.keys):
        raise DecodeError("mac", "The frame is damaged, or from outside the community.")
    return _DECODERS[frame_type](body)


def peek_frame(data: bytes) -> Frame:
    """What a frame claims, for those who only watch and hold no key: the MAC is not checked. DecodeError."""
    frame_type, mac_bytes = _frame_type(data)
    if frame_type == SYMBOL_TYPE:
        raise DecodeError("type", "A symbol says nothing to those who hold no key.")
    return _DECODERS[frame_type](data[:-mac_bytes])


def envelope_frame_bytes(envelope_bytes: int, number: int) -> int:
    """The size of the frame for an envelope of this size and log number; above FRAME_BYTES_MAX it does not fit."""
    return _ENVELOPE_HEADER_BYTES + len(encode_varint(number)) + envelope_bytes + ENVELOPE_MAC_BYTES


def receipt_frame_bytes(prefixes: int) -> int:
    """The size of a receipt frame for this many envelopes."""
    return _RECEIPT_HEADER_BYTES + prefixes * PREFIX_BYTES + RECEIPT_MAC_BYTES


def is_control(data: bytes) -> bool:
    """Whether these bytes are for control.py."""
    return bool(data) and data[0] == VERSION << 4 | CONTROL_TYPE


def is_blend(data: bytes) -> bool:
    """Whether these bytes are for blend.py."""
    return bool(data) and data[0] == VERSION << 4 | BLEND_TYPE


def is_tidings(data: bytes) -> bool:
    """Whether these bytes are for tidings.py."""
    return bool(data) and data[0] == VERSION << 4 | TIDINGS_TYPE


def symbol_frame_bytes(data_bytes: int) -> int:
    """The most that a frame with a symbol of this size takes: the index and the log number may be shorter."""
    return SYMBOL_OVERHEAD_BYTES + data_bytes


def _frame_type(data: bytes) -> tuple[int, int]:
    if not data or len(data) > FRAME_BYTES_MAX:
        raise DecodeError("size", f"A frame has 1 to {FRAME_BYTES_MAX} bytes; this has {len(data)}.")
    if data[0] >> 4 != VERSION:
        raise DecodeError("version", f"This is frame version {data[0] >> 4}; this node speaks version {VERSION}.")
    frame_type = data[0] & 0x0F
    if frame_type not in _MAC_BYTES:
        raise DecodeError("type", f"Frames of type {frame_type} are not known to version {VERSION}.")
    return frame_type, _MAC_BYTES[frame_type]


def _encode_envelope(frame: EnvelopeFrame) -> bytes:
    header = bytes([VERSION << 4 | ENVELOPE_TYPE, frame.sender, frame.hops, frame.entry])
    return header + encode_varint(frame.number) + frame.envelope


def _encode_receipt(frame: ReceiptFrame) -> bytes:
    frame_type = RECEIPT_TYPE if frame.hears is None else NEIGHBORS_TYPE
    header = bytes([VERSION << 4 | frame_type, frame.sender]) + frame.counter.to_bytes(4, "big")
    if frame.hears is None:
        return header + b"".join(frame.prefixes)
    assert not frame.prefixes, "a frame lists envelopes or nodes"
    bits = sum(1 << node for node in frame.hears)
    return header + bits.to_bytes(-(-bits.bit_length() // 8), "little")


def _encode_symbol_frame(frame: SymbolFrame, link: LinkKeys) -> bytes:
    header = bytes([VERSION << 4 | SYMBOL_TYPE, frame.sender, frame.hops, frame.entry]) + encode_varint(frame.number)
    key = link.keys[0] if frame.pair is None else link.pairs[frame.pair]
    encoded = header + encode_symbol(frame.symbol, key, header)
    assert len(encoded) <= FRAME_BYTES_MAX, "the cut is made for the frame"
    return encoded


def _decode_symbol_frame(data: bytes, link: LinkKeys) -> SymbolFrame:
    sender, hops, entry, number, offset = _decode_header(data)
    header, payload = data[:offset], data[offset:]
    try:
        return SymbolFrame(sender, hops, entry, number, decode_symbol(payload, link.keys, header))
    except DecodeError as error:
        if error.code != "mac" or sender not in link.pairs:
            raise
    symbol = decode_symbol(payload, (link.pairs[sender],), header)
    return SymbolFrame(sender, hops, entry, number, symbol, pair=sender)


def _decode_header(body: bytes) -> tuple[NodeIndex, int, NodeIndex, int, int]:
    """(sender, hops, entry, number, where the header ends)."""
    if len(body) < _ENVELOPE_HEADER_BYTES:
        raise DecodeError("size", "The frame ends inside its header.")
    _, sender, hops, entry = body[:_ENVELOPE_HEADER_BYTES]
    if sender > NODE_INDEX_MAX or entry > NODE_INDEX_MAX or hops > HOPS_MAX:
        raise DecodeError("field", f"A node's index ends at {NODE_INDEX_MAX}, hops at {HOPS_MAX}.")
    number, offset = decode_varint(body, _ENVELOPE_HEADER_BYTES, _LOG_NUMBER_BYTES_MAX)
    if number == 0:
        raise DecodeError("field", "A node's log starts at 1.")
    return NodeIndex(sender), hops, NodeIndex(entry), number, offset


def _decode_envelope(body: bytes) -> EnvelopeFrame:
    sender, hops, entry, number, offset = _decode_header(body)
    if len(body) - offset < ENVELOPE_BYTES_MIN:
        raise DecodeError("size", "The frame is too short for an envelope.")
    return EnvelopeFrame(sender, hops, entry, number, body[offset:])


def _decode_receipt(body: bytes) -> ReceiptFrame:
    prefixes = body[_RECEIPT_HEADER_BYTES:]
    if len(body) < _RECEIPT_HEADER_BYTES or len(prefixes) % PREFIX_BYTES:
        raise DecodeError("size", "The frame ends inside a receipt.")
    if body[1] > NODE_INDEX_MAX:
        raise DecodeError("field", f"A node's index ends at {NODE_INDEX_MAX}.")
    return ReceiptFrame(
        NodeIndex(body[1]),
        int.from_bytes(body[2:_RECEIPT_HEADER_BYTES], "big"),
        tuple(EnvelopePrefix(prefixes[at : at + PREFIX_BYTES]) for at in range(0, len(prefixes), PREFIX_BYTES)),
    )


def _decode_neighbors(body: bytes) -> ReceiptFrame:
    hello, listed = body[:_RECEIPT_HEADER_BYTES], body[_RECEIPT_HEADER_BYTES:]
    receipt = _decode_receipt(hello)
    bits = int.from_bytes(listed, "little")
    if bits.bit_length() > NODE_INDEX_MAX + 1 or len(listed) != -(-bits.bit_length() // 8):
        raise DecodeError("field", f"A list of nodes ends with the last one that is heard, at most {NODE_INDEX_MAX}.")
    hears = frozenset(NodeIndex(node) for node in range(bits.bit_length()) if bits >> node & 1)
    return ReceiptFrame(receipt.sender, receipt.counter, (), hears)


def _mac(body: bytes, space_id: bytes, key: bytes, mac_bytes: int) -> bytes:
    return hmac.digest(key, _DOMAIN + space_id + body, "sha256")[:mac_bytes]


_MAC_BYTES = {
    ENVELOPE_TYPE: ENVELOPE_MAC_BYTES,
    RECEIPT_TYPE: RECEIPT_MAC_BYTES,
    SYMBOL_TYPE: ENVELOPE_MAC_BYTES,
    NEIGHBORS_TYPE: RECEIPT_MAC_BYTES,
}
_DECODERS: dict[int, Callable[[bytes], Frame]] = {
    ENVELOPE_TYPE: _decode_envelope,
    RECEIPT_TYPE: _decode_receipt,
    NEIGHBORS_TYPE: _decode_neighbors,
}
