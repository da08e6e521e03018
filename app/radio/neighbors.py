"""Neighbors as the repair sees them: what each claims to have, what it calls gone, and how it keeps its word.

Claims are believed for asking only. Whoever claims and does not deliver is asked ever more rarely.
Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from collections.abc import Iterable, Iterator

import msgspec

from app.radio.means import Means
from app.radio.span import Portion, Spans, normal
from app.radio.vector import HELD_MAX, NodeLog, Vector

NEIGHBORS_MAX = 32
"""Neighbors whose claims are kept: more than a channel can carry. The one silent longest gives way."""
MISS_WAIT_MS = 10_000
MISS_WAIT_MAX_MS = 3_600_000
"""The wait after requests that brought nothing doubles from 20 s to an hour: then a liar costs 0.4 s on air an hour."""
MISSES_MAX = 8
"""After so many, a neighbor is not asked before it is heard again."""
CREDIT_MAX = 6
"""Misses forgiven to who delivered before: at 30 % loss each way, every second request brings nothing."""
FORGIVEN_AFTER_MS = 30 * 60_000
"""A neighbor that was silent this long was probably away: its misses are forgotten."""
GONE_RUNS_MAX = 128
"""Runs of one log that are remembered as gone at a neighbor; what is beyond is asked for again, in vain."""


OFFER_WAIT_MS = 60_000
OFFER_WAIT_MAX_MS = 2_048_000
"""While a neighbor goes on lacking the same, it is told after 1 minute, 2, 4 … and as rarely as when all is well."""
ASKING_MS = 300_000
"""Whoever asks knows what it lacks: it need not be told for so long."""


CROWD_MS = 3_600_000
"""Who was heard so long ago is counted as there: within two Trickle intervals others may have spared its vector."""


class Neighbor:
    """One neighbor. `misses` below zero are credit."""

    __slots__ = (
        "ask_after_ms",
        "asked_ms",
        "claims",
        "gone",
        "heard_ms",
        "misses",
        "offer_after_ms",
        "offer_wait_ms",
    )

    def __init__(self, now_ms: int) -> None:
        self.claims: dict[int, NodeLog] = {}
        self.gone: dict[int, Spans] = {}
        self.heard_ms = now_ms
        self.asked_ms = now_ms
        self.ask_after_ms = now_ms
        self.misses = 0
        self.offer_after_ms = now_ms
        self.offer_wait_ms = OFFER_WAIT_MS

    @property
    def is_hopeless(self) -> bool:
        """Whether it was asked in vain too often since it was last heard."""
        return self.misses >= MISSES_MAX and self.heard_ms < self.asked_ms

    def claim(self, vector: Vector) -> None:
        """Its logs within the slice take the place of what it claimed before."""
        before = {index: log for index, log in self.claims.items() if vector.covers(index)}
        after = {log.index: log for log in vector.logs}
        if before != after:
            self.offer_wait_ms = OFFER_WAIT_MS
        for index in before:
            del self.claims[index]
        self.claims.update(after)

    def claim_more(self, portions: Iterable[Portion]) -> None:
        """It holds these too."""
        for portion in portions:
            known = self.claims.get(portion.index, NodeLog(portion.index, 0, None))
            spans = normal((*known.known, *portion.spans))
            contiguous = spans[0].last if spans[0].first == 1 else 0
            self.claims[portion.index] = NodeLog(portion.index, contiguous, None, spans[contiguous > 0 :][:HELD_MAX])

    def ask(self, now_ms: int) -> None:
        """It asked somebody for what it lacks."""
        self.offer_after_ms = now_ms + ASKING_MS

    def may_be_offered(self, now_ms: int) -> bool:
        """Whether it is time to tell it (again) what it lacks; if so, the next time is later."""
        if now_ms < self.offer_after_ms:
            return False
        self.offer_after_ms = now_ms + self.offer_wait_ms
        self.offer_wait_ms = min(2 * self.offer_wait_ms, OFFER_WAIT_MAX_MS)
        return True

    def call_gone(self, index: int, spans: Spans) -> None:
        """It doesn't hold these: no use in asking it."""
        self.gone[index] = normal((*self.gone.get(index, ()), *spans))[:GONE_RUNS_MAX]

    def deliver(self, now_ms: int) -> None:
        """It sent what was asked for."""
        self.misses, self.ask_after_ms = max(min(self.misses, 0) - 1, -CREDIT_MAX), now_ms


class NeighborState(msgspec.Struct, frozen=True):
    """A neighbor as the keeper's page shows it: when it was heard, what it failed to deliver, what its purse holds."""

    index: int
    heard_ms: int
    misses: int
    purse_ms: float


class Neighborhood:
    """All neighbors that were heard."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._neighbors: dict[int, Neighbor] = {}

    def __iter__(self) -> Iterator[tuple[int, Neighbor]]:
        """Whom to ask first: who kept its word, and of those who was heard last."""
        return iter(sorted(self._neighbors.items(), key=lambda item: (item[1].misses, -item[1].heard_ms, item[0])))

    def get(self, index: int) -> Neighbor | None:
        """A neighbor that was heard."""
        return self._neighbors.get(index)

    def hear(self, index: int, now_ms: int) -> Neighbor:
        """It said something, whatever it was."""
        neighbor = self._neighbors.get(index)
        if neighbor is None:
            if len(self._neighbors) >= NEIGHBORS_MAX:
                del self._neighbors[min(self._neighbors, key=lambda other: self._neighbors[other].heard_ms)]
            neighbor = self._neighbors[index] = Neighbor(now_ms)
        if now_ms - neighbor.heard_ms > FORGIVEN_AFTER_MS:
            neighbor.misses, neighbor.ask_after_ms = min(neighbor.misses, 0), now_ms
        neighbor.heard_ms = now_ms
        return neighbor

    def miss(self, index: int, now_ms: int) -> None:
        """It was asked, and what it claimed did not come; or what came was forged or broken."""
        neighbor = self._neighbors.get(index)
        if neighbor is not None:
            neighbor.misses += 1
            wait_ms = min(MISS_WAIT_MS << min(max(neighbor.misses, 1), 10), MISS_WAIT_MAX_MS)
            neighbor.ask_after_ms = self._means.after(now_ms, wait_ms // 2, wait_ms)

    def crowd(self, now_ms: int) -> int:
        """How many were heard within the hour."""
        return sum(now_ms - neighbor.heard_ms < CROWD_MS for neighbor in self._neighbors.values())

    def states(self, now_ms: int) -> list[NeighborState]:
        """For the keeper's page, by index."""
        return [
            NeighborState(index, known.heard_ms, max(known.misses, 0), self._means.purses.left_ms(index, now_ms))
            for index, known in sorted(self._neighbors.items())
        ]
