"""The Trickle timer: say something soon while neighbors disagree, ever more rarely while they agree.

A pure machine for RFC 6206, section 4.2, whose six rules are quoted where they are kept. Knows nothing of what is said.
"""

import random

import msgspec


class TrickleConfig(msgspec.Struct, frozen=True):
    """Section 4.1: the shortest interval, how often it may double, and the redundancy constant k (at least 1)."""

    interval_min_ms: int
    doublings: int
    redundancy: int

    @property
    def interval_max_ms(self) -> int:
        """Imax as a time: "the minimum interval size doubled" so many times."""
        return self.interval_min_ms << self.doublings


class Trickle:
    """One timer. `poll` says when to transmit; the caller tells it what it heard."""

    def __init__(self, config: TrickleConfig, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._interval_ms = 0
        self._end_ms = 0
        self._transmit_ms: int | None = None
        self._heard = 0
        self._running = False

    def start(self, now_ms: int) -> None:
        """Rule 1: "it sets I to a value in the range of [Imin, Imax]", here to Imin, and begins the first interval."""
        self._running = True
        self._begin(self._config.interval_min_ms, now_ms)

    def hear_consistent(self) -> None:
        """Rule 3: "Whenever Trickle hears a transmission that is 'consistent', it increments the counter c."""
        self._heard += 1

    def hear_inconsistent(self, now_ms: int) -> None:
        """Rule 6: "if I is greater than Imin … it sets I to Imin and starts a new interval"; else it does nothing."""
        self.poll_interval(now_ms)
        if self._running and self._interval_ms > self._config.interval_min_ms:
            self._begin(self._config.interval_min_ms, now_ms)

    def poll(self, now_ms: int) -> bool:
        """True when it is time to transmit. Rule 4: "transmits at time t if and only if … c is less than … k"."""
        due = self._transmit_ms is not None and self._transmit_ms <= now_ms
        if due:
            self._transmit_ms = None
        speaks = due and self._heard < self._config.redundancy
        self.poll_interval(now_ms)
        return speaks

    def poll_interval(self, now_ms: int) -> None:
        """Rule 5: "When the interval I expires, Trickle doubles the interval length", up to Imax.

        A caller that was away for several intervals missed them: the next one begins where the last ended, or now.
        """
        if not self._running or now_ms < self._end_ms or self._transmit_ms is not None:
            return
        interval_ms = min(2 * self._interval_ms, self._config.interval_max_ms)
        self._begin(interval_ms, self._end_ms if now_ms < self._end_ms + interval_ms else now_ms)

    def deadline_ms(self) -> int | None:
        """When to poll next; None before the start."""
        if not self._running:
            return None
        return self._end_ms if self._transmit_ms is None else self._transmit_ms

    @property
    def interval_ms(self) -> int:
        """The current I."""
        return self._interval_ms

    def _begin(self, interval_ms: int, start_ms: int) -> None:
        """Rule 2: c = 0, and t "to a random point in the interval, taken from the range [I/2, I)"."""
        self._interval_ms = interval_ms
        self._end_ms = start_ms + interval_ms
        self._heard = 0
        self._transmit_ms = start_ms + self._rng.randrange(interval_ms // 2, interval_ms)
