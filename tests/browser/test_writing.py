"""The first visit: a name, a key made on the phone, a notice on the board."""

import pytest
from playwright.async_api import expect

from tests.browser.phone import Phone
from tests.browser.village import Village

pytestmark = pytest.mark.anyio


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
