"""How long to wait before a peer is dialed again. Pure numbers, randomness injected."""

import random

FIRST_S = 1.0
"""A link that was cut is often back at once."""
LONGEST_S = 300.0
"""A peer that is away for months costs twelve attempts an hour."""
JITTER = 0.5
"""Two that lost each other at the same moment must not meet in the same moment for ever."""
REPLACED_TRIES = 6
"""A machine whose place was taken by its twin comes back after a minute, then ever later."""


def pause_s(tries: int, rng: random.Random) -> float:
    """The wait after so many attempts in a row that came to nothing; 0 after a session that did."""
    return min(FIRST_S * 2.0 ** min(tries, 16), LONGEST_S) * (1 + JITTER * rng.random())
