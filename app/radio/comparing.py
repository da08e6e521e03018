"""Comparing: finding what two nodes' logs don't share although they say that they reach equally far.

When a checksum differs, one asks the other for symbols of its envelope ids (iblt.py), and what they give is sent and
asked for by name. That happens where two nodes have shared an index, or a disk lied. Also keeps the part of each
checksum that stands for entries which were gone before this node saw them: it is taken over from a neighbor, after a
comparison has shown that both hold the same. Taken over unseen, it would hide what a twin wrote and we lack.
Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from app.radio.answering import Answering
from app.radio.control import Sketch, control_frame_bytes
from app.radio.iblt import SALTS, SET_MAX, STRETCH_MAX, Decoder, Key, key_bytes, key_of, symbols_of
from app.radio.logbook import KnownLog, LogEntry
from app.radio.means import Means
from app.radio.parcel import Priority
from app.radio.request import COMPARE_FRAMES_MAX, WANTED_KEYS_MAX, Compare, Wanted
from app.radio.span import Span
from app.radio.vector import CHECKSUMS, NodeLog, Vector

COMPARISONS_MAX = 4
"""At once; each keeps a set of keys and the symbols heard: at most half a megabyte."""
SERVINGS_MAX = 16
"""Frames of symbols that wait to be sent."""
COMPARE_DELAY_MS = (2_000, 10_000)
"""By chance: the other may have noticed too, and one of us is enough."""
SERVE_DELAY_MS = (200, 1_000)
PATIENCE_MS = 30_000
"""Silence after a request for symbols before asking again: four frames and what gets in between."""
FRUITLESS_MAX = 4
"""Requests in a row that brought no symbols; then the neighbor is left alone."""
SETTLED_MAX = 256
"""Logs with neighbors that are left alone for a while; beyond it the one that is over first is forgotten."""
SETTLE_MS = 10 * 60_000
SETTLE_MAX_MS = 24 * 3_600_000
"""After a comparison, its entries travel; while the checksum differs all the same, the next waits ever longer."""


class _Comparison:
    """Of one log with one neighbor."""

    __slots__ = ("decoder", "due_ms", "frames_asked", "fruitless", "seen", "theirs", "up_to")

    def __init__(self, up_to: int, theirs: int | None, decoder: Decoder, due_ms: int) -> None:
        self.up_to = up_to
        self.theirs = theirs
        self.decoder = decoder
        self.due_ms = due_ms
        self.frames_asked = 0
        self.fruitless = 0
        self.seen = 0


class _Serving:
    """A frame of symbols that was asked for."""

    __slots__ = ("asker", "due_ms", "index", "stretch", "up_to")

    def __init__(self, asker: int, compare: Compare, stretch: int, due_ms: int) -> None:
        self.asker = asker
        self.index = compare.index
        self.up_to = compare.up_to
        self.stretch = stretch
        self.due_ms = due_ms


class Comparing:
    """Comparisons that run, and symbols that are owed."""

    def __init__(self, means: Means, answering: Answering) -> None:
        self._means = means
        self._answering = answering
        self._offsets: dict[int, tuple[int, int]] = {}
        self._comparisons: dict[tuple[int, int], _Comparison] = {}
        self._settled: dict[tuple[int, int], tuple[int, int]] = {}
        self._servings: list[_Serving] = []
        self._wanted: list[Wanted] = []

    def checksum(self, known: KnownLog) -> int | None:
        """The checksum to announce: None where entries gone unseen make it unknown."""
        if known.contiguous == 0:
            return None
        if known.unseen == 0:
            return known.total
        offset, unseen = self._offsets.get(known.index, (0, 0))
        return (known.total + offset) % CHECKSUMS if unseen == known.unseen else None

    # What is heard

    def hear_vector(self, sender: int, vector: Vector, now_ms: int) -> bool:
        """True when a checksum differs, and so the logs do."""
        known = {log.index: log for log in self._means.log.vector()}
        told = [claim for claim in vector.logs if claim.checksum is not None and claim.index in known]
        told = [claim for claim in told if claim.contiguous <= known[claim.index].contiguous]
        cuts = self._means.log.vector({claim.index: claim.contiguous for claim in told})
        differing = [
            self._differs(sender, claim, self._comparable(sender, claim, cut, known[claim.index], now_ms), now_ms)
            for claim, cut in zip(told, cuts, strict=True)
        ]
        return any(differing)

    def hear_compare(self, sender: int, compare: Compare, now_ms: int) -> None:
        """Somebody wants symbols, of us or of another."""
        if compare.asked != self._means.me:
            mine = self._comparisons.get((compare.asked, compare.index))
            if mine is not None and mine.up_to == compare.up_to:
                mine.due_ms = max(
                    mine.due_ms, self._means.after(now_ms, PATIENCE_MS, PATIENCE_MS + COMPARE_DELAY_MS[1])
                )
            return
        mine = self._comparisons.get((sender, compare.index))
        if mine is not None and mine.seen == 0:
            # They began first: what they find serves us too.
            self._settle(sender, compare.index, now_ms)
        if self._keys(compare.index, compare.up_to) is None:
            self._means.tally["compare-refused"] += 1
            return
        due_ms = self._means.after(now_ms, *SERVE_DELAY_MS)
        for frame in range(compare.frames):
            if len(self._servings) < SERVINGS_MAX:
                stretch = min(compare.have + 1 + frame, STRETCH_MAX)
                self._servings.append(_Serving(sender, compare, stretch, due_ms))

    def hear_sketch(self, sender: int, sketch: Sketch, now_ms: int) -> None:
        """Symbols, whoever asked for them."""
        comparison = self._comparisons.get((sender, sketch.index))
        if comparison is None or comparison.up_to != sketch.up_to:
            return
        comparison.decoder.add(sketch.symbols)
        comparison.seen += 1
        comparison.fruitless = 0
        if comparison.seen < comparison.frames_asked:
            comparison.due_ms = max(comparison.due_ms, now_ms + PATIENCE_MS)
        else:
            comparison.due_ms = self._means.after(now_ms, *COMPARE_DELAY_MS)
        if comparison.decoder.is_complete:
            self._conclude(sender, sketch.index, comparison, now_ms)
        elif comparison.decoder.is_hopeless:
            self._means.tally["comparisons-given-up"] += 1
            self._settle(sender, sketch.index, now_ms)

    def hear_wanted(self, sender: int, wanted: Wanted, now_ms: int) -> None:
        """Somebody asks for envelopes by name."""
        if wanted.asked != self._means.me:
            return
        keys = {int.from_bytes(key, "big") for key in wanted.keys}
        entries = [entry for entry in self._entries(wanted.index, None) if key_of(entry.envelope_id) in keys]
        self._answering.offer(sender, entries, now_ms, Priority.PEOPLE)

    # What is sent

    def poll(self, now_ms: int) -> Compare | Sketch | Wanted | None:
        """What is due, if anything."""
        return self._poll_wanted(now_ms) or self._poll_serving(now_ms) or self._poll_comparison(now_ms)

    def deadline_ms(self) -> int | None:
        """When to poll next."""
        times = [comparison.due_ms for comparison in self._comparisons.values()]
        times += [serving.due_ms for serving in self._servings] + [0 for _ in self._wanted]
        return min(times, default=None)

    def _poll_wanted(self, now_ms: int) -> Wanted | None:
        while self._wanted:
            wanted = self._wanted.pop(0)
            airtime_ms = self._means.airtime_ms(control_frame_bytes(wanted))
            if self._means.purses.spend(wanted.asked, airtime_ms, now_ms):
                return wanted
            self._means.tally["capped"] += 1
        return None

    def _poll_serving(self, now_ms: int) -> Sketch | None:
        due = next((serving for serving in self._servings if serving.due_ms <= now_ms), None)
        if due is None:
            return None
        self._servings.remove(due)
        keys = self._keys(due.index, due.up_to)
        if keys is None:
            return None
        sketch = Sketch(due.index, due.up_to, symbols_of(keys, self._means.rng.randrange(SALTS), due.stretch))
        if self._means.purses.spend(due.asker, self._means.airtime_ms(control_frame_bytes(sketch)), now_ms):
            return sketch
        self._means.tally["capped"] += 1
        return None

    def _poll_comparison(self, now_ms: int) -> Compare | None:
        for (neighbor, index), comparison in list(self._comparisons.items()):
            if comparison.due_ms > now_ms:
                continue
            if comparison.fruitless >= FRUITLESS_MAX:
                self._means.tally["comparisons-given-up"] += 1
                self._settle(neighbor, index, now_ms)
                continue
            have = comparison.decoder.frames
            # One frame tells small differences, which most are; then two, then four at a time.
            frames = min(1 if have == 0 else 2 * have, COMPARE_FRAMES_MAX)
            compare = Compare(neighbor, index, comparison.up_to, have, frames)
            airtime_ms = self._means.airtime_ms(control_frame_bytes(compare))
            comparison.due_ms = max(now_ms + PATIENCE_MS, self._means.purses.ready_at_ms(neighbor, airtime_ms, now_ms))
            if self._means.purses.spend(neighbor, airtime_ms, now_ms):
                comparison.frames_asked = comparison.seen + frames
                comparison.fruitless += 1
                self._means.tally["comparisons-asked"] += 1
                return compare
        return None

    def _differs(self, sender: int, claim: NodeLog, mine: int | None, now_ms: int) -> bool:
        if mine is None:
            return False
        if mine == claim.checksum:
            self._settled.pop((sender, claim.index), None)
            self._comparisons.pop((sender, claim.index), None)
            return False
        self._means.tally["checksums-differ"] += 1
        self._begin(sender, claim, now_ms)
        return True

    def _comparable(self, sender: int, claim: NodeLog, cut: KnownLog, known: KnownLog, now_ms: int) -> int | None:
        """Our checksum where theirs ends; None where it can't be told.

        `cut` is what we know up to there, `known` all of it. When everything gone unseen lies within, and we don't know
        its part yet, a comparison begins, after which theirs tells it.
        """
        if cut.unseen == 0:
            return cut.total
        offset, unseen = self._offsets.get(claim.index, (0, 0))
        if unseen == known.unseen:
            return (cut.total + offset) % CHECKSUMS if cut.unseen == unseen else None
        if cut.unseen == known.unseen and claim.checksum is not None:
            self._begin(sender, claim, now_ms)
        return None

    def _begin(self, sender: int, claim: NodeLog, now_ms: int) -> None:
        until_ms, _ = self._settled.get((sender, claim.index), (0, 0))
        running = self._comparisons.get((sender, claim.index))
        if until_ms > now_ms or (running is not None and running.seen > 0):
            return
        if running is None and len(self._comparisons) >= COMPARISONS_MAX:
            return
        keys = self._keys(claim.index, claim.contiguous)
        if keys is None:
            self._means.tally["compare-refused"] += 1
            return
        due_ms = self._means.after(now_ms, *COMPARE_DELAY_MS) if running is None else running.due_ms
        self._comparisons[sender, claim.index] = _Comparison(claim.contiguous, claim.checksum, Decoder(keys), due_ms)

    def _conclude(self, sender: int, index: int, comparison: _Comparison, now_ms: int) -> None:
        lacking, surplus = comparison.decoder.lacking, set(comparison.decoder.surplus)
        self._means.tally["comparisons-done"] += 1
        if surplus:
            entries = [
                entry for entry in self._entries(index, comparison.up_to) if key_of(entry.envelope_id) in surplus
            ]
            self._answering.offer(sender, entries, now_ms, Priority.BACKGROUND)
        for at in range(0, len(lacking), WANTED_KEYS_MAX):
            keys = tuple(key_bytes(key) for key in lacking[at : at + WANTED_KEYS_MAX])
            self._wanted.append(Wanted(sender, index, keys))
        if not lacking and not surplus:
            self._adopt(index, comparison)
        self._settle(sender, index, now_ms)

    def _adopt(self, index: int, comparison: _Comparison) -> None:
        """What is held is the same: the difference lies in what was gone before we saw it."""
        cut = next(iter(self._means.log.vector({index: comparison.up_to})))
        known = next(log for log in self._means.log.vector() if log.index == index)
        self._offsets.pop(index, None)
        if cut.unseen and cut.unseen == known.unseen and comparison.theirs is not None:
            self._offsets[index] = ((comparison.theirs - cut.total) % CHECKSUMS, cut.unseen)
            self._means.tally["checksums-adopted"] += 1

    def _settle(self, sender: int, index: int, now_ms: int) -> None:
        self._comparisons.pop((sender, index), None)
        _, wait_ms = self._settled.get((sender, index), (0, SETTLE_MS // 2))
        wait_ms = min(2 * wait_ms, SETTLE_MAX_MS)
        if len(self._settled) >= SETTLED_MAX:
            del self._settled[min(self._settled, key=self._settled.__getitem__)]
        self._settled[sender, index] = (self._means.after(now_ms, wait_ms // 2, wait_ms), wait_ms)

    def _keys(self, index: int, up_to: int) -> set[Key] | None:
        """The keys that a comparison is about; None where we don't reach so far, or hold too many."""
        known = self._means.log.vector({index: up_to})
        if not known or known[0].contiguous < up_to:
            return None
        entries = self._entries(index, up_to)
        return {key_of(entry.envelope_id) for entry in entries} if len(entries) <= SET_MAX else None

    def _entries(self, index: int, up_to: int | None) -> tuple[LogEntry, ...]:
        known = {log.index: log for log in self._means.log.vector()}.get(index)
        if known is None:
            return ()
        last = known.highest if up_to is None else up_to
        return self._means.log.get(index, Span(1, last), SET_MAX + 1)
