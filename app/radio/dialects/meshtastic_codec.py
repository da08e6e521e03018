"""What a Meshtastic radio and its host say to each other over serial: frames, and the few messages TNTN needs.

Source: Meshtastic documentation, "Client API (Serial/TCP/BLE)" and the reference of its protocol buffers: names,
field numbers and constants. Messages in the other direction are the emulator's affair.
"""

from collections.abc import Callable

from app.radio.dialects import protobuf
from app.radio.dialects.dialect import WeatherReading
from app.radio.dialects.meshtastic_messages import (
    Channel,
    ConfigComplete,
    Data,
    Disconnect,
    FromRadio,
    Heartbeat,
    LoraConfig,
    MeshPacket,
    Metadata,
    MyInfo,
    NodeInfo,
    Other,
    QueueStatus,
    Rebooted,
    Telemetry,
    ToRadio,
    WantConfig,
)
from app.radio.dialects.protobuf import Message, Wire, bytes_field, uint_field

MESSAGE_BYTES_MAX = 512
"""The radio's own buffer for a message in either direction."""
WAKE = b"\xc3" * 32
"""Bytes that begin no frame: they wake a sleeping radio and end what another program left half said."""
ONLY_CONFIG_NONCE = 69_420
"""As a `want_config_id`: no list of the nodes, please."""
ONLY_NODES_NONCE = 69_421

_START = b"\x94\xc3"
_HEADER_BYTES = 4


def encode_to_radio(message: ToRadio) -> bytes:
    """A framed message for the radio."""
    match message:
        case MeshPacket():
            body = bytes_field(1, message.encode())
        case WantConfig(nonce):
            body = uint_field(3, nonce, always=True)
        case Heartbeat():
            body = bytes_field(7, b"")
        case Disconnect():
            body = uint_field(4, True)
    return encode_frame(body)


def decode_from_radio(body: bytes) -> FromRadio:
    """What the radio says. DecodeError when it is broken."""
    message = protobuf.decode(body)
    for number, decoder in _DECODERS.items():
        inner = message.message(number)
        if inner is not None:
            return decoder(inner)
    if message.has(7, Wire.VARINT):
        return ConfigComplete(message.uint32(7))
    return Rebooted() if message.boolean(8) else Other()


def decode_packet(message: Message) -> MeshPacket:
    """The packet in a message of either direction."""
    data = message.message(4)
    return MeshPacket(
        sender=message.fixed32(1),
        to=message.fixed32(2),
        packet_id=message.fixed32(6),
        data=None if data is None else _decode_data(data),
        channel=message.uint32(3),
        hop_limit=message.uint32(9),
        want_ack=message.boolean(10),
        rx_time=message.fixed32(7),
        rx_snr_db=message.float32(8),
        rx_rssi_dbm=message.int32(12),
        via_mqtt=message.boolean(14),
        hop_start=message.uint32(15),
    )


def decode_user(payload: bytes) -> str:
    """A radio's name for itself, from a NODE_INFO payload. DecodeError when it is broken."""
    return protobuf.decode(payload).text(2)


def decode_routing_error(payload: bytes) -> int:
    """Why a packet failed, from a ROUTING payload; 0 is well. DecodeError when it is broken."""
    return protobuf.decode(payload).uint32(3)


def decode_telemetry(payload: bytes) -> Telemetry:
    """A TELEMETRY payload. DecodeError when it is broken."""
    message = protobuf.decode(payload)
    device = message.message(2)
    environment = message.message(3)
    return Telemetry(
        message.fixed32(1),
        None if environment is None else _decode_reading(environment),
        None if device is None else device.float32(4),
    )


def encode_frame(body: bytes) -> bytes:
    """A message as it goes over the line."""
    assert len(body) <= MESSAGE_BYTES_MAX, "messages are bounded where they are made"
    return _START + len(body).to_bytes(2, "big") + body


class Deframer:
    """Cuts a stream of bytes into messages. What is between them, such as a boot log, is passed over and counted."""

    def __init__(self) -> None:
        self.stray_bytes = 0
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete."""
        messages = []
        for byte in data:
            self._buffer.append(byte)
            if not self._may_be_frame():
                self.stray_bytes += len(self._buffer)
                # The byte that broke one start may be the first of the next.
                self._buffer[:] = b"\x94" if byte == _START[0] else b""
                self.stray_bytes -= len(self._buffer)
            elif len(self._buffer) >= _HEADER_BYTES and len(self._buffer) == _HEADER_BYTES + self._length():
                messages.append(bytes(self._buffer[_HEADER_BYTES:]))
                self._buffer.clear()
        return messages

    def _may_be_frame(self) -> bool:
        start = bytes(self._buffer[:2])
        if not _START.startswith(start):
            return False
        return len(self._buffer) != _HEADER_BYTES or self._length() <= MESSAGE_BYTES_MAX

    def _length(self) -> int:
        return int.from_bytes(self._buffer[2:_HEADER_BYTES], "big")


def _decode_data(message: Message) -> Data:
    return Data(
        port=message.uint32(1),
        payload=message.content(2) or b"",
        want_response=message.boolean(3),
        request_id=message.fixed32(6),
        reply_id=message.fixed32(7),
        emoji=message.fixed32(8),
        bitfield=message.uint32(9) if message.has(9, Wire.VARINT) else None,
    )


def _decode_node(message: Message) -> NodeInfo:
    user = message.message(2)
    return NodeInfo(message.uint32(1), "" if user is None else user.text(2))


def _decode_channel(message: Message) -> Channel:
    settings = message.message(2)
    return Channel(message.int32(1), message.uint32(3), "" if settings is None else settings.text(3))


def _decode_config(message: Message) -> LoraConfig | Other:
    lora = message.message(6)
    if lora is None:
        return Other()
    return LoraConfig(
        use_preset=lora.boolean(1),
        preset=lora.uint32(2),
        bandwidth=lora.uint32(3),
        spreading_factor=lora.uint32(4),
        coding_rate=lora.uint32(5),
        region=lora.uint32(7),
        hop_limit=lora.uint32(8),
        tx_enabled=lora.boolean(9),
    )


def _decode_queue(message: Message) -> QueueStatus:
    return QueueStatus(message.int32(1), message.uint32(2), message.uint32(3), message.uint32(4))


def _decode_reading(message: Message) -> WeatherReading:
    return WeatherReading(
        temperature_c=message.float32(1),
        humidity_percent=message.float32(2),
        pressure_hpa=message.float32(3),
        illuminance_lux=message.float32(9),
        wind_direction_deg=message.uint32(13) if message.has(13, Wire.VARINT) else None,
        wind_speed_m_s=message.float32(14),
        wind_gust_m_s=message.float32(16),
        wind_lull_m_s=message.float32(17),
        rain_1h_mm=message.float32(19),
        rain_24h_mm=message.float32(20),
        radiation_ur_h=message.float32(18),
        soil_moisture_percent=message.uint32(21) if message.has(21, Wire.VARINT) else None,
        soil_temperature_c=message.float32(22),
    )


def _decode_my_info(message: Message) -> MyInfo:
    return MyInfo(message.uint32(1))


def _decode_metadata(message: Message) -> Metadata:
    return Metadata(message.text(1))


_DECODERS: dict[int, Callable[[Message], FromRadio]] = {
    2: decode_packet,
    3: _decode_my_info,
    4: _decode_node,
    5: _decode_config,
    10: _decode_channel,
    11: _decode_queue,
    13: _decode_metadata,
}
"""The variants of FromRadio that are messages, by their field number."""
