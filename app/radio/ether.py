"""The ether: a simulated LoRa channel for the demo, the tests and the benchmarks. Pure, on whatever clock it is given.

Real airtime; half duplex; a frame is heard where it is strong enough for its spreading factor, was caught by an
idle receiver, and stands 6 dB above what overlaps it, other frames and bursts of interference. Loss by chance is
seeded. Who cannot hear whom is a matter of path loss, so hidden terminals need no rule of their own. Sources: SX1261/2
datasheet (SNR limits, noise figure); Bor et al., "Do LoRa low-power wide-area networks scale?", MSWiM 2016 (capture).
"""

import math
import random
from collections import deque
from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from app.radio.airtime import HOUR_MS, Modulation, airtime_ms

CAPTURE_DB = 6.0
"""A frame this much stronger than what overlaps it is heard all the same."""
LOCK_SYMBOLS = 5
"""The end of the preamble that a receiver needs to lock on."""
NOISE_FIGURE_DB = 6.0
UNREACHABLE_DB = math.inf
BURST_MEMORY_MS = 60_000.0
"""No frame is longer on air than this; what ended before may be forgotten."""
HISTORY_MS = HOUR_MS
"""How far back airtime is remembered for the duty cycle."""


class Tuning(msgspec.Struct, frozen=True):
    """What a radio is set to."""

    frequency_hz: int
    modulation: Modulation
    power_dbm: int = 22


class Outcome(StrEnum):
    """What became of a frame at one radio."""

    HEARD = "heard"
    WEAK = "weak"
    COLLISION = "collision"
    BUSY = "busy"
    JAMMED = "jammed"
    LOST = "lost"


class Transmission(msgspec.Struct, frozen=True):
    """A frame on the air."""

    number: int
    sender: str
    packet: bytes
    tuning: Tuning
    start_ms: float
    end_ms: float

    @property
    def airtime_ms(self) -> float:
        return self.end_ms - self.start_ms


class Arrival(msgspec.Struct, frozen=True):
    """The end of a transmission at a radio that is tuned to it."""

    transmission: Transmission
    receiver: str
    outcome: Outcome
    rssi_dbm: float
    snr_db: float


class Burst(msgspec.Struct, frozen=True):
    """A stretch of foreign energy on the channel, as strong as this at the radios it strikes."""

    start_ms: float
    end_ms: float
    level_dbm: float
    strikes: frozenset[str]


class Interference:
    """Bursts from elsewhere, as of a neighbor's alarm sensors: about one in `every_ms`, each at half of the radios.

    Time only moves forward: ask about spans in the order of their ends.
    """

    def __init__(
        self, radios: Sequence[str], rng: random.Random, every_ms: float, length_ms: float, level_dbm: float
    ) -> None:
        self._radios = tuple(radios)
        self._rng = rng
        self._every_ms = every_ms
        self._length_ms = length_ms
        self._level_dbm = level_dbm
        self._next_ms = 0.0
        self._bursts: deque[Burst] = deque()

    def level_dbm(self, radio: str, start_ms: float, end_ms: float) -> float:
        """The strongest burst at a radio within a span; minus infinity when it is quiet."""
        while self._next_ms < end_ms:
            self._next_ms += self._rng.expovariate(1 / self._every_ms)
            length_ms = self._length_ms * (0.5 + self._rng.random())
            struck = frozenset(name for name in self._radios if self._rng.random() < 0.5)
            self._bursts.append(Burst(self._next_ms, self._next_ms + length_ms, self._level_dbm, struck))
            self._next_ms += length_ms
        while self._bursts and self._bursts[0].end_ms < start_ms - BURST_MEMORY_MS:
            self._bursts.popleft()
        return max(
            (
                burst.level_dbm
                for burst in self._bursts
                if radio in burst.strikes and burst.start_ms < end_ms and burst.end_ms > start_ms
            ),
            default=-math.inf,
        )


class Ether:
    """The channel between named radios. `loss_db` gives path loss by (sender, receiver); what is absent is unheard."""

    def __init__(
        self,
        loss_db: Mapping[tuple[str, str], float],
        rng: random.Random,
        frame_loss: float = 0.0,
        interference: Interference | None = None,
    ) -> None:
        self._loss_db = loss_db
        self._rng = rng
        self._frame_loss = frame_loss
        self._interference = interference
        self._tunings: dict[str, Tuning] = {}
        self._on_air: list[Transmission] = []
        self._overlapping: list[Transmission] = []
        self._numbers = 0
        self._spent: dict[str, list[tuple[float, float]]] = {}

    def tune(self, radio: str, tuning: Tuning | None) -> None:
        """A radio listens from now on as told, or not at all."""
        if tuning is None:
            self._tunings.pop(radio, None)
        else:
            self._tunings[radio] = tuning

    def transmit(self, sender: str, packet: bytes, now_ms: float) -> Transmission:
        """A tuned radio begins to send; it is deaf until the end."""
        tuning = self._tunings[sender]
        duration_ms = airtime_ms(tuning.modulation, len(packet))
        self._numbers += 1
        transmission = Transmission(self._numbers, sender, packet, tuning, now_ms, now_ms + duration_ms)
        self._on_air.append(transmission)
        self._overlapping.append(transmission)
        history = self._spent.setdefault(sender, [])
        history[:] = [entry for entry in history if entry[0] > now_ms - HISTORY_MS]
        history.append((transmission.end_ms, duration_ms))
        return transmission

    def is_busy(self, radio: str, now_ms: float) -> bool:
        """Carrier detect: whether this radio hears somebody, once the preamble is long enough to be noticed."""
        tuning = self._tunings.get(radio)
        return tuning is not None and any(
            _same_channel(other.tuning, tuning)
            and other.sender != radio
            and other.start_ms + LOCK_SYMBOLS * tuning.modulation.symbol_ms <= now_ms < other.end_ms
            and self._is_audible(other, radio)
            for other in self._on_air
        )

    def poll(self, now_ms: float) -> list[tuple[Transmission, list[Arrival]]]:
        """The transmissions that have ended by now, oldest first, each with what every tuned radio got of it."""
        ended = sorted((t for t in self._on_air if t.end_ms <= now_ms), key=lambda t: t.end_ms)
        results = [(transmission, self._arrivals(transmission)) for transmission in ended]
        self._on_air = [transmission for transmission in self._on_air if transmission.end_ms > now_ms]
        earliest = min((transmission.start_ms for transmission in self._on_air), default=math.inf)
        self._overlapping = [t for t in self._overlapping if t.end_ms > min(earliest, now_ms)]
        return results

    def deadline_ms(self) -> int | None:
        """When the next transmission ends."""
        return min((math.ceil(transmission.end_ms) for transmission in self._on_air), default=None)

    def spent_ms(self, radio: str, now_ms: float) -> float:
        """A radio's airtime in the last hour."""
        return sum(ms for end_ms, ms in self._spent.get(radio, []) if end_ms > now_ms - HISTORY_MS)

    def _arrivals(self, transmission: Transmission) -> list[Arrival]:
        arrivals = []
        for receiver, tuning in sorted(self._tunings.items()):
            if receiver == transmission.sender or not _same_channel(tuning, transmission.tuning):
                continue
            rssi_dbm = self._rssi_dbm(transmission, receiver)
            snr_db = rssi_dbm - noise_dbm(transmission.tuning.modulation)
            outcome = self._outcome(transmission, receiver)
            arrivals.append(Arrival(transmission, receiver, outcome, rssi_dbm, snr_db))
        return arrivals

    def _outcome(self, transmission: Transmission, receiver: str) -> Outcome:
        if not self._is_audible(transmission, receiver):
            return Outcome.WEAK
        for other in self._overlapping:
            if other is transmission or not _overlap(other, transmission):
                continue
            if other.sender == receiver:
                return Outcome.BUSY
            if _same_channel(other.tuning, transmission.tuning) and self._is_audible(other, receiver):
                if self._is_locked_out(transmission, other):
                    return Outcome.BUSY
                stronger_db = self._rssi_dbm(transmission, receiver) - self._rssi_dbm(other, receiver)
                if stronger_db < CAPTURE_DB:
                    return Outcome.COLLISION
        if self._is_jammed(transmission, receiver):
            return Outcome.JAMMED
        if self._rng.random() < self._frame_loss:
            return Outcome.LOST
        return Outcome.HEARD

    def _is_jammed(self, transmission: Transmission, receiver: str) -> bool:
        if self._interference is None:
            return False
        level_dbm = self._interference.level_dbm(receiver, transmission.start_ms, transmission.end_ms)
        return self._rssi_dbm(transmission, receiver) - level_dbm < CAPTURE_DB

    def _is_locked_out(self, transmission: Transmission, other: Transmission) -> bool:
        """Whether the receiver had locked on to an earlier frame and so missed this one's preamble."""
        modulation = transmission.tuning.modulation
        spare_ms = (modulation.preamble_symbols - LOCK_SYMBOLS) * modulation.symbol_ms
        return other.start_ms + spare_ms < transmission.start_ms and other.end_ms > transmission.start_ms + spare_ms

    def _is_audible(self, transmission: Transmission, receiver: str) -> bool:
        snr_db = self._rssi_dbm(transmission, receiver) - noise_dbm(transmission.tuning.modulation)
        return snr_db >= snr_limit_db(transmission.tuning.modulation)

    def _rssi_dbm(self, transmission: Transmission, receiver: str) -> float:
        loss_db = self._loss_db.get((transmission.sender, receiver), UNREACHABLE_DB)
        return transmission.tuning.power_dbm - loss_db


def noise_dbm(modulation: Modulation) -> float:
    """Thermal noise in the bandwidth, and the receiver's own."""
    return -174 + 10 * math.log10(modulation.bandwidth_khz * 1000) + NOISE_FIGURE_DB


def snr_limit_db(modulation: Modulation) -> float:
    """The weakest signal that can be demodulated: -7.5 dB at SF7, 2.5 dB less for each step."""
    return -7.5 - 2.5 * (modulation.spreading_factor - 7)


def _same_channel(one: Tuning, other: Tuning) -> bool:
    # Spreading factors are orthogonal enough: other ones are neither heard nor in the way.
    same = one.modulation.spreading_factor == other.modulation.spreading_factor
    return (
        same
        and one.frequency_hz == other.frequency_hz
        and (one.modulation.bandwidth_khz == other.modulation.bandwidth_khz)
    )


def _overlap(one: Transmission, other: Transmission) -> bool:
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms
