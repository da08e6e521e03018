"""Kept pages: rendered once, forgotten when their board changes, never stale."""

import asyncio

import pytest

from app.clock import ManualClock
from app.core.boards import Board
from app.errors import NotFoundError
from app.page_cache import PAGES_MAX, PageCache, PageKey
from app.representation import Representation

pytestmark = pytest.mark.anyio
KEY = PageKey("/boards/bulletin", b"", "html")
BULLETIN = frozenset({Board.BULLETIN})


class Renderer:
    """Counts how often it is asked; `gate` holds it back."""

    def __init__(self) -> None:
        self.times = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Representation:
        self.times += 1
        number = self.times
        await self.gate.wait()
        return Representation(f"page {number}".encode(), "text/html")


@pytest.fixture
def pages() -> PageCache:
    return PageCache(ManualClock())


async def test_rendered_once(pages: PageCache) -> None:
    render = Renderer()
    first = await pages.get(KEY, BULLETIN, render)
    assert await pages.get(KEY, BULLETIN, render) is first
    assert pages.find(KEY) is first
    assert render.times == 1


async def test_rendered_once_for_all_who_ask_at_the_same_time(pages: PageCache) -> None:
    render = Renderer()
    await asyncio.gather(*(pages.get(KEY, BULLETIN, render) for _ in range(64)))
    assert render.times == 1


async def test_forgotten_when_a_board_on_it_changes(pages: PageCache) -> None:
    render = Renderer()
    await pages.get(KEY, BULLETIN, render)
    pages.invalidate([Board.EVENTS])
    assert pages.find(KEY) is not None
    pages.invalidate([Board.BULLETIN])
    assert pages.find(KEY) is None
    assert (await pages.get(KEY, BULLETIN, render)).body == b"page 2"


async def test_a_change_while_it_is_rendered_leaves_nothing_stale(pages: PageCache) -> None:
    render = Renderer()
    render.gate.clear()
    early = asyncio.create_task(pages.get(KEY, BULLETIN, render))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    pages.invalidate([Board.BULLETIN])
    late = asyncio.create_task(pages.get(KEY, BULLETIN, render))
    await asyncio.sleep(0)
    render.gate.set()
    assert (await early).body == b"page 1"
    assert (await late).body == b"page 2"
    kept = pages.find(KEY)
    assert kept is not None
    assert kept.body == b"page 2"


async def test_ends_with_its_day() -> None:
    clock = ManualClock()
    pages, render = PageCache(clock), Renderer()
    await pages.get(KEY, BULLETIN, render, until_ms=clock.now_ms() + 1000)
    clock.advance(999)
    assert pages.find(KEY) is not None
    clock.advance(1)
    assert pages.find(KEY) is None


async def test_the_least_lately_used_goes_first(pages: PageCache) -> None:
    render = Renderer()
    await pages.get(KEY, BULLETIN, render)
    for number in range(PAGES_MAX):
        pages.find(KEY)
        await pages.get(PageKey(f"/records/{number}", b"", "html"), BULLETIN, render)
    assert pages.find(KEY) is not None
    assert pages.find(PageKey("/records/0", b"", "html")) is None


async def test_an_error_is_told_and_not_kept(pages: PageCache) -> None:
    async def refuse() -> Representation:
        raise NotFoundError("Not here.")

    for _ in range(2):
        with pytest.raises(NotFoundError):
            await pages.get(KEY, BULLETIN, refuse)
    assert (await pages.get(KEY, BULLETIN, Renderer())).body == b"page 1"


async def test_one_who_goes_away_takes_nothing_from_the_others(pages: PageCache) -> None:
    render = Renderer()
    render.gate.clear()
    leaving, staying = (asyncio.create_task(pages.get(KEY, BULLETIN, render)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    render.gate.set()
    assert (await staying).body == b"page 1"
    assert leaving.cancelled()


async def test_switched_off_it_keeps_nothing() -> None:
    pages, render = PageCache(ManualClock(), enabled=False), Renderer()
    for _ in range(2):
        await pages.get(KEY, BULLETIN, render)
    assert render.times == 2
    assert pages.find(KEY) is None
