"""Nodes behind serial cables on a virtual clock: the real mesh, KISS, modem and ether machines, and disks in memory.

The village (village.py) has the real store and bare radios; here are the modems, their cables and the noise on them.
Every claim that a node believes ("that one has it") is checked against the other's disk the moment it is made.
"""

import hashlib
import random
from collections.abc import Callable, Mapping

from app.core.envelope import EnvelopeId, envelope_id
from app.radio.dialects.kiss import Fault, Heard, Kiss, Ready, Sent, Unresponsive
from app.radio.ether import Arrival, Transmission
from app.radio.field import Field
from app.radio.frame import LinkKeys, NodeIndex
from app.radio.logbook import Logbook, LogEntry
from app.radio.mesh import Mesh
from app.radio.parcel import (
    CountersNeeded,
    Covered,
    EnvelopeHeard,
    EnvelopeWanted,
    Held,
    Parcel,
    Priority,
    Rejected,
    prefix_of,
)
from app.radio.profile import EU868
from app.radio.purses import Meter

LINK = LinkKeys(space_id=b"s" * 16, keys=(b"k" * 32,))
DISK_MS = (5, 400)
"""How long an accept takes: an idle Pi, and one whose card is busy."""
COUNTERS = 32


class Disk:
    """What survives a power cut: envelopes, who is known to hold them, and the counters given out."""

    def __init__(self) -> None:
        self.parcels: dict[EnvelopeId, Parcel] = {}
        self.holders: dict[EnvelopeId, set[NodeIndex]] = {}
        self.next_counter = 1
        self.next_number = 1

    def pending(self) -> list[Parcel]:
        return [parcel for name, parcel in self.parcels.items() if not self.holders[name]]

    def log(self) -> Logbook:
        log = Logbook()
        for parcel in self.parcels.values():
            log.append(LogEntry(parcel.entry, parcel.number, parcel.envelope_id, len(parcel.envelope)))
        return log


class Node:
    """One node: a disk, and machines."""

    def __init__(self, net: "Net", index: int, name: str) -> None:
        self.net = net
        self.index = NodeIndex(index)
        self.name = name
        self.disk = Disk()
        self.modem = net.field.modems[name]
        self.rejected: list[str] = []
        self.faults: list[str] = []

    def start(self, now_ms: int) -> None:
        self.kiss = Kiss(EU868)
        self.mesh = Mesh(self.index, LINK, Meter(EU868), EU868.frame_airtime_ms, self.net.rng, log=self.disk.log())
        self.writes: list[tuple[int, EnvelopeHeard]] = []
        self.mesh.known_nodes(frozenset(node.index for node in self.net.nodes), now_ms)
        for parcel in self.disk.pending():
            self.mesh.offer(parcel, frozenset({self.index}), now_ms)
        self.modem.output()
        self.kiss.open(now_ms)
        self.mesh.greet(now_ms)

    def post(self, envelope: bytes, now_ms: int, priority: Priority = Priority.PEOPLE) -> EnvelopeId:
        name = envelope_id(envelope)
        parcel = Parcel(envelope, name, self.index, self.disk.next_number, priority)
        self.disk.next_number += 1
        self.disk.parcels[name] = parcel
        self.disk.holders[name] = set()
        assert self.mesh.offer(parcel, frozenset({self.index}), now_ms)
        return name

    def step(self, now_ms: int) -> None:
        self._finish_writes(now_ms)
        output = self.modem.output()
        if output:
            self.kiss.receive(self.net.spoil(output), now_ms)
        for event in self.kiss.events():
            self._dispatch(event, now_ms)
        due_ms = self.mesh.deadline_ms()
        if due_ms is not None and due_ms <= now_ms and self.kiss.is_clear(now_ms):
            for transmit in self.mesh.poll(now_ms):
                self.kiss.send(transmit.frame, now_ms)
        self._believe(now_ms)
        data = self.kiss.poll(now_ms)
        if data:
            self.modem.receive(data, now_ms)

    def deadline_ms(self) -> int | None:
        deadlines = [self.kiss.deadline_ms(), *(due for due, _ in self.writes)]
        due_ms = self.mesh.deadline_ms()
        if due_ms is not None and due_ms > self.net.now_ms:
            deadlines.append(due_ms)  # what is due already waits for the modem's word
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _dispatch(self, event: object, now_ms: int) -> None:
        match event:
            case Heard(frame, signal):
                self.mesh.receive(frame, signal, now_ms)
            case Sent(ok):
                self.mesh.sent(now_ms, ok=ok)
            case Fault(reason):
                self.faults.append(reason)
            case Unresponsive():
                self.mesh.sent(now_ms, ok=False)
                self.kiss.open(now_ms)
            case Ready():
                pass

    def _believe(self, now_ms: int) -> None:
        for event in self.mesh.events():
            match event:
                case EnvelopeHeard():
                    self.writes.append((now_ms + self.net.rng.randint(*DISK_MS), event))
                case Held(prefix, node):
                    self._note(prefix, node)
                case Covered(node, index, first, last):
                    for name, parcel in self.disk.parcels.items():
                        if parcel.entry == index and first <= parcel.number <= last:
                            self._note(prefix_of(name), node)
                case EnvelopeWanted(prefix):
                    found = (parcel for name, parcel in self.disk.parcels.items() if name.startswith(prefix))
                    self.mesh.fetched(prefix, next(found, None))
                case Rejected(reason):
                    self.rejected.append(reason)
                case CountersNeeded():
                    self.mesh.grant(self.disk.next_counter, COUNTERS)
                    self.disk.next_counter += COUNTERS

    def _note(self, prefix: bytes, node: NodeIndex) -> None:
        self.net.check_claim(prefix, node)
        for name, holders in self.disk.holders.items():
            if name.startswith(prefix):
                holders.add(node)

    def _finish_writes(self, now_ms: int) -> None:
        due = [heard for due_ms, heard in self.writes if due_ms <= now_ms]
        self.writes = [(due_ms, heard) for due_ms, heard in self.writes if due_ms > now_ms]
        for heard in due:
            parcel = heard.parcel
            self.disk.parcels.setdefault(parcel.envelope_id, parcel)
            holders = self.disk.holders.setdefault(parcel.envelope_id, set())
            holders |= {parcel.entry, heard.sender} - {self.index}
            for node in holders:
                self.net.check_claim(prefix_of(parcel.envelope_id), node)
            priority = self.net.priorities.get(parcel.envelope_id, Priority.PEOPLE)
            self.mesh.stored(parcel.envelope_id, now_ms, priority)


class Net:
    """Nodes, their modems and the ether on one clock, all from one seed."""

    def __init__(
        self,
        seed: int,
        names: list[str],
        loss_db: Mapping[tuple[str, str], float],
        frame_loss: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now_ms = 1_000
        self.noise = noise
        self.priorities: dict[EnvelopeId, Priority] = {}
        self.journal: list[tuple[Transmission, list[Arrival]]] = []
        self.field = Field(names, loss_db, self.rng, frame_loss)
        self.nodes = [Node(self, index, name) for index, name in enumerate(names)]
        for node in self.nodes:
            node.start(self.now_ms)

    def envelope(self, number: int, size: int = 150, class_: int = 2) -> bytes:
        """Bytes that look like an envelope from outside; their inside is none of the radio's business."""
        stream = hashlib.shake_256(f"{self.seed}/{number}".encode()).digest(size - 1)
        return bytes([0x10 | class_]) + stream

    def spoil(self, data: bytes) -> bytes:
        """Noise on the serial line: bytes that change, and bytes from nowhere."""
        if self.noise and self.rng.random() < self.noise:
            position = self.rng.randrange(len(data))
            data = data[:position] + self.rng.randbytes(self.rng.randint(1, 8)) + data[position + 1 :]
        return data

    def check_claim(self, prefix: bytes, node: NodeIndex) -> None:
        disk = self.nodes[node].disk
        assert any(name.startswith(prefix) for name in disk.parcels), (
            f"seed {self.seed}: node {node} is believed to hold what is not on its disk"
        )

    def run(self, until: Callable[[], bool], limit_ms: int) -> None:
        """Let time pass until a condition holds; fails, with the seed, when it never does."""
        end_ms = self.now_ms + limit_ms
        while not until():
            assert self.now_ms < end_ms, f"seed {self.seed}: not reached within {limit_ms / 1000:.0f} s"
            self._step()
            self.now_ms = max(self.now_ms + 1, min(self._deadline_ms(), end_ms))

    def run_for(self, ms: int) -> None:
        """Let time pass."""
        end_ms = self.now_ms + ms
        self.run(lambda: self.now_ms >= end_ms, ms + 1)

    def agree(self) -> bool:
        """Whether all nodes have the same envelopes."""
        held = [set(node.disk.parcels) for node in self.nodes]
        return all(names == held[0] for names in held)

    def _step(self) -> None:
        self.journal += self.field.poll(self.now_ms)
        for node in self.nodes:
            node.step(self.now_ms)
        for node in self.nodes:
            spent_ms = self.field.ether.spent_ms(node.name, self.now_ms)
            assert spent_ms <= EU868.budget().limit_ms, f"seed {self.seed}: {node.name} broke the duty cycle"

    def _deadline_ms(self) -> int:
        if any(node.modem.has_output for node in self.nodes):
            return self.now_ms
        deadlines = [node.deadline_ms() for node in self.nodes]
        deadlines.append(self.field.deadline_ms(self.now_ms))
        return min((deadline for deadline in deadlines if deadline is not None), default=self.now_ms + 1000)
