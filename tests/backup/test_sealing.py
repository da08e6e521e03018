"""The sealed stream: what was written comes back, and nothing that was changed, moved or cut off opens."""

import io
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backup.sealing import (
    CHUNK_BYTES,
    HEADER_BYTES,
    MEMORY_KIB_MIN,
    TAG_BYTES,
    Header,
    Opener,
    Sealer,
    check_passphrase,
    decode_header,
    derive_key,
)
from app.errors import DecodeError, InputError

HEADER = Header(b"s" * 16, 1, MEMORY_KIB_MIN)
KEY = b"k" * 32
CUT = CHUNK_BYTES + TAG_BYTES
KEY_OF_CORRECT_HORSE = "05f9a1ab7885b68069fa6323bc809972489c6aeade42acadabca41ada5fe43ab"


def sealed(pieces: list[bytes]) -> bytes:
    output = io.BytesIO()
    sealer = Sealer(output.write, KEY, HEADER)
    for piece in pieces:
        sealer.write(piece)
    sealer.finish()
    return output.getvalue()


def opened(data: bytes, key: bytes = KEY, piece: int = 10_000) -> bytes:
    source = io.BytesIO(data)
    opener = Opener(source.read, key, decode_header(source.read(HEADER_BYTES)))
    return b"".join(iter(lambda: opener.read(piece), b""))


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 2 * CHUNK_BYTES + 1), min_size=1, max_size=4),
    st.sampled_from([1, 7, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES]),
)
def test_what_is_written_in_any_pieces_is_read_in_any(lengths: list[int], piece: int) -> None:
    pieces = [bytes([number]) * length for number, length in enumerate(lengths)]
    if piece == 1:
        pieces = [part[:500] for part in pieces]
    assert opened(sealed(pieces), piece=piece) == b"".join(pieces)


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_it_is_no_longer_than_the_spec_says(size: int) -> None:
    chunks = -(-size // CHUNK_BYTES)
    assert len(sealed([b"x" * size])) == HEADER_BYTES + size + chunks * TAG_BYTES


THREE = sealed([b"abc" * CHUNK_BYTES])
BREAKS: dict[str, Callable[[bytes], bytes]] = {
    "a bit of the header": lambda data: changed(data, HEADER_BYTES - 1),
    "a bit of the first chunk": lambda data: changed(data, HEADER_BYTES),
    "a bit of the last tag": lambda data: changed(data, len(data) - 1),
    "cut within a chunk": lambda data: data[:-5],
    "cut between chunks": lambda data: data[: HEADER_BYTES + 2 * CUT],
    "only a header": lambda data: data[:HEADER_BYTES],
    "a chunk left out": lambda data: data[:HEADER_BYTES] + data[HEADER_BYTES + CUT :],
    "chunks changed about": lambda data: (
        data[:HEADER_BYTES] + data[HEADER_BYTES + CUT :][:CUT] + data[HEADER_BYTES:][:CUT]
        + data[HEADER_BYTES + 2 * CUT :]
    ),
    "a byte more": lambda data: data + b"x",
    "itself again": lambda data: data + data[HEADER_BYTES:],
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_damaged_does_not_open(name: str) -> None:
    assert len(opened(THREE)) == 3 * CHUNK_BYTES
    with pytest.raises(DecodeError, match="damaged or cut off"):
        opened(BREAKS[name](THREE))


def test_the_last_chunk_of_another_is_no_end_of_this() -> None:
    other = sealed([b"xyz" * CHUNK_BYTES])
    with pytest.raises(DecodeError):  # under one key only because the test has it so; the salt makes keys differ
        opened(THREE[: HEADER_BYTES + 2 * CUT] + other[HEADER_BYTES + CUT : HEADER_BYTES + 2 * CUT])


def test_another_passphrase_is_told() -> None:
    assert derive_key("correct horse", HEADER) != derive_key("correct horsf", HEADER)
    with pytest.raises(DecodeError, match="passphrase"):
        opened(THREE, b"K" * 32)


def test_a_key_is_the_same_everywhere() -> None:
    # RFC 9106's function as libsodium computes it; a change here locks people out of their backups.
    assert derive_key("correct horse battery", HEADER).hex() == KEY_OF_CORRECT_HORSE
    assert derive_key("Käse und Brot", HEADER) == derive_key("Ka\u0308se und Brot", HEADER)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "magic"),
        (b"PK\3\4" + bytes(60), "magic"),
        (HEADER.encode()[:-1], "truncated"),
        (changed(HEADER.encode(), 8), "version"),
        (Header(b"s" * 16, 0, 65536).encode(), "cost"),
        (Header(b"s" * 16, 200, 65536).encode(), "cost"),
        (Header(b"s" * 16, 3, 1024).encode(), "cost"),
        (Header(b"s" * 16, 3, 4 * 1024 * 1024 - 1).encode(), "cost"),
    ],
)
def test_a_header_is_checked_before_anything_is_computed(data: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_header(data)
    assert caught.value.code == code


def test_a_header_says_what_was_meant() -> None:
    assert decode_header(HEADER.encode()) == HEADER
    assert decode_header(Header(b"s" * 16).encode()) == Header(b"s" * 16, 3, 65536)


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 1001])
def test_a_passphrase_that_protects_nothing_is_refused(passphrase: str) -> None:
    with pytest.raises(InputError):
        check_passphrase(passphrase)
