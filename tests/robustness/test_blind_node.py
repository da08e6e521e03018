"""A blind NAS in a process of its own: it fills by sync, is killed in the midst of it, and its disk shows nothing."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.store.blind import FILE_NAME
from tests.robustness.commands import tntn
from tests.robustness.machines import POLL_SECONDS, SETTLED_SECONDS_MAX, Machine, pair, write
from tests.robustness.node_process import look_at_disk
from tests.robustness.phones import Phone

pytestmark = pytest.mark.anyio
SECRET = "twelve jars of honey behind the old mill"
PASSPHRASE = "correct horse battery"


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[list[Machine]]:
    made = [Machine(tmp_path / name) for name in ("member", "cellar", "restored")]
    yield made
    for machine in made:
        await machine.kill()


def stored(machine: Machine) -> set[str]:
    """The envelopes in a blind node's database, by id."""
    with contextlib.closing(sqlite3.connect(f"file:{machine.data / FILE_NAME}?mode=ro", uri=True)) as database:
        return {row[0].hex() for row in database.execute("SELECT envelope_id FROM envelopes")}


async def until_whole(cellar: Machine, member: Machine) -> None:
    async with asyncio.timeout(SETTLED_SECONDS_MAX):
        while True:
            if stored(cellar) == look_at_disk(member.data).envelopes:
                return
            await asyncio.sleep(POLL_SECONDS)


async def test_a_blind_nas_fills_survives_kills_and_shows_nothing(machines: list[Machine], tmp_path: Path) -> None:
    member, cellar, restored = machines
    await member.run("--name", "Mill Bridge", "--community", "Upper Valley")
    phone = Phone(member.url, 1, await member.space_id())
    async with httpx.AsyncClient(base_url=member.url) as client:
        await phone.offer(client, phone.introduction())
        await phone.offer(client, phone.post(SECRET))
    await write(member, phone, 20)
    await pair(member, cellar, "--blind", "--quota", "50")
    for pause in (0.0, 0.3, 0.6):
        await cellar.run()
        await write(member, phone, 20)
        await asyncio.sleep(pause)
        await cellar.kill()
    await cellar.run()
    await write(member, phone, 5)
    await until_whole(cellar, member)

    backup = str(tmp_path / "cellar.backup")
    arguments = ("--passphrase-file", "-")
    code, printed = await tntn("backup", backup, "--data", str(cellar.data), *arguments, given=PASSPHRASE)
    assert code == 0, printed
    assert await cellar.stop() == 0
    secrets = (SECRET, "Post 1", "phone 1", "Upper Valley", phone._person.key.public_key)
    for path in cellar.data.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [what for what in secrets if (what.encode() if isinstance(what, str) else what) in content], path

    code, printed = await tntn("restore", backup, "--data", str(restored.data), *arguments, given=PASSPHRASE)
    assert code == 0, printed
    await restored.run()
    await write(member, phone, 5)
    await until_whole(restored, member)
    assert await restored.stop() == 0
