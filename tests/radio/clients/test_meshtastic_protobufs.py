"""What Meshtastic's own protocol buffers write down is read as it was meant."""

import json
import subprocess
from pathlib import Path

import pytest

from app.radio.dialects.dialect import WeatherReading
from app.radio.dialects.meshtastic_codec import decode_from_radio, decode_routing_error, decode_telemetry
from app.radio.dialects.meshtastic_messages import (
    BROADCAST,
    Channel,
    ConfigComplete,
    Data,
    LoraConfig,
    MeshPacket,
    Metadata,
    MyInfo,
    NodeInfo,
    QueueStatus,
    Rebooted,
    Telemetry,
)
from tests.radio.clients.installation import python_with
from tests.radio.clients.test_meshtastic_library import REQUIREMENT

MEANT = {
    "packet": MeshPacket(
        sender=0x7C5A0002,
        to=BROADCAST,
        packet_id=0xDEADBEEF,
        data=Data(1, "Brot ab fünf".encode(), reply_id=77, bitfield=1),
        channel=2,
        hop_limit=2,
        rx_time=1_750_000_000,
        rx_snr_db=-7.25,
        rx_rssi_dbm=-119,
        via_mqtt=True,
        hop_start=3,
    ),
    "lora": LoraConfig(True, 6, 0, 0, 0, 3, 3, True),
    "channel": Channel(3, 2, "village"),
    "node": NodeInfo(0x7C5A0002, "Nördliches Tal"),
    "queue": QueueStatus(-3, 5, 16, 0xDEADBEEF),
    "metadata": Metadata("2.8.0.f00"),
    "my_info": MyInfo(0x7C5A0001),
    "complete": ConfigComplete(0xFFFFFFFF),
    "rebooted": Rebooted(),
}
WEATHER = WeatherReading(
    temperature_c=18.5,
    humidity_percent=60.25,
    pressure_hpa=1013.25,
    illuminance_lux=1234.5,
    wind_direction_deg=270,
    wind_speed_m_s=3.5,
    wind_gust_m_s=7.25,
    wind_lull_m_s=0.0,
    rain_1h_mm=0.25,
    rain_24h_mm=4.75,
    radiation_ur_h=12.5,
    soil_moisture_percent=31,
    soil_temperature_c=-2.5,
)


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    script = Path(__file__).with_name("meshtastic_vectors.py")
    command = [str(python_with(REQUIREMENT)), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return {name: bytes.fromhex(content) for name, content in json.loads(done.stdout).items()}


def test_messages_of_the_radio_mean_what_was_meant(written: dict[str, bytes]) -> None:
    assert {name: decode_from_radio(written[name]) for name in MEANT} == MEANT


def test_payloads_mean_what_was_meant(written: dict[str, bytes]) -> None:
    assert decode_telemetry(written["telemetry"]) == Telemetry(1_750_000_000, WEATHER, None)
    assert decode_telemetry(written["own"]) == Telemetry(0, None, 1.25)
    assert decode_routing_error(written["routing"]) == 9
