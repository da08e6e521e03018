"""The seam between sync and whatever keeps the blobs, as `Log` is for the envelopes. Pure."""

from collections.abc import Sequence
from typing import Protocol

from app.core.blob import BlobAddress


class Blobs(Protocol):
    """What sync may do with blobs. Everything that is said to be held is on the disk already."""

    async def addresses(self) -> bytes:
        """For the check: the addresses of all blobs held, ascending, 32 bytes each, packed."""
        ...

    async def size(self, address: BlobAddress) -> int | None:
        """The bytes of a blob held here, or None."""
        ...

    async def read(self, address: BlobAddress, offset: int, limit: int) -> bytes:
        """At most `limit` bytes of a blob held here. NotFoundError when it is not."""
        ...

    async def partials(self, addresses: Sequence[BlobAddress]) -> Sequence[int | None]:
        """For each, how many bytes of it are here, from where it is asked for; None when it is held."""
        ...

    async def write(self, address: BlobAddress, offset: int, data: bytes, size: int) -> None:
        """The next piece of a blob of `size` bytes. PeerError when it does not fit on, StoreFullError at the quota."""
        ...

    async def finish(self, addresses: Sequence[BlobAddress]) -> Sequence[bool]:
        """For each, in order, whether it is held now: whole, hashed and on the disk. What has another hash is gone."""
        ...

    async def add(self, blobs: Sequence[bytes]) -> Sequence[bool]:
        """Take in whole blobs: on the disk when this returns. For each, whether it is new here. StoreFullError."""
        ...

    async def note(self, addresses: Sequence[BlobAddress], holder: int) -> None:
        """The node with this index has these on its disk."""
        ...

    async def find(self, prefixes: Sequence[bytes]) -> Sequence[tuple[BlobAddress, int]]:
        """(address, size) of those held here whose addresses begin so."""
        ...

    async def cover(self, packed: bytes, holder: int) -> None:
        """`note` for all blobs held here whose addresses begin with one of these 16 bytes each, packed."""
        ...

    async def wanted(self, limit: int, holder: int | None = None) -> Sequence[BlobAddress]:
        """What others (or that one) hold and this node lacks: what has the fewest copies first."""
        ...

    async def lacking(self, limit: int, holder: int | None = None) -> Sequence[tuple[BlobAddress, int]]:
        """(address, size) of what is held here and not known to be there: asked for first, then the rarest."""
        ...
