"""A MeshCore KISS modem, byte for byte, on the simulated ether. A pure machine, and a strict one.

What a host says wrong is answered as the firmware answers it and written down in `violations`, so that a test can
ask for none. Source: MeshCore, examples/kiss_modem (firmware version 2) and docs/kiss_modem_protocol.md.
"""

import math
import random
import struct
from collections.abc import Callable
from enum import Enum

from app.errors import DecodeError, InputError
from app.radio.airtime import airtime_ms, modulation
from app.radio.dialects.kiss_codec import (
    PACKET_BYTES_MAX,
    RETURN,
    Command,
    Deframer,
    Hardware,
    HardwareError,
    decode_radio,
    encode_frame,
    encode_hardware,
)
from app.radio.ether import Arrival, Ether, Tuning

FIRMWARE_VERSION = 2
OUTPUT_BYTES_MAX = 8192
"""A host that does not read loses packets, as with the modem's own short queue; TxDone is never lost."""
VIOLATIONS_MAX = 100
"""Enough for a test to read; a host that speaks nonsense for days must not fill the memory."""
_FACTORY = struct.pack("<IIBB", 869_618_000, 62_500, 8, 8)
"""What the firmware is built with for Europe: nobody of ours is there until SetRadio."""
_POWER_DBM_MAX = 22


class _Sending(Enum):
    IDLE = "idle"
    WAIT_CLEAR = "wait clear"
    SLOT_WAIT = "slot wait"
    DELAY = "delay"
    ON_AIR = "on air"


class Modem:
    """One modem with its radio. `name` is the radio's name in the ether."""

    def __init__(self, name: str, ether: Ether, rng: random.Random) -> None:
        self.name = name
        self.violations: list[str] = []
        self._ether = ether
        self._rng = rng
        self._deframer = Deframer()
        self._output = bytearray()
        self._radio = _FACTORY
        self._power_dbm = _POWER_DBM_MAX
        self._settings = {Command.TX_DELAY: 50, Command.PERSISTENCE: 63, Command.SLOT_TIME: 10}
        self._signal_report = True
        self._sending = _Sending.IDLE
        self._pending: bytes | None = None
        self._timer_ms = 0.0
        self._now_ms = 0.0
        self._tune()

    # The serial port

    def receive(self, data: bytes, now_ms: float = 0.0) -> None:
        """Bytes from the host."""
        self._now_ms = now_ms
        damaged = self._deframer.damaged
        for frame in self._deframer.receive(data):
            self._take(frame[0], frame[1:])
        if self._deframer.damaged != damaged:
            self._violate("a damaged frame")

    def output(self) -> bytes:
        """Bytes for the host."""
        output = bytes(self._output)
        self._output.clear()
        return output

    @property
    def has_output(self) -> bool:
        """Whether the host should read."""
        return bool(self._output)

    # The radio

    def poll(self, now_ms: float) -> None:
        """p-persistent CSMA: a free channel, a throw of the dice, the key-up delay, the air."""
        if self._sending is _Sending.IDLE and self._pending is not None:
            self._sending = _Sending.WAIT_CLEAR
        if self._sending is _Sending.SLOT_WAIT and now_ms >= self._timer_ms:
            self._sending = _Sending.WAIT_CLEAR
        if self._sending is _Sending.WAIT_CLEAR and not self._ether.is_busy(self.name, now_ms):
            lucky = self._rng.randrange(256) <= self._settings[Command.PERSISTENCE]
            self._sending = _Sending.DELAY if lucky else _Sending.SLOT_WAIT
            setting = Command.TX_DELAY if lucky else Command.SLOT_TIME
            self._timer_ms = now_ms + self._settings[setting] * 10
        if self._sending is _Sending.DELAY and now_ms >= self._timer_ms:
            assert self._pending is not None
            self._ether.transmit(self.name, self._pending, now_ms)
            self._sending = _Sending.ON_AIR

    def deadline_ms(self, now_ms: float) -> int | None:
        """When to poll again. A modem that waits for a free channel looks at it every few milliseconds."""
        match self._sending:
            case _Sending.WAIT_CLEAR:
                return math.ceil(now_ms) + 5
            case _Sending.SLOT_WAIT | _Sending.DELAY:
                return math.ceil(self._timer_ms)
            case _Sending.IDLE:
                return None if self._pending is None else math.ceil(now_ms)
            case _Sending.ON_AIR:
                return None

    def finish(self) -> None:
        """The ether says that the transmission is over."""
        self._sending = _Sending.IDLE
        self._pending = None
        self._answer(Hardware.TX_DONE, b"\x01")

    def hear(self, arrival: Arrival) -> None:
        """A packet that was demodulated."""
        frame = encode_frame(Command.DATA, arrival.transmission.packet)
        if len(self._output) + len(frame) > OUTPUT_BYTES_MAX:
            return
        self._output += frame
        if self._signal_report:
            snr = min(max(round(arrival.snr_db * 4), -128), 127)
            rssi = min(max(round(arrival.rssi_dbm), -128), 127)
            self._answer(Hardware.RX_META, struct.pack("bb", snr, rssi))

    # Commands

    def _take(self, type_byte: int, data: bytes) -> None:
        if type_byte == RETURN:
            return
        command = type_byte & 0x0F
        if type_byte >> 4 or command not in list(Command):
            self._violate(f"type byte {type_byte:#04x}")
        elif command == Command.SET_HARDWARE:
            self._take_hardware(data)
        elif command == Command.DATA:
            self._take_packet(data)
        elif not data:
            self._violate(f"{Command(command).name} without a value")
        else:
            self._settings[Command(command)] = data[0]

    def _take_packet(self, data: bytes) -> None:
        if not 0 < len(data) <= PACKET_BYTES_MAX:
            self._violate(f"a packet of {len(data)} bytes")  # the firmware drops it in silence
        elif self._pending is not None:
            self._violate("a packet while another is pending")
            self._refuse(HardwareError.TX_BUSY)
        else:
            self._pending = data

    def _take_hardware(self, data: bytes) -> None:
        handler = _HANDLERS.get(data[0]) if data else None
        if handler is None:
            self._violate(f"SetHardware {data[:1].hex() or 'without a sub-command'}")
            if data:
                self._refuse(HardwareError.UNKNOWN_CMD)
            return
        handler(self, data[1:])

    def _set_radio(self, data: bytes) -> None:
        try:
            parameters = decode_radio(data)
            modulation(parameters.spreading_factor, parameters.bandwidth_hz / 1000, parameters.coding_rate)
        except DecodeError:
            self._violate("SetRadio of another length")
            self._refuse(HardwareError.INVALID_LENGTH)
            return
        except InputError as error:
            self._violate(error.message)
            self._refuse(HardwareError.INVALID_PARAM)
            return
        self._radio = data
        self._tune()
        self._answer(Hardware.OK)

    def _set_power(self, data: bytes) -> None:
        if len(data) != 1:
            self._violate("SetTxPower of another length")
            self._refuse(HardwareError.INVALID_LENGTH)
            return
        self._power_dbm = min(data[0], _POWER_DBM_MAX)
        self._tune()
        self._answer(Hardware.OK)

    def _set_signal_report(self, data: bytes) -> None:
        if len(data) != 1:
            self._violate("SetSignalReport of another length")
            self._refuse(HardwareError.INVALID_LENGTH)
            return
        self._signal_report = data[0] != 0
        self._get_signal_report(b"")

    def _get_radio(self, _: bytes) -> None:
        self._answer(Hardware.RADIO, self._radio)

    def _get_power(self, _: bytes) -> None:
        self._answer(Hardware.TX_POWER, bytes([self._power_dbm]))

    def _get_signal_report(self, _: bytes) -> None:
        self._answer(Hardware.SIGNAL_REPORT, bytes([self._signal_report]))

    def _get_version(self, _: bytes) -> None:
        self._answer(Hardware.VERSION, bytes([FIRMWARE_VERSION, 0]))

    def _get_airtime(self, data: bytes) -> None:
        if len(data) != 1:
            self._violate("GetAirtime of another length")
            self._refuse(HardwareError.INVALID_LENGTH)
            return
        self._answer(Hardware.AIRTIME, struct.pack("<I", round(airtime_ms(self._tuning().modulation, data[0]))))

    def _is_channel_busy(self, _: bytes) -> None:
        self._answer(Hardware.CHANNEL_BUSY, bytes([self._ether.is_busy(self.name, self._now_ms)]))

    def _ping(self, _: bytes) -> None:
        self._answer(Hardware.PONG)

    def _tuning(self) -> Tuning:
        parameters = decode_radio(self._radio)
        return Tuning(
            parameters.frequency_hz,
            modulation(parameters.spreading_factor, parameters.bandwidth_hz / 1000, parameters.coding_rate),
            self._power_dbm,
        )

    def _tune(self) -> None:
        self._ether.tune(self.name, self._tuning())

    def _answer(self, code: Hardware, content: bytes = b"") -> None:
        self._output += encode_hardware(code, content)

    def _refuse(self, error: HardwareError) -> None:
        self._answer(Hardware.ERROR, bytes([error]))

    def _violate(self, what: str) -> None:
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(what)


_HANDLERS: dict[int, Callable[[Modem, bytes], None]] = {
    Hardware.SET_RADIO: Modem._set_radio,
    Hardware.SET_TX_POWER: Modem._set_power,
    Hardware.GET_RADIO: Modem._get_radio,
    Hardware.GET_TX_POWER: Modem._get_power,
    Hardware.IS_CHANNEL_BUSY: Modem._is_channel_busy,
    Hardware.GET_AIRTIME: Modem._get_airtime,
    Hardware.GET_VERSION: Modem._get_version,
    Hardware.PING: Modem._ping,
    Hardware.SET_SIGNAL_REPORT: Modem._set_signal_report,
    Hardware.GET_SIGNAL_REPORT: Modem._get_signal_report,
}
