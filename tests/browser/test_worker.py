"""The service worker: what opens away from the node, and what is kept apart."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.phone import Phone
from tests.browser.village import Village

pytestmark = pytest.mark.anyio

BOARD_ENTRIES = 25
KEPT = """async (kind) => {
  const name = (await caches.keys()).find((name) => name.startsWith(`tntn-${kind}`));
  const keys = name ? await (await caches.open(name)).keys() : [];
  return keys.map(({ url }) => new URL(url).pathname + new URL(url).search);
}"""
SHELL = ["/offline", "/write", "/me", "/", *(f"/boards/{name}" for name in ("bulletin", "markets", "events"))]


async def test_installed_pages_open_away_though_they_were_never_visited(phone: Phone) -> None:
    await phone.install()
    await phone.walk_away()
    for path in SHELL:
        await phone.open(path)
        await expect(phone.page.get_by_role("heading", level=1)).to_be_visible()
        assert await phone.page.get_by_role("heading", name="You're out of range").count() == (path == "/offline")


async def test_page_that_was_never_kept_says_one_is_away_and_comes_by_itself(phone: Phone, village: Village) -> None:
    await village.put_up("Barn dance")
    [record] = await village.board()
    await phone.install()
    await phone.walk_away()
    await phone.open(f"/records/{record['id']}")
    await expect(phone.page.get_by_role("heading", name="You're out of range")).to_be_visible()
    await expect(phone.bar).to_have_text("Away")  # its script listens from now on
    await phone.come_back()
    await expect(phone.page.get_by_role("heading", name="Barn dance")).to_be_visible()


async def test_visited_page_is_kept_and_says_since_when(phone: Phone, village: Village) -> None:
    await village.put_up("Barn dance")
    [record] = await village.board()
    await phone.install()
    await phone.open(f"/records/{record['id']}")
    await phone.walk_away()
    await phone.open("/")
    await phone.open(f"/records/{record['id']}")
    await expect(phone.page.get_by_role("heading", name="Barn dance")).to_be_visible()
    await expect(phone.page.get_by_role("status")).to_contain_text("away from Market Square")
    await expect(phone.page.get_by_role("status")).to_contain_text("as of")


async def test_pages_and_fragments_of_one_address_do_not_overwrite_each_other(phone: Phone, village: Village) -> None:
    await village.put_up(*(f"Notice {number}" for number in range(BOARD_ENTRIES + 5)))
    await phone.install()
    await phone.open("/boards/bulletin")
    more = phone.page.get_by_role("link", name="Older notices")
    address = await more.get_attribute("href")
    await more.click()
    entries = phone.page.locator("article[data-record-id]")
    await expect(entries).to_have_count(BOARD_ENTRIES + 5)
    await expect(entries.last.locator("time")).to_contain_text("ago")
    assert await phone.run(KEPT, "fragments") == [address]
    assert address not in await phone.run(KEPT, "pages")

    await phone.open(str(address))
    await expect(phone.page.get_by_role("heading", level=1)).to_be_visible()
    assert address in await phone.run(KEPT, "pages")
    await phone.walk_away()
    await phone.open(str(address))
    await expect(phone.page.get_by_role("heading", level=1)).to_be_visible()
    await expect(entries).to_have_count(5)
    await phone.open("/boards/bulletin")
    await phone.page.get_by_role("link", name="Older notices").click()
    await expect(entries).to_have_count(BOARD_ENTRIES + 5)
    await expect(phone.page.get_by_role("heading", level=1)).to_have_count(1)


async def test_interfaces_are_never_kept(phone: Phone) -> None:
    await phone.install()
    await phone.run("() => Promise.all(['/api/v1/space', '/health'].map((path) => fetch(path)))")
    await phone.run("() => fetch('/boards/bulletin', { headers: { Accept: 'application/json' } })")
    for kind in ("pages", "assets", "fragments"):
        assert not [path for path in await phone.run(KEPT, kind) if path.startswith(("/api", "/health"))]
    await phone.open("/boards/bulletin")
    await phone.walk_away()
    await phone.open("/boards/bulletin")
    await expect(phone.page.get_by_role("heading", level=1)).to_be_visible()


async def test_kept_pages_are_bounded_and_the_installed_ones_stay(phone: Phone, village: Village) -> None:
    await phone.install()
    for number in range(90):
        await phone.run(
            "(path) => fetch(path, { headers: { 'HX-Request': 'true' } })", f"/boards/events?before={number}"
        )
    kept = await phone.run(KEPT, "pages")
    assert len(kept) <= 80
    assert set(SHELL) <= set(kept)
    assert "/boards/events?before=89" in kept


@pytest.fixture
async def newer_worker(phone: Phone) -> AsyncIterator[BrowserContext]:
    """From when it is asked for, the node serves the worker of another version."""
    await phone.install()
    phone.cable.rewrite("/sw.js", b"const VERSION = ", b"const VERSION = 'newer' + ")
    yield phone.context
    phone.cable.rewrite("/sw.js", b"", b"")


async def test_newer_version_waits_until_the_person_takes_it(phone: Phone, newer_worker: BrowserContext) -> None:
    await phone.open("/boards/bulletin")
    await phone.run("async () => (await navigator.serviceWorker.ready).update()")
    notice = phone.page.get_by_role("status").filter(has_text="A newer version of this app is here")
    await expect(notice).to_be_visible()
    assert all("newer" not in name for name in await phone.run("async () => (await caches.keys()).slice(0, 2)"))
    async with phone.page.expect_navigation():
        await notice.get_by_role("button", name="Use it now").click()
    await expect(phone.page.get_by_role("heading", level=1)).to_be_visible()
    names = await phone.run("() => caches.keys()")
    assert names
    assert all("newer" in name for name in names)
    await phone.walk_away()
    await phone.open("/write")
    await expect(phone.page.get_by_role("heading", name="Write a notice")).to_be_visible()
