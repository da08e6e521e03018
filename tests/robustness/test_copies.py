"""A card that is copied and put into a second machine: the copy learns of it by sync, in the midst of its work."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.store.node import RENEWED_INDEX_MIN
from tests.robustness.commands import tntn
from tests.robustness.node_process import NodeProcess, free_port, look_at_disk
from tests.robustness.phones import Phone

pytestmark = pytest.mark.anyio
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


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[list[Machine]]:
    made = [Machine(tmp_path / name) for name in ("original", "witness", "copy")]
    yield made
    for machine in made:
        await machine.kill()


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


async def pair(inviter: Machine, other: Machine) -> None:
    code, printed = await tntn(
        "peer", "invite", "--no-qr", "--address", f"127.0.0.1:{inviter.sync}", "--data", str(inviter.data)
    )
    assert code == 0, printed
    code, printed = await tntn("peer", "add", "-", "--data", str(other.data), given=last_line(printed))
    assert code == 0, printed


def last_line(printed: str) -> str:
    return next(line.strip() for line in reversed(printed.splitlines()) if re.fullmatch(r"\s*[A-Za-z0-9-]{60,}", line))


async def test_a_copied_card_becomes_a_node_of_its_own(machines: list[Machine]) -> None:
    original, witness, copy = machines
    await original.run("--name", "Mill Bridge")
    phone = Phone(original.url, 1, await original.space_id())
    async with httpx.AsyncClient(base_url=original.url) as client:
        await phone.offer(client, phone.introduction())
    _, code = await tntn("node", "invite", "--data", str(original.data))
    await witness.run("--name", "School", "--join", code.strip())
    await pair(witness, original)
    await write(original, phone, 5)
    await until_held(witness, phone.told)

    assert await original.stop() == 0
    shutil.copytree(original.data, copy.data)
    await original.run()
    await write(original, phone, 5)
    await until_held(witness, phone.told)
    assert await original.stop() == 0

    await copy.run()
    index = int((await said(copy, r"goes on as node (\d+) with a new key"))[1])
    assert index >= RENEWED_INDEX_MIN
    await copy.answers()
    await until_held(copy, phone.told)  # what the other machine wrote came like anybody's
    neighbor = Phone(copy.url, 2, await copy.space_id())
    async with httpx.AsyncClient(base_url=copy.url) as client:
        await neighbor.offer(client, neighbor.introduction())
    await write(copy, neighbor, 3)
    await until_held(witness, neighbor.told)
    assert await copy.stop() == 0

    await original.run()
    await until_held(original, neighbor.told)
    assert await original.stop() == 0
    assert await witness.stop() == 0
    assert "goes on as node" not in original.output.read_text("utf-8") + witness.output.read_text("utf-8")
    sets = [look_at_disk(machine.data) for machine in machines]
    assert all(disk.soundness == "ok" and set(disk.records) >= phone.told | neighbor.told for disk in sets)
