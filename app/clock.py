"""Time as an argument. A Pi has no clock of its own: wall time is a claim, order comes from log numbers.

Minutes count from 2025-01-01T00:00Z, as records carry them (docs/protocol/record.md).
"""

import time
from typing import Protocol

EPOCH_2025_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z in Unix milliseconds."""

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

RELEASED_MS = 1_793_491_200_000
"""2026-11-01: a clock that says less than the day of this release is certainly wrong."""


class Clock(Protocol):
    """Where shells get the time from."""

    def now_ms(self) -> int:
        """Unix milliseconds, as far as this machine knows."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back, from an arbitrary start."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


class ManualClock:
    """A clock for tests: it stands still until it is moved."""

    def __init__(self, now_ms: int = EPOCH_2025_MS) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._monotonic_ms

    def advance(self, ms: int) -> None:
        self._now_ms += ms
        self._monotonic_ms += ms


def is_plausible(unix_ms: int) -> bool:
    """False when the clock cannot be right, as on a Pi that just started with no network to ask."""
    return unix_ms >= RELEASED_MS


def minutes_of(unix_ms: int) -> int:
    """Minutes since 2025 of a Unix time in ms; times before 2025 count as minute 0."""
    return max(0, (unix_ms - EPOCH_2025_MS) // MINUTE_MS)


def unix_ms_of(minutes: int) -> int:
    """Unix ms of minutes since 2025."""
    return EPOCH_2025_MS + minutes * MINUTE_MS


def ago_words(ms: int) -> str:
    """“just now”, “6 min ago”, “9 h ago”, “2 days ago”."""
    if ms < MINUTE_MS:
        return "just now"
    if ms < HOUR_MS:
        return f"{ms // MINUTE_MS} min ago"
    if ms < 2 * DAY_MS:
        return f"{ms // HOUR_MS} h ago"
    return f"{ms // DAY_MS} days ago"
