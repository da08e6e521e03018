"""Records and the node's state in words."""

import pytest

from app.clock import ago_words
from app.routes.node_views import seconds_words, size_words
from app.routes.views import EXCERPT_CHARACTERS, excerpt, initials, minute_words, nodes_words


def test_minutes_have_a_machine_form_and_words() -> None:
    assert minute_words(0) == ("2025-01-01T00:00Z", "Jan 1, 2025, 00:00 UTC")
    assert minute_words(2**24 - 1)[0] == "2056-11-24T20:15Z"


@pytest.mark.parametrize(("count", "words"), [(1, "1 node"), (2, "2 nodes")])
def test_nodes(count: int, words: str) -> None:
    assert nodes_words(count) == words


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Ada Whitcombe", "AW"), ("Ada", "A"), ("maría josé lópez", "ML"), ("فاطمة", "ف"), ("李 明", "李明")],
)
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


def test_a_short_text_is_its_own_excerpt() -> None:
    assert excerpt("Bring jugs.") == "Bring jugs."


def test_a_long_text_is_cut_between_words() -> None:
    shown = excerpt("orchard, " * 50)
    assert shown.endswith("orchard…")
    assert len(shown) <= EXCERPT_CHARACTERS


def test_one_long_word_is_cut_all_the_same() -> None:
    assert excerpt("x" * 1000) == "x" * EXCERPT_CHARACTERS + "…"


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "just now"),
        (59_999, "just now"),
        (60_000, "1 min ago"),
        (3_599_999, "59 min ago"),
        (3_600_000, "1 h ago"),
        (2 * 86_400_000 - 1, "47 h ago"),
        (2 * 86_400_000, "2 days ago"),
    ],
)
def test_ago(ms: int, words: str) -> None:
    assert ago_words(ms) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (168_000, "168 kB"),
        (11_200_000_000, "11.2 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert size_words(count) == words


def test_seconds() -> None:
    assert seconds_words(13_700.4) == "13.7 s"
    assert seconds_words(36_000) == "36 s"
