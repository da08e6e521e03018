"""A node in a process of its own, as `bin/run` starts it, and a look at what it left on the disk."""

import asyncio
import contextlib
import random
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
from pathlib import Path

import httpx
import msgspec

from app.core.keys import SpaceId
from app.store.database import FILE_NAME

START_SECONDS_MAX = 20.0
"""A start takes about a second; a machine that does other work at the same time may need longer."""
STOP_SECONDS_MAX = 2.0
POLL_SECONDS = 0.02


class NodeProcess:
    """`tntn run` on loopback ports that stay the same over restarts."""

    def __init__(self, folder: Path, program: tuple[str, ...] = (sys.executable, "-m", "app", "run")) -> None:
        self.program = program
        self.folder = folder
        self.data = folder / "data"
        self.http = free_port()
        self.https = free_port()
        self.url = f"http://127.0.0.1:{self.http}"
        self.output = folder / "node.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *options: str) -> None:
        """Start it; returns before it answers."""
        with self.output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(*self.program, "--data", str(self.data), "--host", "127.0.0.1"),
                *("--http", str(self.http), "--https", str(self.https), *options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def answers(self) -> None:
        """Wait until it answers; fails with its output when it ends or never does."""
        async with httpx.AsyncClient() as client, asyncio.timeout(START_SECONDS_MAX):
            while True:
                assert self._process is not None
                assert self._process.returncode is None, self.output.read_text("utf-8", "replace")[-2000:]
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{self.url}/health")).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(POLL_SECONDS)

    async def space_id(self) -> SpaceId:
        """The community that it founded."""
        async with httpx.AsyncClient() as client:
            return SpaceId(bytes.fromhex((await client.get(f"{self.url}/api/v1/space")).json()["space"]))

    async def kill(self) -> None:
        """`kill -9`."""
        await self._end(signal.SIGKILL)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as a supervisor or a keeper does, and assert that it takes two seconds at most. Its exit code."""
        async with asyncio.timeout(STOP_SECONDS_MAX):
            return await self._end(how)

    async def ends(self) -> int:
        """Wait until it ends by itself. Returns its exit code."""
        assert self._process is not None
        async with asyncio.timeout(START_SECONDS_MAX):
            return await self._process.wait()

    async def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        return await process.wait()


class Disk(msgspec.Struct, frozen=True):
    """What stands in a node's database."""

    soundness: str
    records: list[str]
    envelopes: set[str]
    """All sealed records, those among them that wait for their author's introduction."""
    log: dict[int, str]
    unnumbered: int
    boards: list[tuple[str, int, int]]
    """name, the total that it counts, the records that it shows."""


def look_at_disk(data: Path) -> Disk:
    """Read a copy of the database and its write-ahead log as they lie there, and leave the originals alone."""
    with tempfile.TemporaryDirectory() as folder:
        for file in data.glob(f"{FILE_NAME}*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder)
        with contextlib.closing(sqlite3.connect(Path(folder) / FILE_NAME)) as database:
            return Disk(
                soundness=database.execute("PRAGMA integrity_check").fetchone()[0],
                records=[row[0].hex() for row in database.execute("SELECT record_id FROM envelopes")],
                envelopes={
                    row[0].hex()
                    for row in database.execute(
                        "SELECT envelope_id FROM envelopes UNION SELECT envelope_id FROM parked"
                    )
                },
                log={
                    number: record_id.hex()
                    for number, record_id in database.execute(
                        "SELECT l.number, e.record_id FROM node_log l JOIN envelopes e ON e.id = l.envelope"
                        " WHERE l.node_index = 0"
                    )
                },
                unnumbered=database.execute(
                    "SELECT count(*) FROM envelopes e WHERE (SELECT count(*) FROM node_log WHERE envelope = e.id) <> 1"
                ).fetchone()[0],
                boards=database.execute(
                    "SELECT name, total, (SELECT count(*) FROM records WHERE board = name AND shown = 1) FROM boards"
                ).fetchall(),
            )


def free_port() -> int:
    """A loopback port that nobody listens on, below those that the system lends to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
