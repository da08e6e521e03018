"""The dictionary's training: deterministic, within its size, and the frozen dictionary is what it yields."""

import pytest

from app.core.compression import DICTIONARY
from app.core.deflate import Deflater
from app.core.directory import decode_entry
from tools.dictionary import train

POSTS = [
    f"Lost near the mill bridge: a {color} {animal}, please call."
    for color in ("gray", "red")
    for animal in ("cat", "hen")
]
WORDS = ["bridge", "evening"]


def test_what_texts_share_is_chosen_once() -> None:
    dictionary = train.Training(POSTS, WORDS, 120).run()
    assert len(dictionary) <= 120
    assert dictionary.count(b"Lost near the mill bridge") == 1
    assert dictionary == train.Training(POSTS, WORDS, 120).run()


def test_an_unseen_text_is_shorter_with_it_than_without() -> None:
    post = b"Lost near the mill bridge: a blue goose, please call."
    dictionary = train.Training(POSTS, WORDS, 120).run()
    assert len(Deflater(dictionary).deflate(post)) < len(Deflater(b"").deflate(post)) / 2


def test_the_example_is_an_entry_and_stands_first() -> None:
    assert decode_entry(train.example_entry()).name == "Riverside Farmers' Market"
    assert DICTIONARY.startswith(train.example_entry())


def test_the_training_texts_are_many_and_each_stands_once() -> None:
    for language in train.LANGUAGES:
        posts = train.read("corpus", language)
        assert len(posts) >= 200
        assert len(set(posts)) == len(posts)
        assert all(post == post.strip() for post in posts)


@pytest.mark.soak
def test_the_frozen_dictionary_is_what_the_texts_yield(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--check"]) == 0
    assert "is the same" in capsys.readouterr().out
