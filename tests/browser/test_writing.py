"""The first visit: a name, a key made on the phone, a notice on the board."""

import asyncio
import time

import pytest
from playwright.async_api import Route, expect

from app.radio.fragment import cut_for
from app.radio.frame import FRAME_BYTES_MAX, envelope_frame_bytes
from app.radio.profile import EU868
from tests.browser.phone import NO_ED25519, Phone
from tests.browser.village import Village

pytestmark = pytest.mark.anyio

FIRST_LONG_LOG_NUMBER = 128
"""The page reckons with a log number of two bytes, and"""
SEQUENCE_OF_TWO_BYTES = 1
"""with one byte more of sequence than a first notice has."""
TOO_LONG = (
    "Fiddles: Marguerite, Zoë and both Quigley boys. The hall is heated, the floor was waxed on Tuesday, so leave your"
    " boots at the porch. Juniper brings cider, Ezekiel his famous chili; whoever has folding chairs, we lack twenty."
)


async def test_first_notice_makes_a_key_introduces_it_and_stands_on_the_board(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.write("Cider press on Sunday", "Bring clean jugs.", name="Ada Whitcombe")
    await expect(phone.on_board("Cider press on Sunday")).to_contain_text("Ada Whitcombe")
    [record] = await village.board()
    assert record["title"] == "Cider press on Sunday"
    assert record["text"] == "Bring clean jugs."
    author = record["author"]
    assert isinstance(author, dict)
    await phone.open("/me")
    await expect(phone.page.locator("[data-device]")).to_have_text(str(author["id"]))
    await expect(phone.page.locator("[data-introduced]")).to_have_text("Kept by 1 node")
    await expect(phone.own("Cider press on Sunday")).to_contain_text("Kept by 1 node")
    assert phone.cable.seen["POST /api/v1/records"] == 2


async def test_name_that_nobody_could_read_is_named_as_the_fault(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.open("/write")
    await phone.page.get_by_label("Headline").fill("Barn dance")
    await phone.page.get_by_role("button", name="Post notice").click()
    await expect(phone.page.get_by_role("alert")).to_contain_text("such as Ada Whitcombe")
    name = phone.page.get_by_label("What do neighbors call you?")
    await expect(name).to_be_focused()
    await expect(name).to_have_attribute("aria-invalid", "true")
    assert await village.titles() == []


async def test_phone_whose_clock_says_2099_is_told_to_set_it(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.context.clock.install(time="2099-01-01T12:00:00Z")
    await phone.walk_away()
    await phone.open("/write")
    await phone.page.get_by_label("What do neighbors call you?").fill("Ada Whitcombe")
    await phone.page.get_by_label("Headline").fill("Barn dance")
    await phone.page.get_by_role("button", name="Post notice").click()
    await expect(phone.page.get_by_role("alert")).to_contain_text("Your phone's clock says 2099")
    await expect(phone.page.get_by_label("Headline")).to_have_value("Barn dance")


async def test_node_sets_right_a_clock_that_says_2099(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.context.clock.install(time="2099-01-01T12:00:00Z")
    await phone.write("Barn dance", name="Ada Whitcombe")
    await expect(phone.on_board("Barn dance")).to_be_visible()
    [record] = await village.board()
    assert str(record["written"]) <= time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime())


async def test_cost_on_the_radio_is_told_while_writing(phone: Phone) -> None:
    await phone.install()
    await phone.open("/write")
    cost = phone.page.locator("[data-cost]")
    await phone.page.get_by_label("Headline").fill("Barn dance on Saturday at seven")
    await expect(cost).to_contain_text("1 radio frame")
    told = await cost.locator("[data-size]").inner_text()
    await phone.page.get_by_label("Notice", exact=True).fill(TOO_LONG)
    await expect(cost).to_contain_text("frame by frame")
    await phone.page.get_by_label("Notice", exact=True).fill("")
    await expect(cost).to_contain_text(told)
    await phone.page.get_by_label("What do neighbors call you?").fill("Ada")
    await phone.page.get_by_role("button", name="Post notice").click()
    await phone.page.wait_for_url("**/boards/bulletin")


async def test_cost_of_a_long_notice_is_told_in_frames(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.open("/write")
    await phone.page.get_by_label("Headline").fill("Barn dance on Saturday at seven")
    await phone.page.get_by_label("Notice", exact=True).fill(TOO_LONG)
    cost = phone.page.locator("[data-cost]")
    await expect(cost).to_contain_text("frame by frame")
    told = await cost.locator("[data-frames]").inner_text()
    await phone.page.get_by_label("What do neighbors call you?").fill("Ada")
    await phone.page.get_by_role("button", name="Post notice").click()
    await phone.page.wait_for_url("**/boards/bulletin")
    await expect(phone.on_board("Barn dance on Saturday at seven")).to_be_visible()
    envelope = (await village.node.store.envelopes.pending(100))[-1].envelope
    frames = cut_for(len(envelope), FRAME_BYTES_MAX).source_symbols
    assert told == f"{frames} radio frames"


async def test_cost_told_is_the_cost_of_the_frame(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.open("/write")
    await phone.page.get_by_label("Headline").fill("Barn dance on Saturday at seven")
    size = phone.page.locator("[data-size]")
    await expect(size).to_contain_text("on the air")
    told = await size.inner_text()
    await phone.write("Barn dance on Saturday at seven", name="Ada")
    envelope = (await village.node.store.envelopes.pending(100))[-1].envelope
    frame_bytes = envelope_frame_bytes(len(envelope), FIRST_LONG_LOG_NUMBER) + SEQUENCE_OF_TWO_BYTES
    seconds = EU868.frame_airtime_ms(frame_bytes) / 1000
    assert told == f"{frame_bytes} bytes, {seconds:.1f} s on the air"


async def test_words_survive_a_closed_page(phone: Phone) -> None:
    await phone.install()
    await phone.open("/write")
    await phone.page.get_by_label("Headline").fill("Two goats")
    await phone.page.get_by_label("Notice", exact=True).fill("Gentle ones")
    await expect(phone.page.locator("[data-cost]")).to_contain_text("1 radio frame")
    await phone.open("/")
    await phone.open("/write")
    await expect(phone.page.get_by_label("Headline")).to_have_value("Two goats")
    await expect(phone.page.get_by_label("Notice", exact=True)).to_have_value("Gentle ones")


async def test_words_typed_before_the_script_is_there_survive_too(phone: Phone) -> None:
    arrived = asyncio.Event()

    async def hold(route: Route) -> None:
        await arrived.wait()
        await route.continue_()

    await phone.page.route("**/compose.*.js", hold)
    await phone.page.goto("/write", wait_until="domcontentloaded")
    await phone.page.get_by_label("Headline").fill("Two goats")
    arrived.set()
    await expect(phone.page.get_by_role("button", name="Post notice")).to_be_enabled()
    await phone.open("/")
    await phone.open("/write")
    await expect(phone.page.get_by_label("Headline")).to_have_value("Two goats")


async def test_notice_is_written_with_the_keyboard_alone(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.open("/write")
    await expect(phone.page.get_by_role("button", name="Post notice")).to_be_enabled()
    await phone.page.keyboard.press("Tab")
    await expect(phone.page.get_by_role("link", name="Skip to content")).to_be_focused()
    await phone.page.keyboard.press("Enter")
    for words in ("Ada Whitcombe", "Barn dance", "At seven."):
        await phone.page.keyboard.press("Tab")
        await phone.page.keyboard.type(words)
    await phone.page.keyboard.press("Tab")
    await phone.page.keyboard.press("Tab")
    await expect(phone.page.get_by_role("button", name="Post notice")).to_be_focused()
    await phone.page.keyboard.press("Enter")
    await phone.page.wait_for_url("**/boards/bulletin")
    await expect(phone.on_board("Barn dance")).to_contain_text("Ada Whitcombe")


async def test_key_made_on_me_is_the_one_that_signs(phone: Phone, village: Village) -> None:
    await phone.install()
    await phone.open("/me")
    await phone.page.get_by_label("What do neighbors call you?").fill("Ada Whitcombe")
    await phone.page.get_by_role("button", name="Make my key").click()
    await expect(phone.page.locator("[data-introduced]")).to_have_text("Kept by 1 node")
    device = await phone.page.locator("[data-device]").inner_text()
    held = await phone.run(
        """async () => {
          const { thisDevice } = await import("tntn/outbox/device.js");
          const device = await thisDevice();
          return [device.isHeldByBrowser, device.secret.extractable];
        }"""
    )
    assert held == [True, False]
    await phone.write("Barn dance")
    assert [record["author"] for record in await village.board()] == [{"id": device, "name": "Ada Whitcombe"}]


async def test_browser_without_ed25519_writes_with_a_key_of_its_own(phone: Phone, village: Village) -> None:
    await phone.context.add_init_script(f"({NO_ED25519})()")
    await phone.install()
    await phone.write("Barn dance", name="Ada Whitcombe")
    await expect(phone.on_board("Barn dance")).to_contain_text("Ada Whitcombe")
    held = await phone.run("async () => (await (await import('tntn/outbox/device.js')).thisDevice()).isHeldByBrowser")
    assert held is False
    assert await village.titles() == ["Barn dance"]
