"""`tntn peer add` without its command: an empty folder becomes a blind node, a node that reads stays one."""

from pathlib import Path

import pytest

from app.clock import SystemClock
from app.errors import InputError, PeerError
from app.founding import start_node
from app.store.blind import BlindIdentity, is_blind, open_blind
from app.store.database import FILE_NAME
from app.store.peers import Peer, PeerStore
from app.sync.adding import add_peer
from app.sync.address import parse_address
from app.sync.invitation import PeerInvitation
from app.sync.message import Role
from app.sync.pairing import invite
from tests.sync.homes import PATIENCE, SPACE, Machine, machine, until

pytestmark = pytest.mark.anyio


async def code_of(inviter: Machine, role: Role = Role.BLIND, quota_mb: int | None = None) -> PeerInvitation:
    if inviter.task is None:
        inviter.run()
        await until(lambda: inviter.links._tasks is not None)
    invitation = await invite(inviter.home, [parse_address(inviter.address)], role, quota_mb=quota_mb)
    await inviter.links.reload()
    return invitation


async def state_of(folder: Path) -> tuple[BlindIdentity, list[Peer], bytes]:
    store = await open_blind(folder)
    try:
        peers = PeerStore(store.database)
        return await store.identity(), await peers.all(), await peers.seed(bytes(32))
    finally:
        await store.close()


async def test_an_empty_folder_becomes_a_blind_node(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as inviter:
        folder = tmp_path / "nas"
        peer = await add_peer(folder, await code_of(inviter, quota_mb=500), name="Cellar", patience=PATIENCE)
        assert peer.name == "Node 1"
        identity, peers, _ = await state_of(folder)
        assert identity == BlindIdentity(100, "Cellar", SPACE, 500_000_000)
        assert peers == [peer]
        assert [seen.name for seen in await inviter.home.peers.all()] == ["Cellar"]


async def test_a_blind_node_finds_a_second_peer_and_stays_what_it_is(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as inviter, machine(tmp_path, 2) as second:
        folder = tmp_path / "nas"
        await add_peer(folder, await code_of(inviter), name="Cellar", patience=PATIENCE)
        before = await state_of(folder)
        await add_peer(folder, await code_of(second, quota_mb=1), patience=PATIENCE)
        identity, peers, seed = await state_of(folder)
        assert (identity, seed) == (before[0], before[2])
        assert [peer.name for peer in peers] == ["Node 1", "Node 2"]
        assert [(peer.index, peer.name) for peer in await second.home.peers.all()] == [(100, "Cellar")]


async def test_a_failed_pairing_keeps_the_key_for_the_next_try(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as inviter:
        folder = tmp_path / "nas"
        code = await code_of(inviter)
        await inviter.stop()
        assert inviter.listener is not None
        inviter.listener.close()
        with pytest.raises(PeerError, match="not found"):
            await add_peer(folder, code, patience=PATIENCE)
        assert is_blind(folder)
        store = await open_blind(folder)
        seed = await PeerStore(store.database).seed(bytes(32))
        await store.close()
        assert seed != bytes(32)


async def test_a_code_for_a_member_needs_a_member(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as inviter:
        code = await code_of(inviter, Role.MEMBER)
        with pytest.raises(InputError, match="--join"):
            await add_peer(tmp_path / "empty", code, patience=PATIENCE)
        assert not (tmp_path / "empty").exists()


async def test_a_node_that_reads_takes_no_code_for_a_blind_one(tmp_path: Path) -> None:
    folder = tmp_path / "member"
    await (await start_node(folder, SystemClock(), "Mill", "Valley")).close()
    async with machine(tmp_path, 1) as inviter:
        with pytest.raises(InputError, match="this node can read"):
            await add_peer(folder, await code_of(inviter), patience=PATIENCE)
        with pytest.raises(PeerError, match="another community"):
            await add_peer(folder, await code_of(inviter, Role.MEMBER), patience=PATIENCE)
        assert await inviter.home.peers.all() == []
        assert (folder / FILE_NAME).exists() and not is_blind(folder)
