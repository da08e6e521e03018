"""Answers a peer's want from the log, a piece at a time: never far ahead of the link. Pure.

Spec: docs/protocol/sync.md, "Wanting".
"""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from app.errors import PeerError
from app.radio.span import Span, Spans, holds, minus, up_to
from app.sync.batches import Batches
from app.sync.effects import Effect, Get
from app.sync.log import Placed, Vector
from app.sync.message import BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Settled

GET_ENTRIES = BATCH_ENTRIES_MAX
"""Entries read at once; at the longest envelopes these are 2 MB."""
GAP_MAX = 16
"""Runs that stand so close are read at once: reading as many rows in vain costs less than asking again."""
LATE_SPANS_MAX = 4096
"""Runs of new entries for which there was no room with their bytes. What doesn't fit is found by the check."""

Queue = deque[tuple[int, Span]]


class _Reading(msgspec.Struct, frozen=True):
    """What is being read: some runs of a log, and the queue that they come from."""

    queue: Queue
    spans: Spans


class Answering:
    """What is still to be read for the peer: first what it wants, then news for which there was no room."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._due: Queue = deque()
        self._late: Queue = deque()
        self._reading: _Reading | None = None
        self._found: list[Placed] = []
        self._found_bytes = 0
        self._asked = False

    @property
    def idle(self) -> bool:
        """Nothing is to be read any more."""
        return not (self._asked or self._late or self._found or self._reading is not None)

    def want(self, vector: Vector) -> None:
        """The peer wants these places."""
        if self._asked:
            raise PeerError("The peer wants more before it was answered.")
        self._asked = True
        self._due.extend((index, span) for index, spans in vector.items() for span in spans)

    def late(self, entries: Iterable[Placed]) -> None:
        """These are new here, and shall be read again when their turn comes."""
        for placed in entries:
            last = self._late[-1] if self._late else None
            if last is not None and last[0] == placed.index and placed.number in (last[1].last, last[1].last + 1):
                self._late[-1] = (placed.index, Span(last[1].first, placed.number))
            elif len(self._late) < LATE_SPANS_MAX:
                self._late.append((placed.index, Span(placed.number, placed.number)))

    def go_on(self) -> list[Effect]:
        """Read on, if there is room for what comes."""
        if self._reading is not None or not self._batches.low:
            return []
        queue = self._due or self._late
        if not self._due:
            self._answered()
        if not queue:
            return []
        index, spans = _next_runs(queue)
        self._reading = _Reading(queue, spans)
        return [Get(index, Span(spans[0].first, spans[-1].last), GET_ENTRIES)]

    def got(self, get: Get, found: Sequence[Placed]) -> None:
        """What was read goes to the peer, as soon as it fills a batch."""
        assert self._reading is not None
        reading, self._reading = self._reading, None
        whole, read_to = _whole_places(found) if len(found) >= get.limit else (found, get.span.last)
        left = minus(reading.spans, up_to(read_to))
        reading.queue.extendleft((get.index, span) for span in reversed(left))
        for placed in whole:
            if holds(reading.spans, placed.number):
                self._found.append(placed)
                self._found_bytes += len(placed.envelope)
        if len(self._found) >= BATCH_ENTRIES_MAX or self._found_bytes >= BATCH_BYTES_MAX:
            self._hand_over()

    def _answered(self) -> None:
        self._hand_over()
        if self._asked:
            self._asked = False
            self._batches.put_message(Settled(0))

    def _hand_over(self) -> None:
        self._batches.put(self._found)
        self._found, self._found_bytes = [], 0


def _next_runs(queue: Queue) -> tuple[int, Spans]:
    """Takes the first run off the queue, and those of the same log that follow closely."""
    index, span = queue.popleft()
    spans = [span]
    while queue and queue[0][0] == index and 0 < queue[0][1].first - spans[-1].last <= GAP_MAX:
        spans.append(queue.popleft()[1])
    return index, tuple(spans)


def _whole_places(found: Sequence[Placed]) -> tuple[Sequence[Placed], int]:
    """What was read but for the last place, of which there may be more; and the number up to which all is read."""
    last = found[-1].number
    whole = [placed for placed in found if placed.number != last]
    return (whole, last - 1) if whole else (found, last)
