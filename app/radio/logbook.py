"""Node logs as the radio's machines see them: five verbs of a Protocol, and a book in memory that speaks them.

A place in a log is an index and a number. It is missing, held, or gone: expired, withdrawn, dropped; held and gone are
both known. A place may hold several envelopes where two nodes have shared one index; then all of them are its content.

The shell fills a Logbook from the store at start, with what is on the disk and nothing else, and the machines keep it
true from there. Pure: knows names and sizes of envelopes, not their bytes.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from typing import Protocol

import msgspec

from app.core.envelope import EnvelopeId
from app.radio.span import Span, Spans, common, holds, minus, normal, total, up_to
from app.radio.vector import CHECKSUMS, checksum

ALTERNATES_MAX = 4
"""Envelopes at one place: two cloned nodes and two restored backups of them. A fifth is refused."""


class LogEntry(msgspec.Struct, frozen=True):
    """An envelope at its place. `envelope_bytes` is its size, which says what it costs on air."""

    index: int
    number: int
    envelope_id: EnvelopeId
    envelope_bytes: int


class KnownLog(msgspec.Struct, frozen=True):
    """What is known of one log: everything up to `contiguous`, and the runs `held` above, all of them.

    `total` is the checksum of the ids known up to `contiguous`; `unseen` counts the places up to there that were gone
    before this node saw them, so that their ids are not in it.
    """

    index: int
    contiguous: int
    total: int
    unseen: int
    held: Spans

    @property
    def highest(self) -> int:
        """The last known number."""
        return self.held[-1].last if self.held else self.contiguous


class LogView(Protocol):
    """The seam between the log and whoever repairs it. All of it is on the disk already."""

    def append(self, entry: LogEntry) -> bool:
        """Note an envelope; False when it was there before. It is known, even where its place was called gone."""
        ...

    def vector(self, cut: Mapping[int, int] | None = None) -> tuple[KnownLog, ...]:
        """All logs by index; or, with `cut`, these logs as if they ended at these numbers."""
        ...

    def missing(self, index: int, span: Span) -> Spans:
        """The places in the span that are neither held nor gone."""
        ...

    def get(self, index: int, span: Span, limit: int) -> tuple[LogEntry, ...]:
        """The first envelopes that are held in the span, at most `limit`."""
        ...

    def drop(self, index: int, span: Span) -> None:
        """The span is gone: what was held there, and what was missing."""
        ...


class Logbook:
    """A LogView in memory: about 350 bytes an envelope; gone runs cost the same whatever their length."""

    def __init__(self) -> None:
        self._logs: dict[int, _Log] = {}

    def append(self, entry: LogEntry) -> bool:
        return self._log(entry.index).append(entry)

    def vector(self, cut: Mapping[int, int] | None = None) -> tuple[KnownLog, ...]:
        if cut is None:
            return tuple(self._logs[index].summary(index, None) for index in sorted(self._logs))
        return tuple(self._logs[index].summary(index, cut[index]) for index in sorted(cut) if index in self._logs)

    def missing(self, index: int, span: Span) -> Spans:
        return minus((span,), self._logs[index].known) if index in self._logs else (span,)

    def get(self, index: int, span: Span, limit: int) -> tuple[LogEntry, ...]:
        return self._logs[index].get(span, limit) if index in self._logs else ()

    def drop(self, index: int, span: Span) -> None:
        self._log(index).drop(span)

    def _log(self, index: int) -> "_Log":
        return self._logs.setdefault(index, _Log())


class _Log:
    """One log. `numbers` are the places whose ids are known, gone or not, and `sums` what they add up to so far."""

    __slots__ = ("entries", "known", "numbers", "places", "sums", "unseen")

    def __init__(self) -> None:
        self.known: Spans = ()
        self.unseen: Spans = ()
        self.entries: dict[int, tuple[LogEntry, ...]] = {}
        self.places: dict[int, tuple[EnvelopeId, ...]] = {}
        self.numbers: list[int] = []
        self.sums: list[int] = []

    def append(self, entry: LogEntry) -> bool:
        number = entry.number
        held = self.entries.get(number, ())
        if any(other.envelope_id == entry.envelope_id for other in held):
            return False
        ids = self.places.get(number, ())
        if entry.envelope_id not in ids:
            if len(ids) >= ALTERNATES_MAX:
                return False
            if not ids:
                insort(self.numbers, number)
            self.places[number] = (*ids, entry.envelope_id)
        self.entries[number] = (*held, entry)
        del self.sums[bisect_left(self.numbers, number) :]
        self.known = _with(self.known, Span(number, number))
        self.unseen = minus(self.unseen, (Span(number, number),))
        return True

    def summary(self, index: int, cut: int | None) -> KnownLog:
        contiguous = self.known[0].last if self.known and self.known[0].first == 1 else 0
        held = self.known[contiguous > 0 :]
        if cut is not None and cut <= contiguous:
            contiguous, held = cut, ()
        elif cut is not None:
            held = common(held, up_to(cut))
        return KnownLog(index, contiguous, self._sum(contiguous), total(common(self.unseen, up_to(contiguous))), held)

    def get(self, span: Span, limit: int) -> tuple[LogEntry, ...]:
        found: list[LogEntry] = []
        at = bisect_left(self.numbers, span.first)
        while at < len(self.numbers) and self.numbers[at] <= span.last and len(found) < limit:
            found += self.entries.get(self.numbers[at], ())
            at += 1
        return tuple(found[:limit])

    def drop(self, span: Span) -> None:
        at = bisect_left(self.numbers, span.first)
        while at < len(self.numbers) and self.numbers[at] <= span.last:
            self.entries.pop(self.numbers[at], None)
            at += 1
        self.unseen = normal((*self.unseen, *minus((span,), self.known)))
        self.known = _with(self.known, span)

    def _sum(self, contiguous: int) -> int:
        for number in self.numbers[len(self.sums) :]:
            before = self.sums[-1] if self.sums else 0
            self.sums.append((before + checksum(self.places[number])) % CHECKSUMS)
        at = bisect_right(self.numbers, contiguous)
        return self.sums[at - 1] if at else 0


def _with(spans: Spans, span: Span) -> Spans:
    if spans and spans[-1].last + 1 == span.first:
        return (*spans[:-1], Span(spans[-1].first, span.last))
    return spans if span.first == span.last and holds(spans, span.first) else normal((*spans, span))
