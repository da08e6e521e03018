"""Assembly: symbols heard become envelopes, and what is missing is asked for. A pure machine with bounded memory.

A symbol under K_link says that a member made it, not which member, and not that it is right. So an object trusts in
three steps. OPEN: symbols of all senders count. When the decoded object is not what its name says, ONE: only symbols
that name one sender, so that one repetition serves all who listen. When even that fails, PAIR: only symbols under the
key that this node shares with that one sender and nobody else, which a liar cannot make; a sender that fails there has
lied itself, and the next is asked. Time is an argument, randomness is injected.
Spec, with the state diagram: docs/protocol/radio-fragments.md.
"""

import random
from collections import Counter

from app.radio.fragment import SOURCE_SYMBOLS_MAX, Cut, ObjectId, Symbol, object_id_of, solve
from app.radio.want import WANTS_MAX, Trust, Want

OBJECTS_MAX = 64
"""Unfinished objects; a node hears one or two at a time, the rest is what went out of range half way."""
BYTES_MAX = 512 * 1024
"""All that is kept of unfinished objects, with what Python adds: 30 whole ones of the largest size."""
BYTES_PER_SENDER_MAX = 128 * 1024
"""What one sender's objects may take: a quarter, so that no single one displaces all others."""
OBJECT_COST_BYTES = 1024
SYMBOL_COST_BYTES = 160
SOURCE_COST_BYTES = 128
"""What Python spends on keeping an object, a symbol besides its data, a sender: measured 760, 143 and 90."""
FINISHED_MAX = 512
"""Names of objects that are no longer wanted, so that late symbols don't start them again: 60 KB."""
IDLE_MS = 6 * 3_600_000
"""An object that nobody completes in six hours is forgotten; node-log vectors will name it again."""
SOURCES_MAX = 32
"""Senders remembered for each object, those it has most from: enough to find an honest one among them."""
QUIET_FRAMES = 3.0
"""Ask when the air has been silent about an object for this many frames: the sender has finished."""
SPREAD_FRAMES = 4.0
"""Who lacks most asks first; the others, who lack as much or less, hear it and keep silent."""
PATIENCE_FRAMES = 6.0
"""An answer may wait for the channel and for a more urgent frame."""
PATIENCE_MAX_MS = 15 * 60_000
"""The wait between requests doubles up to this."""
ASK_EXTRA = 4
"""A quarter more than is missing: the answer loses symbols too, and one request less is saved (simulated)."""
ASKS_MAX = 12
"""After so many requests in vain nobody in range has it (at 30 % loss, one in 3,000 is wrong there). Another symbol,
which a node-log vector brings about, starts the count again."""
ASKS_PER_SOURCE = 3
"""A single source that does not answer three times is not there: try the next."""


class _Object:
    """An unfinished object. `symbols` holds at most as many as the envelope was cut into."""

    __slots__ = (
        "ask_at_ms",
        "asks",
        "cut",
        "heard",
        "last_ms",
        "object_id",
        "opener",
        "source",
        "symbols",
        "tried",
        "trust",
    )

    def __init__(self, object_id: ObjectId, cut: Cut, opener: int, now_ms: int) -> None:
        self.object_id = object_id
        self.cut = cut
        self.opener = opener
        self.symbols: dict[int, tuple[int, bytes]] = {}
        self.heard: Counter[int] = Counter()
        self.tried: set[int] = set()
        self.trust = Trust.OPEN
        self.source: int | None = None
        self.asks = 0
        self.ask_at_ms: int | None = now_ms
        self.last_ms = now_ms

    @property
    def missing(self) -> int:
        return self.cut.source_symbols - len(self.symbols)

    @property
    def cost_bytes(self) -> int:
        symbols = len(self.symbols) * (SYMBOL_COST_BYTES + self.cut.data_bytes)
        return OBJECT_COST_BYTES + len(self.heard) * SOURCE_COST_BYTES + symbols

    @property
    def usefulness(self) -> tuple[int, int]:
        """Airtime spent on it counts first, then how fresh it is."""
        return len(self.symbols), self.last_ms

    def admits(self, sender: int, *, paired: bool) -> bool:
        match self.trust:
            case Trust.OPEN:
                return True
            case Trust.ONE:
                return sender == self.source
            case Trust.PAIR:
                return paired and sender == self.source


class Assembler:
    """What one node knows of objects it has heard symbols of. `frame_ms` is the airtime of a symbol's frame.

    `counts` tells what happened, by word: repeated, finished, unwanted, spoiled, liar, evicted, expired, abandoned.
    """

    def __init__(self, frame_ms: float, rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._frame_ms = frame_ms
        self._rng = rng
        self._objects: dict[tuple[ObjectId, Cut], _Object] = {}
        self._finished: dict[ObjectId, None] = {}

    @property
    def bytes_held(self) -> int:
        """What the unfinished objects take."""
        return sum(known.cost_bytes for known in self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    def carries(self, frame_ms: float) -> None:
        """What a symbol's frame costs through the radio that is there now."""
        self._frame_ms = frame_ms

    def received(self, symbol: Symbol, sender: int, now_ms: int, *, paired: bool = False) -> bytes | None:
        """A symbol whose MAC was right: under the key shared with `sender` alone when `paired`, else under K_link.

        The whole envelope when this completes it. Its bytes have the object's name; the door checks the rest.
        """
        if symbol.object_id in self._finished:
            self.counts["finished"] += 1
            return None
        known = self._objects.get((symbol.object_id, symbol.cut)) or self._open(symbol, sender, now_ms)
        is_new = self._take(known, symbol, sender, paired=paired)
        self._make_room(known)
        if not is_new:
            return None
        known.last_ms, known.asks = now_ms, 0
        envelope = self._complete(known) if known.missing <= 0 else None
        self._plan_ask(known, now_ms)
        return envelope

    def held_by(self, object_id: ObjectId, node: int) -> None:
        """A node is said to hold the object: somebody else to ask, should the ones heard have lied."""
        for known in self._named(object_id):
            self._note_source(known, node)
            self._make_room(known)

    def finish(self, object_id: ObjectId) -> None:
        """The object is not wanted: it is on the disk already, or it came another way, or was refused."""
        for known in self._named(object_id):
            del self._objects[known.object_id, known.cut]
        self._finished[object_id] = None
        if len(self._finished) > FINISHED_MAX:
            del self._finished[next(iter(self._finished))]

    def forget(self, object_id: ObjectId) -> None:
        """The disk did not take it: its next symbol is another chance."""
        self._finished.pop(object_id, None)

    def overheard(self, want: Want, now_ms: int) -> None:
        """Another node asks. Where it asks for enough, and of the same source, the answer serves this one too."""
        for known in self._named(want.object_id):
            same = known.trust is Trust.OPEN or (known.trust is Trust.ONE and known.source == want.source)
            if same and want.trust is not Trust.PAIR and want.count >= known.missing and known.ask_at_ms is not None:
                known.ask_at_ms = max(known.ask_at_ms, now_ms + self._patience_ms(known))

    def wanted(self, now_ms: int) -> list[Want]:
        """What to ask for now, what lacks least first: at most a frame of it. Each is due again after a longer wait."""
        for known in [known for known in self._objects.values() if known.last_ms + IDLE_MS <= now_ms]:
            self._drop(known, "expired")
        due = [known for known in self._objects.values() if known.ask_at_ms is not None and known.ask_at_ms <= now_ms]
        due.sort(key=lambda known: known.missing)
        wants = [self._ask(known, now_ms) for known in due[:WANTS_MAX]]
        return [want for want in wants if want is not None]

    def deadline_ms(self) -> int | None:
        """When `wanted` may have something to say."""
        times = [known.ask_at_ms for known in self._objects.values() if known.ask_at_ms is not None]
        return min(times, default=None)

    # Bounded memory

    def _take(self, known: _Object, symbol: Symbol, sender: int, *, paired: bool) -> bool:
        self._note_source(known, sender)
        if not known.admits(sender, paired=paired):
            self.counts["unwanted"] += 1
            return False
        if symbol.index in known.symbols:
            self.counts["repeated"] += 1
            return False
        known.symbols[symbol.index] = (sender, symbol.data)
        known.heard[sender] += 1
        return True

    def _open(self, symbol: Symbol, sender: int, now_ms: int) -> _Object:
        known = _Object(symbol.object_id, symbol.cut, sender, now_ms)
        self._objects[symbol.object_id, symbol.cut] = known
        return known

    def _make_room(self, newest: _Object) -> None:
        """Forget the least useful objects, the newest apart: first its sender's own, then anybody's."""
        own = [known for known in self._objects.values() if known.opener == newest.opener]
        self._evict(own, newest, BYTES_PER_SENDER_MAX)
        self._evict(list(self._objects.values()), newest, BYTES_MAX)

    def _evict(self, among: list[_Object], newest: _Object, bytes_max: int) -> None:
        count, total = len(among), sum(known.cost_bytes for known in among)
        for victim in sorted(among, key=lambda known: known.usefulness):
            if count <= OBJECTS_MAX and total <= bytes_max:
                return
            if victim is not newest:
                count, total = count - 1, total - victim.cost_bytes
                self._drop(victim, "evicted")

    def _drop(self, known: _Object, why: str) -> None:
        del self._objects[known.object_id, known.cut]
        self.counts[why] += 1

    # Completing

    def _complete(self, known: _Object) -> bytes | None:
        data = {index: data for index, (_, data) in known.symbols.items()}
        envelope = solve(known.cut, known.object_id, data)
        if isinstance(envelope, list):
            known.symbols = {index: known.symbols[index] for index in envelope}
            return None
        if object_id_of(envelope) == known.object_id:
            self.finish(known.object_id)
            return envelope
        self._distrust(known)
        return None

    def _distrust(self, known: _Object) -> None:
        """The hash is not the name's: somebody lied. Believe fewer."""
        self.counts["spoiled"] += 1
        match known.trust:
            case Trust.OPEN:
                known.trust, known.source = Trust.ONE, known.heard.most_common(1)[0][0]
                its_own = {index: held for index, held in known.symbols.items() if held[0] == known.source}
                # Where all of them name one sender, somebody else used its name, or it lies: start anew.
                known.symbols = its_own if len(its_own) < len(known.symbols) else {}
            case Trust.ONE:
                known.trust, known.symbols = Trust.PAIR, {}
            case Trust.PAIR:
                self.counts["liar"] += 1
                self._next_source(known)

    def _next_source(self, known: _Object) -> None:
        """The source lies or is silent: ask another. With nobody left, give the object up until it is heard again."""
        if known.source is not None:
            known.tried.add(known.source)
        left = [node for node, _ in known.heard.most_common() if node not in known.tried]
        known.trust, known.symbols, known.asks = Trust.PAIR, {}, 0
        known.source = left[0] if left else None
        if known.source is None:
            self._drop(known, "abandoned")

    def _note_source(self, known: _Object, node: int) -> None:
        if node not in known.heard and len(known.heard) >= SOURCES_MAX:
            del known.heard[min(known.heard, key=known.heard.__getitem__)]
        known.heard[node] += 0

    def _named(self, object_id: ObjectId) -> list[_Object]:
        return [known for known in self._objects.values() if known.object_id == object_id]

    # Asking

    def _ask(self, known: _Object, now_ms: int) -> Want | None:
        if known.trust is not Trust.OPEN and known.asks >= ASKS_PER_SOURCE:
            self._next_source(known)
            if known.source is None:
                return None
        known.asks += 1
        known.ask_at_ms = now_ms + self._patience_ms(known) if known.asks < ASKS_MAX else None
        count = known.missing + (known.missing + 2) // ASK_EXTRA
        return Want(known.object_id, min(count, SOURCE_SYMBOLS_MAX), known.trust, known.source)

    def _plan_ask(self, known: _Object, now_ms: int) -> None:
        nearness = len(known.symbols) / known.cut.source_symbols
        frames = QUIET_FRAMES + SPREAD_FRAMES * (0.8 * nearness + 0.2 * self._rng.random())
        known.ask_at_ms = now_ms + round(frames * self._frame_ms)

    def _patience_ms(self, known: _Object) -> int:
        frames = (PATIENCE_FRAMES + known.missing) * (1 + 0.5 * self._rng.random())
        return round(min(frames * self._frame_ms * 2.0 ** max(known.asks - 1, 0), PATIENCE_MAX_MS))
