"""A node's first start: it founds a community or joins one. And the code by which it lets the next one in."""

import secrets
from pathlib import Path

import msgspec

from app.acceptance import Door, Draft
from app.clock import Clock, minutes_of
from app.core.bodies import NODE_INDEX_MAX, NodeIntroduction, check_name
from app.core.keys import EPOCH_KEY_BYTES, SPACE_ID_BYTES, SpaceId, device_id_of
from app.core.membership import (
    INVITATION_DAYS,
    SECRET_BYTES,
    Invitation,
    JoinPolicy,
    decode_invitation,
    encode_invitation,
)
from app.core.record import Kind, Lifetime
from app.errors import ConflictError, InputError, NotFoundError
from app.feed import Feed
from app.renewal import Renewal
from app.store import Database, NodeIdentity, NodeStore, Store, open_database
from app.store.database import FILE_NAME
from app.store.devices import DeviceStore
from app.store.node import Epoch

DEFAULT_COMMUNITY = "Our valley"
DEFAULT_NODE = "Market Square"
SEED_BYTES = 32
RESTORING = ".restoring"
"""A folder within the data folder while a backup is unpacked: there is no node until it is gone (app/backup)."""
KEEPER_TOKEN_BYTES = 18
"""144 bits: 24 characters that nobody guesses and a keeper can still copy."""


class Node(msgspec.Struct, frozen=True):
    """An established node with its parts. `await node.close()` lets the database go."""

    identity: NodeIdentity
    store: Store
    feed: Feed
    door: Door
    clock: Clock
    renewal: Renewal

    async def close(self) -> None:
        await self.store.close()


async def open_node(folder: Path, clock: Clock) -> Node:
    """The node that lives in a data folder. NotFoundError when none was ever started there."""
    if not (folder / FILE_NAME).exists():
        raise NotFoundError(f"There is no node in {folder}. Start one with: bin/run --data {folder}")
    return await _open(folder, clock, None)


async def start_node(
    folder: Path,
    clock: Clock,
    name: str | None = None,
    community: str | None = None,
    join: str | None = None,
    renewal: Renewal | None = None,
) -> Node:
    """The node in a data folder; a first start founds a community, or joins one by an invitation code.

    `renewal` is that of the node which this one takes the place of, in the same process.

    InputError when the code is damaged or ran out, ConflictError when the folder's node belongs elsewhere.
    """
    if (folder / RESTORING).exists() and not (folder / FILE_NAME).exists():
        raise ConflictError(f"A restore into {folder} was cut off. Run it again: tntn restore PATH --data {folder}")
    database = await open_database(folder)
    try:
        identity = await NodeStore(database).identity()
        if identity is not None:
            _check_same_community(identity, community, join)
        elif join is not None:
            await _join(database, clock, name, decode_invitation(join))
        else:
            await _found(database, clock, name, community)
    finally:
        await database.close()
    return await _open(folder, clock, name, renewal)


async def invite(node: Node) -> str:
    """A code by which one more node becomes a member: space, wrapped epoch key, roster, a roster index of its own."""
    epoch = await node.store.node.current_epoch()
    invitation = Invitation(
        space_id=node.identity.space_id,
        community=node.identity.community,
        epoch_number=epoch.number,
        epoch_started=epoch.started,
        epoch_key=epoch.key,
        index=await node.store.node.reserve_index(NODE_INDEX_MAX),
        inviter=node.identity.index,
        expires=minutes_of(node.clock.now_ms()) + INVITATION_DAYS * 24 * 60,
        roster=tuple(await node.store.devices.nodes()),
    )
    return encode_invitation(invitation, secrets.token_bytes(SECRET_BYTES), node.identity.key)


async def keeper_link(node: Node) -> str:
    """The path of a fresh one-time link that opens a keeper's session."""
    token = secrets.token_urlsafe(KEEPER_TOKEN_BYTES)
    await node.store.keeper.add_link(token, node.clock.now_ms())
    return f"/node/keeper/{token}"


async def rename(node: Node, name: str) -> None:
    """Give this node another name, and tell the community."""
    await node.store.node.rename(check_name(name))
    await _introduce(node)


async def _open(folder: Path, clock: Clock, name: str | None, renewal: Renewal | None = None) -> Node:
    database = await open_database(folder)
    try:
        identity = await NodeStore(database).identity()
        if identity is None:
            raise NotFoundError(f"There is no node in {folder}. Start one with: bin/run --data {folder}")
        store = Store(database, identity)
        feed = Feed(store)
        epochs = await store.node.epoch_keys(identity.space_id)
        door = Door(store, identity, epochs, clock, feed)
        node = Node(identity, store, feed, door, clock, renewal or Renewal(clock))
        if name is not None and check_name(name) != identity.name:
            await store.node.rename(check_name(name))
        await _introduce(node)
        renamed = await store.node.identity()
        assert renamed is not None
        return msgspec.structs.replace(node, identity=renamed)
    except BaseException:
        await database.close()
        raise


async def _found(database: Database, clock: Clock, name: str | None, community: str | None) -> None:
    identity = NodeIdentity(
        seed=secrets.token_bytes(SEED_BYTES),
        index=0,
        name=check_name(name or DEFAULT_NODE),
        space_id=SpaceId(secrets.token_bytes(SPACE_ID_BYTES)),
        community=check_name(community or DEFAULT_COMMUNITY),
        join_policy=JoinPolicy.OPEN,
        radio_port=None,
    )
    epoch = Epoch(1, secrets.token_bytes(EPOCH_KEY_BYTES), minutes_of(clock.now_ms()))
    await NodeStore(database).establish(identity, epoch)


async def _join(database: Database, clock: Clock, name: str | None, invitation: Invitation) -> None:
    if minutes_of(clock.now_ms()) > invitation.expires:
        raise InputError(
            f"This invitation ran out: a code is good for {INVITATION_DAYS} days. Ask for a new one.", "join"
        )
    identity = NodeIdentity(
        seed=secrets.token_bytes(SEED_BYTES),
        index=invitation.index,
        name=check_name(name or f"Node {invitation.index + 1}"),
        space_id=invitation.space_id,
        community=invitation.community,
        join_policy=JoinPolicy.OPEN,
        radio_port=None,
    )
    ids = tuple(device_id_of(node.public_key) for node in invitation.roster)
    await DeviceStore(database).enroll(invitation.roster, ids)
    epoch = Epoch(invitation.epoch_number, invitation.epoch_key, invitation.epoch_started)
    await NodeStore(database).establish(identity, epoch)


async def _introduce(node: Node) -> None:
    """Put this node's present name into the roster, unless it stands there already."""
    identity = await node.store.node.identity()
    assert identity is not None
    known = await node.store.devices.get(identity.key.device_id)
    if known is not None and known.name == identity.name:
        return
    introduction = NodeIntroduction(identity.key.public_key, identity.name, identity.index)
    await node.door.publish([Draft(Kind.NODE, Lifetime.PERMANENT, introduction.encode())], "node")


def _check_same_community(identity: NodeIdentity, community: str | None, join: str | None) -> None:
    if join is not None and decode_invitation(join).space_id != identity.space_id:
        raise ConflictError(
            f"This data folder's node belongs to {identity.community}. To join another community, start with another"
            " --data folder."
        )
    if community is not None and check_name(community) != identity.community:
        raise ConflictError(
            f"This data folder's node belongs to {identity.community}, not {community}. For a new community, start"
            " with another --data folder."
        )
