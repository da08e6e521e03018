"""`tntn peer add`: this machine becomes a peer by a code; an empty folder becomes a blind node by a code for one."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from app.clock import Clock, SystemClock
from app.core.bodies import NAME_CHARACTERS_MAX, check_name
from app.core.keys import SpaceId
from app.errors import InputError, NotFoundError, PeerError
from app.founding import Node, open_node
from app.store import blind
from app.store.blind import BlindEpoch, BlindIdentity, BlindStore
from app.store.database import FILE_NAME, open_database
from app.store.peers import Peer, PeerStore
from app.sync.address import DEFAULT_PORT, Address
from app.sync.certificate import SyncKey
from app.sync.home import sync_key
from app.sync.invitation import PeerInvitation
from app.sync.message import Pair, Role
from app.sync.pairing import introduce, pinned
from app.sync.tls import Patience

BYTES_PER_MB = 1_000_000


async def add_peer(
    data: Path,
    invitation: PeerInvitation,
    also: Sequence[Address] = (),
    name: str | None = None,
    patience: Patience | None = None,
) -> Peer:
    """Pair the node in this folder with the inviter; returns the peer. InputError, PeerError when it cannot be."""
    has_member = (data / FILE_NAME).exists()
    clock = SystemClock()
    if invitation.role is Role.MEMBER and not has_member:
        raise InputError(
            f"This code is for a node of the community, and there is none in {data}. Let it join first, by the code of"
            " tntn node invite: tntn run --join CODE",
            "code",
        )
    if has_member:
        return await _add_to_member(data, invitation, also, patience or Patience(), clock)
    return await _add_to_blind(data, invitation, also, name, patience or Patience(), clock)


async def add_to_node(
    node: Node, invitation: PeerInvitation, also: Sequence[Address] = (), patience: Patience | None = None
) -> Peer:
    """The same for an open node of the community."""
    peers, identity = node.store.peers, node.identity
    if invitation.role is not Role.MEMBER:
        raise InputError("This code is for a blind machine, and this node can read. Use it on another machine.", "code")
    me = await _introduction(peers, identity.name, Role.MEMBER, identity.index, identity.space_id)
    introduced = await introduce(invitation, me, patience or Patience(), also)
    peer = pinned(introduced, invitation, node.clock.now_ms())
    await peers.pin(peer)
    return peer


async def _add_to_member(
    data: Path, invitation: PeerInvitation, also: Sequence[Address], patience: Patience, clock: Clock
) -> Peer:
    node = await open_node(data, clock)
    try:
        return await add_to_node(node, invitation, also, patience)
    finally:
        await node.close()


async def _add_to_blind(
    data: Path, invitation: PeerInvitation, also: Sequence[Address], name: str | None, patience: Patience, clock: Clock
) -> Peer:
    async with _blind_store(data) as store:
        known = await _identity(store)
        name = check_name(name) if name is not None else known.name if known is not None else _machine_name()
        peers = PeerStore(store.database)
        index, space_id = (None, None) if known is None else (known.index, known.space_id)
        me = await _introduction(peers, name, Role.BLIND, index, space_id)
        introduced = await introduce(invitation, me, patience, also)
        peer = pinned(introduced, invitation, clock.now_ms())
        await _settle_in(store, known, introduced.answer, invitation, name)
        await peers.pin(peer)
        return peer


async def _settle_in(
    store: BlindStore, known: BlindIdentity | None, answer: Pair, invitation: PeerInvitation, name: str
) -> None:
    """What the inviter said becomes this blind node's own."""
    if answer.space_id is None or answer.reserved_index is None or not answer.epochs:
        raise PeerError("The inviter did not say what a blind node needs.")
    epochs = [BlindEpoch(share.number, share.relay, share.link, share.start) for share in answer.epochs]
    quota_bytes = None if invitation.quota_mb is None else invitation.quota_mb * BYTES_PER_MB
    if known is None:
        identity = BlindIdentity(answer.reserved_index, name, SpaceId(answer.space_id), quota_bytes)
        await store.establish(identity, epochs)
    else:
        await store.add_epochs(epochs)


async def _introduction(peers: PeerStore, name: str, role: Role, index: int | None, space_id: SpaceId | None) -> Pair:
    key: SyncKey = await sync_key(peers)
    return Pair(
        certificate=key.certificate,
        name=name,
        role=role,
        index=index,
        photos=True,
        space_id=space_id,
        epochs=(),
        reserved_index=None,
        port=await peers.port() or DEFAULT_PORT,
    )


@contextlib.asynccontextmanager
async def _blind_store(data: Path) -> AsyncIterator[BlindStore]:
    """Opened before it is founded: its key stays the same when the pairing has to be tried again."""
    store = BlindStore(await open_database(data, blind.MIGRATIONS, blind.FILE_NAME))
    try:
        yield store
    finally:
        await store.close()


async def _identity(store: BlindStore) -> BlindIdentity | None:
    try:
        return await store.identity()
    except NotFoundError:
        return None


def _machine_name() -> str:
    return check_name(socket.gethostname().split(".")[0][:NAME_CHARACTERS_MAX] or "Storage")
