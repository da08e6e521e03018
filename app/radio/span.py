"""Spans: runs of log numbers, as sets and as bytes. What a node has, lacks or asks for is never longer than this list.

Pure. Tuples of spans in this module are normal: ascending, and with at least one number between two neighbors.
Encoding: docs/protocol/radio-repair.md, "Runs".
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import msgspec

from app.core.record import decode_varint, encode_varint
from app.errors import DecodeError
from app.radio.frame import LOG_NUMBER_MAX

NUMBER_BYTES_MAX = 4
"""Four varint bytes hold every log number."""


class Span(msgspec.Struct, frozen=True, order=True):
    """The numbers from `first` to `last`, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last


Spans = tuple[Span, ...]


class Portion(msgspec.Struct, frozen=True):
    """Some numbers of one node's log."""

    index: int
    spans: Spans


def up_to(last: int) -> Spans:
    """The numbers from 1 on."""
    return (Span(1, last),) if last > 0 else ()


def normal(spans: Iterable[Span]) -> Spans:
    """The same numbers in normal form."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.first <= joined[-1].last + 1:
            joined[-1] = Span(joined[-1].first, max(joined[-1].last, span.last))
        else:
            joined.append(span)
    return tuple(joined)


def common(some: Spans, others: Spans) -> Spans:
    """The numbers in both."""
    return tuple(_overlaps(some, others))


def minus(some: Spans, others: Spans) -> Spans:
    """The numbers in `some` and not in `others`."""
    left: list[Span] = []
    at = 0
    for span in some:
        first = span.first
        while at < len(others) and others[at].last < first:
            at += 1
        following = at
        while following < len(others) and others[following].first <= span.last:
            if others[following].first > first:
                left.append(Span(first, others[following].first - 1))
            first = others[following].last + 1
            following += 1
        if first <= span.last:
            left.append(Span(first, span.last))
    return tuple(left)


def total(spans: Spans) -> int:
    """How many numbers these are."""
    return sum(len(span) for span in spans)


def holds(spans: Spans, number: int) -> bool:
    """Whether the number is among them."""
    at = bisect_right(spans, number, key=lambda span: span.first)
    return at > 0 and spans[at - 1].last >= number


def shortened(spans: Spans, numbers: int) -> Spans:
    """The first so many of these numbers."""
    kept: list[Span] = []
    for span in spans:
        if numbers <= 0:
            break
        kept.append(Span(span.first, min(span.last, span.first + numbers - 1)))
        numbers -= len(kept[-1])
    return tuple(kept)


def encode_runs(after: int, spans: Spans) -> bytes:
    """Each span as two varints: how many numbers are skipped since `after` or the last span, and its length."""
    encoded = bytearray()
    for span in spans:
        encoded += encode_varint(span.first - after - 1) + encode_varint(len(span))
        after = span.last
    return bytes(encoded)


def decode_runs(data: bytes, offset: int, count: int, after: int) -> tuple[Spans, int]:
    """(`count` spans above `after`, next offset). DecodeError where a run is empty, joins the last or ends too high.

    The first run may follow `after` at once; whoever forbids that says so.
    """
    spans: list[Span] = []
    for _ in range(count):
        skipped, offset = decode_varint(data, offset, NUMBER_BYTES_MAX)
        length, offset = decode_varint(data, offset, NUMBER_BYTES_MAX)
        if length == 0 or (skipped == 0 and spans):
            raise DecodeError("run", "A run of log numbers is empty, or goes on where the last one ended.")
        first, last = after + skipped + 1, after + skipped + length
        if last > LOG_NUMBER_MAX:
            raise DecodeError("number", f"A node's log ends at {LOG_NUMBER_MAX}.")
        spans.append(Span(first, last))
        after = last
    return tuple(spans), offset


def _overlaps(some: Spans, others: Spans) -> Iterator[Span]:
    at = 0
    for span in some:
        while at < len(others) and others[at].last < span.first:
            at += 1
        following = at
        while following < len(others) and others[following].first <= span.last:
            yield Span(max(span.first, others[following].first), min(span.last, others[following].last))
            following += 1
