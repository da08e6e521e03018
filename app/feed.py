"""What happened, told to whoever listens in this process: after the commit, never before.

One publisher reads the store for rows that arrived since it last looked, so that what another process wrote
(`tntn import` beside a running node) is told just like what came through our own door.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import msgspec

from app.core.boards import Board
from app.store import Store
from app.store.envelopes import Entry
from app.store.log import Place

SUBSCRIPTION_EVENTS_MAX = 1000
"""Events a slow subscriber may owe; past that it is told that it lagged and reads the store itself."""
WATCH_SECONDS = 0.5
"""How soon a change by another process is noticed; the check is one pragma."""
ENTRIES_PER_READ = 200


class BoardsChanged(msgspec.Struct, frozen=True):
    """Something a reader could see changed on these boards; `revisions` are their new numbers."""

    revisions: dict[Board, int]


class Dropped(msgspec.Struct, frozen=True):
    """The time of what stood at these places of the logs was over: it is not here any more."""

    places: tuple[Place, ...]


class Lagged(msgspec.Struct, frozen=True):
    """Events were dropped for this subscriber: look at the store."""


Event = Entry | BoardsChanged | Dropped | Lagged


class Subscription:
    """A bounded queue of events for one listener."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(SUBSCRIPTION_EVENTS_MAX)
        self._lagged = False

    def put(self, event: Event) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._lagged = True

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            event = await self._queue.get()
            if self._lagged and self._queue.empty():
                self._lagged = False
                yield event
                event = Lagged()
            yield event


class Feed:
    """Publishes new entries and board changes to subscribers, in the order of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._subscriptions: set[Subscription] = set()
        self._listeners: list[Callable[[BoardsChanged], None]] = []
        self._last_row: int | None = None
        self._revisions: dict[Board, int] = {}
        self._lock = asyncio.Lock()

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """A subscription for the length of the block."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def on_boards_changed(self, listener: Callable[[BoardsChanged], None]) -> None:
        """Call a function at once, within the publisher, when boards change: for caches that must not lag."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Begin at the store's present end."""
        self._last_row = await self._store.envelopes.last_row()
        self._revisions = await self._store.boards.revisions()

    async def publish(self) -> None:
        """Tell what is new in the store. Called after each commit of our own, and by `watch`."""
        if self._last_row is None:
            return
        async with self._lock:
            await self._publish_boards()
            more = True
            while more:
                entries = await self._store.envelopes.after(self._last_row, ENTRIES_PER_READ)
                more = len(entries) == ENTRIES_PER_READ
                for entry in entries:
                    self._last_row = entry.row
                    self._put(entry)

    def dropped(self, places: Sequence[Place]) -> None:
        """Tell what was let go of, after the commit."""
        self._put(Dropped(tuple(places)))

    async def watch(self) -> None:
        """Notice what other processes write; runs until cancelled."""
        seen = await self._store.database.data_version()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            version = await self._store.database.data_version()
            if version != seen:
                seen = version
                await self.publish()

    async def _publish_boards(self) -> None:
        revisions = await self._store.boards.revisions()
        changed = {board: number for board, number in revisions.items() if self._revisions.get(board) != number}
        if changed:
            self._revisions = revisions
            event = BoardsChanged(changed)
            for listener in self._listeners:
                listener(event)
            self._put(event)

    def _put(self, event: Event) -> None:
        for subscription in self._subscriptions:
            subscription.put(event)
