"""This node as its peers meet it: its sync key, its place in the community, and what it keeps."""

import secrets
from collections.abc import Awaitable, Callable

import msgspec

from app.clock import Clock
from app.core.keys import SpaceId
from app.store.peers import PeerStore
from app.sync.certificate import SEED_BYTES, SyncKey
from app.sync.log import Log
from app.sync.message import EpochShare, Role


class Granting(msgspec.Struct, frozen=True):
    """What only a member can do for a newcomer: share what a blind node may know, and give it a place in the roster."""

    share: Callable[[], Awaitable[tuple[EpochShare, ...]]]
    reserve_index: Callable[[], Awaitable[int]]


class Home(msgspec.Struct, frozen=True):
    """One node's side of every session. `granting` is None on a blind node: it lets nobody in."""

    key: SyncKey
    name: str
    index: int
    role: Role
    space_id: SpaceId
    photos: bool
    peers: PeerStore
    log: Log
    clock: Clock
    granting: Granting | None = None


async def sync_key(peers: PeerStore) -> SyncKey:
    """This machine's sync key; made when it had none."""
    return SyncKey(await peers.seed(secrets.token_bytes(SEED_BYTES)))
