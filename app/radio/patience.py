"""How long a node waits before it speaks: contention, retries and quiet. Pure numbers, randomness injected."""

import random

from app.radio.parcel import Signal

CONTENTION_AIRTIMES = 2.0
"""The window for forwards, in airtimes of the frame: a copy must end before it can silence another."""
RETRY_AIRTIMES = 6.0
"""A neighbor's contention window, its forward, and one more frame in its way, with as much again to spare."""
RETRY_ALLOWANCE_MS = 2_000
"""For the disk, the serial port and a busy channel."""
RETRY_MAX_MS = 15 * 60_000
"""An entry node alone on the air asks four times an hour: less than 0.2 % of airtime for one envelope."""
RETRY_JITTER = 0.5
"""Two nodes that collided once must not collide again: up to half the wait is added by chance."""
RECEIPT_DELAY_MS = 1_500
"""Receipts gather this long, at most, to share a frame; well below any retry."""
WAKE_FIRST_MS = 2 * 60_000
WAKE_MAX_MS = 6 * 3_600_000
"""Being heard wakes what a node lacks at most this often per envelope, ever more rarely."""
QUIET_AIRTIMES = 4.0
"""Background traffic leaves four to eight times a frame's airtime to others after each frame on the channel."""
SNR_FULL_DB = 10.0
SNR_NONE_DB = -12.5
"""From a perfect neighbor to one at the edge of SF9: the range over which the contention delay spreads."""


def contention_ms(airtime_ms: float, signal: Signal, rng: random.Random) -> int:
    """The wait before a forward: who heard the frame well stands near its sender, reaches less, and waits longer."""
    snr_db = (SNR_FULL_DB + SNR_NONE_DB) / 2 if signal.snr_db is None else signal.snr_db
    nearness = min(max((snr_db - SNR_NONE_DB) / (SNR_FULL_DB - SNR_NONE_DB), 0.0), 1.0)
    return round(airtime_ms * CONTENTION_AIRTIMES * (0.75 * nearness + 0.25 * rng.random()))


def retry_ms(airtime_ms: float, attempts: int, rng: random.Random) -> int:
    """The wait after the `attempts`-th transmission went unanswered; it doubles, up to a limit."""
    first = patience_ms(airtime_ms)
    doubled = min(first * 2.0 ** min(max(attempts, 1) - 1, 16), RETRY_MAX_MS)
    return round(doubled * (1 + RETRY_JITTER * rng.random()))


def patience_ms(airtime_ms: float) -> float:
    """How long an answer to a frame may take."""
    return RETRY_AIRTIMES * airtime_ms + RETRY_ALLOWANCE_MS


def receipt_ms(rng: random.Random) -> int:
    """The wait before a receipt."""
    return round(RECEIPT_DELAY_MS * (0.2 + 0.8 * rng.random()))


def quiet_ms(airtime_ms: float, rng: random.Random) -> int:
    """The silence that background traffic keeps after a frame."""
    return round(QUIET_AIRTIMES * airtime_ms * (1 + rng.random()))
