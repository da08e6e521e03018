"""`/`: the day, the newest notices, and what there is."""

import httpx
import pytest

from app.clock import ManualClock
from app.founding import Node
from tests.people import Person

pytestmark = pytest.mark.anyio
DAY_MS = 86_400_000


async def test_an_empty_node_says_so(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    assert "Nothing has come in yet" in page
    assert "Thursday" in page


async def test_the_newest_notices_stand_on_it(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await client.get("/")
    await node.door.post(person.introduce())
    for number in range(7):
        await node.door.post(person.write(f"Notice {number}"))
    page = (await client.get("/")).text
    assert ">Notice 6<" in page
    assert ">Notice 2<" in page
    assert ">Notice 1<" not in page
    assert "<dd>7</dd>" in page


async def test_the_day_turns_at_midnight(client: httpx.AsyncClient, clock: ManualClock) -> None:
    assert "Thursday" in (await client.get("/")).text
    clock.advance(DAY_MS)
    assert "Friday" in (await client.get("/")).text


async def test_a_clock_that_cannot_be_right_names_no_day(
    node: Node, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    clock.advance(-400 * DAY_MS)
    page = (await client.get("/")).text
    assert '<h1 id="day">Today</h1>' in page
    assert "day</h1>" not in page.replace("Today</h1>", "")
