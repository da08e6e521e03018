"""Bytes that answer for themselves: plain, compressed, or not at all."""

import gzip
from typing import Any

import pytest

from app.representation import Representation

pytestmark = pytest.mark.anyio
LONG = b"seed catalogue " * 100


async def answer(
    representation: Representation, *headers: tuple[bytes, bytes]
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read to answer a GET")

    await representation({"type": "http", "headers": list(headers)}, receive, send)
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


async def test_plain() -> None:
    status, headers, body = await answer(Representation(LONG, "text/html", [(b"vary", b"accept")]))
    assert (status, body) == (200, LONG)
    assert headers[b"content-length"] == b"1500"
    assert headers[b"vary"] == b"accept"
    assert b"content-encoding" not in headers


async def test_compressed_where_it_is_taken() -> None:
    page = Representation(LONG, "text/html")
    _, headers, body = await answer(page, (b"accept-encoding", b"br, gzip"))
    assert gzip.decompress(body) == LONG
    assert headers[b"content-encoding"] == b"gzip"
    assert int(headers[b"content-length"]) == len(body) < 100


@pytest.mark.parametrize(("body", "kind"), [(b"short", "text/html"), (LONG, "font/woff2")])
async def test_not_compressed_where_nothing_is_won(body: bytes, kind: str) -> None:
    _, headers, sent = await answer(Representation(body, kind), (b"accept-encoding", b"gzip"))
    assert sent == body
    assert b"content-encoding" not in headers


async def test_not_sent_where_it_is_known() -> None:
    page = Representation(LONG, "text/html")
    status, headers, body = await answer(page, (b"if-none-match", b'W/"old", ' + page.etag))
    assert (status, body) == (304, b"")
    assert headers[b"etag"] == page.etag
    assert b"content-length" not in headers


async def test_other_bytes_have_another_name() -> None:
    assert Representation(b"one", "text/plain").etag != Representation(b"two", "text/plain").etag
    status, _, _ = await answer(Representation(LONG, "text/html"), (b"if-none-match", b'"other"'))
    assert status == 200
