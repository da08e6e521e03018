"""KISS on the wire: delimiters, escapes, and the numbers of MeshCore's modem. Shared by the host and the emulator.

Sources: the KISS protocol (Chepponis and Karn, 1987); MeshCore, docs/kiss_modem_protocol.md and
examples/kiss_modem. Multi-byte values are little-endian, unlike everything of TNTN's own.
"""

import struct
from enum import IntEnum

import msgspec

from app.errors import DecodeError

FEND = 0xC0
FESC = 0xDB
TFEND = 0xDC
TFESC = 0xDD
FRAME_BYTES_MAX = 512
"""Unescaped, type byte included: the modem's own buffer."""
PACKET_BYTES_MAX = 255
"""What LoRa carries; the modem drops longer data frames in silence."""
RADIO_BYTES = 10


class Command(IntEnum):
    """The low nibble of the type byte; the high nibble is the port, always 0."""

    DATA = 0x00
    TX_DELAY = 0x01
    PERSISTENCE = 0x02
    SLOT_TIME = 0x03
    TX_TAIL = 0x04
    FULL_DUPLEX = 0x05
    SET_HARDWARE = 0x06


RETURN = 0xFF


class Hardware(IntEnum):
    """Sub-commands of SetHardware that TNTN uses, requests and answers."""

    SET_RADIO = 0x09
    SET_TX_POWER = 0x0A
    GET_RADIO = 0x0B
    GET_TX_POWER = 0x0C
    IS_CHANNEL_BUSY = 0x0E
    GET_AIRTIME = 0x0F
    GET_VERSION = 0x11
    PING = 0x17
    SET_SIGNAL_REPORT = 0x19
    GET_SIGNAL_REPORT = 0x1A
    RADIO = 0x8B
    TX_POWER = 0x8C
    CHANNEL_BUSY = 0x8E
    AIRTIME = 0x8F
    VERSION = 0x91
    PONG = 0x97
    SIGNAL_REPORT = 0x9A
    OK = 0xF0
    ERROR = 0xF1
    TX_DONE = 0xF8
    RX_META = 0xF9


class HardwareError(IntEnum):
    """What an ERROR answer carries."""

    INVALID_LENGTH = 0x01
    INVALID_PARAM = 0x02
    NO_CALLBACK = 0x03
    MAC_FAILED = 0x04
    UNKNOWN_CMD = 0x05
    ENCRYPT_FAILED = 0x06
    TX_BUSY = 0x07
    UNSUPPORTED = 0x08


class RadioParameters(msgspec.Struct, frozen=True):
    """The argument of SET_RADIO: where the modem listens and speaks."""

    frequency_hz: int
    bandwidth_hz: int
    spreading_factor: int
    coding_rate: int

    def encode(self) -> bytes:
        return struct.pack("<IIBB", self.frequency_hz, self.bandwidth_hz, self.spreading_factor, self.coding_rate)


def decode_radio(data: bytes) -> RadioParameters:
    """DecodeError unless these are the ten bytes of radio parameters."""
    if len(data) != RADIO_BYTES:
        raise DecodeError("size", f"Radio parameters are {RADIO_BYTES} bytes.")
    return RadioParameters(*struct.unpack("<IIBB", data))


def encode_frame(command: int, payload: bytes) -> bytes:
    """FEND, type and payload escaped, FEND."""
    body = bytes([command]) + payload
    escaped = body.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + escaped + b"\xc0"


def encode_hardware(sub_command: int, payload: bytes = b"") -> bytes:
    """A SetHardware frame."""
    return encode_frame(Command.SET_HARDWARE, bytes([sub_command]) + payload)


class Deframer:
    """Cuts a stream of bytes into frames. Keeps at most one frame; damaged and oversized ones are only counted."""

    def __init__(self) -> None:
        self.damaged = 0
        self._frame = bytearray()
        self._inside = False
        self._escaped = False
        self._bad = False

    def receive(self, data: bytes) -> list[bytes]:
        """The whole frames that these bytes complete: type byte and unescaped payload."""
        frames = []
        for byte in data:
            if byte == FEND:
                if self._inside and (self._bad or self._escaped):
                    self.damaged += 1
                elif self._frame:
                    frames.append(bytes(self._frame))
                self._restart()
            elif self._inside and not self._bad:
                self._take(byte)
        return frames

    def _restart(self) -> None:
        self._frame.clear()
        self._inside = True
        self._escaped = self._bad = False

    def _take(self, byte: int) -> None:
        if self._escaped:
            self._escaped = False
            plain = {TFEND: FEND, TFESC: FESC}.get(byte)
            self._bad = plain is None
            byte = plain or 0
        elif byte == FESC:
            self._escaped = True
            return
        self._bad = self._bad or len(self._frame) >= FRAME_BYTES_MAX
        if not self._bad:
            self._frame.append(byte)
