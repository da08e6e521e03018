"""The keeper's desk: two running nodes are paired from their pages, and let each other go."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.clock import ManualClock
from app.errors import ConflictError, InputError, NotFoundError, PeerError
from app.founding import Node
from app.sync import desk as desk_module
from app.sync.address import Address
from app.sync.desk import PeerDesk
from app.sync.invitation import decode_peer_invitation, encode_peer_invitation
from app.sync.message import Role
from app.sync.service import Sync, member_sync
from app.sync.tls import Patience
from tests.sync.homes import PATIENCE, until
from tests.sync.test_service import joined, running

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def listening(node: Node) -> AsyncIterator[tuple[PeerDesk, Sync]]:
    """The desk of a node that syncs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sync = await member_sync(node, listener, PATIENCE)
        async with running(sync):
            await until(lambda: sync.links._tasks is not None)
            yield PeerDesk(node, sync), sync


async def code_from(desk: PeerDesk, sync: Sync, *, blind: bool = False) -> str:
    code = (await desk.invite(blind=blind, photos=True, quota_mb=None)).code
    invitation = decode_peer_invitation(code)
    port = await sync.home.peers.port()
    assert port is not None
    return encode_peer_invitation(replace(invitation, addresses=(Address("127.0.0.1", port),)))


async def test_two_nodes_are_paired_and_meet_at_once(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    async with joined(node, tmp_path / "second", clock) as other, listening(node) as (near, sync):
        await until_port(sync)
        async with listening(other) as (far, _):
            await far.add(await code_from(near, sync))
            await until(lambda: len(sync.links.status()) == 1)
            (seen,), (mine,) = await near.peers(), await far.peers()
            assert (seen.name, seen.role, seen.state) == ("North Valley", "member", "connected")
            assert (mine.name, mine.role) == ("Market Square", "member")
            await near.remove("North Valley")
            await until(lambda: not sync.links.status())
            assert await near.peers() == []
            with pytest.raises(NotFoundError):
                await near.remove("North Valley")


async def test_what_went_wrong_is_told(
    node: Node, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "PATIENCE", Patience(handshake_s=2.0))
    async with joined(node, tmp_path / "second", clock) as other, listening(node) as (near, sync):
        await until_port(sync)
        far = PeerDesk(other)
        code = await code_from(near, sync)
        await far.add(code)
        with pytest.raises(PeerError, match="by this very machine"):
            await near.add(await code_from(near, sync))
        with pytest.raises(InputError, match="blind machine"):
            await far.add(await code_from(near, sync, blind=True))
        nowhere = replace(decode_peer_invitation(code), addresses=(Address("127.0.0.1", 1),))
        with pytest.raises(PeerError, match="was not found"):
            await far.add(encode_peer_invitation(nowhere))
        assert [peer.name for peer in await far.peers()] == ["Market Square"]


async def test_a_node_that_does_not_sync_knows_nobody_s_state(node: Node) -> None:
    desk = PeerDesk(node)
    assert (await desk.peers(), desk.refused()) == ([], ())
    invited = await desk.invite(blind=True, photos=False, quota_mb=5)
    assert invited.blind
    assert decode_peer_invitation(invited.code).role is Role.BLIND
    for _ in range(15):
        await desk.invite(blind=False, photos=True, quota_mb=None)
    with pytest.raises(ConflictError):
        await desk.invite(blind=False, photos=True, quota_mb=None)


async def until_port(sync: Sync) -> None:
    async with asyncio.timeout(10):
        while await sync.home.peers.port() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
