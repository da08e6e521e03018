"""Texts from radios of another kind, on their way to the bulletin board: once each, and not too many. Pure.

Nobody signed them; whoever holds the channel's key can write anything under any name. The node signs for having heard
it, and says so in the note.
"""

import random
from collections import Counter, OrderedDict, deque

import msgspec

from app.core.overheard import note_of, source_id
from app.radio.airtime import HOUR_MS
from app.radio.dialects.dialect import TextHeard

SEEN_MAX = 512
"""Messages remembered, to tell a repeat from news: more than a channel carries in a day."""
SENDER_NOTES_PER_HOUR = 6
"""Talk belongs into the channel; the board is for what others should find later."""
NOTES_PER_HOUR = 30
"""All senders together: names cost nothing there."""
DELAY_MAX_MS = 60_000
"""Several nodes hear the same text: each waits a while of its own, and looks whether another has put it up."""


class Note(msgspec.Struct, frozen=True):
    """A post's body, the message's name, and when it may go up."""

    body: str
    source_id: str
    due_ms: int


class Notes:
    """Decides which texts become notes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._seen: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._last_hour: deque[tuple[int, int]] = deque(maxlen=NOTES_PER_HOUR)
        self._waiting: list[Note] = []

    def hear(self, text: TextHeard, now_ms: int) -> str | None:
        """None when it becomes a note, else why not, in a word."""
        if text.via_internet:
            return "text by internet"
        key = (text.sender, text.packet)
        if key in self._seen:
            return "text again"
        self._seen[key] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        while self._last_hour and self._last_hour[0][1] <= now_ms - HOUR_MS:
            self._last_hour.popleft()
        by_sender = Counter(sender for sender, _ in self._last_hour)
        if len(self._last_hour) >= NOTES_PER_HOUR or by_sender[text.sender] >= SENDER_NOTES_PER_HOUR:
            return "too many texts"
        self._last_hour.append((text.sender, now_ms))
        name = source_id(text.sender, text.packet)
        body = note_of(text.sender_name, text.text, name)
        self._waiting.append(Note(body, name, now_ms + self._rng.randrange(DELAY_MAX_MS)))
        return None

    def take(self, now_ms: int) -> list[Note]:
        """The notes whose time has come, each once."""
        due = [note for note in self._waiting if note.due_ms <= now_ms]
        self._waiting = [note for note in self._waiting if note.due_ms > now_ms]
        return due
