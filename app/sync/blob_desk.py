"""Fetches and serves blobs in one session: what the peer has and this node lacks, and what it asks for. A shell.

Pieces are written as they come and hashed on the way; whole blobs are synced many at once, and only then said to be
held. What is sent waits behind the notices (`send` blocks while much is on its way).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app.core.blob import BlobAddress
from app.errors import NotFoundError, PeerError, StoreFullError
from app.sync.blobs import Blobs
from app.sync.fetching import WAITING_MAX, Fetching
from app.sync.message import (
    BLOBS_NAMED_MAX,
    PIECE_BYTES_MAX,
    BlobGone,
    BlobHave,
    BlobHeld,
    BlobMessage,
    BlobName,
    BlobPiece,
    BlobWant,
)

WANTS_MAX = 512
"""Questions of a peer that wait here: twice what a node asks at once. Whoever asks more isn't one of ours."""
FINISH_MAX = 64
"""Blobs synced and noted at once."""
LOOK_AGAIN_SECONDS = 2.0
"""How often blobs that another session had claimed are looked at again."""

Send = Callable[[BlobMessage], Awaitable[None]]


class Desk:
    """Behind `runner.BlobDesk`. `claims` are shared by all sessions of the node; `peer` is the peer's index.

    `on_held` is told of blobs that came, so that other sessions offer them on.
    """

    def __init__(
        self,
        blobs: Blobs,
        peer: int,
        claims: set[BlobAddress],
        send: Send,
        on_held: Callable[[Sequence[BlobName]], None] = lambda _: None,
    ) -> None:
        self._blobs = blobs
        self._peer = peer
        self._send = send
        self._on_held = on_held
        self._fetching = Fetching(claims)
        self._sizes: dict[BlobAddress, int] = {}
        self._wants: asyncio.Queue[BlobWant] = asyncio.Queue(WANTS_MAX)
        self._whole: asyncio.Queue[BlobName] = asyncio.Queue()
        self._news: asyncio.Queue[Sequence[BlobName]] = asyncio.Queue()
        self._asking = asyncio.Event()
        self.is_full = False
        """This node has no room for more: nothing is asked for until the next session."""

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._serve, self._finish, self._ask, self._tell):
                    tasks.create_task(work(), name=f"sync: blobs, {work.__name__.strip('_')}")
        finally:
            self._fetching.close()

    async def receive(self, message: BlobMessage) -> None:
        """A message of the peer. PeerError when it breaks the protocol. Never waits for the peer to read."""
        match message:
            case BlobHave(blobs):
                await self._consider(blobs)
            case BlobWant():
                if self._wants.full():
                    raise PeerError("The peer asks for more photos at once than a node does.")
                self._wants.put_nowait(message)
            case BlobPiece():
                await self._take(message)
            case BlobGone(address):
                self._fetching.gone(BlobAddress(address))
                self._asking.set()
            case BlobHeld(addresses):
                await self._blobs.note([BlobAddress(address) for address in addresses], self._peer)

    async def offer(self, keys: Sequence[bytes]) -> None:
        """The peer lacks these, by the beginnings of their addresses."""
        self.tell([BlobName(address, size) for address, size in await self._blobs.find(keys)])

    def tell(self, blobs: Sequence[BlobName]) -> None:
        """These are on this disk: the peer hears of them soon."""
        self._news.put_nowait(blobs)

    async def _consider(self, blobs: Sequence[BlobName]) -> None:
        await self._blobs.note([BlobAddress(blob.address) for blob in blobs], self._peer)
        if self.is_full:
            return
        self._sizes |= {BlobAddress(blob.address): blob.size for blob in blobs}
        wanted = await self._blobs.wanted(WAITING_MAX, self._peer)
        named = [BlobName(address, self._sizes[address]) for address in wanted if address in self._sizes]
        self._sizes = {BlobAddress(blob.address): blob.size for blob in named}
        self._fetching.offer(named)
        self._asking.set()

    async def _take(self, piece: BlobPiece) -> None:
        arrived = self._fetching.piece(piece)
        self._asking.set()
        if arrived is None:
            return
        try:
            await self._blobs.write(arrived.address, arrived.offset, arrived.data, arrived.size)
        except StoreFullError:  # the quota is reached, or the disk nearly: notices go on, photos don't
            self.is_full = True
            self._fetching.give_up(arrived.address)
            return
        if arrived.is_last:
            self._whole.put_nowait(BlobName(arrived.address, arrived.size))

    async def _ask(self) -> None:
        while True:
            self._asking.clear()
            while blobs := self._fetching.next():
                await self._ask_for(blobs)
            try:
                async with asyncio.timeout(LOOK_AGAIN_SECONDS if self._fetching.waiting else None):
                    await self._asking.wait()
            except TimeoutError:
                continue

    async def _ask_for(self, blobs: Sequence[BlobName]) -> None:
        here = await self._blobs.partials([BlobAddress(blob.address) for blob in blobs])
        for blob, offset in zip(blobs, here, strict=True):
            if offset is None:
                self._fetching.release(BlobAddress(blob.address))
            elif (want := self._fetching.ask(blob, offset)) is None:
                self._whole.put_nowait(blob)
            else:
                await self._send(want)

    async def _finish(self) -> None:
        while True:
            whole = [await self._whole.get()]
            while len(whole) < FINISH_MAX and not self._whole.empty():
                whole.append(self._whole.get_nowait())
            held = await self._blobs.finish([BlobAddress(blob.address) for blob in whole])
            ours = [blob for blob, is_held in zip(whole, held, strict=True) if is_held]
            if ours:
                await self._send(BlobHeld(tuple(blob.address for blob in ours)))
                self._on_held(ours)
            for blob, is_held in zip(whole, held, strict=True):
                self._fetching.finished(BlobAddress(blob.address), sound=is_held)
            self._asking.set()

    async def _serve(self) -> None:
        while True:
            want = await self._wants.get()
            try:
                data = await self._blobs.read(BlobAddress(want.address), want.offset, want.length)
            except NotFoundError:
                data = b""
            if len(data) < want.length:
                await self._send(BlobGone(want.address))
                continue
            for start in range(0, len(data), PIECE_BYTES_MAX):
                await self._send(BlobPiece(want.address, want.offset + start, data[start : start + PIECE_BYTES_MAX]))

    async def _tell(self) -> None:
        """A task of its own: whoever reads what the peer sends must not wait for the peer to read."""
        while True:
            blobs = await self._news.get()
            for start in range(0, len(blobs), BLOBS_NAMED_MAX):
                await self._send(BlobHave(tuple(blobs[start : start + BLOBS_NAMED_MAX])))
