"""A fixture that the radio's tests share: a node whose radio can be started."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from app.clock import ManualClock
from app.core.keys import device_id_of
from app.core.membership import RosterNode
from app.founding import Node
from app.radio import supervisor
from app.radio.frame import LinkKeys
from tests.people import Person
from tests.radio.node_air import OTHERS, Air, Start, eventually


@pytest.fixture
async def start(
    node: Node, clock: ManualClock, person: Person, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Start]:
    """Starts the node's radio; more than once, as a node that was off."""
    roster = tuple(RosterNode(index, key.public_key, f"Node {index}") for index, key in OTHERS.items())
    await node.store.devices.enroll(roster, tuple(device_id_of(other.public_key) for other in roster))
    await node.door.post(person.introduce())
    epochs = await node.store.node.epoch_keys(node.identity.space_id)
    link = LinkKeys(node.identity.space_id, tuple(epoch.link for epoch in epochs))
    monkeypatch.setattr(supervisor, "SAVE_COUNTERS_S", 0.01)

    @contextlib.asynccontextmanager
    async def started() -> AsyncIterator[Air]:
        air = Air(node, clock, link)
        monkeypatch.setattr(supervisor, "speak", lambda *_: air.wire)
        task = asyncio.create_task(air.radio.run())
        try:
            await eventually(air.is_ready)
            yield air
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    yield started
