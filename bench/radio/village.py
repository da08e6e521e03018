"""TNTN's radio machines on the channel, with disks that are dictionaries: who wrote what, and who has it."""

import random
from collections.abc import Mapping, Sequence

from app.core.envelope import EnvelopeId, envelope_id
from app.radio.control import KINDS, open_control
from app.radio.dialects.on_air import unwrap, wrap
from app.radio.ether import Arrival
from app.radio.frame import (
    HOPS_MAX,
    EnvelopeFrame,
    NodeIndex,
    ReceiptFrame,
    decode_frame,
    is_blend,
    is_control,
    is_tidings,
)
from app.radio.logbook import Logbook, LogEntry
from app.radio.mesh import Mesh
from app.radio.parcel import CountersNeeded, EnvelopeHeard, EnvelopeWanted, Parcel, Priority, Signal
from app.radio.profile import Profile
from app.radio.purses import Meter
from app.radio.transceiver import Transceiver
from bench.radio.channel import Channel
from bench.radio.posts import LINK

DISK_MS = (20, 120)
COUNTERS = 256


class Node:
    """One node: its machines, and what is on its disk."""

    def __init__(self, village: "Village", index: int, name: str) -> None:
        self.name = name
        self.held: dict[EnvelopeId, Parcel] = {}
        self.log = Logbook()
        self.radio: Transceiver = village.channel.radios[name]
        self._village = village
        self._index = NodeIndex(index)
        self._next_counter = 0
        self._next_number = 1

    def start(self) -> None:
        """Boot."""
        village = self._village
        profile = village.channel.profile
        self._mesh = Mesh(
            self._index,
            LINK,
            Meter(profile),
            profile.frame_airtime_ms,
            village.channel.rng,
            log=self.log,
        )
        self._mesh.known_nodes(village.indexes, village.channel.now_ms)
        self._mesh.greet(village.channel.now_ms)
        village.channel.touch(self.name)

    def write(self, envelope: bytes) -> None:
        """A phone writes here."""
        name = envelope_id(envelope)
        parcel = Parcel(envelope, name, self._index, self._next_number, Priority.PEOPLE)
        self._next_number += 1
        self.held[name] = parcel
        self._mesh.offer(parcel, frozenset({self._index}), self._village.channel.now_ms)
        self._village.channel.touch(self.name)

    def hold(self, envelope: bytes, entry: int, number: int) -> None:
        """It is on the disk before the node boots."""
        name = envelope_id(envelope)
        self.held[name] = Parcel(envelope, name, NodeIndex(entry), number, Priority.PEOPLE)
        self.log.append(LogEntry(entry, number, name, len(envelope)))

    def hear(self, arrival: Arrival) -> None:
        signal = Signal(round(arrival.rssi_dbm), arrival.snr_db)
        self._mesh.receive(unwrap(arrival.transmission.packet), signal, self._village.channel.now_ms)

    def finish(self) -> None:
        self._mesh.sent(self._village.channel.now_ms)

    def step(self) -> None:
        now_ms = self._village.channel.now_ms
        self._dispatch()
        due_ms = self._mesh.deadline_ms()
        if due_ms is not None and due_ms <= now_ms and self.radio.is_clear:
            for transmit in self._mesh.poll(now_ms):
                self.radio.send(wrap(transmit.frame, 0), now_ms)
            self._dispatch()

    def deadline_ms(self) -> int | None:
        return self._mesh.deadline_ms()

    def _dispatch(self) -> None:
        for event in self._mesh.events():
            if isinstance(event, EnvelopeHeard):
                delay_ms = self._village.channel.rng.randint(*DISK_MS)
                self._village.channel.after(delay_ms, lambda parcel=event.parcel: self._store(parcel))  # type: ignore[misc]
            elif isinstance(event, CountersNeeded):
                self._mesh.grant(self._next_counter, COUNTERS)
                self._next_counter += COUNTERS
            elif isinstance(event, EnvelopeWanted):
                found = next((parcel for name, parcel in self.held.items() if name.startswith(event.prefix)), None)
                self._mesh.fetched(event.prefix, found)

    def _store(self, parcel: Parcel) -> None:
        self.held[parcel.envelope_id] = parcel
        self._mesh.stored(parcel.envelope_id, self._village.channel.now_ms, parcel.priority)
        self._village.channel.touch(self.name)


class Village:
    """Nodes on one channel."""

    def __init__(
        self,
        profile: Profile,
        names: Sequence[str],
        losses_db: Mapping[tuple[str, str], float],
        seed: int,
        frame_loss: float = 0.0,
    ) -> None:
        self.channel = Channel(profile, names, losses_db, random.Random(seed), frame_loss, _kind)
        self.indexes = frozenset(NodeIndex(index) for index in range(len(names)))
        self.nodes = [Node(self, index, name) for index, name in enumerate(names)]
        self.channel.speakers.update({node.name: node for node in self.nodes})

    def start(self) -> None:
        """All boot."""
        for node in self.nodes:
            node.start()

    def delivered(self, names: Sequence[EnvelopeId]) -> float:
        """The share of (post, node) pairs that are there."""
        there = sum(name in node.held for name in names for node in self.nodes)
        return there / (len(names) * len(self.nodes))


def _kind(packet: bytes) -> str:
    """What a frame carries, in a word: of posts, those of their own nodes, retries too."""
    frame = unwrap(packet)
    if is_blend(frame):
        return "blends"
    if is_tidings(frame):
        return "tidings"
    if is_control(frame):
        return f"{KINDS[type(open_control(frame, LINK).message)].name.lower()}s"
    match decode_frame(frame, LINK):
        case EnvelopeFrame(sender=sender, hops=hops, entry=entry):
            return "posts" if sender == entry and hops == 0 else "answers" if hops == HOPS_MAX else "forwards"
        case ReceiptFrame(hears=hears):
            return "receipts" if hears is None else "hellos"
        case _:
            return "symbols"
