"""Encrypted connections between peers: TLS 1.3, pinned certificates on both sides, one suite; then bounded messages.

A stream carries messages of up to 1 MiB, each behind its length in 3 bytes. In TLS 1.3 a client that is turned away
sees a finished handshake first: so each side says one byte, its version of the protocol, before anything else.
Spec: docs/protocol/sync.md, "Stream".
"""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterable

import msgspec

from app.errors import PeerError
from app.sync.certificate import SyncKey
from app.sync.message import LENGTH_BYTES, MESSAGE_BYTES_MAX, VERSION, Message, decode_body, encode_message

SUITE = "TLS_AES_256_GCM_SHA384"
BUFFER_BYTES = 256 * 1024
"""What is read ahead of the session at most, twice: TLS hands over records of 16 KiB."""
KEEPALIVE_S = 120
"""A home router forgets a silent connection after some minutes."""
KEEPALIVE_PROBES = 4
KEEPALIVE_PROBE_S = 15
UNACKNOWLEDGED_MS = 60_000
"""A machine that lost its power is noticed when the next words to it stay unacknowledged for this long."""
GOODBYE_S = 1.0
"""For what is on its way when a connection ends."""


class Patience(msgspec.Struct, frozen=True):
    """How long a peer may take. Parameters, so that tests need not wait."""

    handshake_s: float = 20.0
    """For the TCP connection, TLS, and the first byte, each."""
    message_s: float = 20.0
    """For a message that has begun, beside the time that its bytes take at the lowest rate."""
    bytes_per_s: int = 1000
    """The lowest rate: 1 MiB within 18 minutes. Below it the peer holds our memory for nothing."""
    silence_s: float = 15 * 60.0
    """Between messages: peers check every five minutes, so three checks have failed by then."""


class Stream:
    """One connection with a peer whose certificate was looked at. `close` or `abort` ends it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: Patience) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience
        self.certificate = _certificate_of(writer)
        self.received_bytes = 0
        self.sent_bytes = 0

    async def greet(self) -> None:
        """Our version, and the peer's. PeerError when it is another, or none: then the peer turned us away."""
        try:
            async with asyncio.timeout(self._patience.handshake_s):
                self._writer.write(bytes([VERSION]))
                version = await self._reader.read(1)
        except TimeoutError:
            raise PeerError("The peer is silent.") from None
        except OSError:
            version = b""
        if not version:
            raise PeerError("The peer turned this node away: it does not know its certificate, or has no room.")
        if version[0] != VERSION:
            raise PeerError("The peer speaks another version of this protocol. Update the older one.")

    async def read(self) -> Message | None:
        """The next message, or None when the link was cut. PeerError for one that is wrong, too long or too slow."""
        try:
            head = await self._read_exactly(LENGTH_BYTES, self._patience.silence_s)
            length = int.from_bytes(head, "big")
            if not 1 <= length <= MESSAGE_BYTES_MAX:
                raise PeerError(f"A message has 1 to {MESSAGE_BYTES_MAX} bytes, not {length}.")
            return decode_body(await self._read_exactly(length, self._patience.message_s))
        except (OSError, EOFError):
            return None

    async def write(self, message: Message) -> None:
        """Send one message."""
        await self.write_frames(encode_message(message))

    async def write_frames(self, frames: bytes) -> None:
        """Send whole messages; waits while the peer doesn't read. PeerError when it never does, OSError when cut."""
        self.sent_bytes += len(frames)
        # One piece, so that short messages travel in one packet.
        self._writer.write(frames)
        try:
            async with asyncio.timeout(self._patience.message_s + len(frames) / self._patience.bytes_per_s) as timeout:
                await self._writer.drain()
        except TimeoutError:
            if timeout.expired():
                raise PeerError("The peer does not read what it is sent.") from None
            raise

    async def close(self) -> None:
        """End it; what was written is sent first, if the peer reads it soon."""
        self._writer.close()
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self.abort()

    def abort(self) -> None:
        """End it at once."""
        self._writer.transport.abort()

    async def _read_exactly(self, length: int, first_s: float) -> bytes:
        """So many bytes; the first within `first_s`, the rest no slower than patience lasts."""
        loop = asyncio.get_running_loop()
        found = bytearray()
        deadline = loop.time() + first_s
        while len(found) < length:
            piece = await self._read_until(deadline + len(found) / self._patience.bytes_per_s, length - len(found))
            if not piece:
                raise EOFError
            if not found:
                deadline = loop.time() + self._patience.message_s
            found += piece
            self.received_bytes += len(piece)
        return bytes(found)

    async def _read_until(self, deadline: float, length: int) -> bytes:
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                return await self._reader.read(length)
        except TimeoutError:
            if timeout.expired():
                raise PeerError("The peer sends too slowly, or stopped in the middle.") from None
            raise  # the kernel's: the machine at the other end is gone


async def dial(host: str, port: int, context: ssl.SSLContext, patience: Patience) -> Stream:
    """Connect and shake hands. PeerError in words for a person when it can't be."""
    reader, protocol = _reading()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(2 * patience.handshake_s):
            transport, _ = await loop.create_connection(
                lambda: protocol,
                host,
                port,
                ssl=context,
                server_hostname="",  # no name goes out in the clear; the certificate says who it is
                ssl_handshake_timeout=patience.handshake_s,
                ssl_shutdown_timeout=GOODBYE_S,
            )
    except TimeoutError:
        raise PeerError("It does not answer.") from None
    except ssl.SSLCertVerificationError:
        raise PeerError("Another certificate answers there than the one that is pinned, or an expired one.") from None
    except ssl.SSLError as error:
        raise PeerError(f"It speaks no TLS that this node takes ({error.reason or 'cut'}).") from None
    except socket.gaierror:
        raise PeerError("No machine of this name is known here.") from None
    except OSError as error:
        raise PeerError(f"It cannot be reached: {os.strerror(error.errno) if error.errno else error}.") from None
    return _opened(transport, reader, protocol, patience)


async def admit(connection: socket.socket, context: ssl.SSLContext, patience: Patience) -> Stream:
    """Shake hands with who connected. PeerError when its certificate is not pinned or its TLS is another."""
    reader, protocol = _reading()
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=context,
            ssl_handshake_timeout=patience.handshake_s,
            ssl_shutdown_timeout=GOODBYE_S,
        )
    except OSError as error:  # TLS's errors among them, and the handshake that takes too long
        raise PeerError(f"A handshake failed: {getattr(error, 'reason', None) or error}.") from None
    return _opened(transport, reader, protocol, patience)


def server_context(key: SyncKey, pinned: Iterable[bytes]) -> ssl.SSLContext:
    """For incoming connections: only these certificates (DER) get in."""
    return _context(ssl.PROTOCOL_TLS_SERVER, key, pinned)


def client_context(key: SyncKey, pinned: bytes) -> ssl.SSLContext:
    """For a connection to the one peer with this certificate."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, key, [pinned])


def stranger_context(key: SyncKey) -> ssl.SSLContext:
    """For pairing: any certificate answers, and the caller compares its key with the invitation before it speaks."""
    context = _bare_context(ssl.PROTOCOL_TLS_CLIENT, key)
    context.verify_mode = ssl.CERT_NONE
    return context


def _context(protocol: int, key: SyncKey, pinned: Iterable[bytes]) -> ssl.SSLContext:
    context = _bare_context(protocol, key)
    context.verify_mode = ssl.CERT_REQUIRED
    # Each pinned certificate is an end in itself, and its dates are looked at.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    for certificate in pinned:
        with contextlib.suppress(ssl.SSLError):  # one that OpenSSL can't read shuts out nobody but its owner
            context.load_verify_locations(cadata=certificate)
    return context


def _bare_context(protocol: int, key: SyncKey) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # a session that is taken up again would not look at the pins
    # A file in memory: OpenSSL wants a path, and the key is not to lie on another disk.
    memory = os.memfd_create("sync-key", os.MFD_CLOEXEC)
    try:
        os.write(memory, key.pem())
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
    return context


def _reading() -> tuple[asyncio.StreamReader, asyncio.StreamReaderProtocol]:
    reader = asyncio.StreamReader(limit=BUFFER_BYTES)
    return reader, asyncio.StreamReaderProtocol(reader)


def _opened(
    transport: asyncio.Transport,
    reader: asyncio.StreamReader,
    protocol: asyncio.StreamReaderProtocol,
    patience: Patience,
) -> Stream:
    writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    try:
        cipher = transport.get_extra_info("cipher")
        if cipher is None or cipher[0] != SUITE:
            raise PeerError(f"The peer does not use {SUITE}.")
        stream = Stream(reader, writer, patience)
    except PeerError:
        transport.abort()
        raise
    _keep_alive(transport.get_extra_info("socket"))
    return stream


def _certificate_of(writer: asyncio.StreamWriter) -> bytes:
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    if not certificate:
        raise PeerError("The peer shows no certificate.")
    return bytes(certificate)


def _keep_alive(connection: socket.socket) -> None:
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_PROBE_S),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS),
    ):
        connection.setsockopt(level, option, value)
