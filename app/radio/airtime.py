"""What a frame costs: LoRa time on air by Semtech's formula, and the hourly budget that the law leaves.

Pure: time is an argument. Sources: SX1261/2 datasheet (DS.SX1261-2.W.APP rev. 2.1), section 6.1.4 "LoRa
time-on-air", which covers SF5 and SF6 too; ERC Recommendation 70-03, annex 1, for the European sub-bands.
"""

import math
from enum import Enum

import msgspec

from app.errors import InputError

SPREADING_FACTORS = range(5, 13)
CODING_RATES = range(5, 9)
"""4/5 to 4/8, named by the denominator."""
PAYLOAD_BYTES_MAX = 255
"""The length field of LoRa's explicit header is one byte."""
PREAMBLE_SYMBOLS = range(6, 65536)
"""Shorter preambles cannot be detected; the register has 16 bits."""
BANDWIDTHS_KHZ = (7.8125, 10.4167, 15.625, 20.8333, 31.25, 41.6667, 62.5, 125.0, 250.0, 500.0)
_BANDWIDTH_TOLERANCE = 0.005
"""Datasheets round these in their own ways: 7.8, 7.81, 10.4, 41.7."""
LOW_DATA_RATE_SYMBOL_MS = 16.0
"""From this symbol time on, the chips need low data rate optimization."""

HOUR_MS = 3_600_000
SLOT_MS = 60_000
"""The budget remembers airtime by the minute: 61 numbers instead of every frame of the hour."""


class LowDataRate(Enum):
    """Low data rate optimization: by the symbol time, or as told."""

    AUTOMATIC = "auto"
    ON = "on"
    OFF = "off"


class Modulation(msgspec.Struct, frozen=True):
    """How a frame is put on air. Build it with `modulation()`, which checks the numbers."""

    spreading_factor: int
    bandwidth_khz: float
    coding_rate: int
    preamble_symbols: int = 8
    explicit_header: bool = True
    crc: bool = True
    low_data_rate: LowDataRate = LowDataRate.AUTOMATIC

    @property
    def symbol_ms(self) -> float:
        """The length of one symbol."""
        return 2.0**self.spreading_factor / self.bandwidth_khz

    @property
    def is_optimized(self) -> bool:
        """Whether low data rate optimization is on."""
        if self.low_data_rate is LowDataRate.AUTOMATIC:
            return self.symbol_ms >= LOW_DATA_RATE_SYMBOL_MS
        return self.low_data_rate is LowDataRate.ON


def modulation(
    spreading_factor: int,
    bandwidth_khz: float,
    coding_rate: int,
    preamble_symbols: int = 8,
    *,
    explicit_header: bool = True,
    crc: bool = True,
    low_data_rate: LowDataRate = LowDataRate.AUTOMATIC,
) -> Modulation:
    """A checked modulation. InputError names the field that no LoRa radio can do."""
    _require(spreading_factor in SPREADING_FACTORS, "sf", "The spreading factor runs from 5 to 12.")
    _require(
        any(abs(bandwidth_khz - known) <= known * _BANDWIDTH_TOLERANCE for known in BANDWIDTHS_KHZ),
        "bw",
        "The bandwidth is one of 7.81, 10.42, 15.63, 20.83, 31.25, 41.67, 62.5, 125, 250 and 500 kHz.",
    )
    _require(coding_rate in CODING_RATES, "cr", "The coding rate runs from 5 (that is 4/5) to 8 (4/8).")
    _require(preamble_symbols in PREAMBLE_SYMBOLS, "preamble", "The preamble has 6 to 65535 symbols.")
    return Modulation(
        spreading_factor, bandwidth_khz, coding_rate, preamble_symbols, explicit_header, crc, low_data_rate
    )


def airtime_ms(modulation: Modulation, payload_bytes: int) -> float:
    """Time on air in ms of a frame with `payload_bytes` bytes. InputError outside 0 to 255 bytes."""
    _require(0 <= payload_bytes <= PAYLOAD_BYTES_MAX, "bytes", f"A LoRa frame holds 0 to {PAYLOAD_BYTES_MAX} bytes.")
    quarters = 4 * (modulation.preamble_symbols + 8 + _payload_symbols(modulation, payload_bytes))
    # "(N_symbol_preamble + 6.25 …)" for SF5 and SF6, "(… + 4.25 …)" for all other SF.
    quarters += 25 if modulation.spreading_factor <= 6 else 17
    return quarters * modulation.symbol_ms / 4


def _payload_symbols(modulation: Modulation, payload_bytes: int) -> int:
    factor = modulation.spreading_factor
    bits = 8 * payload_bytes + 16 * modulation.crc - 4 * factor + 20 * modulation.explicit_header
    if factor > 6:
        bits += 8
    bits_per_symbol = 4 * (factor - 2) if modulation.is_optimized else 4 * factor
    return math.ceil(max(bits, 0) / bits_per_symbol) * modulation.coding_rate


class SubBand(msgspec.Struct, frozen=True):
    """A stretch of spectrum and the share of an hour that one station may use of it."""

    low_hz: int
    high_hz: int
    duty_cycle: float


EU868 = (
    SubBand(863_000_000, 865_000_000, 0.001),
    SubBand(865_000_000, 868_000_000, 0.01),
    SubBand(868_000_000, 868_600_000, 0.01),
    SubBand(868_700_000, 869_200_000, 0.001),
    SubBand(869_400_000, 869_650_000, 0.1),
    SubBand(869_700_000, 870_000_000, 0.01),
)


def duty_cycle_at(frequency_hz: int, bandwidth_khz: float) -> float:
    """The lawful share of an hour on this European channel. InputError where the channel leaves its sub-band."""
    half_hz = bandwidth_khz * 500
    for band in EU868:
        if band.low_hz <= frequency_hz - half_hz and frequency_hz + half_hz <= band.high_hz:
            return band.duty_cycle
    raise InputError(f"No European sub-band holds {bandwidth_khz:g} kHz at {frequency_hz / 1e6:g} MHz.", "frequency")


class AirtimeBudget:
    """The airtime of one sub-band: in any 60 minutes at most `limit_ms` is spent, whatever the moment.

    A token bucket that may be emptied at once would let twice its share into some hours; this counts what was
    spent in the last hour, by the minute and rounded against us. `reserve_ms` in the questions is what must
    remain afterwards, for things more urgent than the asker.
    """

    def __init__(self, duty_cycle: float) -> None:
        self.limit_ms = HOUR_MS * duty_cycle
        self._slots: dict[int, float] = {}

    def spend(self, ms: float, now_ms: int, purse: int = 0) -> None:
        """Counts a transmission that starts now. Ask `available_ms` first. A plain budget has one purse for all."""
        self._forget(now_ms)
        slot = now_ms // SLOT_MS
        self._slots[slot] = self._slots.get(slot, 0.0) + ms

    def spent_ms(self, now_ms: int) -> float:
        """Airtime of the last hour."""
        self._forget(now_ms)
        return sum(self._slots.values())

    def give_back(self, ms: float, at_ms: int) -> None:
        """What was counted at that time was not sent after all."""
        slot = at_ms // SLOT_MS
        if slot in self._slots:
            self._slots[slot] = max(0.0, self._slots[slot] - ms)

    def by_age(self, now_ms: int) -> list[tuple[int, float]]:
        """The hour, minute by minute: (ms since the minute's end, 0 for the present one; airtime in it)."""
        self._forget(now_ms)
        return [(max(0, now_ms - (slot + 1) * SLOT_MS), ms) for slot, ms in sorted(self._slots.items()) if ms]

    def available_ms(self, now_ms: int) -> float:
        """Airtime that may be spent now."""
        return max(0.0, self.limit_ms - self.spent_ms(now_ms))

    def ready_at_ms(self, ms: float, now_ms: int, reserve_ms: float = 0.0) -> int | None:
        """When `ms` can be spent with the reserve left over: now or later; None if it never fits."""
        excess = self.spent_ms(now_ms) + ms + reserve_ms - self.limit_ms
        if excess <= 0:
            return now_ms
        for slot in sorted(self._slots):
            excess -= self._slots[slot]
            if excess <= 0:
                return _leaves_at_ms(slot)
        return None

    def _forget(self, now_ms: int) -> None:
        for slot in [slot for slot in self._slots if _leaves_at_ms(slot) <= now_ms]:
            del self._slots[slot]


def _leaves_at_ms(slot: int) -> int:
    return (slot + 1) * SLOT_MS + HOUR_MS


def _require(condition: bool, field: str, message: str) -> None:
    if not condition:
        raise InputError(message, field)
