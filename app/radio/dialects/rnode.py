"""The host's side of an RNode: sets the radio up, sends one frame at a time, hears the rest. A pure machine.

The firmware puts the header on air and takes it off, and joins frames that were split; it waits for a free channel
by itself. It doesn't say when a frame is sent: what it reports right after each transmission is its own airtime, and
that it grew is taken for the receipt. Source: RNode firmware 1.85, as in rnode_codec.
"""

from collections.abc import Callable
from enum import Enum

import msgspec

from app.errors import DecodeError
from app.radio.airtime import airtime_ms
from app.radio.dialects import rnode_codec as codec
from app.radio.dialects.dialect import Event, Fault, Heard, Ready, Sent, Unresponsive
from app.radio.dialects.kiss_codec import Deframer, encode_frame
from app.radio.dialects.questions import Questions
from app.radio.dialects.rnode_codec import Command, ErrorCode
from app.radio.parcel import Signal
from app.radio.profile import Profile

ANSWER_MS = 2_000
"""The firmware answers within milliseconds, unless it is sending: then it is deaf to its host until the end."""
ASKS_MAX = 5
"""Unanswered questions before the port is given up and opened again."""
WATCH_MS = 60_000
"""How often a silent modem is asked whether its radio is still on: older boards say nothing when they restart."""
SENDING_ALLOWANCE_MS = 30_000
"""What a busy channel may add to a frame's airtime before the modem counts as stuck."""
QUIET_ALLOWANCE_MS = 4_000
"""On a free channel the firmware waits for 17 slots of 100 ms at most; with as much again, and the serial line."""
BUSY_PARTS = 5_000
"""A channel that others use for half of the time explains that a frame still waits."""
FREQUENCY_TOLERANCE_HZ = 100
"""Synthesizers have steps: 61 Hz in the SX1276, about 1 Hz in the SX1262."""
EARLY_SHARE = 0.9
"""A report that comes before this share of a frame's airtime is over cannot be about the frame."""
OUTPUT_BYTES_MAX = 4_096
"""Bytes that wait for the port: all of the setup and one packet are below 1 kB."""

_SILENT = frozenset(
    {
        Command.COUNT_HEARD,
        Command.COUNT_SENT,
        Command.BATTERY,
        Command.CONTENTION,
        Command.TEMPERATURE,
        Command.RANDOM,
        Command.BOARD,
        Command.PLATFORM,
        Command.PROCESSOR,
        Command.RADIO_LOCK,
    }
)
"""Reports that tell nothing needed here."""
_LOST = frozenset({ErrorCode.TX_FAILED, ErrorCode.QUEUE_FULL, ErrorCode.MODEM_TIMEOUT})
"""Errors after which a frame is not on air."""


class _State(Enum):
    CLOSED = "closed"
    SETTING_UP = "setting up"
    READY = "ready"


class _Ask(msgspec.Struct, frozen=True):
    request: bytes
    answer: Command
    accepts: Callable[[bytes], bool]
    optional: bool = False


class _Sending(msgspec.Struct, frozen=True):
    """The frame that the modem has: the earliest end, the likely end on a free channel, and the end of patience."""

    earliest_ms: int
    quiet_ms: int
    stuck_ms: int


class Rnode:
    """One RNode on one port. `open` after each (re)opening of the port, `close` when it is gone."""

    frame_bytes_max = codec.PACKET_BYTES_MAX
    floods_itself = False

    def __init__(self, profile: Profile) -> None:
        self.firmware: str | None = None
        self._profile = profile
        self._setup = _setup(profile)
        self._state = _State.CLOSED
        self._deframer = Deframer()
        self._damaged = 0
        self._questions: Questions[_Ask] = Questions(ANSWER_MS, ASKS_MAX)
        self._watch_due_ms = 0
        self._preamble_symbols = codec.preamble_symbols(profile.modulation)
        self._signal = Signal()
        self._channel = codec.ChannelReport(0, 0, 0, 0)
        self._sending: _Sending | None = None
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
        """What a frame of up to 508 bytes costs: its LoRa frames, with the firmware's own preamble."""
        modulation = msgspec.structs.replace(self._profile.modulation, preamble_symbols=self._preamble_symbols)
        return sum(airtime_ms(modulation, size) for size in codec.packet_sizes(frame_bytes))

    def open(self, now_ms: int) -> None:
        """The port is open: end what the modem may have half received, and set it up."""
        self._deframer = Deframer()
        self._damaged = 0
        self._signal = Signal()
        self._channel = codec.ChannelReport(0, 0, 0, 0)
        self._output = bytearray(b"\xc0\xc0")
        self._set_up(now_ms)

    def close(self) -> None:
        """The port is gone, and with it what the modem was to send."""
        self._state = _State.CLOSED
        self._questions.drop()
        self._output.clear()
        self._finish_sending(ok=False)

    def send(self, frame: bytes, now_ms: int) -> None:
        """Hand the modem a frame. Only while `is_ready`; a Sent event follows in any case."""
        assert self.is_ready, "one frame at a time"
        if not 0 < len(frame) <= self.frame_bytes_max:
            self._events += [Fault("too large"), Sent(ok=False)]
            return
        self._put(encode_frame(Command.DATA, frame))
        cost_ms = self.airtime_ms(len(frame))
        self._sending = _Sending(
            now_ms + round(EARLY_SHARE * cost_ms),
            now_ms + round(cost_ms) + QUIET_ALLOWANCE_MS,
            now_ms + round(cost_ms) + SENDING_ALLOWANCE_MS,
        )

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the port, any bytes, cut anywhere."""
        if self._state is _State.CLOSED:
            return
        for frame in self._deframer.receive(data):
            try:
                self._take(frame[0], frame[1:], now_ms)
            except DecodeError as error:
                self._events.append(Fault(error.code))
        if self._deframer.damaged != self._damaged:
            self._damaged = self._deframer.damaged
            self._events.append(Fault("damaged"))

    def poll(self, now_ms: int) -> bytes:
        """Bytes for the port; deadlines that have passed are acted on."""
        self._check_sending(now_ms)
        if self.is_ready and now_ms >= self._watch_due_ms:
            self._questions.begin((_STATE_WATCH, _frequency_watch(self._profile)), now_ms)
        self._put(self._questions.poll(now_ms))
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
            deadlines.append(self._sending.stuck_ms if self._is_channel_busy() else self._sending.quiet_ms)
        elif self._state is _State.READY and self._questions.current is None:
            deadlines.append(self._watch_due_ms)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # What the modem says

    def _take(self, code: int, content: bytes, now_ms: int) -> None:
        question = self._questions.current
        if question is not None and question.answer == code and self._questions.was_asked and question.accepts(content):
            self._note(code, content)
            self._answered(now_ms)
            return
        handler = _HANDLERS.get(code)
        if handler is not None:
            handler(self, content, now_ms)
        elif code not in _SILENT and code not in _SETTINGS:
            self._events.append(Fault("unknown"))

    def _note(self, code: int, content: bytes) -> None:
        if code == Command.VERSION:
            self.firmware = codec.decode_version(content)

    def _answered(self, now_ms: int) -> None:
        self._questions.next(now_ms)
        if self._questions.current is not None:
            return
        self._watch_due_ms = now_ms + WATCH_MS
        if self._state is _State.SETTING_UP:
            self._state = _State.READY
            self._events.append(Ready())

    def _take_data(self, content: bytes, now_ms: int) -> None:
        signal, self._signal = self._signal, Signal()
        if not 0 < len(content) <= codec.PACKET_BYTES_MAX:
            raise DecodeError("size", "The modem gave a packet of an impossible size.")
        self._events.append(Heard(content, signal))

    def _take_rssi(self, content: bytes, now_ms: int) -> None:
        self._signal = Signal(codec.decode_rssi_dbm(content), self._signal.snr_db)

    def _take_snr(self, content: bytes, now_ms: int) -> None:
        self._signal = Signal(self._signal.rssi_dbm, codec.decode_snr_db(content))

    def _take_channel(self, content: bytes, now_ms: int) -> None:
        before, self._channel = self._channel, codec.decode_channel(content)
        grown = self._channel.airtime_short > before.airtime_short or self._channel.airtime_hour > before.airtime_hour
        if grown and self._sending is not None and now_ms >= self._sending.earliest_ms:
            self._finish_sending(ok=True)

    def _take_physical(self, content: bytes, now_ms: int) -> None:
        self._preamble_symbols = codec.decode_preamble_symbols(content)

    def _take_ready(self, content: bytes, now_ms: int) -> None:
        # Nobody asked: firmware with flow control says that the frame is gone and the next may come.
        if codec.decode_byte(content) == 1 and self._sending is not None and now_ms >= self._sending.earliest_ms:
            self._finish_sending(ok=True)

    def _take_state(self, content: bytes, now_ms: int) -> None:
        if codec.decode_byte(content) != codec.STATE_ON and self._state is _State.READY:
            self._restart(now_ms)

    def _take_frequency(self, content: bytes, now_ms: int) -> None:
        if self._state is _State.READY and not _is_near(content, self._profile.frequency_hz):
            self._restart(now_ms)

    def _take_reset(self, content: bytes, now_ms: int) -> None:
        if codec.decode_byte(content) == codec.RESET_BYTE:
            self._restart(now_ms)

    def _take_error(self, content: bytes, now_ms: int) -> None:
        error = codec.decode_byte(content)
        if error in _LOST:
            self._finish_sending(ok=False)
        self._events.append(Fault(ErrorCode(error).name.lower() if error in list(ErrorCode) else f"error {error}"))

    # What we do

    def _set_up(self, now_ms: int) -> None:
        self._state = _State.SETTING_UP
        self._questions.begin(self._setup, now_ms)

    def _restart(self, now_ms: int) -> None:
        """The modem has forgotten what it was told, or another program used it."""
        if self._state is _State.READY:
            self._events.append(Fault("restarted"))
        self._finish_sending(ok=False)
        self._set_up(now_ms)

    def _check_sending(self, now_ms: int) -> None:
        if self._sending is None:
            return
        if now_ms >= self._sending.stuck_ms:
            self._events.append(Fault("stuck"))
            self._finish_sending(ok=False)
            self._set_up(now_ms)
        elif now_ms >= self._sending.quiet_ms and not self._is_channel_busy():
            # No report: an old board makes none, and two frames at the edge of a report's window can hide each other.
            self._finish_sending(ok=True)

    def _is_channel_busy(self) -> bool:
        return self._channel.load_short - self._channel.airtime_short >= BUSY_PARTS

    def _finish_sending(self, *, ok: bool) -> None:
        if self._sending is not None:
            self._sending = None
            self._events.append(Sent(ok))

    def _put(self, data: bytes) -> None:
        if len(self._output) + len(data) <= OUTPUT_BYTES_MAX:
            self._output += data


_HANDLERS: dict[int, Callable[[Rnode, bytes, int], None]] = {
    Command.DATA: Rnode._take_data,
    Command.RSSI: Rnode._take_rssi,
    Command.SNR: Rnode._take_snr,
    Command.CHANNEL: Rnode._take_channel,
    Command.PHYSICAL: Rnode._take_physical,
    Command.READY: Rnode._take_ready,
    Command.RADIO_STATE: Rnode._take_state,
    Command.FREQUENCY: Rnode._take_frequency,
    Command.RESET: Rnode._take_reset,
    Command.ERROR: Rnode._take_error,
}
_SETTINGS = frozenset(
    {
        Command.BANDWIDTH,
        Command.TX_POWER,
        Command.SPREADING_FACTOR,
        Command.CODING_RATE,
        Command.DETECT,
        Command.IMPLICIT,
        Command.PROMISCUOUS,
        Command.SHORT_AIRTIME_LIMIT,
        Command.LONG_AIRTIME_LIMIT,
        Command.VERSION,
    }
)
"""Answers that come again when a question was repeated."""


def _setup(profile: Profile) -> tuple[_Ask, ...]:
    """Off, with what other hosts may have left undone, then tuned, then on: a running radio keeps some old settings."""
    modulation = profile.modulation
    bandwidth_hz = round(modulation.bandwidth_khz * 1000)
    return (
        _Ask(codec.encode_byte(Command.DETECT, codec.DETECT_REQUEST), Command.DETECT, _equals(codec.DETECT_ANSWER)),
        _Ask(codec.encode_byte(Command.VERSION, 0), Command.VERSION, lambda content: len(content) == 2),
        _set_byte(Command.RADIO_STATE, codec.STATE_OFF),
        _set_byte(Command.PROMISCUOUS, 0),
        _set_byte(Command.IMPLICIT, 0),
        _lift(Command.SHORT_AIRTIME_LIMIT),
        _lift(Command.LONG_AIRTIME_LIMIT),
        _set_frequency(codec.encode_number(Command.FREQUENCY, profile.frequency_hz), profile),
        _Ask(
            codec.encode_number(Command.BANDWIDTH, bandwidth_hz),
            Command.BANDWIDTH,
            lambda content: content == bandwidth_hz.to_bytes(4, "big"),
        ),
        _Ask(
            codec.encode_byte(Command.TX_POWER, profile.radio_dbm),
            Command.TX_POWER,
            # A board that can't do as much says what it can; more than was asked for would be against the law.
            lambda content: len(content) == 1 and content[0] <= profile.radio_dbm,
        ),
        _set_byte(Command.SPREADING_FACTOR, modulation.spreading_factor),
        _set_byte(Command.CODING_RATE, modulation.coding_rate),
        _set_byte(Command.RADIO_STATE, codec.STATE_ON),
        _frequency_watch(profile),
    )


def _set_byte(command: Command, value: int) -> _Ask:
    return _Ask(codec.encode_byte(command, value), command, _equals(value))


def _lift(command: Command) -> _Ask:
    return _Ask(codec.encode_share(command, 0), command, lambda content: content == b"\0\0", optional=True)


def _equals(value: int) -> Callable[[bytes], bool]:
    return lambda content: content == bytes([value])


def _set_frequency(request: bytes, profile: Profile) -> _Ask:
    return _Ask(request, Command.FREQUENCY, lambda content: _is_near(content, profile.frequency_hz))


def _frequency_watch(profile: Profile) -> _Ask:
    return _set_frequency(codec.encode_number(Command.FREQUENCY, 0), profile)


def _is_near(content: bytes, frequency_hz: int) -> bool:
    if len(content) != 4:
        return False
    return abs(codec.decode_number(content) - frequency_hz) <= FREQUENCY_TOLERANCE_HZ


_STATE_WATCH = _Ask(codec.encode_byte(Command.RADIO_STATE, codec.ASK), Command.RADIO_STATE, _equals(codec.STATE_ON))
