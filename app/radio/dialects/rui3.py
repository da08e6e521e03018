"""The host's side of a RAK module with RUI3 firmware, in its LoRa P2P mode: AT commands and events. A pure machine.

Settings stay in the module's flash, so they are read first and written only where they differ. The module has no
queue: while a packet arrives or leaves it answers "busy", and the frame is offered again after a random wait. The
state diagram is in docs/radios.md. Source: RAKwireless, RUI3 AT command manual and sources, as in rui3_codec.
"""

import random
from collections.abc import Callable
from enum import Enum

import msgspec

from app.errors import DecodeError, InputError
from app.radio.dialects import on_air
from app.radio.dialects import rui3_codec as codec
from app.radio.dialects.dialect import Event, Fault, Heard, Ready, Sent, Unresponsive
from app.radio.dialects.questions import Questions
from app.radio.dialects.rui3_codec import LineReader, P2pSettings, encode_command
from app.radio.parcel import Signal
from app.radio.profile import SYNC_WORD, Profile

ANSWER_MS = 2_000
"""The module answers within milliseconds; writing its flash takes some hundred."""
ASKS_MAX = 5
"""Unanswered commands before the port is given up and opened again."""
RESTART_MS = 2_500
"""A change of mode restarts the module; commands before that are lost."""
WATCH_MS = 60_000
"""How often a silent module is told to listen: "busy" means that it does, "OK" that it had restarted."""
SENDING_ALLOWANCE_MS = 5_000
"""The module sends at once; with the serial line and its own slowness, more than this is a fault."""
BUSY_WAIT_MS = (80, 400)
"""The wait after "busy": from the length of a short frame's end to that of a receipt at SF9."""
BUSY_TOTAL_MS = 30_000
"""A channel that is taken for so long is no reason to wait further: the flooding machine tries again later."""
OUTPUT_BYTES_MAX = 4_096
"""Bytes that wait for the port: one command is below 600."""


class _Kind(Enum):
    ATTENTION = "attention"
    MODE = "mode"
    SET_MODE = "set mode"
    SETTING = "setting"
    SET = "set"
    LISTEN = "listen"
    WATCH = "watch"


class _State(Enum):
    CLOSED = "closed"
    SETTING_UP = "setting up"
    READY = "ready"


class _Step(msgspec.Struct, frozen=True):
    """A command of the setup. For a SETTING, `name` and `wanted` say what the module is to be set to."""

    kind: _Kind
    request: bytes
    name: str = ""
    wanted: str = ""
    optional: bool = False


class _Sending:
    """The packet that the module is to send. Written to the port at most once for each "busy"."""

    def __init__(self, packet: bytes, now_ms: int, airtime_ms: float) -> None:
        self.request = encode_command("PSEND", packet.hex().upper())
        self.airtime_ms = round(airtime_ms)
        self.patience_ms = now_ms + BUSY_TOTAL_MS
        self.ask_ms: int | None = now_ms
        self.stuck_ms = now_ms + self.airtime_ms + BUSY_TOTAL_MS + SENDING_ALLOWANCE_MS
        self.is_taken = False
        self.is_done = False


class Rui3:
    """One module on one port. `open` after each (re)opening of the port, `close` when it is gone."""

    frame_bytes_max = codec.PACKET_BYTES_MAX - on_air.HEADER_BYTES
    floods_itself = False

    def __init__(self, profile: Profile, rng: random.Random) -> None:
        if profile.radio_dbm < codec.POWERS_DBM[0]:
            raise InputError(f"A RAK module sends with {codec.POWERS_DBM[0]} dBm at least.", "power")
        self._profile = profile
        self._rng = rng
        self._settings = P2pSettings(
            profile.frequency_hz,
            profile.modulation.spreading_factor,
            profile.modulation.bandwidth_khz,
            profile.modulation.coding_rate,
            profile.modulation.preamble_symbols,
            min(profile.radio_dbm, codec.POWERS_DBM[-1]),
        )
        self._state = _State.CLOSED
        self._reader = LineReader()
        self._damaged = 0
        self._questions: Questions[_Step] = Questions(ANSWER_MS, ASKS_MAX)
        self._value: str | None = None
        self._watch_due_ms = 0
        self._sending: _Sending | None = None
        self._sequence = 0
        self._output = bytearray()
        self._events: list[Event] = []

    @property
    def is_ready(self) -> bool:
        """Whether `send` may be called now."""
        return self._state is _State.READY and self._sending is None and self._questions.current is None

    def is_clear(self, now_ms: int) -> bool:
        """Whether `send` may be called now: this radio waits for a free channel by itself."""
        return self.is_ready

    def airtime_ms(self, frame_bytes: int) -> float:
        """What a frame costs: the module does what the profile says."""
        return self._profile.frame_airtime_ms(frame_bytes)

    def open(self, now_ms: int) -> None:
        """The port is open: end the line that may be half written, and set the module up."""
        self._reader = LineReader()
        self._damaged = 0
        self._output.clear()
        self._set_up(now_ms)

    def close(self) -> None:
        """The port is gone, and with it what the module was to send."""
        self._state = _State.CLOSED
        self._questions.drop()
        self._output.clear()
        self._finish_sending(ok=False)

    def send(self, frame: bytes, now_ms: int) -> None:
        """Hand the module a frame. Only while `is_ready`; a Sent event follows in any case."""
        assert self.is_ready, "one frame at a time"
        if not 0 < len(frame) <= self.frame_bytes_max:
            self._events += [Fault("too large"), Sent(ok=False)]
            return
        packet = on_air.wrap(frame, self._sequence)
        self._sequence += 1
        self._sending = _Sending(packet, now_ms, self.airtime_ms(len(frame)))

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the port, any bytes, cut anywhere."""
        if self._state is _State.CLOSED:
            return
        for text in self._reader.receive(data):
            try:
                line = codec.decode_line(text)
            except DecodeError as error:
                self._events.append(Fault(error.code))
            else:
                _HANDLERS[type(line)](self, line, now_ms)
        if self._reader.damaged != self._damaged:
            self._damaged = self._reader.damaged
            self._events.append(Fault("damaged"))

    def poll(self, now_ms: int) -> bytes:
        """Bytes for the port; deadlines that have passed are acted on."""
        self._check_sending(now_ms)
        if self.is_ready and now_ms >= self._watch_due_ms:
            self._questions.begin((_WATCH,), now_ms)
        question = self._questions.poll(now_ms)
        if question:
            self._value = None
            self._put(question)
        if self._questions.given_up:
            self._questions.given_up = False
            self.close()
            self._events.append(Unresponsive())
        output = bytes(self._output)
        self._output.clear()
        return output

    def deadline_ms(self) -> int | None:
        """When to poll again without news."""
        deadlines = [self._questions.deadline_ms()]
        if self._sending is not None:
            deadlines += [self._sending.ask_ms, self._sending.stuck_ms]
        elif self._state is _State.READY and self._questions.current is None:
            deadlines.append(self._watch_due_ms)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # What the module says

    def _take_result(self, line: codec.Line, now_ms: int) -> None:
        assert isinstance(line, codec.Result)
        step = self._questions.current
        if step is not None and self._questions.was_asked:
            if line.word == codec.RESULT_OK:
                self._accepted(step, now_ms)
            else:
                self._refused(step, line.word, now_ms)
        elif self._sending is not None and self._sending.ask_ms is None and not self._sending.is_taken:
            self._take_sending_result(self._sending, line.word, now_ms)
        elif line.word != codec.RESULT_OK:
            self._events.append(Fault("unasked"))

    def _take_value(self, line: codec.Line, now_ms: int) -> None:
        assert isinstance(line, codec.Value)
        step = self._questions.current
        if step is not None and line.name == step.name:
            self._value = line.value

    def _take_packet(self, line: codec.Line, now_ms: int) -> None:
        assert isinstance(line, codec.PacketHeard)
        try:
            frame = on_air.unwrap(line.packet)
        except DecodeError as error:
            self._events.append(Fault(error.code))
        else:
            self._events.append(Heard(frame, Signal(line.rssi_dbm, float(line.snr_db))))

    def _take_done(self, line: codec.Line, now_ms: int) -> None:
        if self._sending is None or self._sending.ask_ms is not None:
            self._events.append(Fault("unasked"))
            return
        self._sending.is_done = True
        if self._sending.is_taken:
            self._finish_sending(ok=True)

    def _take_failure(self, line: codec.Line, now_ms: int) -> None:
        self._events.append(Fault("reception"))

    def _take_start(self, line: codec.Line, now_ms: int) -> None:
        if self._state is _State.READY:
            self._events.append(Fault("restarted"))
        self._finish_sending(ok=False)
        self._set_up(now_ms)

    def _take_other(self, line: codec.Line, now_ms: int) -> None:
        """Echoes, greetings and events of other modes."""

    def _take_sending_result(self, sending: _Sending, word: str, now_ms: int) -> None:
        if word == codec.RESULT_OK:
            sending.is_taken = True
            sending.stuck_ms = now_ms + sending.airtime_ms + SENDING_ALLOWANCE_MS
            if sending.is_done:
                self._finish_sending(ok=True)
        elif word == codec.BUSY and now_ms < sending.patience_ms:
            sending.ask_ms = now_ms + self._rng.randrange(*BUSY_WAIT_MS)
        else:
            self._events.append(Fault(_fault(word)))
            self._finish_sending(ok=False)
            self._set_up(now_ms)

    # What we do

    def _set_up(self, now_ms: int) -> None:
        self._state = _State.SETTING_UP
        self._questions.begin(self._steps(), now_ms)

    def _steps(self) -> tuple[_Step, ...]:
        return (
            # The empty line ends what another program may have begun.
            _Step(_Kind.ATTENTION, b"\r\nAT\r\n"),
            _Step(_Kind.MODE, encode_command("NWM", "?"), "NWM"),
            # Settings are refused while the module listens.
            _Step(_Kind.SET, encode_command("PRECV", codec.STOP)),
            _ask("P2P", self._settings.encode()),
            _ask("SYNCWORD", f"{SYNC_WORD:04x}", optional=True),
            _ask("ENCRY", "0", optional=True),
            _ask("IQINVER", "0", optional=True),
            _ask("CAD", "1", optional=True),
            _LISTEN,
        )

    def _accepted(self, step: _Step, now_ms: int) -> None:
        match step.kind:
            case _Kind.MODE if self._value != "0":
                self._questions.insert(_Step(_Kind.SET_MODE, encode_command("NWM", 0)), now_ms)
                return
            case _Kind.SET_MODE:
                self._questions.begin(self._steps(), now_ms + RESTART_MS)
                return
            case _Kind.SETTING if not self._is_set(step):
                request = encode_command(step.name, step.wanted)
                self._questions.insert(_Step(_Kind.SET, request, step.name, step.wanted, step.optional), now_ms)
                return
            case _Kind.WATCH:
                self._events.append(Fault("restarted"))
        self._go_on(now_ms)

    def _refused(self, step: _Step, word: str, now_ms: int) -> None:
        in_khz = encode_command("P2P", self._settings.encode(in_khz=True))
        if step.kind is _Kind.WATCH and word == codec.BUSY:
            self._go_on(now_ms)
        elif step.optional:
            self._events.append(Fault(f"no {step.name.lower()}"))
            self._go_on(now_ms)
        elif step.name == "P2P" and step.request != in_khz and word == codec.PARAMETER_ERROR:
            self._questions.insert(_Step(_Kind.SET, in_khz, "P2P"), now_ms)
        elif step.kind is not _Kind.ATTENTION:
            # The question comes again after its time; what was garbage before it has been answered now.
            self._events.append(Fault(_fault(word)))

    def _is_set(self, step: _Step) -> bool:
        if self._value is None:
            return False
        if step.name != "P2P":
            return self._value.lower() == step.wanted
        try:
            found = codec.decode_p2p(self._value)
        except DecodeError as error:
            self._events.append(Fault(error.code))
            return False
        return found.encode() == step.wanted

    def _go_on(self, now_ms: int) -> None:
        self._questions.next(now_ms)
        if self._questions.current is not None:
            return
        self._watch_due_ms = now_ms + WATCH_MS
        if self._state is _State.SETTING_UP:
            self._state = _State.READY
            self._events.append(Ready())

    def _check_sending(self, now_ms: int) -> None:
        sending = self._sending
        if sending is None:
            return
        if now_ms >= sending.stuck_ms:
            self._events.append(Fault("stuck"))
            self._finish_sending(ok=False)
            self._set_up(now_ms)
        elif sending.ask_ms is not None and now_ms >= sending.ask_ms:
            sending.ask_ms = None
            sending.is_done = False
            sending.stuck_ms = now_ms + sending.airtime_ms + SENDING_ALLOWANCE_MS
            self._put(sending.request)

    def _finish_sending(self, *, ok: bool) -> None:
        if self._sending is not None:
            self._sending = None
            self._events.append(Sent(ok))

    def _put(self, data: bytes) -> None:
        if len(self._output) + len(data) <= OUTPUT_BYTES_MAX:
            self._output += data


_HANDLERS: dict[type[codec.Line], Callable[[Rui3, codec.Line, int], None]] = {
    codec.Result: Rui3._take_result,
    codec.Value: Rui3._take_value,
    codec.PacketHeard: Rui3._take_packet,
    codec.TransmitDone: Rui3._take_done,
    codec.ReceiveFailed: Rui3._take_failure,
    codec.Started: Rui3._take_start,
    codec.Other: Rui3._take_other,
}


def _ask(name: str, wanted: str, *, optional: bool = False) -> _Step:
    return _Step(_Kind.SETTING, encode_command(name, "?"), name, wanted, optional)


def _fault(word: str) -> str:
    return word.removeprefix("AT_").lower().replace("_", " ")


_LISTEN = _Step(_Kind.LISTEN, encode_command("PRECV", codec.LISTEN_AND_SEND))
_WATCH = _Step(_Kind.WATCH, encode_command("PRECV", codec.LISTEN_AND_SEND))
