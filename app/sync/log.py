"""The seam between sync and whatever keeps the envelopes: five verbs for the node logs, two for the check.

A place in a log is known when its envelope is held here, or when it is gone: expired, withdrawn, dropped. Behind the
Protocol stand a member's store, a blind node's, and a dictionary in the tests; PostgreSQL could. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from app.core.envelope import EnvelopeId
from app.radio.span import Span, Spans

Vector = Mapping[int, Spans]
"""What is known of each node's log, by the node's index in the roster."""


class Placed(msgspec.Struct, frozen=True):
    """An envelope at its place: number `number` of the log of the node with this `index`."""

    index: int
    number: int
    envelope: bytes


class Log(Protocol):
    """What sync may do with the log. Everything that is said to be held is on the disk already."""

    async def append(self, arrived: Sequence[Placed], via: int) -> Sequence[bool]:
        """Take in what the peer with the index `via` sent: on the disk when this returns.

        For each, in order, whether it is held now; False for what is forged or foreign. StoreError when the disk
        takes nothing.
        """
        ...

    async def vector(self) -> Vector:
        """All logs of which something is known."""
        ...

    async def missing(self, theirs: Vector) -> Vector:
        """What they know and we don't: neither held here nor gone."""
        ...

    async def get(self, index: int, span: Span, limit: int) -> Sequence[Placed]:
        """The first envelopes held in the span, at most `limit`; several at one place where nodes were cloned."""
        ...

    async def drop(self, index: int, span: Span) -> None:
        """Let go of what is held in the span: nobody is asked for it again, and nobody is sent it."""
        ...

    async def keys(self) -> Mapping[int, bytes]:
        """For the check: by epoch, the ids of all envelopes held, ascending, 16 bytes each, packed."""
        ...

    async def find(self, ids: Sequence[EnvelopeId]) -> Sequence[Placed]:
        """The envelopes of these names, each with one of its places; what is not held is left out."""
        ...
