"""Rendered pages, kept until something on them changes: a board is the same for every visitor.

Invalidated by the feed right after a commit. A page whose boards changed while it was being rendered is answered
but not kept, so nothing stale ever stays.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from app.clock import Clock
from app.core.boards import Board
from app.representation import Representation

PAGES_MAX = 96
"""Pages kept: five boards in HTML and JSON, and some 80 older pages and single records: about 2.5 MB with gzip."""


class PageKey(NamedTuple):
    """Which page, in which form."""

    path: str
    query: bytes
    form: str


class _Kept(NamedTuple):
    page: Representation
    boards: frozenset[Board]
    until_ms: int | None


class PageCache:
    """At most `PAGES_MAX` pages, the least lately used dropped first. `enabled=False` renders every time."""

    def __init__(self, clock: Clock, *, enabled: bool = True) -> None:
        self._clock = clock
        self._enabled = enabled
        self._pages: OrderedDict[PageKey, _Kept] = OrderedDict()
        self._rendering: dict[PageKey, asyncio.Future[Representation]] = {}
        self._generation = dict.fromkeys(Board, 0)

    def find(self, key: PageKey) -> Representation | None:
        """The page as it is kept, or None."""
        kept = self._pages.get(key)
        if kept is None:
            return None
        if kept.until_ms is not None and self._clock.now_ms() >= kept.until_ms:
            del self._pages[key]
            return None
        self._pages.move_to_end(key)
        return kept.page

    async def get(
        self,
        key: PageKey,
        boards: frozenset[Board],
        render: Callable[[], Awaitable[Representation]],
        until_ms: int | None = None,
    ) -> Representation:
        """The page, rendered once however many ask at the same time. `boards` are what it shows."""
        if not self._enabled:
            return await render()
        page = self.find(key)
        if page is not None:
            return page
        waiting = self._rendering.get(key)
        if waiting is None:
            waiting = asyncio.ensure_future(self._render(key, boards, render, until_ms))
            self._rendering[key] = waiting
            waiting.add_done_callback(lambda done: self._rendered(key, done))
        return await asyncio.shield(waiting)

    def invalidate(self, boards: Iterable[Board]) -> None:
        """Something on these boards changed: forget every page that shows them."""
        changed = frozenset(boards)
        for board in changed:
            self._generation[board] += 1
        for key in [key for key, kept in self._pages.items() if kept.boards & changed]:
            del self._pages[key]
        # A page being rendered may have read the old state: whoever asks from now on gets a fresh one.
        self._rendering.clear()

    async def _render(
        self,
        key: PageKey,
        boards: frozenset[Board],
        render: Callable[[], Awaitable[Representation]],
        until_ms: int | None,
    ) -> Representation:
        before = [self._generation[board] for board in boards]
        page = await render()
        if before == [self._generation[board] for board in boards]:
            self._pages[key] = _Kept(page, boards, until_ms)
            while len(self._pages) > PAGES_MAX:
                self._pages.popitem(last=False)
        return page

    def _rendered(self, key: PageKey, done: "asyncio.Future[Representation]") -> None:
        if self._rendering.get(key) is done:
            del self._rendering[key]
        if not done.cancelled():
            done.exception()  # every waiter has it; nobody waiting is no reason for a warning
