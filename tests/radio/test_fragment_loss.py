"""Thirty listeners lose a third of all frames: what a large envelope costs with counted symbols and with bitmaps.

The comparison is a scheme in which listeners name the pieces they lack, idealized beyond what radio allows: see
`bitmaps`. The counted symbols are the real encoder and the real assemblers, whose requests get lost like all else.
"""

import random
import statistics

import pytest

from app.radio.assembly import Assembler
from app.radio.fragment import Encoder, repair_index
from app.radio.frame import FRAME_BYTES_MAX

FRAME_MS = 1168.0
"""233 bytes at SF9, 125 kHz, 4/5."""
REQUEST_MS = 164.0
"""A request frame for one object: 22 bytes."""
LISTENERS = 30
SENDER = 7
RUNS = 20


class Tally:
    """Frames of data, requests, and the time it took."""

    def __init__(self) -> None:
        self.data = self.requests = 0
        self.now_ms = 0.0

    @property
    def frames(self) -> int:
        return self.data + self.requests

    @property
    def airtime_ms(self) -> float:
        return self.data * FRAME_MS + self.requests * REQUEST_MS


def counted_symbols(envelope_bytes: int, loss: float, seed: int) -> Tally:
    """The real encoder and assemblers over one lossy channel."""
    rng, tally = random.Random(seed), Tally()
    sender = Encoder(rng.randbytes(envelope_bytes), FRAME_BYTES_MAX)
    k = sender.cut.source_symbols
    listeners = [Assembler(FRAME_MS, random.Random(seed * 1000 + number)) for number in range(LISTENERS)]
    waiting = set(range(LISTENERS))
    queue, turn = list(range(k)), 0
    while waiting:
        while queue:
            symbol = sender.symbol(queue.pop(0))
            tally.data += 1
            tally.now_ms += FRAME_MS
            for number in list(waiting):
                if rng.random() >= loss and listeners[number].received(symbol, SENDER, int(tally.now_ms)) is not None:
                    waiting.discard(number)
        due = [(listeners[number].deadline_ms(), number) for number in waiting]
        asking = min(((at_ms, number) for at_ms, number in due if at_ms is not None), default=None)
        if asking is None:
            # Nobody knows that something is missing: a node-log vector says so, and a symbol follows.
            tally.requests += bool(waiting)
            queue, turn = [repair_index(k, SENDER, turn)] * bool(waiting), turn + 1
            continue
        tally.now_ms = max(tally.now_ms, asking[0]) + REQUEST_MS
        for want in listeners[asking[1]].wanted(int(tally.now_ms)):
            tally.requests += 1
            for number in waiting - {asking[1]}:
                if rng.random() >= loss:
                    listeners[number].overheard(want, int(tally.now_ms))
            if rng.random() >= loss:
                queue = [repair_index(k, SENDER, turn + more) for more in range(want.count)]
                turn += want.count
    return tally


def bitmaps(pieces: int, loss: float, seed: int) -> Tally:
    """Negative acknowledgments that name pieces, at their very best: each round one request, never lost, that happens
    to name all that anybody lacks."""
    rng, tally = random.Random(seed), Tally()
    lacking = [set(range(pieces)) for _ in range(LISTENERS)]
    queue = list(range(pieces))
    while queue:
        for piece in queue:
            tally.data += 1
            for mine in lacking:
                if rng.random() >= loss:
                    mine.discard(piece)
        queue = sorted(set().union(*lacking))
        tally.requests += bool(queue)
    return tally


def mean(tallies: list[Tally], what: str) -> float:
    return float(statistics.mean(getattr(tally, what) for tally in tallies))


@pytest.mark.parametrize(("envelope_bytes", "pieces"), [(2000, 10), (8292, 40)])
def test_at_30_percent_loss_counted_symbols_need_half_the_frames_of_bitmaps(envelope_bytes: int, pieces: int) -> None:
    counted = [counted_symbols(envelope_bytes, 0.3, seed) for seed in range(RUNS)]
    mapped = [bitmaps(pieces, 0.3, seed) for seed in range(RUNS)]
    assert mean(counted, "frames") <= 0.65 * mean(mapped, "frames")
    assert mean(counted, "airtime_ms") <= 0.65 * mean(mapped, "airtime_ms")


def test_without_loss_nothing_is_repeated_and_nobody_asks() -> None:
    tally = counted_symbols(2000, 0.0, 1)
    assert (tally.data, tally.requests) == (10, 0)


def test_no_scheme_could_do_with_much_less() -> None:
    """The least: as many frames as the unluckiest of 30 listeners needs to hear k of them."""
    rng = random.Random(3)

    def needed() -> int:
        heard = frames = 0
        while heard < 10:
            frames += 1
            heard += rng.random() >= 0.3
        return frames

    least = statistics.mean(max(needed() for _ in range(LISTENERS)) for _ in range(300))
    counted = mean([counted_symbols(2000, 0.3, seed) for seed in range(RUNS)], "data")
    assert counted <= 1.1 * least
