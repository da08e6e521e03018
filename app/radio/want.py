"""Wants: what a node asks of those who hold an object: so many more of its symbols. The body of a control frame.

Spec: docs/protocol/radio-fragments.md, "Requests".
"""

from collections.abc import Sequence
from enum import Enum

import msgspec

from app.errors import DecodeError
from app.radio.fragment import NODES, OBJECT_ID_BYTES, ObjectId

WANTS_MAX = 23
"""Objects in one request: 9 bytes each, in the 210 that a control frame holds."""


class Trust(Enum):
    """Whose symbols count for an object."""

    OPEN = "open"
    ONE = "one"
    PAIR = "pair"


class Want(msgspec.Struct, frozen=True):
    """A request: `count` more symbols of an object, from anybody, or from one source. The trust picks the MAC's key."""

    object_id: ObjectId
    count: int
    trust: Trust = Trust.OPEN
    source: int | None = None


_TRUSTS = (Trust.OPEN, Trust.ONE, Trust.PAIR)


def encode_wants(wants: Sequence[Want]) -> bytes:
    """object (6) ‖ count (1) ‖ trust (1) ‖ source (1, unless anybody may answer), for each want."""
    return b"".join(
        want.object_id
        + bytes([want.count, _TRUSTS.index(want.trust)])
        + bytes([] if want.source is None else [want.source])
        for want in wants
    )


def decode_wants(data: bytes) -> tuple[Want, ...]:
    """The wants in `data`. DecodeError with code truncated, count, trust or source."""
    wants, offset = [], 0
    while offset < len(data):
        want, offset = _decode_want(data, offset)
        wants.append(want)
    if len(wants) > WANTS_MAX:
        raise DecodeError("count", f"One request names at most {WANTS_MAX} objects.")
    return tuple(wants)


def _decode_want(data: bytes, offset: int) -> tuple[Want, int]:
    end = offset + OBJECT_ID_BYTES + 2
    if len(data) < end:
        raise DecodeError("truncated", "The request ends inside an entry.")
    count, trust = data[end - 2 : end]
    if count == 0:
        raise DecodeError("count", "Nobody asks for nothing.")
    if trust >= len(_TRUSTS):
        raise DecodeError("trust", f"There is no trust {trust}.")
    object_id = ObjectId(data[offset : end - 2])
    if _TRUSTS[trust] is Trust.OPEN:
        return Want(object_id, count), end
    if len(data) == end or data[end] >= NODES:
        raise DecodeError("source", "The request names no source.")
    return Want(object_id, count, _TRUSTS[trust], data[end]), end + 1
