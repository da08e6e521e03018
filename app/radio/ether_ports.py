"""Pseudo-terminals for the simulated ether: each radio gets one, and a node opens it like a modem's serial port.

A shell around `field`: feeds bytes, flushes output, arms the deadline, writes the journal.
"""

import asyncio
import contextlib
import json
import os
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from app.radio.ether import Arrival, Transmission
from app.radio.field import Field

READ_BYTES_MAX = 4096


class Port:
    """One pseudo-terminal. Both ends stay open, so that a host may come and go."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.unsent = b""

    @property
    def fileno(self) -> int:
        """The modem's end."""
        return self._master

    def read(self) -> bytes:
        """What the host wrote; empty when there is nothing."""
        try:
            return os.read(self._master, READ_BYTES_MAX)
        except BlockingIOError:
            return b""

    def flush(self) -> None:
        """Write as much of `unsent` as the terminal takes; a host that doesn't read leaves the rest here."""
        with contextlib.suppress(BlockingIOError):
            self.unsent = self.unsent[os.write(self._master, self.unsent) :]

    def close(self) -> None:
        os.close(self._master)
        os.close(self._slave)


class EtherPorts:
    """The ports of a field's modems, on the machine's clock times `speed`."""

    def __init__(self, field: Field, speed: float = 1.0, journal: TextIO | None = None) -> None:
        self.ports = {name: Port() for name in field.modems}
        self._field = field
        self._speed = speed
        self._journal = journal
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Carry bytes and frames until cancelled."""
        loop = asyncio.get_running_loop()
        for port in self.ports.values():
            loop.add_reader(port.fileno, self._wake.set)
        try:
            while True:
                self._wake.clear()
                self._carry(self._now_ms())
                await self._sleep()
        finally:
            for port in self.ports.values():
                loop.remove_reader(port.fileno)

    def close(self) -> None:
        """Let the terminals go."""
        for port in self.ports.values():
            port.close()

    def _carry(self, now_ms: float) -> None:
        for name, port in self.ports.items():
            data = port.read()
            if data:
                self._field.modems[name].receive(data, now_ms)
        for transmission, arrivals in self._field.poll(now_ms):
            self._record(transmission, arrivals)
        for name, port in self.ports.items():
            if not port.unsent:
                port.unsent = self._field.modems[name].output()
            if port.unsent:
                port.flush()

    async def _sleep(self) -> None:
        now_ms = self._now_ms()
        deadline_ms = self._field.deadline_ms(now_ms)
        timeout_s = None if deadline_ms is None else max(0.0, deadline_ms - now_ms) / 1000 / self._speed
        if any(port.unsent for port in self.ports.values()):
            timeout_s = 0.05 if timeout_s is None else min(timeout_s, 0.05)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()

    def _now_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000 * self._speed

    def _record(self, transmission: Transmission, arrivals: list[Arrival]) -> None:
        if self._journal is None:
            return
        line = {
            "start_ms": round(transmission.start_ms, 1),
            "sender": transmission.sender,
            "bytes": len(transmission.packet),
            "airtime_ms": round(transmission.airtime_ms, 3),
            "packet": transmission.packet.hex(),
            "at": {arrival.receiver: arrival.outcome.value for arrival in arrivals},
        }
        self._journal.write(json.dumps(line) + "\n")
        self._journal.flush()


@contextlib.contextmanager
def linked(ports: EtherPorts, folder: Path) -> Iterator[dict[str, Path]]:
    """Symbolic links with the radios' names in a folder, for the length of the block: names that don't change."""
    folder.mkdir(parents=True, exist_ok=True)
    links = {name: folder / name for name in ports.ports}
    try:
        for name, link in links.items():
            link.unlink(missing_ok=True)
            link.symlink_to(ports.ports[name].path)
        yield links
    finally:
        for link in links.values():
            link.unlink(missing_ok=True)
