"""Meshtastic's frames and messages: round trips with the radio's half, noise, and sizes on air."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.dialects import meshtastic_codec as codec
from app.radio.dialects.dialect import WeatherReading
from app.radio.dialects.meshtastic_messages import (
    BROADCAST,
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
    Port,
    QueueStatus,
    Rebooted,
    Telemetry,
    ToRadio,
    WantConfig,
    air_bytes,
)
from tests.radio.emulators import meshtastic_messages as radio

uint32 = st.integers(0, 2**32 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
names = st.text(st.characters(codec="utf-8"), max_size=30)
data = st.builds(
    Data,
    port=st.integers(0, 511),
    payload=st.binary(max_size=233),
    want_response=st.booleans(),
    request_id=uint32,
    reply_id=uint32,
    emoji=uint32,
    bitfield=st.none() | st.integers(0, 255),
)
packets = st.builds(
    MeshPacket,
    sender=uint32,
    to=uint32,
    packet_id=uint32,
    data=data,
    channel=st.integers(0, 7),
    hop_limit=st.integers(0, 7),
    want_ack=st.booleans(),
    rx_time=uint32,
    rx_snr_db=st.none() | floats,
    rx_rssi_dbm=int32,
    via_mqtt=st.booleans(),
    hop_start=st.integers(0, 7),
)
readings = st.builds(
    WeatherReading,
    **{
        name: st.none() | floats
        for name in WeatherReading.__struct_fields__
        if not name.endswith(("_deg", "moisture_percent"))
    },
    wind_direction_deg=st.none() | st.integers(0, 360),
    soil_moisture_percent=st.none() | st.integers(0, 100),
)
from_radio = st.one_of(
    packets,
    st.builds(MyInfo, uint32),
    st.builds(NodeInfo, uint32, names),
    st.builds(Channel, int32, st.integers(0, 2), names),
    st.builds(LoraConfig, st.booleans(), *[st.integers(0, 2_000)] * 6, st.booleans()),
    st.builds(Metadata, names),
    st.builds(QueueStatus, int32, uint32, uint32, uint32),
    st.builds(ConfigComplete, uint32),
    st.just(Rebooted()),
    st.just(Other()),
)


def unframed(frame: bytes) -> bytes:
    (body,) = codec.Deframer().receive(frame)
    return body


@given(from_radio)
def test_what_the_radio_says_is_understood(message: FromRadio) -> None:
    assert codec.decode_from_radio(unframed(radio.encode_from_radio(message))) == message


@given(st.one_of(packets, st.builds(WantConfig, uint32), st.just(Heartbeat()), st.just(Disconnect())))
def test_what_the_host_says_is_understood(message: ToRadio) -> None:
    assert radio.decode_to_radio(unframed(codec.encode_to_radio(message))) == message


@given(st.builds(Telemetry, uint32, st.none() | readings, st.none() | floats))
def test_telemetry_comes_back(telemetry: Telemetry) -> None:
    assert codec.decode_telemetry(radio.encode_telemetry(telemetry)) == telemetry


def test_the_known_bytes_of_a_handshake() -> None:
    assert codec.encode_to_radio(WantConfig(1)) == bytes.fromhex("94c300021801")
    assert codec.encode_to_radio(Heartbeat()) == bytes.fromhex("94c300023a00")
    assert codec.decode_from_radio(bytes.fromhex("3801")) == ConfigComplete(1)
    assert codec.decode_user(radio.encode_user(1, "Hill Farm")) == "Hill Farm"
    assert codec.decode_routing_error(radio.encode_routing_error(9)) == 9


def test_an_encrypted_packet_has_no_data() -> None:
    packet = MeshPacket(5, BROADCAST, 6, None)
    assert codec.decode_from_radio(unframed(radio.encode_from_radio(packet))) == packet


@given(st.binary(max_size=512))
def test_any_bytes_decode_or_are_refused(body: bytes) -> None:
    decoders = (
        codec.decode_from_radio,
        codec.decode_user,
        codec.decode_routing_error,
        codec.decode_telemetry,
        radio.decode_to_radio,
    )
    for decoder in decoders:
        try:
            decoder(body)
        except DecodeError:
            continue


# Frames


@given(
    st.lists(
        st.tuples(st.binary(max_size=30).filter(lambda noise: b"\x94" not in noise), st.binary(max_size=512)),
        max_size=8,
    ),
    st.integers(1, 50),
)
def test_messages_between_noise_however_it_is_cut(pairs: list[tuple[bytes, bytes]], size: int) -> None:
    stream = b"".join(noise + codec.encode_frame(body) for noise, body in pairs)
    deframer = codec.Deframer()
    bodies = [body for at in range(0, len(stream), size) for body in deframer.receive(stream[at : at + size])]
    assert bodies == [body for _, body in pairs]
    assert deframer.stray_bytes == sum(len(noise) for noise, _ in pairs)


@given(st.binary(max_size=2_000))
def test_any_stream_keeps_at_most_one_message(stream: bytes) -> None:
    deframer = codec.Deframer()
    for body in deframer.receive(stream):
        assert len(body) <= codec.MESSAGE_BYTES_MAX


@pytest.mark.parametrize("noise", ["94", "9494", "94c3ffff", "94c30201", "c3" * 32, "94c394"])
def test_a_false_start_does_not_hide_what_follows(noise: str) -> None:
    assert codec.Deframer().receive(bytes.fromhex(noise) + codec.encode_frame(b"body")) == [b"body"]


# On air


def test_sizes_on_air() -> None:
    plain = Data(300, bytes(231))
    assert air_bytes(plain, signs=False) == 255
    assert air_bytes(Data(300, bytes(232)), signs=False) == 256, "the limit of frames through Meshtastic is 231"
    assert air_bytes(Data(Port.PRIVATE, bytes(165)), signs=True) == 255
    assert air_bytes(Data(Port.PRIVATE, bytes(166)), signs=True) == 190, "no room for a signature"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ((True, 0), (11, 250.0, 5)),
        ((True, 6), (7, 250.0, 5)),
        ((True, 77), (11, 250.0, 5)),
        ((False, 0, 62, 8, 6), (8, 62.5, 6)),
        ((False, 0, 0, 0, 0), (11, 250.0, 5)),
    ],
)
def test_presets_and_settings(config: tuple[int, ...], expected: tuple[int, float, int]) -> None:
    use, preset, width, factor, rate = (*config, *[0] * (5 - len(config)))
    modulation = LoraConfig(bool(use), preset, width, factor, rate, 3, 3, tx_enabled=True).modulation()
    assert (modulation.spreading_factor, modulation.bandwidth_khz, modulation.coding_rate) == expected
    assert modulation.preamble_symbols == 16


@given(st.builds(LoraConfig, st.booleans(), *[uint32] * 6, st.booleans()))
def test_any_settings_have_a_modulation(config: LoraConfig) -> None:
    assert config.modulation().symbol_ms > 0
