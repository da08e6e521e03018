"""`kill -9` at any moment loses nothing that a phone was told is kept, and leaves nothing half-written."""

import asyncio
import os
import random

import httpx
import pytest

from tests.robustness.node_process import Disk, NodeProcess, look_at_disk
from tests.robustness.phones import Phone

KILLS = int(os.environ.get("TNTN_KILLS", "50"))
SEED = int(os.environ.get("TNTN_KILLS_SEED", str(random.randrange(2**32))))
PHONES = 4
START_KILL_EVERY = 5
"""Every fifth kill hits a node that has not answered yet: while it founds, migrates or recovers."""
START_SECONDS = 0.8
LOAD_SECONDS = 0.5

pytestmark = pytest.mark.anyio


async def test_kills_under_load(process: NodeProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """Phones write all the while; after every kill, what lies on the disk is compared with what they were told."""
    with capsys.disabled():
        print(f"\n{KILLS} kills, TNTN_KILLS_SEED={SEED}", flush=True)
    rng = random.Random(SEED)
    log: dict[int, str] = {}
    await kill_while_starting(process, rng)
    await process.start()
    await process.answers()
    space_id = await process.space_id()
    phones = [Phone(process.url, number, space_id) for number in range(PHONES)]
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as writing:
        for phone in phones:
            writing.create_task(phone.write_until(enough))
        for kill in range(1, KILLS + 1):
            await asyncio.sleep(rng.uniform(0, LOAD_SECONDS))
            await process.kill()
            log = check_disk(phones, log, look_at_disk(process.data))
            if kill % START_KILL_EVERY == 0:
                await kill_while_starting(process, rng)
            await process.start()
            await process.answers()
        enough.set()
    told = set.union(*(phone.told for phone in phones))
    assert len(told) == sum(phone.written for phone in phones) + PHONES, "every post and introduction is kept once"
    await check_board(process, sum(phone.written for phone in phones))
    assert await process.stop() == 0
    final = look_at_disk(process.data)
    check_disk(phones, log, final)
    assert set(final.records) - told == node_records(final, told), "nothing is there that nobody wrote"
    with capsys.disabled():
        print(f"{KILLS} kills, {len(told)} records told kept, all there once; log 1..{len(final.log)}", flush=True)


def check_disk(phones: list[Phone], log: dict[int, str], disk: Disk) -> dict[int, str]:
    """Compare a disk with what was told and with the node log of the last look. Returns the log as it is now."""
    hint = f"TNTN_KILLS_SEED={SEED}"
    assert disk.soundness == "ok", hint
    told = set.union(*(phone.told for phone in phones))
    assert told <= set(disk.records), f"{hint}: lost {sorted(told - set(disk.records))}"
    assert len(disk.records) == len(set(disk.records)), hint
    assert sorted(disk.log) == list(range(1, len(disk.log) + 1)), f"{hint}: a hole in the node log"
    assert disk.unnumbered == 0, f"{hint}: an envelope has no number, or two"
    assert log.items() <= disk.log.items(), f"{hint}: a number of the node log was given away twice"
    assert all(total == shown for _, total, shown in disk.boards), f"{hint}: {disk.boards}"
    return disk.log


def node_records(disk: Disk, told: set[str]) -> set[str]:
    """The node's own introduction: the first of its log."""
    return {disk.log[1]} - told


async def kill_while_starting(process: NodeProcess, rng: random.Random) -> None:
    await process.start()
    await asyncio.sleep(rng.uniform(0, START_SECONDS))
    await process.kill()


async def check_board(process: NodeProcess, posts: int) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{process.url}/boards/bulletin", headers={"accept": "application/json"})
    assert answer.json()["total"] == posts
