"""Asks a peer for what it knows and this node lacks: everything once, in as many wants as it takes. Pure.

Spec: docs/protocol/sync.md, "Wanting".
"""

from app.errors import PeerError
from app.radio.span import Spans, holds
from app.sync.effects import Effect, ReadMissing, Send
from app.sync.log import Placed, Vector
from app.sync.message import Known, Want
from app.sync.vector import less, pack, unpack


class Asking:
    """What the peer said it knows, and what of that is still to be asked for."""

    def __init__(self) -> None:
        self._theirs: Vector | None = None
        self._missing: dict[int, Spans] = {}
        self._waits = False
        self.content = False
        """Nothing more will be asked for."""

    @property
    def owed(self) -> bool:
        """The peer has not said what it knows, or not sent what was wanted of it."""
        return self._theirs is None or self._waits

    def hear_known(self, known: Known) -> list[Effect]:
        """What the peer knows; it says so once."""
        if self._theirs is not None:
            raise PeerError("The peer tells twice what it knows.")
        self._theirs = unpack(known.logs)
        return [ReadMissing(self._theirs)]

    def lack(self, missing: Vector) -> list[Effect]:
        """This is what we lack of it."""
        self._missing = dict(missing)
        return self._want()

    def hear_settled(self) -> list[Effect]:
        """The last want is answered."""
        if not self._waits:
            raise PeerError("The peer ends an answer that was not asked for.")
        self._waits = False
        return self._want()

    def knows(self, placed: Placed) -> bool:
        """Whether the peer knew this place when it said what it knows."""
        return holds((self._theirs or {}).get(placed.index, ()), placed.number)

    def _want(self) -> list[Effect]:
        """As much as a message holds; the rest when that is answered."""
        logs = pack(self._missing)
        self._missing = less(self._missing, unpack(logs))
        self._waits = bool(logs)
        self.content = not logs
        return [Send(Want(logs))]
