"""The sockets of a node: taken ports are told, and that for peers stays the same."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import InputError
from app.listeners import open_listeners, open_sync_listener
from app.store.database import open_database
from app.store.peers import PeerStore
from tests.robustness.node_process import free_port

HOST = "127.0.0.1"


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[PeerStore]:
    database = await open_database(tmp_path)
    found = PeerStore(database)
    await found.seed(bytes(32))
    yield found
    await database.close()


def test_a_taken_port_is_told_and_the_other_is_let_go() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {port} cannot be opened.*--https PORT"):
            open_listeners("127.0.0.1", 0, port)


def test_two_free_ports_are_opened() -> None:
    listeners = open_listeners("127.0.0.1", 0, 0)
    assert len({listeners.http_port, listeners.https_port, 0}) == 3
    listeners.http.close()
    listeners.https.close()


@pytest.mark.anyio
async def test_the_port_for_peers_is_the_one_of_the_last_time(peers: PeerStore) -> None:
    remembered = free_port()
    await peers.listens(remembered)
    with await open_sync_listener(HOST, None, peers) as listener:
        assert listener.getsockname()[1] == remembered
        with await open_sync_listener(HOST, None, peers) as other:  # taken: another serves as well
            assert other.getsockname()[1] not in (remembered, 0)


@pytest.mark.anyio
async def test_a_port_for_peers_that_was_asked_for_is_that_or_none(peers: PeerStore) -> None:
    with await open_sync_listener(HOST, 0, peers) as listener:
        taken = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {taken} cannot be opened.*--sync PORT"):
            await open_sync_listener(HOST, taken, peers)
