"""What a node counts as kept by its neighbor is on the neighbor's disk, though the neighbor is killed all the time."""

import asyncio
import contextlib
import os
import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.store.database import FILE_NAME
from tests.robustness.node_process import POLL_SECONDS, NodeProcess, look_at_disk
from tests.robustness.phones import Phone

KILLS = max(4, int(os.environ.get("TNTN_KILLS", "50")) // 12)
"""Fewer than kills under load: each waits for frames on the air."""
SEED = int(os.environ.get("TNTN_KILLS_SEED", str(random.randrange(2**32))))
SPEED = 10
"""How much faster the simulated air is than a real one."""
POSTS_PER_KILL = 3
KEPT_SECONDS_MAX = 60.0
NEIGHBOR = 1

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def ether(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Two simulated modems that hear each other: the paths of their ports by place."""
    command = (
        sys.executable,
        "-m",
        "app",
        "ether",
        "--nodes",
        "here,there",
        "--speed",
        str(SPEED),
        "--dir",
        str(folder),
    )
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    ports: dict[str, str] = {}
    async for line in process.stdout:
        name, _, path = line.decode().strip().partition(" ")
        if name == "ready":
            break
        ports[name] = path
    try:
        yield ports
    finally:
        process.terminate()
        await process.wait()


async def test_kept_by_two_is_on_two_disks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{KILLS} kills of a node that listens, TNTN_KILLS_SEED={SEED}", flush=True)
    rng = random.Random(SEED)
    here, there = NodeProcess(folder(tmp_path, "here")), NodeProcess(folder(tmp_path, "there"))
    try:
        async with ether(tmp_path / "ports") as ports:
            await here.start("--radio", ports["here"], "--name", "Here")
            await here.answers()
            await there.start("--radio", ports["there"], "--name", "There", "--join", await invitation(here))
            await there.answers()
            phone = Phone(here.url, 0, await here.space_id())
            async with httpx.AsyncClient(base_url=here.url) as client:
                await phone.offer(client, phone.introduction())
                for _ in range(KILLS):
                    for _ in range(POSTS_PER_KILL):
                        await phone.offer(client, phone.post())
                    await asyncio.sleep(rng.uniform(0, 2))
                    await there.kill()
                    assert custody(here.data) <= look_at_disk(there.data).envelopes, f"TNTN_KILLS_SEED={SEED}"
                    await there.start()
                    await there.answers()
                await all_kept_by_two(client, phone)
            await there.kill()
            assert custody(here.data) <= look_at_disk(there.data).envelopes, f"TNTN_KILLS_SEED={SEED}"
            assert phone.told <= set(look_at_disk(there.data).records)
    finally:
        await here.kill()
        await there.kill()


async def all_kept_by_two(client: httpx.AsyncClient, phone: Phone) -> None:
    """Ask as a phone does, until the neighbor has everything."""
    async with asyncio.timeout(KEPT_SECONDS_MAX):
        while True:
            answer = await client.post("/api/v1/custody", json={"ids": sorted(phone.told)})
            if min(answer.json()["kept_by"].values()) >= 2:
                return
            await asyncio.sleep(POLL_SECONDS)


async def invitation(node: NodeProcess) -> str:
    """The code by which a second node joins, printed while the first one runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "node", "invite", "--data", str(node.data)), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output.decode().split()[-1]


def custody(data: Path) -> set[str]:
    """The envelopes that this running node believes to be on the neighbor's disk."""
    with contextlib.closing(sqlite3.connect(data / FILE_NAME)) as database:
        rows = database.execute(
            "SELECT e.envelope_id FROM custody c JOIN envelopes e ON e.id = c.envelope WHERE c.node_index = ?",
            (NEIGHBOR,),
        )
        return {envelope_id.hex() for (envelope_id,) in rows}


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made
