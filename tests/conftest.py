"""Fixtures that all tests share: a clock that stands still, a founded node on a real SQLite file, a person."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from app.clock import ManualClock, unix_ms_of
from app.founding import Node, start_node
from tests.people import NOW_MINUTES, Person

settings.register_profile("bounded", deadline=None)  # a busy machine is no failure
settings.register_profile("soak", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("bounded")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(unix_ms_of(NOW_MINUTES))


@pytest.fixture
async def node(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Node]:
    """A founded node, *Market Square* of *Upper Valley*."""
    founded = await start_node(tmp_path / "data", clock, name="Market Square", community="Upper Valley")
    await founded.feed.start()
    yield founded
    await founded.close()


@pytest.fixture
def person(node: Node) -> Person:
    """A neighbor with a device key, not yet introduced."""
    return Person(node.identity.space_id)
