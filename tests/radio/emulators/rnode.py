"""An RNode (firmware 1.85), byte for byte. A pure machine.

Its parser is the firmware's own: every FEND but the one that ends a data frame opens a frame; commands act as soon
as their last byte is there; escapes are undone where the firmware undoes them. While it sends, its host is not heard
until the end. Source: RNode firmware, `RNode_Firmware.ino`, `Utilities.h`, `Config.h`.
"""

import math
import random
import struct
from collections.abc import Callable
from enum import Enum

from app.errors import InputError
from app.radio.airtime import HOUR_MS, Modulation, airtime_ms, modulation
from app.radio.dialects.kiss_codec import FEND, FESC, TFEND, TFESC
from app.radio.dialects.rnode_codec import (
    ASK,
    DETECT_ANSWER,
    DETECT_REQUEST,
    PACKET_BYTES_MAX,
    RESET_BYTE,
    RSSI_OFFSET_DB,
    SHARE_PARTS,
    SINGLE_PACKET_BYTES_MAX,
    Command,
    ErrorCode,
    preamble_symbols,
)
from app.radio.ether import Arrival, Ether, Tuning

VERSION = (1, 0x55)
PLATFORM_ESP32 = 0x80
PROCESSOR_ESP32 = 0x81
BOARD = 0x3A
QUEUE_PACKETS_MAX = 32
REPORT_MS = 1_000
BIN_MS = 7_500
"""Airtime is counted in bins of this length; the short report covers the last two."""
POWER_DBM_MAX = 22
OUTPUT_BYTES_MAX = 64 * 1024
_SPLIT = 0x01
_UNKNOWN = 0xFE


class _Sending(Enum):
    IDLE = "idle"
    DIFS = "difs"
    CONTENTION = "contention"
    ON_AIR = "on air"


class Rnode:
    """One board. `reports` False makes it an old ATmega board: no channel reports, no word at a restart."""

    def __init__(self, name: str, ether: Ether, rng: random.Random, *, reports: bool = True) -> None:
        self.name = name
        self.violations: list[str] = []
        self.sent: list[bytes] = []
        self._ether = ether
        self._rng = rng
        self._reports = reports
        self._output = bytearray()
        self._unread = bytearray()
        self.start()

    # Power

    def start(self) -> None:
        """Power on, or a press of the reset button: everything is forgotten."""
        self._ether.tune(self.name, None)
        self._in_frame = self._escape = False
        self._command = _UNKNOWN
        self._argument = bytearray()
        self._frequency_hz = self._bandwidth_hz = self._factor = 0
        self._rate = 5
        self._power_dbm = 0xFF
        self._online = self._promiscuous = False
        self._implicit = 0
        self._limits = {Command.SHORT_AIRTIME_LIMIT: 0, Command.LONG_AIRTIME_LIMIT: 0}
        self._queue: list[bytes] = []
        self._batch: list[bytes] = []
        self._state = _Sending.IDLE
        self._timer_ms = 0.0
        self._spent: list[tuple[float, float]] = []
        self._report_ms = 0.0
        self._half: tuple[int, bytes] | None = None
        self._is_finished = False
        self._heard = self._counted = 0
        if self._reports:
            self._say(Command.RESET, RESET_BYTE)

    def mumble(self, noise: bytes) -> None:
        """Boot chatter and line noise, outside any frame."""
        self._output += noise

    # The serial port

    def receive(self, data: bytes) -> None:
        """Bytes from the host. They wait while the firmware is busy sending."""
        self._unread += data
        self._read()

    def output(self) -> bytes:
        output = bytes(self._output)
        self._output.clear()
        return output

    @property
    def has_output(self) -> bool:
        return bool(self._output)

    def _read(self) -> None:
        while self._unread and self._state is not _Sending.ON_AIR:
            byte = self._unread.pop(0)
            self._parse(byte)

    def _parse(self, byte: int) -> None:
        if self._in_frame and byte == FEND and self._command == Command.DATA:
            self._in_frame = False
            self._enqueue(bytes(self._argument))
        elif byte == FEND:
            self._in_frame = True
            self._command = _UNKNOWN
            self._argument.clear()
        elif self._in_frame and self._command == _UNKNOWN and not self._argument:
            self._command = byte
            if byte not in list(Command):
                self._violate(f"command {byte:#04x}")
        elif self._in_frame:
            self._take(byte)

    def _take(self, byte: int) -> None:
        if self._command in _ESCAPED:
            if byte == FESC:
                self._escape = True
                return
            if self._escape:
                byte = {TFEND: FEND, TFESC: FESC}.get(byte, byte)
                self._escape = False
            if len(self._argument) < PACKET_BYTES_MAX:
                self._argument.append(byte)
        handler = _HANDLERS.get(self._command)
        if handler is not None:
            handler(self, byte)

    def _enqueue(self, packet: bytes) -> None:
        if len(self._queue) >= QUEUE_PACKETS_MAX:
            self._violate("a packet into a full queue")  # dropped in silence
        elif packet:
            self._queue.append(packet)

    # The radio

    def poll(self, now_ms: float) -> None:
        """The firmware's loop: contention, the air, the report of every second."""
        if self._is_finished:
            self._is_finished = False
            self._go_on(now_ms)
        if self._online:
            self._contend(now_ms)
            if self._reports and now_ms >= self._report_ms and self._state is not _Sending.ON_AIR:
                self._report_channel(now_ms)
        self._read()

    def deadline_ms(self, now_ms: float) -> int | None:
        if not self._online or self._state is _Sending.ON_AIR:
            return None
        if self._state is _Sending.IDLE and not self._queue:
            return math.ceil(self._report_ms) if self._reports else None
        return math.ceil(max(self._timer_ms, now_ms + 5))

    def finish(self) -> None:
        """The ether says that a LoRa frame is over."""
        self._is_finished = True

    def _go_on(self, now_ms: float) -> None:
        """The other half of a split packet follows at once, and so does the rest of the queue."""
        if self._batch:
            self._transmit(now_ms)
            return
        self._state = _Sending.IDLE
        if self._queue:
            self._start_packet(now_ms)
            return
        if self._reports:
            self._report_channel(now_ms)
        self._read()

    def hear(self, arrival: Arrival) -> None:
        """A LoRa frame that was demodulated."""
        packet = arrival.transmission.packet
        if self._state is _Sending.ON_AIR or not self._online:
            return
        payload = packet if self._promiscuous else self._join(packet)
        if payload is None:
            return
        self._heard += 1
        rssi = min(max(round(arrival.rssi_dbm) + RSSI_OFFSET_DB, 0), 255)
        self._say(Command.RSSI, rssi)
        self._say(Command.SNR, min(max(round(arrival.snr_db * 4), -128), 127) & 0xFF)
        self._say(Command.DATA, *payload)

    def _join(self, packet: bytes) -> bytes | None:
        header, rest = packet[0], packet[1:]
        if not header & _SPLIT:
            self._half = None
            return rest
        sequence = header >> 4
        if self._half is not None and self._half[0] == sequence:
            whole = (self._half[1] + rest)[:PACKET_BYTES_MAX]
            self._half = None
            return whole
        self._half = (sequence, rest)
        return None

    def _contend(self, now_ms: float) -> None:
        if self._state is _Sending.ON_AIR or not self._queue or self._is_locked(now_ms):
            return
        slot_ms = min(max(12 * self._modulation().symbol_ms, 24.0), 100.0)
        if self._ether.is_busy(self.name, now_ms):
            self._state = _Sending.IDLE
        elif self._state is _Sending.IDLE:
            self._state, self._timer_ms = _Sending.DIFS, now_ms + 2 * slot_ms
        elif self._state is _Sending.DIFS and now_ms >= self._timer_ms:
            self._state, self._timer_ms = _Sending.CONTENTION, now_ms + self._rng.randrange(14) * slot_ms
        if self._state is _Sending.CONTENTION and now_ms >= self._timer_ms:
            self._start_packet(now_ms)

    def _start_packet(self, now_ms: float) -> None:
        packet = self._queue.pop(0)
        self.sent.append(packet)
        header = self._rng.randrange(16) << 4
        if len(packet) > SINGLE_PACKET_BYTES_MAX:
            header |= _SPLIT
        starts = range(0, len(packet), SINGLE_PACKET_BYTES_MAX)
        self._batch = [bytes([header]) + packet[at : at + SINGLE_PACKET_BYTES_MAX] for at in starts]
        self._counted += 1
        self._transmit(now_ms)

    def _transmit(self, now_ms: float) -> None:
        packet = self._batch.pop(0)
        self._state = _Sending.ON_AIR
        self._ether.transmit(self.name, packet, now_ms)
        cost_ms = airtime_ms(self._modulation(), len(packet))
        self._spent = [entry for entry in self._spent if entry[0] > now_ms - HOUR_MS]
        self._spent.append((now_ms + cost_ms, cost_ms))

    def _is_locked(self, now_ms: float) -> bool:
        short, hour = self._airtime(now_ms)
        limits = self._limits
        return bool(
            (limits[Command.SHORT_AIRTIME_LIMIT] and short >= limits[Command.SHORT_AIRTIME_LIMIT])
            or (limits[Command.LONG_AIRTIME_LIMIT] and hour >= limits[Command.LONG_AIRTIME_LIMIT])
        )

    def _airtime(self, now_ms: float) -> tuple[int, int]:
        current = now_ms // BIN_MS
        short = sum(ms for end_ms, ms in self._spent if end_ms // BIN_MS in (current, current - 1))
        hour = sum(ms for _, ms in self._spent)
        return int(short / (2 * BIN_MS) * SHARE_PARTS), int(hour / HOUR_MS * SHARE_PARTS)

    def _report_channel(self, now_ms: float) -> None:
        short, hour = self._airtime(now_ms)
        load = min(short + (SHARE_PARTS if self._ether.is_busy(self.name, now_ms) else 0), SHARE_PARTS)
        self._say(Command.CHANNEL, *struct.pack(">HHHHBBB", short, hour, load, hour, 40, 45, 0xFF))
        self._report_ms = now_ms + REPORT_MS

    def _report_physical(self) -> None:
        if not self._online or not self._reports:
            return
        symbol_ms = self._modulation().symbol_ms
        preamble = self._modulation().preamble_symbols
        numbers = (round(symbol_ms * 1000), round(1000 / symbol_ms), preamble, math.ceil(preamble * symbol_ms), 50, 100)
        self._say(Command.PHYSICAL, *struct.pack(">6H", *numbers))

    def _modulation(self) -> Modulation:
        plain = modulation(self._factor, self._bandwidth_hz / 1000, self._rate, 18)
        return modulation(self._factor, self._bandwidth_hz / 1000, self._rate, preamble_symbols(plain))

    def _tune(self) -> None:
        if not self._online:
            return
        try:
            tuning = Tuning(self._frequency_hz, self._modulation(), self._power_dbm)
        except InputError as error:
            self._violate(error.message)
            return
        self._ether.tune(self.name, tuning)

    # Commands, as each byte of their argument comes

    def _set_frequency(self, _: int) -> None:
        if len(self._argument) == 4:
            number = int.from_bytes(self._argument, "big")
            self._frequency_hz = number or self._frequency_hz
            self._tune()
            self._say(Command.FREQUENCY, *self._frequency_hz.to_bytes(4, "big"))

    def _set_bandwidth(self, _: int) -> None:
        if len(self._argument) == 4:
            number = int.from_bytes(self._argument, "big")
            self._bandwidth_hz = number or self._bandwidth_hz
            self._tune()
            self._report_physical()
            self._say(Command.BANDWIDTH, *self._bandwidth_hz.to_bytes(4, "big"))

    def _set_power(self, byte: int) -> None:
        if byte != ASK:
            self._power_dbm = min(byte, POWER_DBM_MAX)
            self._tune()
        self._say(Command.TX_POWER, self._power_dbm)

    def _set_factor(self, byte: int) -> None:
        if byte != ASK:
            self._factor = min(max(byte, 5), 12)
            self._tune()
            self._report_physical()
        self._say(Command.SPREADING_FACTOR, self._factor)

    def _set_rate(self, byte: int) -> None:
        if byte != ASK:
            self._rate = min(max(byte, 5), 8)
            self._tune()
            self._report_physical()
        self._say(Command.CODING_RATE, self._rate)

    def _set_implicit(self, byte: int) -> None:
        self._implicit = byte
        self._say(Command.IMPLICIT, byte)

    def _set_promiscuous(self, byte: int) -> None:
        if byte in (0, 1):
            self._promiscuous = byte == 1
        self._say(Command.PROMISCUOUS, self._promiscuous)

    def _set_state(self, byte: int) -> None:
        if byte == 0:
            self._online = False
            self._ether.tune(self.name, None)
            self._say(Command.RADIO_STATE, 0)
        elif byte == 1:
            if not self._online:
                locked = not (self._frequency_hz and self._bandwidth_hz and self._factor) or self._power_dbm == 0xFF
                self._online = not locked
                self._tune()
                self._report_physical()
                self._say(Command.RADIO_STATE, self._online)
            self._say(Command.RADIO_STATE, self._online)
        elif byte == ASK:
            self._say(Command.RADIO_STATE, self._online)

    def _set_limit(self, _: int) -> None:
        if len(self._argument) == 2:
            command = Command(self._command)
            parts = int.from_bytes(self._argument, "big")
            self._limits[command] = parts if parts < SHARE_PARTS else 0
            self._say(command, *self._limits[command].to_bytes(2, "big"))

    def _detect(self, byte: int) -> None:
        if byte == DETECT_REQUEST:
            self._say(Command.DETECT, DETECT_ANSWER)

    def _reset(self, byte: int) -> None:
        if byte == RESET_BYTE:
            self.start()

    def _say_ready(self, _: int) -> None:
        self._say(Command.READY, len(self._queue) < QUEUE_PACKETS_MAX)

    def _count(self, _: int) -> None:
        number = self._heard if self._command == Command.COUNT_HEARD else 0
        self._say(Command(self._command), *number.to_bytes(4, "big"))

    def _tell(self, _: int) -> None:
        values = {
            Command.VERSION: VERSION,
            Command.PLATFORM: (PLATFORM_ESP32,),
            Command.PROCESSOR: (PROCESSOR_ESP32,),
            Command.BOARD: (BOARD,),
            Command.RANDOM: (self._rng.randrange(0xC0),),
        }
        self._say(Command(self._command), *values[Command(self._command)])

    # Saying

    def fail(self, error: ErrorCode) -> None:
        """Let the firmware report an error; after a modem timeout it restarts."""
        self._say(Command.ERROR, error)
        if error == ErrorCode.MODEM_TIMEOUT:
            self._say(Command.ERROR, ErrorCode.TX_FAILED)
            self.start()

    def _say(self, command: Command, *content: int) -> None:
        body = bytes([command, *content]).replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        if len(self._output) + len(body) + 2 <= OUTPUT_BYTES_MAX:
            self._output += b"\xc0" + body + b"\xc0"

    def _violate(self, what: str) -> None:
        if len(self.violations) < 100:
            self.violations.append(what)


_ESCAPED = {
    Command.DATA,
    Command.FREQUENCY,
    Command.BANDWIDTH,
    Command.SHORT_AIRTIME_LIMIT,
    Command.LONG_AIRTIME_LIMIT,
}
_HANDLERS: dict[int, Callable[[Rnode, int], None]] = {
    Command.FREQUENCY: Rnode._set_frequency,
    Command.BANDWIDTH: Rnode._set_bandwidth,
    Command.TX_POWER: Rnode._set_power,
    Command.SPREADING_FACTOR: Rnode._set_factor,
    Command.CODING_RATE: Rnode._set_rate,
    Command.RADIO_STATE: Rnode._set_state,
    Command.DETECT: Rnode._detect,
    Command.IMPLICIT: Rnode._set_implicit,
    Command.PROMISCUOUS: Rnode._set_promiscuous,
    Command.SHORT_AIRTIME_LIMIT: Rnode._set_limit,
    Command.LONG_AIRTIME_LIMIT: Rnode._set_limit,
    Command.READY: Rnode._say_ready,
    Command.COUNT_HEARD: Rnode._count,
    Command.COUNT_SENT: Rnode._count,
    Command.VERSION: Rnode._tell,
    Command.PLATFORM: Rnode._tell,
    Command.PROCESSOR: Rnode._tell,
    Command.BOARD: Rnode._tell,
    Command.RANDOM: Rnode._tell,
    Command.RESET: Rnode._reset,
}
