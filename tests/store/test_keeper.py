"""The keeper's links: once, and not for long."""

import pytest

from app.founding import Node
from app.store.keeper import LINK_MS, SESSION_MS, SESSIONS_MAX

pytestmark = pytest.mark.anyio


async def test_a_link_opens_one_session(node: Node) -> None:
    keeper = node.store.keeper
    await keeper.add_link("link", 1000)
    assert await keeper.redeem("link", "session", 2000)
    assert not await keeper.redeem("link", "other", 2000)
    assert await keeper.is_open("session", 3000)
    assert not await keeper.is_open("other", 3000)


async def test_links_and_sessions_run_out(node: Node) -> None:
    keeper = node.store.keeper
    await keeper.add_link("late", 0)
    assert not await keeper.redeem("late", "session", LINK_MS)
    await keeper.add_link("link", 0)
    assert await keeper.redeem("link", "session", 0)
    assert not await keeper.is_open("session", SESSION_MS)


async def test_a_closed_session_is_closed(node: Node) -> None:
    keeper = node.store.keeper
    await keeper.add_link("link", 0)
    await keeper.redeem("link", "session", 0)
    await keeper.close("session")
    assert not await keeper.is_open("session", 1)


async def test_tokens_are_not_stored_and_sessions_are_few(node: Node) -> None:
    keeper = node.store.keeper
    for number in range(SESSIONS_MAX + 3):
        await keeper.add_link(f"link {number}", number)
        await keeper.redeem(f"link {number}", f"session {number}", number)
    rows = await node.store.database.read("SELECT token_hash FROM keeper_sessions")
    assert len(rows) == SESSIONS_MAX
    assert all(b"session" not in row[0] for row in rows)
