"""The way between a phone and a node, for tests that cut it.

An HTTP/1.1 relay: one connection to the node for each request, so that it can be cut at the one moment that matters:
after the node answered, before the phone has heard it.
"""

import asyncio
import contextlib
import gzip
import re
from collections import Counter

HEADER_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 64 * 1024


class Cable:
    """A port of its own that leads to a node's. Phones use `url`. The node answers every request in full."""

    def __init__(self, node_port: int) -> None:
        self._node_port = node_port
        self._server: asyncio.Server | None = None
        self._connected = True
        self._lost: str | None = None
        self._rewritten: tuple[str, bytes, bytes] | None = None
        # Held here: asyncio lets go of a handler whose client has left, and the collector may take it in mid-work.
        self._handlers: set[asyncio.Task[None]] = set()
        self.seen: Counter[str] = Counter()
        self.answers_lost = 0
        self.url = ""

    async def plug_in(self) -> None:
        """Open the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEADER_BYTES_MAX)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def unplug(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """From now on connections end without an answer."""
        self._connected = False

    def mend(self) -> None:
        """Requests reach the node again, and answers come back."""
        self._connected = True
        self._lost = None

    def lose_answers_to(self, request: str) -> None:
        """Such requests ("POST /api/v1/records") reach the node; then the cable is cut before the answer."""
        self._lost = request

    def lead_to(self, node_port: int) -> None:
        """The same address, another node: what a phone meets when its owner walks on."""
        self._node_port = node_port

    def rewrite(self, path: str, old: bytes, new: bytes) -> None:
        """In the answer to this path one text stands for another."""
        self._rewritten = (path, old, new) if old else None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._relay(reader, writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()
            self._handlers.discard(handler)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if not self._connected:
            return
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
        body = await reader.readexactly(int(length[1])) if length else b""
        method, address = head.split(b" ", 2)[:2]
        request = f"{method.decode()} {address.decode()}"
        self.seen[request] += 1
        answer = await self._ask_node(re.sub(rb"\r\n(connection|if-none-match): *[^\r]*", b"", head, flags=re.I), body)
        if request == self._lost:
            self.answers_lost += 1
            self.cut()
            return
        writer.write(self._edited(address.decode(), answer))
        await writer.drain()

    def _edited(self, address: str, answer: bytes) -> bytes:
        if self._rewritten is None or self._rewritten[0] != address:
            return answer
        _, old, new = self._rewritten
        head, _, body = answer.partition(b"\r\n\r\n")
        if b"content-encoding: gzip" in head:
            body = gzip.decompress(body)
        kept = [line for line in head.split(b"\r\n") if not line.startswith((b"content-length", b"content-encoding"))]
        return b"\r\n".join(kept) + b"\r\n\r\n" + body.replace(old, new)

    async def _ask_node(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._node_port)
        try:
            writer.write(head[:-2] + b"connection: close\r\n\r\n" + body)
            await writer.drain()
            return await reader.read(-1)
        finally:  # also when the cable is unplugged meanwhile
            writer.close()
