"""The node of a data folder as bundles meet it: a member or a blind one, beside a running node or without one."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.clock import Clock
from app.core.keys import DeviceKey
from app.errors import InputError
from app.founding import Node, open_node
from app.store.blind import BlindStore, is_blind, open_blind
from app.store.blobs import QUOTA_BYTES, BlobStore
from app.store.bundles import BundleStore
from app.store.devices import DeviceStore
from app.store.peers import PeerStore
from app.sync.blind_log import BlindLog
from app.sync.bundle_party import Party
from app.sync.certificate import SEED_BYTES, public_key_of
from app.sync.member_log import MemberLog
from app.sync.message import Role


class MemberRoster:
    """Members sign with their device keys, which the roster has; blind nodes with the sync keys that were pinned."""

    def __init__(self, devices: DeviceStore, peers: PeerStore) -> None:
        self._devices = devices
        self._peers = peers

    async def key_of(self, index: int) -> bytes | None:
        for node in await self._devices.nodes():
            if node.index == index:
                return node.public_key
        return await _blind_key(self._peers, index)

    async def index_of(self, name: str) -> int:
        """The node with this name or number. InputError when there is none, or two."""
        known = {node.index: node.name for node in await self._devices.nodes()}
        known |= {peer.index: peer.name for peer in await self._peers.all()}
        return _index_of(name, known)


class BlindRoster:
    """A blind node knows the keys of other blind nodes; of members it knows none, and believes nothing but hashes."""

    def __init__(self, peers: PeerStore) -> None:
        self._peers = peers

    async def key_of(self, index: int) -> bytes | None:
        return await _blind_key(self._peers, index)

    async def index_of(self, name: str) -> int:
        return _index_of(name, {peer.index: peer.name for peer in await self._peers.all()})


async def member_party(node: Node) -> Party:
    """A member."""
    identity, store = node.identity, node.store
    epochs = await store.node.epoch_keys(identity.space_id)
    return Party(
        space_id=identity.space_id,
        index=identity.index,
        device=identity.key,
        links=[keys.link for keys in epochs],
        log=MemberLog(store, node.door, epochs, identity.index, node.renewal.hear),
        blobs=store.blobs,
        heard=store.bundles,
        roster=MemberRoster(store.devices, store.peers),
    )


async def blind_party(store: BlindStore, data: Path) -> Party:
    """A blind node: it signs with its sync key."""
    identity, epochs = await store.identity(), await store.epochs()
    peers = PeerStore(store.database)
    _, held_bytes = await store.counts()
    quota_bytes = QUOTA_BYTES if identity.quota_bytes is None else identity.quota_bytes - held_bytes
    return Party(
        space_id=identity.space_id,
        index=identity.index,
        device=DeviceKey(await peers.seed(secrets.token_bytes(SEED_BYTES))),
        links=[epoch.link for epoch in epochs],
        log=BlindLog(store, [epoch.keys for epoch in epochs]),
        blobs=BlobStore(store.database, data, quota_bytes),
        heard=BundleStore(store.database),
        roster=BlindRoster(peers),
    )


@asynccontextmanager
async def open_party(data: Path, clock: Clock) -> AsyncIterator[Party]:
    """The node in a data folder. NotFoundError when there is none."""
    if is_blind(data):
        blind = await open_blind(data)
        try:
            yield await blind_party(blind, data)
        finally:
            await blind.close()
    else:
        node = await open_node(data, clock)
        try:
            yield await member_party(node)
        finally:
            await node.close()


async def _blind_key(peers: PeerStore, index: int) -> bytes | None:
    for peer in await peers.all():
        if peer.index == index and peer.role is Role.BLIND:
            return public_key_of(peer.certificate)
    return None


def _index_of(name: str, known: dict[int, str]) -> int:
    found = [index for index, called in known.items() if name in (called, str(index))]
    if len(found) != 1:
        there = ", ".join(f"{called} ({index})" for index, called in sorted(known.items()))
        why = "More than one node is" if found else "No node is"
        raise InputError(f"{why} called {name}. There are: {there or 'none'}.", "for")
    return found[0]
