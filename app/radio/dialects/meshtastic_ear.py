"""What a Meshtastic radio hears, sorted: TNTN's frames, its neighbors' texts and weather, its own airtime. Pure.

Texts and weather count only when they were said to all in the channel that the keeper chose. Nobody signed them.
"""

from app.errors import DecodeError
from app.radio.dialects import meshtastic_codec as codec
from app.radio.dialects.dialect import AirtimeReported, Event, Heard, TelemetryHeard, TextHeard
from app.radio.dialects.meshtastic_messages import BROADCAST, Data, MeshPacket, Port
from app.radio.parcel import Signal

PORT = 300
"""TNTN's own among the private ports. Strangers may use it too: TNTN's frames prove themselves."""
NODES_MAX = 500
"""Names that are remembered; radios themselves keep up to 250."""
NAME_CHARACTERS_MAX = 40


class Ear:
    """The hearing of one radio. `node` is its own number, `channel` the index of the chosen channel."""

    def __init__(self, *, reads_texts: bool) -> None:
        self.node: int | None = None
        self.channel = 0
        self._reads_texts = reads_texts
        self._names: dict[int, str] = {}

    def hear(self, packet: MeshPacket) -> Event | None:
        """What a packet means for TNTN, None for what is not meant for it. DecodeError when it is broken."""
        data = packet.data
        if data is None:
            return None
        if packet.sender == self.node:
            return _own(data)
        if data.port == PORT:
            return self._frame(packet, data)
        if data.port == Port.NODE_INFO:
            self.remember(packet.sender, codec.decode_user(data.payload))
        elif packet.to == BROADCAST and packet.channel == self.channel:
            return self._public(packet, data)
        return None

    def remember(self, node: int, long_name: str) -> None:
        """A radio's name for itself; the oldest makes room."""
        name = _printable(long_name)[:NAME_CHARACTERS_MAX].strip()
        if not name:
            return
        self._names.pop(node, None)
        if len(self._names) >= NODES_MAX:
            del self._names[next(iter(self._names))]
        self._names[node] = name

    def _frame(self, packet: MeshPacket, data: Data) -> Event | None:
        if packet.to not in (BROADCAST, self.node):
            return None
        if not data.payload:
            raise DecodeError("size", "The radio gave an empty packet.")
        # Zero stands for a packet that came another way than by radio.
        is_measured = -200 <= packet.rx_rssi_dbm < 0
        signal = Signal(packet.rx_rssi_dbm, packet.rx_snr_db) if is_measured else Signal()
        return Heard(data.payload, signal)

    def _public(self, packet: MeshPacket, data: Data) -> Event | None:
        name = self._names.get(packet.sender, f"!{packet.sender:08x}")
        if data.port == Port.TEXT and self._reads_texts and not data.emoji:
            text = _readable(data.payload)
            return TextHeard(text, packet.sender, name, packet.packet_id, packet.via_mqtt) if text else None
        if data.port == Port.TELEMETRY:
            telemetry = codec.decode_telemetry(data.payload)
            if telemetry.reading is not None:
                return TelemetryHeard(packet.sender, name, telemetry.unix_s, telemetry.reading)
        return None


def _own(data: Data) -> Event | None:
    if data.port != Port.TELEMETRY:
        return None
    percent = codec.decode_telemetry(data.payload).airtime_percent
    return None if percent is None or not 0 <= percent <= 100 else AirtimeReported(percent)


def _readable(payload: bytes) -> str:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("text", "A Meshtastic radio sent a text that is none.") from error
    return "\n".join(_printable(line).rstrip() for line in text.splitlines()).strip()


def _printable(text: str) -> str:
    """Without control characters and the invisible ones that turn text around."""
    return "".join(character for character in text if character.isprintable())
