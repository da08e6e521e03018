"""Pairing: two machines pin each other by an invitation, once. Spec: docs/protocol/sync.md, "Pairing".

The newcomer shows the certificate that follows from the secret in the code, and compares the inviter's key with the
code before it says a word. Then each tells its real certificate. If the last answer is lost, the same machine may ask
again; any other finds the invitation used.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from app.clock import MINUTE_MS, minutes_of
from app.core.bodies import check_name
from app.errors import ConflictError, ForbiddenError, InputError, PeerError
from app.hotspot.addresses import own_addresses
from app.store.peers import OpenInvitation, Peer, PeerStore
from app.sync.address import DEFAULT_PORT, Address
from app.sync.certificate import SyncKey, passing_key, peer_id_of, public_key_of
from app.sync.home import Home
from app.sync.invitation import INVITER_BYTES, SECRET_BYTES, PeerInvitation
from app.sync.message import Bye, Pair, Role
from app.sync.tls import Patience, Stream, dial, stranger_context

INVITATION_DAYS = 7
TRIES = 3
AGAIN_S = 0.7
"""A code may be quicker than the running node, which looks for new invitations every half second."""
REFUSALS = {
    "used": "This invitation was used already, by another machine. Ask for a new one.",
    "community": "That node belongs to another community. To join a community: bin/run --join CODE",
    "role": "This invitation is for a machine of another kind: a blind one, or a node of the community.",
    "self": "This code was made by this very machine. Give it to another one.",
    "full": "The community has no room for one more.",
    "name": "The other machine does not take this name.",
}
"""Why a newcomer is turned away, by the word that tells it."""


class Introduced(msgspec.Struct, frozen=True):
    """What the newcomer learned: the inviter's answer, and where it answered."""

    answer: Pair
    address: Address


class _RefusedError(PeerError):
    """Turn the newcomer away with one of the words above."""

    def __init__(self, word: str) -> None:
        super().__init__(REFUSALS[word])
        self.word = word


async def invite(
    home: Home, addresses: Iterable[Address], role: Role, *, photos: bool = True, quota_mb: int | None = None
) -> PeerInvitation:
    """An invitation that the running node honors from now on. ConflictError when too many are out."""
    if home.granting is None:
        raise ForbiddenError(
            "A blind node invites nobody: it has nothing to give. Invite from a node of the community."
        )
    secret = secrets.token_bytes(SECRET_BYTES)
    inviter = home.key.peer_id[:INVITER_BYTES]
    now_ms = home.clock.now_ms()
    expires_ms = now_ms + INVITATION_DAYS * 24 * 60 * MINUTE_MS
    certificate = passing_key(secret, inviter).certificate
    await home.peers.invite(OpenInvitation(certificate, role, photos, quota_mb, expires_ms), now_ms)
    return PeerInvitation(inviter, secret, role, photos, quota_mb, minutes_of(expires_ms), tuple(addresses))


async def reachable_at(peers: PeerStore) -> list[Address]:
    """Where this machine's node listens, as others on its network find it."""
    port = await peers.port() or DEFAULT_PORT
    return [Address(host, port) for host in own_addresses()]


async def welcome(stream: Stream, invitation: OpenInvitation, home: Home, host: str | None) -> Peer:
    """The inviter's side: let the holder of an invitation in. `host` is where it called from. PeerError if not."""
    introduction = await stream.read()
    if not isinstance(introduction, Pair):
        raise PeerError("The holder of an invitation did not introduce itself.")
    try:
        peer = await _newcomer(introduction, invitation, home, host)
        if peer.peer_id == home.key.peer_id:
            raise _RefusedError("self")
        with _refusing("used"):
            await home.peers.spend(invitation.certificate, peer.peer_id)
        with _refusing("full"):
            await home.peers.pin(peer)
    except _RefusedError as refused:
        await stream.write(Bye(refused.word))
        raise
    await stream.write(await _answer(home, peer))
    return peer


async def introduce(
    invitation: PeerInvitation, me: Pair, patience: Patience, also: Sequence[Address] = ()
) -> Introduced:
    """The newcomer's side: find the inviter and tell who we are. PeerError in words when it cannot be."""
    key = passing_key(invitation.secret, invitation.inviter)
    addresses = dict.fromkeys((*also, *invitation.addresses))
    if not addresses:
        raise InputError("This code names no address. Say where the node listens with --address HOST:PORT.", "address")
    for attempt in range(TRIES):
        if attempt:
            await asyncio.sleep(AGAIN_S)
        faults: list[str] = []
        for address in addresses:
            try:
                return Introduced(await _introduce_at(address, invitation, key, me, patience), address)
            except _RefusedError:
                raise
            except PeerError as error:
                faults.append(f"  {address}: {error.message}")
    raise PeerError(
        "The node that made this code was not found. Is it running, and is the code younger than"
        f" {INVITATION_DAYS} days?\n" + "\n".join(faults)
    )


def pinned(introduced: Introduced, invitation: PeerInvitation, now_ms: int) -> Peer:
    """The inviter, as the newcomer remembers it."""
    answer = introduced.answer
    return Peer(
        peer_id=peer_id_of(public_key_of(answer.certificate)),
        certificate=answer.certificate,
        name=_name(answer.name),
        index=answer.index or 0,
        role=answer.role,
        photos=invitation.photos,
        quota_mb=None,
        addresses=tuple(str(address) for address in dict.fromkeys((introduced.address, *invitation.addresses))),
        added_ms=now_ms,
    )


async def _introduce_at(
    address: Address, invitation: PeerInvitation, key: SyncKey, me: Pair, patience: Patience
) -> Pair:
    stream = await dial(address.host, address.port, stranger_context(key), patience)
    try:
        if peer_id_of(public_key_of(stream.certificate))[:INVITER_BYTES] != invitation.inviter:
            raise PeerError("Another machine answers there than the one that made this code.")
        await stream.greet()
        await stream.write(me)
        answer = await stream.read()
        if isinstance(answer, Bye) and answer.word in REFUSALS:
            raise _RefusedError(answer.word)
        if not isinstance(answer, Pair) or answer.certificate != stream.certificate or answer.index is None:
            raise PeerError("It did not answer as it should.")
        return answer
    except OSError:
        raise PeerError("The connection was cut.") from None
    finally:
        await stream.close()


async def _newcomer(said: Pair, invitation: OpenInvitation, home: Home, host: str | None) -> Peer:
    peer_id = peer_id_of(public_key_of(said.certificate))
    if said.role is not invitation.role or (said.role is Role.MEMBER and said.index is None):
        raise _RefusedError("role")
    if said.space_id != home.space_id and not (said.role is Role.BLIND and said.space_id is None):
        raise _RefusedError("community")
    return Peer(
        peer_id=peer_id,
        certificate=said.certificate,
        name=_name(said.name),
        index=said.index if said.index is not None else await _index_for(peer_id, home),
        role=said.role,
        photos=invitation.photos,
        quota_mb=invitation.quota_mb,
        addresses=(str(Address(host, said.port)),) if host is not None and said.port is not None else (),
        added_ms=home.clock.now_ms(),
    )


async def _index_for(peer_id: bytes, home: Home) -> int:
    """A place in the roster; the one it has, if this is not the first time that it asks."""
    for peer in await home.peers.all():
        if peer.peer_id == peer_id:
            return peer.index
    if home.granting is None:
        raise _RefusedError("role")
    with _refusing("full"):
        return await home.granting.reserve_index()


async def _answer(home: Home, peer: Peer) -> Pair:
    is_blind = peer.role is Role.BLIND
    return Pair(
        certificate=home.key.certificate,
        name=home.name,
        role=home.role,
        index=home.index,
        photos=peer.photos,
        space_id=home.space_id if is_blind else None,
        epochs=await home.granting.share() if is_blind and home.granting is not None else (),
        reserved_index=peer.index if is_blind else None,
        port=None,
    )


def _name(said: str) -> str:
    try:
        return check_name(said)
    except InputError:
        raise _RefusedError("name") from None


@contextlib.contextmanager
def _refusing(word: str) -> Iterator[None]:
    try:
        yield
    except ConflictError:
        raise _RefusedError(word) from None
