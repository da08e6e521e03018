"""The radio's half of Meshtastic's serial API: what it says, and how it reads its host. For the emulator.

Source: Meshtastic documentation, the reference of its protocol buffers.
"""

from collections.abc import Callable
from typing import Any

from app.radio.dialects import protobuf
from app.radio.dialects.dialect import WeatherReading
from app.radio.dialects.meshtastic_codec import decode_packet, encode_frame
from app.radio.dialects.meshtastic_messages import (
    Channel,
    ConfigComplete,
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
from app.radio.dialects.protobuf import (
    Wire,
    bytes_field,
    fixed32_field,
    float_field,
    int_field,
    text_field,
    uint_field,
)


def decode_to_radio(body: bytes) -> ToRadio | None:
    """What a host says; None for what the emulator has no use for. DecodeError when it is broken."""
    message = protobuf.decode(body)
    packet = message.message(1)
    if packet is not None:
        return decode_packet(packet)
    if message.has(3, Wire.VARINT):
        return WantConfig(message.uint32(3))
    if message.boolean(4):
        return Disconnect()
    return None if message.message(7) is None else Heartbeat()


def encode_from_radio(message: FromRadio) -> bytes:
    """A framed message for the host."""
    return encode_frame(_ENCODERS[type(message)](message))


def encode_config_part(number: int) -> bytes:
    """One of the parts of the configuration that TNTN has no use for, with nothing in it."""
    return encode_frame(bytes_field(5, bytes_field(number, b"")))


def encode_module_part(number: int) -> bytes:
    """One module's configuration, with nothing in it."""
    return encode_frame(bytes_field(9, bytes_field(number, b"")))


def encode_user_interface() -> bytes:
    """The configuration of the radio's own screen, with nothing in it."""
    return encode_frame(bytes_field(17, b""))


def encode_log(text: str) -> bytes:
    """A line of the radio's own log, as firmware that was told so sends it."""
    return encode_frame(bytes_field(6, text_field(1, text)))


def encode_user(node: int, long_name: str) -> bytes:
    """A NODE_INFO payload."""
    mac = bytes_field(4, b"\0\0" + node.to_bytes(4, "big"))
    return text_field(1, f"!{node:08x}") + text_field(2, long_name) + text_field(3, long_name[:4]) + mac


def encode_routing_error(error: int) -> bytes:
    """A ROUTING payload; zero is an acknowledgment."""
    return uint_field(3, error, always=True)


def encode_telemetry(telemetry: Telemetry) -> bytes:
    """A TELEMETRY payload."""
    body = fixed32_field(1, telemetry.unix_s)
    if telemetry.airtime_percent is not None:
        body += bytes_field(2, float_field(4, telemetry.airtime_percent))
    if telemetry.reading is not None:
        body += bytes_field(3, _encode_reading(telemetry.reading))
    return body


def _encode_reading(reading: WeatherReading) -> bytes:
    direction, moisture = reading.wind_direction_deg, reading.soil_moisture_percent
    floats = {
        1: reading.temperature_c,
        2: reading.humidity_percent,
        3: reading.pressure_hpa,
        9: reading.illuminance_lux,
        14: reading.wind_speed_m_s,
        16: reading.wind_gust_m_s,
        17: reading.wind_lull_m_s,
        18: reading.radiation_ur_h,
        19: reading.rain_1h_mm,
        20: reading.rain_24h_mm,
        22: reading.soil_temperature_c,
    }
    body = b"".join(float_field(number, value) for number, value in floats.items())
    body += b"" if direction is None else uint_field(13, direction, always=True)
    return body + (b"" if moisture is None else uint_field(21, moisture, always=True))


def _encode_packet(packet: MeshPacket) -> bytes:
    return bytes_field(2, packet.encode())


def _encode_my_info(info: MyInfo) -> bytes:
    return bytes_field(3, uint_field(1, info.node) + uint_field(11, 30200))


def _encode_node(info: NodeInfo) -> bytes:
    return bytes_field(4, uint_field(1, info.node) + bytes_field(2, encode_user(info.node, info.long_name)))


def _encode_channel(channel: Channel) -> bytes:
    settings = bytes_field(2, b"\x01") + text_field(3, channel.name)
    return bytes_field(10, int_field(1, channel.index) + bytes_field(2, settings) + uint_field(3, channel.role))


def _encode_lora(lora: LoraConfig) -> bytes:
    numbers = {
        1: lora.use_preset,
        2: lora.preset,
        3: lora.bandwidth,
        4: lora.spreading_factor,
        5: lora.coding_rate,
        7: lora.region,
        8: lora.hop_limit,
        9: lora.tx_enabled,
    }
    body = b"".join(uint_field(number, value) for number, value in numbers.items())
    return bytes_field(5, bytes_field(6, body))


def _encode_metadata(metadata: Metadata) -> bytes:
    return bytes_field(13, text_field(1, metadata.firmware))


def _encode_queue(status: QueueStatus) -> bytes:
    numbers = int_field(1, status.result) + uint_field(2, status.free) + uint_field(3, status.length)
    return bytes_field(11, numbers + uint_field(4, status.packet_id))


def _encode_complete(complete: ConfigComplete) -> bytes:
    return uint_field(7, complete.nonce, always=True)


def _encode_rebooted(_: Rebooted) -> bytes:
    return uint_field(8, True)


def _encode_other(_: Other) -> bytes:
    return bytes_field(15, text_field(1, "/prefs/db.proto"))


_ENCODERS: dict[type[FromRadio], Callable[[Any], bytes]] = {
    MeshPacket: _encode_packet,
    MyInfo: _encode_my_info,
    NodeInfo: _encode_node,
    Channel: _encode_channel,
    LoraConfig: _encode_lora,
    Metadata: _encode_metadata,
    QueueStatus: _encode_queue,
    ConfigComplete: _encode_complete,
    Rebooted: _encode_rebooted,
    Other: _encode_other,
}
