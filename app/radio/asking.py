"""Asking: which log numbers this node lacks, and whom it asks for them when.

A request to a neighbor is paid from its purse, since its claim caused it; every request steps back for another's that
asks for the same. In a crowd everybody is asked for blends, in rounds (rounds.py).
Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from app.radio.blend import Blend, Place, places_of
from app.radio.box import Box
from app.radio.control import control_frame_bytes
from app.radio.hearsay import Hearsay
from app.radio.logbook import LogEntry
from app.radio.means import Means
from app.radio.neighbors import Neighbor, Neighborhood
from app.radio.recipe import ANCHOR_REACH
from app.radio.request import (
    ANSWER_ENTRIES_MAX,
    ANYONE,
    REQUEST_BODY_BYTES_MAX,
    REQUEST_RUNS_MAX,
    Gone,
    Request,
    fitted,
    spans_of,
)
from app.radio.rounds import Rounds
from app.radio.span import Portion, Spans, common, holds, minus, normal, total

REQUEST_DELAY_MS = (500, 6_000)
"""By chance, before a request: another's, heard in this time, spares ours."""
CROWD_MIN = 4
"""With so many neighbors, others are likely to lack something too."""
PATIENCE_MS = 30_000
"""Silence after a request, or after the last answer to it, before asking again."""
BLEND_PATIENCE_MAX_MS = 600_000
"""Blends prove nothing before they are solved: they prolong the wait this long at most."""
PLAIN_MS = 600_000
"""After blends that were spoiled, envelopes are asked for as they are for so long."""
ASKS_MAX = 64
"""Requests, own and overheard, that are waited for at once."""
OVERHEARD_MAX = 32
DEFERRALS_MAX = 2
"""After stepping back so often for others' requests that brought nothing, ours goes out all the same."""


class _Ask:
    """A request that is waited for: ours to `neighbor`, or another's, overheard (None)."""

    __slots__ = ("enough", "limit_ms", "neighbor", "portions", "progressed", "until_ms")

    def __init__(self, portions: tuple[Portion, ...], neighbor: int | None, until_ms: int, enough: int = 0) -> None:
        self.portions = portions
        self.enough = enough
        self.neighbor = neighbor
        self.until_ms = until_ms
        self.limit_ms = until_ms + BLEND_PATIENCE_MAX_MS
        self.progressed = False


class Asking:
    """Who is asked for what."""

    def __init__(self, means: Means, neighborhood: Neighborhood, box: Box | None = None) -> None:
        self._means = means
        self._neighborhood = neighborhood
        self._box = box
        self._plain_until_ms = 0
        self._rounds = Rounds(means)
        self._hearsay = Hearsay(means, neighborhood)
        self._asks: list[_Ask] = []
        self._due_ms: int | None = None
        self._deferrals = 0
        self._flight: _Ask | None = None

    def hear_claims(self, sender: int, neighbor: Neighbor, now_ms: int) -> None:
        """A neighbor claims what we lack."""
        self._hearsay.claimed(sender, neighbor, now_ms)
        self._arm(now_ms)

    def hear_request(self, request: Request, now_ms: int) -> None:
        """Somebody else asks: if that is what we lack, its answers serve us too."""
        if sum(ask.neighbor is None for ask in self._asks) < OVERHEARD_MAX:
            self._asks.append(_Ask(request.portions, None, now_ms + PATIENCE_MS, request.enough))
        if request.enough:
            self._rounds.hear_round(now_ms)

    def hear_gone(self, sender: int, neighbor: Neighbor, gone: Gone, now_ms: int) -> None:
        """Some of what was asked for may be gone. What nobody asked about is not listened to."""
        answers = [Portion(told.index, common(told.spans, self._asked_of(told.index))) for told in gone.portions]
        answers = [answer for answer in answers if answer.spans]
        self._means.tally["gone-unasked"] += not answers
        self._hearsay.hear(sender, neighbor, answers, now_ms)
        for answer in answers:
            self._progress(answer)
        self._end_fulfilled(now_ms)

    def hear_blend(self, blend: Blend, now_ms: int) -> None:
        """Blends are an answer, if they can be solved; and what is in them is there."""
        for ask in self._asks:
            if any(common(spans_of(ask.portions, portion.index), portion.spans) for portion in blend.portions):
                ask.progressed, self._deferrals = True, 0
                ask.until_ms = max(ask.until_ms, min(now_ms + PATIENCE_MS, ask.limit_ms))
        self._rounds.hear_round(now_ms)
        self._arm(now_ms)

    def refuse_blends(self, now_ms: int) -> None:
        """What came out of blends was forged or broken."""
        if self._box is not None:
            self._box.spoil()
        self._plain_until_ms = now_ms + PLAIN_MS
        self._asks = [ask for ask in self._asks if not ask.enough]
        self._arm(now_ms)

    def stored(self, entry: LogEntry, sender: int | None, now_ms: int, *, mended: bool = False) -> bool:
        """An entry is on the disk; its sender kept its word. True when it had been asked for."""
        if not mended:
            self._rounds.hear_new(now_ms)
        self._hearsay.stored(entry.index, now_ms)
        asked = False
        for ask in self._asks:
            if holds(spans_of(ask.portions, entry.index), entry.number):
                asked = ask.progressed = True
                ask.until_ms = max(ask.until_ms, now_ms + PATIENCE_MS)
        neighbor = None if sender is None else self._neighborhood.get(sender)
        if asked and neighbor is not None:
            neighbor.deliver(now_ms)
        if asked:
            self._deferrals = 0
            self._end_fulfilled(now_ms)
        return asked

    def poll(self, now_ms: int) -> Request | None:
        """The request that is due, if any. It counts as asked; `sent` tells when it left."""
        self._expire(now_ms)
        doubted = self._hearsay.poll(now_ms)
        if doubted is not None:
            return doubted
        if self._gathers(now_ms):
            self._due_ms, enough = None, self._rounds.poll(now_ms)
            return self._ask_everybody(enough, now_ms) if enough else None
        self._rounds.update([], 0, now_ms)
        if self._due_ms is None or self._due_ms > now_ms:
            return None
        self._due_ms = None
        return self._ask(now_ms)

    def sent(self, now_ms: int, *, ok: bool) -> None:
        """The modem is done with the request: patience starts here."""
        flight, self._flight = self._flight, None
        if flight is None or flight not in self._asks:
            return
        if ok:
            flight.until_ms = max(flight.until_ms, now_ms + PATIENCE_MS)
        else:
            self._asks.remove(flight)
            self._arm(now_ms)

    @property
    def waits(self) -> bool:
        """Whether something was asked for, or is about to be."""
        return self._due_ms is not None or bool(self._asks)

    def deadline_ms(self) -> int | None:
        """When to poll next."""
        times = [*(ask.until_ms for ask in self._asks), self._hearsay.deadline_ms(), self._due_ms]
        times.append(self._rounds.deadline_ms())
        return min((time for time in times if time is not None), default=None)

    def _ask(self, now_ms: int) -> Request | None:
        waits: list[int] = []
        stepped_back = False
        busy = {ask.neighbor for ask in self._asks}
        for index, neighbor in self._neighborhood:
            # One request at a time: what comes of it decides about the next.
            lacking = [] if neighbor.is_hopeless or index in busy else self._lacking(neighbor)
            portions = fitted(self._unasked(lacking), REQUEST_BODY_BYTES_MAX, REQUEST_RUNS_MAX)
            stepped_back = stepped_back or bool(lacking and not portions)
            if not portions:
                continue
            request = Request(index, portions, self._enough(lacking, now_ms))
            ready_ms = self._ready_at_ms(request, neighbor, now_ms)
            if ready_ms <= now_ms:
                return self._asked(request, neighbor, now_ms)
            waits.append(ready_ms)
        self._deferrals += stepped_back and not waits
        self._due_ms = min(waits, default=None)
        return None

    def _gathers(self, now_ms: int) -> bool:
        """Whether everybody is asked, in rounds: where there is a crowd, and what is lacking can be blended."""
        if self._box is None or now_ms < self._plain_until_ms or self._neighborhood.crowd(now_ms) < CROWD_MIN:
            return False
        return self._enough(self._lacking_anywhere(now_ms), now_ms) > 0

    def _ask_everybody(self, enough: int, now_ms: int) -> Request | None:
        """For all that is lacking, unless somebody asks for as much: one request at a time."""
        portions = fitted(self._lacking_anywhere(now_ms), REQUEST_BODY_BYTES_MAX, REQUEST_RUNS_MAX)
        if not portions or any(ask.neighbor is not None for ask in self._asks):
            return None
        if self._deferrals < DEFERRALS_MAX and any(ask.enough >= enough for ask in self._asks):
            self._deferrals += 1
            return None
        return self._note(Request(ANYONE, portions, enough), now_ms)

    def _lacking_anywhere(self, now_ms: int) -> list[Portion]:
        """What is claimed by those who may be believed now."""
        claimed: dict[int, Spans] = {}
        for _, neighbor in self._neighborhood:
            if neighbor.ask_after_ms <= now_ms:
                for portion in self._lacking(neighbor):
                    claimed[portion.index] = normal((*claimed.get(portion.index, ()), *portion.spans))
        return [Portion(index, spans) for index, spans in sorted(claimed.items())]

    def _enough(self, lacking: list[Portion], now_ms: int) -> int:
        """How many blends of all we lack would do: one less for each that waits in the box. 0 asks for none."""
        numbers = sum(total(portion.spans) for portion in lacking)
        if self._box is None or numbers > ANSWER_ENTRIES_MAX or now_ms < self._plain_until_ms:
            return 0
        if not numbers or any(p.spans[-1].last > self._means.highest(p.index) + ANCHOR_REACH for p in lacking):
            return 0  # of numbers so far from ours we could not read blends
        return max(1, numbers - self._box.rows_within(set(places_of(lacking))))

    def _ready_at_ms(self, request: Request, neighbor: Neighbor, now_ms: int) -> int:
        airtime_ms = self._means.airtime_ms(control_frame_bytes(request))
        return max(neighbor.ask_after_ms, self._means.purses.ready_at_ms(request.asked, airtime_ms, now_ms))

    def _asked(self, request: Request, neighbor: Neighbor, now_ms: int) -> Request:
        self._means.purses.spend(request.asked, self._means.airtime_ms(control_frame_bytes(request)), now_ms)
        neighbor.asked_ms = now_ms
        return self._note(request, now_ms)

    def _note(self, request: Request, now_ms: int) -> Request:
        self._deferrals = 0
        self._asks = self._asks[1 - ASKS_MAX :]
        self._flight = _Ask(request.portions, request.asked, now_ms + PATIENCE_MS, request.enough)
        self._asks.append(self._flight)
        self._means.tally["numbers-asked"] += sum(total(portion.spans) for portion in request.portions)
        self._arm(now_ms)
        return request

    def _lacking(self, neighbor: Neighbor) -> list[Portion]:
        """What it claims, has not called gone, and we have not."""
        lacking: list[Portion] = []
        for index, claim in sorted(neighbor.claims.items()):
            missing = normal(lack for span in claim.known for lack in self._means.log.missing(index, span))
            spans = minus(missing, neighbor.gone.get(index, ()))
            if spans:
                lacking.append(Portion(index, spans))
        return lacking

    def _unasked(self, lacking: list[Portion]) -> list[Portion]:
        """What nobody is asking for; after too many deferrals, what we are not asking for ourselves."""
        asks = [ask for ask in self._asks if ask.neighbor is not None or self._deferrals < DEFERRALS_MAX]
        portions = []
        for portion in lacking:
            asked: Spans = normal(span for ask in asks for span in spans_of(ask.portions, portion.index))
            spans = minus(portion.spans, asked)
            if spans:
                portions.append(Portion(portion.index, spans))
        return portions

    def _asked_of(self, index: int) -> Spans:
        return normal(span for ask in self._asks for span in spans_of(ask.portions, index))

    def _progress(self, answer: Portion) -> None:
        """Gone is an answer too."""
        for ask in self._asks:
            if common(spans_of(ask.portions, answer.index), answer.spans):
                ask.progressed = True

    def _end_fulfilled(self, now_ms: int) -> None:
        open_asks = [ask for ask in self._asks if self._is_open(ask)]
        if len(open_asks) < len(self._asks):
            self._asks = open_asks
            self._arm(now_ms)

    def _expire(self, now_ms: int) -> None:
        over = [ask for ask in self._asks if ask.until_ms <= now_ms]
        if not over:
            return
        self._asks = [ask for ask in self._asks if ask.until_ms > now_ms]
        for ask in over:
            if ask.neighbor is not None and not ask.progressed and self._is_open(ask):
                self._means.tally["requests-unanswered"] += 1
                for index in self._blamed(ask):
                    self._neighborhood.miss(index, now_ms)
        self._arm(now_ms)

    def _blamed(self, ask: _Ask) -> list[int]:
        """Whose claims caused the request."""
        if ask.neighbor is not None and ask.neighbor != ANYONE:
            return [ask.neighbor]
        return [
            index
            for index, neighbor in self._neighborhood
            if any(common(portion.spans, spans_of(ask.portions, portion.index)) for portion in self._lacking(neighbor))
        ]

    def _is_open(self, ask: _Ask) -> bool:
        """Whether anything it asks for is still missing, and not gone where we asked."""
        neighbor = None if ask.neighbor is None else self._neighborhood.get(ask.neighbor)
        for portion in ask.portions:
            gone = () if neighbor is None else neighbor.gone.get(portion.index, ())
            for span in portion.spans:
                if minus(self._means.log.missing(portion.index, span), gone):
                    return True
        return False

    def _arm(self, now_ms: int) -> None:
        lacking = self._lacking_anywhere(now_ms)
        enough = self._enough(lacking, now_ms)
        places: list[Place] = places_of(lacking) if enough else []
        self._rounds.update(places, enough, now_ms)
        due_ms = self._means.after(now_ms, *REQUEST_DELAY_MS)
        self._due_ms = due_ms if self._due_ms is None else min(self._due_ms, due_ms)
