"""Node-log vectors: what a node has of every node's log, in one frame that serves whoever hears it.

Pure: the codec, the slices for more than a frame's worth of nodes, and the difference between two vectors. Knows
nothing of frames, keys or time. Spec: docs/protocol/radio-repair.md.
"""

from collections.abc import Iterable, Sequence

import msgspec

from app.core.bodies import NODE_INDEX_MAX
from app.core.record import decode_varint, encode_varint
from app.errors import DecodeError
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import Portion, Span, Spans, common, decode_runs, encode_runs, minus, normal, up_to

CHECKSUM_BYTES = 2
CHECKSUMS = 1 << 8 * CHECKSUM_BYTES
HELD_MAX = 8
"""Runs above the contiguous part, per node: at 30 % loss a log in use shows fewer; the next vector shows the rest."""
_HAS_CHECKSUM = 1
_HAS_HELD = 2
_HEAD_BYTES_MAX = 5
"""28 bits of number and 2 of flags."""
_COVER_BYTES = 2


class NodeLog(msgspec.Struct, frozen=True):
    """What a node has of one log: numbers 1 to `contiguous` held or known to be gone, and runs above.

    `checksum` is None where the sender cannot tell it. `held` are at most HELD_MAX runs in a vector.
    """

    index: int
    contiguous: int
    checksum: int | None
    held: Spans = ()

    @property
    def known(self) -> Spans:
        """All numbers that this claims."""
        return normal((*up_to(self.contiguous), *self.held))

    @property
    def highest(self) -> int:
        """The last number that this claims."""
        return self.held[-1].last if self.held else self.contiguous


class Vector(msgspec.Struct, frozen=True):
    """A slice of what a node has: of the logs from index `first` to `last`, those not named are empty."""

    first: int
    last: int
    logs: tuple[NodeLog, ...]

    def covers(self, index: int) -> bool:
        """Whether this says anything of that log."""
        return self.first <= index <= self.last


class Difference(msgspec.Struct, frozen=True):
    """What they have and I lack, and what I have and they lack."""

    wants: tuple[Portion, ...]
    offers: tuple[Portion, ...]


def checksum(envelope_ids: Iterable[bytes]) -> int:
    """The first two bytes of each id, added up modulo 2^16: in any order, one at a time, and from any part.

    Of a log it covers every id ever known at a number up to the contiguous one, gone or not.
    """
    words = (int.from_bytes(name[:CHECKSUM_BYTES], "big") for name in envelope_ids)
    return sum(words) % CHECKSUMS


def encode_vector(vector: Vector) -> bytes:
    """The slice's bytes; `slice_vector` makes them fit."""
    return bytes([vector.first, vector.last]) + b"".join(map(_encode_log, vector.logs))


def decode_vector(data: bytes) -> Vector:
    """DecodeError with code truncated, cover, order, number, run, empty or varint for all that is no vector."""
    if len(data) < _COVER_BYTES:
        raise DecodeError("truncated", "The vector ends before it says what it covers.")
    first, last = data[:_COVER_BYTES]
    if not first <= last <= NODE_INDEX_MAX:
        raise DecodeError("cover", f"A vector covers indices within 0 to {NODE_INDEX_MAX}, in their order.")
    logs: list[NodeLog] = []
    offset, least = _COVER_BYTES, first
    while offset < len(data):
        log, offset = _decode_log(data, offset)
        if not least <= log.index <= last:
            raise DecodeError("order", "A vector names each covered index once, in their order.")
        logs.append(log)
        least = log.index + 1
    return Vector(first, last, tuple(logs))


def slice_vector(logs: Sequence[NodeLog], start: int, bytes_max: int) -> Vector:
    """As much of `logs` (ascending) as fits: all of it where it can be, otherwise what follows from index `start`.

    The next slice starts at `following(slice)`.
    """
    logs = [_trimmed(log) for log in logs if log.contiguous or log.held]
    encoded = [_encode_log(log) for log in logs]
    if _COVER_BYTES + sum(map(len, encoded)) <= bytes_max:
        return Vector(0, NODE_INDEX_MAX, tuple(logs))
    room = bytes_max - _COVER_BYTES
    taken: list[NodeLog] = []
    last = NODE_INDEX_MAX
    for log, size in zip(logs, map(len, encoded), strict=True):
        if log.index < start:
            continue
        if size > room:
            last = log.index - 1
            break
        taken.append(log)
        room -= size
    return Vector(start, last, tuple(taken))


def following(vector: Vector) -> int:
    """Where the next slice starts."""
    return 0 if vector.last == NODE_INDEX_MAX else vector.last + 1


def difference(mine: Iterable[NodeLog], theirs: Vector) -> Difference:
    """Compare what I have, whole, with a slice of what they have.

    Where they list as many runs as a vector may, they may have more above: that is not offered.
    """
    my_logs = {log.index: log for log in mine}
    their_logs = {log.index: log for log in theirs.logs}
    wants: list[Portion] = []
    offers: list[Portion] = []
    for index in sorted(my_logs.keys() | their_logs.keys()):
        if not theirs.covers(index):
            continue
        my_log = my_logs.get(index, NodeLog(index, 0, None))
        their_log = their_logs.get(index, NodeLog(index, 0, None))
        _add(wants, index, minus(their_log.known, my_log.known))
        _add(offers, index, minus(_surely_told(my_log.known, their_log), their_log.known))
    return Difference(tuple(wants), tuple(offers))


def _add(portions: list[Portion], index: int, spans: Spans) -> None:
    if spans:
        portions.append(Portion(index, spans))


def _surely_told(known: Spans, told: NodeLog) -> Spans:
    if len(told.held) < HELD_MAX:
        return known
    return common(known, (Span(1, told.highest),))


def _trimmed(log: NodeLog) -> NodeLog:
    return msgspec.structs.replace(log, held=log.held[:HELD_MAX])


def _encode_log(log: NodeLog) -> bytes:
    flags = (log.checksum is not None) * _HAS_CHECKSUM + bool(log.held) * _HAS_HELD
    encoded = bytes([log.index]) + encode_varint(log.contiguous << 2 | flags)
    if log.checksum is not None:
        encoded += log.checksum.to_bytes(CHECKSUM_BYTES, "big")
    if log.held:
        encoded += bytes([len(log.held)]) + encode_runs(log.contiguous, log.held)
    return encoded


def _decode_log(data: bytes, offset: int) -> tuple[NodeLog, int]:
    index = data[offset]
    head, offset = decode_varint(data, offset + 1, _HEAD_BYTES_MAX)
    contiguous = head >> 2
    held: Spans = ()
    if contiguous > LOG_NUMBER_MAX:
        raise DecodeError("number", f"A node's log ends at {LOG_NUMBER_MAX}.")
    total = None
    if head & _HAS_CHECKSUM:
        total = int.from_bytes(data[offset : offset + CHECKSUM_BYTES], "big")
        offset += CHECKSUM_BYTES
        if offset > len(data):
            raise DecodeError("truncated", "The vector ends inside a checksum.")
    if head & _HAS_HELD:
        held, offset = _decode_held(data, offset, contiguous)
    if contiguous == 0 and (total is not None or not held):
        raise DecodeError("empty", "A log of which nothing is known is not named, and has no checksum.")
    return NodeLog(index, contiguous, total, held), offset


def _decode_held(data: bytes, offset: int, contiguous: int) -> tuple[Spans, int]:
    if offset >= len(data):
        raise DecodeError("truncated", "The vector ends before its runs.")
    count = data[offset]
    if not 1 <= count <= HELD_MAX:
        raise DecodeError("run", f"A vector lists 1 to {HELD_MAX} runs of a log.")
    held, offset = decode_runs(data, offset + 1, count, contiguous)
    if held[0].first == contiguous + 1:
        raise DecodeError("run", "What follows the contiguous part at once belongs to it.")
    return held, offset
