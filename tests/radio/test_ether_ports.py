"""The ether on real pseudo-terminals, and the journal that the demo reads."""

import asyncio
import contextlib
import io
import json
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from app.radio.dialects.kiss_codec import Deframer, RadioParameters, encode_frame, encode_hardware
from app.radio.ether_ports import EtherPorts, linked
from app.radio.field import Field, line

pytestmark = pytest.mark.anyio
RADIO = RadioParameters(869_525_000, 125_000, 9, 5).encode()
FAST = 50.0


@contextlib.asynccontextmanager
async def running(journal: io.StringIO) -> AsyncIterator[EtherPorts]:
    ports = EtherPorts(Field(["a", "b"], line(["a", "b"], 120.0), random.Random(1)), FAST, journal)
    task = asyncio.create_task(ports.run())
    try:
        yield ports
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        ports.close()


async def frames_from(host: int, deframer: Deframer, count: int) -> list[bytes]:
    frames: list[bytes] = []
    with anyio.fail_after(5):
        while len(frames) < count:
            await anyio.wait_readable(host)
            frames += deframer.receive(os.read(host, 4096))
    return frames


async def test_a_packet_from_terminal_to_terminal(tmp_path: Path) -> None:
    journal = io.StringIO()
    async with running(journal) as ports:
        with linked(ports, tmp_path / "radios") as links:
            hosts = {name: os.open(link, os.O_RDWR | os.O_NOCTTY) for name, link in links.items()}
            for host in hosts.values():
                os.write(host, encode_hardware(0x09, RADIO))
                assert await frames_from(host, Deframer(), 1) == [b"\x06\xf0"]
            os.write(hosts["a"], encode_frame(0, b"\x00over"))
            assert await frames_from(hosts["a"], Deframer(), 1) == [b"\x06\xf8\x01"]
            assert (await frames_from(hosts["b"], Deframer(), 2))[0] == b"\x00\x00over"
            for host in hosts.values():
                os.close(host)
        assert not links["a"].is_symlink()
    entry = json.loads(journal.getvalue())
    assert (entry["sender"], entry["bytes"], entry["packet"], entry["at"]) == (
        "a",
        5,
        b"\x00over".hex(),
        {"b": "heard"},
    )
    assert entry["airtime_ms"] == pytest.approx(123.904)


async def test_a_host_may_leave_and_come_back(tmp_path: Path) -> None:
    async with running(io.StringIO()) as ports:
        for _ in range(2):
            host = os.open(ports.ports["a"].path, os.O_RDWR | os.O_NOCTTY)
            os.write(host, encode_hardware(0x17))
            assert await frames_from(host, Deframer(), 1) == [b"\x06\x97"]
            os.close(host)
