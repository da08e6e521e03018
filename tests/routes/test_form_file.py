"""The one file of a form, however it is cut on its way."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.routes.form_file import HEADER_BYTES_MAX, FormFile

KIND = "multipart/form-data; boundary=----x7"
HEAD = b'------x7\r\nContent-Disposition: form-data; name="bundle"; filename="a.car"\r\nContent-Type: a/b\r\n\r\n'
TAIL = b"\r\n------x7--\r\n"


def read(pieces: list[bytes], kind: str = KIND) -> bytes:
    form = FormFile(kind)
    data = b"".join(form.feed(piece) for piece in pieces)
    form.end()
    return data


@given(
    st.binary(max_size=300) | st.lists(st.sampled_from([b"\r", b"\n", b"-", b"----x7", b"\r\n"])).map(b"".join),
    st.lists(st.integers(0, 600), max_size=8),
)
def test_the_file_comes_whole_however_the_form_is_cut(content: bytes, cuts: list[int]) -> None:
    if b"\r\n------x7" in content:
        return  # a browser would have chosen another boundary
    form = HEAD + content + TAIL
    at = sorted({0, len(form), *(cut for cut in cuts if cut < len(form))})
    assert read([form[start:end] for start, end in pairwise(at)]) == content


def test_a_quoted_boundary_and_what_follows_the_file() -> None:
    other = b'\r\n------x7\r\nContent-Disposition: form-data; name="b"\r\n\r\nmore\r\n------x7--\r\n'
    assert read([HEAD + b"content" + other, b"epilogue"], 'multipart/form-data; boundary="----x7"') == b"content"


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "multipart/form-data", "application/x; boundary=a", f"multipart/form-data; boundary={'a' * 71}"],
)
def test_other_forms_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match="Choose the file once more"):
        FormFile(kind)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HEAD,
        HEAD + b"content",
        HEAD + b"content\r\n------x",
        b'------x7\r\nContent-Disposition: form-data; name="bundle"\r\n\r\ntext' + TAIL,
        b"------y7\r\n" + HEAD[10:] + b"content" + TAIL,
        b"------x7\r\n" + b"a" * (HEADER_BYTES_MAX + 1),
    ],
)
def test_what_breaks_off_or_is_no_file_is_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        read([body])


def test_little_is_kept_of_a_large_file() -> None:
    form = FormFile(KIND)
    form.feed(HEAD)
    for _ in range(100):
        form.feed(bytes(10_000))
        assert len(form._buffer) < 100
