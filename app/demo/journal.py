"""What was on the air: the ether's journal, read as it grows and told in words. Holds no keys: headers are clear."""

import json
from pathlib import Path

import msgspec

from app.core.envelope import EnvelopeId, envelope_id
from app.errors import DecodeError
from app.radio.dialects import on_air
from app.radio.frame import EnvelopeFrame, Frame, ReceiptFrame, peek_frame

LINES_PER_READ_MAX = 1000
"""A channel carries a frame or two a second."""


class Heard(msgspec.Struct, frozen=True):
    """One transmission: who sent what at which cost, and who got it."""

    sender: str
    packet_bytes: int
    airtime_ms: float
    frame: Frame | None
    outcomes: dict[str, str]

    @property
    def envelope(self) -> EnvelopeId | None:
        """The envelope that the frame carries."""
        return envelope_id(self.frame.envelope) if isinstance(self.frame, EnvelopeFrame) else None

    def tells_of(self, name: EnvelopeId) -> bool:
        """Whether the frame carries this envelope or says that it arrived."""
        if isinstance(self.frame, ReceiptFrame):
            return any(name.startswith(prefix) for prefix in self.frame.prefixes)
        return self.envelope == name


class Journal:
    """Reads a journal from where it stopped the last time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Heard]:
        """The transmissions that ended since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            lines = [line for line in file.readlines()[:LINES_PER_READ_MAX] if line.endswith(b"\n")]
        self._offset += sum(len(line) for line in lines)
        return [_heard(json.loads(line)) for line in lines]


def in_words(heard: Heard, names: dict[str, str], labels: dict[EnvelopeId, str]) -> str:
    """A line such as: Market Square sends the notice (171 bytes, 902 ms on air, hop 1): North Valley heard it."""
    cost = f"{heard.packet_bytes} bytes, {heard.airtime_ms:.0f} ms on air"
    if isinstance(heard.frame, EnvelopeFrame):
        what = labels.get(envelope_id(heard.frame.envelope), "a record")
        verb = "passes on" if heard.frame.hops else "sends"
        cost += f", hop {heard.frame.hops + 1}"
    else:
        verb, what = "says", _receipt_words(heard, labels)
    return f"{names[heard.sender]} {verb} {what} ({cost}): {_outcome_words(heard, names)}"


def _receipt_words(heard: Heard, labels: dict[EnvelopeId, str]) -> str:
    if not isinstance(heard.frame, ReceiptFrame):
        return "something that is none of ours"
    named = [label for name, label in labels.items() if heard.tells_of(name)]
    rest = len(heard.frame.prefixes) - len(named)
    parts = named + ([f"{rest} other records"] if rest > 1 else ["another record"] if rest else [])
    return f"“on my disk: {', '.join(parts)}”" if parts else "hello"


def _outcome_words(heard: Heard, names: dict[str, str]) -> str:
    got = [names[name] for name, outcome in heard.outcomes.items() if outcome == "heard"]
    missed = [f"{names[name]} missed it ({outcome})" for name, outcome in heard.outcomes.items()
              if outcome not in ("heard", "weak")]  # fmt: skip
    words = [f"{' and '.join(got)} heard it"] if got else []
    return ", ".join(words + missed) or "nobody heard it"


def _heard(line: dict[str, object]) -> Heard:
    packet = bytes.fromhex(str(line["packet"]))
    try:
        frame: Frame | None = peek_frame(on_air.unwrap(packet))
    except DecodeError:
        frame = None
    outcomes = msgspec.convert(line["at"], dict[str, str])
    return Heard(str(line["sender"]), len(packet), float(str(line["airtime_ms"])), frame, outcomes)
