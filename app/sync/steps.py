"""How the steps of the check are packed: prefixes as gaps, counts, bits. Strict, and bounded. Pure.

Spec: docs/protocol/sync.md, "The check".
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from app.core.record import decode_varint, encode_varint
from app.errors import DecodeError, PeerError
from app.sync.message import PRINT_BYTES, SHORT_ID_BYTES, Leaf, Split

RANGES_MAX = 1 << 14
"""Ranges in one step. Where more differ, the rest is found by the next run: memory stays flat."""
STEP_BYTES_MAX = 256 << 10
"""Fingerprints and short ids in one step, for the same reason; a step is one message."""
_GAP_BYTES_MAX = 10
"""A gap between prefixes of 64 bits."""
_COUNT_BYTES_MAX = 3


class Prints(msgspec.Struct, frozen=True):
    """A Split, taken apart: for each range its parts' fingerprints."""

    epoch: int
    depth: int
    fan: int
    ranges: tuple[tuple[int, list[bytes]], ...]


class Listing(msgspec.Struct, frozen=True):
    """A Leaf, taken apart: for each range the sender's short ids, ascending."""

    epoch: int
    depth: int
    ranges: tuple[tuple[int, list[bytes]], ...]


def pack_split(prints: Prints) -> Split:
    """The wire's form."""
    packed = b"".join(part for _, parts in prints.ranges for part in parts)
    return Split(prints.epoch, prints.depth, prints.fan, _pack_prefixes(prefix for prefix, _ in prints.ranges), packed)


def unpack_split(split: Split) -> Prints:
    """PeerError where the parts of the message don't fit together."""
    prefixes = _unpack_prefixes(split.ranges, split.depth)
    width = PRINT_BYTES << split.fan
    if len(split.prints) != width * len(prefixes):
        raise PeerError("The peer's fingerprints do not fit its ranges.")
    return Prints(
        split.epoch,
        split.depth,
        split.fan,
        tuple(
            (prefix, _cut(split.prints[at * width : (at + 1) * width], PRINT_BYTES))
            for at, prefix in enumerate(prefixes)
        ),
    )


def pack_leaf(listing: Listing) -> Leaf:
    """The wire's form."""
    return Leaf(
        listing.epoch,
        listing.depth,
        _pack_prefixes(prefix for prefix, _ in listing.ranges),
        b"".join(encode_varint(len(shorts)) for _, shorts in listing.ranges),
        b"".join(short for _, shorts in listing.ranges for short in shorts),
    )


def unpack_leaf(leaf: Leaf) -> Listing:
    """PeerError where the parts of the message don't fit together, or ids are out of order."""
    prefixes = _unpack_prefixes(leaf.ranges, leaf.depth)
    counts = _unpack_varints(leaf.counts, _COUNT_BYTES_MAX)
    if len(counts) != len(prefixes) or len(leaf.ids) != SHORT_ID_BYTES * sum(counts):
        raise PeerError("The peer's ids do not fit its ranges.")
    ranges: list[tuple[int, list[bytes]]] = []
    at = 0
    for prefix, count in zip(prefixes, counts, strict=True):
        shorts = _cut(leaf.ids[at : at + count * SHORT_ID_BYTES], SHORT_ID_BYTES)
        if any(one >= other for one, other in pairwise(shorts)):
            raise PeerError("The peer's ids are not in their order.")
        ranges.append((prefix, shorts))
        at += count * SHORT_ID_BYTES
    return Listing(leaf.epoch, leaf.depth, tuple(ranges))


def pack_bits(bits: Sequence[bool]) -> bytes:
    """Eight to a byte, the first one highest, and zeros at the end; nothing where none is set."""
    if not any(bits):
        return b""
    padding = -len(bits) % 8
    return (int("".join("01"[bit] for bit in bits), 2) << padding).to_bytes((len(bits) + padding) // 8, "big")


def unpack_bits(packed: bytes, count: int) -> list[bool]:
    """PeerError where these are not `count` bits in their one form."""
    if not packed:
        return [False] * count
    bits = [bool(byte >> (7 - at) & 1) for byte in packed for at in range(8)]
    if len(packed) != (count + 7) // 8 or any(bits[count:]) or not any(bits):
        raise PeerError("The peer asks for ids that were not listed.")
    return bits[:count]


def _pack_prefixes(prefixes: Iterable[int]) -> bytes:
    """Each as the number of prefixes of that depth that were left out before it."""
    packed = bytearray()
    after = -1
    for prefix in prefixes:
        packed += encode_varint(prefix - after - 1)
        after = prefix
    return bytes(packed)


def _unpack_prefixes(packed: bytes, depth: int) -> list[int]:
    prefixes: list[int] = []
    after = -1
    for gap in _unpack_varints(packed, _GAP_BYTES_MAX):
        after += gap + 1
        prefixes.append(after)
    if not prefixes or after >> depth:
        raise PeerError("The peer names ranges that cannot be.")
    return prefixes


def _unpack_varints(packed: bytes, bytes_max: int) -> list[int]:
    values: list[int] = []
    at = 0
    try:
        while at < len(packed):
            value, at = decode_varint(packed, at, bytes_max)
            values.append(value)
            if len(values) > RANGES_MAX:
                raise PeerError(f"The peer names more than {RANGES_MAX} ranges in one step.")
    except DecodeError as error:
        raise PeerError("The peer names ranges in another form than their own.") from error
    return values


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
