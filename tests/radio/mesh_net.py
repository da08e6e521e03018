"""A few mesh machines on one channel and a virtual clock: real frames, one at a time, each lost by each listener alone.

A node's disk is a dictionary that answers after a delay; a restart keeps it, the reserved counters, and nothing else.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from functools import partial

from app.core.envelope import EnvelopeId, envelope_id
from app.radio.frame import LinkKeys, NodeIndex
from app.radio.logbook import Logbook, LogEntry
from app.radio.mesh import Mesh, MeshEvent
from app.radio.parcel import (
    CountersNeeded,
    Covered,
    EnvelopeHeard,
    EnvelopeWanted,
    Held,
    Parcel,
    Priority,
    Purpose,
    Rejected,
    Signal,
    Transmit,
    prefix_of,
)
from app.radio.profile import EU868

LINK = LinkKeys(b"s" * 16, (b"k" * 32,))
MINUTE = 60_000
HOUR = 60 * MINUTE
DISK_MS = (5, 300)
COUNTERS = 64


def envelope(number: int, size: int = 200) -> bytes:
    """Bytes that look like an envelope from outside."""
    return b"\x12" + hashlib.shake_256(f"{number}".encode()).digest(size - 1)


class Node:
    """A disk, and a machine that a power cut wipes."""

    def __init__(self, net: "Net", index: int) -> None:
        self.net = net
        self.index = NodeIndex(index)
        self.disk: dict[EnvelopeId, Parcel] = {}
        self.places: set[tuple[int, int, EnvelopeId]] = set()
        self.kept_by: dict[EnvelopeId, set[int]] = {}
        self.rejected: Counter[str] = Counter()
        self.said: list[MeshEvent] = []
        self.next_counter = 1
        self.next_number = 1
        self.heard: dict[int, int] = {}
        self.is_on = False

    def start(self) -> None:
        """Boot from the disk."""
        log = Logbook()
        for index, number, name in sorted(self.places):
            log.append(LogEntry(index, number, name, len(self.disk[name].envelope)))
        self.budget = EU868.budget()
        self.mesh = Mesh(self.index, LINK, self.budget, EU868.frame_airtime_ms, self.net.rng, log=log, heard=self.heard)
        self.mesh.known_nodes(frozenset(node.index for node in self.net.nodes), self.net.now_ms)
        self.writes: list[tuple[int, Callable[[], None]]] = []
        self.is_on = True
        self.mesh.greet(self.net.now_ms)

    def stop(self) -> None:
        self.heard = self.mesh.heard_counters()
        self.is_on = False

    def post(self, data: bytes, priority: Priority = Priority.PEOPLE) -> EnvelopeId:
        name = envelope_id(data)
        parcel = Parcel(data, name, self.index, self.next_number, priority)
        self.next_number += 1
        self._write(parcel)
        assert self.mesh.offer(parcel, frozenset({self.index}), self.net.now_ms)
        return name

    def _write(self, parcel: Parcel) -> None:
        self.disk.setdefault(parcel.envelope_id, parcel)
        self.places.add((parcel.entry, parcel.number, parcel.envelope_id))
        self.kept_by.setdefault(parcel.envelope_id, set())

    def work(self) -> None:
        now_ms = self.net.now_ms
        due = [write for at_ms, write in self.writes if at_ms <= now_ms]
        self.writes = [(at_ms, write) for at_ms, write in self.writes if at_ms > now_ms]
        for write in due:
            write()
        for event in self.mesh.events():
            self.said.append(event)
            self._hear(event)

    def _hear(self, event: MeshEvent) -> None:
        match event:
            case EnvelopeHeard(parcel):
                self._soon(partial(self._accept, parcel))
            case EnvelopeWanted(prefix):
                self._soon(partial(self._fetch, prefix))
            case Held(prefix, node):
                self._keep(node, {name for name in self.disk if name.startswith(prefix)})
            case Covered(node, index, first, last):
                self._keep(node, {name for at, number, name in self.places if at == index and first <= number <= last})
            case CountersNeeded():
                self.mesh.grant(self.next_counter, COUNTERS)
                self.next_counter += COUNTERS
            case Rejected(reason):
                self.rejected[reason] += 1

    def _soon(self, write: Callable[[], None]) -> None:
        self.writes.append((self.net.now_ms + self.net.rng.randint(*DISK_MS), write))

    def _accept(self, parcel: Parcel) -> None:
        if self.net.is_forged(parcel.envelope):
            self.mesh.refused(parcel.envelope_id, self.net.now_ms)
            return
        self._write(parcel)
        self.mesh.stored(parcel.envelope_id, self.net.now_ms)

    def _fetch(self, prefix: bytes) -> None:
        parcel = next((parcel for name, parcel in self.disk.items() if prefix_of(name) == prefix), None)
        self.mesh.fetched(prefix_of(EnvelopeId(prefix)), parcel)

    def _keep(self, node: int, names: set[EnvelopeId]) -> None:
        for name in names:
            self.kept_by[name].add(node)


class Net:
    """One channel. Nodes send one after the other; `links` says who hears whom, None for all."""

    def __init__(self, nodes: int, seed: int = 1, loss: float = 0.0) -> None:
        self.rng = random.Random(seed)
        self.loss = loss
        self.now_ms = 0
        self.busy_until_ms = 0
        self.links: set[frozenset[int]] | None = None
        self.forged: set[bytes] = set()
        self.sent: list[tuple[int, NodeIndex, Transmit]] = []
        self.nodes = [Node(self, index) for index in range(nodes)]
        self._landing: tuple[int, Node, Transmit] | None = None
        for node in self.nodes:
            node.start()

    def is_forged(self, data: bytes) -> bool:
        return data in self.forged

    def run(self, ms: int) -> None:
        self.until(lambda: False, ms)

    def until(self, condition: Callable[[], bool], limit_ms: int) -> bool:
        """Let time pass until the condition holds; False when it never does."""
        end_ms = self.now_ms + limit_ms
        while not condition() and self.now_ms < end_ms:
            self._step()
            self.now_ms = max(self.now_ms + 1, min(self._next_ms(), end_ms))
        return condition()

    def agree(self) -> bool:
        """Whether all nodes that are on have the same."""
        held = [set(node.disk) for node in self.nodes if node.is_on]
        return all(names == held[0] for names in held)

    def airtime_ms(self, *purposes: Purpose, since_ms: int = 0) -> float:
        return sum(
            sent.airtime_ms
            for at, _, sent in self.sent
            if at >= since_ms and (not purposes or sent.purpose in purposes)
        )

    def _step(self) -> None:
        if self._landing is not None and self._landing[0] <= self.now_ms:
            self._land()
        order = [node for node in self.nodes if node.is_on]
        self.rng.shuffle(order)
        for node in order:
            node.work()
            due_ms = node.mesh.deadline_ms()
            if self._landing is None and due_ms is not None and due_ms <= self.now_ms:
                for transmit in node.mesh.poll(self.now_ms):
                    self.sent.append((self.now_ms, node.index, transmit))
                    self._landing = (self.now_ms + round(transmit.airtime_ms), node, transmit)
                node.work()
            assert node.budget.spent_ms(self.now_ms) <= node.budget.limit_ms + 1

    def _land(self) -> None:
        assert self._landing is not None
        _, sender, transmit = self._landing
        self._landing = None
        if sender.is_on:
            sender.mesh.sent(self.now_ms)
        for node in self.nodes:
            linked = self.links is None or frozenset((sender.index, node.index)) in self.links
            if node.is_on and node is not sender and linked and self.rng.random() >= self.loss:
                node.mesh.receive(transmit.frame, Signal(-90, 0.0), self.now_ms)

    def _next_ms(self) -> int:
        times = [at_ms for node in self.nodes if node.is_on for at_ms, _ in node.writes]
        if self._landing is not None:
            times.append(self._landing[0])
        else:
            times += [due for node in self.nodes if node.is_on for due in [node.mesh.deadline_ms()] if due is not None]
        return min(times, default=self.now_ms + 1_000)
