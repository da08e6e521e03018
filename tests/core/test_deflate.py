"""The short-text deflater: any inflater reads what it writes, and zlib's fixed code writes nothing shorter."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.compression import DICTIONARY
from app.core.deflate import LITERAL, MATCH_MAX, Deflater

DEFLATER = Deflater(DICTIONARY)
texts = st.binary(max_size=120) | st.text(max_size=80).map(str.encode)


def inflated(stream: bytes, dictionary: bytes) -> bytes:
    inflater = zlib.decompressobj(-15, zdict=dictionary)
    text = inflater.decompress(stream)
    assert inflater.eof
    assert not inflater.unused_data
    return text


def zlibs(text: bytes, dictionary: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_FIXED, dictionary)
    return deflater.compress(text) + deflater.flush()


@given(texts)
def test_zlib_reads_what_is_written_and_writes_nothing_shorter(text: bytes) -> None:
    stream = DEFLATER.deflate(text)
    assert inflated(stream, DICTIONARY) == text
    by_zlib = zlibs(text, DICTIONARY)
    is_stored = by_zlib[0] & 0b110 == 0
    assert is_stored or len(stream) <= len(by_zlib)


@given(st.binary(max_size=40), st.binary(max_size=60))
def test_any_dictionary_serves(dictionary: bytes, text: bytes) -> None:
    assert inflated(Deflater(dictionary).deflate(text + dictionary), dictionary) == text + dictionary


@given(texts)
def test_the_steps_cover_the_text(text: bytes) -> None:
    window, end = DICTIONARY + text, 0
    for token in DEFLATER.parse(text):
        assert token.start == end
        end += token.length
        if token.source != LITERAL:
            source = window[token.source : token.source + token.length]
            assert source == text[token.start : end]
            assert token.source < len(DICTIONARY) + token.start
    assert end == len(text)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 10, 11, 114, 115, 130, 257, MATCH_MAX, MATCH_MAX + 1, 600])
def test_every_length_code(length: int) -> None:
    text = b"\0" * length
    assert inflated(DEFLATER.deflate(text), DICTIONARY) == text


@pytest.mark.parametrize("distance", [1, 2, 4, 5, 256, 257, 4096, 4097, 8192, 16_384, 16_385, 24_577, 32_000])
def test_every_distance_code(distance: int) -> None:
    dictionary = b"needle" + b"." * (distance - 6 if distance > 6 else 0)
    assert inflated(Deflater(dictionary).deflate(b"needle"), dictionary) == b"needle"


def test_a_match_runs_over_the_edge_of_the_dictionary() -> None:
    deflater = Deflater(b"xyzab")
    assert [(token.length, token.source) for token in deflater.parse(b"abababab")] == [(8, 3)]
    assert inflated(deflater.deflate(b"abababab"), b"xyzab") == b"abababab"
