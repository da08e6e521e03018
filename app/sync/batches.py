"""Entries on their way in both directions, in batches: what may be under way, and what each side said of it. Pure.

Spec: docs/protocol/sync.md, "Entries and custody".
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from app.core.envelope import EnvelopeId, envelope_id
from app.errors import PeerError
from app.radio.frame import LOG_NUMBER_MAX
from app.sync.effects import Append, Effect, Holds, Refused, Send
from app.sync.log import Placed
from app.sync.message import (
    BATCH_BYTES_MAX,
    BATCH_ENTRIES_MAX,
    BATCHES_UNACKNOWLEDGED_MAX,
    Entries,
    EntryRun,
    Held,
    Message,
)

QUEUE_LOW = 4
"""Messages that wait for the peer; with fewer, more is read from the log: it is never far ahead of the link."""
NEWS_ENTRIES_MAX = 500
NEWS_BYTES_MAX = 256 << 10
"""New entries that wait for the peer with their bytes. Of more than these only the places are kept."""
REFUSED_MAX = 10_000
"""Names that the peer refused and that are not offered again in this session: about 1 MB."""


class Batches:
    """Both directions of one session. `moved` counts entries that one side took, `declined` those it didn't."""

    def __init__(self) -> None:
        self._queue: deque[Message] = deque()
        self._news: deque[Placed] = deque()
        self._news_bytes = 0
        self._under_way: deque[tuple[EnvelopeId, ...]] = deque()
        self._appending: deque[int] = deque()
        self._refused: set[EnvelopeId] = set()
        self.moved = 0
        self.declined = 0

    @property
    def idle(self) -> bool:
        """Nothing waits, nothing is under way, and nothing is being written here."""
        return not (self._queue or self._news or self._under_way or self._appending)

    @property
    def owed(self) -> bool:
        """The peer has not yet said of everything whether it holds it."""
        return bool(self._under_way)

    @property
    def low(self) -> bool:
        """Little waits: there is room for more."""
        return len(self._queue) < QUEUE_LOW

    def put(self, entries: Iterable[Placed]) -> None:
        """Send these in their turn, but for what the peer refused before."""
        self._queue.extend(in_batches(self._welcome(entries)))

    def put_message(self, message: Message) -> None:
        """Send this after all that waits, news aside."""
        self._queue.append(message)

    def push(self, entries: Iterable[Placed]) -> list[Placed]:
        """Send these before all that waits. Returns those for which there is no room."""
        left: list[Placed] = []
        for placed in self._welcome(entries):
            size = len(placed.envelope)
            if len(self._news) < NEWS_ENTRIES_MAX and self._news_bytes + size <= NEWS_BYTES_MAX:
                self._news.append(placed)
                self._news_bytes += size
            else:
                left.append(placed)
        return left

    def flush(self) -> list[Effect]:
        """What can go now: as many batches as may be under way."""
        effects: list[Effect] = []
        while self._news and self._has_credit():
            effects.append(self._send(self._next_news()))
        while self._queue:
            message = self._queue[0]
            if isinstance(message, Entries) and not self._has_credit():
                break
            effects.append(self._send(self._queue.popleft()))
        return effects

    def held(self, refused: Sequence[int]) -> list[Effect]:
        """The peer's word for the oldest batch under way."""
        if not self._under_way:
            raise PeerError("The peer acknowledges what it was not sent.")
        names = self._under_way.popleft()
        away = set(refused)
        if list(refused) != sorted(away) or (refused and refused[-1] >= len(names)):
            raise PeerError("The peer refuses what was not in the batch.")
        kept = tuple(name for at, name in enumerate(names) if at not in away)
        dropped = tuple(names[at] for at in refused)
        self._refused.update(dropped[: REFUSED_MAX - len(self._refused)])
        self.moved += len(kept)
        self.declined += len(dropped)
        return [*([Holds(kept)] if kept else []), *([Refused(dropped)] if dropped else [])]

    def receive(self, entries: Entries) -> list[Effect]:
        """A batch from the peer, to be written."""
        batch = tuple(_placed(entries))
        if len(batch) > BATCH_ENTRIES_MAX or sum(len(placed.envelope) for placed in batch) > BATCH_BYTES_MAX:
            raise PeerError("The peer sends a batch that is larger than one may be.")
        if len(self._appending) >= BATCHES_UNACKNOWLEDGED_MAX:
            raise PeerError("The peer sends more than is acknowledged.")
        self._appending.append(len(batch))
        return [Append(batch)]

    def appended(self, held: Sequence[bool]) -> list[Effect]:
        """The oldest batch from the peer was written."""
        assert len(held) == self._appending.popleft()
        refused = tuple(at for at, is_held in enumerate(held) if not is_held)
        self.moved += len(held) - len(refused)
        self.declined += len(refused)
        return [Send(Held(refused))]

    def _welcome(self, entries: Iterable[Placed]) -> list[Placed]:
        if not self._refused:
            return list(entries)
        offered = list(entries)
        welcome = [placed for placed in offered if envelope_id(placed.envelope) not in self._refused]
        self.declined += len(offered) - len(welcome)
        return welcome

    def _next_news(self) -> Entries:
        batch = next(in_batches(self._news))
        for _ in range(sum(len(run.envelopes) for run in batch.runs)):
            self._news_bytes -= len(self._news.popleft().envelope)
        return batch

    def _has_credit(self) -> bool:
        return len(self._under_way) < BATCHES_UNACKNOWLEDGED_MAX

    def _send(self, message: Message) -> Effect:
        if isinstance(message, Entries):
            self._under_way.append(tuple(envelope_id(sealed) for run in message.runs for sealed in run.envelopes))
        return Send(message)


def in_batches(entries: Iterable[Placed]) -> Iterator[Entries]:
    """The entries in messages that are small enough, in their order; neighbors in a log share a run."""
    batch: list[Placed] = []
    size = 0
    for placed in entries:
        if batch and (len(batch) == BATCH_ENTRIES_MAX or size + len(placed.envelope) > BATCH_BYTES_MAX):
            yield _entries(batch)
            batch, size = [], 0
        batch.append(placed)
        size += len(placed.envelope)
    if batch:
        yield _entries(batch)


def _entries(batch: Sequence[Placed]) -> Entries:
    runs: list[tuple[Placed, list[bytes]]] = []
    for placed in batch:
        if runs:
            head, envelopes = runs[-1]
            if head.index == placed.index and head.number + len(envelopes) == placed.number:
                envelopes.append(placed.envelope)
                continue
        runs.append((placed, [placed.envelope]))
    return Entries(tuple(EntryRun(head.index, head.number, tuple(envelopes)) for head, envelopes in runs))


def _placed(entries: Entries) -> Iterator[Placed]:
    for run in entries.runs:
        if run.first + len(run.envelopes) - 1 > LOG_NUMBER_MAX:
            raise PeerError("The peer sends an entry beyond the end of a log.")
        for at, sealed in enumerate(run.envelopes):
            yield Placed(run.index, run.first + at, sealed)
