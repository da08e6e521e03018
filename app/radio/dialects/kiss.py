"""The host's side of a MeshCore KISS modem: sets the radio up, sends one frame at a time, hears the rest.

A pure machine: bytes from the serial port in, bytes for it out, time as an argument. Source: MeshCore,
docs/kiss_modem_protocol.md and examples/kiss_modem. The state diagram is in docs/protocol/radio.md.
"""

from enum import Enum

import msgspec

from app.errors import DecodeError
from app.radio.dialects import on_air
from app.radio.dialects.kiss_codec import (
    PACKET_BYTES_MAX,
    Command,
    Deframer,
    Hardware,
    HardwareError,
    RadioParameters,
    encode_frame,
    encode_hardware,
)
from app.radio.parcel import Signal
from app.radio.profile import Profile

ANSWER_MS = 2_000
"""A modem answers within milliseconds; it may be busy with a packet's end."""
ASKS_MAX = 5
"""Unanswered requests before the port is given up and opened again."""
METADATA_MS = 200
"""RxMeta follows its packet at once; firmware that has it switched off never sends it."""
SENDING_ALLOWANCE_MS = 30_000
"""What CSMA on a busy channel may add to a frame's airtime before the modem counts as stuck."""
WATCH_MS = 60_000
"""How often a silent modem is asked what it is tuned to: one that restarted has forgotten."""
OUTPUT_BYTES_MAX = 4096
"""Bytes that wait for the port: all of the setup and one packet are below 1 kB."""
CLEAR_MS = 100
"""How long "the channel is clear" is believed: a round trip on the port, and the time to make a frame."""
BUSY_MS = 60
"""How soon a busy channel is asked about again; the frame that ends meanwhile may change what is to be said."""
TX_DELAY = b"\x00"
"""LoRa needs no key-up time."""
PERSISTENCE = b"\x1f"
"""One try in eight at a free channel: radios that wait for the same moment rarely take it together."""
SLOT_TIME = b"\x03"
"""30 ms between tries: a preamble at SF9 is noticed in 20."""


class Ready(msgspec.Struct, frozen=True):
    """The modem is tuned and may be given frames."""


class Heard(msgspec.Struct, frozen=True):
    """A frame from the air."""

    frame: bytes
    signal: Signal


class Sent(msgspec.Struct, frozen=True):
    """The frame that was given is done with; `ok` is False when the modem failed, refused or forgot it."""

    ok: bool


class Fault(msgspec.Struct, frozen=True):
    """Something was wrong with what the modem said; it is counted, and goes on."""

    reason: str


class Unresponsive(msgspec.Struct, frozen=True):
    """The modem doesn't answer: open the port again."""


Event = Ready | Heard | Sent | Fault | Unresponsive


class _State(Enum):
    CLOSED = "closed"
    SETTING_UP = "setting up"
    READY = "ready"


class _Ask(msgspec.Struct, frozen=True):
    request: bytes
    answer: Hardware
    content: bytes | None = None
    optional: bool = False


_LISTEN = _Ask(encode_hardware(Hardware.IS_CHANNEL_BUSY), Hardware.CHANNEL_BUSY, optional=True)


class Kiss:
    """One modem on one port. `open` after each (re)opening of the port, `close` when it is gone."""

    frame_bytes_max = PACKET_BYTES_MAX - on_air.HEADER_BYTES
    floods_itself = False

    def __init__(self, profile: Profile) -> None:
        radio = RadioParameters(
            profile.frequency_hz,
            round(profile.modulation.bandwidth_khz * 1000),
            profile.modulation.spreading_factor,
            profile.modulation.coding_rate,
        ).encode()
        self._profile = profile
        self._tuned = _Ask(encode_hardware(Hardware.GET_RADIO), Hardware.RADIO, radio)
        self._setup = (
            _Ask(encode_hardware(Hardware.SET_RADIO, radio), Hardware.OK),
            _Ask(encode_hardware(Hardware.SET_TX_POWER, bytes([profile.radio_dbm])), Hardware.OK),
            _Ask(encode_hardware(Hardware.SET_SIGNAL_REPORT, b"\x01"), Hardware.SIGNAL_REPORT, b"\x01", optional=True),
            self._tuned,
        )
        self._state = _State.CLOSED
        self._deframer = Deframer()
        self._damaged = 0
        self._asks: list[_Ask] = []
        self._asked = 0
        self._answer_due_ms: int | None = None
        self._sent_due_ms: int | None = None
        self._packet: bytes | None = None
        self._packet_due_ms = 0
        self._watch_due_ms = 0
        self._clear_until_ms = 0
        self._listen_again_ms: int | None = None
        self._sequence = 0
        self._output = bytearray()
        self._events: list[Event] = []

    @property
    def is_ready(self) -> bool:
        """Whether `send` may be called now."""
        return self._state is _State.READY and self._sent_due_ms is None

    def airtime_ms(self, frame_bytes: int) -> float:
        """What a frame costs: the modem sends what the profile says."""
        return self._profile.frame_airtime_ms(frame_bytes)

    def is_clear(self, now_ms: int) -> bool:
        """Whether `send` may be called now. When it may but for the channel, asks the modem: poll, and ask again.

        A frame that the modem holds back on a busy channel cannot be taken back; one that waits here can.
        """
        if not self.is_ready or now_ms < self._clear_until_ms:
            return self.is_ready
        if not self._asks and (self._listen_again_ms is None or now_ms >= self._listen_again_ms):
            self._listen_again_ms = None
            self._asks = [_LISTEN]
            self._asked = 0
            self._ask(now_ms)
        return False

    def open(self, now_ms: int) -> None:
        """The port is open: end what the modem may have half received, and set it up."""
        self._deframer = Deframer()
        self._damaged = 0
        self._packet = None
        self._clear_until_ms = 0
        self._listen_again_ms = None
        # An empty frame on both sides closes whatever the last host left unfinished.
        self._output = bytearray(b"\xc0\xc0")
        for command, value in (
            (Command.TX_DELAY, TX_DELAY),
            (Command.PERSISTENCE, PERSISTENCE),
            (Command.SLOT_TIME, SLOT_TIME),
        ):
            self._output += encode_frame(command, value)
        self._set_up(now_ms)

    def close(self) -> None:
        """The port is gone, and with it what the modem was to send."""
        self._state = _State.CLOSED
        self._answer_due_ms = None
        self._output.clear()
        self._fail_sending()

    def send(self, frame: bytes, now_ms: int) -> None:
        """Hand the modem a frame. Only while `is_ready`; a Sent event follows in any case."""
        assert self.is_ready, "one frame at a time"
        packet = on_air.wrap(frame, self._sequence)
        assert len(packet) <= PACKET_BYTES_MAX, "frames are bounded where they are made"
        self._sequence += 1
        self._clear_until_ms = 0
        self._put(encode_frame(Command.DATA, packet))
        airtime_ms = self._profile.frame_airtime_ms(len(frame))
        self._sent_due_ms = now_ms + round(airtime_ms) + SENDING_ALLOWANCE_MS

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the port, any bytes, cut anywhere."""
        if self._state is _State.CLOSED:
            return
        for frame in self._deframer.receive(data):
            self._take(frame[0], frame[1:], now_ms)
        if self._deframer.damaged != self._damaged:
            self._damaged = self._deframer.damaged
            self._events.append(Fault("damaged"))

    def poll(self, now_ms: int) -> bytes:
        """Bytes for the port; deadlines that have passed are acted on."""
        if self._packet is not None and now_ms >= self._packet_due_ms:
            self._deliver(Signal())
        if self._sent_due_ms is not None and now_ms >= self._sent_due_ms:
            self._events.append(Fault("stuck"))
            self._fail_sending()
            self._set_up(now_ms)
        if self._answer_due_ms is not None and now_ms >= self._answer_due_ms:
            self._ask(now_ms)
        elif self._state is _State.READY and self._answer_due_ms is None and now_ms >= self._watch_due_ms:
            self._asks = [self._tuned]
            self._asked = 0
            self._ask(now_ms)
        output = bytes(self._output)
        self._output.clear()
        return output

    def deadline_ms(self) -> int | None:
        """When to poll again without news."""
        deadlines = [self._answer_due_ms, self._sent_due_ms]
        if self._packet is not None:
            deadlines.append(self._packet_due_ms)
        if self._state is _State.READY and self._answer_due_ms is None:
            deadlines += [self._watch_due_ms, self._listen_again_ms]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # What the modem says

    def _take(self, command: int, payload: bytes, now_ms: int) -> None:
        if command == Command.SET_HARDWARE and payload:
            self._take_hardware(payload[0], payload[1:], now_ms)
        elif command == Command.DATA and 0 < len(payload) <= PACKET_BYTES_MAX:
            self._deliver(Signal())
            self._packet = payload
            self._packet_due_ms = now_ms + METADATA_MS
        else:
            self._events.append(Fault("unknown"))

    def _take_hardware(self, code: int, content: bytes, now_ms: int) -> None:
        if code == Hardware.RX_META and len(content) == 2:
            snr, rssi = (byte - 256 if byte > 127 else byte for byte in content)
            self._deliver(Signal(rssi, snr / 4))
        elif code == Hardware.TX_DONE and len(content) == 1:
            self._finish_sending(ok=content[0] == 1)
        elif self._answers(code, content):
            if code == Hardware.CHANNEL_BUSY:
                self._hear_channel(now_ms, busy=content != b"\x00")
            self._next(now_ms)
        elif code == Hardware.ERROR and content:
            self._take_error(content[0], now_ms)
        else:
            self._take_stray(code, now_ms)

    def _take_error(self, error: int, now_ms: int) -> None:
        if error == HardwareError.TX_BUSY and self._sent_due_ms is not None:
            self._finish_sending(ok=False)
        elif self._asks and self._asks[0].optional:
            if self._asks[0] is _LISTEN:
                self._hear_channel(now_ms, busy=False)  # firmware that cannot tell: it waits by itself
            self._next(now_ms)
        name = HardwareError(error).name.lower() if error in list(HardwareError) else f"error {error}"
        self._events.append(Fault(name))

    def _take_stray(self, code: int, now_ms: int) -> None:
        if code == Hardware.RADIO and self._asks == [self._tuned]:
            # Another tuning than ours: the modem restarted, or another program used it.
            self._events.append(Fault("retuned"))
            if self._state is _State.READY:
                self._set_up(now_ms)
            return
        self._events.append(Fault("unasked"))

    def _hear_channel(self, now_ms: int, *, busy: bool) -> None:
        self._clear_until_ms = 0 if busy else now_ms + CLEAR_MS
        self._listen_again_ms = now_ms + BUSY_MS if busy else None

    def _answers(self, code: int, content: bytes) -> bool:
        if not self._asks or self._asks[0].answer != code:
            return False
        return self._asks[0].content in (None, content)

    def _deliver(self, signal: Signal) -> None:
        packet, self._packet = self._packet, None
        if packet is None:
            return
        try:
            self._events.append(Heard(on_air.unwrap(packet), signal))
        except DecodeError as error:
            self._events.append(Fault(error.code))

    # What we ask

    def _set_up(self, now_ms: int) -> None:
        self._state = _State.SETTING_UP
        self._asks = list(self._setup)
        self._asked = 0
        self._ask(now_ms)

    def _next(self, now_ms: int) -> None:
        self._asks.pop(0)
        self._asked = 0
        if self._asks:
            self._ask(now_ms)
            return
        self._answer_due_ms = None
        if self._state is _State.SETTING_UP or now_ms >= self._watch_due_ms:
            self._watch_due_ms = now_ms + WATCH_MS
        if self._state is _State.SETTING_UP:
            self._state = _State.READY
            self._events.append(Ready())

    def _ask(self, now_ms: int) -> None:
        if self._asked >= ASKS_MAX:
            self._answer_due_ms = None
            self._state = _State.CLOSED
            self._fail_sending()
            self._events.append(Unresponsive())
            return
        self._asked += 1
        self._put(self._asks[0].request)
        self._answer_due_ms = now_ms + ANSWER_MS

    def _put(self, data: bytes) -> None:
        if len(self._output) + len(data) <= OUTPUT_BYTES_MAX:
            self._output += data

    def _finish_sending(self, *, ok: bool) -> None:
        if self._sent_due_ms is not None:
            self._sent_due_ms = None
            self._events.append(Sent(ok))

    def _fail_sending(self) -> None:
        self._finish_sending(ok=False)
