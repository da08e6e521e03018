"""What a session works with, and what it gets there for its questions. A shell."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from app.core.blob import ADDRESS_BYTES
from app.core.envelope import ENVELOPE_ID_BYTES, EnvelopeId
from app.sync import effects
from app.sync.blobs import Blobs
from app.sync.effects import Effect
from app.sync.log import Log, Placed
from app.sync.message import BLOBS_EPOCH, BlobMessage, BlobName
from app.sync.proof import prove


class BlobDesk(Protocol):
    """Who fetches and serves blobs in one session. It sends by the function that it was made with."""

    async def run(self) -> None:
        """Until it is cancelled."""
        ...

    async def receive(self, message: BlobMessage) -> None: ...
    async def offer(self, keys: Sequence[bytes]) -> None: ...
    def tell(self, blobs: Sequence[BlobName]) -> None: ...


class Surroundings(msgspec.Struct, frozen=True):
    """What a session works with. `via` is the peer's index by its pin, under which its custody is counted.

    `hold` is told what the peer has on its disk, `on_proof` whether it could prove that, `on_index` that it has another
    index by now, `on_new` what came in, where nobody else tells of it.
    """

    log: Log
    via: int
    now_ms: Callable[[], int]
    hold: Callable[[Sequence[EnvelopeId], int], Awaitable[None]]
    blobs: Blobs
    on_index: Callable[[int], Awaitable[None]]
    on_proof: Callable[[bool], Awaitable[None]]
    on_new: Callable[[Sequence[Placed], int], None] | None = None
    desk: Callable[[Callable[[BlobMessage], Awaitable[None]]], BlobDesk] | None = None


async def answer(effect: Effect, log: Log, blobs: Blobs) -> object:
    """The result of an effect that only reads."""
    match effect:
        case effects.ReadVector():
            return await log.vector()
        case effects.ReadMissing(theirs):
            return await log.missing(theirs)
        case effects.Get(index, span, limit):
            return await log.get(index, span, limit)
        case effects.Find(ids):
            return await log.find(ids)
        case effects.ReadKeys(with_blobs):
            return await _keys(log, blobs if with_blobs else None)
        case effects.Prove(challenge):
            return await prove(challenge, log, blobs)
        case _:
            raise AssertionError(effect)


async def hold_all(keys: Mapping[int, bytes], around: Surroundings) -> None:
    """The peer has all of these: custody."""
    for epoch, packed in keys.items():
        if epoch == BLOBS_EPOCH:
            await around.blobs.cover(packed, around.via)
        else:
            starts = range(0, len(packed), ENVELOPE_ID_BYTES)
            await around.hold([EnvelopeId(packed[at : at + ENVELOPE_ID_BYTES]) for at in starts], around.via)


async def _keys(log: Log, blobs: Blobs | None) -> Mapping[int, bytes]:
    """By epoch; the blobs under a number of their own, by as much of their addresses as an id has."""
    if blobs is None:
        return await log.keys()
    packed = await blobs.addresses()
    starts = range(0, len(packed), ADDRESS_BYTES)
    return {**await log.keys(), BLOBS_EPOCH: b"".join(packed[at : at + ENVELOPE_ID_BYTES] for at in starts)}
