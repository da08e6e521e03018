"""The files inside a backup: only a data folder's names, in their order, and nothing else."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backup.archive import (
    BLIND_DATABASE,
    DATABASE,
    PEM_BYTES_MAX,
    Entry,
    encode_end,
    encode_entry,
    is_kept,
    read_entries,
)
from app.core.blob import BLOB_BYTES_MAX
from app.errors import DecodeError
from app.store import blind, database

BLOB = f"blobs/ab/ab{'0' * 62}"
CERTIFICATE = "certificates/node-key.pem"
NAMES = [BLOB, f"blobs/ff/ff{'1' * 62}", "certificates/authority.pem", CERTIFICATE]


def archive(*files: tuple[str, bytes]) -> bytes:
    return b"".join(encode_entry(Entry(name, len(data))) + data for name, data in files) + encode_end()


def read(data: bytes) -> dict[str, bytes]:
    return {entry.name: b"".join(pieces) for entry, pieces in read_entries(io.BytesIO(data).read)}


def test_the_databases_have_their_names() -> None:
    assert (DATABASE, BLIND_DATABASE) == (database.FILE_NAME, blind.FILE_NAME)


@given(st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=300)), st.binary(max_size=300))
def test_files_come_back(files: dict[str, bytes], rows: bytes) -> None:
    files[DATABASE] = rows
    assert read(archive(*sorted(files.items()))) == files


@pytest.mark.parametrize(
    "name",
    [
        "../tntn.sqlite3",
        "/etc/passwd",
        "certificates/../../x.pem",
        "certificates/.pem",
        "certificates/a/b.pem",
        "certificates/node.pem\n",
        f"blobs/ac/ab{'0' * 62}",
        f"blobs/AB/AB{'0' * 62}",
        "blobs/partial/abcd",
        "tntn.sqlite3-wal",
        "run.lock",
        ".restoring",
        "x",
    ],
)
def test_no_other_name_is_written_or_read(name: str) -> None:
    assert not is_kept(name)
    with pytest.raises(DecodeError, match="does not know"):
        read(archive((name, b"x"), (DATABASE, b"")))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (archive(), "database"),
        (archive((BLOB, b"x")), "database"),
        (archive((BLIND_DATABASE, b""), (DATABASE, b"")), "database"),
        (archive((DATABASE, b""), (BLOB, b"x")), "order"),
        (archive((DATABASE, b""), (DATABASE, b"")), "order"),
        (archive((DATABASE, b"")) + b"x", "trailing"),
        (archive((DATABASE, b"abc"))[:-1], "truncated"),
        (archive((DATABASE, b"abc"))[:-3], "truncated"),
        (b"", "truncated"),
        (b"\x08tntn", "truncated"),
        (bytes([4]) + "äx".encode("latin-1") + bytes(20), "name"),
        (encode_entry(Entry(BLOB, BLOB_BYTES_MAX + 1)), "oversized"),
        (encode_entry(Entry(CERTIFICATE, PEM_BYTES_MAX + 1)), "oversized"),
        (encode_entry(Entry(DATABASE, 2**63)), "oversized"),
    ],
)
def test_what_breaks_the_format_is_told_by_its_word(data: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read(data)
    assert caught.value.code == code


@given(st.binary(max_size=400))
def test_any_bytes_are_an_archive_or_refused(data: bytes) -> None:
    try:
        files = read(data)
    except DecodeError:
        return
    assert archive(*files.items()) == data
