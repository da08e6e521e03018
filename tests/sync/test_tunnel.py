"""Two nodes that meet through a real WireGuard tunnel between two network namespaces, and nowhere else.

Needs root, /dev/net/tun, iproute2, wireguard-go and wireguard-tools; skipped, and reported so, where one is missing.
"""

import contextlib
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.sync.overlays import wireguard_hosts

UNDERLAY = ("10.78.0.1", "10.78.0.2")
OVERLAY = ("10.90.0.1", "10.90.0.2")
WIREGUARD_PORT, SYNC_PORT = 51820, 18444
START_S, SYNC_S = 30.0, 60.0


def run(*command: str, given: str | None = None) -> str:
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True, timeout=60).stdout


def obstacle() -> str | None:
    """Why this machine cannot make the tunnel."""
    missing = [name for name in ("ip", "wg", "wireguard-go") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        return "needs root and /dev/net/tun"
    name = f"tntn-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode == 0:
        run("ip", "netns", "del", name)
    return None if made.returncode == 0 else "no network namespace can be made"


OBSTACLE = obstacle()
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=f"no WireGuard here: {OBSTACLE}")


class Village:
    """Two namespaces with a wire between them, and a tunnel over the wire."""

    def __init__(self, folder: Path) -> None:
        unique = secrets.token_hex(3)
        self.names = (f"tntn-{unique}-a", f"tntn-{unique}-b")
        self._interfaces = (f"wga{unique}", f"wgb{unique}")
        self._wires = (f"va{unique}", f"vb{unique}")
        self._folder = folder
        self._made: list[str] = []
        self._programs: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Village":
        with contextlib.ExitStack() as undo:
            undo.callback(self._close)
            self._open()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def inside(self, end: int, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.names[end], *command]

    def transfer(self, end: int) -> tuple[int, int]:
        """Bytes received and sent by the tunnel."""
        _, received, sent = run(*self.inside(end, "wg", "show", self._interfaces[end], "transfer")).split()
        return int(received), int(sent)

    def _open(self) -> None:
        for name in self.names:
            run("ip", "netns", "add", name)
            self._made.append(name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", self._wires[0], "netns", self.names[0], "type", "veth",
            "peer", "name", self._wires[1], "netns", self.names[1])  # fmt: skip
        keys = [run("wg", "genkey").strip() for _ in range(2)]
        public = [run("wg", "pubkey", given=key).strip() for key in keys]
        for end in range(2):
            self._open_end(end, keys[end], public[1 - end])

    def _open_end(self, end: int, key: str, other: str) -> None:
        name, wire, tunnel = self.names[end], self._wires[end], self._interfaces[end]
        run("ip", "-n", name, "addr", "add", f"{UNDERLAY[end]}/24", "dev", wire)
        run("ip", "-n", name, "link", "set", wire, "up")
        environment = {**os.environ, "WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"}
        program = subprocess.Popen(
            self.inside(end, "wireguard-go", "-f", tunnel), env=environment, stderr=subprocess.DEVNULL
        )
        self._programs.append(program)
        wait_until(lambda: tunnel in run("ip", "-n", name, "-o", "link"), START_S, "the tunnel's device")
        secret = self._folder / f"key-{end}"
        secret.touch(mode=0o600)
        secret.write_text(key)
        peer = ["peer", other, "endpoint", f"{UNDERLAY[1 - end]}:{WIREGUARD_PORT}"]
        peer += ["allowed-ips", f"{OVERLAY[1 - end]}/32"]
        own = ["private-key", str(secret), "listen-port", str(WIREGUARD_PORT)]
        run(*self.inside(end, "wg", "set", tunnel, *own, *peer))
        run("ip", "-n", name, "addr", "add", f"{OVERLAY[end]}/24", "dev", tunnel)
        run("ip", "-n", name, "link", "set", tunnel, "up")

    def _close(self) -> None:
        for program in self._programs:
            program.terminate()
            program.wait(10)
        for name in self._made:
            run("ip", "netns", "del", name)
        self._programs, self._made = [], []


@contextlib.contextmanager
def node(village: Village, end: int, data: Path) -> Iterator[None]:
    """`tntn run` at one end, reachable through the tunnel alone."""
    log = data.with_suffix(".log")
    command = [sys.executable, "-m", "app", "run", "--data", str(data), "--host", OVERLAY[end], "--http", "18080"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            village.inside(end, *command, "--https", "18443", "--sync", str(SYNC_PORT)),
            stdout=output, stderr=output, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        wait_until(lambda: "Ctrl-C" in log.read_text("utf-8"), START_S, "the node's start")
        yield
    finally:
        process.terminate()
        process.wait(20)


def wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)


def rows(database: Path, table: str) -> int:
    if not database.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_blind_node_at_the_other_end_of_a_tunnel(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    tntn = (sys.executable, "-m", "app")
    with Village(tmp_path) as village, node(village, 0, here):
        # Both ends share one folder of control sockets here, so both tunnels are named.
        assert OVERLAY[1] in wireguard_hosts(run(*village.inside(0, "wg", "show", "all", "allowed-ips")).encode())
        code = run(
            *tntn, "peer", "invite", "--blind", "--address", f"{OVERLAY[0]}:{SYNC_PORT}", "--data", str(here)
        ).split()[0]
        run(*village.inside(1, *tntn, "peer", "add", code, "--name", "School cellar", "--data", str(there)))
        with node(village, 1, there):
            wait_until(
                lambda: rows(there / "blind.sqlite3", "envelopes") == rows(here / "tntn.sqlite3", "envelopes") > 0,
                SYNC_S,
                "everything in the cellar",
            )
        received, sent = village.transfer(0)
        assert received > 1000 and sent > 1000
