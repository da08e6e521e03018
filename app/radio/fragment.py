"""Fragments: an envelope too long for one frame, as symbols of which any k independent ones give it back.

Systematic random linear network coding over GF(256): symbols 0 to k - 1 are the envelope cut in k equal pieces, every
later one is a combination of them whose coefficients follow from the object's name and the symbol's index alone. So
any holder can make any symbol, and whoever lacks some asks for a number of them, not for particular ones.

Pure. Knows keys as bytes it is handed, and nothing of frames but how many bytes their header may take.
Spec: docs/protocol/radio-fragments.md; vectors: tests/vectors/fragment.json.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import NewType

import msgspec

from app.core.envelope import ENVELOPE_BYTES_MAX, ENVELOPE_BYTES_MIN, envelope_id
from app.core.record import decode_varint, encode_varint
from app.errors import DecodeError, InputError
from app.radio import galois

ObjectId = NewType("ObjectId", bytes)
"""The first 6 bytes of the envelope id: the name that receipts use too."""

OBJECT_ID_BYTES = 6
LENGTH_BYTES = 2
MAC_BYTES = 4
"""Spares the work on noise and strangers: one guess in 4 billion passes. The object's hash proves the whole."""
INDEX_MAX = 2**14 - 1
"""Two varint bytes: 63 repair symbols for each of 255 nodes, before they repeat."""
_INDEX_BYTES_MAX = 2
SOURCE_SYMBOLS_MAX = 255
"""8 KiB in frames of 65 bytes takes 193; more symbols would cost more in headers than they carry."""
DATA_BYTES_MIN = 16
"""Frames with less room carry more header than data: choose a faster profile."""
HEADER_BYTES_MAX = 8
"""What the frame before a symbol may take: version and type, sender, hops, entry node, log number of 4 bytes."""
OVERHEAD_BYTES_MAX = HEADER_BYTES_MAX + OBJECT_ID_BYTES + LENGTH_BYTES + _INDEX_BYTES_MAX + MAC_BYTES
NODES = 255
"""Node indices run from 0 to 254; each node has its own residue among the repair indices."""
_MAC_DOMAIN = b"tntn symbol 1\0"
_COEFFICIENT_DOMAIN = b"tntn coefficients 1\0"


class Cut(msgspec.Struct, frozen=True):
    """How an envelope of a length is cut: into so many source symbols of so many bytes, the last padded with zeros."""

    length: int
    source_symbols: int
    data_bytes: int


class Symbol(msgspec.Struct, frozen=True):
    """One symbol of an object. `length` is the whole envelope's; with the data's size it gives the cut."""

    object_id: ObjectId
    length: int
    index: int
    data: bytes

    @property
    def cut(self) -> Cut:
        """The cut it belongs to."""
        return Cut(self.length, _ceil(self.length, len(self.data)), len(self.data))


class Encoder:
    """Makes every symbol of one envelope."""

    def __init__(self, envelope: bytes, frame_bytes_max: int) -> None:
        """InputError when no cut of the envelope fits frames of that size."""
        self.cut = cut_for(len(envelope), frame_bytes_max)
        self.object_id = object_id_of(envelope)
        size = self.cut.data_bytes
        padded = envelope.ljust(size * self.cut.source_symbols, b"\0")
        self._pieces = [padded[at : at + size] for at in range(0, len(padded), size)]

    def symbol(self, index: int) -> Symbol:
        """Symbol `index`: a piece of the envelope below `cut.source_symbols`, a combination of all above."""
        assert 0 <= index <= INDEX_MAX, "ask repair_index() for one"
        if index < self.cut.source_symbols:
            data = self._pieces[index]
        else:
            weights = coefficients(self.object_id, index, self.cut.source_symbols)
            data = galois.combine(zip(weights, self._pieces, strict=True), self.cut.data_bytes)
        return Symbol(self.object_id, self.cut.length, index, data)


def object_id_of(envelope: bytes) -> ObjectId:
    """The name of an envelope among symbols."""
    return ObjectId(envelope_id(envelope)[:OBJECT_ID_BYTES])


def cut_for(length: int, frame_bytes_max: int) -> Cut:
    """The cut with the fewest symbols, and then the smallest, for frames of at most `frame_bytes_max` bytes.

    InputError when the envelope is none, or would take more than SOURCE_SYMBOLS_MAX symbols.
    """
    room = frame_bytes_max - OVERHEAD_BYTES_MAX
    if not ENVELOPE_BYTES_MIN <= length <= ENVELOPE_BYTES_MAX:
        raise InputError(f"An envelope has {ENVELOPE_BYTES_MIN} to {ENVELOPE_BYTES_MAX} bytes; this has {length}.")
    if room < DATA_BYTES_MIN or _ceil(length, room) > SOURCE_SYMBOLS_MAX:
        raise InputError(
            f"{length} bytes are too many for frames of {frame_bytes_max} bytes: at most {SOURCE_SYMBOLS_MAX} of them "
            f"may be used, with {DATA_BYTES_MIN} bytes of it in each. Shorten it, or choose a faster radio profile."
        )
    data_bytes = _ceil(length, max(2, _ceil(length, room)))
    return Cut(length, _ceil(length, data_bytes), data_bytes)


def coefficients(object_id: ObjectId, index: int, source_symbols: int) -> bytes:
    """What symbol `index` takes of each source symbol: one byte each, from SHA-256 in counter mode."""
    if index < source_symbols:
        return bytes(index) + b"\1" + bytes(source_symbols - index - 1)
    seed = hashlib.sha256(_COEFFICIENT_DOMAIN + object_id + index.to_bytes(2, "big"))
    stream = b""
    for counter in range(_ceil(source_symbols, 32)):
        block = seed.copy()
        block.update(bytes([counter]))
        stream += block.digest()
    return stream[:source_symbols]


def repair_index(source_symbols: int, node: int, turn: int) -> int:
    """The index of a node's repair symbol number `turn`: no two nodes ever send the same one."""
    first = source_symbols + node
    turns = _ceil(INDEX_MAX + 1 - first, NODES)
    return first + NODES * (turn % turns)


def solve(cut: Cut, object_id: ObjectId, symbols: dict[int, bytes]) -> bytes | list[int]:
    """The envelope's bytes from symbols by index; or, where they don't suffice, the indices of the independent ones.

    The bytes are not compared with the object's name here: a symbol may have lied.
    """
    known = {index: data for index, data in symbols.items() if index < cut.source_symbols}
    missing = [index for index in range(cut.source_symbols) if index not in known]
    repairs = [index for index in symbols if index >= cut.source_symbols]
    rows = [_reduced(cut, object_id, index, symbols[index], known, missing) for index in repairs]
    solved = galois.eliminate(rows)
    if len(solved) < len(missing):
        return [*known, *(repairs[position] for _, position in solved)]
    known.update(zip(missing, (data for data, _ in solved), strict=True))
    return b"".join(known[index] for index in range(cut.source_symbols))[: cut.length]


def encode_symbol(symbol: Symbol, key: bytes, header: bytes = b"") -> bytes:
    """object ‖ length ‖ index ‖ data ‖ MAC: what follows the frame's header, which the MAC covers too."""
    body = symbol.object_id + symbol.length.to_bytes(LENGTH_BYTES, "big") + encode_varint(symbol.index) + symbol.data
    return body + _mac(key, header, body)


def decode_symbol(payload: bytes, keys: Iterable[bytes], header: bytes = b"") -> Symbol:
    """The symbol in `payload`, its MAC checked under any of the keys.

    DecodeError with code truncated, mac, varint, oversized or cut otherwise.
    """
    body, mac = payload[:-MAC_BYTES], payload[-MAC_BYTES:]
    if len(body) < OBJECT_ID_BYTES + LENGTH_BYTES + 2:
        raise DecodeError("truncated", "The symbol ends before its data.")
    if not any(hmac.compare_digest(mac, _mac(key, header, body)) for key in keys):
        raise DecodeError("mac", "The symbol is damaged, or from outside the community.")
    offset = OBJECT_ID_BYTES + LENGTH_BYTES
    length = int.from_bytes(body[OBJECT_ID_BYTES:offset], "big")
    index, offset = decode_varint(body, offset, _INDEX_BYTES_MAX)
    symbol = Symbol(ObjectId(body[:OBJECT_ID_BYTES]), length, index, body[offset:])
    _check_cut(symbol)
    return symbol


def _check_cut(symbol: Symbol) -> None:
    if not ENVELOPE_BYTES_MIN <= symbol.length <= ENVELOPE_BYTES_MAX:
        raise DecodeError("oversized", f"No envelope has {symbol.length} bytes.")
    if not symbol.data:
        raise DecodeError("truncated", "The symbol has no data.")
    cut = symbol.cut
    if not 2 <= cut.source_symbols <= SOURCE_SYMBOLS_MAX:
        raise DecodeError("cut", f"An envelope is cut into 2 to {SOURCE_SYMBOLS_MAX} symbols.")
    # "The data has exactly ceil(length / k) bytes": a length has one cut for each number of symbols.
    if cut.data_bytes != _ceil(cut.length, cut.source_symbols):
        raise DecodeError("cut", "The symbol's size is not that of an even cut.")


def _reduced(
    cut: Cut, object_id: ObjectId, index: int, data: bytes, known: dict[int, bytes], missing: list[int]
) -> tuple[bytes, bytes]:
    """A repair symbol without what is known of it: its coefficients for the missing pieces, and the rest."""
    weights = coefficients(object_id, index, cut.source_symbols)
    share = galois.combine(((weights[piece], known[piece]) for piece in known), cut.data_bytes)
    return bytes(weights[piece] for piece in missing), galois.add(data, share)


def _mac(key: bytes, header: bytes, body: bytes) -> bytes:
    return hmac.digest(key, _MAC_DOMAIN + header + body, "sha256")[:MAC_BYTES]


def _ceil(value: int, step: int) -> int:
    return -(-value // step)
