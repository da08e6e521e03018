"""What an RNode and its host say to each other, in KISS frames: the numbers. Shared by the host and the emulator.

Source: RNode firmware, `Framing.h`, `Config.h`, `Utilities.h` and `RNode_Firmware.ino` (1.85). Multi-byte values are
big-endian. A frame's first byte is the command; there are no ports.
"""

import math
from enum import IntEnum

import msgspec

from app.errors import DecodeError
from app.radio.airtime import Modulation
from app.radio.dialects.kiss_codec import encode_frame

PACKET_BYTES_MAX = 508
"""The firmware's MTU: two LoRa frames of 255 bytes, each with the on-air header."""
SINGLE_PACKET_BYTES_MAX = 254
"""What one LoRa frame carries behind the header."""
DETECT_REQUEST = 0x73
DETECT_ANSWER = 0x46
RESET_BYTE = 0xF8
STATE_OFF = 0x00
STATE_ON = 0x01
ASK = 0xFF
"""As the value of a one-byte setting: tell it, don't change it. For four-byte settings, zero does the same."""
RSSI_OFFSET_DB = 157
"""An RSSI byte counts from -157 dBm."""
SHARE_PARTS = 10_000
"""Shares of time travel in hundredths of a percent."""
PREAMBLE_SYMBOLS_MIN = 18
_PREAMBLE_MS = 24.0
_PREAMBLE_FAST_MS = 6.0
_FAST_BITS_PER_S = 30_000


class Command(IntEnum):
    """The commands, answers and reports that TNTN uses or hears."""

    DATA = 0x00
    FREQUENCY = 0x01
    BANDWIDTH = 0x02
    TX_POWER = 0x03
    SPREADING_FACTOR = 0x04
    CODING_RATE = 0x05
    RADIO_STATE = 0x06
    RADIO_LOCK = 0x07
    DETECT = 0x08
    IMPLICIT = 0x09
    LEAVE = 0x0A
    SHORT_AIRTIME_LIMIT = 0x0B
    LONG_AIRTIME_LIMIT = 0x0C
    PROMISCUOUS = 0x0E
    READY = 0x0F
    COUNT_HEARD = 0x21
    COUNT_SENT = 0x22
    RSSI = 0x23
    SNR = 0x24
    CHANNEL = 0x25
    PHYSICAL = 0x26
    BATTERY = 0x27
    CONTENTION = 0x28
    TEMPERATURE = 0x29
    BLINK = 0x30
    RANDOM = 0x40
    BOARD = 0x47
    PLATFORM = 0x48
    PROCESSOR = 0x49
    VERSION = 0x50
    RESET = 0x55
    ERROR = 0x90


class ErrorCode(IntEnum):
    """What an ERROR report carries."""

    INIT_RADIO = 0x01
    TX_FAILED = 0x02
    EEPROM_LOCKED = 0x03
    QUEUE_FULL = 0x04
    MEMORY_LOW = 0x05
    MODEM_TIMEOUT = 0x06


class ChannelReport(msgspec.Struct, frozen=True):
    """Shares of time in hundredths of a percent: what this radio sent in the last 15 s and in the last hour, and how
    busy the channel was. Reported about once a second, and right after each transmission."""

    airtime_short: int
    airtime_hour: int
    load_short: int
    load_hour: int


def encode_byte(command: Command, value: int) -> bytes:
    """A one-byte setting, or a question."""
    return encode_frame(command, bytes([value]))


def encode_number(command: Command, value: int) -> bytes:
    """A four-byte setting; zero asks."""
    return encode_frame(command, value.to_bytes(4, "big"))


def encode_share(command: Command, parts: int) -> bytes:
    """A limit in hundredths of a percent; zero lifts it."""
    return encode_frame(command, parts.to_bytes(2, "big"))


def decode_number(content: bytes) -> int:
    """DecodeError unless these are four bytes."""
    if len(content) != 4:
        raise DecodeError("size", "The modem's number is not four bytes long.")
    return int.from_bytes(content, "big")


def decode_byte(content: bytes) -> int:
    """DecodeError unless this is one byte."""
    if len(content) != 1:
        raise DecodeError("size", "The modem's value is not one byte long.")
    return content[0]


def decode_version(content: bytes) -> str:
    """The firmware's version, such as `1.85`. DecodeError unless these are two bytes."""
    if len(content) != 2:
        raise DecodeError("size", "The modem's version is not two bytes long.")
    return f"{content[0]}.{content[1]:02}"


def decode_channel(content: bytes) -> ChannelReport:
    """DecodeError for fewer than the four shares; newer firmware adds signal levels behind them."""
    if len(content) < 8:
        raise DecodeError("size", "The modem's channel report is too short.")
    return ChannelReport(*(int.from_bytes(content[at : at + 2], "big") for at in range(0, 8, 2)))


def decode_preamble_symbols(content: bytes) -> int:
    """The preamble's length, from the report of physical parameters. DecodeError where there is none."""
    if len(content) < 6:
        raise DecodeError("size", "The modem's physical parameters are too short.")
    symbols = int.from_bytes(content[4:6], "big")
    if symbols < PREAMBLE_SYMBOLS_MIN:
        raise DecodeError("field", "The modem's preamble is shorter than its firmware can make it.")
    return symbols


def decode_rssi_dbm(content: bytes) -> int:
    """The signal strength of the packet that follows."""
    return decode_byte(content) - RSSI_OFFSET_DB


def decode_snr_db(content: bytes) -> float:
    """The signal-to-noise ratio of the packet that follows."""
    byte = decode_byte(content)
    return (byte - 256 if byte > 127 else byte) / 4


def preamble_symbols(modulation: Modulation) -> int:
    """The preamble that the firmware chooses: 24 ms, or 6 ms above 30 kbit/s, and at least 18 symbols."""
    bits_per_s = modulation.spreading_factor * 4 / modulation.coding_rate / modulation.symbol_ms * 1000
    target_ms = _PREAMBLE_FAST_MS if bits_per_s > _FAST_BITS_PER_S else _PREAMBLE_MS
    return max(PREAMBLE_SYMBOLS_MIN, math.ceil(target_ms / modulation.symbol_ms))


def packet_sizes(payload_bytes: int) -> list[int]:
    """The LoRa frames, with their headers, that a payload of up to 508 bytes becomes."""
    sizes = []
    while payload_bytes > SINGLE_PACKET_BYTES_MAX:
        sizes.append(SINGLE_PACKET_BYTES_MAX + 1)
        payload_bytes -= SINGLE_PACKET_BYTES_MAX
    return [*sizes, payload_bytes + 1]
