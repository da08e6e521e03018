"""A notice written away from the node: it waits on the phone, goes out once, and is kept there until two have it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from app.clock import SystemClock
from app.founding import invite, start_node
from tests.browser.phone import Phone
from tests.browser.village import Village, serve

pytestmark = pytest.mark.anyio

POST = "POST /api/v1/records"
IN_OUTBOX = """async (title) => {
  const { entries } = await import("tntn/outbox/entries.js");
  return (await entries()).filter((entry) => entry.title === title);
}"""


async def test_journey_from_writing_away_to_two_nodes(phone: Phone, village: Village) -> None:
    await village.put_up("Barn dance on Saturday")
    await phone.install()
    await phone.write("Seed potatoes to share", name="Ada Whitcombe")
    seen = phone.cable.seen[POST]
    await phone.walk_away()

    await phone.open("/boards/bulletin")
    await expect(phone.on_board("Barn dance on Saturday")).to_be_visible()
    await expect(phone.bar).to_have_text("Away")
    await expect(phone.page.get_by_role("status")).to_contain_text("away from Market Square")
    await expect(phone.page.get_by_role("status")).to_contain_text("as of just now")
    await phone.write("Creek Road is closed", "Take the upper road.")
    await expect(phone.own("Creek Road is closed")).to_contain_text("Waiting on your phone")
    assert await village.titles() == ["Seed potatoes to share", "Barn dance on Saturday"]

    await phone.come_back()
    await expect(phone.own("Creek Road is closed")).to_contain_text("Kept by 1 node")
    await expect(phone.bar).to_have_text("Connected")
    assert phone.cable.seen[POST] == seen + 1
    assert (await village.titles())[0] == "Creek Road is closed"
    [entry] = await phone.run(IN_OUTBOX, "Creek Road is closed")
    assert entry["record"] is not None

    await village.hear_receipt()
    await expect(phone.own("Creek Road is closed")).to_contain_text("Kept by 2 nodes")
    await expect(phone.own("Creek Road is closed")).to_contain_text("Market Square and 1 more")
    [entry] = await phone.run(IN_OUTBOX, "Creek Road is closed")
    assert entry["record"] is None
    assert phone.cable.seen[POST] == seen + 1
    await phone.open("/me")
    await expect(phone.own("Creek Road is closed")).to_contain_text("Kept by 2 nodes")


async def test_answer_lost_after_the_node_committed_leaves_one_record(phone: Phone, village: Village) -> None:
    await phone.install()
    phone.cable.lose_answers_to(POST)
    await phone.write("Lost: gray cat", name="Ada Whitcombe")
    await expect(phone.own("Lost: gray cat")).to_contain_text("Waiting on your phone")
    assert phone.cable.answers_lost == 1

    phone.cable.mend()
    await phone.open("/me")
    await expect(phone.own("Lost: gray cat")).to_contain_text("Kept by 1 node")
    phone.cable.lose_answers_to(POST)
    await phone.write("Found: gray cat")
    await expect(phone.own("Found: gray cat")).to_contain_text("Waiting on your phone")
    assert await village.titles() == ["Found: gray cat", "Lost: gray cat"]

    phone.cable.mend()
    await phone.open("/me")
    await expect(phone.own("Found: gray cat")).to_contain_text("Kept by 1 node")
    assert await village.titles() == ["Found: gray cat", "Lost: gray cat"]
    assert phone.cable.answers_lost == 2


async def test_notice_is_taken_back_before_it_left(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.write("First notice", name="Ada Whitcombe")
    await phone.walk_away()
    await phone.write("Free firewood")
    await phone.own("Free firewood").get_by_role("button", name="Take back").click()
    await expect(phone.own("Free firewood")).to_have_count(0)
    await phone.write("Firewood, twenty dollars a cord")
    await phone.come_back()
    await expect(phone.own("Firewood, twenty dollars a cord")).to_contain_text("Kept by 1 node")
    assert await village.titles() == ["Firewood, twenty dollars a cord", "First notice"]


@pytest.fixture
async def north_valley(village: Village, tmp_path: Path) -> AsyncIterator[Village]:
    """A second node of the community, out of touch with the first."""
    code = await invite(village.node)
    node = await start_node(tmp_path / "north-valley", SystemClock(), name="North Valley", join=code)
    async with serve(node, tmp_path / "north-valley") as second:
        yield second


async def test_node_that_lacks_a_notice_is_given_it(phone: Phone, village: Village, north_valley: Village) -> None:
    await phone.install()
    await phone.write("Two goats for sale", name="Ada Whitcombe")
    await phone.open("/me")
    await expect(phone.own("Two goats for sale")).to_contain_text("Kept by 1 node")

    phone.cable.lead_to(north_valley.http_port)
    await phone.open("/me")
    await expect(phone.own("Two goats for sale")).to_contain_text("Kept by 2 nodes")
    await expect(phone.own("Two goats for sale")).to_contain_text("Market Square, North Valley")
    assert await north_valley.titles() == await village.titles() == ["Two goats for sale"]
    assert [record["author"] for record in await north_valley.board()] == [
        record["author"] for record in await village.board()
    ]


async def test_node_that_was_renamed_still_counts_as_one(phone: Phone) -> None:
    await phone.install()
    await phone.write("Two goats for sale", name="Ada Whitcombe")
    phone.cable.rewrite("/api/v1/space", b"Market Square", b"Mill Bridge")
    await phone.open("/me")
    await expect(phone.own("Two goats for sale")).to_contain_text("Mill Bridge")
    await expect(phone.own("Two goats for sale")).to_contain_text("Kept by 1 node")
