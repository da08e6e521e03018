"""The field: an ether with a modem at each place, moved along one clock. Pure; tests and `tntn ether` drive it.

And how far apart places are in decibels: in a line, all in earshot, or scattered over land. Source of the path loss
over land: Petäjäjärvi et al., "On the coverage of LPWANs: range evaluation and channel attenuation model for LoRa
technology", ITST 2015 (868 MHz, car measurements).
"""

import itertools
import math
import random
from collections.abc import Mapping, Sequence

from app.radio.ether import Arrival, Ether, Interference, Outcome, Transmission
from app.radio.modem import Modem

LOSS_AT_1_KM_DB = 128.95
LOSS_EXPONENT = 2.32
SHADOWING_DB = 7.8
"""Measured over land: the loss at a kilometer, how it grows with distance, and how much houses and hills scatter it."""
DISTANCE_MIN_KM = 0.05
"""The fit says nothing of radios in one garden."""
NEAR_DB = 125.0
"""Path loss between neighbors on a line: some kilometers, heard at -103 dBm with 14 dB of SNR to spare."""


class Field:
    """Modems by name on one ether."""

    def __init__(
        self,
        names: Sequence[str],
        loss_db: Mapping[tuple[str, str], float],
        rng: random.Random,
        frame_loss: float = 0.0,
        interference: Interference | None = None,
    ) -> None:
        self.ether = Ether(loss_db, rng, frame_loss, interference)
        self.modems = {name: Modem(name, self.ether, rng) for name in names}

    def poll(self, now_ms: float) -> list[tuple[Transmission, list[Arrival]]]:
        """Let time pass up to now; returns what ended, with what each radio got of it."""
        ended = self.ether.poll(now_ms)
        for transmission, arrivals in ended:
            self.modems[transmission.sender].finish()
            for arrival in arrivals:
                if arrival.outcome is Outcome.HEARD:
                    self.modems[arrival.receiver].hear(arrival)
        for modem in self.modems.values():
            modem.poll(now_ms)
        return ended

    def deadline_ms(self, now_ms: float) -> int | None:
        """When to poll again."""
        deadlines = [self.ether.deadline_ms(), *(modem.deadline_ms(now_ms) for modem in self.modems.values())]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)


def line(names: Sequence[str], loss_db: float = NEAR_DB) -> dict[tuple[str, str], float]:
    """Path losses of places in a row, where each hears its neighbors only."""
    return {pair: loss_db for near in itertools.pairwise(names) for pair in (near, near[::-1])}


def in_earshot(names: Sequence[str], loss_db: float = NEAR_DB) -> dict[tuple[str, str], float]:
    """Path losses of places that all hear each other equally well."""
    return {(one, other): loss_db for one in names for other in names if one != other}


def scattered(
    places_km: Mapping[str, tuple[float, float]], rng: random.Random, shadowing_db: float = SHADOWING_DB
) -> dict[tuple[str, str], float]:
    """Path losses between places on a map, by log-distance with a shadow for each pair, the same in both directions."""
    losses: dict[tuple[str, str], float] = {}
    for one, other in itertools.combinations(places_km, 2):
        distance_km = max(math.dist(places_km[one], places_km[other]), DISTANCE_MIN_KM)
        loss_db = LOSS_AT_1_KM_DB + 10 * LOSS_EXPONENT * math.log10(distance_km) + rng.gauss(0.0, shadowing_db)
        losses[one, other] = losses[other, one] = loss_db
    return losses
