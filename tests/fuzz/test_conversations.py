"""Members who say well-formed things that are not so, to a radio machine: random frames of every kind, by a seed.

Coverage finds what breaks a decoder; what breaks a machine is mostly well formed.
"""

import random

from hypothesis import given
from hypothesis import strategies as st

from app.core.envelope import envelope_id
from app.radio.blend import Place, blended, encode_blend
from app.radio.control import ControlFrame, Message, Sketch, Wants, seal_control
from app.radio.fragment import Encoder, ObjectId
from app.radio.frame import (
    FRAME_BYTES_MAX,
    LOG_NUMBER_MAX,
    EnvelopeFrame,
    NodeIndex,
    ReceiptFrame,
    SymbolFrame,
    encode_frame,
)
from app.radio.iblt import symbols_of
from app.radio.parcel import prefix_of
from app.radio.request import Compare, Gone, Request, Wanted
from app.radio.span import Portion, Span, normal
from app.radio.tidings import Tidings, Told, encode_tidings
from app.radio.vector import NodeLog, Vector
from app.radio.want import Trust, Want
from tests.fuzz.members import LINK
from tests.fuzz.mesh import OTHERS, Station

SAYINGS_MAX = 60
LOGS = 6
NUMBERS = (1, 2, 3, 5, 7, 9, 12, 20, 40, LOG_NUMBER_MAX - 5, LOG_NUMBER_MAX)
SHORT = [bytes([0x12, number]) * (30 + 10 * number) for number in range(7)]
LONG = [bytes([0x12, number]) * 100 * number for number in (2, 3, 5)]
PAUSES_MS = (100, 2_000, 30_000, 600_000, 90_000_000)


class Members:
    """Frames of all kinds, by chance; the sender and the counter are given."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def frame(self, sender: NodeIndex, counter: int) -> bytes:
        """Anything that a member can say."""
        kinds = (self._control, self._control, self._envelope, self._symbol, self._tidings, self._blend, self._receipt)
        return self.rng.choice(kinds)(sender, counter)

    def _log(self) -> NodeIndex:
        return NodeIndex(self.rng.randrange(LOGS))

    def _portions(self) -> tuple[Portion, ...]:
        logs = sorted(self.rng.sample(range(LOGS), self.rng.randrange(1, 4)))
        return tuple(Portion(index, self._spans()) for index in logs)

    def _spans(self) -> tuple[Span, ...]:
        firsts = self.rng.sample(range(1, 60), self.rng.randrange(1, 4))
        return normal(Span(first, first + self.rng.choice((0, 0, 1, 4, 30, 4_000))) for first in firsts)

    def _control(self, sender: NodeIndex, counter: int) -> bytes:
        make = self.rng.choice(
            (
                self._vector,
                self._vector,
                self._request,
                self._gone,
                self._compare,
                self._sketch,
                self._wanted,
                self._wants,
            )
        )
        return seal_control(ControlFrame(sender, counter, make()), LINK)

    def _vector(self) -> Message:
        logs = []
        for index in sorted(self.rng.sample(range(LOGS), self.rng.randrange(LOGS))):
            contiguous = self.rng.choice((1, 3, 6, 10, 33, LOG_NUMBER_MAX))
            held = (Span(contiguous + 2, contiguous + 40),) if contiguous < LOG_NUMBER_MAX else ()
            checksum = self.rng.choice((None, self.rng.randrange(65_536)))
            logs.append(NodeLog(index, contiguous, checksum, held * self.rng.randrange(2)))
        return Vector(0, 254, tuple(logs))

    def _request(self) -> Message:
        return Request(self.rng.choice((0, 0, 255, 3)), self._portions(), self.rng.randrange(33))

    def _gone(self) -> Message:
        return Gone(self._portions())

    def _compare(self) -> Message:
        return Compare(
            self.rng.randrange(2),
            self._log(),
            self.rng.randrange(1, 8),
            self.rng.randrange(40),
            self.rng.randrange(1, 5),
        )

    def _sketch(self) -> Message:
        symbols = symbols_of(
            [self.rng.randrange(5) for _ in range(3)], self.rng.randrange(99), self.rng.randrange(1, 9)
        )
        return Sketch(self._log(), self.rng.randrange(1, 8), symbols)

    def _wanted(self) -> Message:
        names = {self.rng.randbytes(8) for _ in range(self.rng.randrange(1, 4))}
        return Wanted(self.rng.randrange(2), self._log(), tuple(sorted(names)))

    def _wants(self) -> Message:
        trust = self.rng.choice(list(Trust))
        name = ObjectId(prefix_of(envelope_id(self.rng.choice(LONG))))
        source = None if trust is Trust.OPEN else self.rng.randrange(LOGS)
        return Wants((Want(name, self.rng.randrange(1, 256), trust, source),))

    def _envelope(self, sender: NodeIndex, counter: int) -> bytes:
        place = (self._log(), self.rng.choice(NUMBERS))
        return encode_frame(EnvelopeFrame(sender, self.rng.choice((0, 1, 15)), *place, self.rng.choice(SHORT)), LINK)

    def _symbol(self, sender: NodeIndex, counter: int) -> bytes:
        symbol = Encoder(self.rng.choice(LONG), FRAME_BYTES_MAX).symbol(self.rng.randrange(12))
        place = (self._log(), self.rng.choice(NUMBERS))
        return encode_frame(SymbolFrame(sender, self.rng.choice((0, 15)), *place, symbol), LINK)

    def _tidings(self, sender: NodeIndex, counter: int) -> bytes:
        count = self.rng.randrange(1, 9)
        places = {Told(self._log(), self.rng.choice(NUMBERS), self.rng.randrange(256)) for _ in range(count)}
        return encode_tidings(Tidings(sender, counter, tuple(sorted(places))), LINK)

    def _blend(self, sender: NodeIndex, counter: int) -> bytes:
        index, first = self._log(), self.rng.choice((1, 2, 8, 20))
        places = [Place(index, first + step) for step in range(self.rng.randrange(1, 5))]
        seed = self.rng.randrange(65_536)
        return encode_blend(blended(sender, seed, {place: self.rng.choice(SHORT) for place in places}), LINK)

    def _receipt(self, sender: NodeIndex, counter: int) -> bytes:
        names = {prefix_of(envelope_id(envelope)) for envelope in self.rng.sample(SHORT, self.rng.randrange(4))}
        return encode_frame(ReceiptFrame(sender, counter, tuple(sorted(names))), LINK)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_machine_outlives_what_members_say(seed: int) -> None:
    rng = random.Random(seed)
    station, members = Station(), Members(rng)
    if rng.random() < 0.6:
        station.gather()
    for _ in range(rng.randrange(5, SAYINGS_MAX)):
        station.mood = rng.choice((0, 0, 0, 0, 1, 2, 3, 4, 5))
        if rng.random() < 0.2:
            station.now_ms += rng.choice(PAUSES_MS)
            station.settle(rng.randrange(1, 8))
            continue
        station.counter += 1
        station.heard(members.frame(NodeIndex(rng.randrange(1, OTHERS + 1)), station.counter))
        station.work()
    station.check()
