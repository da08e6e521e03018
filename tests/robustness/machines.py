"""Nodes in processes of their own that sync with each other, and what is on their disks in the end."""

import asyncio
import re
from pathlib import Path

import httpx

from tests.robustness.commands import tntn
from tests.robustness.node_process import NodeProcess, free_port, look_at_disk
from tests.robustness.phones import Phone

SETTLED_SECONDS_MAX = 40.0
POLL_SECONDS = 0.1


class Machine(NodeProcess):
    """A node with a port for its peers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.sync = free_port()

    async def run(self, *options: str) -> None:
        await self.start("--sync", str(self.sync), *options)
        await self.answers()


async def write(machine: Machine, phone: Phone, count: int) -> None:
    async with httpx.AsyncClient(base_url=machine.url) as client:
        for _ in range(count):
            assert (await phone.offer(client, phone.post())).status_code in (httpx.codes.OK, httpx.codes.CREATED)


async def until_held(machine: Machine, record_ids: set[str]) -> None:
    """Until all of these are on its disk."""
    async with asyncio.timeout(SETTLED_SECONDS_MAX):
        while True:
            if record_ids <= set(look_at_disk(machine.data).records):
                return
            await asyncio.sleep(POLL_SECONDS)


async def said(machine: Machine, words: str) -> "re.Match[str]":
    """Until it has printed this."""
    async with asyncio.timeout(SETTLED_SECONDS_MAX):
        while True:
            if found := re.search(words, machine.output.read_text("utf-8")):
                return found
            await asyncio.sleep(POLL_SECONDS)


async def pair(inviter: Machine, other: Machine, *options: str) -> None:
    """By a code; the options are those of the invitation."""
    code, printed = await tntn(
        *("peer", "invite", "--no-qr", "--address", f"127.0.0.1:{inviter.sync}", "--data", str(inviter.data), *options)
    )
    assert code == 0, printed
    code, printed = await tntn("peer", "add", "-", "--data", str(other.data), given=_last_line(printed))
    assert code == 0, printed


def _last_line(printed: str) -> str:
    return next(line.strip() for line in reversed(printed.splitlines()) if re.fullmatch(r"\s*[A-Za-z0-9-]{60,}", line))
