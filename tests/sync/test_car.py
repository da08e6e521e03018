"""CARv1 and CIDs: the bytes of the specification, and nothing else is read."""

import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.blob import BlobAddress, address_of
from app.errors import DecodeError
from app.sync.car import (
    BLOCK_BYTES_MAX,
    Block,
    cid_of,
    cid_text,
    encode_head,
    encode_header,
    read_data,
    read_head,
    read_header,
)

ADDRESSES = st.binary(min_size=32, max_size=32).map(BlobAddress)


def test_the_cid_of_known_bytes() -> None:
    """As IPFS names them: `ipfs add --cid-version 1` of `hello world`, and of an empty file."""
    assert cid_text(address_of(b"hello world")) == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
    assert cid_text(address_of(b"")) == "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    assert cid_of(address_of(b"")).hex() == "01551220" + hashlib.sha256(b"").hexdigest()


def test_the_header_is_deterministic_cbor() -> None:
    assert encode_header([]).hex() == "11" + "a2" + "65" + b"roots".hex() + "80" + "67" + b"version".hex() + "01"
    root = address_of(b"")
    expected = "3a" + "a2" + "65" + b"roots".hex() + "81" + "d82a" + "5825" + "00" + cid_of(root).hex()
    assert encode_header([root]).hex() == expected + "67" + b"version".hex() + "01"


@given(st.lists(ADDRESSES, max_size=5), st.lists(st.binary(max_size=300), max_size=5))
def test_what_is_written_is_read(roots: list[BlobAddress], blocks: list[bytes]) -> None:
    written = encode_header(roots) + b"".join(encode_head(address_of(one), len(one)) + one for one in blocks)
    file = BytesIO(written)
    assert read_header(file) == tuple(roots)
    for one in blocks:
        head = read_head(file)
        assert head == Block(address_of(one), len(one))
        assert read_data(file, head) == one
    assert read_head(file) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    try:
        roots = read_header(BytesIO(data))
    except DecodeError:
        return
    assert data.startswith(encode_header(roots))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        "0a",
        "11a265726f6f7473806776657273696f6e02",  # version 2
        "11a267766572 73696f6e 0165726f6f747380",  # keys in the wrong order
        "13a265726f6f7473806776657273696f6e190001",  # 1 in three bytes
        "11a265726f6f74738067766572 73696f6ef5",  # true is no version
        "12a265726f6f747381006776657273696f6e01",  # a root that is no CID
        "ffffffff7f",  # 34 GB of header
        "9100a265726f6f7473806776657273696f6e01",  # the length not in its shortest form
    ],
)
def test_other_headers_are_refused(header: str) -> None:
    with pytest.raises(DecodeError):
        read_header(BytesIO(bytes.fromhex(header)))


def test_foreign_names_are_seen_as_such_and_can_be_skipped() -> None:
    dag_pb = b"\x01\x70\x12\x20" + bytes(32) + b"data"
    short = b"\x01\x55\x00\x03../"
    file = BytesIO(bytes([len(dag_pb)]) + dag_pb + bytes([len(short)]) + short)
    assert read_head(file) == Block(None, 4)
    assert file.read(4) == b"data"
    assert read_head(file) == Block(None, len(short))


@pytest.mark.parametrize("cut", [1, 20, 37, 38, 40])
def test_a_file_that_breaks_off_is_told(cut: int) -> None:
    file = BytesIO((encode_head(address_of(b"x" * 200), 200) + b"x" * 200)[:cut])
    with pytest.raises(DecodeError, match="ends in the middle"):
        head = read_head(file)
        assert head is not None
        read_data(file, head)


def test_a_block_that_is_too_large_is_not_read() -> None:
    with pytest.raises(DecodeError, match="longer"):
        read_head(BytesIO(encode_head(address_of(b""), BLOCK_BYTES_MAX + 1)))
