"""Blending: when several ask for different envelopes, or one needs fewer frames than it lacks envelopes, blends answer.

Requests are gathered for a few seconds. Then as many blends are sent as the asker that lacks most needs, whichever
envelopes it is that each one lacks. Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from app.core.envelope import EnvelopeId
from app.radio.blend import PLACES_MAX, SEEDS, Place, blend_frame_bytes
from app.radio.logbook import LogEntry
from app.radio.means import Means, SendBlend
from app.radio.parcel import Priority
from app.radio.recipe import Group, Recipe
from app.radio.request import ANSWER_ENTRIES_MAX

GATHER_MS = (6_000, 8_000)
"""From the first request to the first blend: others wait up to 6 s before they ask."""
CROWD_MIN = 2
"""With one neighbor there is nobody else to serve."""
MIXES_MAX = 16
"""Answers of blends that wait to be sent; beyond it envelopes are sent as they are."""
REPEAT_MS = 10_000
"""A request that comes this soon after a blend was written before it."""

Plain = list[tuple[int, tuple[LogEntry, ...]]]
"""Per asker: what is sent as it is."""


class _Asked:
    """What one asker lacks of what we hold, and how many blends it needs."""

    __slots__ = ("enough", "entries")

    def __init__(self, enough: int, entries: Group) -> None:
        self.enough = enough
        self.entries = entries


class _Mix:
    """Envelopes that are sent as blends, so many more; by one that `helps`, or by the one that was asked."""

    __slots__ = ("askers", "due_ms", "entries", "helps", "left")

    def __init__(
        self, entries: tuple[LogEntry, ...], left: int, askers: frozenset[int], due_ms: int, *, helps: bool
    ) -> None:
        self.entries = entries
        self.left = left
        self.askers = askers
        self.due_ms = due_ms
        self.helps = helps

    @property
    def places(self) -> set[Place]:
        return {Place(entry.index, entry.number) for entry in self.entries}


class Blending:
    """What is gathered, and what is sent as blends."""

    def __init__(self, means: Means, recipe: Recipe) -> None:
        self._means = means
        self._recipe = recipe
        self._pool: dict[int, _Asked] = {}
        self._pool_due_ms: int | None = None
        self._mixes: list[_Mix] = []
        self._blended: dict[Place, int] = {}

    def gather(self, asker: int, enough: int, entries: tuple[LogEntry, ...], now_ms: int) -> None:
        """Somebody asked us for these, and `enough` blends of them would do."""
        places = {Place(entry.index, entry.number): entry for entry in entries}
        self._pool[asker] = _Asked(enough, places)
        if self._pool_due_ms is None:
            self._pool_due_ms = self._means.after(now_ms, *GATHER_MS)

    def help(self, asker: int, enough: int, entries: tuple[LogEntry, ...], due_ms: int) -> None:
        """Another was asked for these. Unless blends of them are heard, ours go out then."""
        self._mixes = [mix for mix in self._mixes if not (mix.helps and asker in mix.askers)]
        for group in self._recipe.groups({Place(entry.index, entry.number): entry for entry in entries}):
            if len(self._mixes) < MIXES_MAX:
                left = min(enough, len(group))
                self._mixes.append(_Mix(tuple(group.values()), left, frozenset((asker,)), due_ms, helps=True))

    def hear_entry(self, envelope_id: EnvelopeId) -> None:
        """Somebody sends this envelope as it is: its asker is being answered."""
        self._mixes = [
            mix for mix in self._mixes if not (mix.helps and any(e.envelope_id == envelope_id for e in mix.entries))
        ]

    def hear(self, places: set[Place]) -> None:
        """Somebody sends blends of these: who asked will ask again for what it cannot solve."""
        self._mixes = [mix for mix in self._mixes if not (mix.helps and mix.places & places)]

    def serves(self, asker: int) -> bool:
        """Whether something is gathered or waits for this node."""
        return asker in self._pool or any(asker in mix.askers for mix in self._mixes)

    def settle(self, now_ms: int) -> Plain:
        """When the time is over: what is gathered becomes blends, and what gains nothing by it is returned."""
        if self._pool_due_ms is None or self._pool_due_ms > now_ms:
            return []
        pool, self._pool, self._pool_due_ms = self._pool, {}, None
        self._blended = {place: at_ms for place, at_ms in self._blended.items() if now_ms - at_ms < REPEAT_MS}
        under_way = {place for mix in self._mixes if not mix.helps for place in mix.places}
        for asked in pool.values():
            for place in asked.entries.keys() & (under_way | self._blended.keys()):
                del asked.entries[place]
        plain: Plain = []
        wanted = {place: entry for asked in pool.values() for place, entry in asked.entries.items()}
        for group in self._recipe.groups(wanted):
            askers = frozenset(asker for asker, asked in pool.items() if asked.entries.keys() & group.keys())
            if not askers:
                continue
            counts = [min(pool[asker].enough, len(pool[asker].entries.keys() & group.keys())) for asker in askers]
            count = max(counts)
            # To a single asker that lacks all of them, envelopes as they are tell the same and need no solving.
            alone = len(askers) == 1 and count >= len(wanted.keys() & group.keys()) and not self._means.is_lossy()
            if alone or len(self._mixes) >= MIXES_MAX:
                plain += [(asker, _of(pool[asker], group)) for asker in askers]
            else:
                filled = self._recipe.filled(group, now_ms)
                self._mixes.append(_Mix(tuple(filled.values()), count, askers, now_ms, helps=False))
        return plain

    def poll(self, now_ms: int) -> SendBlend | None:
        """The blend that is due and paid for, if any: by the asker with the fullest purse."""
        for mix in self._mixes:
            if mix.due_ms > now_ms:
                continue
            airtime_ms = self._airtime_ms(mix)
            payer = max(mix.askers, key=lambda asker: self._means.purses.left_ms(asker, now_ms))
            if self._means.purses.spend(payer, airtime_ms, now_ms):
                return self._send(mix, airtime_ms, now_ms)
            self._means.tally["capped"] += 1
            mix.due_ms = max(self._means.purses.ready_at_ms(payer, airtime_ms, now_ms), now_ms + 1)
        return None

    def deadline_ms(self) -> int | None:
        """When to settle or poll next."""
        times = [mix.due_ms for mix in self._mixes]
        return min(times if self._pool_due_ms is None else [*times, self._pool_due_ms], default=None)

    def _send(self, mix: _Mix, airtime_ms: float, now_ms: int) -> SendBlend:
        mix.left -= 1
        if mix.left == 0:
            self._mixes.remove(mix)
        self._blended.update(dict.fromkeys(mix.places, now_ms))
        self._means.tally["blends-sent"] += 1
        return SendBlend(mix.entries, self._means.rng.randrange(SEEDS), airtime_ms, Priority.PEOPLE)

    def _airtime_ms(self, mix: _Mix) -> float:
        longest = max(entry.envelope_bytes for entry in mix.entries)
        return self._means.airtime_ms(blend_frame_bytes(sorted(mix.places), longest))


def _of(asked: _Asked, group: Group) -> tuple[LogEntry, ...]:
    return tuple(entry for place, entry in asked.entries.items() if place in group)


assert PLACES_MAX >= ANSWER_ENTRIES_MAX, "one request's answer is one blend's worth"
