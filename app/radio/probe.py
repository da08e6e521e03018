"""Finds out what a radio on a serial port speaks, by asking in every dialect. A pure machine.

The questions are chosen so that none means anything to a radio of another kind: nothing is sent on air, set or
written. What each firmware makes of the others' questions is written down in docs/radios.md and tested against the
emulated radios. Boards that restart when their port is opened get several rounds.
"""

from collections.abc import Sequence
from enum import Enum

import msgspec

from app.errors import DecodeError
from app.radio.dialects import kiss_codec, meshtastic_codec, rnode_codec, rui3_codec
from app.radio.dialects.catalog import DialectName
from app.radio.dialects.kiss_codec import Hardware
from app.radio.dialects.meshtastic_messages import Metadata, MyInfo, WantConfig
from app.radio.dialects.rnode_codec import Command
from app.radio.usb import COMMON_ORDER

LISTEN_MS = 300
"""Before the first question: what a board says when its port is opened must not stand in the answer."""
ANSWER_MS = 500
"""Every firmware answers within a tenth of this."""
ROUNDS_MAX = 4
"""With four questions of half a second each: eight seconds, more than any of the boards takes to start."""
DETAIL_MS = 1_500
"""For the version, once the dialect is known: a Meshtastic radio tells it after its own name and its screen."""
WORDS_CHARACTERS_MAX = 60
"""Of what a port says that is none of our dialects: enough for a keeper to recognize it."""
FIRMWARE_CHARACTERS_MAX = 40

QUESTIONS = {
    DialectName.KISS: b"\xc0" + kiss_codec.encode_hardware(Hardware.PING),
    DialectName.RNODE: rnode_codec.encode_byte(Command.DETECT, rnode_codec.DETECT_REQUEST)
    + rnode_codec.encode_byte(Command.VERSION, 0),
    # The line break before it ends a KISS frame's command byte and a half written line alike.
    DialectName.RUI3: b"\r\n" + rui3_codec.encode_command("VER", "?"),
    DialectName.MESHTASTIC: meshtastic_codec.WAKE
    + meshtastic_codec.encode_to_radio(WantConfig(meshtastic_codec.ONLY_CONFIG_NONCE)),
}
_KISS_VERSION = kiss_codec.encode_hardware(Hardware.GET_VERSION)
_NAMES = {
    DialectName.KISS: "MeshCore KISS modem",
    DialectName.RNODE: "RNode",
    DialectName.RUI3: "RAK module with RUI3",
    DialectName.MESHTASTIC: "Meshtastic",
}


class Finding(msgspec.Struct, frozen=True):
    """What a port speaks, and its firmware's version where it told one."""

    dialect: DialectName
    firmware: str | None = None

    def describe(self) -> str:
        """In words for a keeper."""
        name = _NAMES[self.dialect]
        return name if self.firmware is None else f"{name}, firmware {self.firmware}"


class _State(Enum):
    CLOSED = "closed"
    ASKING = "asking"
    DETAIL = "detail"
    OVER = "over"


class Probe:
    """One port's examination. `open` begins it; it is over when `is_over` says so."""

    def __init__(self, order: Sequence[DialectName] = COMMON_ORDER) -> None:
        self._questions = [name for _ in range(ROUNDS_MAX) for name in order]
        self._state = _State.CLOSED
        self._due_ms: int | None = None
        self._kiss = kiss_codec.Deframer()
        self._lines = rui3_codec.LineReader()
        self._meshtastic = meshtastic_codec.Deframer()
        self._dialect: DialectName | None = None
        self._firmware: str | None = None
        self._words = ""
        self._output = bytearray()

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to find out."""
        return self._state is _State.OVER

    @property
    def finding(self) -> Finding | None:
        """What was found; None when nothing that we know answered."""
        return None if self._dialect is None else Finding(self._dialect, self._firmware)

    @property
    def words(self) -> str:
        """The last printable words that came, for a port that speaks something else."""
        return self._words.strip()

    def open(self, now_ms: int) -> None:
        """The port is open."""
        self._state = _State.ASKING
        self._due_ms = now_ms + LISTEN_MS

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the port, any bytes, cut anywhere."""
        if self._state not in (_State.ASKING, _State.DETAIL):
            return
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else " " for byte in data)
        self._words = " ".join((self._words + text).split(" "))[-WORDS_CHARACTERS_MAX:]
        for frame in self._kiss.receive(data):
            self._take_frame(frame, now_ms)
        for line in self._lines.receive(data):
            self._take_line(line, now_ms)
        for message in self._meshtastic.receive(data):
            self._take_message(message, now_ms)

    def poll(self, now_ms: int) -> bytes:
        """Bytes for the port; deadlines that have passed are acted on."""
        if self._due_ms is not None and now_ms >= self._due_ms:
            if self._state is _State.ASKING and self._questions:
                self._output += QUESTIONS[self._questions.pop(0)]
                self._due_ms = now_ms + ANSWER_MS
            else:
                self._end()
        output = bytes(self._output)
        self._output.clear()
        return output

    def deadline_ms(self) -> int | None:
        """When to poll again without news."""
        return self._due_ms

    def _take_frame(self, frame: bytes, now_ms: int) -> None:
        if frame == bytes([kiss_codec.Command.SET_HARDWARE, Hardware.PONG]):
            self._find(DialectName.KISS, now_ms, _KISS_VERSION)
        elif frame == bytes([Command.DETECT, rnode_codec.DETECT_ANSWER]):
            self._find(DialectName.RNODE, now_ms)
        elif self._dialect is DialectName.KISS and frame[:2] == bytes(
            [kiss_codec.Command.SET_HARDWARE, Hardware.VERSION]
        ):
            self._tell(f"version {frame[2]}" if len(frame) > 2 else None)
        elif self._dialect is DialectName.RNODE and frame[0] == Command.VERSION:
            self._tell(rnode_codec.decode_version(frame[1:]) if len(frame) == 3 else None)

    def _take_line(self, text: str, now_ms: int) -> None:
        try:
            line = rui3_codec.decode_line(text)
        except DecodeError:
            return
        if isinstance(line, rui3_codec.Value) and line.name == "VER":
            self._find(DialectName.RUI3, now_ms)
            self._tell(line.value)

    def _take_message(self, body: bytes, now_ms: int) -> None:
        try:
            message = meshtastic_codec.decode_from_radio(body)
        except DecodeError:
            return
        if isinstance(message, MyInfo):
            self._find(DialectName.MESHTASTIC, now_ms)
        elif isinstance(message, Metadata) and self._dialect is DialectName.MESHTASTIC:
            self._tell(message.firmware)

    def _find(self, dialect: DialectName, now_ms: int, question: bytes = b"") -> None:
        if self._dialect is not None:
            return
        self._dialect = dialect
        self._state = _State.DETAIL
        self._due_ms = now_ms + DETAIL_MS
        self._output += question

    def _tell(self, firmware: str | None) -> None:
        if firmware is not None:
            printable = "".join(character for character in firmware if character.isprintable())
            self._firmware = printable[:FIRMWARE_CHARACTERS_MAX] or None
        self._end()

    def _end(self) -> None:
        self._state = _State.OVER
        self._due_ms = None
