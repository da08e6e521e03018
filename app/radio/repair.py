"""Repair: how nodes find out over radio what each other's logs lack, and mend it. A pure machine.

It says what this node has when neighbors seem to lack some of it (Trickle), asks for what it lacks, answers who asks,
and compares where checksums differ. It sends nothing by itself: its outputs are values for whoever owns the radio, who
polls it when the radio could send, and not before. Spec, with the state diagram: docs/protocol/radio-repair.md.
"""

import random
from collections.abc import Callable, Iterable, Mapping

from app.core.envelope import EnvelopeId
from app.errors import DecodeError
from app.radio.announcing import TRICKLE, Announcing
from app.radio.answering import Answering
from app.radio.asking import Asking
from app.radio.blend import Blend, Found, Place, decode_blend, places_of
from app.radio.box import Box
from app.radio.comparing import Comparing
from app.radio.control import (
    KINDS,
    ControlFrame,
    HeardCounters,
    Message,
    NeighborPurses,
    OwnCounters,
    Sketch,
    open_control,
    seal_control,
)
from app.radio.frame import COUNTER_MAX, LinkKeys, NodeIndex
from app.radio.logbook import KnownLog, LogEntry, LogView
from app.radio.means import (
    Means,
    MessageHeard,
    Output,
    OwnLogAhead,
    RepairEvent,
    SendControl,
    SendTidings,
    TwinHeard,
)
from app.radio.neighbors import Neighbor, Neighborhood, NeighborState
from app.radio.news import News
from app.radio.parcel import CountersNeeded, Priority, Rejected
from app.radio.request import Compare, Gone, Request, Wanted
from app.radio.span import Portion, Span, total
from app.radio.tidings import Tidings, Told, decode_tidings, encode_tidings
from app.radio.vector import NodeLog, Vector, difference

CROWD_MIN = 4
"""With so many neighbors, one speaks for all."""
OFFERS_MAX = 32
"""Who lacks more was away, and is told at once."""
EVENTS_MAX = 256
"""Events kept for a shell that doesn't fetch them; the tally counts the others too."""


class Repair:
    """The repair machine of one node. `airtime_ms` prices a frame by its bytes; `heard` are the saved counters.

    With `blends` its owner sends them (SendBlend) and hands those it hears to `open_blend`, `hear_blend` and `solve`.
    """

    def __init__(
        self,
        me: NodeIndex,
        link: LinkKeys,
        log: LogView,
        airtime_ms: Callable[[int], float],
        rng: random.Random,
        *,
        neighbor_ms_per_hour: float,
        heard: Mapping[int, int],
        blends: bool = False,
    ) -> None:
        self._link = link
        self._means = Means(me, log, NeighborPurses(neighbor_ms_per_hour), airtime_ms, rng)
        self._neighborhood = Neighborhood(self._means)
        self._box = Box()
        self._blends = blends
        self._asking = Asking(self._means, self._neighborhood, self._box if blends else None)
        self._answering = Answering(self._means, self._neighborhood, blends=blends)
        self._comparing = Comparing(self._means, self._answering)
        self._announcing = Announcing(self._means, TRICKLE)
        self._news = News(self._means)
        self._own = OwnCounters()
        self._last_counter = COUNTER_MAX
        self._heard = HeardCounters(heard)
        self._own_highest = 0
        self._sent_kind: type[Message] | None = None
        self._events: list[RepairEvent] = []
        self._hearing: dict[type[Message], Callable[..., None]] = {
            Vector: self._hear_vector,
            Request: self._hear_request,
            Gone: self._hear_gone,
            Compare: self._comparing.hear_compare,
            Sketch: self._comparing.hear_sketch,
            Wanted: self._comparing.hear_wanted,
        }

    # What the rest of the node says

    def start(self, now_ms: int) -> None:
        """The radio is on the air, and the log is filled from the disk."""
        self._announcing.start(now_ms)
        self._ask_for_counters()

    def carries(self, frame_bytes_max: int) -> None:
        """The longest frame that the radio and the channel's rules take."""
        self._means.frame_bytes_max = frame_bytes_max

    def use(self, link: LinkKeys) -> None:
        """The keys of the living epochs, after one began or ended."""
        self._link = link

    def grant(self, first: int, count: int) -> None:
        """Counters that are reserved on disk: `count` of them from `first`."""
        if self._last_counter == COUNTER_MAX:
            self._last_counter = first - 1  # what was sent before this start is no twin's
        self._own.grant(first, count)

    def stored(
        self,
        entry: LogEntry,
        now_ms: int,
        sender: int | None = None,
        *,
        envelope: bytes | None = None,
        bridges: bool = False,
        mended: bool = False,
    ) -> list[Found]:
        """An envelope is on the disk at this place. `sender` is the node whose frame brought it.

        `bridges` where a neighbor of ours cannot hear that node; `mended` where it had been lost before. With its bytes
        it may solve blends that wait. Returns what came out, to be opened like any other envelope.
        """
        if not self._means.log.append(entry):
            return []
        asked = self._asking.stored(entry, sender, now_ms, mended=mended)
        self._answering.stored(entry, now_ms)
        if sender is not None:
            self._means.note(lost=mended or asked)
        if bridges or not self.is_crowded(now_ms):
            self._announcing.stored(entry, now_ms, asked=asked)
        elif sender is not None and not mended:
            self._tell((Place(entry.index, entry.number),), now_ms)
        return [] if envelope is None else self._box.settle(Place(entry.index, entry.number), envelope)

    def lost(self, place: Place) -> None:
        """What came out of blends there did not get to the disk."""
        self._box.forget(place)

    def gone(self, index: int, span: Span) -> None:
        """These entries expired here, were withdrawn, or dropped."""
        self._means.log.drop(index, span)

    def refused(self, sender: int, now_ms: int, *, blended: bool = False) -> None:
        """An envelope that this neighbor sent, or that came out of its blends, was forged or broken."""
        self._means.tally["wrong-answers"] += 1
        self._neighborhood.miss(sender, now_ms)
        if blended:
            self._asking.refuse_blends(now_ms)

    @property
    def is_lossy(self) -> bool:
        """Whether much of what others send is lost here, and so probably elsewhere."""
        return self._means.is_lossy()

    # What the air says

    def hear_entry(self, index: int, number: int, envelope_id: EnvelopeId, now_ms: int) -> None:
        """An envelope frame was heard, known or not: an answer from us would come too late."""
        self._answering.hear_entry(envelope_id, now_ms)
        self._watch_own(index, number)

    def hear_node(self, sender: NodeIndex, now_ms: int) -> None:
        """A frame of a neighbor that is not about logs."""
        self._neighborhood.hear(sender, now_ms)

    def receive(self, data: bytes, now_ms: int) -> ControlFrame | None:
        """A control frame was heard: what it says. Never raises: what is wrong with it becomes a Rejected event."""
        try:
            frame = open_control(data, self._link)
        except DecodeError as error:
            self._reject(error.code)
            return None
        if frame.sender == self._means.me:
            self._hear_own(frame)
            return None
        fault = self._heard.admit(frame.sender, frame.counter)
        if fault is not None:
            self._reject(fault)
            return None
        self._means.note_skipped(self._heard.skipped)
        self._means.tally[f"{KINDS[type(frame.message)].name.lower()}-heard"] += 1
        self._dispatch(frame.sender, frame.message, now_ms)
        return frame

    def hear_tidings(self, data: bytes, now_ms: int) -> Tidings | None:
        """Tidings were heard: what they say, if they are new."""
        try:
            tidings = decode_tidings(data, self._link)
        except DecodeError as error:
            self._reject(error.code)
            return None
        fault = "echo" if tidings.sender == self._means.me else self._heard.admit(tidings.sender, tidings.counter)
        if fault is not None:
            self._reject(fault)
            return None
        self._means.note_skipped(self._heard.skipped)
        neighbor = self._neighborhood.hear(tidings.sender, now_ms)
        neighbor.claim_more(tidings.portions)
        self._news.hear(tidings.sender, tidings.portions)
        for told in tidings.places:
            self._watch_own(told.index, told.number)
        if any(self._means.log.missing(told.index, Span(told.number, told.number)) for told in tidings.places):
            self._asking.hear_claims(tidings.sender, neighbor, now_ms)
        return tidings

    def open_blend(self, data: bytes) -> Blend | None:
        """The blend in a frame that was heard: `hear_blend` wants the envelopes of its places that are on the disk."""
        try:
            blend = decode_blend(data, self._link, self._means.highest)
        except DecodeError as error:
            self._reject(error.code)
            return None
        if blend.sender == self._means.me:
            self._reject("echo")
            return None
        return blend

    def hear_blend(self, blend: Blend, now_ms: int) -> None:
        """A blend was heard: its sender holds all of it, and answers with it."""
        self._means.tally["blends-heard"] += 1
        neighbor = self._neighborhood.hear(blend.sender, now_ms)
        neighbor.claim_more(blend.portions)
        self._answering.hear_blend(set(blend.places))
        self._news.hear(blend.sender, blend.portions)
        self._announcing.hear_blend()
        self._asking.hear_blend(blend, now_ms)

    def solve(self, blend: Blend, held: Mapping[Place, bytes]) -> list[Found]:
        """With the envelopes of its places that are on the disk: what comes out, to be opened like any other."""
        return self._box.add(blend, held) if len(held) < len(blend.places) else []

    def sent(self, now_ms: int, *, ok: bool = True) -> None:
        """The modem is done with the last control frame."""
        if self._sent_kind is Request:
            self._asking.sent(now_ms, ok=ok)
        self._sent_kind = None

    def pay(self, neighbor: int, airtime_ms: float, now_ms: int) -> bool:
        """Take the price of a frame on this neighbor's behalf from its purse. False where there is less."""
        paid = self._means.purses.spend(neighbor, airtime_ms, now_ms)
        self._means.tally["capped"] += not paid
        return paid

    # What goes on the air

    def say(self, message: Message) -> SendControl | None:
        """Seal a message of another machine; None while there are no counters."""
        return self.seal(message) if self.can_seal else None

    def poll(self, now_ms: int, *, answers: bool = True) -> list[Output]:
        """The next thing to send, if one is due: call this when the radio could send it. Without `answers`, control."""
        speaks = self._announcing.poll(now_ms, waits=self._asking.waits)
        if self.can_seal:
            message = self._next_message(now_ms, speaks=speaks)
            if message is not None:
                self._sent_kind = type(message)
                return [self.seal(message)]
            places = self._news.poll(now_ms)
            if places:
                return [self._seal_tidings(places)]
        entry = self._answering.poll_entry(now_ms) if answers else None
        return [] if entry is None else [entry]

    @property
    def can_seal(self) -> bool:
        """Whether a counter is left."""
        return not self._own.is_empty

    def seal(self, message: Message) -> SendControl:
        """A message, this machine's or another's, as a control frame under this node's next counter."""
        self._last_counter = self._own.take()
        self._ask_for_counters()
        frame = seal_control(ControlFrame(self._means.me, self._last_counter, message), self._link)
        kind = KINDS[type(message)]
        self._means.tally[f"{kind.name.lower()}-sent"] += 1
        self._means.tally["control-bytes-sent"] += len(frame)
        return SendControl(frame, kind, self._means.airtime_ms(len(frame)), Priority.PEOPLE)

    def _seal_tidings(self, places: tuple[Told, ...]) -> SendTidings:
        self._last_counter = self._own.take()
        self._ask_for_counters()
        frame = encode_tidings(Tidings(self._means.me, self._last_counter, places), self._link)
        self._means.tally["tidings-sent"] += 1
        return SendTidings(frame, self._means.airtime_ms(len(frame)), Priority.PEOPLE)

    def deadline_ms(self, *, answers: bool = True) -> int | None:
        """When to poll again, if nothing else happens. Without counters only envelopes can be sent."""
        times = [self._answering.entry_deadline_ms() if answers else None]
        if self.can_seal:
            times += [self._asking.deadline_ms(), self._answering.gone_deadline_ms()]
            times += [self._comparing.deadline_ms(), self._announcing.deadline_ms(), self._news.deadline_ms()]
        return min((time for time in times if time is not None), default=None)

    def events(self) -> list[RepairEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # For saving and showing

    def heard_counters(self) -> dict[int, int]:
        """To save every minute or so, and hand to the next machine as `heard`."""
        return self._heard.snapshot()

    def tally(self) -> dict[str, int]:
        """Counts by name since the start."""
        return dict(self._means.tally)

    def neighbors(self, now_ms: int) -> list[NeighborState]:
        """Who was heard, and how they keep their word."""
        return self._neighborhood.states(now_ms)

    # Hearing

    def _dispatch(self, sender: NodeIndex, message: Message, now_ms: int) -> None:
        self._neighborhood.hear(sender, now_ms)
        hear = self._hearing.get(type(message))
        if hear is None:
            self._emit(MessageHeard(sender, message))
        else:
            hear(sender, message, now_ms)

    def _hear_request(self, sender: int, request: Request, now_ms: int) -> None:
        self._neighborhood.hear(sender, now_ms).ask(now_ms)
        self._means.note(lost=True)
        self._asking.hear_request(request, now_ms)
        self._answering.hear_request(sender, request, now_ms)

    def _hear_gone(self, sender: int, gone: Gone, now_ms: int) -> None:
        self._answering.hear_gone(gone)
        self._asking.hear_gone(sender, self._neighborhood.hear(sender, now_ms), gone, now_ms)

    def _hear_vector(self, sender: int, vector: Vector, now_ms: int) -> None:
        neighbor = self._neighborhood.hear(sender, now_ms)
        neighbor.claim(vector)
        self._news.hear(sender, (Portion(log.index, log.known) for log in vector.logs))
        for claim in vector.logs:
            self._watch_own(claim.index, claim.highest)
        found = difference((_log(known, None) for known in self._means.log.vector()), vector)
        differs = self._comparing.hear_vector(sender, vector, now_ms)
        if found.wants:
            self._asking.hear_claims(sender, neighbor, now_ms)
        live = [portion for portion in found.offers if self._is_live(portion)]
        few = self.is_crowded(now_ms) and sum(total(portion.spans) for portion in live) <= OFFERS_MAX
        if not differs and (few or not live):
            # Within a crowd a few that somebody lacks are for tidings and blends.
            self._announcing.hear_as_much(sender, vector)
        if live and few:
            self._hear_few_less(sender, neighbor, live, now_ms)
        elif live and not self._answering.serves(sender):
            self._announcing.hear_less(sender, neighbor, now_ms)

    def _hear_few_less(self, sender: int, neighbor: Neighbor, offers: list[Portion], now_ms: int) -> None:
        """They lack what we have: they are told what they don't know of, and not what is over there."""
        ends = {index: claim.highest for index, claim in neighbor.claims.items()}
        unknown = [place for place in places_of(offers) if place.number > ends.get(place.index, 0)]
        if unknown and not self._answering.serves(sender) and neighbor.may_be_offered(now_ms):
            self._tell(unknown, now_ms)

    def _tell(self, places: Iterable[Place], now_ms: int) -> None:
        self._news.add(places, self._neighborhood.crowd(now_ms), now_ms)

    def is_crowded(self, now_ms: int) -> bool:
        """Whether so many are around that one of them speaks for all."""
        return self._blends and self._neighborhood.crowd(now_ms) >= CROWD_MIN

    def _is_live(self, portion: Portion) -> bool:
        return any(self._means.log.get(portion.index, span, 1) for span in portion.spans)

    def _hear_own(self, frame: ControlFrame) -> None:
        self._reject("echo")
        if frame.counter > self._last_counter:
            self._emit(TwinHeard(frame.counter))

    def _watch_own(self, index: int, number: int) -> None:
        if index != self._means.me or number <= self._own_highest:
            return
        own = [known.highest for known in self._means.log.vector() if known.index == index]
        self._own_highest = max(number, *own, 0)
        if number > max(own, default=0):
            self._emit(OwnLogAhead(number))

    # Speaking

    def _next_message(self, now_ms: int, *, speaks: bool) -> Message | None:
        return (
            self._asking.poll(now_ms)
            or self._answering.poll_gone(now_ms)
            or self._comparing.poll(now_ms)
            or (self._announcing.vector(self._told()) if speaks else None)
        )

    def _told(self) -> list[NodeLog]:
        return [_log(known, self._comparing.checksum(known)) for known in self._means.log.vector()]

    def _ask_for_counters(self) -> None:
        if self._own.needs_more():
            self._emit(CountersNeeded())

    def _reject(self, reason: str) -> None:
        self._means.tally[f"rejected-{reason}"] += 1
        self._emit(Rejected(reason))

    def _emit(self, event: RepairEvent) -> None:
        if len(self._events) < EVENTS_MAX:
            self._events.append(event)


def _log(known: KnownLog, checksum: int | None) -> NodeLog:
    return NodeLog(known.index, known.contiguous, checksum, known.held)
