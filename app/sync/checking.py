"""The check as it goes on in a session: run after run until both hold the same, then again after some minutes. Pure.

The dialer leads. A run ends with the strays sent, in both directions, and stored. Spec: docs/protocol/sync.md.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from app.core.envelope import EnvelopeId
from app.errors import PeerError
from app.sync.batches import Batches
from app.sync.effects import Effect, Find, HoldsAll, OfferBlobs, ReadKeys, Send
from app.sync.effects import Settled as SettledEffect
from app.sync.log import Placed
from app.sync.message import BATCH_ENTRIES_MAX, BLOBS_EPOCH, BLOBS_NAMED_MAX, RUN_MAX, Check, Ranges, Roots, Settled
from app.sync.reconcile import STRAYS_MAX, CheckRun, Stray

CHECK_EVERY_MS = 5 * 60_000
"""Between two checks of sides that were alike: 300 bytes on the link."""
CHECK_EVERY_MS_MAX = 10 * 60_000
"""What both keep differing in, refused or expired here and not there, is compared more seldom; a link that was silent
for longer would be taken for dead."""
RUNS_MAX = 64
"""Runs of one check that each moved something."""
FRUITLESS_RUNS_MAX = 3
"""Runs that moved nothing, where nothing was refused either: a fingerprint that hid something won't hide it thrice."""
RUNS_HEARD_MAX = 2 * RUNS_MAX
"""Runs that a peer may begin within CHECK_EVERY_MS: reading all ids and hashing them is work."""


class Stage(Enum):
    """Where a side stands."""

    IDLE = auto()
    READING = auto()
    ASKED = auto()
    STEPPING = auto()
    STRAYS = auto()


class Checking:
    """One side of all the checks of a session. `blobs`: both sides keep blobs."""

    def __init__(self, batches: Batches, salts: bytes, *, leads: bool, blobs: bool) -> None:
        self._batches = batches
        self._salts = salts
        self._leads = leads
        self._blobs = blobs
        self._stage = Stage.IDLE
        self._run = 0
        self._now: CheckRun | None = None
        self._keys: Mapping[int, bytes] = {}
        self._asked: Check | None = None
        self._strays: list[Stray] = []
        self._given: set[EnvelopeId] = set()
        self._finding = False
        self._told = False
        self._heard = False
        self._runs = self._fruitless = 0
        self._window_ms = self._window_runs = 0
        self._credited: set[int] = set()
        self._pause_ms = CHECK_EVERY_MS
        self.due_ms: int | None = None

    @property
    def first(self) -> bool:
        """This side leads, and has not checked yet."""
        return self._leads and self._run == 0

    @property
    def spent(self) -> bool:
        """There are no numbers left for further runs: the next session begins anew."""
        return self._run == RUN_MAX

    @property
    def owed(self) -> bool:
        """It is the peer's turn."""
        return self._stage in (Stage.ASKED, Stage.STEPPING) or (self._stage is Stage.STRAYS and not self._heard)

    def begin(self) -> list[Effect]:
        """Start a check, where this side leads and none is under way."""
        if not self._leads or self._stage is not Stage.IDLE or self.spent:
            return []
        self.due_ms = None
        self._runs = self._fruitless = 0
        self._given.clear()
        return self._next_run()

    def hear_check(self, check: Check, now_ms: int) -> list[Effect]:
        """The follower is asked; the leader is answered that all is the same."""
        if self._leads:
            if self._stage is not Stage.ASKED or check != self._asked or self._now is None:
                raise PeerError("The peer answers a check that was not made.")
            self._now.agree()
            return self._end(alike=True)
        if self._stage is not Stage.IDLE or check.run != self._run + 1 or (check.blobs and not self._blobs):
            raise PeerError("The peer begins a check out of turn.")
        self._count(now_ms)
        self._asked = check
        self._run = check.run
        self._stage = Stage.READING
        return [ReadKeys(check.blobs)]

    def read(self, keys: Mapping[int, bytes], asked: ReadKeys) -> list[Effect]:
        """The keys are here."""
        assert self._stage is Stage.READING
        if not asked.blobs:
            keys = {epoch: packed for epoch, packed in keys.items() if epoch != BLOBS_EPOCH}
        self._keys = keys
        self._now = CheckRun(keys, self._salts, self._run)
        self._strays = []
        self._told = self._heard = False
        if self._leads:
            self._batches.moved = self._batches.declined = 0
            self._stage = Stage.ASKED
            self._asked = Check(self._run, asked.blobs, self._now.digest)
            return [Send(self._asked)]
        assert self._asked is not None
        if self._now.digest == self._asked.digest:
            self._now.agree()
            return [Send(self._asked), *self._end(alike=True)]
        self._stage = Stage.STEPPING
        return [Send(self._now.roots())]

    def hear_roots(self, roots: Roots) -> list[Effect]:
        """The leader learns that the digests differ."""
        if not self._leads or self._stage is not Stage.ASKED or roots.run != self._run or self._now is None:
            raise PeerError("The peer answers a check that was not made.")
        self._stage = Stage.STEPPING
        return self._stepped(self._now.receive_roots(roots))

    def hear_ranges(self, ranges: Ranges) -> list[Effect]:
        """A step of the peer."""
        if self._stage is not Stage.STEPPING or self._now is None:
            raise PeerError("The peer takes a step of a check that isn't there.")
        return self._stepped(self._now.receive(ranges))

    def hear_settled(self, settled: Settled) -> None:
        """The peer has sent all its strays of this run."""
        if self._stage is not Stage.STRAYS or settled.run != self._run or self._heard:
            raise PeerError("The peer ends what has not begun.")
        self._heard = True

    def found(self, entries: Sequence[Placed]) -> None:
        """Strays that were looked up go to the peer."""
        self._finding = False
        self._batches.put(entries)

    def go_on(self) -> list[Effect]:
        """Send strays while there is room; when both sides have sent theirs, end the run."""
        if self._stage is not Stage.STRAYS or self._finding:
            return []
        if self._strays:
            if not self._batches.low:
                return []
            self._finding = True
            some, self._strays = self._strays[:BATCH_ENTRIES_MAX], self._strays[BATCH_ENTRIES_MAX:]
            return [Find(tuple(stray.name for stray in some))]
        if not self._told:
            self._told = True
            self._batches.put_message(Settled(self._run))
            return []
        if not self._heard or (self._leads and not self._batches.idle):
            return []
        return self._run_over()

    def tick(self, now_ms: int) -> list[Effect]:
        """Check again when it is time."""
        return self.begin() if self.due_ms is not None and now_ms >= self.due_ms else []

    def plan(self, now_ms: int) -> None:
        """After a check: when the next one is due."""
        if self._leads and self._stage is Stage.IDLE and self.due_ms is None and self._run:
            self.due_ms = now_ms + self._pause_ms

    def _count(self, now_ms: int) -> None:
        if now_ms >= self._window_ms + CHECK_EVERY_MS:
            self._window_ms, self._window_runs = now_ms, 0
            self._given.clear()
        self._window_runs += 1
        if self._window_runs > RUNS_HEARD_MAX:
            raise PeerError("The peer checks again and again.")

    def _next_run(self) -> list[Effect]:
        self._run += 1
        self._runs += 1
        self._stage = Stage.READING
        return [ReadKeys(self._blobs and self._runs == 1)]

    def _stepped(self, answer: Ranges | None) -> list[Effect]:
        assert self._now is not None
        effects: list[Effect] = [Send(answer)] if answer is not None else []
        if not self._now.over:
            return effects
        blobs = [stray.name for stray in self._now.strays if stray.epoch == BLOBS_EPOCH]
        self._strays = self._not_given([stray for stray in self._now.strays if stray.epoch != BLOBS_EPOCH])
        self._stage = Stage.STRAYS
        pages = [tuple(blobs[at : at + BLOBS_NAMED_MAX]) for at in range(0, len(blobs), BLOBS_NAMED_MAX)]
        return [*effects, *map(OfferBlobs, pages)]

    def _not_given(self, strays: list[Stray]) -> list[Stray]:
        """Each id once in a check, and no more of them than one run finds, whatever the peer says it lacks."""
        fresh = [stray for stray in strays if stray.name not in self._given][: STRAYS_MAX - len(self._given)]
        self._given.update(stray.name for stray in fresh)
        self._batches.declined += len(strays) - len(fresh)
        return fresh

    def _run_over(self) -> list[Effect]:
        if not self._leads:
            return self._end(alike=False)
        fruitless = not self._batches.moved
        self._fruitless += fruitless
        refused = fruitless and self._batches.declined > 0
        if refused or self._fruitless == FRUITLESS_RUNS_MAX or self._runs == RUNS_MAX or self.spent:
            return self._end(alike=False)
        return [*self._credit(), *self._next_run()]

    def _end(self, *, alike: bool) -> list[Effect]:
        """Of a run for the follower, of a check for the leader."""
        effects = self._credit()
        self._stage = Stage.IDLE
        self._now = None
        self._keys = {}
        at_once = alike and self._runs == 1
        self._pause_ms = CHECK_EVERY_MS if at_once else min(2 * self._pause_ms, CHECK_EVERY_MS_MAX)
        return [*effects, SettledEffect(alike)]

    def _credit(self) -> list[Effect]:
        """The peer holds what both have alike; said once for each epoch: what comes later is acknowledged singly."""
        assert self._now is not None
        fresh = self._now.alike - self._credited
        self._credited |= fresh
        held = {epoch: self._keys[epoch] for epoch in sorted(fresh)}
        return [HoldsAll(held)] if held else []
