"""What writing and reading a bundle needs of a node: a member's or a blind one's. Pure."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from app.core.blob import BlobAddress
from app.core.keys import DeviceKey, SpaceId
from app.sync.blobs import Blobs
from app.sync.log import Log


class Heard(Protocol):
    """What other nodes' bundles said (app/store/bundles.py)."""

    async def heard(self, index: int) -> bytes | None: ...

    async def hear(self, index: int, written: int, vector: bytes) -> None: ...


class BundleBlobs(Blobs, Protocol):
    """Blobs, and what bundles do with them besides (app/store/blobs.py)."""

    async def ask(self, addresses: Sequence[BlobAddress], asker: int) -> None: ...

    async def forget(self, address: BlobAddress) -> None: ...

    async def copies(self) -> dict[int, int]: ...


class Roster(Protocol):
    """Whose key a writer's should be."""

    async def key_of(self, index: int) -> bytes | None:
        """The public key by which the node with this index signs bundles; None when it isn't known here."""
        ...

    async def index_of(self, name: str) -> int:
        """The node with this name or number. InputError when there is none, or two."""
        ...


class Party(msgspec.Struct, frozen=True):
    """A node with its stores. `links` are the link keys of its epochs, the newest first."""

    space_id: SpaceId
    index: int
    device: DeviceKey
    links: Sequence[bytes]
    log: Log
    blobs: BundleBlobs
    heard: Heard
    roster: Roster
