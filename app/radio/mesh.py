"""The mesh: one machine that a node's radio runs. Flooding, repair by node logs, and fragments, on one hour of airtime.

New envelopes are flooded (gossip.py); what was lost, and whoever was away, is mended by node logs (repair.py);
envelopes of more than one frame travel as symbols (fragment.py, assembly.py). Whatever is heard enters by the same
door, and is spoken of once it is on the disk. Pure: time, randomness and counters come from the caller.
Spec: docs/protocol/radio-mesh.md.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from app.core.envelope import EnvelopeId, envelope_id
from app.errors import DecodeError
from app.radio.airtime import AirtimeBudget
from app.radio.assembly import Assembler
from app.radio.blend import Found, Place, blended, encode_blend
from app.radio.control import Kind, Wants
from app.radio.fragment import ObjectId, cut_for
from app.radio.frame import (
    FRAME_BYTES_MAX,
    HOPS_MAX,
    LOG_NUMBER_MAX,
    EnvelopeFrame,
    EnvelopePrefix,
    Frame,
    LinkKeys,
    NodeIndex,
    ReceiptFrame,
    SymbolFrame,
    decode_frame,
    encode_frame,
    envelope_frame_bytes,
    is_blend,
    is_control,
    is_tidings,
)
from app.radio.gossip import Gossip, Long
from app.radio.logbook import ALTERNATES_MAX, KnownLog, Logbook, LogEntry, LogView
from app.radio.means import MessageHeard, OwnLogAhead, SendBlend, SendControl, SendEntry, SendTidings, TwinHeard
from app.radio.mixing import Mixing
from app.radio.outbox import Order, Outbox
from app.radio.parcel import (
    CountersNeeded,
    Covered,
    EnvelopeHeard,
    EnvelopeWanted,
    Event,
    Held,
    Neighbor,
    Parcel,
    Priority,
    Purpose,
    Rejected,
    Signal,
    Transmit,
    prefix_of,
)
from app.radio.purses import RESERVES
from app.radio.repair import Repair
from app.radio.span import Span
from app.radio.tidings import check_of
from app.radio.vector import Vector
from app.radio.want import Trust, Want

NEIGHBOR_SHARE = 0.5
"""Of the hour's airtime, what repair may spend on one neighbor: whoever comes back from a week away is served within
hours, and nobody can make a node spend all it has."""
REPAIR_RESERVE = 0.2
"""The share of the hour that answers to requests leave: for what people write, and for alerts."""
OWN_LEAP_MAX = 4096
"""A node that was restored from a backup learns of its own later numbers. Beyond so many, somebody invented them, and
would use up its log."""
PLACES_MAX = 256
"""Places of heard envelopes that wait for the disk: as many as envelopes do, with the places a few have twice."""
SPEAKERS_MAX = 512
"""Objects of which is remembered who spoke of them last, and pays for questions about them."""
OVER_MAX = 4096
"""Names of what is gone, known at a glance; older ones are known by the disk."""
ACKNOWLEDGED_MAX = 512
ACKNOWLEDGE_MS = 60_000
"""An old envelope that is said again, by whoever lost our receipt or by a replay, is acknowledged so often."""
SERVE_DELAY_MS = (200, 1_500)
"""For the one that is asked for symbols, or sent the last ones."""
FAILED_MS = 10_000
"""After a frame that the radio did not send, before the next of the same envelope."""
HELP_FRAMES = (8, 20)
"""Others who hold the object wait so many frames' time, in which the first one would have been heard."""
CONTROL_RANK = 0.7
"""After alerts and receipts, before what people write: short, rare, and capped for each neighbor."""
_ANSWER_RESERVES = RESERVES | {Priority.PEOPLE: REPAIR_RESERVE}
_AFTER_FLOODING = 0.1
"""Answers go after the new envelopes of their class."""


MeshEvent = Event | EnvelopeWanted | Covered | OwnLogAhead | TwinHeard


class _Spot(msgspec.Struct, frozen=True):
    """Where a heard envelope stands, and whose frame brought it."""

    entry: NodeIndex
    number: int
    sender: NodeIndex
    size: int
    hops: int
    blended: bool


class Mesh:
    """The radio machine of one node. `log` holds what is on the disk; `heard` and `receipts` are saved counters.

    `airtime_ms` prices a frame by its bytes. Where the channel's rules allow shorter frames only, `carries` says so.
    """

    def __init__(
        self,
        me: NodeIndex,
        link: LinkKeys,
        budget: AirtimeBudget,
        airtime_ms: Callable[[int], float],
        rng: random.Random,
        *,
        log: LogView | None = None,
        heard: Mapping[int, int] | None = None,
        receipts: Mapping[int, int] | None = None,
    ) -> None:
        self._me = me
        self._link = link
        self._budget = budget
        self._airtime_ms = airtime_ms
        self._rng = rng
        self._frame_bytes_max = FRAME_BYTES_MAX
        self._frame_ms = airtime_ms(FRAME_BYTES_MAX)
        self._log = Logbook() if log is None else log
        self._gossip = Gossip(me, link, budget, airtime_ms, rng, repaired=True, heard=receipts)
        share_ms = NEIGHBOR_SHARE * budget.limit_ms
        self._repair = Repair(
            me, link, self._log, airtime_ms, rng, neighbor_ms_per_hour=share_ms, heard=heard or {}, blends=True
        )
        self._mixing = Mixing(self._log)
        self._solved: dict[EnvelopeId, Place] = {}
        self._assembler = Assembler(self._frame_ms, rng)
        self._outbox = Outbox(me, rng, FRAME_BYTES_MAX)
        self._long = dict(self._long_entries())
        self._places: dict[EnvelopeId, list[_Spot]] = {}
        self._over: dict[EnvelopePrefix, None] = {}
        self._covered: dict[tuple[NodeIndex, int], int] = {}
        self._speakers: dict[EnvelopePrefix, NodeIndex] = {}
        self._acknowledged: dict[EnvelopePrefix, int] = {}
        self._askers: deque[Callable[[int, int], None]] = deque()
        self._flight: Order | str | None = None
        self._now_ms = 0
        self._events: list[MeshEvent] = []

    # What the rest of the node says

    def offer(self, parcel: Parcel, holders: frozenset[NodeIndex], now_ms: int) -> bool:
        """Send an envelope that is on this node's disk. False when it is too long or the table is full."""
        self._mixing.keep(parcel)
        self.logged(LogEntry(parcel.entry, parcel.number, parcel.envelope_id, len(parcel.envelope)), now_ms)
        return self._gossip.offer(parcel, holders, now_ms)

    def logged(self, entry: LogEntry, now_ms: int, sender: int | None = None, *, mended: bool = False) -> None:
        """An envelope is on the disk at this place: tell of it, and send it to who asks. `mended`: it was lost."""
        self._now_ms = now_ms
        if not 0 < entry.number <= LOG_NUMBER_MAX:
            return
        prefix = prefix_of(entry.envelope_id)
        if is_long(entry, self._frame_bytes_max):
            self._long[prefix] = entry
            self._assembler.finish(ObjectId(prefix))
        envelope = self._mixing.at_hand(entry.envelope_id)
        bridges = self._gossip.bridges(NodeIndex(self._me if sender is None else sender))
        found = self._repair.stored(entry, now_ms, sender, envelope=envelope, bridges=bridges, mended=mended)
        self._open(found, self._me, now_ms)

    def stored(self, envelope_id: EnvelopeId, now_ms: int, priority: Priority = Priority.PEOPLE) -> None:
        """The envelope is on the disk now: pass it on, or say that it is here."""
        self._solved.pop(envelope_id, None)
        for spot in self._places.pop(envelope_id, []):
            entry = LogEntry(spot.entry, spot.number, envelope_id, spot.size)
            self.logged(entry, now_ms, spot.sender, mended=spot.hops == HOPS_MAX)
        self._gossip.tells_news = self._repair.is_crowded(now_ms)
        self._gossip.stored(envelope_id, now_ms, priority)

    def refused(self, envelope_id: EnvelopeId, now_ms: int | None = None) -> None:
        """The envelope is forged or broken: remember it, to drop its copies unseen."""
        self._solved.pop(envelope_id, None)
        for spot in self._places.pop(envelope_id, []):
            self._repair.refused(spot.sender, self._now_ms if now_ms is None else now_ms, blended=spot.blended)
        self._gossip.refused(envelope_id)

    def forget(self, envelope_id: EnvelopeId) -> None:
        """The disk did not take it: the next copy is another chance."""
        self._places.pop(envelope_id, None)
        if envelope_id in self._solved:
            self._repair.lost(self._solved.pop(envelope_id))
        self._gossip.forget(envelope_id)
        self._assembler.forget(ObjectId(prefix_of(envelope_id)))

    def gone(self, entry: LogEntry, now_ms: int, sender: int | None = None) -> None:
        """The time of an envelope is over: it is neither sent nor taken again. Its name stays in the log's checksum."""
        self.recall(entry.envelope_id)
        self._long.pop(prefix_of(entry.envelope_id), None)
        self._gossip.forget(entry.envelope_id)
        if not 0 < entry.number <= LOG_NUMBER_MAX:
            return
        if sender is None:
            self._log.append(entry)
        else:
            self._repair.stored(entry, now_ms, sender)
        place = Span(entry.number, entry.number)
        there = self._log.get(entry.index, place, LOG_NUMBER_MAX)
        self._repair.gone(entry.index, place)
        for other in there:
            if other.envelope_id != entry.envelope_id:
                self._log.append(other)  # a twin wrote it at the same place, and it lives on

    def recall(self, envelope_id: EnvelopeId) -> None:
        """This is gone, and the log was filled knowing it."""
        prefix = prefix_of(envelope_id)
        self._over.pop(prefix, None)
        self._over[prefix] = None
        if len(self._over) > OVER_MAX:
            del self._over[next(iter(self._over))]

    def over(self, envelope_id: EnvelopeId, now_ms: int) -> None:
        """The disk had it until its time was over: not taken again, and whoever sent it did no wrong."""
        self._solved.pop(envelope_id, None)
        for spot in self._places.pop(envelope_id, []):
            self.gone(LogEntry(spot.entry, spot.number, envelope_id, spot.size), now_ms, spot.sender)

    def known_nodes(self, nodes: frozenset[NodeIndex], now_ms: int) -> None:
        """The roster's nodes."""
        self._now_ms = now_ms
        self._gossip.known_nodes(nodes, now_ms)

    def pair_keys(self, keys: Mapping[int, bytes]) -> None:
        """The keys that this node shares with one other each, by that node's index."""
        self._link = msgspec.structs.replace(self._link, pairs=dict(keys))

    def grant(self, first: int, count: int) -> None:
        """Counters that are reserved on disk, for whoever asked first. None at all: it asks again."""
        if not self._askers:
            return
        asker = self._askers.popleft()
        if count:
            asker(first, count)
        else:
            self._ask_for_counters(asker)

    def greet(self, now_ms: int) -> None:
        """The radio is on the air: say so soon, and what is here."""
        self._now_ms = now_ms
        self._gossip.greet(now_ms)
        self._repair.start(now_ms)

    def carries(self, frame_bytes_max: int, now_ms: int) -> None:
        """The radio is known, and so is the longest frame that it and the rules take, and what a frame costs."""
        self._now_ms = now_ms
        self._frame_bytes_max, self._frame_ms = frame_bytes_max, self._airtime_ms(frame_bytes_max)
        self._gossip.carries(frame_bytes_max)
        self._repair.carries(frame_bytes_max)
        self._assembler.carries(self._frame_ms)
        self._outbox.carries(frame_bytes_max)
        self._long = dict(self._long_entries())

    def fetched(self, prefix: EnvelopePrefix, parcel: Parcel | None) -> None:
        """What was wanted from the disk; None when it is not there."""
        if parcel is None:
            self._outbox.missing(prefix)
            self._mixing.missing(prefix)
        else:
            self._outbox.keep(parcel)
            self._mixing.keep(parcel)
        self._solve()

    # What the air says

    def receive(self, data: bytes, signal: Signal, now_ms: int) -> None:
        """A frame was heard. Never raises: what is wrong with it becomes a Rejected event."""
        self._now_ms = now_ms
        airtime_ms = self._airtime_ms(min(len(data), FRAME_BYTES_MAX))
        kinds = ((is_control, self._hear_control), (is_tidings, self._hear_tidings), (is_blend, self._hear_blend))
        for is_kind, hear in kinds:
            if is_kind(data):
                hear(data, airtime_ms, signal, now_ms)
                return
        try:
            said = decode_frame(data, self._link)
        except DecodeError as error:
            self._reject(error.code)
            return
        self._hear_frame(said, airtime_ms, signal, now_ms)

    def _hear_frame(self, said: Frame, airtime_ms: float, signal: Signal, now_ms: int) -> None:
        if said.sender == self._me:
            self._reject("echo")
            return
        self._gossip.hear_node(said.sender, airtime_ms, signal, now_ms)
        self._repair.hear_node(said.sender, now_ms)
        match said:
            case EnvelopeFrame():
                self._hear_envelope(said, signal, now_ms)
            case SymbolFrame():
                self._hear_symbol(said, signal, now_ms)
            case ReceiptFrame():
                for prefix in said.prefixes:
                    self._assembler.held_by(ObjectId(prefix), said.sender)
                self._gossip.hear(said, signal, now_ms)

    def sent(self, now_ms: int, *, ok: bool = True) -> None:
        """The modem is done with the frame it was given; retry timers start here, not at queueing."""
        self._now_ms = now_ms
        flight, self._flight = self._flight, None
        if isinstance(flight, Order):
            self._ordered(flight, now_ms, ok=ok)
        elif flight == "flooding":
            self._gossip.sent(now_ms, ok=ok)
        elif flight == "control":
            self._repair.sent(now_ms, ok=ok)

    # What goes on the air

    def poll(self, now_ms: int) -> list[Transmit]:
        """The next frame for the modem, if one may go now. After one, `sent` must come before the next."""
        self._now_ms = now_ms
        if self._flight is not None:
            return []
        for long in self._gossip.take_long(now_ms):
            self._order_long(long, now_ms)
        self._fetch(now_ms)
        for _, send in sorted(self._choices(now_ms), key=lambda choice: choice[0]):
            transmit = send(now_ms)
            if transmit is not None:
                return [transmit]
        return []

    def deadline_ms(self) -> int | None:
        """When to poll again, if nothing else happens; None while the modem is sending or nothing waits."""
        if self._flight is not None:
            return None
        times = [self._gossip.deadline_ms(), self._gossip.long_deadline_ms(), self._control_ready_ms()]
        times.append(self._blend_ready_ms())
        times += [self._order_ready_ms(order) for order in self._orders()]
        return min((time for time in times if time is not None), default=None)

    def events(self) -> list[MeshEvent]:
        """What happened since the last call."""
        for event in self._gossip.events():
            if isinstance(event, CountersNeeded):
                self._ask_for_counters(self._gossip.grant)
            elif isinstance(event, EnvelopeHeard):
                self._hear_new(event)
            else:
                self._events.append(event)
        for said in self._repair.events():
            if isinstance(said, CountersNeeded):
                self._ask_for_counters(self._repair.grant)
            elif not isinstance(said, MessageHeard):
                self._events.append(said)
        events, self._events = self._events, []
        return events

    # For saving and showing

    def waiting(self) -> dict[Priority, int]:
        """How many envelopes wait for their turn, by priority: for the keeper's page."""
        return self._gossip.waiting()

    def neighbors(self) -> dict[NodeIndex, Neighbor]:
        """The nodes heard directly, with when and how well they were heard last."""
        return self._gossip.neighbors()

    def heard_counters(self) -> dict[int, int]:
        """To save every minute or so, and hand to the next machine as `heard`."""
        return self._repair.heard_counters()

    def heard_receipts(self) -> dict[int, int]:
        """Likewise of receipts, which have counters of their own: for the next machine as `receipts`."""
        return self._gossip.heard_counters()

    def tally(self) -> dict[str, int]:
        """What repair and assembly counted since the start."""
        return self._repair.tally() | {f"symbols-{word}": count for word, count in self._assembler.counts.items()}

    def refusals(self) -> dict[str, int]:
        """What was given up, capped or disbelieved, by word: for the keeper's page, beside what `Rejected` says."""
        return {word: count for word, count in self.tally().items() if count and word in REFUSALS}

    # Hearing

    def _hear_control(self, data: bytes, airtime_ms: float, signal: Signal, now_ms: int) -> None:
        frame = self._repair.receive(data, now_ms)
        if frame is None:
            return
        self._gossip.hear_node(frame.sender, airtime_ms, signal, now_ms)
        match frame.message:
            case Vector():
                self._hear_vector(frame.sender, frame.message, now_ms)
            case Wants():
                for want in frame.message.wants:
                    self._hear_want(frame.sender, want, now_ms)
            case _:
                pass
        self._gossip.wake_for(frame.sender, now_ms)

    def _hear_vector(self, sender: NodeIndex, vector: Vector, now_ms: int) -> None:
        """Whoever knows the checksum of a log has it: a claim alone is not enough for "kept by"."""
        for claim in vector.logs:
            self._gossip.hear_claims(claim.index, claim.known, now_ms)
        known = {log.index: log for log in self._log.vector()}
        told = [claim for claim in vector.logs if claim.checksum is not None and claim.index in known]
        told = [claim for claim in told if 0 < claim.contiguous <= known[claim.index].contiguous]
        cuts = self._log.vector({claim.index: claim.contiguous for claim in told})
        for claim, cut in zip(told, cuts, strict=True):
            before = self._covered.get((sender, claim.index), 0)
            if _agrees(cut, claim.checksum) and claim.contiguous > before:
                self._covered[sender, claim.index] = claim.contiguous
                covered = Covered(sender, NodeIndex(claim.index), before + 1, claim.contiguous)
                self._events.append(covered)
                self._gossip.hear_covered(covered, now_ms)

    def _hear_envelope(self, frame: EnvelopeFrame, signal: Signal, now_ms: int) -> None:
        name = envelope_id(frame.envelope)
        prefix = prefix_of(name)
        self._repair.hear_entry(frame.entry, frame.number, name, now_ms)
        self._outbox.heard_envelope(prefix)
        if not self._is_credible(frame.entry, frame.number, prefix):
            return
        if self._is_held(frame.entry, frame.number, prefix) and not self._gossip.knows(prefix):
            self._hear_old(prefix, frame, now_ms)
            return
        self._gossip.hear(frame, signal, now_ms)
        self._hear_second_place(frame, name, signal)

    def _hear_second_place(self, frame: EnvelopeFrame, name: EnvelopeId, signal: Signal) -> None:
        """It entered the network at two nodes: the door notes its second place."""
        prefix = prefix_of(name)
        if self._gossip.has_stored(prefix) and not self._is_held(frame.entry, frame.number, prefix):
            parcel = Parcel(frame.envelope, name, frame.entry, frame.number, Priority.PEOPLE)
            self._hear_new(EnvelopeHeard(parcel, frame.sender, frame.hops, signal))

    def _hear_tidings(self, data: bytes, airtime_ms: float, signal: Signal, now_ms: int) -> None:
        tidings = self._repair.hear_tidings(data, now_ms)
        if tidings is None:
            return
        self._gossip.hear_node(tidings.sender, airtime_ms, signal, now_ms)
        for portion in tidings.portions:
            self._gossip.hear_claims(portion.index, portion.spans, now_ms)
        for told in tidings.places:
            for entry in self._log.get(told.index, Span(told.number, told.number), ALTERNATES_MAX):
                if check_of(entry.envelope_id) == told.check:
                    self._gossip.hear_held(prefix_of(entry.envelope_id), tidings.sender, now_ms)
        self._gossip.wake_for(tidings.sender, now_ms)

    def _hear_blend(self, data: bytes, airtime_ms: float, signal: Signal, now_ms: int) -> None:
        blend = self._repair.open_blend(data)
        if blend is None:
            return
        self._gossip.hear_node(blend.sender, airtime_ms, signal, now_ms)
        self._repair.hear_blend(blend, now_ms)
        for portion in blend.portions:
            self._gossip.hear_claims(portion.index, portion.spans, now_ms)
        if self._mixing.hear(blend, now_ms):
            self._solve()
            self._fetch(now_ms)

    def _solve(self) -> None:
        """Blends whose envelopes have come from the disk."""
        for blend, held in self._mixing.take_heard(self._now_ms):
            self._open(self._repair.solve(blend, held), blend.sender, self._now_ms)

    def _open(self, found: list[Found], sender: NodeIndex, now_ms: int) -> None:
        """What came out of blends enters by the same door as what was heard."""
        for one in found:
            index, number = NodeIndex(one.place.index), one.place.number
            name = envelope_id(one.envelope)
            prefix = prefix_of(name)
            if not self._is_credible(index, number, prefix) or self._is_held(index, number, prefix):
                continue
            frame = EnvelopeFrame(sender, HOPS_MAX, index, number, one.envelope)
            if self._gossip.knows(prefix):
                self._hear_second_place(frame, name, Signal())
                continue
            self._solved[name] = one.place
            self._gossip.hear(frame, Signal(), now_ms)
            if not self._gossip.knows(prefix):
                del self._solved[name]
                self._repair.lost(one.place)  # no room: its next blend is another chance

    def _hear_symbol(self, frame: SymbolFrame, signal: Signal, now_ms: int) -> None:
        prefix = EnvelopePrefix(frame.symbol.object_id)
        quiet_ms = round(self._rng.uniform(*HELP_FRAMES) * self._frame_ms)
        self._outbox.heard_symbol(prefix, now_ms + quiet_ms)
        self._note_speaker(prefix, frame.sender)
        if not self._is_credible(frame.entry, frame.number, prefix):
            return
        if prefix in self._long and not self._gossip.knows(prefix):
            self._hear_old(prefix, frame, now_ms)
            return
        if not self._gossip.hear_symbol(frame, now_ms):
            return
        envelope = self._assembler.received(frame.symbol, frame.sender, now_ms, paired=frame.pair is not None)
        if envelope is not None:
            whole = EnvelopeFrame(frame.sender, frame.hops, frame.entry, frame.number, envelope)
            self._gossip.hear(whole, signal, now_ms)
            if not self._gossip.knows(prefix):
                self._assembler.forget(frame.symbol.object_id)  # no room: its next symbol is another chance

    def _hear_old(self, prefix: EnvelopePrefix, frame: EnvelopeFrame | SymbolFrame, now_ms: int) -> None:
        """It is on the disk, and left the table long ago. Whoever says it anew may not know that it is anywhere."""
        self._events += [Held(prefix, node) for node in sorted({frame.sender, frame.entry} - {self._me})]
        if frame.hops == HOPS_MAX:
            return  # an answer to somebody else
        self._reject("old")
        if now_ms - self._acknowledged.get(prefix, -ACKNOWLEDGE_MS) < ACKNOWLEDGE_MS:
            return
        self._acknowledged[prefix] = now_ms
        if len(self._acknowledged) > ACKNOWLEDGED_MAX:
            del self._acknowledged[next(iter(self._acknowledged))]
        self._gossip.acknowledge(prefix, now_ms)

    def _hear_new(self, heard: EnvelopeHeard) -> None:
        name = heard.parcel.envelope_id
        spots = self._places.setdefault(name, [])
        if len(self._places) > PLACES_MAX and not spots:
            del self._places[name]
            self._gossip.forget(name)
            self._reject("busy")
            return
        if any((spot.entry, spot.number) == (heard.parcel.entry, heard.parcel.number) for spot in spots):
            return
        self._mixing.keep(heard.parcel)
        size, solved = len(heard.parcel.envelope), name in self._solved
        spots.append(_Spot(heard.parcel.entry, heard.parcel.number, heard.sender, size, heard.hops, solved))
        self._events.append(heard)

    def _hear_want(self, sender: NodeIndex, want: Want, now_ms: int) -> None:
        self._assembler.overheard(want, now_ms)
        prefix = EnvelopePrefix(want.object_id)
        if prefix not in self._long or (want.source is not None and want.source != self._me):
            return
        if want.trust is Trust.PAIR and sender not in self._link.pairs:
            self._reject("pair")
            return
        entry = self._long[prefix]
        helps = want.trust is Trust.OPEN and entry.index != self._me and not self._outbox.has_served(prefix)
        delay_ms = self._rng.uniform(*HELP_FRAMES) * self._frame_ms if helps else self._rng.randint(*SERVE_DELAY_MS)
        order = Order(
            prefix=prefix,
            count=want.count,
            due_ms=now_ms + round(delay_ms),
            priority=Priority.PEOPLE,
            hops=self._gossip.hops(prefix),
            purpose=Purpose.SYMBOL,
            payer=sender,
            pair=sender if want.trust is Trust.PAIR else None,
            helps=helps,
        )
        if not self._outbox.put(order):
            self._reject("busy")

    def _is_credible(self, entry: NodeIndex, number: int, prefix: EnvelopePrefix) -> bool:
        """Whether this envelope may stand at this place."""
        if prefix in self._over and not self._log.missing(entry, Span(number, number)):
            self._reject("gone")
            return False
        if entry != self._me:
            return True
        own = self._log.vector({self._me: LOG_NUMBER_MAX})
        if number > (own[0].highest if own else 0) + OWN_LEAP_MAX:
            self._reject("leap")
            return False
        return True

    def _is_held(self, entry: NodeIndex, number: int, prefix: EnvelopePrefix) -> bool:
        here = self._log.get(entry, Span(number, number), LOG_NUMBER_MAX)
        return any(prefix_of(held.envelope_id) == prefix for held in here)

    def _note_speaker(self, prefix: EnvelopePrefix, sender: NodeIndex) -> None:
        self._speakers.pop(prefix, None)
        self._speakers[prefix] = sender
        if len(self._speakers) > SPEAKERS_MAX:
            del self._speakers[next(iter(self._speakers))]

    # Deciding

    def _choices(self, now_ms: int) -> list[tuple[float, Callable[[int], Transmit | None]]]:
        choices: list[tuple[float, Callable[[int], Transmit | None]]] = []
        rank = self._gossip.rank(now_ms)
        if rank is not None:
            choices.append((rank, self._send_flood))
        control_ms = self._control_ready_ms()
        if control_ms is not None and control_ms <= now_ms:
            choices += [(CONTROL_RANK, self._send_repair), (CONTROL_RANK, self._send_wants)]
        blend_ms = self._blend_ready_ms()
        if blend_ms is not None and blend_ms <= now_ms:
            choices.append((Priority.PEOPLE + _AFTER_FLOODING, self._send_blend))
        for order in self._orders():
            ready_ms = self._order_ready_ms(order)
            if ready_ms is not None and ready_ms <= now_ms:
                choices.append((order.priority + _AFTER_FLOODING, self._sender_of(order)))
        return choices

    def _control_ready_ms(self) -> int | None:
        """When repair or assembly may have something to say, and there is airtime for a whole frame of it."""
        times = [
            self._repair.deadline_ms(answers=not self._mixing.owes),
            self._assembler.deadline_ms() if self._repair.can_seal else None,
        ]
        due_ms = min((time for time in times if time is not None), default=None)
        if due_ms is None:
            return None
        afford_ms = self._affordable_ms(RESERVES[Priority.PEOPLE])
        return None if afford_ms is None else max(due_ms, afford_ms, self._gossip.answers_until_ms)

    def _orders(self) -> list[Order]:
        return [order for order in map(self._outbox.first, Priority) if order is not None]

    def _order_ready_ms(self, order: Order) -> int | None:
        if self._outbox.is_fetching(order):
            return None
        if not self._outbox.is_at_hand(order):
            return order.due_ms
        afford_ms = self._affordable_ms((RESERVES if order.floods else _ANSWER_RESERVES)[order.priority])
        if afford_ms is None:
            return None
        quiet_ms = self._gossip.answers_until_ms
        if order.priority is Priority.BACKGROUND:
            quiet_ms = max(quiet_ms, self._gossip.quiet_until_ms)
        return max(order.due_ms, afford_ms, quiet_ms)

    def _blend_ready_ms(self) -> int | None:
        owed = self._mixing.owes
        if owed is None or self._mixing.owed_envelopes() is None:
            return None
        afford_ms = self._affordable_ms(_ANSWER_RESERVES[owed.priority])
        return None if afford_ms is None else max(self._now_ms, afford_ms, self._gossip.answers_until_ms)

    def _fetch(self, now_ms: int) -> None:
        """Ask the disk for what is to be sent, or to be solved."""
        wanted = dict.fromkeys((*self._outbox.to_fetch(now_ms), *self._mixing.to_fetch(now_ms)))
        self._events += [EnvelopeWanted(prefix) for prefix in wanted]

    def _affordable_ms(self, reserve: float) -> int | None:
        return self._budget.ready_at_ms(self._frame_ms, self._now_ms, reserve * self._budget.limit_ms)

    def _order_long(self, long: Long, now_ms: int) -> None:
        """The entry node sends all of it; who passes it on, or tries again, one symbol: who lacks more asks for it."""
        parcel = long.parcel
        self._outbox.keep(parcel)
        first = parcel.entry == self._me and long.attempts == 0
        purpose = Purpose.ENTRY if first else Purpose.RETRY if long.attempts else Purpose.FORWARD
        count = cut_for(len(parcel.envelope), self._frame_bytes_max).source_symbols if first else 1
        prefix = prefix_of(parcel.envelope_id)
        self._outbox.put(Order(prefix, count, now_ms, parcel.priority, long.hops, purpose, floods=True))

    def _ask_for_counters(self, asker: Callable[[int, int], None]) -> None:
        self._askers.append(asker)
        self._events.append(CountersNeeded())

    def _reject(self, reason: str) -> None:
        self._events.append(Rejected(reason))

    # Sending

    def _send_flood(self, now_ms: int) -> Transmit | None:
        for transmit in self._gossip.poll(now_ms):
            self._flight = "flooding"
            return transmit
        return None

    def _send_repair(self, now_ms: int) -> Transmit | None:
        answers = not self._mixing.owes
        due_ms = self._repair.deadline_ms(answers=answers)
        if due_ms is None or due_ms > now_ms:
            return None
        for output in self._repair.poll(now_ms, answers=answers):
            if isinstance(output, SendControl):
                return self._send_control(output, now_ms)
            if isinstance(output, SendTidings):
                self._flight = "control"
                return self._transmit(output.frame, Purpose.RECEIPT, output.priority, now_ms)
            if isinstance(output, SendEntry):
                self._owe(output, now_ms)
            if isinstance(output, SendBlend):
                self._mixing.owe(output, now_ms)
                self._fetch(now_ms)
        return None

    def _send_blend(self, now_ms: int) -> Transmit | None:
        owed, envelopes = self._mixing.owes, self._mixing.owed_envelopes()
        if owed is None or envelopes is None:
            return None
        self._mixing.settle()
        self._flight = "blend"
        frame = encode_blend(blended(self._me, owed.seed, envelopes), self._link)
        if len(frame) > self._frame_bytes_max:
            self._flight = None
            return None  # the radio was changed meanwhile
        return self._transmit(frame, Purpose.ANSWER, owed.priority, now_ms)

    def _send_wants(self, now_ms: int) -> Transmit | None:
        due_ms = self._assembler.deadline_ms()
        if due_ms is None or due_ms > now_ms or not self._repair.can_seal:
            return None
        wants = [want for want in self._assembler.wanted(now_ms) if self._may_want(want, now_ms)]
        output = self._repair.say(Wants(tuple(wants))) if wants else None
        return None if output is None else self._send_control(output, now_ms)

    def _may_want(self, want: Want, now_ms: int) -> bool:
        """Questions are paid by who spoke of the object last: nobody can make this node ask without end."""
        speaker = self._speakers.get(EnvelopePrefix(want.object_id))
        return speaker is not None and self._repair.pay(speaker, self._airtime_ms(WANT_FRAME_BYTES), now_ms)

    def _owe(self, output: SendEntry, now_ms: int) -> None:
        """An answer: one frame, and of a long envelope one symbol, for whoever asked then says how many it lacks."""
        prefix = prefix_of(output.envelope_id)
        order = Order(prefix, 1, now_ms, output.priority, HOPS_MAX, Purpose.ANSWER)
        if self._outbox.put(order):
            self._fetch(now_ms)
        else:
            self._reject("busy")

    def _send_control(self, output: SendControl, now_ms: int) -> Transmit:
        self._flight = "control"
        purpose = Purpose.VECTOR if output.kind is Kind.VECTOR else Purpose.REPAIR
        return self._transmit(output.frame, purpose, Priority.PEOPLE, now_ms)

    def _sender_of(self, order: Order) -> Callable[[int], Transmit | None]:
        return lambda now_ms: self._send_order(order, now_ms)

    def _send_order(self, order: Order, now_ms: int) -> Transmit | None:
        if not self._outbox.is_at_hand(order):
            return None
        if order.payer is not None and not self._repair.pay(order.payer, self._frame_ms, now_ms):
            self._outbox.drop(order)  # whoever asked asks again, when its purse has filled
            return None
        self._flight = order
        frame = encode_frame(self._outbox.take(order), self._link)
        return self._transmit(frame, order.purpose, order.priority, now_ms)

    def _ordered(self, order: Order, now_ms: int, *, ok: bool) -> None:
        if not ok:
            order.count += 1
            order.due_ms = now_ms + FAILED_MS
        if order.count > 0:
            return
        self._outbox.drop(order)
        if order.floods:
            self._gossip.long_sent(order.prefix, now_ms)

    def _transmit(self, frame: bytes, purpose: Purpose, priority: Priority, now_ms: int) -> Transmit:
        transmit = Transmit(frame, self._airtime_ms(len(frame)), purpose)
        self._budget.spend(transmit.airtime_ms, now_ms, priority)
        self._gossip.spoke(transmit.airtime_ms, now_ms)
        return transmit

    def _long_entries(self) -> list[tuple[EnvelopePrefix, LogEntry]]:
        entries = [
            entry
            for known in self._log.vector()
            for entry in self._log.get(known.index, Span(1, max(known.highest, 1)), LOG_NUMBER_MAX)
        ]
        return [(prefix_of(entry.envelope_id), entry) for entry in entries if is_long(entry, self._frame_bytes_max)]


def is_long(entry: LogEntry, frame_bytes_max: int) -> bool:
    """Whether the envelope takes more than one frame."""
    return envelope_frame_bytes(entry.envelope_bytes, entry.number) > frame_bytes_max


def _agrees(cut: KnownLog, checksum: int | None) -> bool:
    return cut.unseen == 0 and cut.total == checksum


WANT_FRAME_BYTES = 32
"""The price of one question: a control frame for one object."""
REFUSALS = frozenset(
    {
        "answers-refused",
        "capped",
        "checksums-differ",
        "compare-refused",
        "comparisons-given-up",
        "gone-disbelieved",
        "gone-unasked",
        "requests-unanswered",
        "symbols-abandoned",
        "symbols-evicted",
        "symbols-expired",
        "symbols-liar",
        "symbols-spoiled",
        "symbols-unwanted",
        "wrong-answers",
    }
)
"""The words of `tally` that tell of something refused."""
