"""News in a crowd: what is new is told by one for all, a few places at a time, and only what nobody told yet.

Where many hear each other, whoever lost an envelope is told of it by any of them, and whoever wrote it, that it came.
What others tell, in whatever frame, is crossed off. Where little is lost it is told at once; where much is, the first
one is heard by few, and each would tell it again: then it waits, and more goes into one frame.
Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from collections.abc import Iterable

from app.radio.blend import Place, portions_of
from app.radio.means import Means
from app.radio.span import Portion, Span
from app.radio.tidings import PLACES_MAX, Told, check_of

SOON_MS = 3_500
SOON_NEIGHBOR_MS = 1_000
SOON_NEIGHBORS_MAX = 12
"""Where little is lost: so much for each neighbor, so that most hear the first one in time."""
WAIT_MS = (120_000, 240_000)
"""Where much is lost: after the last entry that came, time for it to come everywhere, and for others to tell it."""
WAIT_MAX_MS = (240_000, 420_000)
"""After the first, however many follow."""
AGAIN_MS = (150_000, 300_000)
"""What needs another telling."""
TELLINGS_LOSSY = 1
FRESH_MAX = 256
"""Entries that wait to be told; what is beyond is told by the vectors of everything."""


class News:
    """Entries that are to be told, each so many times."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._fresh: dict[Place, int] = {}
        self._due_ms: int | None = None
        self._latest_ms = 0

    def add(self, places: Iterable[Place], crowd: int, now_ms: int) -> None:
        """These are new here, or a neighbor does not know of them."""
        self._schedule(crowd, now_ms)
        tellings = TELLINGS_LOSSY if self._means.is_lossy() else 1
        for place in places:
            if len(self._fresh) < FRESH_MAX:
                self._fresh[place] = tellings

    def hear(self, teller: int, portions: Iterable[Portion]) -> None:
        """Somebody told that it has these. Of its own ones that is no news: it wants to hear who else has them."""
        told = {portion.index: portion.spans for portion in portions if portion.index != teller}
        for place in [
            place for place in self._fresh if any(place.number in span for span in told.get(place.index, ()))
        ]:
            self._fresh[place] -= 1
            if self._fresh[place] == 0:
                del self._fresh[place]
        if not self._fresh:
            self._due_ms = None

    def poll(self, now_ms: int) -> tuple[Told, ...]:
        """What is to be told now, and counts as told."""
        if self._due_ms is None or self._due_ms > now_ms:
            return ()
        places = sorted(self._fresh)[:PLACES_MAX]
        self.hear(self._means.me, portions_of(places))
        told = [told for place in places if (told := self._told(place)) is not None]
        if self._fresh:
            self._due_ms = self._latest_ms = self._means.after(now_ms, *AGAIN_MS)
        return tuple(told)

    def deadline_ms(self) -> int | None:
        """When to poll next."""
        return self._due_ms

    def _told(self, place: Place) -> Told | None:
        here = self._means.log.get(place.index, Span(place.number, place.number), 1)
        return Told(place.index, place.number, check_of(here[0].envelope_id)) if here else None

    def _schedule(self, crowd: int, now_ms: int) -> None:
        if not self._means.is_lossy():
            due_ms = self._means.after(now_ms, SOON_MS, SOON_MS + SOON_NEIGHBOR_MS * min(crowd, SOON_NEIGHBORS_MAX))
            self._due_ms = due_ms if self._due_ms is None else min(self._due_ms, due_ms)
            return
        if self._due_ms is None:
            self._latest_ms = self._means.after(now_ms, *WAIT_MAX_MS)
        self._due_ms = min(self._means.after(now_ms, *WAIT_MS), self._latest_ms)
