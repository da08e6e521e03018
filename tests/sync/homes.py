"""Nodes for tests of the shells: a dictionary for a log, a real database for the peers, real sockets between them."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from app.clock import ManualClock, SystemClock
from app.core.blob import BlobAddress
from app.core.envelope import EnvelopeId, envelope_id
from app.core.keys import SpaceId
from app.errors import NotFoundError
from app.radio.span import Span, normal
from app.store.database import Database, open_database
from app.store.peers import Peer, PeerStore
from app.sync.certificate import SyncKey
from app.sync.effects import Append, Effect, Send, Settled
from app.sync.home import Granting, Home
from app.sync.links import Links
from app.sync.log import Placed, Vector
from app.sync.message import Challenge, Entries, EntryRun, EpochShare, Held, Message, Role
from app.sync.runner import Runner
from app.sync.surroundings import Surroundings
from app.sync.tls import Patience, Stream

SPACE = SpaceId(b"s" * 16)
PATIENCE = Patience(handshake_s=5.0, message_s=5.0, silence_s=30.0)
SECONDS_MAX = 15.0
"""For what happens at once, on a machine that is busy."""


class DictLog:
    """The `Log` of a node, in memory."""

    def __init__(self) -> None:
        self.entries: dict[tuple[int, int], bytes] = {}

    async def append(self, arrived: Sequence[Placed], via: int) -> Sequence[bool]:
        for placed in arrived:
            self.entries[placed.index, placed.number] = placed.envelope
        return [True] * len(arrived)

    async def vector(self) -> Vector:
        spans: dict[int, list[Span]] = {}
        for index, number in self.entries:
            spans.setdefault(index, []).append(Span(number, number))
        return {index: normal(found) for index, found in spans.items()}

    async def missing(self, theirs: Vector) -> Vector:
        raise NotImplementedError

    async def get(self, index: int, span: Span, limit: int) -> Sequence[Placed]:
        found = sorted(key for key in self.entries if key[0] == index and key[1] in span)
        return [Placed(*key, self.entries[key]) for key in found[:limit]]

    async def drop(self, index: int, span: Span) -> None:
        raise NotImplementedError

    async def keys(self) -> Mapping[int, bytes]:
        return {1: b"".join(sorted(envelope_id(envelope) for envelope in self.entries.values()))}

    async def find(self, ids: Sequence[EnvelopeId]) -> Sequence[Placed]:
        return [Placed(*key, envelope) for key, envelope in self.entries.items() if envelope_id(envelope) in ids]


class NoBlobs:
    """The `Blobs` of a node that has none."""

    async def addresses(self) -> bytes:
        return b""

    async def size(self, address: BlobAddress) -> int | None:
        return None

    async def read(self, address: BlobAddress, offset: int, limit: int) -> bytes:
        raise NotFoundError("There is none.")

    async def partials(self, addresses: Sequence[BlobAddress]) -> Sequence[int | None]:
        return [0] * len(addresses)

    async def write(self, address: BlobAddress, offset: int, data: bytes, size: int) -> None:
        raise NotImplementedError

    async def finish(self, addresses: Sequence[BlobAddress]) -> Sequence[bool]:
        raise NotImplementedError

    async def add(self, blobs: Sequence[bytes]) -> Sequence[bool]:
        raise NotImplementedError

    async def cover(self, packed: bytes, holder: int) -> None:
        pass

    async def find(self, prefixes: Sequence[bytes]) -> Sequence[tuple[BlobAddress, int]]:
        return ()

    async def note(self, addresses: Sequence[BlobAddress], holder: int) -> None:
        raise NotImplementedError

    async def wanted(self, limit: int, holder: int | None = None) -> Sequence[BlobAddress]:
        return ()

    async def lacking(self, limit: int, holder: int | None = None) -> Sequence[tuple[BlobAddress, int]]:
        return ()


class Telling:
    """The smallest session: tells all it has and then what is new, takes in what it is told."""

    def __init__(self, log: DictLog) -> None:
        self._log = log

    def start(self) -> list[Effect]:
        return self.news([Placed(*key, envelope) for key, envelope in self._log.entries.items()], 0)

    def receive(self, message: Message, now_ms: int) -> list[Effect]:
        match message:
            case Entries(runs):
                return [Append(tuple(_placed(runs)))]
            case Held():
                return [Settled(alike=True)]
        return []

    def done(self, effect: Effect, result: object, now_ms: int) -> list[Effect]:
        return [Send(Held(()))]

    def news(self, entries: Sequence[Placed], now_ms: int) -> list[Effect]:
        runs = tuple(EntryRun(placed.index, placed.number, (placed.envelope,)) for placed in entries)
        return [Send(Entries(runs))] if runs else []

    def challenge(self, challenge: Challenge, now_ms: int) -> list[Effect]:
        return [Send(challenge)]

    def tick(self, now_ms: int) -> list[Effect]:
        return []

    def deadline_ms(self) -> int | None:
        return None


class Machine:
    """A node with its links, at a port of its own."""

    def __init__(self, home: Home, log: DictLog, database: Database, listener: socket.socket | None) -> None:
        self.home = home
        self.log = log
        self.database = database
        self.listener = listener
        self.links = Links(home, self._start, listener, PATIENCE, random.Random(home.index))
        self.task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        assert self.listener is not None
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        self.task = asyncio.create_task(self.links.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
            self.task = None

    async def pins(self, other: "Machine", *, addresses: Sequence[str] = ()) -> None:
        """Let the other one in; dial it where an address is given."""
        home = other.home
        await self.home.peers.pin(
            Peer(
                *(home.key.peer_id, home.key.certificate, home.name, home.index, home.role, True, None),
                *(tuple(addresses), 0),
            )
        )

    async def finds_fault(self, other: "Machine") -> str:
        """Why the last attempt with the other one ended, once it has."""
        async with asyncio.timeout(SECONDS_MAX):
            while (fault := (await self.peer(other)).fault) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return fault

    async def peer(self, other: "Machine") -> Peer:
        return next(peer for peer in await self.home.peers.all() if peer.peer_id == other.home.key.peer_id)

    def tell(self, number: int) -> bytes:
        """Something new here; all peers that are connected hear of it."""
        envelope = bytes([self.home.index]) * 100 + number.to_bytes(4, "big")
        self.log.entries[self.home.index, number] = envelope
        self.links.spread([Placed(self.home.index, number, envelope)], None)
        return envelope

    def _start(self, stream: Stream, peer: Peer, dialed: bool) -> Runner:
        around = Surroundings(
            *(self.log, peer.index, self.home.clock.monotonic_ms, _hold_nothing, NoBlobs()),
            lambda index: self.home.peers.moved(peer.peer_id, index),
            lambda proved: self.home.peers.judged(peer.peer_id, 0, proved=proved),
        )
        return Runner(Telling(self.log), stream, around)


@contextlib.asynccontextmanager
async def machine(
    folder: Path, index: int, *, seed: bytes | None = None, listens: bool = True, clock: ManualClock | None = None
) -> AsyncIterator[Machine]:
    """A node of the community, not running yet."""
    database = await open_database(folder / f"node-{index}")
    peers = PeerStore(database)
    key = SyncKey(await peers.seed(seed or bytes([index]) * 32))
    log = DictLog()
    indexes = iter(range(100, 200))

    async def share() -> tuple[EpochShare, ...]:
        return (EpochShare(1, b"r" * 32, b"l" * 32, 5),)

    async def reserve_index() -> int:
        return next(indexes)

    home = Home(
        *(key, f"Node {index}", index, Role.MEMBER, SPACE, True, peers, log, clock or SystemClock()),
        Granting(share, reserve_index),
    )
    listener = socket.create_server(("127.0.0.1", 0)) if listens else None
    found = Machine(home, log, database, listener)
    try:
        yield found
    finally:
        await found.stop()
        if listener is not None:
            listener.close()
        await database.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, but not for ever."""
    async with asyncio.timeout(SECONDS_MAX):
        while not condition():  # noqa: ASYNC110 - whatever a test looks at
            await asyncio.sleep(0.01)


async def _hold_nothing(ids: Sequence[EnvelopeId], index: int) -> None:
    pass


def _placed(runs: Sequence[EntryRun]) -> list[Placed]:
    return [
        Placed(run.index, run.first + offset, envelope) for run in runs for offset, envelope in enumerate(run.envelopes)
    ]
