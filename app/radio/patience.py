"""How long a node waits before it speaks: contention, retries and quiet. Pure numbers, randomness injected."""

import random

from app.radio.parcel import Signal

CROWD_MAX = 8
"""Neighbors beyond this number widen the window for forwards no further."""
RETRY_AIRTIMES = 4.0
"""Beside the contention window: a neighbor's forward, one more frame in its way, and as much again to spare."""
RETRY_ALLOWANCE_MS = 3_000
"""For the disk, the serial port, a busy channel and the answers that go first."""
RETRY_MAX_MS = 15 * 60_000
"""An entry node alone on the air asks four times an hour: less than 0.2 % of airtime for one envelope."""
CROWD_RETRY_MS = 8 * 60_000
"""And in a crowd, where somebody has it for sure, and news tell it within this time."""
RETRY_JITTER = 0.5
"""Two nodes that collided once must not collide again: up to half the wait is added by chance."""
WINDOW_AIRTIMES = 1.5
"""The contention window for each neighbor: most copies end before the next is begun."""
RECEIPT_MIN_MS = 200
RECEIPT_NEIGHBOR_MS = 300
"""Receipts wait for each other to share a frame, and longer in a crowd: each takes 185 ms of the channel."""
WAKE_FIRST_MS = 2 * 60_000
WAKE_MAX_MS = 6 * 3_600_000
"""Being heard wakes what a node lacks at most this often per envelope, ever more rarely."""
SHARED_RECEIPT_NEIGHBOR_MS = 1_000
"""Where one receipt serves for all, each neighbor widens the window by so much: most hear the first one in time."""
SHARED_RECEIPT_NEIGHBORS_MAX = 12
"""Within the patience of who waits for it."""
TELL_MS = (20_000, 60_000)
"""A neighbor that was not there before is told of so soon, with the others that came meanwhile."""
TELL_AGAIN_MS = (120_000, 240_000)
"""And once more, for who lost it, unless they are so many."""
TELL_AGAIN_NEIGHBORS_MAX = 16
NEIGHBOR_MS = 3 * 3_600_000
"""Who was not heard for this long, four hellos and more, is no neighbor to tell of."""
RECEIPT_AIRTIME_MS = 185
"""One envelope's receipt at SF9."""
HELLO_MS = 30 * 60_000
"""A node that said nothing for this long says hello: 165 ms, at most 0.01 % of airtime, and what it lacks wakes up."""
QUIET_AIRTIMES = 8.0
"""Background traffic leaves 8 to 16 times a frame's airtime to others after each frame on the channel."""
QUIET_AFTER_PEOPLE_MS = 20_000
"""What people write comes in conversations, and takes some seconds to be passed on: imports wait for it."""
SNR_FULL_DB = 10.0
SNR_NONE_DB = -12.5
"""From a perfect neighbor to one at the edge of SF9: the range over which the contention delay spreads."""


def contention_ms(airtime_ms: float, signal: Signal, neighbors: int, rng: random.Random) -> int:
    """The wait before a forward: who heard the frame well stands near its sender, reaches less, and waits longer.

    The window grows with the crowd: a copy must end before it can silence another.
    """
    snr_db = (SNR_FULL_DB + SNR_NONE_DB) / 2 if signal.snr_db is None else signal.snr_db
    nearness = min(max((snr_db - SNR_NONE_DB) / (SNR_FULL_DB - SNR_NONE_DB), 0.0), 1.0)
    return round(window_ms(airtime_ms, neighbors) * (0.3 * nearness + 0.7 * rng.random()))


def window_ms(airtime_ms: float, neighbors: int) -> float:
    """Within this time all who forward a frame begin to."""
    return airtime_ms * WINDOW_AIRTIMES * min(max(neighbors, 1), CROWD_MAX)


def retry_ms(airtime_ms: float, neighbors: int, attempts: int, rng: random.Random) -> int:
    """The wait after the `attempts`-th transmission went unanswered; from the third on it doubles, up to a limit."""
    first = patience_ms(airtime_ms, neighbors)
    doubled = min(first * 2.0 ** min(max(attempts - 2, 0), 16), RETRY_MAX_MS)
    return round(doubled * (1 + RETRY_JITTER * rng.random()))


def patience_ms(airtime_ms: float, neighbors: int) -> float:
    """How long an answer to a frame may take."""
    return window_ms(airtime_ms, neighbors) + RETRY_AIRTIMES * airtime_ms + RETRY_ALLOWANCE_MS


def receipt_ms(neighbors: int, rng: random.Random) -> int:
    """The wait before a receipt."""
    return round(RECEIPT_MIN_MS + RECEIPT_NEIGHBOR_MS * min(max(neighbors, 2), CROWD_MAX) * rng.random())


def shared_receipt_ms(neighbors: int, rng: random.Random) -> int:
    """The wait before a receipt that one of many is to give."""
    crowd = min(max(neighbors, 2), SHARED_RECEIPT_NEIGHBORS_MAX)
    return round(RECEIPT_MIN_MS + SHARED_RECEIPT_NEIGHBOR_MS * crowd * rng.random())


def answers_ms(neighbors: int, rng: random.Random) -> int:
    """After an envelope the channel belongs to its receipts: they may come from nodes that we cannot hear."""
    window_ms = RECEIPT_MIN_MS + RECEIPT_NEIGHBOR_MS * min(max(neighbors, 2), CROWD_MAX)
    return round(window_ms + RECEIPT_AIRTIME_MS + RECEIPT_NEIGHBOR_MS * rng.random())


def hello_ms(rng: random.Random) -> int:
    """The silence after which a node says that it is still there."""
    return round(HELLO_MS * (1 + 0.5 * rng.random()))


def quiet_ms(airtime_ms: float, rng: random.Random) -> int:
    """The silence that background traffic keeps after a frame."""
    return round(QUIET_AIRTIMES * airtime_ms * (1 + rng.random()))
