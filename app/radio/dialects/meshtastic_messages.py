"""The few messages of Meshtastic's serial API that TNTN speaks or hears, and what its frames cost on air.

Source: Meshtastic documentation, the reference of its protocol buffers (names, field numbers, constants), and "LoRa
configuration" (modem presets). Readings are TNTN's own type.
"""

from enum import IntEnum

import msgspec

from app.radio.airtime import Modulation, modulation
from app.radio.dialects.dialect import WeatherReading
from app.radio.dialects.protobuf import bytes_field, fixed32_field, float_field, int_field, uint_field

BROADCAST = 0xFFFFFFFF
LORA_BYTES_MAX = 255
HEADER_BYTES = 16
"""Addresses, packet number, flags, channel hash and relays, in clear before the encrypted Data."""
SIGNATURE_BYTES = 66
"""What firmware 2.8 adds to a broadcast where it fits: 64 bytes, with a field's tag and length."""
BITFIELD_BYTES = 2
"""What firmware 2.5 and later adds to all that it originates."""
PREAMBLE_SYMBOLS = 16
DATA_OVERHEAD_BYTES = HEADER_BYTES + 6 + BITFIELD_BYTES
"""What goes on air beside a payload of 128 bytes or more in a private port: two fields' tags, a port, a length."""


class Port(IntEnum):
    """What a Data's payload is. From 256 on, anybody's own."""

    TEXT = 1
    POSITION = 3
    NODE_INFO = 4
    ROUTING = 5
    ADMIN = 6
    TELEMETRY = 67
    PRIVATE = 256


class Role(IntEnum):
    """Whether a channel is used."""

    DISABLED = 0
    PRIMARY = 1
    SECONDARY = 2


class RoutingError(IntEnum):
    """Why a packet was not sent."""

    NONE = 0
    NO_ROUTE = 1
    GOT_NAK = 2
    TIMEOUT = 3
    NO_INTERFACE = 4
    MAX_RETRANSMIT = 5
    NO_CHANNEL = 6
    TOO_LARGE = 7
    NO_RESPONSE = 8
    DUTY_CYCLE_LIMIT = 9
    BAD_REQUEST = 32
    NOT_AUTHORIZED = 33
    RATE_LIMIT_EXCEEDED = 38


_PRESETS = {
    0: (11, 250.0, 5),
    1: (12, 125.0, 8),
    2: (12, 62.5, 8),
    3: (10, 250.0, 5),
    4: (9, 250.0, 5),
    5: (8, 250.0, 5),
    6: (7, 250.0, 5),
    7: (11, 125.0, 8),
    8: (7, 500.0, 5),
    9: (11, 500.0, 8),
    10: (9, 125.0, 5),
    11: (10, 125.0, 5),
    12: (7, 62.5, 6),
    13: (8, 62.5, 6),
}
"""Modem presets: spreading factor, bandwidth in kHz, coding rate. 0 is LongFast."""
_BANDWIDTHS_KHZ = {31: 31.25, 62: 62.5, 125: 125.0, 250: 250.0, 500: 500.0}
"""The names that the settings give to bandwidths, in whole kHz."""


class Data(msgspec.Struct, frozen=True):
    """What one radio says to others, before encryption."""

    port: int
    payload: bytes
    want_response: bool = False
    request_id: int = 0
    reply_id: int = 0
    emoji: int = 0
    bitfield: int | None = None

    def encode(self) -> bytes:
        return b"".join(
            (
                uint_field(1, self.port),
                bytes_field(2, self.payload, always=False),
                uint_field(3, self.want_response),
                fixed32_field(6, self.request_id),
                fixed32_field(7, self.reply_id),
                fixed32_field(8, self.emoji),
                b"" if self.bitfield is None else uint_field(9, self.bitfield, always=True),
            )
        )


class MeshPacket(msgspec.Struct, frozen=True):
    """A packet on its way. `data` is None where the radio could not decrypt it."""

    sender: int
    to: int
    packet_id: int
    data: Data | None
    channel: int = 0
    hop_limit: int = 0
    want_ack: bool = False
    rx_time: int = 0
    rx_snr_db: float | None = None
    rx_rssi_dbm: int = 0
    via_mqtt: bool = False
    hop_start: int = 0

    def encode(self) -> bytes:
        return b"".join(
            (
                fixed32_field(1, self.sender),
                fixed32_field(2, self.to),
                uint_field(3, self.channel),
                bytes_field(5, b"") if self.data is None else bytes_field(4, self.data.encode()),
                fixed32_field(6, self.packet_id),
                fixed32_field(7, self.rx_time),
                float_field(8, self.rx_snr_db),
                uint_field(9, self.hop_limit),
                uint_field(10, self.want_ack),
                int_field(12, self.rx_rssi_dbm),
                uint_field(14, self.via_mqtt),
                uint_field(15, self.hop_start),
            )
        )


class WantConfig(msgspec.Struct, frozen=True):
    """Tell me everything, and say this number when you are done."""

    nonce: int


class Heartbeat(msgspec.Struct, frozen=True):
    """The host is there; the radio answers with the state of its queue."""


class Disconnect(msgspec.Struct, frozen=True):
    """The host goes."""


ToRadio = MeshPacket | WantConfig | Heartbeat | Disconnect


class MyInfo(msgspec.Struct, frozen=True):
    """The radio's own number."""

    node: int


class NodeInfo(msgspec.Struct, frozen=True):
    """A radio that this one knows."""

    node: int
    long_name: str


class Channel(msgspec.Struct, frozen=True):
    """A channel of this radio."""

    index: int
    role: int
    name: str


class LoraConfig(msgspec.Struct, frozen=True):
    """How this radio uses the air. `region` 0 is a radio that may not send yet."""

    use_preset: bool
    preset: int
    bandwidth: int
    spreading_factor: int
    coding_rate: int
    region: int
    hop_limit: int
    tx_enabled: bool

    def modulation(self) -> Modulation:
        """What its frames are like. Settings that are none of LoRa's count as LongFast, as the firmware has it."""
        factor, bandwidth_khz, rate = _PRESETS[0]
        if self.use_preset:
            factor, bandwidth_khz, rate = _PRESETS.get(self.preset, _PRESETS[0])
        elif self.bandwidth in _BANDWIDTHS_KHZ and 7 <= self.spreading_factor <= 12 and 5 <= self.coding_rate <= 8:
            factor, bandwidth_khz = self.spreading_factor, _BANDWIDTHS_KHZ[self.bandwidth]
            rate = self.coding_rate
        return modulation(factor, bandwidth_khz, rate, PREAMBLE_SYMBOLS)


class Metadata(msgspec.Struct, frozen=True):
    """What the radio runs."""

    firmware: str


class QueueStatus(msgspec.Struct, frozen=True):
    """Room in the radio's queue; with a packet's number, what became of handing it over (0 is well)."""

    result: int
    free: int
    length: int
    packet_id: int


class ConfigComplete(msgspec.Struct, frozen=True):
    """All has been told."""

    nonce: int


class Rebooted(msgspec.Struct, frozen=True):
    """The radio has just started."""


class Other(msgspec.Struct, frozen=True):
    """A message that TNTN has no use for."""


FromRadio = (
    MeshPacket | MyInfo | NodeInfo | Channel | LoraConfig | Metadata | QueueStatus | ConfigComplete | Rebooted | Other
)


class Telemetry(msgspec.Struct, frozen=True):
    """Measurements: the weather, or how much of the last hour the radio sent. Either may be absent."""

    unix_s: int
    reading: WeatherReading | None
    airtime_percent: float | None


def air_bytes(data: Data, *, signs: bool) -> int:
    """The LoRa frame that firmware since 2.5 makes of what a host gives it; above LORA_BYTES_MAX it refuses.

    `signs` is firmware since 2.8, which signs broadcasts that leave room for it.
    """
    size = HEADER_BYTES + len(data.encode()) + (BITFIELD_BYTES if data.bitfield is None else 0)
    return size + SIGNATURE_BYTES if signs and size + SIGNATURE_BYTES <= LORA_BYTES_MAX else size
