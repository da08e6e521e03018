"""Hearsay: log numbers that neighbors call gone, which this node never saw.

Believed where it can hide nothing new: below the highest number held here, or from the log's own node about what it
claims. Even then it is asked for again, ever more rarely, because somebody else may still hold it; and an envelope that
arrives is taken whatever was said. Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from collections.abc import Iterable

import msgspec

from app.radio.frame import LOG_NUMBER_MAX
from app.radio.means import Means
from app.radio.neighbors import Neighbor, Neighborhood
from app.radio.request import ANYONE, REQUEST_BODY_BYTES_MAX, REQUEST_RUNS_MAX, Request, fitted, spans_of
from app.radio.span import Portion, Span, Spans, common, minus, normal, up_to

AGAIN_MS = 24 * 3_600_000
AGAIN_MAX_MS = 32 * AGAIN_MS
"""Asked for once more after a day, two, four … 32: a request of 0.3 s."""
SOON_MS = 10 * 60_000
"""What didn't fit into the request goes into another, not at once."""
TOLD_MAX = 512
"""Tellings remembered. Beyond them none is believed: what they were about is asked for as before."""
HELD_LOOK_MAX = 4096
"""Entries looked at to see what of a telling has arrived since."""


class _Told(msgspec.Struct, frozen=True):
    index: int
    spans: Spans
    again_ms: int
    wait_ms: int


class Hearsay:
    """What is believed to be gone, and when it is doubted."""

    def __init__(self, means: Means, neighborhood: Neighborhood) -> None:
        self._means = means
        self._neighborhood = neighborhood
        self._told: list[_Told] = []

    def hear(self, sender: int, neighbor: Neighbor, gone: Iterable[Portion], now_ms: int) -> None:
        """A neighbor says, asked for them, that these are gone."""
        for portion in gone:
            lacking = self._missing(portion)
            if lacking:
                neighbor.call_gone(portion.index, lacking)
                self._believe(sender, neighbor, portion.index, now_ms)

    def stored(self, index: int, now_ms: int) -> None:
        """An entry of this log arrived: what was called gone below it may be believed now."""
        for sender, neighbor in self._neighborhood:
            if index in neighbor.gone:
                self._believe(sender, neighbor, index, now_ms)

    def claimed(self, sender: int, neighbor: Neighbor, now_ms: int) -> None:
        """A node announced how far its own log goes: what it called gone of it may be believed now."""
        if sender in neighbor.gone:
            self._believe(sender, neighbor, sender, now_ms)

    def poll(self, now_ms: int) -> Request | None:
        """The request for what was told long enough ago, if any."""
        due = [told for told in self._told if told.again_ms <= now_ms]
        if not due:
            return None
        self._told = [told for told in self._told if told.again_ms > now_ms]
        doubted: dict[int, Spans] = {}
        for told in due:
            doubted[told.index] = normal((*doubted.get(told.index, ()), *self._not_held(told)))
        asked = fitted(
            [Portion(index, spans) for index, spans in sorted(doubted.items()) if spans],
            REQUEST_BODY_BYTES_MAX,
            REQUEST_RUNS_MAX,
        )
        for told in due:
            self._put_back(told, common(doubted[told.index], told.spans), spans_of(asked, told.index), now_ms)
        self._means.tally["gone-doubted"] += bool(asked)
        return Request(ANYONE, asked) if asked else None

    def deadline_ms(self) -> int | None:
        """When to poll next."""
        return min((told.again_ms for told in self._told), default=None)

    def _believe(self, sender: int, neighbor: Neighbor, index: int, now_ms: int) -> None:
        missing = self._missing(Portion(index, neighbor.gone[index]))
        believed = common(missing, self._credible(sender, neighbor, index))
        if not believed:
            self._means.tally["gone-disbelieved"] += bool(missing)
            return
        if len(self._told) >= TOLD_MAX:
            self._means.tally["gone-full"] += 1
            return
        for span in believed:
            self._means.log.drop(index, span)
        self._told.append(_Told(index, believed, now_ms + AGAIN_MS, AGAIN_MS))
        self._means.tally["gone-believed"] += 1

    def _credible(self, sender: int, neighbor: Neighbor, index: int) -> Spans:
        claim = neighbor.claims.get(index)
        own = claim.known if sender == index and claim is not None else ()
        held = self._means.log.vector({index: LOG_NUMBER_MAX})
        return normal((*own, *(up_to(held[0].highest) if held else ())))

    def _missing(self, portion: Portion) -> Spans:
        return normal(lack for span in portion.spans for lack in self._means.log.missing(portion.index, span))

    def _not_held(self, told: _Told) -> Spans:
        entries = (entry for span in told.spans for entry in self._means.log.get(told.index, span, HELD_LOOK_MAX))
        return minus(told.spans, normal(Span(entry.number, entry.number) for entry in entries))

    def _put_back(self, told: _Told, left: Spans, asked: Spans, now_ms: int) -> None:
        wait_ms = min(2 * told.wait_ms, AGAIN_MAX_MS)
        for spans, again_ms, wait in (
            (common(left, asked), now_ms + wait_ms, wait_ms),
            (minus(left, asked), now_ms + SOON_MS, told.wait_ms),
        ):
            if spans:
                self._told.append(_Told(told.index, spans, again_ms, wait))
