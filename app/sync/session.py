"""A session between two nodes: tell what I know, ask for what I lack, answer, check, then pass on what is new. Pure.

No I/O and no clock: messages and results come in, effects go out, time is an argument. The dialer leads the check and
nothing else. Spec, with the state diagram: docs/protocol/sync.md.
"""

from collections.abc import Callable, Sequence
from typing import Any

from app.errors import PeerError
from app.radio.span import Spans, holds
from app.sync.answering import Answering
from app.sync.asking import Asking
from app.sync.batches import Batches
from app.sync.checking import Checking
from app.sync.effects import (
    Append,
    Blobs,
    Close,
    Effect,
    Find,
    Get,
    Note,
    Prove,
    Proved,
    ReadKeys,
    ReadMissing,
    ReadVector,
    Send,
)
from app.sync.log import Placed, Vector
from app.sync.message import (
    BlobGone,
    BlobHave,
    BlobHeld,
    BlobMessage,
    BlobPiece,
    BlobWant,
    Bye,
    Challenge,
    Check,
    Entries,
    Held,
    Hello,
    Known,
    Message,
    Proof,
    Ranges,
    Role,
    Roots,
    Settled,
    Want,
)
from app.sync.vector import both, less, pack, unpack

STALL_MS = 60_000
"""A peer that owes an answer and is silent for so long is gone: a slow disk takes a few seconds for a batch."""
WANTS_MAX = 256
"""Wants of one session: 4 million runs. Each place is sent once."""


class Session:
    """This side of one session. `peer_index` and `peer_role` are what the pin says, where it is known."""

    def __init__(
        self,
        me: Hello,
        *,
        dials: bool,
        peer_index: int | None = None,
        peer_role: Role | None = None,
        now_ms: int = 0,
    ) -> None:
        self._me = me
        self._dials = dials
        self._peer_index = peer_index
        self._peer_role = peer_role
        self._peer: Hello | None = None
        self._batches = Batches()
        self._asking = Asking()
        self._answering = Answering(self._batches)
        self._checking: Checking | None = None
        self._claimed: Vector | None = None
        self._unasked: dict[int, Spans] = {}
        self._wants = 0
        self._they_are_content = False
        self._challenge: Challenge | None = None
        self._proving = False
        self._progress_ms = now_ms
        self._was_owed = True
        self._closed = False
        self._hearing: dict[type[Any], Callable[[Any], list[Effect]]] = {
            Hello: self._hear_hello,
            Known: self._asking.hear_known,
            Want: self._hear_want,
            Entries: self._batches.receive,
            Held: lambda held: self._batches.held(held.refused),
            Settled: self._hear_settled,
            Check: lambda check: self._check_in_turn().hear_check(check, self._progress_ms),
            Roots: lambda roots: self._check_in_turn().hear_roots(roots),
            Ranges: lambda ranges: self._check_in_turn().hear_ranges(ranges),
            Challenge: self._hear_challenge,
            Proof: self._hear_proof,
            Bye: lambda bye: self._close(bye.word),
        }
        self._hearing.update(dict.fromkeys((BlobHave, BlobWant, BlobPiece, BlobGone, BlobHeld), self._hear_blobs))

    @property
    def peer(self) -> Hello | None:
        """Who the peer says it is, once it has."""
        return self._peer

    def start(self) -> list[Effect]:
        """The first effects. To be called once."""
        return [Send(self._me), ReadVector()]

    def receive(self, message: Message, now_ms: int) -> list[Effect]:
        """A message of the peer. PeerError when it breaks the protocol: then the session is over."""
        if self._closed:
            return []
        self._progress_ms = now_ms
        hear = self._hearing.get(type(message))
        if hear is None or (self._peer is None) != isinstance(message, Hello):
            raise PeerError("The peer sends a message that has no place here.")
        return self._go_on(hear(message), now_ms)

    def done(self, effect: Effect, result: object, now_ms: int) -> list[Effect]:
        """The result of an effect that has one, in the type that the effect says."""
        if self._closed:
            return []
        self._progress_ms = now_ms
        return self._go_on(self._take(effect, result), now_ms)

    def news(self, entries: Sequence[Placed], now_ms: int) -> list[Effect]:
        """New entries here: the peer gets them at once, unless it knows them. The caller leaves out what it sent."""
        if self._closed:
            return []
        fresh = [placed for placed in entries if not self._is_theirs(placed)]
        self._answering.late(self._batches.push(fresh))
        return self._go_on([], now_ms)

    def challenge(self, challenge: Challenge, now_ms: int) -> list[Effect]:
        """Ask the peer for a proof, if none is under way."""
        if self._challenge is not None or self._closed or self._peer is None:
            return []
        self._challenge = challenge
        return self._go_on([Send(challenge)], now_ms)

    def tick(self, now_ms: int) -> list[Effect]:
        """What time brings: the next check, or the end of a session with somebody who went silent."""
        if self._closed:
            return []
        if self._owed and now_ms >= self._progress_ms + STALL_MS:
            return self._close("silent")
        if self._checking is None or not self._both_content:
            return []
        if self._checking.spent and self._checking.due_ms is not None and now_ms >= self._checking.due_ms:
            return self._close("spent")
        return self._go_on(self._checking.tick(now_ms), now_ms)

    def deadline_ms(self) -> int | None:
        """When `tick` has something to do, if nothing else happens."""
        if self._closed:
            return None
        deadlines = [self._progress_ms + STALL_MS] if self._owed else []
        if self._checking is not None and self._checking.due_ms is not None:
            deadlines.append(self._checking.due_ms)
        return min(deadlines, default=None)

    @property
    def _owed(self) -> bool:
        """It is the peer who has to say something."""
        return (
            self._asking.owed
            or not self._they_are_content
            or self._batches.owed
            or self._challenge is not None
            or (self._checking is not None and self._checking.owed)
        )

    @property
    def _both_content(self) -> bool:
        return self._asking.content and self._they_are_content

    def _is_theirs(self, placed: Placed) -> bool:
        """They knew this place when I did not: what has come now is what they have. A copy's place both knew."""
        mine = (self._claimed or {}).get(placed.index, ())
        return self._asking.knows(placed) and not holds(mine, placed.number)

    def _go_on(self, effects: list[Effect], now_ms: int) -> list[Effect]:
        """Whatever has become possible: read on, send on, check."""
        while not self._closed:
            more = [*self._check(), *self._answering.go_on(), *self._flush()]
            if not more:
                break
            effects += more
        if self._checking is not None:
            self._checking.plan(now_ms)
        if self._owed and not self._was_owed:
            self._progress_ms = now_ms
        self._was_owed = self._owed
        return effects

    def _flush(self) -> list[Effect]:
        return self._batches.flush() if self._peer is not None and self._claimed is not None else []

    def _check(self) -> list[Effect]:
        if self._checking is None or not self._both_content:
            return []
        if self._checking.first and self._answering.idle and self._batches.idle:
            return self._checking.begin()
        return self._checking.go_on()

    # Messages

    def _hear_hello(self, hello: Hello) -> list[Effect]:
        if hello.space != self._me.space:
            raise PeerError("The peer belongs to another community.")
        if hello.index == self._me.index:
            raise PeerError("The peer has this node's own index: one of the two is a copy.")
        if self._peer_index not in (None, hello.index) or self._peer_role not in (None, hello.role):
            raise PeerError("The peer is not who its pin says.")
        self._peer = hello
        salts = self._me.salt + hello.salt if self._dials else hello.salt + self._me.salt
        self._checking = Checking(self._batches, salts, leads=self._dials, blobs=self._me.photos and hello.photos)
        return []

    def _hear_want(self, want: Want) -> list[Effect]:
        if self._claimed is None or self._they_are_content:
            raise PeerError("The peer wants something before it can, or after it had all.")
        self._wants += 1
        if self._wants > WANTS_MAX:
            raise PeerError("The peer wants again and again.")
        if want.logs:
            wanted = both(unpack(want.logs), self._unasked)
            self._unasked = less(self._unasked, wanted)
            self._answering.want(wanted)
        else:
            self._they_are_content = True
        return []

    def _hear_settled(self, settled: Settled) -> list[Effect]:
        if settled.run:
            self._check_in_turn().hear_settled(settled)
            return []
        return self._asking.hear_settled()

    def _hear_challenge(self, challenge: Challenge) -> list[Effect]:
        if self._proving:
            raise PeerError("The peer wants another proof before it has the first.")
        self._proving = True
        return [Prove(challenge)]

    def _hear_proof(self, proof: Proof) -> list[Effect]:
        challenge, self._challenge = self._challenge, None
        if challenge is None:
            raise PeerError("The peer proves what it was not asked for.")
        return [Proved(challenge, proof.digest)]

    def _hear_blobs(self, message: BlobMessage) -> list[Effect]:
        assert self._peer is not None
        if not (self._me.photos and self._peer.photos):
            raise PeerError("The peer speaks of blobs, which this session leaves out.")
        return [Blobs(message)]

    def _check_in_turn(self) -> Checking:
        if self._checking is None or not self._both_content:
            raise PeerError("The peer checks before both have what they want.")
        return self._checking

    # Results

    def _take(self, effect: Effect, result: Any) -> list[Effect]:
        match effect:
            case ReadVector():
                logs = pack(result)
                self._claimed = self._unasked = unpack(logs)
                return [Send(Known(logs))]
            case ReadMissing():
                return self._asking.lack(result)
            case Get():
                self._answering.got(effect, result)
            case Append():
                return self._batches.appended(result)
            case ReadKeys() if self._checking is not None:
                return self._checking.read(result, effect)
            case Find() if self._checking is not None:
                self._checking.found(result)
            case Prove():
                self._proving = False
                return [Send(Proof(result))]
            case _:
                raise AssertionError(effect)
        return []

    def _close(self, word: str) -> list[Effect]:
        self._closed = True
        return [Note(word), Close(word)]
