"""Who else holds what: told by whole names, many at once."""

import pytest

from app.acceptance import Draft
from app.core.envelope import EnvelopeId
from app.core.record import Kind, Lifetime
from app.founding import Node
from app.store import custody

pytestmark = pytest.mark.anyio


async def names(node: Node) -> list[EnvelopeId]:
    return [name for _, name in await node.store.log.names(b"", 100)]


async def kept_by(node: Node) -> list[int]:
    return [row[0] for row in await node.store.database.read("SELECT kept_by FROM envelopes ORDER BY envelope_id")]


async def test_what_a_node_holds_counts_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "COVER_CHUNK", 3)
    await node.door.publish([Draft(Kind.POST, Lifetime.NORMAL, bytes([65 + n])) for n in range(7)], "node")
    known = await names(node)
    unknown = EnvelopeId(bytes(16))
    assert await node.store.custody.hold([*known[:5], unknown], 4, 0) == 5
    assert await node.store.custody.hold(known, 4, 0) == 3
    assert await node.store.custody.hold(known, 9, 0) == 8
    assert await kept_by(node) == [3] * 8
    assert await node.store.custody.held_by() == {4: 8, 9: 8}


async def test_a_node_is_no_witness_of_itself(node: Node) -> None:
    assert await node.store.custody.hold(await names(node), node.identity.index, 0) == 0
    assert await node.store.custody.hold([], 4, 0) == 0
    assert await kept_by(node) == [1]
    assert await node.store.custody.held_by() == {}
