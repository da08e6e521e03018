"""A node that is killed does not begin a fresh hour of airtime: what it sent before still counts."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from tests.robustness.node_process import POLL_SECONDS, NodeProcess
from tests.robustness.phones import Phone
from tests.robustness.test_radio_kills import all_kept_by_two, ether, folder, invitation

KILLS = 3
POSTS_PER_KILL = 2
REMEMBER_S = 1.5
ROUNDING_S = 0.1
"""The page shows tenths of a second."""

pytestmark = pytest.mark.anyio


async def used_s(client: httpx.AsyncClient) -> float:
    """What the node's page says of this hour."""
    found = re.search(r"([\d.]+) s <small>of 360 s used", (await client.get("/node")).text)
    assert found is not None
    return float(found[1])


async def knows(client: httpx.AsyncClient, least_s: float) -> None:
    """A moment after its start, sooner than it could have sent so much anew."""
    async with asyncio.timeout(REMEMBER_S):
        while await used_s(client) < least_s - ROUNDING_S:  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(POLL_SECONDS)


async def test_the_hour_goes_on_after_each_kill(tmp_path: Path) -> None:
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
                    await all_kept_by_two(client, phone)
                    before_s = await used_s(client)
                    assert before_s > REMEMBER_S
                    await asyncio.gather(here.kill(), there.kill())
                    await asyncio.gather(here.start(), there.start())
                    await asyncio.gather(here.answers(), there.answers())
                    await knows(client, before_s)
                stopped_s = await used_s(client)
                await here.stop()
                await here.start()
                await here.answers()
                await knows(client, stopped_s)
    finally:
        await here.kill()
        await there.kill()
