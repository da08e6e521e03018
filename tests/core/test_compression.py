"""The body's compression: frozen dictionary, total and bounded unpacking, honest ratios on posts it never saw."""

import hashlib
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.compression import DICTIONARY, pack, unpack
from app.core.record import BODY_BYTES_MAX
from app.errors import DecodeError

ROOT = Path(__file__).parents[2]
POSTS = {language: ROOT / f"tests/data/posts-{language}.txt" for language in ("en", "es", "fr")}


def deflated(body: bytes, dictionary: bytes = DICTIONARY) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)
    return deflater.compress(body) + deflater.flush()


def refused(wire: bytes, limit: int = BODY_BYTES_MAX) -> str:
    with pytest.raises(DecodeError) as caught:
        unpack(wire, limit)
    assert caught.value.code == "deflate"
    return caught.value.message


def test_the_dictionary_is_frozen() -> None:
    assert hashlib.sha256(DICTIONARY).hexdigest() == "d4232c7f0a7b462071a3fbf8281973a3efee9be3717b112f71dee654d3d5d3d7"
    assert len(DICTIONARY) <= 8192


@given(st.binary(max_size=600) | st.text(max_size=300).map(str.encode))
def test_every_body_comes_back(body: bytes) -> None:
    wire, compressed = pack(body)
    assert (unpack(wire, BODY_BYTES_MAX) if compressed else wire) == body
    assert not compressed or len(wire) < len(body)
    assert compressed or len(wire) == len(body)


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_any_bytes_unpack_within_the_limit_or_are_refused(wire: bytes, limit: int) -> None:
    try:
        assert len(unpack(wire, limit)) <= limit
    except DecodeError as error:
        assert error.code == "deflate"


@given(st.text(min_size=20, max_size=200).map(str.encode), st.data())
def test_a_stream_is_whole_and_alone(body: bytes, data: st.DataObject) -> None:
    wire = deflated(body)
    assert unpack(wire, BODY_BYTES_MAX) == body
    refused(wire[: data.draw(st.integers(0, len(wire) - 1))])
    refused(wire + data.draw(st.binary(min_size=1, max_size=4)))


def test_the_limit_is_the_last_byte_allowed() -> None:
    body = b"a" * 1000
    assert unpack(deflated(body), 1000) == body
    assert "999" in refused(deflated(body), 999)


def test_a_bomb_is_refused_without_being_inflated() -> None:
    refused(deflated(bytes(50_000_000)))


def test_another_dictionary_does_not_pass_for_ours() -> None:
    body = b"Does anyone have a ladder?"
    wire = deflated(body, DICTIONARY[::-1])
    try:
        assert unpack(wire, BODY_BYTES_MAX) != body
    except DecodeError as error:
        assert error.code == "deflate"


@pytest.mark.parametrize("language", POSTS)
def test_no_test_post_stands_in_the_training_texts(language: str) -> None:
    corpus = (ROOT / f"tools/dictionary/corpus-{language}.txt").read_text("utf-8")
    posts = POSTS[language].read_text("utf-8").splitlines()
    assert len(posts) >= 60
    assert not [post for post in posts if post in corpus]


@pytest.mark.parametrize(("language", "ratio_max"), [("en", 0.63), ("es", 0.68), ("fr", 0.66)])
def test_unseen_posts_shrink(language: str, ratio_max: float) -> None:
    posts = [post.encode() for post in POSTS[language].read_text("utf-8").splitlines()]
    assert sum(len(pack(post)[0]) for post in posts) / sum(map(len, posts)) <= ratio_max
