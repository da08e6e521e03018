"""Answering: envelopes, blends and gone runs for those who ask, unless somebody else was heard to send them.

Who is asked answers at once, one envelope at a time; others who have it help when the asked is silent. All of it is
paid from the asker's purse. Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from collections.abc import Iterable

from app.core.envelope import EnvelopeId
from app.radio.blend import Place
from app.radio.blending import CROWD_MIN, Blending
from app.radio.control import control_frame_bytes
from app.radio.logbook import LogEntry
from app.radio.means import Means, SendBlend, SendEntry
from app.radio.neighbors import Neighborhood
from app.radio.parcel import Priority
from app.radio.recipe import Recipe
from app.radio.request import ANSWER_ENTRIES_MAX, ANYONE, Gone, Request, fitted
from app.radio.span import Portion, Span, Spans, minus, normal, total
from app.radio.turns import Turns

ANSWERS_MAX = 512
"""Envelopes that wait to be sent: an hour and a half of a 10 % channel."""
ANSWERS_PER_ASKER_MAX = 64
"""Two requests' worth; the rest is for the other askers."""
ANSWER_DELAY_MS = (200, 1_500)
"""For the one that was asked."""
ANYONE_DELAY_MS = (500, 10_000)
"""When anyone was asked: time to hear each other."""
HELP_DELAY_MS = 60_000
"""For those who were not asked: time for the asker to ask again, when its request or the answer was lost."""
HELP_SPREAD_MS = 15_000
"""And by chance so much more for each neighbor: time to hear each other."""
HELPERS = 3
"""So many of a crowd help, by chance: each one that misses another's answer sends it once more."""
HELP_QUIET_MS = (15_000, 25_000)
"""After an answer by somebody else, helpers keep still so long."""
REPEAT_MS = 10_000
"""A request that comes this soon after the answer was written before it."""
GONE_RUNS_MAX = 64
"""Runs in one frame of gone entries: they fill it."""
GONE_LOGS_MAX = 64
"""Logs of which gone runs wait to be told."""


class _Answer:
    """An envelope to be sent."""

    __slots__ = ("asker", "due_ms", "entry", "helps", "priority")

    def __init__(self, entry: LogEntry, asker: int, due_ms: int, priority: Priority, *, helps: bool) -> None:
        self.entry = entry
        self.asker = asker
        self.due_ms = due_ms
        self.priority = priority
        self.helps = helps


class Answering:
    """What is sent to whom."""

    def __init__(self, means: Means, neighborhood: Neighborhood, *, blends: bool = False) -> None:
        self._means = means
        self._neighborhood = neighborhood
        self._takes_blends = blends
        self._recipe = Recipe(means)
        self._blending = Blending(means, self._recipe)
        self._turns = Turns(means, self._recipe)
        self._answers: dict[EnvelopeId, _Answer] = {}
        self._sent: dict[EnvelopeId, int] = {}
        self._gone: dict[int, Spans] = {}
        self._gone_asker = ANYONE
        self._gone_due_ms: int | None = None

    # What is heard

    def hear_request(self, sender: int, request: Request, now_ms: int) -> None:
        """Somebody asks: what we hold of it is due, and what is gone is told."""
        helps = request.asked not in (self._means.me, ANYONE)
        if helps and self._means.rng.random() * self._neighborhood.crowd(now_ms) >= HELPERS:
            return
        delay_ms = self._delay_ms(request, now_ms)
        left = ANSWER_ENTRIES_MAX
        found: list[LogEntry] = []
        for portion in request.portions:
            for span in portion.spans:
                entries = self._means.log.get(portion.index, span, left)
                left -= len(entries)
                found += entries
                # What lies beyond the last entry that is sent is asked for again: its gone runs can wait.
                reach = span if left > 0 else Span(span.first, entries[-1].number)
                self._tell(sender, Portion(portion.index, (reach,)), entries, delay_ms, now_ms)
                if left <= 0:
                    break
            if left <= 0:
                break
        blendable = tuple(entry for entry in found if self._blends(request, entry, now_ms))
        self._owe(sender, tuple(entry for entry in found if entry not in blendable), delay_ms, now_ms, helps=helps)
        if blendable and request.asked == ANYONE:
            lacking = sum(total(portion.spans) for portion in request.portions) - len(blendable)
            self._turns.join(sender, request.enough, blendable, lacking, self._neighborhood.crowd(now_ms), now_ms)
        elif blendable and helps:
            self._blending.help(sender, request.enough, blendable, self._means.after(now_ms, *delay_ms))
        elif blendable:
            self._blending.gather(sender, request.enough, blendable, now_ms)

    def offer(self, asker: int, entries: Iterable[LogEntry], now_ms: int, priority: Priority) -> None:
        """Send these to a neighbor that is known to lack them."""
        self._owe(asker, tuple(entries), ANSWER_DELAY_MS, now_ms, helps=False, priority=priority)

    def hear_entry(self, envelope_id: EnvelopeId, now_ms: int) -> None:
        """Somebody sent this envelope: it need not come from us, and its asker is being answered."""
        self._blending.hear_entry(envelope_id)
        answer = self._answers.pop(envelope_id, None)
        if answer is None:
            return
        self._means.tally["answers-spared"] += 1
        for other in self._answers.values():
            if other.helps and other.asker == answer.asker:
                other.due_ms = max(other.due_ms, self._means.after(now_ms, *HELP_QUIET_MS))

    def hear_blend(self, places: set[Place]) -> None:
        """Somebody answers with blends of these: who asked will ask again for what it could not solve."""
        self._blending.hear(places)
        self._turns.hear(places)
        for envelope_id, answer in list(self._answers.items()):
            if answer.helps and Place(answer.entry.index, answer.entry.number) in places:
                del self._answers[envelope_id]
                self._means.tally["answers-spared"] += 1

    def hear_gone(self, gone: Gone) -> None:
        """Somebody told what is gone."""
        for portion in gone.portions:
            if portion.index in self._gone:
                left = minus(self._gone[portion.index], portion.spans)
                if left:
                    self._gone[portion.index] = left
                else:
                    del self._gone[portion.index]
        if not self._gone:
            self._gone_due_ms = None

    def serves(self, asker: int) -> bool:
        """Whether something waits to be sent to this node."""
        waits = self._blending.serves(asker) or self._turns.serves(asker)
        return waits or any(answer.asker == asker for answer in self._answers.values())

    def stored(self, entry: LogEntry, now_ms: int) -> None:
        """An envelope is new here."""
        self._recipe.stored(entry, now_ms)

    # What is sent

    def poll_gone(self, now_ms: int) -> Gone | None:
        """The frame of gone runs that is due, if any."""
        if self._gone_due_ms is None or self._gone_due_ms > now_ms:
            return None
        waiting = [Portion(index, spans) for index, spans in sorted(self._gone.items())]
        gone = Gone(fitted(waiting, self._means.body_bytes_max, GONE_RUNS_MAX, numbers_max=None))
        airtime_ms = self._means.airtime_ms(control_frame_bytes(gone))
        if not self._means.purses.spend(self._gone_asker, airtime_ms, now_ms):
            self._means.tally["capped"] += 1
            self._gone, self._gone_due_ms = {}, None
            return None
        self.hear_gone(gone)
        if self._gone:
            self._gone_due_ms = self._means.after(now_ms, *ANSWER_DELAY_MS)
        return gone

    def poll_entry(self, now_ms: int) -> SendEntry | SendBlend | None:
        """The envelope or blend that is due and paid for, if any."""
        for asker, entries in self._blending.settle(now_ms):
            self._owe(asker, entries, ANSWER_DELAY_MS, now_ms, helps=False)
        return self._poll_plain(now_ms) or self._blending.poll(now_ms) or self._turns.poll(now_ms)

    def entry_deadline_ms(self) -> int | None:
        """When an envelope or blend is due."""
        due = [answer.due_ms for answer in self._answers.values()]
        due += [time for time in (self._blending.deadline_ms(), self._turns.deadline_ms()) if time is not None]
        return min(due, default=None)

    def gone_deadline_ms(self) -> int | None:
        """When gone runs are due."""
        return self._gone_due_ms

    def _poll_plain(self, now_ms: int) -> SendEntry | None:
        while True:
            answer = min(self._answers.values(), key=lambda answer: answer.due_ms, default=None)
            if answer is None or answer.due_ms > now_ms:
                return None
            entry = answer.entry
            airtime_ms = self._means.entry_airtime_ms(entry)
            if not self._is_held(entry):
                del self._answers[entry.envelope_id]
            elif self._means.purses.spend(answer.asker, airtime_ms, now_ms):
                return self._send(answer, airtime_ms, now_ms)
            else:
                self._means.tally["capped"] += 1
                self._postpone(answer.asker, airtime_ms, now_ms)

    def _blends(self, request: Request, entry: LogEntry, now_ms: int) -> bool:
        """Whether it may go into a blend: for who takes them, among several, and where its place has no twin."""
        if not self._takes_blends or request.enough == 0:
            return False
        if self._neighborhood.crowd(now_ms) < CROWD_MIN:
            return False
        return self._recipe.is_single(Place(entry.index, entry.number))

    def _owe(
        self,
        asker: int,
        entries: tuple[LogEntry, ...],
        delay_ms: tuple[int, int],
        now_ms: int,
        *,
        helps: bool,
        priority: Priority = Priority.PEOPLE,
    ) -> None:
        waiting = sum(answer.asker == asker for answer in self._answers.values())
        shuffled = self._means.rng.sample(entries, len(entries)) if helps else entries
        due_ms = self._means.after(now_ms, *delay_ms)
        for entry in shuffled:
            known = self._answers.get(entry.envelope_id)
            if known is not None:
                known.helps, known.due_ms = known.helps and helps, min(known.due_ms, due_ms)
            elif now_ms - self._sent.get(entry.envelope_id, now_ms - REPEAT_MS) < REPEAT_MS:
                continue
            elif waiting >= ANSWERS_PER_ASKER_MAX or len(self._answers) >= ANSWERS_MAX:
                self._means.tally["answers-refused"] += 1
            else:
                self._answers[entry.envelope_id] = _Answer(entry, asker, due_ms, priority, helps=helps)
                waiting += 1

    def _tell(
        self, asker: int, portion: Portion, entries: Iterable[LogEntry], delay_ms: tuple[int, int], now_ms: int
    ) -> None:
        """What is known and not held is gone."""
        held = normal(Span(entry.number, entry.number) for entry in entries)
        known = [minus((span,), self._means.log.missing(portion.index, span)) for span in portion.spans]
        gone = minus(normal(span for spans in known for span in spans), held)
        if gone and (portion.index in self._gone or len(self._gone) < GONE_LOGS_MAX):
            self._gone[portion.index] = normal((*self._gone.get(portion.index, ()), *gone))
            self._gone_asker = asker
            if self._gone_due_ms is None:
                self._gone_due_ms = self._means.after(now_ms, *delay_ms)

    def _delay_ms(self, request: Request, now_ms: int) -> tuple[int, int]:
        if request.asked == self._means.me:
            return ANSWER_DELAY_MS
        if request.asked == ANYONE:
            return ANYONE_DELAY_MS
        return HELP_DELAY_MS, HELP_DELAY_MS + HELP_SPREAD_MS * self._neighborhood.crowd(now_ms)

    def _send(self, answer: _Answer, airtime_ms: float, now_ms: int) -> SendEntry:
        entry = answer.entry
        del self._answers[entry.envelope_id]
        self._sent = {name: at_ms for name, at_ms in self._sent.items() if now_ms - at_ms < REPEAT_MS}
        self._sent[entry.envelope_id] = now_ms
        self._means.tally["answers-sent"] += 1
        return SendEntry(entry.index, entry.number, entry.envelope_id, answer.asker, airtime_ms, answer.priority)

    def _postpone(self, asker: int, airtime_ms: float, now_ms: int) -> None:
        ready_ms = max(self._means.purses.ready_at_ms(asker, airtime_ms, now_ms), now_ms + 1)
        for answer in self._answers.values():
            if answer.asker == asker:
                answer.due_ms = max(answer.due_ms, ready_ms)

    def _is_held(self, entry: LogEntry) -> bool:
        return entry in self._means.log.get(entry.index, Span(entry.number, entry.number), ANSWER_ENTRIES_MAX)
