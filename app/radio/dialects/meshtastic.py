"""The host's side of a Meshtastic radio: TNTN's frames in a port of their own, its neighbors' texts and weather.

The radio keeps its own settings and passes on what it hears: a frame is handed over once, with few hops, and never
forwarded. "Sent" is when the radio's queue is empty again and the frame's airtime over; the radio says neither by
itself, so it is asked. A pure machine. Source: Meshtastic, client API, and firmware 2.7 (PhoneAPI, Router).
"""

import random
from collections.abc import Callable
from enum import Enum

import msgspec

from app.errors import DecodeError
from app.radio.airtime import Modulation, airtime_ms
from app.radio.dialects import meshtastic_codec as codec
from app.radio.dialects.dialect import Event, Fault, Ready, Sent, Unresponsive
from app.radio.dialects.meshtastic_ear import NAME_CHARACTERS_MAX, PORT, Ear
from app.radio.dialects.meshtastic_handover import Handover, Step
from app.radio.dialects.meshtastic_messages import (
    BROADCAST,
    SIGNATURE_BYTES,
    Channel,
    ConfigComplete,
    Data,
    FromRadio,
    Heartbeat,
    LoraConfig,
    MeshPacket,
    Metadata,
    MyInfo,
    NodeInfo,
    Other,
    Port,
    QueueStatus,
    Rebooted,
    Role,
    RoutingError,
    WantConfig,
    air_bytes,
)

FRAME_BYTES_MAX = 231
"""Two below the 233 of Meshtastic's Data: current firmware adds two bytes to what it originates, and a LoRa frame
holds 255 with 16 of header and 8 around the payload."""
TEXT_BYTES_MAX = 200
"""What Meshtastic's own apps allow."""
TEXT_GAP_MS = 2_500
"""The firmware drops texts that follow within 2 s."""
HOP_LIMITS = range(8)
"""How often others may pass on what this radio says, as the firmware's three bits have it; 0 is for those in range."""
HOP_LIMIT = 1
"""Meshtastic comes with 3; a village needs fewer, and each costs everybody's airtime."""
CONFIG_MS = 5_000
"""The longest silence while the radio tells its settings: a slow board writes its flash in between."""
CONFIG_TOTAL_MS = 60_000
"""250 nodes over a slow line take 20 s; one that never comes to an end is asked anew."""
ASKS_MAX = 5
"""Unanswered questions before the port is given up and opened again."""
RETRY_MS = 60_000
"""A radio that may not send yet is asked again this often: its keeper sets the region with the phone."""
WATCH_MS = 60_000
"""How often a silent radio is told that its host is there: it hangs up after 15 minutes without."""
SILENT_MS = 600_000
"""Without a word for so long, the radio is asked for everything again."""
OUTPUT_BYTES_MAX = 4_096
"""Bytes that wait for the port: one packet is below 300."""
_SIGNING_FIRMWARE = (2, 8)


class MeshtasticSettings(msgspec.Struct, frozen=True):
    """What the keeper chose. `channel` names one as `ChannelOffered` does; empty is the primary one.

    `regions` are the radio's own settings that fit the community's region, by their numbers; empty takes any.
    """

    channel: str = ""
    hop_limit: int = HOP_LIMIT
    reads_texts: bool = True
    announces: bool = False
    regions: tuple[int, ...] = ()


class ChannelOffered(msgspec.Struct, frozen=True):
    """A channel of the radio: `value` stands for it in the settings, `name` is for people."""

    value: str
    name: str


class _State(Enum):
    CLOSED = "closed"
    SETTING_UP = "setting up"
    READY = "ready"
    WAITING = "waiting"


class Meshtastic:
    """One radio on one port. `open` after each (re)opening of the port, `close` when it is gone."""

    frame_bytes_max = FRAME_BYTES_MAX
    floods_itself = True

    def __init__(self, rng: random.Random, settings: MeshtasticSettings | None = None) -> None:
        self.settings = settings or MeshtasticSettings()
        assert self.settings.hop_limit in HOP_LIMITS, "the settings page offers no other"
        self.firmware: str | None = None
        self._rng = rng
        self._state = _State.CLOSED
        self._deframer = codec.Deframer()
        self._nonce = 0
        self._asked = 0
        self._due_ms: int | None = None
        self._config_end_ms = 0
        self._ear = Ear(reads_texts=self.settings.reads_texts)
        self._channels: dict[int, Channel] = {}
        self._hindered: str | None = None
        self._lora: LoraConfig | None = None
        self._sending: Handover | None = None
        self._answers_heartbeats = False
        self._last_text_ms: int | None = None
        self._last_word_ms = 0
        self._output = bytearray()
        self._events: list[Event] = []

    @property
    def is_ready(self) -> bool:
        """Whether `send` may be called now."""
        return self._state is _State.READY and self._sending is None

    def is_clear(self, now_ms: int) -> bool:
        """Whether `send` may be called now: this radio waits for a free channel by itself."""
        return self.is_ready

    def may_announce(self, now_ms: int) -> bool:
        """Whether `announce` may be called now: the switch is on, and the last text was not just now."""
        rested = self._last_text_ms is None or now_ms >= self._last_text_ms + TEXT_GAP_MS
        return self.settings.announces and self.is_ready and rested

    @property
    def obstacle(self) -> str | None:
        """Why the radio can't be used as it is set, in a sentence; None while it can, or has not said."""
        return None if self._hindered is None else _OBSTACLES[self._hindered]

    @property
    def channels(self) -> tuple[ChannelOffered, ...]:
        """What the radio said of its channels, the primary one first."""
        used = [self._channels[index] for index in sorted(self._channels) if self._channels[index].role]
        return tuple(
            ChannelOffered("", channel.name or "the primary one")
            if channel.role == Role.PRIMARY
            else ChannelOffered(channel.name or f"#{channel.index}", channel.name or f"number {channel.index}")
            for channel in sorted(used, key=lambda channel: channel.role)
        )

    @property
    def modulation(self) -> Modulation:
        """How its frames are put on air."""
        return (self._lora or _DEFAULT).modulation()

    @property
    def signature_bytes(self) -> int:
        """What its firmware adds to a frame that leaves room for it."""
        return SIGNATURE_BYTES if self._signs() else 0

    def use(self, settings: MeshtasticSettings, now_ms: int) -> None:
        """The keeper chose again, or not: from now on this holds. What is being sent goes out as it was."""
        settings = msgspec.structs.replace(settings, regions=self.settings.regions)
        if settings == self.settings:
            return
        moves = settings.channel != self.settings.channel
        self.settings = settings
        if moves and self._state is _State.READY:
            self._settle(now_ms)
        elif moves and self._state is _State.WAITING:
            self._due_ms = now_ms

    def airtime_ms(self, frame_bytes: int) -> float:
        """What a frame costs through this radio, by its own settings, with Meshtastic's header and signature."""
        return self._cost_ms(Data(PORT, bytes(frame_bytes)))

    def text_airtime_ms(self, text: str) -> float:
        """What an announcement costs."""
        return self._cost_ms(Data(Port.TEXT, _fit(text)))

    def open(self, now_ms: int) -> None:
        """The port is open: wake the radio and ask it for everything."""
        self._deframer = codec.Deframer()
        self._output = bytearray(codec.WAKE)
        self._answers_heartbeats = False
        self._asked = 0
        self._set_up(now_ms)

    def close(self) -> None:
        """The port is gone, and with it what the radio was to send."""
        self._state = _State.CLOSED
        self._hindered = None
        self._due_ms = None
        self._output.clear()
        self._finish_sending(ok=False)

    def send(self, frame: bytes, now_ms: int) -> None:
        """Hand the radio a frame. Only while `is_ready`; a Sent event follows in any case."""
        assert self.is_ready, "one frame at a time"
        if not 0 < len(frame) <= self.frame_bytes_max:
            self._events += [Fault("too large"), Sent(ok=False)]
            return
        self._hand_over(Data(PORT, frame), now_ms)

    def announce(self, text: str, now_ms: int) -> None:
        """Say a text in the chosen channel, cut to what a text holds. Only while `may_announce`; Sent follows."""
        assert self.may_announce(now_ms), "ask may_announce() first"
        self._last_text_ms = now_ms
        self._hand_over(Data(Port.TEXT, _fit(text)), now_ms)

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the port, any bytes, cut anywhere."""
        if self._state is _State.CLOSED:
            return
        for body in self._deframer.receive(data):
            try:
                message = codec.decode_from_radio(body)
                self._last_word_ms = now_ms
                _HANDLERS[type(message)](self, message, now_ms)
            except DecodeError as error:
                self._events.append(Fault(error.code))

    def poll(self, now_ms: int) -> bytes:
        """Bytes for the port; deadlines that have passed are acted on."""
        self._check_sending(now_ms)
        if self._due_ms is not None and now_ms >= self._due_ms:
            self._act(now_ms)
        output = bytes(self._output)
        self._output.clear()
        return output

    def deadline_ms(self) -> int | None:
        """When to poll again without news."""
        deadlines = [self._due_ms]
        if self._sending is not None:
            deadlines.append(self._sending.deadline_ms(answers=self._answers_heartbeats))
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # What the radio says of itself

    def _take_my_info(self, message: FromRadio, now_ms: int) -> None:
        assert isinstance(message, MyInfo)
        self._ear.node = message.node
        self._extend(now_ms)

    def _take_node(self, message: FromRadio, now_ms: int) -> None:
        assert isinstance(message, NodeInfo)
        self._ear.remember(message.node, message.long_name)
        self._extend(now_ms)

    def _take_channel(self, message: FromRadio, now_ms: int) -> None:
        assert isinstance(message, Channel)
        # The firmware has eight.
        if 0 <= message.index < 8:
            self._channels[message.index] = message
        self._extend(now_ms)

    def _take_lora(self, message: FromRadio, now_ms: int) -> None:
        assert isinstance(message, LoraConfig)
        self._lora = message
        self._extend(now_ms)

    def _take_metadata(self, message: FromRadio, now_ms: int) -> None:
        assert isinstance(message, Metadata)
        self.firmware = message.firmware[:NAME_CHARACTERS_MAX]
        self._extend(now_ms)

    def _take_other(self, message: FromRadio, now_ms: int) -> None:
        self._extend(now_ms)

    def _take_complete(self, message: FromRadio, now_ms: int) -> None:
        assert isinstance(message, ConfigComplete)
        if self._state is not _State.SETTING_UP or message.nonce != self._nonce:
            return
        if self._settle(now_ms):
            self._asked = 0
            self._events.append(Ready())

    def _settle(self, now_ms: int) -> bool:
        """Ready, or waiting for the radio's settings to become such that it can be used."""
        self._hindered = self._obstacle()
        self._state = _State.READY if self._hindered is None else _State.WAITING
        self._due_ms = now_ms + (WATCH_MS if self._hindered is None else RETRY_MS)
        if self._hindered is not None:
            self._events.append(Fault(self._hindered))
        return self._hindered is None

    def _take_reboot(self, message: FromRadio, now_ms: int) -> None:
        if self._state is _State.READY:
            self._events.append(Fault("restarted"))
        self._finish_sending(ok=False)
        self._asked = 0
        self._set_up(now_ms)

    def _take_queue(self, message: FromRadio, now_ms: int) -> None:
        assert isinstance(message, QueueStatus)
        if message.packet_id == 0:
            self._answers_heartbeats = True
        if self._sending is None or message.packet_id not in (0, self._sending.packet_id):
            return
        if message.packet_id and message.result:
            self._fail_sending(_QUEUE_ERRORS.get(message.result) or _routing_error(message.result))
        else:
            self._sending.take(message, now_ms)

    def _take_packet(self, message: FromRadio, now_ms: int) -> None:
        assert isinstance(message, MeshPacket)
        data = message.data
        if data is not None and data.port == Port.ROUTING:
            error = codec.decode_routing_error(data.payload)
            if self._sending is not None and data.request_id == self._sending.packet_id and error:
                self._fail_sending(_routing_error(error))
            return
        event = self._ear.hear(message)
        if event is not None:
            self._events.append(event)

    # What we do

    def _set_up(self, now_ms: int) -> None:
        self._state = _State.SETTING_UP
        self._channels.clear()
        self._lora = None
        self._ear.node = None
        self._due_ms = now_ms

    def _extend(self, now_ms: int) -> None:
        if self._state is _State.SETTING_UP and self._asked:
            self._due_ms = min(now_ms + CONFIG_MS, self._config_end_ms)

    def _obstacle(self) -> str | None:
        """Why this radio can't be used as it is set, in a word for the keeper's page."""
        if self._ear.node is None or self._lora is None:
            return "settings"
        if self._lora.region == 0:
            return "no region"
        if self.settings.regions and self._lora.region not in self.settings.regions:
            return "another region"
        if not self._lora.tx_enabled:
            return "sending is off"
        wanted = self.settings.channel
        for index, channel in sorted(self._channels.items()):
            is_primary = channel.role == Role.PRIMARY and not wanted
            is_named = channel.role != Role.DISABLED and wanted in (channel.name, f"#{index}")
            if is_primary or (wanted and is_named):
                self._ear.channel = index
                return None
        return "no channel"

    def _act(self, now_ms: int) -> None:
        match self._state:
            case _State.SETTING_UP:
                self._ask_config(now_ms)
            case _State.WAITING:
                self._asked = 0
                self._set_up(now_ms)
                self._ask_config(now_ms)
            case _State.READY if now_ms >= self._last_word_ms + self._silence_ms():
                self._events.append(Fault("silent"))
                self._finish_sending(ok=False)
                self._set_up(now_ms)
                self._ask_config(now_ms)
            case _:
                self._put(codec.encode_to_radio(Heartbeat()))
                self._due_ms = now_ms + WATCH_MS

    def _silence_ms(self) -> int:
        return 3 * WATCH_MS if self._answers_heartbeats else SILENT_MS

    def _ask_config(self, now_ms: int) -> None:
        if self._asked >= ASKS_MAX:
            self.close()
            self._events.append(Unresponsive())
            return
        self._asked += 1
        self._nonce = self._number({codec.ONLY_CONFIG_NONCE, codec.ONLY_NODES_NONCE})
        self._put(codec.encode_to_radio(WantConfig(self._nonce)))
        self._due_ms = now_ms + CONFIG_MS
        self._config_end_ms = now_ms + CONFIG_TOTAL_MS

    def _hand_over(self, data: Data, now_ms: int) -> None:
        assert self.is_ready, "one frame at a time"
        packet_id = self._number()
        packet = MeshPacket(0, BROADCAST, packet_id, data, self._ear.channel, self.settings.hop_limit)
        self._put(codec.encode_to_radio(packet))
        self._sending = Handover(packet_id, round(self._cost_ms(data)), now_ms)

    def _check_sending(self, now_ms: int) -> None:
        if self._sending is None:
            return
        match self._sending.poll(now_ms, answers=self._answers_heartbeats):
            case Step.ASK:
                self._put(codec.encode_to_radio(Heartbeat()))
            case Step.SENT:
                self._finish_sending(ok=True)
            case Step.STUCK | Step.UNANSWERED as step:
                self._events.append(Fault(step.value))
                self._finish_sending(ok=False)
                if step is Step.UNANSWERED:
                    self._set_up(now_ms)
            case Step.WAIT:
                pass

    def _fail_sending(self, reason: str) -> None:
        self._events.append(Fault(reason))
        self._finish_sending(ok=False)

    def _finish_sending(self, *, ok: bool) -> None:
        if self._sending is not None:
            self._sending = None
            self._events.append(Sent(ok))

    def _cost_ms(self, data: Data) -> float:
        return airtime_ms(self.modulation, min(air_bytes(data, signs=self._signs()), 255))

    def _signs(self) -> bool:
        """Whether the firmware signs broadcasts; an unknown version counts as one that does."""
        parts = (self.firmware or "").split(".")[:2]
        if len(parts) < 2 or not all(part.isascii() and part.isdecimal() and len(part) < 4 for part in parts):
            return True
        return (int(parts[0]), int(parts[1])) >= _SIGNING_FIRMWARE

    def _number(self, but: set[int] | None = None) -> int:
        while True:
            number = self._rng.randrange(1, 2**32)
            if number not in (but or ()):
                return number

    def _put(self, data: bytes) -> None:
        if len(self._output) + len(data) <= OUTPUT_BYTES_MAX:
            self._output += data


_HANDLERS: dict[type[FromRadio], Callable[[Meshtastic, FromRadio, int], None]] = {
    MyInfo: Meshtastic._take_my_info,
    NodeInfo: Meshtastic._take_node,
    Channel: Meshtastic._take_channel,
    LoraConfig: Meshtastic._take_lora,
    Metadata: Meshtastic._take_metadata,
    ConfigComplete: Meshtastic._take_complete,
    Rebooted: Meshtastic._take_reboot,
    QueueStatus: Meshtastic._take_queue,
    MeshPacket: Meshtastic._take_packet,
    Other: Meshtastic._take_other,
}
_QUEUE_ERRORS = {32: "queue full", 33: "no radio", 34: "sending is off"}
"""From 32 on, a queue status has numbers of its own."""
_OBSTACLES = {
    "settings": "The radio did not tell its settings. It is asked again.",
    "no region": "The radio has no region yet: its keeper sets that with the phone app.",
    "another region": "The radio is set to another region than the community's.",
    "sending is off": "Sending is switched off in the radio's own settings.",
    "no channel": "The radio has no channel of the name that is chosen below.",
}
"""For people, what `_obstacle` finds."""
_DEFAULT = LoraConfig(True, 0, 0, 0, 0, 0, 0, True)
"""LongFast, until the radio has told its settings: the slowest of the common ones."""


def _fit(text: str) -> bytes:
    """The text as UTF-8, cut at a character's end."""
    return text.encode()[:TEXT_BYTES_MAX].decode("utf-8", "ignore").encode()


def _routing_error(error: int) -> str:
    if error not in list(RoutingError):
        return f"error {error}"
    return RoutingError(error).name.lower().replace("_", " ")
