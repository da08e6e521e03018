"""Turns: in a crowd nobody in particular is asked for blends. Each who can sends one in turn, until enough were heard.

So the one who answers is served as well, by the others' blends; and as many are sent as most of those who listen need
to hear so many. Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from collections.abc import Iterable

from app.radio.blend import SEEDS, Place, blend_frame_bytes
from app.radio.logbook import LogEntry
from app.radio.means import Means, SendBlend
from app.radio.parcel import Priority
from app.radio.recipe import Group, Recipe

FIRST_MS = 1_000
TURN_MS = 3_000
"""About a blend's time on air: so much for each who may answer."""
ANSWERERS_MAX = 2
"""So many of a larger crowd answer, by chance, and as many more as blends are wanted."""
LACKING_MS = 5_000
LACKING_MAX = 4
ROUND_MAX_MS = 120_000
"""What was asked for so long ago is over: who still lacks something asks again."""


class Turns:
    """The round under way: what is wanted of us, how often each of it was sent, and when it is our turn."""

    def __init__(self, means: Means, recipe: Recipe) -> None:
        self._means = means
        self._recipe = recipe
        self._wanted: Group = {}
        self._sent: dict[Place, int] = {}
        self._enough = 0
        self._askers: set[int] = set()
        self._due_ms: int | None = None
        self._until_ms = 0
        self._answerers = 1

    def join(self, asker: int, enough: int, entries: Iterable[LogEntry], lacking: int, crowd: int, now_ms: int) -> None:
        """Somebody asks everybody for these, and so many more that are `lacking` here; `enough` blends would do."""
        self._answerers = min(crowd, ANSWERERS_MAX + enough)
        if self._due_ms is None:
            if self._means.rng.random() * crowd >= self._answerers:
                return
            self._end()
            self._until_ms = now_ms + ROUND_MAX_MS
        for entry in entries:
            self._wanted[Place(entry.index, entry.number)] = entry
        self._enough = max(self._enough, enough)
        self._askers.add(asker)
        if self._due_ms is None and self._left() > 0:
            # Who has all of it goes first: those who lack some of it are served as well.
            self._due_ms = self._turn_ms(now_ms + FIRST_MS + LACKING_MS * min(lacking, LACKING_MAX))

    def hear(self, places: Iterable[Place]) -> None:
        """Somebody sent a blend of these."""
        self._count(places)

    def serves(self, asker: int) -> bool:
        """Whether something waits to be sent to this node."""
        return self._due_ms is not None and asker in self._askers

    def poll(self, now_ms: int) -> SendBlend | None:
        """The blend that is due and paid for, if any: by the asker with the fullest purse."""
        if self._due_ms is None or self._due_ms > now_ms:
            return None
        groups = self._recipe.groups(self._held())
        if not groups or now_ms >= self._until_ms:
            self._end()
            return None
        group = self._recipe.filled(max(groups, key=len), now_ms)
        longest = max(entry.envelope_bytes for entry in group.values())
        airtime_ms = self._means.airtime_ms(blend_frame_bytes(group, longest))
        payer = max(self._askers, key=lambda asker: self._means.purses.left_ms(asker, now_ms))
        if not self._means.purses.spend(payer, airtime_ms, now_ms):
            self._means.tally["capped"] += 1
            self._end()
            return None
        self._due_ms = self._turn_ms(now_ms + round(airtime_ms))
        self._count(group)
        self._means.tally["blends-sent"] += 1
        return SendBlend(tuple(group.values()), self._means.rng.randrange(SEEDS), airtime_ms, Priority.PEOPLE)

    def deadline_ms(self) -> int | None:
        """When to poll next."""
        return self._due_ms

    def _held(self) -> Group:
        return {place: entry for place, entry in self._wanted.items() if self._recipe.is_single(place)}

    def _left(self) -> float:
        """How many more blends it takes. To solve any k envelopes takes k blends that have one of them in it."""
        sent = sorted(self._sent.get(place, 0) for place in self._wanted)
        share = 1 - self._means.loss()  # as much of what others send is not heard here
        return max((min(place + 1, self._enough) * share - count for place, count in enumerate(sent)), default=0)

    def _count(self, places: Iterable[Place]) -> None:
        for place in places:
            if place in self._wanted:
                self._sent[place] = self._sent.get(place, 0) + 1
        if self._left() <= 0:
            self._end()

    def _turn_ms(self, now_ms: int) -> int:
        return self._means.after(now_ms, 0, TURN_MS * self._answerers)

    def _end(self) -> None:
        self._wanted, self._sent, self._enough, self._askers, self._due_ms = {}, {}, 0, set(), None
