"""Reading needs little: no script, no secure address."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.phone import PHONE
from tests.browser.village import Village

pytestmark = pytest.mark.anyio


async def test_boards_are_read_without_scripts(chromium: Browser, village: Village) -> None:
    await village.put_up(*(f"Notice {number}" for number in range(30)))
    context = await chromium.new_context(base_url=village.url, java_script_enabled=False, **PHONE)
    page = await context.new_page()
    await page.goto("/boards/bulletin")
    await expect(page.locator("article[data-record-id]")).to_have_count(25)
    await page.get_by_role("link", name="Older notices").click()
    await expect(page.locator("article[data-record-id]")).to_have_count(5)
    await page.get_by_role("link", name="Notice 4", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Notice 4")
    await page.goto("/write")
    await expect(page.get_by_role("button", name="Post notice")).to_be_disabled()
    await context.close()


async def test_plain_http_is_for_reading_and_leads_to_https(chromium: Browser, village: Village) -> None:
    await village.put_up("Barn dance")
    context = await chromium.new_context(base_url=f"http://tntn.internal:{village.http_port}", **PHONE)
    page = await context.new_page()
    await page.goto("/boards/bulletin")
    assert not await page.evaluate("() => isSecureContext")
    await expect(page.locator("article[data-record-id]")).to_have_count(1)
    note = page.get_by_role("status")
    await expect(note).to_contain_text("This address is for reading")
    secure = f"https://tntn.internal:{village.https_port}"
    await expect(note.get_by_role("link")).to_have_attribute("href", f"{secure}/boards/bulletin")
    await page.goto("/write")
    await expect(page.get_by_role("status").get_by_role("link")).to_have_attribute("href", f"{secure}/write")
    await expect(page.get_by_label("Headline")).to_be_hidden()
    await context.close()
