"""Peers in the store: pinned, seen, replaced, removed; invitations that are used once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, NotFoundError
from app.store import blind
from app.store.database import MIGRATIONS, Database, open_database
from app.store.peers import PEERS_MAX, OpenInvitation, Peer, PeerStore, find_peer
from app.sync.message import Role

pytestmark = pytest.mark.anyio
NAS = Peer(b"n" * 32, b"certificate", "Cellar", 7, Role.BLIND, True, 500, ("10.0.0.2:8444", "nas.local:8444"), 1000)
FARM = Peer(b"f" * 32, b"other", "Farm", 2, Role.MEMBER, False, None, (), 2000)
CODE = OpenInvitation(b"passing", Role.BLIND, True, None, 5000)


@pytest.fixture(params=["member", "blind"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """Both kinds of node have these tables."""
    is_blind = request.param == "blind"
    found = await (open_database(tmp_path, blind.MIGRATIONS, blind.FILE_NAME) if is_blind else open_database(tmp_path))
    yield found
    await found.close()


@pytest.fixture
def peers(database: Database) -> PeerStore:
    return PeerStore(database)


async def test_a_seed_is_made_once_and_the_port_remembered(peers: PeerStore) -> None:
    assert await peers.port() is None
    assert await peers.seed(b"a" * 32) == b"a" * 32
    assert await peers.seed(b"b" * 32) == b"a" * 32
    await peers.listens(8444)
    await peers.listens(8445)
    assert await peers.port() == 8445


async def test_peers_come_back_as_they_were_pinned(peers: PeerStore) -> None:
    await peers.pin(FARM)
    await peers.pin(NAS)
    assert await peers.all() == [NAS, FARM]


async def test_pinning_again_renews_and_keeps_what_was_seen(peers: PeerStore) -> None:
    await peers.pin(NAS)
    await peers.connected(NAS.peer_id, 3000)
    await peers.pin(replace(NAS, name="Attic", addresses=(), added_ms=9000))
    assert await peers.all() == [replace(NAS, name="Attic", addresses=(), connected_ms=3000, seen_ms=3000)]


async def test_what_becomes_of_a_peer(peers: PeerStore) -> None:
    await peers.pin(NAS)
    await peers.pin(FARM)
    await peers.unreachable(NAS.peer_id, "It does not answer.")
    assert (await peers.all())[0] == replace(NAS, fault="It does not answer.")
    await peers.connected(NAS.peer_id, 3000)
    assert (await peers.all())[0] == replace(NAS, connected_ms=3000, seen_ms=3000)
    await peers.connected(NAS.peer_id, 4000, replaces=True)
    await peers.disconnected(NAS.peer_id, 5000, "x" * 500)
    assert (await peers.all())[0] == replace(NAS, seen_ms=5000, replaced=1, fault="x" * 200)
    await peers.judged(NAS.peer_id, 6000, proved=True)
    await peers.judged(NAS.peer_id, 7000, proved=False)
    assert ((await peers.all())[0].proved_ms, (await peers.all())[0].unproved_ms) == (6000, 7000)
    await peers.moved(NAS.peer_id, 9)
    assert (await peers.all())[0].index == 9
    assert (await peers.all())[1] == FARM


async def test_after_a_crash_nobody_is_connected(peers: PeerStore) -> None:
    await peers.pin(NAS)
    await peers.connected(NAS.peer_id, 3000)
    await peers.nobody_is_connected()
    assert await peers.all() == [replace(NAS, seen_ms=3000)]


async def test_a_removed_peer_is_gone_and_cannot_go_twice(peers: PeerStore) -> None:
    await peers.pin(NAS)
    await peers.remove(NAS.peer_id)
    assert await peers.all() == []
    with pytest.raises(NotFoundError):
        await peers.remove(NAS.peer_id)
    await peers.disconnected(NAS.peer_id, 1, None)  # its session ends later, and leaves nothing


async def test_there_is_an_end_to_the_room(peers: PeerStore) -> None:
    for number in range(PEERS_MAX):
        await peers.pin(replace(FARM, peer_id=number.to_bytes(32, "big")))
    with pytest.raises(ConflictError, match="Remove one first"):
        await peers.pin(NAS)
    await peers.pin(replace(FARM, peer_id=(5).to_bytes(32, "big"), name="Renamed"))


async def test_an_invitation_is_used_once(peers: PeerStore) -> None:
    await peers.invite(CODE, 0)
    assert await peers.invitations(4999) == [CODE]
    await peers.spend(CODE.certificate, b"1" * 32)
    await peers.spend(CODE.certificate, b"1" * 32)
    with pytest.raises(ConflictError, match="used already"):
        await peers.spend(CODE.certificate, b"2" * 32)
    assert [code.spent_by for code in await peers.invitations(0)] == [b"1" * 32]


async def test_an_invitation_runs_out_and_makes_room(peers: PeerStore) -> None:
    await peers.invite(CODE, 0)
    assert await peers.invitations(5000) == []
    await peers.invite(replace(CODE, certificate=b"later", expires_ms=9000), 6000)
    assert [code.certificate for code in await peers.invitations(0)] == [b"later"]


def test_a_peer_is_found_by_its_name_or_the_beginning_of_its_id() -> None:
    assert find_peer([NAS, FARM], "Farm") is FARM
    assert find_peer([NAS, FARM], (b"n" * 4).hex().upper()) is NAS
    for unknown in ("Barn", "6e", ""):
        with pytest.raises(NotFoundError):
            find_peer([NAS, FARM], unknown)
    with pytest.raises(ConflictError, match="beginning of the id"):
        find_peer([NAS, replace(FARM, name="Cellar")], "Cellar")


def test_both_kinds_of_node_have_the_same_tables() -> None:
    (ours,), (theirs,) = MIGRATIONS.glob("*_peers.sql"), blind.MIGRATIONS.glob("*_peers.sql")
    assert ours.read_text("utf-8") == theirs.read_text("utf-8")
