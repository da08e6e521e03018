"""Announcing: when this node tells what it has, and when others told as much.

Trickle tells it soon while a neighbor lacks something, and ever more rarely while none does; new entries are told once
for all that came together. Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

import msgspec

from app.radio.logbook import LogEntry
from app.radio.means import Means
from app.radio.neighbors import Neighbor
from app.radio.trickle import Trickle, TrickleConfig
from app.radio.vector import NodeLog, Vector, following, slice_vector

TRICKLE = TrickleConfig(interval_min_ms=32_000, doublings=6, redundancy=1)
"""32 s holds a neighborhood's worth of vectors at SF9; 34 min costs at most two vectors an hour where all is well."""
OWN_NEWS_MS = (20_000, 40_000)
"""After the last entry of this node's own log, which nobody has more of."""
NEWS_MS = (60_000, 90_000)
"""After the last entry that was heard, once for all that came together: its own node tells it first, if it can."""
GAPPED_NEWS_MS = (90_000, 150_000)
"""The same, for who lacks something: who doesn't tells more, and is better asked."""
MENDED_DELAY_MS = (40_000, 80_000)
"""After the last entry that we had asked for, others further on may want to know."""
MENDED_SPARED_BY = 2
"""Neighbors that tell as much: one alone may be where it came from, and others further on would not hear of it."""
NEWS_MAX_MS = 600_000
"""While entries keep coming, they are announced every ten minutes."""
HOLD_MS = 120_000
"""Who waits for answers keeps a vector back so long: others that lack less speak first, and are asked instead."""


class _News(msgspec.Struct, frozen=True):
    """Entries that no vector of ours told yet: when one is to, and when at the latest.

    `mended` are those that we had to ask for; `told_by` are neighbors that told as much since.
    """

    due_ms: int
    latest_ms: int
    mended: bool
    told_by: frozenset[int] = frozenset()

    @property
    def is_spared(self) -> bool:
        return len(self.told_by) >= (MENDED_SPARED_BY if self.mended else 1)


class Announcing:
    """When the next vector goes out, and which slice it is."""

    def __init__(self, means: Means, trickle: TrickleConfig) -> None:
        self._means = means
        self._trickle = Trickle(trickle, means.rng)
        self._cursor = 0
        self._due_since_ms: int | None = None
        self._holds = False
        self._spared = False
        self._news: _News | None = None

    def start(self, now_ms: int) -> None:
        """The radio is on the air."""
        self._trickle.start(now_ms)

    def stored(self, entry: LogEntry, now_ms: int, *, asked: bool) -> None:
        """There is something new to tell, which we had asked for or not."""
        due_ms = self._means.after(now_ms, *self._news_delay_ms(entry, asked=asked))
        latest_ms = now_ms + NEWS_MAX_MS if self._news is None else self._news.latest_ms
        mended = asked or (self._news is not None and self._news.mended)
        self._news = _News(min(due_ms, latest_ms), latest_ms, mended)

    def hear_less(self, sender: int, neighbor: Neighbor, now_ms: int) -> None:
        """They lack what we have: our vector tells them soon, within their purse."""
        if not neighbor.may_be_offered(now_ms):
            return
        if self._means.purses.spend(sender, self._means.airtime_ms(self._means.frame_bytes_max), now_ms):
            self._trickle.hear_inconsistent(now_ms)
        else:
            self._means.tally["capped"] += 1

    def hear_as_much(self, sender: int, vector: Vector) -> None:
        """They told at least what ours would. To Trickle that is consistent, even where we lack some of it."""
        self._trickle.hear_consistent()
        self._spared = False
        self._cursor = following(vector)
        if self._news is None:
            self._due_since_ms = None
            return
        news = msgspec.structs.replace(self._news, told_by=self._news.told_by | {sender})
        self._news = None if news.is_spared else news

    def hear_blend(self) -> None:
        """A blend tells all that is new at its sender: a vector need not. But replays must not spare them for ever."""
        if not self._spared:
            self._spared = True
            self._trickle.hear_consistent()

    def poll(self, now_ms: int, *, waits: bool = False) -> bool:
        """Whether a vector is due. It stays due until `vector` is called, or spared; `waits` for answers holds it."""
        due = self._trickle.poll(now_ms)
        if self._news is not None and self._news.due_ms <= now_ms:
            due, mended, self._news = True, self._news.mended, None
            if mended:
                # Who lacked it may have lost this vector too: Trickle says it again, soon, unless others do.
                self._trickle.hear_inconsistent(now_ms)
        if due and self._due_since_ms is None:
            self._due_since_ms = now_ms
        if self._due_since_ms is None:
            return False
        self._holds = waits and now_ms < self._due_since_ms + HOLD_MS
        return not self._holds

    def vector(self, logs: list[NodeLog]) -> Vector:
        """The next slice of these, which counts as told."""
        self._due_since_ms, self._news, self._spared = None, None, False
        vector = slice_vector(logs, self._cursor, self._means.body_bytes_max)
        self._cursor = following(vector)
        return vector

    def deadline_ms(self) -> int | None:
        """When to poll next: at once while a vector is due and not held."""
        times = [self._trickle.deadline_ms(), None if self._news is None else self._news.due_ms]
        if self._due_since_ms is not None:
            times.append(self._due_since_ms + HOLD_MS if self._holds else 0)
        return min((time for time in times if time is not None), default=None)

    def _news_delay_ms(self, entry: LogEntry, *, asked: bool) -> tuple[int, int]:
        if asked:
            return MENDED_DELAY_MS
        if entry.index == self._means.me:
            return OWN_NEWS_MS
        return GAPPED_NEWS_MS if any(known.held for known in self._means.log.vector()) else NEWS_MS
