"""Recipes: which envelopes go into one blend. What is wanted, and what is new, as far as one frame holds it.

Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from collections import deque

from app.radio.blend import PLACES_MAX, REACH, ROW_BYTES, Place, blend_frame_bytes
from app.radio.logbook import LogEntry
from app.radio.means import Means
from app.radio.span import Span

RECENT_MAX = 64
RECENT_MS = 30 * 60_000
"""What came within this time goes into blends where there is room: it costs nothing, and somebody may lack it."""
ANCHOR_REACH = 8
"""Who hears a blend reads numbers right that are 15 from the end of its own log: so far below ours it may be."""
Group = dict[Place, LogEntry]
"""Envelopes by their places."""


class Recipe:
    """What is new here, and how it goes together."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._recent: deque[tuple[int, LogEntry]] = deque(maxlen=RECENT_MAX)

    def stored(self, entry: LogEntry, now_ms: int) -> None:
        """An envelope is new here: others may lack it."""
        self._recent.append((now_ms, entry))

    def filled(self, group: Group, now_ms: int) -> Group:
        """With what lies between and what is new: whose requests were lost, or who stepped back, may lack that."""
        filled = dict(group)
        new = [entry for at_ms, entry in reversed(self._recent) if now_ms - at_ms <= RECENT_MS]
        for entry in (*self._between(group), *new):
            place = Place(entry.index, entry.number)
            if place not in filled and self.is_single(place):
                wider = self._anchored(filled | {place: entry})
                filled = wider if self.fits(wider) else filled
        return {place: filled[place] for place in sorted(filled)}

    def groups(self, entries: Group) -> list[Group]:
        """Envelopes that fit one blend together, in the order of their places; each log with the last that is held."""
        groups: list[Group] = []
        for place in sorted(entries):
            wanted = {place: entries[place]}
            if groups and self.fits(self._anchored(groups[-1] | wanted)):
                groups[-1].update(wanted)
            else:
                groups.append(wanted)
        return [anchored if self.fits(anchored := self._anchored(group)) else group for group in groups]

    def _anchored(self, group: Group) -> Group:
        lasts = {place.index: place for place in sorted(group)}
        return group | {place: entry for last in lasts.values() for place, entry in self._anchor(last).items()}

    def _anchor(self, place: Place) -> Group:
        """Far from a log's end, an envelope from near it goes in too: by it the others' low bits are read right."""
        index, highest = place.index, self._means.highest(place.index)
        if place.number >= highest - ANCHOR_REACH:
            return {}
        held = self._means.log.get(index, Span(max(highest - ANCHOR_REACH, 1), highest), PLACES_MAX)
        last = next((entry for entry in reversed(held) if self.is_single(Place(index, entry.number))), None)
        return {} if last is None else {Place(index, last.number): last}

    def _between(self, group: Group) -> list[LogEntry]:
        between: list[LogEntry] = []
        for index in {place.index for place in group}:
            numbers = [place.number for place in group if place.index == index]
            between += self._means.log.get(index, Span(min(numbers), max(numbers)), PLACES_MAX)
        return between

    def is_single(self, place: Place) -> bool:
        """Whether one envelope stands there and a blend can hold it; what is far below its log's end goes as it is."""
        here = self._means.log.get(place.index, Span(place.number, place.number), 2)
        return len(here) == 1 and is_blendable(here[0]) and self.fits(self._anchored({place: here[0]}))

    def fits(self, entries: Group) -> bool:
        """Whether one frame holds them, and who hears it can tell their numbers."""
        reach: dict[int, tuple[int, int]] = {}
        for place in entries:
            first, last = reach.get(place.index, (place.number, place.number))
            reach[place.index] = min(first, place.number), max(last, place.number)
        if any(last - first >= REACH for first, last in reach.values()):
            return False
        longest = max(entry.envelope_bytes for entry in entries.values())
        return len(entries) <= PLACES_MAX and blend_frame_bytes(entries, longest) <= self._means.frame_bytes_max


def is_blendable(entry: LogEntry) -> bool:
    """Whether a blend can hold it."""
    return entry.envelope_bytes < ROW_BYTES
