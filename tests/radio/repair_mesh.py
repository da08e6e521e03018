"""A small mesh of repair machines on a virtual clock: real control frames, half duplex, carrier sense, collisions.

Envelopes are bytes that follow from their places; what floods is left out or lost, so that repair carries everything. A
node's disk is what `stored` was told after a delay; a crash leaves the disk, the counters reserved on it, and no more.
"""

import functools
import hashlib
import heapq
import random
from collections.abc import Callable, Iterable

from app.core.envelope import EnvelopeId, envelope_id
from app.radio.blend import Found, Place, blended, encode_blend
from app.radio.frame import LinkKeys, NodeIndex
from app.radio.logbook import Logbook, LogEntry
from app.radio.means import Output, OwnLogAhead, RepairEvent, SendBlend, SendControl, SendEntry, SendTidings
from app.radio.parcel import CountersNeeded
from app.radio.profile import EU868
from app.radio.repair import Repair
from app.radio.span import Span

LINK = LinkKeys(space_id=b"s" * 16, keys=(b"k" * 32,))
HOUR_MS = 3_600_000
ENVELOPE_BYTES = 205
DISK_MS = (5, 400)
COUNTERS = 64


def envelope_at(index: int, number: int, variant: int = 0) -> bytes:
    """The envelope at a place; variants are what a node's twin wrote there."""
    return hashlib.shake_128(f"{index}/{number}/{variant}".encode()).digest(ENVELOPE_BYTES)


@functools.cache
def entry(index: int, number: int, variant: int = 0) -> LogEntry:
    """Its place and name."""
    return LogEntry(index, number, envelope_id(envelope_at(index, number, variant)), ENVELOPE_BYTES)


@functools.cache
def envelope_of(known: LogEntry) -> bytes:
    """The bytes of an entry."""
    variants = (envelope_at(known.index, known.number, variant) for variant in range(8))
    return next(envelope for envelope in variants if envelope_id(envelope) == known.envelope_id)


class Node:
    """A disk, and a machine that a power cut wipes."""

    def __init__(self, mesh: "Mesh", index: int) -> None:
        self.mesh = mesh
        self.index = NodeIndex(index)
        self.entries: dict[EnvelopeId, LogEntry] = {}
        self.gone: list[tuple[int, Span]] = []
        self.next_counter = 1
        self.heard: dict[int, int] = {}
        self.events: list[RepairEvent] = []
        self.busy_until_ms = 0.0
        self.spent_ms = 0.0
        self.start()

    def start(self) -> None:
        """Boot from the disk."""
        log = Logbook()
        for known in self.entries.values():
            log.append(known)
        for index, span in self.gone:
            log.drop(index, span)
        self.log = log
        self.repair = Repair(
            self.index,
            LINK,
            log,
            EU868.frame_airtime_ms,
            self.mesh.rng,
            neighbor_ms_per_hour=self.mesh.neighbor_ms_per_hour,
            heard=self.heard,
            blends=self.mesh.blends,
        )
        self.repair.start(self.mesh.now_ms)
        self.take_events()

    def crash(self) -> None:
        """The power goes and comes back; the counters heard were saved a while ago."""
        self.heard = self.repair.heard_counters()
        self.start()

    def write(self, known: LogEntry) -> None:
        """An envelope enters here, or arrived by another way."""
        self.entries[known.envelope_id] = known
        self._find(self.repair.stored(known, self.mesh.now_ms, envelope=envelope_of(known)), self.index)

    def expire(self, index: int, span: Span) -> None:
        """These are gone from the disk."""
        self.entries = {
            name: known for name, known in self.entries.items() if not (known.index == index and known.number in span)
        }
        self.gone.append((index, span))
        self.repair.gone(index, span)

    def hear_entry(self, known: LogEntry, sender: int) -> None:
        self.repair.hear_entry(known.index, known.number, known.envelope_id, self.mesh.now_ms)
        if known.envelope_id in self.entries or any(i == known.index and known.number in s for i, s in self.gone):
            return
        self.mesh.after(self.mesh.rng.randint(*DISK_MS), lambda: self._store(known, sender))

    def hear_blend(self, frame: bytes) -> None:
        blend = self.repair.open_blend(frame)
        if blend is None:
            return
        here = {Place(known.index, known.number): envelope_of(known) for known in self.entries.values()}
        held = {place: here[place] for place in blend.places if place in here}
        self.repair.hear_blend(blend, self.mesh.now_ms)
        self._find(self.repair.solve(blend, held), blend.sender)

    def _find(self, found: list[Found], sender: int) -> None:
        """What came out of blends is opened, and what is none of the envelopes is refused."""
        for one in found:
            known = LogEntry(one.place.index, one.place.number, envelope_id(one.envelope), len(one.envelope))
            genuine = any(entry(known.index, known.number, variant) == known for variant in range(8))
            if genuine:
                self.hear_entry(known, sender)
            else:
                self.repair.refused(sender, self.mesh.now_ms, blended=True)

    def _store(self, known: LogEntry, sender: int) -> None:
        self.entries[known.envelope_id] = known
        self._find(
            self.repair.stored(known, self.mesh.now_ms, sender, envelope=envelope_of(known), mended=True), sender
        )

    def take_events(self) -> None:
        for event in self.repair.events():
            if isinstance(event, CountersNeeded):
                self.repair.grant(self.next_counter, COUNTERS)
                self.next_counter += COUNTERS
            self.events.append(event)


class _Flight:
    def __init__(self, sender: Node, start_ms: float, end_ms: float, receivers: list[Node]) -> None:
        self.sender = sender
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.receivers = receivers


class Mesh:
    """Nodes, who hears whom, and one event queue."""

    def __init__(self, nodes: int, seed: int, loss: float = 0.0, duty: float = 0.1, *, blends: bool = True) -> None:
        self.rng = random.Random(seed)
        self.now_ms = 0
        self.loss = loss
        self.duty = duty
        self.blends = blends
        self.neighbor_ms_per_hour = duty * HOUR_MS * 0.8
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._flights: list[_Flight] = []
        self.links: set[frozenset[int]] = set()
        self.sent: list[tuple[int, int, Output]] = []
        self.spies: list[Callable[[Node, bytes], None]] = []
        self.nodes = [Node(self, index) for index in range(nodes)]
        self.connect_all()

    # Topology

    def connect_all(self) -> None:
        self.links = {frozenset((a.index, b.index)) for a in self.nodes for b in self.nodes if a is not b}

    def connect_chain(self) -> None:
        self.links = {frozenset((index, index + 1)) for index in range(len(self.nodes) - 1)}

    def connect_groups(self, *groups: Iterable[int]) -> None:
        self.links = {frozenset((a, b)) for group in map(list, groups) for a in group for b in group if a != b}

    def neighbors(self, node: Node) -> list[Node]:
        return [other for other in self.nodes if frozenset((node.index, other.index)) in self.links]

    # Time

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._count, action))

    def run(self, duration_ms: int) -> None:
        """Let time pass."""
        self.run_until(lambda: False, duration_ms)

    def run_until(self, condition: Callable[[], bool], limit_ms: int) -> bool:
        """Let time pass until the condition holds; False when it never does."""
        end_ms = self.now_ms + limit_ms
        while not condition():
            next_ms = self._next_ms()
            if next_ms is None or next_ms > end_ms:
                self.now_ms = end_ms
                return condition()
            self.now_ms = max(self.now_ms, next_ms)
            while self._queue and self._queue[0][0] <= self.now_ms:
                heapq.heappop(self._queue)[2]()
            for node in self.nodes:
                self._serve(node)
        return True

    def _next_ms(self) -> int | None:
        times = [time for time in (self._wake_ms(node) for node in self.nodes) if time is not None]
        if self._queue:
            times.append(self._queue[0][0])
        return min(times, default=None)

    def _wake_ms(self, node: Node) -> int | None:
        deadline_ms = node.repair.deadline_ms()
        if deadline_ms is None:
            return None
        return max(deadline_ms, -int(-node.busy_until_ms // 1), self.now_ms + 1)

    # The channel

    def _serve(self, node: Node) -> None:
        node.take_events()
        if node.busy_until_ms > self.now_ms:
            return
        if any(node in flight.receivers and flight.end_ms > self.now_ms for flight in self._flights):
            node.busy_until_ms = self.now_ms + self.rng.randint(20, 400)
            return
        for output in node.repair.poll(self.now_ms):
            self._transmit(node, output)
        node.take_events()

    def _transmit(self, node: Node, output: Output) -> None:
        airtime_ms = output.airtime_ms
        flight = _Flight(node, self.now_ms, self.now_ms + airtime_ms, self.neighbors(node))
        self._flights = [other for other in self._flights if other.end_ms > self.now_ms - 5_000] + [flight]
        node.busy_until_ms = self.now_ms + airtime_ms / self.duty
        node.spent_ms += airtime_ms
        self.sent.append((self.now_ms, node.index, output))
        self.after(-int(-airtime_ms // 1), lambda: self._land(flight, output))

    def _land(self, flight: _Flight, output: Output) -> None:
        if isinstance(output, SendControl | SendTidings):
            flight.sender.repair.sent(self.now_ms)
        for receiver in flight.receivers:
            if self.rng.random() < self.loss or self._collides(flight, receiver):
                continue
            self._deliver(flight.sender, receiver, output)
            receiver.take_events()

    def _deliver(self, sender: Node, receiver: Node, output: Output) -> None:
        match output:
            case SendControl():
                receiver.repair.receive(output.frame, self.now_ms)
                for spy in self.spies:
                    spy(receiver, output.frame)
            case SendTidings():
                receiver.repair.hear_tidings(output.frame, self.now_ms)
            case SendEntry():
                known = sender.entries.get(output.envelope_id)
                if known is not None:
                    receiver.hear_entry(known, sender.index)
            case SendBlend():
                envelopes = {Place(known.index, known.number): envelope_of(known) for known in output.entries}
                frame = encode_blend(blended(sender.index, output.seed, envelopes), LINK)
                assert abs(EU868.frame_airtime_ms(len(frame)) - output.airtime_ms) < 1
                receiver.hear_blend(frame)

    def _collides(self, flight: _Flight, receiver: Node) -> bool:
        return any(
            other is not flight
            and (other.sender is receiver or receiver in other.receivers)
            and other.start_ms < flight.end_ms
            and flight.start_ms < other.end_ms
            for other in self._flights
        )

    # Judging

    def agrees(self) -> bool:
        """Every node holds every living envelope that any node holds."""
        return len({frozenset(node.entries) for node in self.nodes}) == 1

    def airtime_ms(self, kind: type, since_ms: int = 0) -> float:
        return sum(
            output.airtime_ms for at_ms, _, output in self.sent if at_ms >= since_ms and isinstance(output, kind)
        )

    def own_log_ahead(self) -> list[OwnLogAhead]:
        return [event for node in self.nodes for event in node.events if isinstance(event, OwnLogAhead)]
