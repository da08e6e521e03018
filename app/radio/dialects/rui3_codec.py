"""The lines that a RAK module with RUI3 firmware and its host exchange. Shared by the host and the emulator.

Commands end in a line break of either kind; answers are a value line, where one was asked for, and a result word.
Events begin with `+EVT:` and come whenever something happens, even in the middle of the echo of a command.
Source: RAKwireless, RUI3 AT command manual and RUI3 sources (atcmd.c, atcmd_p2p.c, service_lora_p2p.c).
"""

import re

import msgspec

from app.errors import DecodeError

LINE_BYTES_MAX = 1_024
"""A received packet of 255 bytes in hexadecimal, with its event's name, is below 540."""
PACKET_BYTES_MAX = 239
"""What `AT+PSEND` takes in current firmware."""
RESULT_OK = "OK"
RESULTS = frozenset(
    {
        RESULT_OK,
        "AT_ERROR",
        "AT_PARAM_ERROR",
        "AT_BUSY_ERROR",
        "AT_TEST_PARAM_OVERFLOW",
        "AT_NO_CLASSB_ENABLE",
        "AT_NO_NETWORK_JOINED",
        "AT_RX_ERROR",
        "AT_MODE_NO_SUPPORT",
        "AT_COMMAND_NOT_FOUND",
        "AT_UNSUPPORTED_BAND",
    }
)
BUSY = "AT_BUSY_ERROR"
NOT_FOUND = "AT_COMMAND_NOT_FOUND"
PARAMETER_ERROR = "AT_PARAM_ERROR"
BANDWIDTHS_KHZ = (125.0, 250.0, 500.0, 7.8, 10.4, 15.63, 20.83, 31.25, 41.67, 62.5)
"""By the index that current firmware uses; older firmware names the first three by their kHz."""
STOP = 0
LISTEN_AND_SEND = 65_533
"""Continuous reception that lets the module send in between; 65535 stops at the first packet, 65534 can't send."""
POWERS_DBM = range(5, 23)
_EVENT = "+EVT:"
_VALUE = re.compile(r"AT\+([A-Z0-9]{1,24})=(.{1,80})")
_PACKET = re.compile(r"RXP2P:(-?\d{1,3}):(-?\d{1,2}):((?:[0-9A-Fa-f]{2}){0,255})")


class Result(msgspec.Struct, frozen=True):
    """How a command ended."""

    word: str


class Value(msgspec.Struct, frozen=True):
    """A setting, as it was asked for."""

    name: str
    value: str


class PacketHeard(msgspec.Struct, frozen=True):
    """A packet from the air."""

    packet: bytes
    rssi_dbm: int
    snr_db: int


class TransmitDone(msgspec.Struct, frozen=True):
    """The packet is sent, and the module listens again."""


class ReceiveFailed(msgspec.Struct, frozen=True):
    """A packet came damaged, or the time to listen is over."""


class Started(msgspec.Struct, frozen=True):
    """The module greets: it has just started."""


class Other(msgspec.Struct, frozen=True):
    """An echo, or words that mean nothing here."""

    text: str


Line = Result | Value | PacketHeard | TransmitDone | ReceiveFailed | Started | Other


class P2pSettings(msgspec.Struct, frozen=True):
    """The argument of `AT+P2P`. The coding rate is 5 to 8, for 4/5 to 4/8."""

    frequency_hz: int
    spreading_factor: int
    bandwidth_khz: float
    coding_rate: int
    preamble_symbols: int
    power_dbm: int

    def encode(self, *, in_khz: bool = False) -> str:
        """The argument; `in_khz` names the bandwidth as older firmware does."""
        bandwidth = f"{self.bandwidth_khz:g}" if in_khz else str(_bandwidth_index(self.bandwidth_khz))
        numbers = (self.coding_rate - 5, self.preamble_symbols, self.power_dbm)
        return ":".join([str(self.frequency_hz), str(self.spreading_factor), bandwidth, *map(str, numbers)])


def decode_p2p(value: str) -> P2pSettings:
    """DecodeError unless these are the six numbers of `AT+P2P`; the bandwidth may be an index or kHz."""
    parts = value.split(":")
    if len(parts) != 6 or not all(part.isascii() and part.isdecimal() and len(part) <= 9 for part in parts):
        raise DecodeError("field", "The module's settings are not six numbers.")
    frequency, factor, bandwidth, rate, preamble, power = map(int, parts)
    if bandwidth < len(BANDWIDTHS_KHZ):
        bandwidth_khz = BANDWIDTHS_KHZ[bandwidth]
    elif bandwidth in (125, 250, 500):
        bandwidth_khz = float(bandwidth)
    else:
        raise DecodeError("field", "The module names a bandwidth that it does not have.")
    return P2pSettings(frequency, factor, bandwidth_khz, rate + 5, preamble, power)


def encode_command(name: str, value: str | int | None = None) -> bytes:
    """A command line: `AT+NAME`, or `AT+NAME=value`; the value `?` asks."""
    return (f"AT+{name}" if value is None else f"AT+{name}={value}").encode("ascii") + b"\r\n"


def decode_line(text: str) -> Line:
    """What one line says. DecodeError for an event that is broken; words that mean nothing here are Other."""
    if text in RESULTS:
        return Result(text)
    if text.startswith(_EVENT):
        return _decode_event(text.removeprefix(_EVENT))
    if text.startswith("Current Work Mode"):
        return Started()
    match = _VALUE.fullmatch(text)
    # The echo of a question looks like its answer, but for the question mark.
    if match is not None and match[2] != "?":
        return Value(match[1], match[2])
    return Other(text)


def _decode_event(event: str) -> Line:
    match = _PACKET.fullmatch(event)
    if match is not None:
        return PacketHeard(bytes.fromhex(match[3]), int(match[1]), int(match[2]))
    if event == "TXP2P DONE":
        return TransmitDone()
    if event in ("RXP2P RECEIVE TIMEOUT", "RXP2P RECEIVE ERROR"):
        return ReceiveFailed()
    if event.startswith(("RXP2P", "TXP2P")):
        raise DecodeError("event", "The module reported a packet that cannot be read.")
    return Other(_EVENT + event)


class LineReader:
    """Cuts a stream of bytes into lines. Keeps at most one line; too long and unprintable ones are only counted."""

    def __init__(self) -> None:
        self.damaged = 0
        self._line = bytearray()
        self._is_too_long = False

    def receive(self, data: bytes) -> list[str]:
        """The lines that these bytes complete, without blanks around them; an event begins a line of its own."""
        lines: list[str] = []
        for byte in data:
            if byte in b"\r\n":
                lines += self._end()
            elif len(self._line) < LINE_BYTES_MAX:
                self._line.append(byte)
            else:
                self._is_too_long = True
        return lines

    def _end(self) -> list[str]:
        # A module that starts, and a line that is plugged in, put garbage around what they say.
        raw = bytes(self._line).strip(_UNPRINTABLE)
        self._line.clear()
        damaged = self._is_too_long or not raw.isascii() or any(byte < 0x20 or byte == 0x7F for byte in raw)
        self._is_too_long = False
        if damaged:
            self.damaged += 1
            return []
        text = raw.decode("ascii")
        at = text.find(_EVENT)
        parts = [text] if at <= 0 else [text[:at].strip(), text[at:]]
        return [part for part in parts if part]


_UNPRINTABLE = bytes(byte for byte in range(256) if byte <= 0x20 or byte >= 0x7F)


def _bandwidth_index(bandwidth_khz: float) -> int:
    for index, known in enumerate(BANDWIDTHS_KHZ):
        if abs(known - bandwidth_khz) <= known * 0.005:
            return index
    raise ValueError(f"{bandwidth_khz} kHz is no bandwidth of a LoRa radio")
