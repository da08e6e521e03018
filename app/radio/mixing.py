"""Mixing: the bytes behind blends. What a blend needs from the disk, to be sent or to be solved, is gathered here.

Envelopes that passed by lately are kept, so that the disk is rarely asked. Everything is bounded: a blend that finds no
room is lost like a frame. Pure; a part of the mesh. Spec: docs/protocol/radio-mesh.md.
"""

from collections import deque
from collections.abc import Iterable

from app.core.envelope import EnvelopeId
from app.radio.blend import PLACES_MAX, ROW_BYTES, Blend, Place
from app.radio.frame import EnvelopePrefix
from app.radio.logbook import LogEntry, LogView
from app.radio.means import SendBlend
from app.radio.parcel import Parcel, prefix_of
from app.radio.span import Span

SHELF_MAX = 256
"""Envelopes at hand: 56 kB, and a few blends' worth."""
HEARD_MAX = 8
"""Blends that wait for the disk: ten seconds of a full channel."""
WAIT_MS = 60_000
"""After so long the disk is not coming: what waited for it is given up."""


class Shelf:
    """Envelopes that a blend can hold, by prefix; the one that was not needed longest gives way."""

    def __init__(self) -> None:
        self._envelopes: dict[EnvelopePrefix, bytes] = {}

    def keep(self, prefix: EnvelopePrefix, envelope: bytes) -> None:
        """It passed by."""
        if len(envelope) < ROW_BYTES:
            self._envelopes.pop(prefix, None)
            self._envelopes[prefix] = envelope
            if len(self._envelopes) > SHELF_MAX:
                del self._envelopes[next(iter(self._envelopes))]

    def take(self, prefix: EnvelopePrefix) -> bytes | None:
        """Its bytes, if they are here."""
        envelope = self._envelopes.pop(prefix, None)
        if envelope is not None:
            self._envelopes[prefix] = envelope
        return envelope


class _Heard:
    """A blend, and the envelopes of its places that are on the disk."""

    __slots__ = ("blend", "entries", "until_ms")

    def __init__(self, blend: Blend, entries: dict[Place, LogEntry], until_ms: int) -> None:
        self.blend = blend
        self.entries = entries
        self.until_ms = until_ms


class Mixing:
    """Blends that were heard, and the one that is to be sent."""

    def __init__(self, log: LogView) -> None:
        self._log = log
        self._shelf = Shelf()
        self._heard: deque[_Heard] = deque()
        self._owed: SendBlend | None = None
        self._owed_until_ms = 0
        self._fetching: dict[EnvelopePrefix, int] = {}

    def keep(self, parcel: Parcel) -> None:
        """An envelope that is on the disk, or about to be."""
        prefix = prefix_of(parcel.envelope_id)
        self._fetching.pop(prefix, None)
        self._shelf.keep(prefix, parcel.envelope)

    def missing(self, prefix: EnvelopePrefix) -> None:
        """The disk hasn't got it: what needs it is given up."""
        self._fetching.pop(prefix, None)
        if self._owed is not None and prefix in _prefixes(self._owed.entries):
            self._owed = None
        self._heard = deque(heard for heard in self._heard if prefix not in _prefixes(heard.entries.values()))

    def at_hand(self, name: EnvelopeId) -> bytes | None:
        """An envelope's bytes, if they passed by lately."""
        return self._shelf.take(prefix_of(name))

    # Blends that were heard

    def hear(self, blend: Blend, now_ms: int) -> bool:
        """A blend that brings something, if there is room; False when all of it is known already, or there is none."""
        lacks = any(self._log.missing(portion.index, span) for portion in blend.portions for span in portion.spans)
        if not lacks or len(self._heard) >= HEARD_MAX:
            return False
        entries = {place: entry for place in blend.places if (entry := self._entry(place)) is not None}
        self._heard.append(_Heard(blend, entries, now_ms + WAIT_MS))
        return True

    def take_heard(self, now_ms: int) -> list[tuple[Blend, dict[Place, bytes]]]:
        """The blends whose envelopes are all at hand, with these."""
        ready: list[tuple[Blend, dict[Place, bytes]]] = []
        waiting: deque[_Heard] = deque()
        for heard in self._heard:
            held = self._bytes_of(heard.entries.values())
            if held is not None:
                ready.append((heard.blend, held))
            elif heard.until_ms > now_ms:
                waiting.append(heard)
        self._heard = waiting
        return ready

    # The blend that is to be sent

    @property
    def owes(self) -> SendBlend | None:
        """What is to be sent."""
        return self._owed

    def owe(self, send: SendBlend, now_ms: int) -> None:
        """This is to be sent. One at a time: ask `owes` first."""
        self._owed, self._owed_until_ms = send, now_ms + WAIT_MS

    def owed_envelopes(self) -> dict[Place, bytes] | None:
        """The bytes of what is to be sent; None while some are not at hand."""
        return None if self._owed is None else self._bytes_of(self._owed.entries)

    def settle(self) -> None:
        """It is sent, or given up."""
        self._owed = None

    # The disk

    def to_fetch(self, now_ms: int) -> list[EnvelopePrefix]:
        """What is not at hand: once each, until `keep` or `missing`, or it took too long."""
        if self._owed is not None and now_ms >= self._owed_until_ms and self.owed_envelopes() is None:
            self._owed = None
        self._fetching = {prefix: until_ms for prefix, until_ms in self._fetching.items() if until_ms > now_ms}
        needed = [*_prefixes(() if self._owed is None else self._owed.entries)]
        for heard in self._heard:
            needed += _prefixes(heard.entries.values())
        wanted = [prefix for prefix in dict.fromkeys(needed) if not self._is_here(prefix)]
        self._fetching.update(dict.fromkeys(wanted, now_ms + WAIT_MS))
        return wanted

    def _is_here(self, prefix: EnvelopePrefix) -> bool:
        return prefix in self._fetching or self._shelf.take(prefix) is not None

    def _entry(self, place: Place) -> LogEntry | None:
        """What is held there; None also where a twin makes it two."""
        here = self._log.get(place.index, Span(place.number, place.number), 2)
        return here[0] if len(here) == 1 and here[0].envelope_bytes < ROW_BYTES else None

    def _bytes_of(self, entries: Iterable[LogEntry]) -> dict[Place, bytes] | None:
        held: dict[Place, bytes] = {}
        for entry in entries:
            envelope = self._shelf.take(prefix_of(entry.envelope_id))
            if envelope is None:
                return None
            held[Place(entry.index, entry.number)] = envelope
        return held


def _prefixes(entries: Iterable[LogEntry]) -> list[EnvelopePrefix]:
    return [prefix_of(entry.envelope_id) for entry in entries]


assert SHELF_MAX >= (HEARD_MAX - 1) * PLACES_MAX + 1, "what the waiting blends need stays"
