"""The feed: what other processes write is told too, and a slow listener is told that it lagged."""

import asyncio
from pathlib import Path

import pytest

from app import feed as feed_module
from app.clock import ManualClock
from app.core.boards import Board
from app.feed import BoardsChanged, Lagged, Subscription
from app.founding import Node, open_node
from tests.people import Person

pytestmark = pytest.mark.anyio


async def test_what_another_process_wrote_is_told(
    node: Node, person: Person, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "WATCH_SECONDS", 0)
    other = await open_node(tmp_path / "data", clock)
    changes: list[BoardsChanged] = []
    node.feed.on_boards_changed(changes.append)
    watch = asyncio.create_task(node.feed.watch())
    with node.feed.subscribe() as subscription:
        events = subscription.__aiter__()
        await other.door.post(person.introduce())
        await other.door.post(person.write("Plum jam"))
        seen = [await asyncio.wait_for(anext(events), 10)]
        while Board.BULLETIN not in {board for change in changes for board in change.revisions}:
            seen.append(await asyncio.wait_for(anext(events), 10))
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    await other.close()
    assert seen


async def test_a_listener_that_owes_too_much_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "SUBSCRIPTION_EVENTS_MAX", 2)
    subscription = Subscription()
    for number in range(5):
        subscription.put(BoardsChanged({Board.BULLETIN: number}))
    events = subscription.__aiter__()
    seen = [await anext(events) for _ in range(3)]
    assert [type(event) for event in seen] == [BoardsChanged, BoardsChanged, Lagged]
