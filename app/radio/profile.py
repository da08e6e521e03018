"""The channel a community shares: one raw profile, the same on every node, or nodes don't hear each other."""

import msgspec

from app.radio.airtime import AirtimeBudget, Modulation, airtime_ms, duty_cycle_at, modulation
from app.radio.dialects.on_air import HEADER_BYTES

SYNC_WORD = 0x1424
"""LoRa's private networks; MeshCore's and RNode's modems set it themselves."""


class Profile(msgspec.Struct, frozen=True):
    """Where and how a community talks."""

    name: str
    frequency_hz: int
    modulation: Modulation
    power_dbm: int

    def frame_airtime_ms(self, frame_bytes: int) -> float:
        """What a TNTN frame costs with the byte that goes before it on air."""
        return airtime_ms(self.modulation, frame_bytes + HEADER_BYTES)

    def budget(self) -> AirtimeBudget:
        """A fresh hour under the law of this channel's sub-band."""
        return AirtimeBudget(duty_cycle_at(self.frequency_hz, self.modulation.bandwidth_khz))


EU868 = Profile("EU868 · 869.525 MHz · SF9 · 125 kHz", 869_525_000, modulation(9, 125.0, 5, 8), 22)
"""The profile of the spine: the one European sub-band with 10 % duty cycle; 22 dBm is what an SX1262 gives."""
