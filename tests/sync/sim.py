"""A small world for the session machine: nodes are dictionaries, links are queues, and a seeded chance decides what
happens next: a message arrives, a read or write is done, a link is cut. Time is a number."""

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from app.core.envelope import EnvelopeId, envelope_id
from app.radio.span import Span, Spans, minus, normal
from app.sync.effects import (
    Append,
    Close,
    Effect,
    Find,
    Get,
    Holds,
    HoldsAll,
    Prove,
    ReadKeys,
    ReadMissing,
    ReadVector,
    Send,
    Settled,
)
from app.sync.log import Placed, Vector
from app.sync.message import BLOBS_EPOCH, LENGTH_BYTES, Hello, Message, Role, decode_body, encode_body
from app.sync.session import Session

SPACE = b"cellar 1"
EPOCHS = 3
FIRST_OWN = 1000
"""A node never numbers below what others know of its log: it would be a copy."""
Place = tuple[int, int]


def an_envelope(rng: random.Random, size: int = 120) -> bytes:
    return rng.randbytes(size)


class Node:
    """A log in a dictionary: several envelopes at a place, gone places, and what it refuses to hold."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.places: defaultdict[Place, list[bytes]] = defaultdict(list)
        self.names: dict[EnvelopeId, Placed] = {}
        self.highest: defaultdict[int, int] = defaultdict(int)
        self.gone: defaultdict[int, list[Span]] = defaultdict(list)
        self.refuses: set[EnvelopeId] = set()
        self.custody: defaultdict[int, set[EnvelopeId]] = defaultdict(set)
        self.blobs: set[bytes] = set()
        self.ends: list[End] = []

    def post(self, envelope: bytes, place: Place | None = None) -> Placed:
        """A new entry that enters here, or is simply put where it stands."""
        if place is None:
            place = (self.index, 1 + max(self.highest[self.index], FIRST_OWN))
        placed = Placed(*place, envelope)
        self.put(placed)
        return placed

    def put(self, placed: Placed) -> bool:
        """True when it is new."""
        name = envelope_id(placed.envelope)
        self.highest[placed.index] = max(self.highest[placed.index], placed.number)
        at = self.places[placed.index, placed.number]
        if placed.envelope not in at:
            at.append(placed.envelope)
        return self.names.setdefault(name, placed) is placed

    def forget(self, placed: Placed) -> None:
        """It expired, or was withdrawn."""
        self.names.pop(envelope_id(placed.envelope), None)
        self.places.pop((placed.index, placed.number), None)
        self.gone[placed.index].append(Span(placed.number, placed.number))

    def vector(self) -> dict[int, Spans]:
        spans: defaultdict[int, list[Span]] = defaultdict(list)
        for (index, number), there in self.places.items():
            if there:
                spans[index].append(Span(number, number))
        for index, gone in self.gone.items():
            spans[index] += gone
        return {index: normal(some) for index, some in spans.items()}

    def missing(self, theirs: Vector) -> dict[int, Spans]:
        mine = self.vector()
        lacking = {index: minus(spans, mine.get(index, ())) for index, spans in theirs.items()}
        return {index: spans for index, spans in lacking.items() if spans}

    def get(self, index: int, span: Span, limit: int) -> list[Placed]:
        found: list[Placed] = []
        for number in range(span.first, min(span.last, self.highest[index]) + 1):
            found += [Placed(index, number, envelope) for envelope in self.places.get((index, number), ())]
            if len(found) >= limit:
                break
        return found[:limit]

    def keys(self, *, blobs: bool) -> dict[int, bytes]:
        epochs: defaultdict[int, list[bytes]] = defaultdict(list)
        for name, placed in self.names.items():
            epochs[placed.envelope[0] % EPOCHS].append(name)
        if blobs and self.blobs:
            epochs[BLOBS_EPOCH] = [address[:16] for address in self.blobs]
        return {epoch: b"".join(sorted(group)) for epoch, group in epochs.items()}

    def append(self, batch: Sequence[Placed], via: "End") -> list[bool]:
        held = [envelope_id(placed.envelope) not in self.refuses for placed in batch]
        fresh = [placed for placed, kept in zip(batch, held, strict=True) if kept and self.put(placed)]
        for end in self.ends:
            if end is not via and fresh:
                end.news(fresh)
        return held

    def hears(self, placed: Placed) -> None:
        """A new entry came from elsewhere: all sessions pass it on."""
        self.put(placed)
        for end in self.ends:
            end.news([placed])


class End:
    """One side of a link: the shell of a session."""

    def __init__(self, world: "World", node: Node, session: Session, peer_index: int) -> None:
        self.world = world
        self.node = node
        self.session = session
        self.peer_index = peer_index
        self.inbox: deque[bytes] = deque()
        self.appends: deque[Append] = deque()
        self.reads: list[Effect] = []
        self.other: End
        self.settled: list[bool] = []
        self.closed: str | None = None
        self.effects: list[Effect] = []
        self.sent_bytes = 0
        self.sent: list[Message] = []

    def start(self) -> None:
        self._do(self.session.start())

    def news(self, entries: Sequence[Placed]) -> None:
        self._do(self.session.news(entries, self.world.now_ms))

    def tick(self) -> None:
        self._do(self.session.tick(self.world.now_ms))

    def choices(self) -> list[Callable[[], None]]:
        """What may happen here next."""
        some: list[Callable[[], None]] = [self._deliver] if self.inbox else []
        some += [self._append] if self.appends else []
        return some + [self._read] * len(self.reads)

    def _deliver(self) -> None:
        message = decode_body(self.inbox.popleft())
        self._do(self.session.receive(message, self.world.now_ms))

    def _append(self) -> None:
        effect = self.appends.popleft()
        held = self.node.append(effect.batch, self)
        self._do(self.session.done(effect, held, self.world.now_ms))

    def _read(self) -> None:
        effect = self.reads.pop(self.world.rng.randrange(len(self.reads)))
        self._do(self.session.done(effect, self._result(effect), self.world.now_ms))

    def _result(self, effect: Effect) -> object:
        node = self.node
        match effect:
            case ReadVector():
                return node.vector()
            case ReadMissing(theirs):
                return node.missing(theirs)
            case Get(index, span, limit):
                return node.get(index, span, limit)
            case ReadKeys(blobs):
                return node.keys(blobs=blobs)
            case Find(ids):
                return [node.names[name] for name in ids if name in node.names]
            case Prove():
                return b"proof"
            case _:
                raise AssertionError(effect)

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self.effects.append(effect)
            match effect:
                case Send(message):
                    body = encode_body(message)
                    self.sent_bytes += LENGTH_BYTES + len(body)
                    self.sent.append(message)
                    self.other.inbox.append(body)
                case Append():
                    self.appends.append(effect)
                case ReadVector() | ReadMissing() | Get() | ReadKeys() | Find() | Prove():
                    self.reads.append(effect)
                case Settled(alike):
                    self.settled.append(alike)
                case Close(word):
                    self.closed = word
                case Holds(ids):
                    self.node.custody[self.peer_index].update(ids)
                case HoldsAll(keys):
                    for packed in keys.values():
                        self.node.custody[self.peer_index].update(
                            EnvelopeId(packed[at : at + 16]) for at in range(0, len(packed), 16)
                        )


class World:
    """Nodes and links on one clock."""

    def __init__(self, seed: int, nodes: int = 2) -> None:
        self.rng = random.Random(seed)
        self.nodes = [Node(index) for index in range(nodes)]
        self.now_ms = 0
        self.links: list[tuple[End, End]] = []

    def link(
        self, dialer: int, other: int, *, photos: bool = False, shells: Mapping[int, type[End]] | None = None
    ) -> tuple[End, End]:
        """A new session between two nodes; `shells` says which of them have another shell than End."""
        ends = []
        for me, peer, dials in ((dialer, other, True), (other, dialer, False)):
            hello = Hello(me, Role.MEMBER, SPACE, self.rng.randbytes(8), photos)
            session = Session(hello, dials=dials, peer_index=peer, peer_role=Role.MEMBER, now_ms=self.now_ms)
            ends.append((shells or {}).get(me, End)(self, self.nodes[me], session, peer))
        one, two = ends
        one.other, two.other = two, one
        self.links.append((one, two))
        for end in (one, two):
            end.node.ends.append(end)
            end.start()
        return one, two

    def cut(self, link: tuple[End, End]) -> None:
        """What was under way is lost; a write may have come to its end, and nobody hears of it."""
        self.links.remove(link)
        for end in link:
            end.node.ends.remove(end)
            while end.appends and self.rng.random() < 0.5:
                end.node.append(end.appends.popleft().batch, end)

    def step(self) -> bool:
        """Something happens; False when nothing can without the clock."""
        choices = [choice for link in self.links for end in link for choice in end.choices()]
        if not choices:
            return False
        self.now_ms += self.rng.randrange(3)
        self.rng.choice(choices)()
        return True

    def run(self, steps_max: int = 100_000) -> int:
        """Until nothing happens any more without the clock. How many steps it took."""
        for steps in range(steps_max):
            if not self.step():
                return steps
        raise AssertionError(f"Still busy after {steps_max} steps.")

    def wait(self, ms: int) -> None:
        """Let time pass, with all that it brings."""
        until_ms = self.now_ms + ms
        while True:
            self.run()
            deadlines = [at for link in self.links for end in link if (at := end.session.deadline_ms()) is not None]
            if not deadlines or min(deadlines) > until_ms:
                break
            self.now_ms = max(self.now_ms, min(deadlines))
            for link in self.links:
                for end in link:
                    end.tick()
        self.now_ms = until_ms

    @property
    def alike(self) -> bool:
        """All nodes hold the same envelopes."""
        return all(node.names.keys() == self.nodes[0].names.keys() for node in self.nodes)


def furnish(world: World, entries: int) -> None:
    """Entries of all nodes, each held by some of them; some are gone here and there, places shared by clones."""
    rng = world.rng
    for number in range(1, entries + 1):
        index = rng.randrange(len(world.nodes) + 2)
        envelope = an_envelope(rng, rng.randrange(95, 400))
        for node in world.nodes:
            if rng.random() < 0.6:
                node.post(envelope, (index, number if rng.random() < 0.9 else max(1, number - 1)))
            elif rng.random() < 0.1:
                node.gone[index].append(Span(number, number))
