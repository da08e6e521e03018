"""Posts: a first line that is the title, text that stays text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.boards import TITLE_CHARACTERS_MAX, Board, board_of, decode_post
from app.core.record import Kind
from app.errors import DecodeError


def test_the_first_line_is_the_title() -> None:
    post = decode_post(b"Plum jam\n\nSix jars.\nCome by.")
    assert (post.title, post.text) == ("Plum jam", "Six jars.\nCome by.")


def test_a_long_first_line_is_cut_for_the_heading_and_whole_in_the_text() -> None:
    line = "word " * 40
    post = decode_post(line.encode())
    assert len(post.title) <= TITLE_CHARACTERS_MAX
    assert post.title.endswith("…")
    assert post.text == line.strip()


@pytest.mark.parametrize("body", [b"", b"  \n ", b"\xff", b"a\x00b", b"a\x1bb"])
def test_what_is_no_text_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_post(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_post_or_a_decode_error(body: bytes) -> None:
    try:
        post = decode_post(body)
    except DecodeError:
        return
    assert post.title


def test_posts_stand_on_the_bulletin_and_the_future_nowhere() -> None:
    assert board_of(Kind.POST) is Board.BULLETIN
    assert board_of(42) is None
