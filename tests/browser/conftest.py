"""One Chromium for all browser tests; for each test a node, a cable that leads to it, and a fresh phone."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from app.clock import SystemClock
from app.founding import start_node
from tests.browser.cable import Cable
from tests.browser.phone import PHONE, Phone
from tests.browser.village import Village, serve

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP tntn.internal 127.0.0.1",
)
"""Nothing but the node on loopback is asked for anything. `tntn.internal` is an address that is no secure context."""
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="package")
def chromium_path() -> str:
    found = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
    assert found, "The browser tests need Chromium: apt-get install chromium"
    return found


@pytest.fixture(scope="package")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    """The node *Market Square* of *Upper Valley*, with the time of this machine."""
    node = await start_node(tmp_path / "market-square", SystemClock(), name="Market Square", community="Upper Valley")
    async with serve(node, tmp_path / "market-square") as village:
        yield village


@pytest.fixture
async def cable(village: Village) -> AsyncIterator[Cable]:
    """What the phone's requests go through."""
    cable = Cable(village.http_port)
    await cable.plug_in()
    yield cable
    await cable.unplug()


@pytest.fixture
async def phone(chromium: Browser, cable: Cable) -> AsyncIterator[Phone]:
    """A phone that was never here before."""
    context = await chromium.new_context(base_url=cable.url, **PHONE)
    context.set_default_timeout(15_000)
    phone = Phone(context, await context.new_page(), cable)
    yield phone
    await context.close()
    assert phone.faults == []
