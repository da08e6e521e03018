"""The whole radio machine of a node, fuzzed: members say anything, time passes, the disk answers as it likes."""

import random
from collections.abc import Callable

from app.core.envelope import envelope_id
from app.radio.assembly import BYTES_MAX, OBJECTS_MAX
from app.radio.control import Kind
from app.radio.frame import LOG_NUMBER_MAX, NodeIndex
from app.radio.gossip import ITEMS_MAX
from app.radio.logbook import Logbook, LogEntry
from app.radio.mesh import PLACES_MAX, Mesh
from app.radio.parcel import CountersNeeded, EnvelopeHeard, EnvelopeWanted, Parcel, Priority, Signal, prefix_of
from app.radio.profile import EU868
from app.radio.span import Span
from tests.fuzz import members
from tests.fuzz.machines import pieces

ENTRIES = 6
"""Envelopes on the node's disk, the last one of several frames."""
OTHERS = 8
NOTHING = bytes([Kind.VECTOR, 0, 254])
"""The vector of a node that has nothing."""
STEPS = 40
"""Frames and answers after the last piece."""
SIGNAL = Signal(-90, 5.0)


class Station:
    """A mesh machine with a disk that answers as `mood` says: it keeps, refuses, or forgets what is heard."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.counter = 100
        self.granted = 1
        self.mood = 0
        self.disk = {prefix_of(parcel.envelope_id): parcel for parcel in map(_parcel, range(1, ENTRIES + 1))}
        self.log = log = Logbook()
        for parcel in self.disk.values():
            log.append(LogEntry(parcel.entry, parcel.number, parcel.envelope_id, len(parcel.envelope)))
        self.budget = EU868.budget()
        self.mesh = Mesh(
            NodeIndex(0), members.LINK, self.budget, EU868.frame_airtime_ms, random.Random(1), log=log, heard={1: 99}
        )
        self.mesh.known_nodes(frozenset(map(NodeIndex, range(1 + OTHERS))), self.now_ms)
        self.mesh.pair_keys({1: bytes(32)})
        self.mesh.greet(self.now_ms)
        self.work()

    def hear(self, piece: bytes) -> None:
        """One byte of what it is, then what it says."""
        how, said = piece[0], piece[1:]
        self.mood = how >> 4
        _SAYINGS[how % len(_SAYINGS)](self, said)
        self.work()

    def heard(self, frame: bytes) -> None:
        self.mesh.receive(frame, SIGNAL, self.now_ms)

    def told(self, said: bytes) -> None:
        self.counter += 1
        self.heard(members.sealed_control(said, 1 + said[-1] % OTHERS if said else 1, self.counter))

    def gather(self) -> None:
        """So many neighbors are heard that one of them speaks for all."""
        for _ in range(OTHERS):
            self.counter += 1
            self.heard(members.sealed_control(NOTHING, 1 + self.counter % OTHERS, self.counter))
        self.work()

    def near(self, index: int) -> int:
        """About how far a log goes here."""
        known = {log.index: log.highest for log in self.log.vector()}
        return known.get(index, 0)

    def passes(self, said: bytes) -> None:
        """Time, up to 65 s for a byte."""
        self.now_ms += sum(said[:4]) << 8
        self.speak()

    def speak(self) -> None:
        for transmit in self.mesh.poll(self.now_ms):
            assert self.budget.spent_ms(self.now_ms) <= self.budget.limit_ms
            self.now_ms += round(transmit.airtime_ms)
            self.mesh.sent(self.now_ms, ok=self.mood != 1)

    def work(self) -> None:
        """The disk's answers."""
        for event in self.mesh.events():
            match event:
                case CountersNeeded():
                    self.mesh.grant(self.granted, 64)
                    self.granted += 64
                case EnvelopeWanted(prefix):
                    self.mesh.fetched(prefix, None if self.mood == 2 else self.disk.get(prefix))
                case EnvelopeHeard(parcel):
                    self._answer(parcel)
                case _:
                    pass

    def _answer(self, parcel: Parcel) -> None:
        if self.mood == 3:
            self.mesh.refused(parcel.envelope_id, self.now_ms)
        elif self.mood == 4:
            self.mesh.forget(parcel.envelope_id)
        elif self.mood != 5:  # a disk that never answers
            self.disk[prefix_of(parcel.envelope_id)] = parcel
            self.mesh.stored(parcel.envelope_id, self.now_ms)

    def settle(self, steps: int) -> None:
        """Let it say what is due, so many times."""
        for _ in range(steps):
            deadline_ms = self.mesh.deadline_ms()
            if deadline_ms is None:
                break
            self.now_ms = max(self.now_ms + 1, deadline_ms)
            self.speak()
            self.work()

    def check(self) -> None:
        """What it holds is bounded, whatever was said."""
        assert len(self.mesh._assembler) <= OBJECTS_MAX
        assert self.mesh._assembler.bytes_held <= BYTES_MAX
        assert len(self.mesh._gossip._items) <= ITEMS_MAX
        assert len(self.mesh._places) <= PLACES_MAX
        held = {entry.number for entry in self.log.get(0, Span(1, ENTRIES), LOG_NUMBER_MAX)}
        assert held == set(range(1, ENTRIES + 1)), "what is on the disk stays there"


def converses(data: bytes) -> None:
    """A byte that says whether there is a crowd, then pieces, each with a byte of length before it."""
    station = Station()
    if data[:1] == b"\1":
        station.gather()
    for piece in pieces(data[1:]):
        if piece:
            station.hear(piece)
    station.settle(STEPS)
    station.check()


def _parcel(number: int) -> Parcel:
    envelope = bytes([0x12, number]) * (300 if number == ENTRIES else 60)
    return Parcel(envelope, envelope_id(envelope), NodeIndex(0), number, Priority.PEOPLE)


_SAYINGS: tuple[Callable[[Station, bytes], None], ...] = (
    Station.heard,
    Station.told,
    lambda station, said: station.heard(members.signed_frame(said)),
    lambda station, said: station.heard(members.signed_symbol_frame(said)),
    Station.passes,
    Station.told,
    Station.passes,
    lambda station, said: station.heard(members.signed_tidings(said)),
    lambda station, said: station.heard(members.signed_blend(said, station.near)),
)
