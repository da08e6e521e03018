"""Which blobs to ask a peer for, how many at a time, and whether what comes is what was asked for. Pure.

A blob is asked for whole, or from where its partial ends; pieces come in their order. What another session of this
node has claimed waits until that one has it or has let it go.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from app.core.blob import BlobAddress
from app.errors import PeerError
from app.sync.message import BlobName, BlobPiece, BlobWant

WINDOW_BYTES = 4 << 20
"""Asked for and not here yet: a gigabit over 30 ms, and what a receiver may have to write at once."""
ASKS_MAX = 256
"""Asked for at once: small photos fill the window slowly, and a peer serves no more than it remembers."""
WAITING_MAX = 32_768
"""Names that wait in one session: about 6 MB. The next check offers what found no place."""


class Arrived(msgspec.Struct, frozen=True):
    """A piece at its place. `is_last`: the blob is whole now, if it is right."""

    address: BlobAddress
    offset: int
    data: bytes
    size: int
    is_last: bool


class _Asked(msgspec.Struct):
    """A blob on its way: where it was begun and where it is. `dropped`: what still comes of it isn't kept."""

    size: int
    start: int
    next: int
    dropped: bool = False


class Fetching:
    """The asking side of one session. `claims` are shared by all sessions of the node."""

    def __init__(self, claims: set[BlobAddress]) -> None:
        self._claims = claims
        self._waiting: deque[BlobName] = deque()
        self._claimed: dict[BlobAddress, BlobName] = {}
        self._asked: dict[BlobAddress, _Asked] = {}
        self._finishing: dict[BlobAddress, _Asked] = {}
        self._outstanding_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Nothing is on its way, nothing waits."""
        return not (self._waiting or self._claimed or self._asked or self._finishing)

    @property
    def waiting(self) -> int:
        """How many have not been asked for yet."""
        return len(self._waiting)

    def offer(self, blobs: Sequence[BlobName]) -> None:
        """These are what the peer has and this node lacks, in the order in which they are wanted; no others wait."""
        under_way = self._claimed.keys() | self._asked.keys() | self._finishing.keys()
        wanted = (blob for blob in blobs[:WAITING_MAX] if blob.address not in under_way)
        self._waiting = deque(wanted)

    def next(self) -> list[BlobName]:
        """Those to ask for now, claimed for this session: as many as the window takes and nobody else has claimed."""
        claimed: list[BlobName] = []
        for _ in range(len(self._waiting)):
            blob, busy = self._waiting[0], len(self._asked) + len(self._claimed)
            if busy >= ASKS_MAX or (busy and self._outstanding_bytes + blob.size > WINDOW_BYTES):
                break
            self._waiting.popleft()
            address = BlobAddress(blob.address)
            if address in self._claims:
                self._waiting.append(blob)
                continue
            self._claims.add(address)
            self._claimed[address] = blob
            self._outstanding_bytes += blob.size
            claimed.append(blob)
        return claimed

    def ask(self, blob: BlobName, offset: int) -> BlobWant | None:
        """The question for a claimed blob of which `offset` bytes are here; None when they are all, to be finished."""
        address = BlobAddress(blob.address)
        del self._claimed[address]
        start = offset if offset <= blob.size else 0
        self._outstanding_bytes -= start
        asked = _Asked(blob.size, start, start)
        if start == blob.size:
            self._finishing[address] = asked
            return None
        self._asked[address] = asked
        return BlobWant(blob.address, start, blob.size - start)

    def release(self, address: BlobAddress) -> None:
        """A claimed blob that need not be asked for: it came by another way."""
        self._outstanding_bytes -= self._claimed.pop(address).size
        self._claims.discard(address)

    def piece(self, piece: BlobPiece) -> Arrived | None:
        """What came, or None where it is no longer wanted. PeerError for what was not asked for."""
        address = BlobAddress(piece.address)
        asked = self._asked.get(address)
        if asked is None or piece.offset != asked.next or piece.offset + len(piece.data) > asked.size:
            raise PeerError("The peer sent a piece of a photo that nobody asked for.")
        asked.next += len(piece.data)
        self._outstanding_bytes -= len(piece.data)
        is_last = asked.next == asked.size
        if is_last:
            del self._asked[address]
            if asked.dropped:
                self._claims.discard(address)
            else:
                self._finishing[address] = asked
        return None if asked.dropped else Arrived(address, piece.offset, piece.data, asked.size, is_last)

    def gone(self, address: BlobAddress) -> None:
        """The peer no longer has it. PeerError when it was not asked for."""
        asked = self._asked.pop(address, None)
        if asked is None:
            raise PeerError("The peer lacks a photo that nobody asked for.")
        self._outstanding_bytes -= asked.size - asked.next
        self._claims.discard(address)

    def finished(self, address: BlobAddress, *, sound: bool) -> None:
        """Its hash was looked at. PeerError when all of a wrong one came from this peer; else it is asked for anew."""
        asked = self._finishing.pop(address)
        self._claims.discard(address)
        if sound:
            return
        if asked.start == 0:
            raise PeerError("The peer sent another photo under the name of the one that was asked for.")
        self._waiting.appendleft(BlobName(address, asked.size))

    def give_up(self, address: BlobAddress) -> None:
        """No room was left for a piece of this one: nothing more is asked for, what is on its way is not kept."""
        if self._finishing.pop(address, None) is not None:
            self._claims.discard(address)
        self._waiting.clear()
        for asked in self._asked.values():
            asked.dropped = True

    def close(self) -> None:
        """The session is over: what it had claimed is free for others."""
        self._claims.difference_update(self._claimed, self._asked, self._finishing)
        self._claimed.clear()
        self._asked.clear()
        self._finishing.clear()
        self._waiting.clear()
