"""Discovery against fake sockets with recorded answers, and mDNS on the loopback interface."""

import asyncio
import contextlib
import socketserver
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest

from app.clock import ManualClock
from app.sync.address import Address
from app.sync.discovery import FRESH_S, Discovery, Neighborhood, Tunnels
from tests.sync.test_overlays import (
    TAILSCALE,
    WIREGUARD,
    ZEROTIER_NETWORKS,
    ZEROTIER_PEERS,
    ZEROTIER_STATUS,
    encoded,
)

pytestmark = pytest.mark.anyio

TOKEN = "yh3jz6qd0x2v9c1b8n7m5k4t"
TAILNET = ["100.88.12.4", "fd7a:115c:a1e0::3301:c04"]
OVERLAY = ["fd80:56c2:e21c:0:199:9333:c799:cb58", "fd80:56c2:e21c:0:199:930d:eadb:eef1"]
PRINTS_WIREGUARD = (sys.executable, "-c", f"import sys; sys.stdout.buffer.write({WIREGUARD!r})")
NOWHERE = ("/nonexistent/wg",)


class Daemon(BaseHTTPRequestHandler):
    """Answers what a daemon was recorded to answer, and refuses what it would refuse."""

    answers: ClassVar[dict[str, bytes]]
    wanted: ClassVar[tuple[str, str]]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        name, value = self.wanted
        self.asked.append(self.path)
        if self.headers.get(name) != value:
            self.send_response(401)
            self.end_headers()
            return
        body = self.answers.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def address_string(self) -> str:
        return "local"

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def handler(wanted: tuple[str, str], answers: dict[str, bytes]) -> type[Daemon]:
    return type("Recorded", (Daemon,), {"wanted": wanted, "answers": answers, "asked": []})


async def test_tailscale_by_its_socket(tmp_path: Path) -> None:
    recorded = handler(("Host", "local-tailscaled.sock"), {"/localapi/v0/status": encoded(TAILSCALE)})
    path = tmp_path / "tailscaled.sock"
    with serving(socketserver.UnixStreamServer(str(path), recorded)):
        assert await Tunnels(tailscale=path, zerotier_token=tmp_path / "none", wireguard=NOWHERE).hosts() == TAILNET


async def test_zerotier_by_its_port_and_token(tmp_path: Path) -> None:
    answers = {
        "/status": encoded(ZEROTIER_STATUS),
        "/network": encoded(ZEROTIER_NETWORKS),
        "/peer": encoded(ZEROTIER_PEERS),
    }
    (tmp_path / "token").write_text(TOKEN + "\n")
    server = socketserver.TCPServer(("127.0.0.1", 0), handler(("X-ZT1-Auth", TOKEN), answers))
    with serving(server):
        address = ("127.0.0.1", int(server.server_address[1]))
        tunnels = Tunnels(tmp_path / "none", tmp_path / "token", address, NOWHERE)
        assert await tunnels.hosts() == OVERLAY
        (tmp_path / "token").write_text("a wrong one")
        assert await tunnels.hosts() == []


async def test_wireguard_by_its_tool(tmp_path: Path) -> None:
    tunnels = Tunnels(tmp_path / "none", tmp_path / "none", wireguard=PRINTS_WIREGUARD)
    assert await tunnels.hosts() == ["10.90.0.2", "fd90::2", "10.90.0.3"]


@pytest.mark.parametrize("program", ["sys.exit(1)", "print('\\xff\\x00' * 99)", "sys.stdout.close()"])
async def test_a_tool_that_fails_names_nobody(tmp_path: Path, program: str) -> None:
    failing = (sys.executable, "-c", f"import sys; {program}")
    assert await Tunnels(tmp_path / "none", tmp_path / "none", wireguard=failing).hosts() == []


async def test_daemons_that_answer_nonsense_or_nothing(tmp_path: Path) -> None:
    recorded = handler(("Host", "local-tailscaled.sock"), {"/localapi/v0/status": b"<html>"})
    path = tmp_path / "tailscaled.sock"
    with serving(socketserver.UnixStreamServer(str(path), recorded)):
        assert await Tunnels(path, tmp_path / "none", wireguard=NOWHERE).hosts() == []
    assert path.exists()  # the daemon is gone, its socket is left behind
    assert await Tunnels(path, tmp_path / "none", wireguard=NOWHERE).hosts() == []


async def test_candidates_are_asked_for_at_most_twice_a_minute(tmp_path: Path, clock: ManualClock) -> None:
    recorded = handler(("Host", "local-tailscaled.sock"), {"/localapi/v0/status": encoded(TAILSCALE)})
    path = tmp_path / "tailscaled.sock"
    tunnels = Tunnels(path, tmp_path / "none", wireguard=NOWHERE)
    discovery = Discovery(tunnels, Neighborhood(), clock.monotonic_ms, port=9444)
    with serving(socketserver.UnixStreamServer(str(path), recorded)):
        first = await discovery.candidates()
        assert first == [Address(host, 9444) for host in TAILNET]
        await discovery.candidates()
        assert len(recorded.asked) == 1
        clock.advance(int(FRESH_S * 1000) + 1)
        await discovery.candidates()
        assert len(recorded.asked) == 2


async def found_by(neighborhood: Neighborhood, count: int) -> list[Address]:
    async with asyncio.timeout(10):
        while len(neighborhood.addresses()) != count:  # noqa: ASYNC110 - the network tells when
            await asyncio.sleep(0.02)
    return neighborhood.addresses()


async def test_neighbors_on_one_network_find_each_other_and_hidden_ones_listen() -> None:
    shown, hidden = Neighborhood(), Neighborhood()
    only = ["127.0.0.1"]
    async with hidden.watching(None, [], only):
        async with shown.watching(18444, ["127.0.0.1"], only):
            assert await found_by(hidden, 1) == [Address("127.0.0.1", 18444)]
            assert shown.addresses() == []
        await found_by(hidden, 0)
