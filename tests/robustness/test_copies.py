"""A card that is copied and put into a second machine: the copy learns of it by sync, in the midst of its work."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.store.node import RENEWED_INDEX_MIN
from tests.robustness.commands import tntn
from tests.robustness.machines import Machine, pair, said, until_held, write
from tests.robustness.node_process import look_at_disk
from tests.robustness.phones import Phone

pytestmark = pytest.mark.anyio


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[list[Machine]]:
    made = [Machine(tmp_path / name) for name in ("original", "witness", "copy")]
    yield made
    for machine in made:
        await machine.kill()


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
