"""The sockets that a node listens on."""

import contextlib
import socket

import msgspec

from app.errors import InputError
from app.store.peers import PeerStore
from app.sync.address import DEFAULT_PORT

BACKLOG = 256


class Listeners(msgspec.Struct, frozen=True):
    """The two sockets of a node."""

    http: socket.socket
    https: socket.socket

    @property
    def http_port(self) -> int:
        return int(self.http.getsockname()[1])

    @property
    def https_port(self) -> int:
        return int(self.https.getsockname()[1])

    def close(self) -> None:
        self.http.close()
        self.https.close()


async def open_sync_listener(host: str, asked: int | None, peers: PeerStore) -> socket.socket:
    """Where peers connect: the port that was asked for, or else the one of the last time, or the usual one, or any."""
    if asked is not None:
        return _listen(host, asked, "--sync")
    for port in (await peers.port(), DEFAULT_PORT):
        if port is not None:
            with contextlib.suppress(InputError):
                return _listen(host, port, "--sync")
    return _listen(host, 0, "--sync")


def open_listeners(host: str, http: int, https: int) -> Listeners:
    """Both sockets, or InputError that says which port is taken."""
    opened: list[socket.socket] = []
    for option, port in (("--http", http), ("--https", https)):
        try:
            opened.append(_listen(host, port, option))
        except InputError:
            for listener in opened:
                listener.close()
            raise
    return Listeners(*opened)


def _listen(host: str, port: int, option: str) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        raise InputError(
            f"Port {port} cannot be opened on {host}: {error.strerror}. Choose another with {option} PORT."
        ) from error
