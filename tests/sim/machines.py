"""The radio machines of one node behind one surface: flooding, and repair where a log lacks something.

Frames go to the machine that their type names; both draw on one hour of airtime and on counters from one row on disk.
"""

import random
from collections.abc import Callable

from app.core.envelope import EnvelopeId, envelope_id
from app.errors import DecodeError
from app.radio.airtime import AirtimeBudget
from app.radio.frame import CONTROL_TYPE, HOPS_MAX, EnvelopeFrame, LinkKeys, NodeIndex, decode_frame, encode_frame
from app.radio.gossip import PEOPLE_RESERVE, Gossip
from app.radio.logbook import Logbook, LogEntry
from app.radio.means import Output, RepairEvent, SendControl
from app.radio.parcel import CountersNeeded, EnvelopeHeard, Event, Parcel, Priority, Purpose, Signal, Transmit
from app.radio.repair import Repair

NEIGHBOR_SHARE = 0.25
"""Of the hour's airtime, what repair may spend on one neighbor."""


class Grant:
    """Which machine asked for counters."""

    def __init__(self, grant: Callable[[int, int], None]) -> None:
        self.grant = grant


class Machines:
    """Gossip and Repair as one. `read` finds an envelope's bytes on the disk; `heard` are saved counters."""

    def __init__(
        self,
        me: NodeIndex,
        link: LinkKeys,
        budget: AirtimeBudget,
        airtime_ms: Callable[[int], float],
        rng: random.Random,
        log: Logbook,
        read: Callable[[EnvelopeId], bytes | None],
        heard: dict[int, int],
    ) -> None:
        self.gossip = Gossip(me, link, budget, airtime_ms, rng)
        share_ms = budget.limit_ms * NEIGHBOR_SHARE
        self.repair = Repair(me, link, log, airtime_ms, rng, neighbor_ms_per_hour=share_ms, heard=heard)
        self._me = me
        self._link = link
        self._budget = budget
        self._read = read
        self._heard: dict[EnvelopeId, EnvelopeHeard] = {}
        self._flight: str | None = None
        self._waiting: tuple[Output, int] | None = None

    def start(self, nodes: frozenset[NodeIndex], now_ms: int) -> None:
        self.gossip.known_nodes(nodes, now_ms)
        self.repair.start(now_ms)
        self.gossip.greet(now_ms)

    def offer(self, parcel: Parcel, now_ms: int) -> bool:
        self.repair.stored(_entry(parcel), now_ms)
        return self.gossip.offer(parcel, frozenset({self._me}), now_ms)

    def stored(self, envelope_id: EnvelopeId, now_ms: int, priority: Priority) -> None:
        heard = self._heard.pop(envelope_id, None)
        self.gossip.stored(envelope_id, now_ms, priority)
        if heard is not None:
            self.repair.stored(_entry(heard.parcel), now_ms, heard.sender)

    def refused(self, envelope_id: EnvelopeId, now_ms: int) -> None:
        heard = self._heard.pop(envelope_id, None)
        self.gossip.refused(envelope_id)
        if heard is not None:
            self.repair.refused(heard.sender, now_ms)

    def receive(self, frame: bytes, signal: Signal, now_ms: int) -> None:
        if frame and frame[0] & 0x0F == CONTROL_TYPE:
            self.repair.receive(frame, now_ms)
            return
        self.gossip.receive(frame, signal, now_ms)
        try:
            said = decode_frame(frame, self._link)
        except DecodeError:
            return
        if isinstance(said, EnvelopeFrame) and said.sender != self._me:
            name = envelope_id(said.envelope)
            self.repair.hear_entry(said.entry, said.number, name, now_ms)

    def sent(self, now_ms: int) -> None:
        flight, self._flight = self._flight, None
        if flight == "gossip":
            self.gossip.sent(now_ms)
        elif flight == "control":
            self.repair.sent(now_ms)

    def poll(self, now_ms: int) -> list[Transmit]:
        if self._flight is not None:
            return []
        for transmit in self.gossip.poll(now_ms):
            self._flight = "gossip"
            return [transmit]
        return self._poll_repair(now_ms)

    def deadline_ms(self) -> int | None:
        if self._flight is not None:
            return None
        waits = self._waiting
        repair_ms = self.repair.deadline_ms() if waits is None else waits[1]
        times = [self.gossip.deadline_ms(), repair_ms]
        return min((time for time in times if time is not None), default=None)

    def events(self) -> list[Event | RepairEvent | Grant]:
        events: list[Event | RepairEvent | Grant] = []
        for event in self.gossip.events():
            if isinstance(event, EnvelopeHeard):
                self._heard[event.parcel.envelope_id] = event
            events.append(Grant(self.gossip.grant) if isinstance(event, CountersNeeded) else event)
        events += [
            Grant(self.repair.grant) if isinstance(said, CountersNeeded) else said for said in self.repair.events()
        ]
        return events

    def _poll_repair(self, now_ms: int) -> list[Transmit]:
        if self._waiting is None:
            due_ms = self.repair.deadline_ms()
            if due_ms is None or due_ms > now_ms:
                return []
            for output in self.repair.poll(now_ms):
                self._waiting = (output, now_ms)
        if self._waiting is None:
            return []
        output, _ = self._waiting
        reserve_ms = PEOPLE_RESERVE * self._budget.limit_ms
        ready_ms = self._budget.ready_at_ms(output.airtime_ms, now_ms, reserve_ms)
        if ready_ms is None or ready_ms > now_ms:
            self._waiting = None if ready_ms is None else (output, ready_ms)
            return []
        self._waiting = None
        frame = self._frame(output)
        if frame is None:
            return []
        self._budget.spend(output.airtime_ms, now_ms)
        self._flight = "control" if isinstance(output, SendControl) else "entry"
        return [Transmit(frame, output.airtime_ms, Purpose.RETRY)]

    def _frame(self, output: Output) -> bytes | None:
        if isinstance(output, SendControl):
            return output.frame
        envelope = self._read(output.envelope_id)
        if envelope is None:
            return None
        return encode_frame(
            EnvelopeFrame(self._me, HOPS_MAX, NodeIndex(output.index), output.number, envelope), self._link
        )


def _entry(parcel: Parcel) -> LogEntry:
    return LogEntry(parcel.entry, parcel.number, parcel.envelope_id, len(parcel.envelope))
