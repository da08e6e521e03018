"""The sync of a running node, put together: its home, its links, and what is new passed on at once.

A member hears of what is new from its feed, whatever brought it; a blind node has no feed, and passes on what its
sessions bring.
"""

import asyncio
import hashlib
import logging
import random
import secrets
import socket
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from app.clock import Clock
from app.core.blob import BlobAddress
from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import EnvelopeId
from app.core.keys import SpaceId, derive_epoch_keys
from app.feed import Feed, Lagged
from app.founding import Node
from app.hotspot.addresses import own_addresses
from app.store.blind import BlindStore
from app.store.blobs import QUOTA_BYTES, BlobStore
from app.store.envelopes import Entry
from app.store.peers import Peer, PeerStore
from app.sync.blind_log import BlindLog
from app.sync.blob_desk import Desk, Send
from app.sync.blobs import Blobs
from app.sync.discovery import Discovery
from app.sync.home import Granting, Home, sync_key
from app.sync.links import Links
from app.sync.log import Placed
from app.sync.member_log import MemberLog
from app.sync.message import SALT_BYTES, SPACE_HASH_BYTES, BlobName, EpochShare, Hello, Role
from app.sync.proof import draw_challenge
from app.sync.runner import Runner
from app.sync.session import Session
from app.sync.surroundings import Surroundings
from app.sync.tls import Patience, Stream

CHALLENGE_MS = 3_600_000
"""Between two proofs of one peer: whoever throws away a tenth is caught within the hour, all but surely."""
LOOK_S = 5.0
RESTART_S = 5.0
"""After an error that should not be."""
_SPACE_DOMAIN = b"tntn sync space 1\0"


_log = logging.getLogger(__name__)


class Sync:
    """All sync of one node; `node` is None for a blind one."""

    def __init__(
        self,
        home: Home,
        blobs: Blobs,
        listener: socket.socket | None,
        node: Node | None = None,
        patience: Patience | None = None,
        rng: random.Random | None = None,
        discovery: Discovery | None = None,
    ) -> None:
        self.home = home
        self.links = Links(
            home, self._start, listener, patience, rng, None if discovery is None else discovery.candidates
        )
        self._discovery = discovery
        self._blobs = blobs
        self._listener = listener
        self._node = node
        self._rng = rng or random.SystemRandom()
        self._fresh: list[Entry] = []
        self._unproved: set[int] = set()
        self._claims: set[BlobAddress] = set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._run()
            except Exception:
                _log.exception("The sync with peers starts over after an error.")
                await asyncio.sleep(RESTART_S)

    async def _run(self) -> None:
        if self._listener is not None:
            await self.home.peers.listens(self._listener.getsockname()[1])
        self._unproved = {
            peer.index for peer in await self.home.peers.all() if (peer.unproved_ms or 0) > (peer.proved_ms or 0)
        }
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.links.run(), name="sync: links")
            if self._discovery is not None:
                tasks.create_task(self._discover(self._discovery), name="sync: discovery")
            if self._node is not None:
                tasks.create_task(self._follow(self._node.feed), name="sync: feed")
                tasks.create_task(self._challenge(), name="sync: challenge")

    async def _discover(self, discovery: Discovery) -> None:
        """Once there is somebody to find."""
        await self.links.has_peers.wait()
        port = None if self._listener is None else self._listener.getsockname()[1]
        try:
            async with discovery.watching(port, own_addresses()):
                await asyncio.Event().wait()
        except OSError as error:  # no network yet
            _log.warning("Nodes in this network are not looked for: %s", error)

    def _start(self, stream: Stream, peer: Peer, dialed: bool) -> Runner:
        clock = self.home.clock
        me = Hello(
            index=self.home.index,
            role=self.home.role,
            space=space_hash(self.home.space_id),
            salt=secrets.token_bytes(SALT_BYTES),
            photos=peer.photos,
        )
        session = Session(me, dials=dialed, peer_role=peer.role, now_ms=clock.monotonic_ms())
        around = Surroundings(
            log=self.home.log,
            via=peer.index,
            now_ms=clock.monotonic_ms,
            hold=self._hold,
            blobs=self._blobs,
            on_new=None if self._node is not None else self.links.spread,
            on_index=lambda index: self.home.peers.moved(peer.peer_id, index),
            on_proof=lambda proved: self._judged(peer, proved=proved),
            desk=self._desk_for(peer) if peer.photos else None,
        )
        return Runner(session, stream, around)

    def _desk_for(self, peer: Peer) -> Callable[[Send], Desk]:
        def on_held(blobs: Sequence[BlobName]) -> None:
            self.links.tell(blobs, peer.index)

        return lambda send: Desk(self._blobs, peer.index, self._claims, send, on_held)

    async def _hold(self, ids: Sequence[EnvelopeId], index: int) -> None:
        """A peer has these on its disk. A blind node keeps no account of that."""
        if self._node is not None and index not in self._unproved:
            await self._node.store.custody.hold(ids, index, self.home.clock.now_ms())

    async def _judged(self, peer: Peer, *, proved: bool) -> None:
        """Who could not prove what it says it holds counts as a copy of nothing until it can."""
        await self.home.peers.judged(peer.peer_id, self.home.clock.now_ms(), proved=proved)
        if proved:
            self._unproved.discard(peer.index)
        elif self._node is not None:
            self._unproved.add(peer.index)
            await self._node.store.custody.forget(peer.index)

    async def _challenge(self) -> None:
        """Put each blind peer to the proof now and then, as soon as it says that it has everything."""
        asked_ms: dict[bytes, int] = {}
        while True:
            now_ms = self.home.clock.monotonic_ms()
            for peer_id, runner in self.links.blind_and_alike().items():
                if peer_id not in asked_ms or now_ms - asked_ms[peer_id] >= CHALLENGE_MS:
                    asked_ms[peer_id] = now_ms
                    runner.challenge(await draw_challenge(self.home.log, self._blobs, self._rng))
            await asyncio.sleep(LOOK_S)

    async def _follow(self, feed: Feed) -> None:
        with feed.subscribe() as subscription:
            async for event in subscription:
                if isinstance(event, Lagged):
                    self.links.start_over()
                elif isinstance(event, Entry):
                    if not self._fresh:  # what comes in one go leaves in one message
                        asyncio.get_running_loop().call_soon(self._spread)
                    self._fresh.append(event)

    def _spread(self) -> None:
        fresh, self._fresh = self._fresh, []
        for via, entries in groupby(fresh, lambda entry: entry.via_index):
            self.links.spread([Placed(entry.entry_index, entry.log_number, entry.envelope) for entry in entries], via)


async def member_sync(
    node: Node,
    listener: socket.socket | None,
    patience: Patience | None = None,
    discovery: Discovery | None = None,
) -> Sync:
    """The sync of a node of the community."""
    return Sync(await member_home(node), node.store.blobs, listener, node, patience, discovery=discovery)


async def blind_sync(
    store: BlindStore,
    data: Path,
    clock: Clock,
    listener: socket.socket | None,
    patience: Patience | None = None,
    discovery: Discovery | None = None,
) -> Sync:
    """The sync of a blind node."""
    identity, epochs, peers = await store.identity(), await store.epochs(), PeerStore(store.database)
    _, held_bytes = await store.counts()
    quota_bytes = QUOTA_BYTES if identity.quota_bytes is None else identity.quota_bytes - held_bytes
    home = Home(
        key=await sync_key(peers),
        name=identity.name,
        index=identity.index,
        role=Role.BLIND,
        space_id=identity.space_id,
        photos=True,
        peers=peers,
        log=BlindLog(store, [epoch.keys for epoch in epochs]),
        clock=clock,
    )
    return Sync(home, BlobStore(store.database, data, quota_bytes), listener, None, patience, discovery=discovery)


async def member_home(node: Node) -> Home:
    """A node of the community as its peers meet it, whether it runs or not."""
    store, identity = node.store, node.identity
    epochs = await store.node.epoch_keys(identity.space_id)
    return Home(
        key=await sync_key(store.peers),
        name=identity.name,
        index=identity.index,
        role=Role.MEMBER,
        space_id=identity.space_id,
        photos=True,
        peers=store.peers,
        log=MemberLog(store, node.door, epochs, identity.index, node.renewal.hear),
        clock=node.clock,
        granting=_granting(node),
    )


def space_hash(space_id: SpaceId) -> bytes:
    """How a community is named to a peer: enough to tell two apart, nothing to know one by."""
    return hashlib.sha256(_SPACE_DOMAIN + space_id).digest()[:SPACE_HASH_BYTES]


def _granting(node: Node) -> Granting:
    async def share() -> tuple[EpochShare, ...]:
        shares = []
        for epoch in await node.store.node.epochs():
            keys = derive_epoch_keys(node.identity.space_id, epoch.number, epoch.key)
            shares.append(EpochShare(epoch.number, keys.relay, keys.link, epoch.started))
        return tuple(shares)

    return Granting(share, lambda: node.store.node.reserve_index(NODE_INDEX_MAX))
