"""Flooding: how a new envelope reaches every node, and how each learns who has it. A pure machine.

A node stores first and speaks afterwards, so that every frame it sends about an envelope is also its receipt.
Those it hears nothing from are tried again; those who could hear several copies keep silent. Time, randomness
and receipt counters come from the caller. Spec, with the state diagram: docs/protocol/radio.md.
"""

import random
from collections.abc import Callable, Mapping

import msgspec

from app.core.envelope import ENVELOPE_BYTES_MAX, EnvelopeId, envelope_id
from app.errors import DecodeError
from app.radio import patience
from app.radio.airtime import AirtimeBudget
from app.radio.control import HeardCounters
from app.radio.frame import (
    FRAME_BYTES_MAX,
    HOPS_MAX,
    RECEIPT_PREFIXES_MAX,
    EnvelopeFrame,
    EnvelopePrefix,
    LinkKeys,
    NodeIndex,
    ReceiptFrame,
    SymbolFrame,
    decode_frame,
    encode_frame,
    envelope_frame_bytes,
    receipt_frame_bytes,
)
from app.radio.parcel import (
    CountersNeeded,
    Covered,
    EnvelopeHeard,
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
from app.radio.reach import Reach
from app.radio.span import Spans, holds

ITEMS_MAX = 2048
"""Envelopes remembered for duplicates and retries: half a megabyte, and days of a village's traffic."""
UNSTORED_MAX = 64
"""Heard envelopes that wait for the disk; the air delivers less than one a second."""
RECEIPTS_MAX = 512
"""Receipts that wait for airtime; beyond it the sender's retry asks again."""
COPIES_ENOUGH = 2
"""Whoever overhears this many other copies adds nothing by one more."""
FORWARD_TRIES_MAX = 4
"""A forward and three retries; afterwards it waits until a node that lacks it is heard."""
LONG_FRAMES = 4
"""Patience with an envelope of many frames: those who lack some of them ask, are answered, and write it to the disk."""
SYMBOLS_GAP_MS = 20_000
"""A symbol after so much silence is no longer the same transmission: its sender tries again."""
SHARED_RECEIPTS_MIN = 4
"""Where so many others may have heard it too, one receipt speaks for all; fewer each say for themselves."""
COUNTERS_LOW = 16
"""Ask for another block of receipt counters while this many are left."""

_RECEIPT_RANK = 0.5
"""After alerts, before all else: a receipt is short and spares a retry."""


class _Item:
    """What is known of one envelope. `due_ms` is None while nothing is to be sent."""

    __slots__ = (
        "attempts",
        "due_ms",
        "forward_at_ms",
        "heard_from",
        "holders",
        "hops",
        "parcel",
        "quiet_until_ms",
        "refused",
        "stored",
        "symbol_ms",
        "unreported",
        "wake_wait_ms",
    )

    def __init__(self, parcel: Parcel, hops: int, forward_at_ms: int) -> None:
        self.parcel = parcel
        self.hops = hops
        self.forward_at_ms = forward_at_ms
        self.holders: set[NodeIndex] = {parcel.entry}
        self.heard_from: set[NodeIndex] = set()
        self.unreported: set[NodeIndex] = set()
        self.stored = False
        self.refused = False
        self.symbol_ms = 0
        self.attempts = 0
        self.due_ms: int | None = None
        self.quiet_until_ms = forward_at_ms
        self.wake_wait_ms = patience.WAKE_FIRST_MS

    @property
    def is_idle(self) -> bool:
        return self.due_ms is None and (self.stored or self.refused)


class Long(msgspec.Struct, frozen=True):
    """An envelope of many frames whose turn has come: `attempts` before this one brought no answer."""

    parcel: Parcel
    hops: int
    attempts: int


class _Head(msgspec.Struct, frozen=True):
    """The first of a queue (None stands for the receipts): its rank, and when airtime and patience let it go."""

    rank: float
    ready_ms: int
    item: _Item | None


class _Flight(msgspec.Struct, frozen=True):
    """What the modem is sending now."""

    item: _Item | None
    prefixes: tuple[EnvelopePrefix, ...] = ()


class Gossip:
    """The flooding machine of one node. `airtime_ms` prices a frame by its bytes.

    With `repaired`, node logs bring what is lacking: a neighbor that is heard wakes only what nobody else holds, and
    answers to requests, which come with hops at their maximum, are not acknowledged.
    """

    def __init__(
        self,
        me: NodeIndex,
        link: LinkKeys,
        budget: AirtimeBudget,
        airtime_ms: Callable[[int], float],
        rng: random.Random,
        *,
        repaired: bool = False,
        frame_bytes_max: int = FRAME_BYTES_MAX,
        heard: Mapping[int, int] | None = None,
    ) -> None:
        self._me = me
        self._frame_bytes_max = frame_bytes_max
        self._repaired = repaired
        self._link = link
        self._budget = budget
        self._airtime_ms = airtime_ms
        self._rng = rng
        self._known: frozenset[NodeIndex] = frozenset()
        self._items: dict[EnvelopePrefix, _Item] = {}
        self._receipts: dict[EnvelopePrefix, int] = {}
        self._repeated_receipts: set[EnvelopePrefix] = set()
        self._hello_due_ms: int | None = None
        self._neighbors: dict[NodeIndex, Neighbor] = {}
        self._heard_counters = HeardCounters(heard or {})
        self._reach = Reach()
        self.tells_news = False
        self._told: frozenset[NodeIndex] = frozenset()
        self._tell_due_ms: int | None = None
        self._own_counters = range(0)
        self._asked_for_counters = False
        self._channel_quiet_ms = 0
        self._answers_until_ms = 0
        self._flight: _Flight | None = None
        self._now_ms = 0
        self._events: list[Event] = []

    # What the rest of the node says

    def offer(self, parcel: Parcel, holders: frozenset[NodeIndex], now_ms: int) -> bool:
        """Send an envelope that is on this node's disk. False when it is too long or the table is full."""
        self._now_ms = now_ms
        if len(parcel.envelope) > ENVELOPE_BYTES_MAX or not (self._repaired or self._fits(parcel)):
            return False
        item = self._items.get(prefix_of(parcel.envelope_id)) or self._insert(_Item(parcel, 0, now_ms))
        if item is None:
            return False
        item.stored = True
        item.holders |= holders
        self._want(item, now_ms)
        self._yield_to(parcel.priority, now_ms)
        return True

    def stored(self, envelope_id: EnvelopeId, now_ms: int, priority: Priority = Priority.PEOPLE) -> None:
        """The envelope is on the disk now: pass it on, or say that it is here."""
        self._now_ms = now_ms
        item = self._items.get(prefix_of(envelope_id))
        if item is None or item.stored:
            return
        item.stored = True
        item.parcel = msgspec.structs.replace(item.parcel, priority=priority)
        item.quiet_until_ms = now_ms + round(self._patience_ms(item))
        self._yield_to(priority, now_ms)
        self._events += [Held(prefix_of(envelope_id), node) for node in sorted(item.unreported)]
        if item.parcel.entry != self._me:
            self._pass_on(item, now_ms)

    def refused(self, envelope_id: EnvelopeId) -> None:
        """The envelope is forged or broken: remember it, to drop its copies unseen."""
        item = self._items.get(prefix_of(envelope_id))
        if item is not None:
            item.refused = True
            item.due_ms = None

    def forget(self, envelope_id: EnvelopeId) -> None:
        """The disk did not take it: the next copy is another chance."""
        self._items.pop(prefix_of(envelope_id), None)

    def known_nodes(self, nodes: frozenset[NodeIndex], now_ms: int) -> None:
        """The roster's nodes. With the first other one, what waited for somebody to hear it goes out."""
        self._now_ms = now_ms
        if nodes == self._known:
            return
        self._known = nodes
        for item in self._items.values():
            if item.parcel.entry == self._me:
                self._want(item, now_ms)

    def grant(self, first: int, count: int) -> None:
        """Receipt counters that are reserved on disk: `count` of them from `first`."""
        self._own_counters = range(first, first + count)
        self._asked_for_counters = False

    def greet(self, now_ms: int) -> None:
        """Say soon that this node is on the air: neighbors then send what it lacks."""
        self._now_ms = now_ms
        self._hello_due_ms = now_ms + patience.receipt_ms(len(self._neighbors), self._rng)

    def carries(self, frame_bytes_max: int) -> None:
        """The longest frame that the radio and the channel's rules take."""
        self._frame_bytes_max = frame_bytes_max

    # What the air says

    def receive(self, data: bytes, signal: Signal, now_ms: int) -> None:
        """A frame was heard. Never raises: what is wrong with it becomes a Rejected event."""
        self._now_ms = now_ms
        try:
            frame = decode_frame(data, self._link)
        except DecodeError as error:
            self._events.append(Rejected(error.code))
            return
        if frame.sender == self._me:
            self._events.append(Rejected("echo"))
            return
        if isinstance(frame, SymbolFrame):
            self._events.append(Rejected("type"))  # alone, this machine floods single frames
            return
        self.hear_node(frame.sender, self._airtime_ms(len(data)), signal, now_ms)
        self.hear(frame, signal, now_ms)

    def hear_node(self, node: NodeIndex, airtime_ms: float, signal: Signal, now_ms: int) -> None:
        """A frame of another node that a member made, whatever it says."""
        self._now_ms = now_ms
        self._neighbors[node] = Neighbor(now_ms, signal)
        if self._repaired and node not in self._told and self._tell_due_ms is None:
            self._tell_due_ms = now_ms + self._rng.randint(*patience.TELL_MS)
        self._keep_quiet(airtime_ms, now_ms)

    def hear(self, frame: EnvelopeFrame | ReceiptFrame, signal: Signal, now_ms: int) -> None:
        """What the frame says."""
        match frame:
            case EnvelopeFrame():
                if frame.hops < HOPS_MAX or not self._repaired:
                    self._answers_until_ms = now_ms + patience.answers_ms(len(self._neighbors), self._rng)
                self._hear_envelope(frame, signal, now_ms)
            case ReceiptFrame():
                self._hear_receipt(frame, now_ms)
        self.wake_for(frame.sender, now_ms)

    def hear_symbol(self, frame: SymbolFrame, now_ms: int) -> bool:
        """A share of a long envelope. True when it is not known yet, and is to be assembled."""
        item = self._items.get(EnvelopePrefix(frame.symbol.object_id))
        if item is None:
            return True
        again = frame.sender in item.heard_from and now_ms - item.symbol_ms > SYMBOLS_GAP_MS
        item.symbol_ms = now_ms
        if not item.refused:
            self._hear_holder(item, frame, repeated=again, now_ms=now_ms)
        return False

    def acknowledge(self, prefix: EnvelopePrefix, now_ms: int) -> None:
        """Say that an envelope which left the table long ago is on the disk."""
        if len(self._receipts) < RECEIPTS_MAX:
            self._receipts.setdefault(prefix, now_ms + patience.receipt_ms(len(self._neighbors), self._rng))

    def hear_covered(self, covered: Covered, now_ms: int) -> None:
        """A node has these numbers of a log on its disk."""
        for item in list(self._items.values()):
            parcel = item.parcel
            if parcel.entry == covered.index and covered.first <= parcel.number <= covered.last and not item.refused:
                self._note_holders(item, {covered.node}, now_ms)

    def hear_held(self, prefix: EnvelopePrefix, node: NodeIndex, now_ms: int) -> None:
        """A node said that it has this envelope."""
        item = self._items.get(prefix)
        if item is None:
            self._events.append(Held(prefix, node))
        elif not item.refused:
            self._note_holders(item, {node}, now_ms)

    def hear_claims(self, index: int, spans: Spans, now_ms: int) -> None:
        """A node says that it has these: whoever lacks what this node sent asks for it, and it need not go again."""
        if index != self._me:
            return
        for item in self._items.values():
            is_ordinary = item.parcel.entry == self._me and item.parcel.priority is not Priority.ALERT
            if is_ordinary and item.attempts and item.due_ms is not None and holds(spans, item.parcel.number):
                item.due_ms = None
                item.quiet_until_ms = now_ms + patience.WAKE_MAX_MS

    def bridges(self, sender: NodeIndex) -> bool:
        """Whether this node has neighbors that the sender doesn't reach."""
        return bool(self._reach.far_from((sender,), self._neighbors.keys()))

    def knows(self, prefix: EnvelopePrefix) -> bool:
        """Whether the envelope is in the table."""
        return prefix in self._items

    def has_stored(self, prefix: EnvelopePrefix) -> bool:
        """Whether the envelope is in the table and on the disk."""
        item = self._items.get(prefix)
        return item is not None and item.stored

    def sent(self, now_ms: int, *, ok: bool = True) -> None:
        """The modem is done with the frame it was given; retry timers start here, not at queueing."""
        self._now_ms = now_ms
        flight, self._flight = self._flight, None
        if flight is None:
            return
        if flight.item is not None:
            flight.item.attempts += 1
            self._arm_retry(flight.item, now_ms)
        elif not ok:
            self._receipts.update(dict.fromkeys(flight.prefixes, now_ms + patience.RETRY_ALLOWANCE_MS))

    # What goes on the air

    def poll(self, now_ms: int) -> list[Transmit]:
        """The next frame for the modem, if one may go now. After one, `sent` must come before the next."""
        self._now_ms = now_ms
        ready = [head for head in self._heads(now_ms) if head.ready_ms <= now_ms]
        if not ready or self._flight is not None:
            return []
        head = min(ready, key=lambda head: head.rank)
        transmit = self._send_receipts(now_ms) if head.item is None else self._send_envelope(head.item)
        purse = Priority.PEOPLE if head.item is None else head.item.parcel.priority
        self._budget.spend(transmit.airtime_ms, now_ms, purse)
        self._keep_quiet(transmit.airtime_ms, now_ms)
        self._hello_due_ms = now_ms + patience.hello_ms(self._rng)
        return [transmit]

    def rank(self, now_ms: int) -> float | None:
        """How urgent what `poll` would send now is: 0 is most; None when nothing may go."""
        return min((head.rank for head in self._heads(now_ms) if head.ready_ms <= now_ms), default=None)

    @property
    def answers_until_ms(self) -> int:
        """Until then the channel belongs to receipts."""
        return self._answers_until_ms

    @property
    def quiet_until_ms(self) -> int:
        """Until then background traffic keeps silent."""
        return self._channel_quiet_ms

    def spoke(self, airtime_ms: float, now_ms: int) -> None:
        """This node sends a frame that another machine made."""
        self._keep_quiet(airtime_ms, now_ms)
        self._hello_due_ms = now_ms + patience.hello_ms(self._rng)

    def take_long(self, now_ms: int) -> list[Long]:
        """Envelopes of many frames whose turn has come. Each waits for its `long_sent`."""
        due = [item for item in self._items.values() if item.due_ms is not None and not self._fits(item.parcel)]
        taken = [item for item in due if item.due_ms is not None and item.due_ms <= now_ms]
        for item in taken:
            item.due_ms = None
            self._drop_receipt(prefix_of(item.parcel.envelope_id))
        return [Long(item.parcel, min(item.hops, HOPS_MAX), item.attempts) for item in taken]

    def long_sent(self, prefix: EnvelopePrefix, now_ms: int) -> None:
        """The last frame of a long envelope's turn has left."""
        item = self._items.get(prefix)
        if item is not None:
            item.attempts += 1
            self._arm_retry(item, now_ms)

    def long_deadline_ms(self) -> int | None:
        """When to take long envelopes next."""
        times = [
            item.due_ms for item in self._items.values() if item.due_ms is not None and not self._fits(item.parcel)
        ]
        return min(times, default=None)

    def hops(self, prefix: EnvelopePrefix) -> int:
        """What a frame of ours with this envelope says; the maximum for what is not in the table."""
        item = self._items.get(prefix)
        return HOPS_MAX if item is None else min(item.hops, HOPS_MAX)

    def deadline_ms(self) -> int | None:
        """When to poll again, if nothing else happens; None while the modem is sending or nothing waits."""
        if self._flight is not None:
            return None
        return min((head.ready_ms for head in self._heads(self._now_ms)), default=None)

    def events(self) -> list[Event]:
        """What happened since the last call."""
        self._ask_for_counters()
        events, self._events = self._events, []
        return events

    def waiting(self) -> dict[Priority, int]:
        """How many envelopes wait for their turn, by priority: for the keeper's page."""
        counts = dict.fromkeys(Priority, 0)
        for item in self._items.values():
            counts[item.parcel.priority] += item.due_ms is not None
        return counts

    def heard_counters(self) -> dict[int, int]:
        """The last receipt counter of each node: to save, and hand to the next machine as `heard`."""
        return self._heard_counters.snapshot()

    def neighbors(self) -> dict[NodeIndex, Neighbor]:
        """The nodes heard directly, with when and how well they were heard last."""
        return dict(self._neighbors)

    # Hearing

    def _hear_envelope(self, frame: EnvelopeFrame, signal: Signal, now_ms: int) -> None:
        name = envelope_id(frame.envelope)
        item = self._items.get(prefix_of(name))
        if item is None:
            self._hear_new(frame, name, signal, now_ms)
            return
        if item.refused:
            return
        is_answer = self._repaired and frame.hops == HOPS_MAX
        self._hear_holder(item, frame, repeated=frame.sender in item.heard_from and not is_answer, now_ms=now_ms)

    def _hear_holder(self, item: _Item, frame: EnvelopeFrame | SymbolFrame, *, repeated: bool, now_ms: int) -> None:
        item.heard_from.add(frame.sender)
        self._note_holders(item, {frame.sender, frame.entry}, now_ms)
        if item.stored and item.parcel.entry != self._me:
            self._hear_copy(item, repeated=repeated, now_ms=now_ms)

    def _hear_new(self, frame: EnvelopeFrame, name: EnvelopeId, signal: Signal, now_ms: int) -> None:
        if sum(not item.stored and not item.refused for item in self._items.values()) >= UNSTORED_MAX:
            self._events.append(Rejected("busy"))
            return
        # Byte 0 names the class in clear: alerts (0) go first from the moment they are heard.
        priority = Priority.ALERT if frame.envelope[0] & 0x0F == 0 else Priority.PEOPLE
        parcel = Parcel(frame.envelope, name, frame.entry, frame.number, priority)
        delay_ms = patience.contention_ms(self._cost_ms(parcel), signal, len(self._neighbors), self._rng)
        item = self._insert(_Item(parcel, frame.hops + 1, self._answers_until_ms + delay_ms))
        if item is None:
            self._events.append(Rejected("full"))
            return
        item.heard_from.add(frame.sender)
        item.holders.add(frame.sender)
        self._events.append(EnvelopeHeard(parcel, frame.sender, frame.hops, signal))

    def _hear_copy(self, item: _Item, *, repeated: bool, now_ms: int) -> None:
        forwarding = item.due_ms is not None and item.attempts == 0
        if forwarding and len(item.heard_from) > COPIES_ENOUGH:
            item.due_ms = None
            self._owe_receipt(item, now_ms)
            return
        prefix = prefix_of(item.parcel.envelope_id)
        is_soon_said = forwarding and item.parcel.priority is not Priority.BACKGROUND
        if repeated and not is_soon_said and prefix not in self._receipts:
            # Whoever says it again has not heard that it is anywhere.
            self._owe_receipt(item, now_ms)
            if prefix in self._receipts:  # there may be too many
                self._repeated_receipts.add(prefix)

    def _hear_receipt(self, frame: ReceiptFrame, now_ms: int) -> None:
        fault = self._heard_counters.admit(frame.sender, frame.counter)
        if fault is not None:
            self._events.append(Rejected(fault))
            return
        if frame.hears is not None:
            self._reach.hear(frame.sender, frame.hears)
        for prefix in frame.prefixes:
            if prefix in self._repeated_receipts:
                self._drop_receipt(prefix)  # one answer was enough
            self.hear_held(prefix, frame.sender, now_ms)

    def _note_holders(self, item: _Item, nodes: set[NodeIndex], now_ms: int) -> None:
        for node in sorted(nodes - item.holders - {self._me}):
            item.holders.add(node)
            if item.stored:
                self._events.append(Held(prefix_of(item.parcel.envelope_id), node))
            else:
                item.unreported.add(node)
        if item.stored and item.due_ms is not None and not self._is_wanted(item):
            item.due_ms = None
            if item.attempts == 0 and item.parcel.entry != self._me:
                self._owe_receipt(item, now_ms)

    def wake_for(self, node: NodeIndex, now_ms: int) -> None:
        """A node is heard: what it lacks is worth another try, sooner than the backoff says."""
        if node not in self._known:
            return
        for item in self._items.values():
            if self._repaired and not (item.parcel.entry == self._me and self._is_wanted(item)):
                continue
            if item.stored and not item.refused and node not in item.holders and item.quiet_until_ms <= now_ms:
                item.quiet_until_ms = now_ms + item.wake_wait_ms
                item.wake_wait_ms = min(2 * item.wake_wait_ms, patience.WAKE_MAX_MS)
                soon_ms = now_ms + patience.receipt_ms(len(self._neighbors), self._rng)
                item.due_ms = soon_ms if item.due_ms is None else min(item.due_ms, soon_ms)

    # Deciding

    def _pass_on(self, item: _Item, now_ms: int) -> None:
        if self._repaired and item.hops > HOPS_MAX:
            return  # it was an answer: our next vector says that it arrived
        if not self._is_wanted(item) or item.hops > HOPS_MAX or len(item.heard_from) > COPIES_ENOUGH:
            self._owe_receipt(item, now_ms)
            if self._is_crowded(item):
                # All who heard it could say so. One is enough in a crowd: the others' vectors tell it later.
                self._share_receipt(item, now_ms)
            return
        if item.parcel.priority is Priority.BACKGROUND:
            # The forward waits for spare airtime, and the sender must not take that for silence.
            self._owe_receipt(item, now_ms)
        item.due_ms = max(now_ms, item.forward_at_ms)

    def _want(self, item: _Item, now_ms: int) -> None:
        if item.stored and item.due_ms is None and item.attempts == 0 and self._is_wanted(item):
            item.due_ms = now_ms

    def _is_wanted(self, item: _Item) -> bool:
        """Whether sending it (again) can still help somebody."""
        if item.parcel.entry == self._me:
            return not item.holders - {self._me} and bool(self._missing(item))
        if item.attempts == 0 and item.parcel.priority is Priority.ALERT:
            return bool(self._missing(item))  # a few copies for all: whoever lost the first does not wait for repair
        if item.attempts == 0 and item.parcel.priority is not Priority.BACKGROUND:
            return bool(self._gaining(item) if self._repaired else self._missing(item))
        # From here on only for nodes that were heard themselves: at the end of a road there is nobody behind us.
        others = item.holders - item.heard_from - {self._me, item.parcel.entry}
        reachable = self._gaining(item) if self._repaired else self._missing(item) & self._neighbors.keys()
        return not others and bool(reachable) and item.attempts < FORWARD_TRIES_MAX

    def _missing(self, item: _Item) -> frozenset[NodeIndex]:
        return self._known - item.holders - {self._me}

    def _gaining(self, item: _Item) -> frozenset[NodeIndex]:
        """Whom a forward from here would bring something: neighbors that none of those heard saying it reaches.

        Whoever lost a frame all the same is repaired. Self-pruning: Lim and Kim, "Multicast tree construction and
        flooding in wireless ad hoc networks", MSWiM 2000.
        """
        near = self._missing(item) & self._neighbors.keys()
        return self._reach.far_from(item.heard_from, near)

    def _share_receipt(self, item: _Item, now_ms: int) -> None:
        prefix = prefix_of(item.parcel.envelope_id)
        if self.tells_news and item.parcel.priority is not Priority.ALERT:
            self._drop_receipt(prefix)  # tidings say it, and serve those who lost it too
        elif prefix in self._receipts:
            self._receipts[prefix] = now_ms + patience.shared_receipt_ms(len(self._neighbors), self._rng)
            self._repeated_receipts.add(prefix)

    def _arm_retry(self, item: _Item, now_ms: int) -> None:
        item.quiet_until_ms = max(item.quiet_until_ms, now_ms + round(self._patience_ms(item)))
        cost_ms, crowd = self._cost_ms(item.parcel), len(self._neighbors)
        retry_ms = patience.retry_ms(cost_ms, crowd, item.attempts, self._rng)
        if self._is_crowded(item) and item.parcel.priority is not Priority.ALERT:
            retry_ms += patience.CROWD_RETRY_MS  # somebody of so many has it, and tells it
            item.quiet_until_ms = max(item.quiet_until_ms, now_ms + retry_ms)
        item.due_ms = now_ms + retry_ms if self._is_wanted(item) else None

    def _is_crowded(self, item: _Item) -> bool:
        """Whether so many others may have heard it too."""
        return self._repaired and len(self._missing(item) & self._neighbors.keys()) >= SHARED_RECEIPTS_MIN

    def _owe_receipt(self, item: _Item, now_ms: int) -> None:
        if len(self._receipts) < RECEIPTS_MAX:
            self._receipts.setdefault(
                prefix_of(item.parcel.envelope_id), now_ms + patience.receipt_ms(len(self._neighbors), self._rng)
            )

    def _drop_receipt(self, prefix: EnvelopePrefix) -> None:
        self._receipts.pop(prefix, None)
        self._repeated_receipts.discard(prefix)

    def _insert(self, item: _Item) -> _Item | None:
        if len(self._items) >= ITEMS_MAX:
            idle = next((prefix for prefix, known in self._items.items() if known.is_idle), None)
            if idle is None:
                return None
            del self._items[idle]
        self._items[prefix_of(item.parcel.envelope_id)] = item
        return item

    def _keep_quiet(self, airtime_ms: float, now_ms: int) -> None:
        self._channel_quiet_ms = max(self._channel_quiet_ms, now_ms + patience.quiet_ms(airtime_ms, self._rng))

    def _yield_to(self, priority: Priority, now_ms: int) -> None:
        if priority is not Priority.BACKGROUND:
            self._channel_quiet_ms = max(self._channel_quiet_ms, now_ms + patience.QUIET_AFTER_PEOPLE_MS)

    # Sending

    def _heads(self, now_ms: int) -> list[_Head]:
        first: dict[Priority, tuple[int, _Item]] = {}
        for item in self._items.values():
            if item.due_ms is not None and self._fits(item.parcel):
                known = first.get(item.parcel.priority)
                if known is None or item.due_ms < known[0]:
                    first[item.parcel.priority] = (item.due_ms, item)
        heads = [self._head(due_ms, item, now_ms) for due_ms, item in first.values()]
        return [head for head in (*heads, self._receipt_head(now_ms)) if head is not None]

    def _head(self, due_ms: int, item: _Item, now_ms: int) -> _Head | None:
        priority = item.parcel.priority
        due_ms = max(due_ms, self._answers_until_ms)
        if priority is Priority.BACKGROUND:
            due_ms = max(due_ms, self._channel_quiet_ms)
        return self._affordable(priority, due_ms, self._cost_ms(item.parcel), RESERVES[priority], item, now_ms)

    def _receipt_head(self, now_ms: int) -> _Head | None:
        due = [*self._receipts.values(), *(ms for ms in (self._hello_due_ms, self._tell_due_ms) if ms is not None)]
        if not due or not self._own_counters:
            return None
        cost_ms = self._airtime_ms(receipt_frame_bytes(min(len(self._receipts), RECEIPT_PREFIXES_MAX)))
        return self._affordable(_RECEIPT_RANK, min(due), cost_ms, RESERVES[Priority.PEOPLE], None, now_ms)

    def _affordable(
        self, rank: float, due_ms: int, cost_ms: float, reserve: float, item: _Item | None, now_ms: int
    ) -> _Head | None:
        afford_ms = self._budget.ready_at_ms(cost_ms, now_ms, reserve * self._budget.limit_ms)
        return None if afford_ms is None else _Head(rank, max(due_ms, afford_ms), item)

    def _send_envelope(self, item: _Item) -> Transmit:
        purpose = Purpose.RETRY
        if item.attempts == 0:
            purpose = Purpose.ENTRY if item.parcel.entry == self._me else Purpose.FORWARD
        item.due_ms = None
        # To send it is to say that it is here.
        self._drop_receipt(prefix_of(item.parcel.envelope_id))
        self._flight = _Flight(item)
        parcel = item.parcel
        frame = EnvelopeFrame(self._me, min(item.hops, HOPS_MAX), parcel.entry, parcel.number, parcel.envelope)
        return self._transmit(frame, purpose)

    def _send_receipts(self, now_ms: int) -> Transmit:
        prefixes = tuple(sorted(self._receipts, key=self._receipts.__getitem__)[:RECEIPT_PREFIXES_MAX])
        for prefix in prefixes:
            self._drop_receipt(prefix)
        counter, self._own_counters = self._own_counters[0], self._own_counters[1:]
        self._flight = _Flight(None, prefixes)
        if prefixes:
            return self._transmit(ReceiptFrame(self._me, counter, prefixes), Purpose.RECEIPT)
        return self._transmit(ReceiptFrame(self._me, counter, (), self._list_neighbors(now_ms)), Purpose.HELLO)

    def _list_neighbors(self, now_ms: int) -> frozenset[NodeIndex] | None:
        """Who was heard lately; None from a machine that does without."""
        if not self._repaired:
            return None
        lately_ms = now_ms - patience.NEIGHBOR_MS
        listed = frozenset(node for node, heard in self._neighbors.items() if heard.heard_ms > lately_ms)
        # What is new in it is told twice: who lost it passes on what the neighbors have. In a crowd others' lists do.
        again = not listed <= self._told and len(listed) <= patience.TELL_AGAIN_NEIGHBORS_MAX
        self._tell_due_ms = now_ms + self._rng.randint(*patience.TELL_AGAIN_MS) if again else None
        self._told = listed
        return self._told

    def _transmit(self, frame: EnvelopeFrame | ReceiptFrame, purpose: Purpose) -> Transmit:
        encoded = encode_frame(frame, self._link)
        return Transmit(encoded, self._airtime_ms(len(encoded)), purpose)

    def _patience_ms(self, item: _Item) -> float:
        return patience.patience_ms(self._cost_ms(item.parcel), len(self._neighbors))

    def _cost_ms(self, parcel: Parcel) -> float:
        if not self._fits(parcel):
            return LONG_FRAMES * self._airtime_ms(self._frame_bytes_max)
        return self._airtime_ms(envelope_frame_bytes(len(parcel.envelope), parcel.number))

    def _fits(self, parcel: Parcel) -> bool:
        return fits(parcel, self._frame_bytes_max)

    def _ask_for_counters(self) -> None:
        if len(self._own_counters) < COUNTERS_LOW and not self._asked_for_counters:
            self._asked_for_counters = True
            self._events.append(CountersNeeded())


def fits(parcel: Parcel, frame_bytes_max: int = FRAME_BYTES_MAX) -> bool:
    """Whether the envelope fits one frame. Longer ones go as symbols."""
    return envelope_frame_bytes(len(parcel.envelope), parcel.number) <= frame_bytes_max
