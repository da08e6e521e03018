"""Notes: a text heard twice is put up once, talk does not fill the board, and each note says that nobody signed it."""

import random

from hypothesis import given
from hypothesis import strategies as st

from app.core.boards import decode_post
from app.core.overheard import source_id_of
from app.radio.airtime import HOUR_MS
from app.radio.dialects.dialect import TextHeard
from app.radio.notes import DELAY_MAX_MS, NOTES_PER_HOUR, SEEN_MAX, SENDER_NOTES_PER_HOUR, Notes


def text(words: str = "Eggs for sale", sender: int = 1, packet: int = 1, *, via_internet: bool = False) -> TextHeard:
    return TextHeard(words, sender, f"Radio {sender}", packet, via_internet)


def test_a_text_becomes_a_note_that_says_what_it_is() -> None:
    notes = Notes(random.Random(1))
    assert notes.hear(text("Eggs for sale\nAsk at the mill."), 0) is None
    (note,) = notes.take(DELAY_MAX_MS)
    mark = "unsigned, from a Meshtastic radio (!00000001 00000001)"
    assert note.body == f"Radio 1: Eggs for sale\n{mark}\n\nAsk at the mill."
    assert note.source_id == source_id_of(note.body.encode())
    assert notes.take(DELAY_MAX_MS) == []


def test_repeats_and_the_internet_are_left_out() -> None:
    notes = Notes(random.Random(1))
    assert notes.hear(text(), 0) is None
    assert notes.hear(text("another hop"), 5) == "text again"
    assert notes.hear(text(packet=2, via_internet=True), 5) == "text by internet"
    assert len(notes.take(DELAY_MAX_MS)) == 1


def test_talk_is_bounded_by_sender_and_in_all() -> None:
    notes = Notes(random.Random(1))
    said = [notes.hear(text(packet=packet), packet) for packet in range(SENDER_NOTES_PER_HOUR + 3)]
    assert said == [None] * SENDER_NOTES_PER_HOUR + ["too many texts"] * 3
    crowd = [notes.hear(text(sender=sender, packet=99), 100) for sender in range(2, NOTES_PER_HOUR + 10)]
    assert crowd.count(None) == NOTES_PER_HOUR - SENDER_NOTES_PER_HOUR
    assert notes.hear(text(packet=1000), HOUR_MS + 100) is None


def test_what_is_remembered_is_bounded() -> None:
    notes = Notes(random.Random(1))
    for packet in range(2 * SEEN_MAX):
        notes.hear(text(packet=packet), packet)
    assert notes.hear(text(packet=2 * SEEN_MAX - 1), HOUR_MS) == "text again"
    assert notes.hear(text(packet=0), 3 * HOUR_MS) is None


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1).filter(lambda words: words.strip()))
def test_every_note_is_a_post(words: str) -> None:
    notes = Notes(random.Random(1))
    notes.hear(text(words), 0)
    (note,) = notes.take(DELAY_MAX_MS)
    post = decode_post(note.body.encode())
    assert "unsigned, from a Meshtastic radio" in post.text
