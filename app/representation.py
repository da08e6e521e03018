"""Bytes that answer a GET, with everything about the answer computed once: length, ETag, gzip.

An ASGI application of its own: it sends itself whole, compressed where the browser takes that, or 304 when the
browser has it already.
"""

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

GZIP_LEVEL = 9
"""A page is compressed once and sent often."""
GZIP_BYTES_MIN = 600
"""Below this the saving does not fill the packet that is sent anyway."""
PRECOMPRESSED = ("font/",)


class Representation:
    """One body in one content type. Compression waits until somebody asks for it."""

    __slots__ = ("_gzip", "_gzip_headers", "_headers", "_same_headers", "body", "etag")

    def __init__(self, body: bytes, content_type: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.body = body
        self.etag = b'"' + hashlib.sha256(body).hexdigest()[:20].encode() + b'"'
        common = [*headers, (b"etag", self.etag)]
        self._same_headers = common
        self._headers = [
            *common,
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        self._gzip: bytes | None = None
        self._gzip_headers = self._headers
        if len(body) < GZIP_BYTES_MIN or content_type.startswith(PRECOMPRESSED):
            self._gzip = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gzipped = False
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                gzipped = b"gzip" in value
            elif name == b"if-none-match" and self.etag in value:
                await send({"type": "http.response.start", "status": 304, "headers": self._same_headers})
                await send({"type": "http.response.body", "body": b""})
                return
        headers, body = self._gzipped() if gzipped else (self._headers, self.body)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _gzipped(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        if self._gzip is None:
            self._gzip = gzip.compress(self.body, GZIP_LEVEL, mtime=0)
            self._gzip_headers = [
                *self._headers[:-1],
                (b"content-length", str(len(self._gzip)).encode()),
                (b"content-encoding", b"gzip"),
            ]
        return self._gzip_headers, self._gzip
