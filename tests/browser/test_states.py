"""What is not simply kept: refused, held, and a node whose disk is full. The phone keeps the words in every case."""

import pytest
from playwright.async_api import Route, expect

from app.core.membership import JoinPolicy
from tests.browser.phone import Phone
from tests.browser.village import Village

pytestmark = pytest.mark.anyio


async def test_newcomer_in_a_community_of_invited_waits_until_let_in(phone: Phone, village: Village) -> None:
    await village.node.store.node.set_join_policy(JoinPolicy.INVITED)
    await phone.install()
    await phone.write("Barn dance", name="Ada Whitcombe")
    await expect(phone.own("Barn dance")).to_contain_text("Held at the node")
    await expect(phone.own("Barn dance")).to_contain_text("until the node has heard who its author is")
    await phone.open("/me")
    await expect(phone.page.locator("[data-introduced]")).to_have_text("Not posted")
    assert await village.titles() == []

    await village.node.store.node.set_join_policy(JoinPolicy.OPEN)
    await phone.open("/me")
    await expect(phone.page.locator("[data-introduced]")).to_have_text("Kept by 1 node")
    await expect(phone.own("Barn dance")).to_contain_text("Kept by 1 node")
    assert await village.titles() == ["Barn dance"]


async def test_refused_notice_says_why_and_can_be_removed(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.write("First notice", name="Ada Whitcombe")
    reason = '{"error": "signature", "message": "The signature does not fit.", "field": null}'

    async def refuse(route: Route) -> None:
        await route.fulfill(status=422, content_type="application/json", body=reason)

    await phone.context.route("**/api/v1/records", refuse)
    await phone.write("Barn dance")
    await expect(phone.own("Barn dance")).to_contain_text("Not posted")
    await expect(phone.own("Barn dance")).to_contain_text("The signature does not fit.")
    await phone.own("Barn dance").get_by_role("button", name="Remove").click()
    await expect(phone.own("Barn dance")).to_have_count(0)
    assert await village.titles() == ["First notice"]


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (507, "application/json", '{"error": "full", "message": "The disk of this node is full.", "field": null}'),
        (200, "text/html", "<h1>Welcome to the hotel</h1>"),
    ],
    ids=["a full disk", "a captive portal"],
)
async def test_notice_waits_while_nobody_can_take_it(
    phone: Phone, village: Village, status: int, kind: str, body: str
) -> None:
    await phone.install()

    async def answer(route: Route) -> None:
        await route.fulfill(status=status, content_type=kind, body=body)

    await phone.context.route("**/api/v1/records", answer)
    await phone.write("Barn dance", name="Ada Whitcombe")
    await expect(phone.own("Barn dance")).to_contain_text("Waiting on your phone")
    assert await village.titles() == []
    await phone.context.unroute("**/api/v1/records")
    await phone.open("/me")
    await expect(phone.own("Barn dance")).to_contain_text("Kept by 1 node")
    assert await village.titles() == ["Barn dance"]


async def test_two_open_pages_send_once_and_number_apart(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.write("First notice", name="Ada Whitcombe")
    await phone.walk_away()
    other = await phone.context.new_page()
    write = """async (title) => {
      const { post } = await import("tntn/outbox/writing.js");
      await Promise.all([1, 2, 3].map((number) => post("", `${title} ${number}`, "")));
    }"""
    await phone.open("/boards/bulletin")
    await other.goto("/boards/bulletin")
    await phone.run(write, "One")
    await other.evaluate(write, "Other")
    seen = phone.cable.seen["POST /api/v1/records"]
    await phone.come_back()
    for page in (phone.page, other):
        await expect(page.locator("[data-own]").filter(has_text="Kept by 1 node")).to_have_count(6)
    assert phone.cable.seen["POST /api/v1/records"] == seen + 6
    assert len(await village.titles()) == 7
    sequences = await phone.run(
        """async () => {
          const { entries } = await import("tntn/outbox/entries.js");
          return (await entries()).map(({ sequence }) => sequence);
        }"""
    )
    assert sequences == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_number_is_never_below_what_the_node_has_seen(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.write("First notice", name="Ada Whitcombe")
    await phone.run(
        """async () => {
          const { read, write } = await import("tntn/outbox/database.js");
          const device = await read("device", "this");
          const [space] = Object.keys(device.sequences);
          await write("device", (store) => store.put({ ...device, sequences: { [space]: 1 } }, "this"));
        }"""
    )
    await phone.write("After the storage went back")
    await expect(phone.on_board("After the storage went back")).to_be_visible()
    sequences = await phone.run(
        "async () => (await (await import('tntn/outbox/entries.js')).entries()).map((e) => e.sequence)"
    )
    assert sequences == [1, 2, 3]
