"""What the flooding machine and its shell hand each other: parcels in, transmissions and events out."""

from enum import IntEnum, StrEnum

import msgspec

from app.core.envelope import EnvelopeId
from app.radio.frame import PREFIX_BYTES, EnvelopePrefix, NodeIndex


class Priority(IntEnum):
    """What goes first."""

    ALERT = 0
    PEOPLE = 1
    BACKGROUND = 2


class Purpose(StrEnum):
    """Why a frame is sent, for the log and the airtime meter."""

    ENTRY = "entry"
    FORWARD = "forward"
    RETRY = "retry"
    RECEIPT = "receipt"
    HELLO = "hello"
    SYMBOL = "symbol"
    ANSWER = "answer"
    VECTOR = "vector"
    REPAIR = "repair"


class Parcel(msgspec.Struct, frozen=True):
    """An envelope with its place in a node log, ready to travel."""

    envelope: bytes
    envelope_id: EnvelopeId
    entry: NodeIndex
    number: int
    priority: Priority


class Signal(msgspec.Struct, frozen=True):
    """How well a frame was heard; None where the modem doesn't say."""

    rssi_dbm: int | None = None
    snr_db: float | None = None


class Neighbor(msgspec.Struct, frozen=True):
    """When, on the machine's clock, and how well a node was last heard."""

    heard_ms: int
    signal: Signal


class Transmit(msgspec.Struct, frozen=True):
    """A frame for the modem, and what it costs."""

    frame: bytes
    airtime_ms: float
    purpose: Purpose


class EnvelopeHeard(msgspec.Struct, frozen=True):
    """A new envelope. Answer with `stored`, `refused` or `forget` when the disk has spoken."""

    parcel: Parcel
    sender: NodeIndex
    hops: int
    signal: Signal


class Held(msgspec.Struct, frozen=True):
    """A node said that an envelope is on its disk."""

    prefix: EnvelopePrefix
    node: NodeIndex


class Rejected(msgspec.Struct, frozen=True):
    """A frame that was dropped, and why, in a word: the codes of frame.py, or echo, stale, busy, full."""

    reason: str


class CountersNeeded(msgspec.Struct, frozen=True):
    """Few receipt counters are left: reserve a block on disk and call `grant`."""


class EnvelopeWanted(msgspec.Struct, frozen=True):
    """An envelope whose id begins so is to be sent: read it from the disk, and answer with `fetched`."""

    prefix: EnvelopePrefix


class Covered(msgspec.Struct, frozen=True):
    """A node's vector, with the right checksum, says that it has these numbers of a log."""

    node: NodeIndex
    index: NodeIndex
    first: int
    last: int


Event = EnvelopeHeard | Held | Rejected | CountersNeeded


def prefix_of(envelope_id: EnvelopeId) -> EnvelopePrefix:
    """How receipts name an envelope."""
    return EnvelopePrefix(envelope_id[:PREFIX_BYTES])
