"""Meshtastic's own Python library talks to the emulated radio over a pseudo-terminal.

What it accepts, TNTN's machine may rely on. The library is GPL: a program that is run here, and no part of TNTN.
"""

import json
import random
import subprocess
from pathlib import Path

import pytest

from app.radio.dialects.meshtastic_messages import BROADCAST, Data, MeshPacket, NodeInfo, Port
from app.radio.field import Field, line
from tests.radio.clients.installation import python_with
from tests.radio.clients.port import served
from tests.radio.emulators.meshtastic import Meshtastic

REQUIREMENT = "meshtastic==2.7.11"
CLIENT_S = 90


@pytest.fixture(scope="module")
def python() -> Path:
    return python_with(REQUIREMENT)


def two_radios() -> tuple[Field, Meshtastic, Meshtastic]:
    field = Field([], line(["square", "valley"], 110.0), random.Random(4))
    knows = [NodeInfo(0x7C5A0002, "North Valley"), NodeInfo(0x7C5A0003, "Hill Farm")]
    square = Meshtastic("square", field.ether, random.Random(5), knows=knows, is_chatty=True)
    valley = Meshtastic("valley", field.ether, random.Random(6), node=0x7C5A0002)
    field.modems |= {"square": square, "valley": valley}  # type: ignore[dict-item]
    return field, square, valley


def test_the_library_connects_reads_the_nodes_sends_and_hears(python: Path) -> None:
    field, square, valley = two_radios()
    client = Path(__file__).with_name("meshtastic_client.py")
    with served(field, "square") as port:
        process = subprocess.Popen(
            [str(python), str(client), port.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        port.call(lambda: square.deliver(_text("hello from the valley")))
        try:
            output, errors = process.communicate(timeout=CLIENT_S)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, errors
    answer = json.loads(output.splitlines()[-1])
    assert answer["node"] == square.node
    assert answer["firmware"] == "2.7.11.ee68575"
    assert answer["name"] == "square"
    assert answer["nodes"] == {
        str(square.node): "square",
        str(0x7C5A0002): "North Valley",
        str(0x7C5A0003): "Hill Farm",
    }
    assert answer["region"] == 3
    assert answer["channels"] == [""]
    assert answer["acknowledged"]
    assert answer["acknowledgment"] == "NONE"
    assert answer["heard"] == {"from": valley.node, "text": "hello from the valley", "snr": 9.5}
    assert answer["queue"] == [16, 16]
    assert square.violations == []
    assert [packet.data and packet.data.payload for packet in square.sent] == [b"hello from the maker's library"]
    assert [packet.packet_id for packet in valley.sent] == [answer["sent"]], "the neighbor passed it on once"


def _text(words: str) -> MeshPacket:
    data = Data(Port.TEXT, words.encode())
    return MeshPacket(0x7C5A0002, BROADCAST, 77, data, rx_snr_db=9.5, rx_rssi_dbm=-80, hop_limit=2, hop_start=3)
