"""What the parts of the repair machine share: the log, the purses, the dice, and what comes out of them.

Pure. Spec: docs/protocol/radio-repair.md.
"""

import random
from collections import Counter
from collections.abc import Callable

import msgspec

from app.core.envelope import EnvelopeId
from app.radio.control import OVERHEAD_BYTES, Kind, Message, NeighborPurses
from app.radio.frame import FRAME_BYTES_MAX, LOG_NUMBER_MAX, NodeIndex, envelope_frame_bytes
from app.radio.logbook import LogEntry, LogView
from app.radio.parcel import CountersNeeded, Priority, Rejected


class SendControl(msgspec.Struct, frozen=True):
    """A control frame for the modem, now. Say `sent` afterwards."""

    frame: bytes
    kind: Kind
    airtime_ms: float
    priority: Priority


class SendTidings(msgspec.Struct, frozen=True):
    """Tidings (tidings.py) for the modem, now."""

    frame: bytes
    airtime_ms: float
    priority: Priority


class SendEntry(msgspec.Struct, frozen=True):
    """Send this envelope to `asker` and whoever else hears it: with hops at their maximum, so that none forwards it."""

    index: int
    number: int
    envelope_id: EnvelopeId
    asker: int
    airtime_ms: float
    priority: Priority


class SendBlend(msgspec.Struct, frozen=True):
    """Send a blend (blend.py) with this seed of the envelopes at these places."""

    entries: tuple[LogEntry, ...]
    seed: int
    airtime_ms: float
    priority: Priority


class OwnLogAhead(msgspec.Struct, frozen=True):
    """Somebody knows this node's own log up to `number`, which it never gave out: it was restored or cloned."""

    number: int


class TwinHeard(msgspec.Struct, frozen=True):
    """A control frame under this node's index, with a counter that it has not reached: another node is it too."""

    counter: int


class MessageHeard(msgspec.Struct, frozen=True):
    """A new control frame with a message that is not about node logs: for another machine."""

    sender: NodeIndex
    message: Message


Output = SendControl | SendTidings | SendEntry | SendBlend
RepairEvent = Rejected | CountersNeeded | OwnLogAhead | TwinHeard | MessageHeard


class Means:
    """The shared parts. `airtime_ms` prices a frame by its bytes; `tally` counts by name, for the keeper's page.

    `frame_bytes_max` is less than a frame's own limit where the radio or the channel's rules carry less.
    """

    def __init__(
        self,
        me: NodeIndex,
        log: LogView,
        purses: NeighborPurses,
        airtime_ms: Callable[[int], float],
        rng: random.Random,
    ) -> None:
        self.me = me
        self.log = log
        self.purses = purses
        self.airtime_ms = airtime_ms
        self.rng = rng
        self.tally: Counter[str] = Counter()
        self._loss = LOSS_UNKNOWN
        self.frame_bytes_max = FRAME_BYTES_MAX

    @property
    def body_bytes_max(self) -> int:
        """What a control frame's message may have."""
        return self.frame_bytes_max - OVERHEAD_BYTES

    def highest(self, index: int) -> int:
        """How far a log goes here."""
        known = self.log.vector({index: LOG_NUMBER_MAX})
        return known[0].highest if known else 0

    def note_skipped(self, counters: int) -> None:
        """A neighbor's frame came, so many counters after its last. Larger leaps are restarts, and absence."""
        if counters <= SKIPPED_MAX:
            for lost in (True,) * counters + (False,):
                self.note(lost=lost)

    def note(self, *, lost: bool) -> None:
        """Something that another node sent was lost, or came at once."""
        self._loss += ((1.0 if lost else 0.0) - self._loss) * LOSS_WEIGHT

    def loss(self) -> float:
        """The share of what others sent lately that was lost here."""
        return self._loss

    def is_lossy(self) -> bool:
        """Whether much is lost here, and so probably at others."""
        return self._loss >= LOSSY

    def after(self, now_ms: int, least_ms: int, most_ms: int) -> int:
        """A moment by chance, so that not all speak at once."""
        return now_ms + self.rng.randint(least_ms, most_ms)

    def entry_airtime_ms(self, entry: LogEntry) -> float:
        """What an envelope costs: one frame, or as many whole ones as its fragments come to."""
        frame_bytes = envelope_frame_bytes(entry.envelope_bytes, entry.number)
        if frame_bytes <= self.frame_bytes_max:
            return self.airtime_ms(frame_bytes)
        return -(-entry.envelope_bytes // FRAGMENT_BYTES) * self.airtime_ms(self.frame_bytes_max)


LOSS_WEIGHT = 1 / 32
"""Some thirty frames tell how many are lost, about."""
LOSS_UNKNOWN = 0.1
"""Until it is known how much is lost, it may be much."""
SKIPPED_MAX = 4
LOSSY = 0.05
"""Where so many envelopes are lost, others lack something too."""
FRAGMENT_BYTES = 200
"""What a fragment's frame carries of an envelope, about: for prices only."""
