"""The four servers of the benchmark: the node itself, the node with kept pages off, and two references."""

import base64
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Self

import msgspec

from app.clock import SystemClock, minutes_of
from app.core.bodies import DeviceIntroduction
from app.core.keys import DeviceKey, SpaceId
from app.core.record import Kind as RecordKind
from app.core.record import Lifetime, Record, compose, sign
from bench.web.load import SERVER_CORE, fetch, on_core

START_SECONDS_MAX = 20.0
POLL_SECONDS = 0.01
BOARD = "/boards/bulletin"


class Kind(StrEnum):
    """What is measured."""

    CONSTANT = "constant"
    KEPT = "kept"
    MINIMAL = "minimal"
    RENDERED = "rendered"


class Served(msgspec.Struct, frozen=True):
    """A server that answers."""

    kind: Kind
    base: str
    pid: int
    start_s: float

    @property
    def url(self) -> str:
        return self.base + BOARD

    def cpu_s(self) -> float:
        """Seconds of processor time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Its memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextlib.contextmanager
def serve(kind: Kind, source: Path) -> Iterator[Served]:
    """Start a server on a core of its own; it is gone after the block."""
    port, secure_port = _free_port(), _free_port()
    command = [sys.executable, "-m", "bench.web.reference", kind, str(source), str(port)]
    if kind is Kind.KEPT:
        command = [sys.executable, "-m", "app", "run", "--data", str(source), "--host", "127.0.0.1"]
        command += ["--http", str(port), "--https", str(secure_port)]
    begun = time.monotonic()
    process = subprocess.Popen([*on_core(SERVER_CORE), *command], stdout=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(process, base + BOARD, begun)
        yield Served(kind, base, process.pid, time.monotonic() - begun)
    finally:
        process.terminate()
        process.wait(timeout=10)


class Posting:
    """While the block lasts, a phone writes a post a second."""

    def __init__(self, node: Served) -> None:
        self._node = node
        self._key = DeviceKey(secrets.token_bytes(32))
        self._sequence = 0
        self._taken = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="posting")

    def __enter__(self) -> Self:
        space = json.loads(fetch(f"{self._node.base}/api/v1/space"))["space"]
        self._space = SpaceId(bytes.fromhex(space))
        self._post(RecordKind.DEVICE, DeviceIntroduction(self._key.public_key, "Ada Whitcombe").encode())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for(self, posts: int) -> None:
        """Until so many were taken."""
        while self._taken <= posts:  # the introduction is the first
            time.sleep(POLL_SECONDS)

    def _write(self) -> None:
        while not self._stop.wait(1):
            text = f"Fresh from the press, number {self._sequence}\nCider by the jug until it is gone, at the barn."
            self._post(RecordKind.POST, text.encode())

    def _post(self, kind: RecordKind, body: bytes) -> None:
        self._sequence += 1
        lifetime = Lifetime.PERMANENT if kind is RecordKind.DEVICE else Lifetime.SHORT
        minutes = minutes_of(SystemClock().now_ms())
        record: Record = compose(lifetime, self._key.device_id, self._sequence, minutes, kind, body)
        encoded = base64.urlsafe_b64encode(sign(record, self._key, self._space).encode()).rstrip(b"=").decode()
        request = urllib.request.Request(
            f"{self._node.base}/api/v1/records",
            json.dumps({"record": encoded}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            response.read()
        self._taken += 1


def _wait(process: "subprocess.Popen[bytes]", url: str, begun: float) -> None:
    while time.monotonic() - begun < START_SECONDS_MAX:
        if process.poll() is not None:
            sys.exit(f"The server stopped at once: {process.args!r}")
        with contextlib.suppress(OSError):
            fetch(url)
            return
        time.sleep(POLL_SECONDS)
    sys.exit(f"The server did not answer within {START_SECONDS_MAX:.0f} s: {process.args!r}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
