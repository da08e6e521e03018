"""Notes of overheard texts: each names its message, so that all nodes know two notes of one."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.boards import decode_post
from app.core.overheard import UNSIGNED_MARK, note_of, source_id, source_id_of

LINES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1).filter(lambda words: bool(words.strip()))


@given(LINES, LINES, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_every_note_is_a_post_that_names_its_message(name: str, words: str, sender: int, packet: int) -> None:
    body = note_of(name, words, source_id(sender, packet)).encode()
    assert source_id_of(body) == source_id(sender, packet)
    assert UNSIGNED_MARK in decode_post(body).text


def test_the_name_is_the_radio_s_and_the_message_s_number() -> None:
    assert source_id(0x5A17C0DE, 7) == "!5a17c0de 00000007"
    body = note_of("Ana", "Eggs for sale\nAsk at the mill.", source_id(0x5A17C0DE, 7))
    assert body == ("Ana: Eggs for sale\nunsigned, from a Meshtastic radio (!5a17c0de 00000007)\n\nAsk at the mill.")


def test_other_posts_name_no_message() -> None:
    for text in (
        "",
        "Eggs",
        "Eggs\nunsigned, from a Meshtastic radio",
        "Eggs\nand more\nunsigned, from a Meshtastic radio (!5a17c0de 00000007)",
        "Eggs\nunsigned, from a Meshtastic radio (!5a17c0de 7)",
        "Eggs\nunsigned, from a Meshtastic radio (!5A17C0DE 00000007)",
    ):
        assert source_id_of(text.encode()) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_read(body: bytes) -> None:
    assert source_id_of(body) is None or UNSIGNED_MARK.encode() in body
