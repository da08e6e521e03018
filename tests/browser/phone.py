"""A neighbor's phone: what people do with the app, and what they can see."""

from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Error, Locator, Page

from tests.browser.cable import Cable

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "locale": "en-US",
    "reduced_motion": "reduce",  # Chromium complains of page transitions that a test outruns
}
WORKER_ANSWERS = """async () => {
  const { serviceWorker } = navigator;
  const controlled = new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve));
  await serviceWorker.ready;
  if (!serviceWorker.controller) await controlled;
}"""
NO_ED25519 = """() => {
  const { generateKey } = crypto.subtle;
  crypto.subtle.generateKey = (algorithm, ...rest) =>
    algorithm.name === "Ed25519"
      ? Promise.reject(new DOMException("not here", "NotSupportedError"))
      : generateKey.call(crypto.subtle, algorithm, ...rest);
}"""
"""What a browser without Ed25519 answers; noble signs and verifies there."""
NETWORK_ERRORS = ("Failed to load resource", "net::ERR", "Failed to fetch")
"""What Chromium itself writes when a request fails: expected of a phone that walks away from its node."""


class Phone:
    """One browser profile with one page open. `faults` collects errors of our scripts."""

    def __init__(self, context: BrowserContext, page: Page, cable: Cable) -> None:
        self.context = context
        self.page = page
        self.cable = cable
        self.faults: list[str] = []
        page.on("pageerror", self._on_error)
        page.on("console", self._on_message)

    async def open(self, path: str) -> None:
        """Go to a page."""
        await self.page.goto(path)

    async def install(self) -> None:
        """Open the app and wait until its worker is in charge."""
        await self.open("/")
        await self.run(WORKER_ANSWERS)

    async def walk_away(self) -> None:
        """Out of the node's reach."""
        self.cable.cut()
        await self.context.set_offline(True)

    async def come_back(self) -> None:
        """Within reach again."""
        self.cable.mend()
        await self.context.set_offline(False)

    async def write(self, title: str, text: str = "", name: str | None = None) -> None:
        """Write a notice and wait for the board to come up."""
        await self.open("/write")
        if name is not None:
            await self.page.get_by_label("What do neighbors call you?").fill(name)
        await self.page.get_by_label("Headline").fill(title)
        await self.page.get_by_label("Notice", exact=True).fill(text)
        await self.page.get_by_role("button", name="Post notice").click()
        await self.page.wait_for_url("**/boards/bulletin")

    @property
    def bar(self) -> Locator:
        """The word in the bar that says whether a node is near."""
        return self.page.locator("header [data-net]")

    def own(self, title: str) -> Locator:
        """One's own notice as the outbox shows it."""
        return self.page.locator("[data-own]").filter(has_text=title)

    def on_board(self, title: str) -> Locator:
        """A notice as the node's page shows it."""
        return self.page.locator("article[data-record-id]").filter(has_text=title)

    async def run(self, script: str, argument: object = None) -> Any:
        """The result of a function in the page; it may import the app's modules."""
        return await self.page.evaluate(script, argument)

    def _on_error(self, error: Error) -> None:
        if not any(sign in error.message for sign in NETWORK_ERRORS):
            self.faults.append(error.message)

    def _on_message(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(sign in message.text for sign in NETWORK_ERRORS):
            self.faults.append(message.text)
