"""Nobody is kept out: axe finds nothing, nothing runs over the edge of a small screen, targets are large enough."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ViewportSize, expect

from tests.browser.phone import PHONE, Phone
from tests.browser.village import Village

pytestmark = pytest.mark.anyio

AXE = (Path(__file__).parent / "vendor" / "axe.js").read_text("utf-8")
FIND_BARRIERS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target.join(" "))]);
}"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL_TARGETS = """() => [...document.querySelectorAll("a.btn, button, .ib, .tabs a, .rail a, .net, select, .in")]
  .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
  .filter(([, { width, height }]) => width > 0 && (height < 47.5 || width < 47.5))
  .map(([html]) => html)"""
PAGES = ("/", "/boards/bulletin", "/write", "/me", "/offline")
SMALL: ViewportSize = {"width": 320, "height": 568}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}


async def barriers(phone: Phone) -> list[Any]:
    """What axe-core finds on the open page."""
    await phone.run(AXE)
    found: list[Any] = await phone.run(FIND_BARRIERS)
    return found


@pytest.fixture
async def writer(phone: Phone, village: Village) -> Phone:
    """A phone with notices of every state: kept, waiting and refused."""
    await village.put_up("Barn dance on Saturday\nDoors open at seven. Bring a dish.", "Two goats for sale")
    await phone.install()
    await phone.write("Seed potatoes to share", "Ten pounds.", name="Ada Whitcombe")
    await phone.walk_away()
    await phone.write("Creek Road is closed between the feed store and the bridge", "Take the upper road.")
    await phone.write("Looking for pint canning jars")
    await phone.run(
        """async () => {
          const { entries, update } = await import("tntn/outbox/entries.js");
          const { id } = (await entries()).at(-1);
          await update(id, { state: "refused", message: "The signature does not fit." });
        }"""
    )
    return phone


@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", PHONE["viewport"]), ("dark", DESKTOP)], ids=["light", "dark"]
)
async def test_axe_finds_nothing_near_and_away(writer: Phone, scheme: Any, viewport: Any) -> None:
    await writer.page.emulate_media(color_scheme=scheme)
    await writer.page.set_viewport_size(viewport)
    found = {}
    for path in PAGES:
        await writer.open(path)
        await writer.page.wait_for_load_state("networkidle")
        found[f"away {path}"] = await barriers(writer)
    await writer.open("/records/" + "0" * 32)
    found["never kept"] = await barriers(writer)
    await writer.open("/")
    await writer.come_back()
    for path in PAGES:
        await writer.open(path)
        await writer.page.wait_for_load_state("networkidle")
        found[f"near {path}"] = await barriers(writer)
    assert {page: rows for page, rows in found.items() if rows} == {}


async def test_axe_finds_nothing_on_a_first_visit_and_on_an_error(phone: Phone) -> None:
    await phone.install()
    for path in ("/me", "/write"):
        await phone.open(path)
        assert await barriers(phone) == []
    await phone.page.get_by_role("button", name="Post notice").click()
    await expect(phone.page.get_by_role("alert")).to_be_visible()
    assert await barriers(phone) == []


async def test_nothing_runs_over_the_edge_of_a_small_screen(writer: Phone) -> None:
    await writer.page.set_viewport_size(SMALL)
    for path in PAGES:
        await writer.open(path)
        await writer.page.wait_for_load_state("networkidle")
        assert await writer.run(OVERFLOW) <= 0, path
        assert await writer.run(SMALL_TARGETS) == [], path
    await writer.open("/write")
    await writer.page.get_by_label("Headline").fill("Donaudampfschifffahrtsgesellschaftskapitänsmütze" * 2)
    await expect(writer.page.locator("[data-size]")).to_contain_text("bytes")
    assert await writer.run(OVERFLOW) <= 0
