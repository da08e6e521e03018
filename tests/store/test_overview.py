"""The counts that the node's page shows."""

import pytest

from app.core.keys import device_id_of
from app.core.membership import RosterNode
from app.founding import Node
from app.store.overview import NodeHolding
from tests.people import Person

pytestmark = pytest.mark.anyio


async def test_counts(node: Node, person: Person) -> None:
    before = await node.store.overview.counts()
    assert (before.people, before.parked) == (0, 0)
    stranger = Person(node.identity.space_id, "Bo", b"\x02" * 32)
    await node.door.post(stranger.write("Too early"))
    await node.door.post(person.introduce())
    await node.door.post(person.write("Cider press"))
    after = await node.store.overview.counts()
    assert (after.people, after.parked) == (1, 1)
    assert after.envelopes == before.envelopes + 2
    assert after.unshared + after.unshared_background == after.envelopes
    assert after.bytes > 4096


async def test_what_other_nodes_hold(node: Node, person: Person) -> None:
    other = RosterNode(1, b"\x01" * 32, "North Valley")
    await node.store.devices.enroll((other,), (device_id_of(other.public_key),))
    assert await node.store.overview.holdings(0) == [NodeHolding(1, "North Valley", 0)]
    accepted = await node.door.post(person.introduce())
    await node.store.custody.add(accepted.envelope_id, 1, node.clock.now_ms())
    assert await node.store.overview.holdings(0) == [NodeHolding(1, "North Valley", 1)]
