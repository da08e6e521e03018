"""What the app weighs on the way to a phone, headers included, as Chromium counts it (CDP: encodedDataLength).

A part of `bin/bench web`: `measure` looks at a node that is running.
"""

import shutil
import sys
from collections.abc import Iterable

from playwright.sync_api import Browser, BrowserContext, Page, Request, ViewportSize, sync_playwright

from bench.report import Goal

BOARD = "/boards/bulletin"
WORKER = "/sw.js"
KILOBYTE = 1000
FIRST_VIEW_KB_GOAL = 40.0
"""Without photos and the heading font, which comes after the first paint."""
INSTALLED_KB_GOAL = 150.0
REPEAT_VIEW_KB_GOAL = 2.0
CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
VIEWPORT: ViewportSize = {"width": 390, "height": 844}
_WORKER_ANSWERS = """async () => {
  const { serviceWorker } = navigator;
  const controlled = new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve));
  await serviceWorker.ready;
  if (!serviceWorker.controller) await controlled;
}"""
_INSTALLED = """async () => {
  const found = await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys()));
  return found.flat().map(({ url }) => url);
}"""
_FETCH = "(urls) => Promise.all(urls.map((url) => fetch(url, { cache: 'no-store' }).then((answer) => answer.blob())))"


def measure(base_url: str) -> list[Goal]:
    """First view, repeat view and installation of a node's board. The node's address must be a secure context."""
    chromium = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
    if chromium is None:
        sys.exit("What the app weighs is measured in Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        first, repeat, installed = _views(browser, base_url)
        weight = _weight_of(browser, base_url, installed)
        browser.close()
    return [
        Goal("first view, kB", first / KILOBYTE, FIRST_VIEW_KB_GOAL),
        Goal("installed by the worker, kB", weight / KILOBYTE, INSTALLED_KB_GOAL),
        Goal("repeat view, kB", repeat / KILOBYTE, REPEAT_VIEW_KB_GOAL),
    ]


def _views(browser: Browser, base_url: str) -> tuple[int, int, list[str]]:
    """Bytes of the first and of a repeated view, and the addresses that the worker has installed between them."""
    with browser.new_context(base_url=base_url, viewport=VIEWPORT) as context:
        finished = _recorded(context)
        page = context.new_page()
        page.goto(BOARD)
        page.evaluate(_WORKER_ANSWERS)
        page.wait_for_load_state("networkidle")
        first = _bytes(filter(_is_first_view, finished))
        installed: list[str] = page.evaluate(_INSTALLED)
        finished.clear()
        page.reload(wait_until="networkidle")
        return first, _bytes(finished), installed


def _weight_of(browser: Browser, base_url: str, addresses: list[str]) -> int:
    """Bytes on the wire of these addresses and the worker itself, fetched anew."""
    with browser.new_context(base_url=base_url, service_workers="block") as context:
        page: Page = context.new_page()
        page.goto("/offline", wait_until="networkidle")
        finished = _recorded(context)
        page.evaluate(_FETCH, [*addresses, WORKER])
        page.wait_for_load_state("networkidle")
        assert len(finished) == len(addresses) + 1, "every file was fetched once"
        return _bytes(finished)


def _recorded(context: BrowserContext) -> list[Request]:
    """The requests that end from now on."""
    finished: list[Request] = []

    def record(request: Request) -> None:
        finished.append(request)

    context.on("requestfinished", record)
    return finished


def _bytes(requests: Iterable[Request]) -> int:
    sizes = [request.sizes() for request in requests]
    return sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes)


def _is_first_view(request: Request) -> bool:
    return request.service_worker is None and request.resource_type != "font"
