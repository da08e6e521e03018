"""Rounds: when a node in a crowd asks everybody for blends, and for how many.

A blend serves all who lack anything. So it is best to wait until somebody lacks a few, to let the one that lacks most
ask, and to leave a little for the next round: the last envelopes of each round would be sent for one node alone.
Nothing waits longer than a few minutes. Pure; a part of the repair machine. Spec: docs/protocol/radio-repair.md.
"""

from app.radio.blend import Place
from app.radio.means import Means

NEED_MANY = 3
"""So many blends are worth a round."""
SPARE = 2
"""So many fewer are asked for, while new envelopes keep coming: the next round's serve as well."""
AGE_MAX_MS = 10 * 60_000
"""What was noticed to be lacking so long ago is asked for, all of it, whatever else is."""
GAP_MS = 60_000
"""After a blend or a request: the round is over."""
LULL_MS = 240_000
"""When nothing new came for so long, there is nothing to wait for."""
SLOTS = 8
SLOT_MS = 1_500
"""Who lacks more asks sooner, in steps of a few requests' time on air; from so many on at once."""
SPREAD_MS = 6_000
"""And those who lack as much, by chance."""
NOTICED_MAX = 64


class Rounds:
    """When the next request is due."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._noticed: dict[Place, int] = {}
        self._need = 0
        self._round_ms = 0
        self._arrived_ms = 0
        self._slot_ms: int | None = None

    def hear_new(self, now_ms: int) -> None:
        """An envelope came at once: more may follow."""
        self._arrived_ms = now_ms

    def hear_round(self, now_ms: int) -> None:
        """A request for blends, or a blend, ours or another's."""
        self._round_ms = now_ms
        self._slot_ms = None

    def update(self, lacking: list[Place], need: int, now_ms: int) -> None:
        """What is lacking now, and how many blends would mend it."""
        self._noticed = {place: self._noticed.get(place, now_ms) for place in lacking[:NOTICED_MAX]}
        self._need = need
        if not need:
            self._slot_ms = None

    def poll(self, now_ms: int) -> int:
        """How many blends to ask for now; mostly none."""
        due_ms = self.deadline_ms()
        if due_ms is None or due_ms > now_ms:
            return 0
        if self._slot_ms is None:
            wait_ms = SLOT_MS * max(0, SLOTS - self._need) + self._means.rng.randrange(SPREAD_MS)
            self._slot_ms = now_ms + wait_ms
            return 0
        self._slot_ms = None
        self._round_ms = now_ms
        spare = 0 if self._is_urgent(now_ms) else SPARE
        return max(1, self._need - spare)

    def deadline_ms(self) -> int | None:
        """When to poll next."""
        if self._slot_ms is not None:
            return self._slot_ms
        if not self._need or not self._noticed:
            return None
        times = [self._old_ms(), self._arrived_ms + LULL_MS]
        if self._need >= NEED_MANY:
            times.append(0)
        return max(min(times), self._round_ms + GAP_MS)

    def _is_urgent(self, now_ms: int) -> bool:
        return min(self._old_ms(), self._arrived_ms + LULL_MS) <= now_ms

    def _old_ms(self) -> int:
        return min(self._noticed.values()) + AGE_MAX_MS
