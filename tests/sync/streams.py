"""Two ends of a TLS connection on loopback, in one process."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator

from app.errors import PeerError
from app.sync.certificate import SyncKey
from app.sync.tls import Patience, Stream, admit, client_context, dial, server_context

NEAR, FAR = SyncKey(b"\1" * 32), SyncKey(b"\2" * 32)
HURRIED = Patience(handshake_s=5.0, message_s=0.2, bytes_per_s=1000, silence_s=5.0)
"""Time enough for a busy machine to shake hands; none for a peer that dawdles."""


@contextlib.asynccontextmanager
async def two_ends(
    near: SyncKey = NEAR,
    far: SyncKey = FAR,
    *,
    pinned: bytes | None = None,
    context: ssl.SSLContext | None = None,
    patience: Patience = HURRIED,
) -> AsyncIterator[tuple[Stream | PeerError, Stream | PeerError]]:
    """`far` dials `near`, which has pinned it: the stream at each end, or why there is none."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        ends = await asyncio.gather(
            _admit(listener, server_context(near, [pinned or far.certificate]), patience),
            _dial(port, context or client_context(far, near.certificate), patience),
        )
        try:
            yield ends
        finally:
            for end in ends:
                if isinstance(end, Stream):
                    end.abort()
            await asyncio.sleep(0.01)  # the transports say goodbye to the loop


async def _admit(listener: socket.socket, context: ssl.SSLContext, patience: Patience) -> Stream | PeerError:
    connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    try:
        return await admit(connection, context, patience)
    except PeerError as error:
        return error


async def _dial(port: int, context: ssl.SSLContext, patience: Patience) -> Stream | PeerError:
    try:
        return await dial("127.0.0.1", port, context, patience)
    except PeerError as error:
        return error
