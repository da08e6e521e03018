"""All connections of a node with its peers: who may come in, who is dialed, and one session for each pair. A shell.

A peer is dialed at each of its addresses for as long as it is a peer, with growing pauses; a node that nobody can
reach only dials. When two dial each other at the same moment, the call of the one with the smaller id stands.
Otherwise a later connection takes the place of an earlier one: the peer has lost that, or two machines run with one
certificate.
"""

import asyncio
import contextlib
import logging
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec

from app.errors import PeerError, StoreError
from app.store.peers import OpenInvitation, Peer
from app.sync.certificate import peer_id_of, public_key_of
from app.sync.home import Home
from app.sync.log import Placed
from app.sync.message import BlobName, Bye, Role
from app.sync.pairing import welcome
from app.sync.reaching import Candidates, Reaching
from app.sync.redial import REPLACED_TRIES, pause_s
from app.sync.runner import Runner
from app.sync.tls import Patience, Stream, admit, server_context

STRANGERS_MAX = 32
"""Connections whose certificate is not known yet; more are closed unheard."""
STRANGERS_PER_HOST_MAX = 8
"""One machine alone takes not all of these places."""
WATCH_S = 0.5
"""How soon a peer is let go that another process removed; the check is one pragma."""
CROSSING_MS = 20_000
"""Two calls of one pair within this time may have crossed; later, the newer one says that the older is lost."""
STEADY_MS = 60_000
"""A session that lasted so long, or that settled, was worth its call: the next pause is short."""
_BACKLOG_PAUSE_S = 0.2
"""When the system has no descriptors left."""

_log = logging.getLogger(__name__)

Start = Callable[[Stream, Peer, bool], Runner]
"""Makes the session for a stream with a peer; the flag says whether this node dialed."""


class LinkStatus(msgspec.Struct, frozen=True):
    """A session that stands, for /node."""

    peer_id: bytes
    since_ms: int
    heard_ms: int
    received_bytes: int
    sent_bytes: int
    settled: bool
    alike: bool


class _Link:
    """One session in its place."""

    def __init__(self, runner: Runner, stream: Stream, dialed: bool, since_ms: int) -> None:
        self.runner = runner
        self.stream = stream
        self.dialed = dialed
        self.since_ms = since_ms
        self.left = asyncio.Event()


class Links:
    """Runs all sync of one node until it is cancelled. `listener` is None for a node that only dials."""

    def __init__(
        self,
        home: Home,
        start: Start,
        listener: socket.socket | None,
        patience: Patience | None = None,
        rng: random.Random | None = None,
        candidates: Candidates | None = None,
    ) -> None:
        self._home = home
        self.has_peers = asyncio.Event()
        self._start = start
        self._listener = listener
        self._patience = patience or Patience()
        self._rng = rng or random.SystemRandom()
        self._peers: dict[bytes, Peer] = {}
        self._invitations: dict[bytes, OpenInvitation] = {}
        self._live: dict[bytes, _Link] = {}
        self._reaching = Reaching(home.key, self._patience, self._live.__contains__, candidates)
        self._called: dict[bytes, asyncio.Event] = {}
        self._dialing: dict[bytes, asyncio.Task[None]] = {}
        self._strangers: Counter[str] = Counter()
        self._context = server_context(home.key, ())
        self._tasks: asyncio.TaskGroup | None = None
        self.refused: Counter[str] = Counter()

    async def run(self) -> None:
        """Own all links for as long as the node runs."""
        for left in (self._peers, self._live, self._dialing, self._strangers):  # by a run that ended in an error
            left.clear()
        await self._home.peers.nobody_is_connected()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self.reload()
                self._tasks.create_task(self._watch(), name="sync: watch peers")
                if self._listener is not None:
                    self._tasks.create_task(self._accept(self._listener), name="sync: accept")
        finally:
            self._tasks = None

    def status(self) -> list[LinkStatus]:
        """The sessions that stand."""
        return [
            LinkStatus(
                peer_id,
                link.since_ms,
                link.runner.tally.heard_ms,
                link.stream.received_bytes,
                link.stream.sent_bytes,
                link.runner.tally.settled,
                link.runner.tally.alike,
            )
            for peer_id, link in self._live.items()
        ]

    def notes(self) -> Counter[str]:
        """What was refused and what went wrong, by a word."""
        return self.refused + sum((link.runner.notes for link in self._live.values()), Counter())

    def spread(self, entries: Sequence[Placed], via: int | None) -> None:
        """These are new here; all peers get them but the one they came from."""
        for peer_id, link in self._live.items():
            peer = self._peers.get(peer_id)
            if peer is not None and peer.index != via:
                link.runner.news(entries)

    def tell(self, blobs: Sequence[BlobName], via: int | None) -> None:
        """These blobs are new here; all peers hear of them but the one they came from."""
        for peer_id, link in self._live.items():
            peer = self._peers.get(peer_id)
            if peer is not None and peer.index != via:
                link.runner.tell(blobs)

    def blind_and_alike(self) -> dict[bytes, Runner]:
        """The sessions with blind peers that say they hold what is here: what they say can be put to the proof."""
        return {
            peer_id: link.runner
            for peer_id, link in self._live.items()
            if link.runner.tally.alike and peer_id in self._peers and self._peers[peer_id].role is Role.BLIND
        }

    def start_over(self) -> None:
        """All sessions begin anew: something was missed that they should have passed on."""
        for link in self._live.values():
            link.runner.end("again")

    async def reload(self) -> None:
        """Look at who may come in: a removed peer's session ends at once, a new peer is dialed at once."""
        peers = {peer.peer_id: peer for peer in await self._home.peers.all()}
        invitations = await self._home.peers.invitations(self._home.clock.now_ms())
        pins = {peer.certificate for peer in peers.values()}, {invitation.certificate for invitation in invitations}
        if pins != ({peer.certificate for peer in self._peers.values()}, set(self._invitations)):
            self._context = server_context(self._home.key, [*pins[0], *pins[1]])
        self._invitations = {invitation.certificate: invitation for invitation in invitations}
        self._peers, before = peers, self._peers
        if peers:
            self.has_peers.set()
        for peer_id in before.keys() - peers.keys():
            self._forget(peer_id)
        for peer_id in peers.keys() - self._dialing.keys():
            assert self._tasks is not None
            name = f"sync: dial {peers[peer_id].name}"
            self._dialing[peer_id] = self._tasks.create_task(self._keep_dialing(peer_id), name=name)

    def _forget(self, peer_id: bytes) -> None:
        dialing = self._dialing.pop(peer_id, None)
        link = self._live.get(peer_id)
        if link is not None:
            link.runner.end("removed")  # and the dialing ends with it
        elif dialing is not None:
            dialing.cancel()

    async def _watch(self) -> None:
        """Notice what other processes change, and what other parts of this one do."""
        seen: int | None = None
        while True:
            try:
                version = await self._home.peers.data_version()
                if version != seen:
                    await self.reload()
                    seen = version
            except StoreError as error:
                _log.error("The peers are not read at the moment: %s", error.message)
            await asyncio.sleep(WATCH_S)

    # Who comes in

    async def _accept(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        assert self._tasks is not None
        while True:
            try:
                connection, (host, *_) = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:
                _log.error("No connection can be taken at the moment: %s", error)
                await asyncio.sleep(_BACKLOG_PAUSE_S)
                continue
            if self._strangers.total() >= STRANGERS_MAX or self._strangers[host] >= STRANGERS_PER_HOST_MAX:
                self.refused["crowd"] += 1
                connection.close()
                continue
            self._strangers[host] += 1
            self._tasks.create_task(self._receive(connection, host), name=f"sync: from {host}")

    async def _receive(self, connection: socket.socket, host: str) -> None:
        """One incoming connection, from its handshake to its end."""
        try:
            stream = await self._admit(connection, host)
            async with _closing(stream):
                await stream.greet()
                await self._serve(stream, host)
        except (PeerError, OSError) as error:
            self.refused["connection"] += 1
            _log.info("%s: %s", host, error)
        except Exception:
            self.refused["error"] += 1
            _log.exception("A connection ended by an error.")

    async def _admit(self, connection: socket.socket, host: str) -> Stream:
        try:
            return await admit(connection, self._context, self._patience)
        finally:
            self._strangers[host] -= 1
            self._strangers += Counter()  # drops the zeros

    async def _serve(self, stream: Stream, host: str) -> None:
        invitation = self._invitations.get(stream.certificate)
        if invitation is not None:
            async with asyncio.timeout(self._patience.handshake_s):
                await welcome(stream, invitation, self._home, host)
            await self.reload()
            return
        peer = self._peers.get(peer_id_of(public_key_of(stream.certificate)))
        if peer is None or peer.certificate != stream.certificate:
            raise PeerError("This certificate was let go meanwhile.")
        await self._hold(stream, peer, dialed=False)

    # Who is dialed

    async def _keep_dialing(self, peer_id: bytes) -> None:
        """For as long as it is a peer: whenever no session stands, try to make one."""
        tries = 0
        while peer_id in self._peers:
            link = self._live.get(peer_id)
            if link is not None:  # the peer called
                await link.left.wait()
            else:
                link = await self._call(self._peers[peer_id])
            tries = self._tries_after(link, tries)
            await self._pause(peer_id, tries)

    async def _call(self, peer: Peer) -> _Link | None:
        """Dial, and the session that comes of it until its end. None when there was none."""
        try:
            stream = await self._reach(peer)
            if stream is None:
                return None
            async with _closing(stream):
                return await self._hold(stream, peer, dialed=True)
        except Exception:
            self.refused["error"] += 1
            _log.exception("A session ended by an error.")
            return None

    def _tries_after(self, link: _Link | None, tries: int) -> int:
        """How many attempts in a row came to nothing, counting this one."""
        if link is None:
            return tries + 1
        tally = link.runner.tally
        if tally.word == "replaced":
            return max(tries + 1, REPLACED_TRIES)
        lasted_ms = self._home.clock.monotonic_ms() - link.since_ms
        return 0 if tally.settled or tally.moved or lasted_ms > STEADY_MS else tries + 1

    async def _reach(self, peer: Peer) -> Stream | None:
        try:
            return await self._reaching.reach(peer)
        except PeerError as error:
            if error.message and peer.peer_id not in self._live:
                await self._note(self._home.peers.unreachable(peer.peer_id, error.message))
            return None

    async def _pause(self, peer_id: bytes, tries: int) -> None:
        """Wait, but no longer than until the peer calls."""
        called = self._called[peer_id] = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s(tries, self._rng)):
                await called.wait()

    # One session for each pair

    async def _hold(self, stream: Stream, peer: Peer, *, dialed: bool) -> _Link | None:
        """The session on this stream, until its end. None when the call crossed another one, which stands."""
        now_ms = self._home.clock.monotonic_ms()
        old = self._live.get(peer.peer_id)
        crosses = old is not None and old.dialed != dialed and now_ms - old.since_ms < CROSSING_MS
        ours_stands = self._home.key.peer_id < peer.peer_id
        if crosses and dialed != ours_stands:
            await stream.write(Bye("crossed"))
            return None
        link = self._live[peer.peer_id] = _Link(self._start(stream, peer, dialed), stream, dialed, now_ms)
        if old is not None:
            old.runner.end("crossed" if crosses else "replaced")
        if peer.peer_id in self._called:
            self._called[peer.peer_id].set()
        await self._run(link, peer, replaces=old is not None and not crosses)
        return link

    async def _run(self, link: _Link, peer: Peer, *, replaces: bool) -> None:
        clock, peers, fault = self._home.clock, self._home.peers, None
        try:
            await self._note(peers.connected(peer.peer_id, clock.now_ms(), replaces=replaces))
            fault = await link.runner.run()
        finally:
            link.left.set()
            self.refused += link.runner.notes
            if self._live.get(peer.peer_id) is link:
                del self._live[peer.peer_id]
                await self._note(peers.disconnected(peer.peer_id, clock.now_ms(), fault))

    async def _note(self, writing: Awaitable[None]) -> None:
        """What is only shown may get lost when the disk is full."""
        try:
            await writing
        except StoreError as error:
            _log.error("What became of a peer was not written down: %s", error.message)


@contextlib.asynccontextmanager
async def _closing(stream: Stream) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await stream.close()
