"""What is taken from the mesh, and what is left to others."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.dialects.dialect import AirtimeReported, Heard, TelemetryHeard, TextHeard, WeatherReading
from app.radio.dialects.meshtastic_ear import NAME_CHARACTERS_MAX, NODES_MAX, PORT, Ear
from app.radio.dialects.meshtastic_messages import BROADCAST, Data, MeshPacket, Port, Telemetry
from app.radio.parcel import Signal
from tests.radio.emulators.meshtastic_messages import encode_telemetry, encode_user

ME, OTHER = 100, 200


def ear(*, reads_texts: bool = True) -> Ear:
    made = Ear(reads_texts=reads_texts)
    made.node = ME
    made.channel = 1
    return made


def packet(port: int, payload: bytes, **changes: object) -> MeshPacket:
    plain = MeshPacket(OTHER, BROADCAST, 7, Data(port, payload), channel=1, rx_rssi_dbm=-90, rx_snr_db=5.5)
    return msgspec.structs.replace(plain, **changes)


def test_a_frame_of_tntn() -> None:
    assert ear().hear(packet(PORT, b"frame")) == Heard(b"frame", Signal(-90, 5.5))
    assert ear().hear(packet(PORT, b"frame", channel=3)) == Heard(b"frame", Signal(-90, 5.5))
    assert ear().hear(packet(PORT, b"frame", to=ME)) == Heard(b"frame", Signal(-90, 5.5))
    assert ear().hear(packet(PORT, b"frame", to=5)) is None
    assert ear().hear(packet(PORT, b"frame", rx_rssi_dbm=0)) == Heard(b"frame", Signal())
    with pytest.raises(DecodeError):
        ear().hear(packet(PORT, b""))


def test_a_text_in_the_chosen_channel_with_its_speakers_name() -> None:
    hearing = ear()
    assert hearing.hear(packet(Port.TEXT, b"Bread at 5")) == TextHeard("Bread at 5", OTHER, "!000000c8", 7, False)
    assert hearing.hear(packet(Port.NODE_INFO, encode_user(OTHER, "Hill Farm"))) is None
    heard = hearing.hear(packet(Port.TEXT, "Früh\n\tBrot \x07".encode(), via_mqtt=True))
    assert heard == TextHeard("Früh\nBrot", OTHER, "Hill Farm", 7, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"channel": 0},
        {"to": ME},
        {"sender": ME},
        {"data": None},
        {"data": Data(Port.TEXT, b"\xf0\x9f\x91\x8d", emoji=1, reply_id=5)},
        {"data": Data(Port.TEXT, b" \n\x07 ")},
        {"data": Data(Port.POSITION, b"\x08\x01")},
    ],
)
def test_what_is_not_for_the_board(changes: dict[str, object]) -> None:
    assert ear().hear(packet(Port.TEXT, b"words", **changes)) is None


def test_the_switch_for_texts() -> None:
    assert ear(reads_texts=False).hear(packet(Port.TEXT, b"words")) is None


def test_a_text_that_is_none_is_refused() -> None:
    with pytest.raises(DecodeError):
        ear().hear(packet(Port.TEXT, b"\xff\xfe"))


def test_text_that_would_turn_the_page_around_is_cleaned() -> None:
    heard = ear().hear(packet(Port.TEXT, "abc\u202edef\u200b".encode()))
    assert isinstance(heard, TextHeard)
    assert heard.text == "abcdef"


def test_weather() -> None:
    reading = WeatherReading(temperature_c=21.5, wind_direction_deg=0, rain_1h_mm=0.0)
    payload = encode_telemetry(Telemetry(1_750_000_000, reading, None))
    assert ear().hear(packet(Port.TELEMETRY, payload)) == TelemetryHeard(OTHER, "!000000c8", 1_750_000_000, reading)
    assert ear().hear(packet(Port.TELEMETRY, encode_telemetry(Telemetry(1, None, 3.0)))) is None


def test_the_radios_own_airtime() -> None:
    def own(percent: float) -> MeshPacket:
        return packet(Port.TELEMETRY, encode_telemetry(Telemetry(1, None, percent)), sender=ME)

    assert ear().hear(own(2.5)) == AirtimeReported(2.5)
    assert ear().hear(own(101.0)) is None
    assert ear().hear(packet(Port.NODE_INFO, encode_user(ME, "me"), sender=ME)) is None


def test_names_are_bounded_in_number_and_length() -> None:
    hearing = ear()
    hearing.remember(OTHER, "x" * 500)
    heard = hearing.hear(packet(Port.TEXT, b"words"))
    assert isinstance(heard, TextHeard)
    assert heard.sender_name == "x" * NAME_CHARACTERS_MAX
    for node in range(1_000, 1_000 + NODES_MAX):
        hearing.remember(node, "name")
    hearing.remember(OTHER + 1, "\u202e")
    heard = hearing.hear(packet(Port.TEXT, b"words"))
    assert isinstance(heard, TextHeard)
    assert heard.sender_name == "!000000c8", "the oldest made room"


@given(st.integers(0, 511), st.binary(max_size=233), st.sampled_from([ME, OTHER]), st.integers(0, 7))
def test_any_packet_is_heard_or_refused(port: int, payload: bytes, sender: int, channel: int) -> None:
    try:
        ear().hear(packet(port, payload, sender=sender, channel=channel))
    except DecodeError:
        return
