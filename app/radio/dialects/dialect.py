"""What a radio's dialect is to the rest of the node: one shape, so that the supervisor can use any of them.

A pure machine for one radio on one serial port: bytes in, bytes out, time as an argument. `open` follows each
(re)opening of the port, `close` its loss. The events that all dialects share began with the KISS modem; the others
come from radios that carry more than TNTN's frames.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from app.radio.dialects.kiss import Fault, Heard, Ready, Sent, Unresponsive


class TextHeard(msgspec.Struct, frozen=True):
    """A text message from a radio of another kind, for the bulletin board. Nobody signed it.

    `packet` is the other network's own number for the message: with `sender` it names a message twice heard.
    """

    text: str
    sender: int
    sender_name: str
    packet: int
    via_internet: bool


class WeatherReading(msgspec.Struct, frozen=True):
    """What a sensor said, each None where it has no such sensor. Finite numbers, in the units of their names."""

    temperature_c: float | None = None
    humidity_percent: float | None = None
    pressure_hpa: float | None = None
    illuminance_lux: float | None = None
    wind_direction_deg: int | None = None
    wind_speed_m_s: float | None = None
    wind_gust_m_s: float | None = None
    wind_lull_m_s: float | None = None
    rain_1h_mm: float | None = None
    rain_24h_mm: float | None = None
    radiation_ur_h: float | None = None
    soil_moisture_percent: int | None = None
    soil_temperature_c: float | None = None


class TelemetryHeard(msgspec.Struct, frozen=True):
    """A weather station on another network, for the weather board. `unix_s` is the station's clock, 0 without one."""

    sender: int
    sender_name: str
    unix_s: int
    reading: WeatherReading


class AirtimeReported(msgspec.Struct, frozen=True):
    """What the radio itself spent of the last hour, in percent: its own repeats count against our airtime."""

    percent: float


Event = Ready | Heard | Sent | Fault | Unresponsive | TextHeard | TelemetryHeard | AirtimeReported

__all__ = [
    "AirtimeReported",
    "Dialect",
    "Event",
    "Fault",
    "Heard",
    "Ready",
    "Sent",
    "TelemetryHeard",
    "TextHeard",
    "Unresponsive",
    "WeatherReading",
]


class Dialect(Protocol):
    """One radio on one port."""

    @property
    def is_ready(self) -> bool:
        """Whether `send` may be called now."""

    @property
    def frame_bytes_max(self) -> int:
        """The longest frame that the radio carries; a longer one fails at once."""

    @property
    def floods_itself(self) -> bool:
        """Whether the radios pass frames on by themselves: then say a thing once, and never forward."""

    def airtime_ms(self, frame_bytes: int) -> float:
        """What a frame costs through this radio, with all that goes before and behind it on air."""

    def is_clear(self, now_ms: int) -> bool:
        """Whether `send` may be called now, and the channel is free where the radio does not wait for that itself."""

    def open(self, now_ms: int) -> None:
        """The port is open."""

    def close(self) -> None:
        """The port is gone, and with it what the radio was to send."""

    def send(self, frame: bytes, now_ms: int) -> None:
        """Hand the radio a frame, only while `is_ready`. A Sent event follows in any case."""

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the port, any bytes, cut anywhere."""

    def poll(self, now_ms: int) -> bytes:
        """Bytes for the port; deadlines that have passed are acted on."""

    def deadline_ms(self) -> int | None:
        """When to poll again without news."""

    def events(self) -> Sequence[Event]:
        """What happened since the last call."""
