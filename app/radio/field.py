"""The field: an ether with a modem at each place, moved along one clock. Pure; tests and `tntn ether` drive it."""

import itertools
import random
from collections.abc import Mapping, Sequence

from app.radio.ether import Arrival, Ether, Outcome, Transmission
from app.radio.modem import Modem

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
    ) -> None:
        self.ether = Ether(loss_db, rng, frame_loss)
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
