"""Finds a peer: at its own addresses, then where nodes are seen in this network and in tunnels. A shell."""

import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence

from app.errors import PeerError
from app.store.peers import Peer
from app.sync.address import Address, parse_address
from app.sync.certificate import SyncKey
from app.sync.tls import Patience, Stream, client_context, dial

CANDIDATES_MAX = 32
"""Addresses that are tried for an absent peer beside its own, each of them with a handshake."""

Candidates = Callable[[], Awaitable[Sequence[Address]]]


class Reaching:
    """Dials for one node. `is_live` says whether a session with a peer stands by now."""

    def __init__(
        self, key: SyncKey, patience: Patience, is_live: Callable[[bytes], bool], candidates: Candidates | None
    ) -> None:
        self._key = key
        self._patience = patience
        self._is_live = is_live
        self._candidates = candidates
        self._found: dict[bytes, Address] = {}

    async def reach(self, peer: Peer) -> Stream:
        """A stream from the first address that answers with the peer's certificate.

        PeerError when there is none; it says why not at the peer's own addresses, and nothing where it has none.
        """
        faults = []
        context = client_context(self._key, peer.certificate)
        for text in peer.addresses:
            try:
                return await self._reach_at(peer, parse_address(text), context)
            except PeerError as error:
                faults.append(f"{text}: {error.message}")
        for address in await self._elsewhere(peer):
            with contextlib.suppress(PeerError):  # most of them are somebody else
                stream = await self._reach_at(peer, address, context)
                self._found[peer.peer_id] = address
                return stream
        raise PeerError(" ".join(faults))

    async def _elsewhere(self, peer: Peer) -> list[Address]:
        """Where else it may be: where it was found before, then candidates that no other peer was found at."""
        if self._candidates is None:
            return []
        taken = {address for peer_id, address in self._found.items() if peer_id != peer.peer_id}
        taken |= {parse_address(text) for text in peer.addresses}
        before = [self._found[peer.peer_id]] if peer.peer_id in self._found else []
        named = [address for address in await self._candidates() if address not in taken]
        return list(dict.fromkeys([*before, *named]))[:CANDIDATES_MAX]

    async def _reach_at(self, peer: Peer, address: Address, context: ssl.SSLContext) -> Stream:
        stream = await dial(address.host, address.port, context, self._patience)
        try:
            if self._is_live(peer.peer_id):  # before it hears of this call, and takes it for a better one
                raise PeerError("It called meanwhile.")
            await stream.greet()
        except BaseException:
            stream.abort()
            raise
        return stream
