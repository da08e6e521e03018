"""A RAK3172 with RUI3 firmware, byte for byte. A pure machine.

It echoes each byte when told to, answers in the order of its parser (value line, result word, line break), prints
events the moment they happen, forgets nothing but what it is doing when it restarts, and has no queue at all.
Source: RAKwireless, RUI3 sources: service_mode_cli.c, atcmd.c, atcmd_p2p.c, service_lora_p2p.c.
"""

import math
import random
from collections.abc import Callable

from app.errors import DecodeError, InputError
from app.radio.airtime import modulation
from app.radio.dialects.rui3_codec import BANDWIDTHS_KHZ, LISTEN_AND_SEND, PACKET_BYTES_MAX, STOP
from app.radio.ether import Arrival, Ether, Tuning

LINE_BYTES_MAX = 2_047
VERSION = "RUI_4.2.1_RAK3172-E"
BANNER = f"RAKwireless RAK3172-E\r\n------------------------------------------------------\r\nVersion: {VERSION}\r\n"
RESTART_MS = 1_000
LORAWAN = 1
OUTPUT_BYTES_MAX = 64 * 1024
_FACTORY = {
    "NWM": "1",
    "P2P": "868000000:7:0:0:8:14",
    "SYNCWORD": "3444",
    "ENCRY": "0",
    "IQINVER": "0",
    "CAD": "0",
    "ECHO": "0",
}


class Rui3:
    """One module. `lacks` names commands that this firmware does not have; `in_khz` makes it an older one."""

    def __init__(
        self,
        name: str,
        ether: Ether,
        rng: random.Random,
        *,
        lacks: frozenset[str] = frozenset(),
        in_khz: bool = False,
        **settings: str,
    ) -> None:
        self.name = name
        self.violations: list[str] = []
        self.sent: list[bytes] = []
        self.writes = 0
        """How often the flash was written."""
        self._ether = ether
        self._lacks = lacks
        self._in_khz = in_khz
        self._flash = _FACTORY | settings
        if in_khz and "P2P" not in settings:
            self._flash["P2P"] = "868000000:7:125:0:8:14"
        self._output = bytearray()
        self._unread = bytearray()
        self.start()

    def start(self, at_ms: float = 0.0) -> None:
        """Power on, or a restart: settings stay, reception doesn't, and for a second it is deaf."""
        self._ether.tune(self.name, None)
        self._line = bytearray()
        self._unread.clear()
        self._mode = STOP
        self._on_air = False
        self._deaf_until_ms: float | None = at_ms + RESTART_MS

    def mumble(self, noise: bytes) -> None:
        """Boot chatter and line noise."""
        self._output += noise

    # The serial port

    def receive(self, data: bytes) -> None:
        self._unread += data

    def output(self) -> bytes:
        output = bytes(self._output)
        self._output.clear()
        return output

    @property
    def has_output(self) -> bool:
        return bool(self._output)

    @property
    def is_listening(self) -> bool:
        return self._mode != STOP

    # The radio

    def poll(self, now_ms: float) -> None:
        if self._deaf_until_ms is not None:
            self._unread.clear()
            if now_ms < self._deaf_until_ms:
                return
            self._deaf_until_ms = None
            mode = "LoRaWAN" if self._nwm == LORAWAN else "LoRa P2P"
            self._print(f"{BANNER}Current Work Mode: {mode}.\r\n\r\n")
        while self._unread:
            self._take(self._unread.pop(0), now_ms)
            if self._deaf_until_ms is not None:
                return

    def deadline_ms(self, now_ms: float) -> int | None:
        return None if self._deaf_until_ms is None else math.ceil(max(self._deaf_until_ms, now_ms))

    def finish(self) -> None:
        """The ether says that the packet is sent."""
        self._on_air = False
        self._print("+EVT:TXP2P DONE\r\n")

    def hear(self, arrival: Arrival) -> None:
        if self._mode == STOP or self._deaf_until_ms is not None:
            return
        packet = arrival.transmission.packet
        self._print(f"+EVT:RXP2P:{round(arrival.rssi_dbm)}:{round(arrival.snr_db)}:{packet.hex().upper()}\r\n")

    def stop_listening(self) -> None:
        """What a module does that lost its mind, and told nobody."""
        self._mode = STOP

    def fail_reception(self) -> None:
        self._print("+EVT:RXP2P RECEIVE ERROR\r\n")

    # The command line

    def _take(self, byte: int, now_ms: float) -> None:
        echo = self._flash["ECHO"] == "1"
        if byte in (0x08, 0x7F):
            del self._line[-1:]
        elif byte in b"\r\n":
            if self._line:
                if echo:
                    self._print("\n\r")
                line = self._line.split(b"\0")[0].decode("latin-1")
                self._line.clear()
                self._print(self._run(line, now_ms) if line else "")
                if self._deaf_until_ms is None:
                    self._print("\r\n")
        elif len(self._line) < LINE_BYTES_MAX:
            self._line.append(byte)
            if echo:
                self._output.append(byte)

    def _run(self, line: str, now_ms: float) -> str:
        name, _, argument = line.partition("=")
        name = name.upper()
        if name == "AT":
            return "OK"
        if name == "ATE":
            self._write("ECHO", "0" if self._flash["ECHO"] == "1" else "1")
            return "OK"
        if name == "ATZ":
            self.start(now_ms)
            return ""
        command = name.removeprefix("AT+")
        handler = _COMMANDS.get(command)
        if handler is None or name == command or command in self._lacks:
            self._violate(f"{line!r}")
            return "AT_COMMAND_NOT_FOUND"
        if command not in ("NWM", "VER") and self._nwm == LORAWAN:
            return "AT_MODE_NO_SUPPORT"
        return handler(self, command, argument, now_ms)

    def _version(self, command: str, argument: str, now_ms: float) -> str:
        return f"AT+VER={VERSION}\r\nOK" if argument == "?" else "AT_PARAM_ERROR"

    def _change_mode(self, command: str, argument: str, now_ms: float) -> str:
        if argument == "?":
            return f"AT+NWM={self._nwm}\r\nOK"
        if argument not in ("0", "1", "2"):
            self._violate(f"AT+NWM={argument}")
            return "AT_PARAM_ERROR"
        if int(argument) == self._nwm:
            return "OK"
        self._write("NWM", argument)
        self.start(now_ms)
        return "OK\r\n"

    def _set(self, command: str, argument: str, now_ms: float) -> str:
        if argument == "?":
            return f"AT+{command}={self._flash[command]}\r\nOK"
        if self._mode != STOP:
            return "AT_BUSY_ERROR"
        if not _IS_VALID[command](argument):
            self._violate(f"AT+{command}={argument}")
            return "AT_PARAM_ERROR"
        self._write(command, argument.lower())
        return "OK"

    def _tune_p2p(self, command: str, argument: str, now_ms: float) -> str:
        if argument == "?":
            return f"AT+P2P={self._flash['P2P']}\r\nOK"
        if self._mode != STOP:
            return "AT_BUSY_ERROR"
        try:
            _tuning(argument, in_khz=self._in_khz)
        except (DecodeError, InputError, ValueError):
            if not self._in_khz:
                self._violate(f"AT+P2P={argument}")
            return "AT_PARAM_ERROR"
        self._write("P2P", argument)
        return "OK"

    def _listen(self, command: str, argument: str, now_ms: float) -> str:
        if not argument.isdecimal() or int(argument) > 65_535:
            self._violate(f"AT+PRECV={argument}")
            return "AT_PARAM_ERROR"
        if int(argument) == STOP:
            self._mode = STOP
            self._ether.tune(self.name, None)
            return "OK"
        if self._mode != STOP:
            return "P2P_RX_ON already\r\nAT_BUSY_ERROR"
        self._mode = int(argument)
        self._ether.tune(self.name, _tuning(self._flash["P2P"], in_khz=self._in_khz))
        return "OK"

    def _send(self, command: str, argument: str, now_ms: float) -> str:
        try:
            packet = bytes.fromhex(argument)
        except ValueError:
            packet = b""
        if not 0 < len(packet) <= PACKET_BYTES_MAX or len(argument) != 2 * len(packet):
            self._violate(f"AT+PSEND of {len(argument)} digits")
            return "AT_PARAM_ERROR"
        if self._on_air:
            self._violate("AT+PSEND while sending")
            return "AT_BUSY_ERROR"
        if self._mode not in (STOP, LISTEN_AND_SEND):
            return "AT_BUSY_ERROR"
        if self._ether.is_busy(self.name, now_ms) and self._flash["CAD"] == "1":
            return "AT_BUSY_ERROR"
        self.sent.append(packet)
        self._on_air = True
        self._ether.tune(self.name, _tuning(self._flash["P2P"], in_khz=self._in_khz))
        self._ether.transmit(self.name, packet, now_ms)
        return "OK"

    @property
    def _nwm(self) -> int:
        return int(self._flash["NWM"])

    def _write(self, name: str, value: str) -> None:
        self.writes += 1
        self._flash[name] = value

    def _print(self, text: str) -> None:
        if len(self._output) + len(text) <= OUTPUT_BYTES_MAX:
            self._output += text.encode("ascii")

    def _violate(self, what: str) -> None:
        if len(self.violations) < 100:
            self.violations.append(what)


def _tuning(argument: str, *, in_khz: bool) -> Tuning:
    """What a module makes of the six numbers: an older one knows three bandwidths by their kHz, a newer one indices."""
    frequency, factor, bandwidth, rate, preamble, power = (int(part) for part in argument.split(":"))
    known = {125: 125.0, 250: 250.0, 500: 500.0} if in_khz else dict(enumerate(BANDWIDTHS_KHZ))
    in_range = 150_000_000 <= frequency <= 960_000_000 and 0 <= rate <= 3 and preamble >= 5 and 5 <= power <= 22
    if bandwidth not in known or not in_range:
        raise ValueError(argument)
    return Tuning(frequency, modulation(factor, known[bandwidth], rate + 5, max(preamble, 6)), power)


def _is_flag(argument: str) -> bool:
    return argument in ("0", "1")


def _is_sync_word(argument: str) -> bool:
    return 0 < len(argument) <= 4 and all(digit in "0123456789abcdefABCDEF" for digit in argument)


_IS_VALID = {"SYNCWORD": _is_sync_word, "ENCRY": _is_flag, "IQINVER": _is_flag, "CAD": _is_flag}
_COMMANDS: dict[str, Callable[[Rui3, str, str, float], str]] = {
    "VER": Rui3._version,
    "NWM": Rui3._change_mode,
    "P2P": Rui3._tune_p2p,
    "SYNCWORD": Rui3._set,
    "ENCRY": Rui3._set,
    "IQINVER": Rui3._set,
    "CAD": Rui3._set,
    "PRECV": Rui3._listen,
    "PSEND": Rui3._send,
}
