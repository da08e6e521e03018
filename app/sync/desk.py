"""What a keeper may do about peers on the node's page: see, invite, add, remove."""

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from app.founding import Node
from app.store.peers import find_peer
from app.sync.adding import add_to_node
from app.sync.invitation import decode_peer_invitation, encode_peer_invitation
from app.sync.message import Role
from app.sync.pairing import invite, reachable_at
from app.sync.peer_words import PeerWords, peer_words
from app.sync.qr import QrDrawing, draw_qr
from app.sync.service import member_home
from app.sync.tls import Patience

if TYPE_CHECKING:
    from app.sync.service import Sync

PATIENCE = Patience(handshake_s=8.0, message_s=8.0)
"""Somebody waits for the page."""


class Invited(msgspec.Struct, frozen=True):
    """A fresh code, and its drawing."""

    code: str
    qr: QrDrawing
    blind: bool


class PeerDesk:
    """Acts for the keeper's session. `sync` is None while this node syncs with nobody, as in tests of pages."""

    def __init__(self, node: Node, sync: "Sync | None" = None) -> None:
        self._node = node
        self._sync = sync

    async def peers(self) -> list[PeerWords]:
        """All peers in words."""
        store, now_ms = self._node.store, self._node.clock.now_ms()
        peers = await store.peers.all()
        if not peers:
            return []
        held, total = await store.custody.held_by(), (await store.overview.counts()).envelopes
        runs, live = self._sync is not None, self._live()
        shown = [replace(peer, connected_ms=now_ms if peer.peer_id in live else None) for peer in peers]
        return [peer_words(peer, now_ms, held, total, runs=runs) for peer in shown]

    def refused(self) -> tuple[tuple[str, int], ...]:
        """What was not let in or broke off since the start, by a word."""
        return () if self._sync is None else tuple(sorted(self._sync.links.notes().items()))

    async def invite(self, *, blind: bool, photos: bool, quota_mb: int | None) -> Invited:
        """A code for one more machine."""
        home = await member_home(self._node)
        role = Role.BLIND if blind else Role.MEMBER
        addresses = await reachable_at(home.peers)
        code = encode_peer_invitation(await invite(home, addresses, role, photos=photos, quota_mb=quota_mb))
        await self._reload()
        return Invited(code, draw_qr(code), blind)

    async def add(self, code: str) -> None:
        """Become a peer of the machine that made this code."""
        await add_to_node(self._node, decode_peer_invitation(code), patience=PATIENCE)
        await self._reload()

    async def remove(self, called: str) -> None:
        """Let the peer in no more, by its name or the beginning of its id."""
        peers = self._node.store.peers
        await peers.remove(find_peer(await peers.all(), called).peer_id)
        await self._reload()

    def _live(self) -> set[bytes]:
        """Who is connected at this moment; the store may hear of it later."""
        return set() if self._sync is None else {link.peer_id for link in self._sync.links.status()}

    async def _reload(self) -> None:
        if self._sync is not None:
            await self._sync.links.reload()
