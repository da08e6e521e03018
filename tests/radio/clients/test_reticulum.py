"""Reticulum, by the makers of the RNode, talks to the emulated RNode over a pseudo-terminal."""

import json
import random
import subprocess
import time
from pathlib import Path

import pytest

from app.radio.dialects.rnode_codec import Command, encode_byte, encode_number
from app.radio.field import Field, line
from tests.radio.clients.installation import python_with
from tests.radio.clients.port import served
from tests.radio.emulators.rnode import Rnode

REQUIREMENT = "rns==1.5.7"
CLIENT_S = 60
PACKET = bytes(range(256)) + b"\xc0\xdb\xdc\xdd" * 60


@pytest.fixture(scope="module")
def python() -> Path:
    return python_with(REQUIREMENT)


def test_reticulum_sets_an_rnode_up_sends_a_split_packet_and_hears(python: Path) -> None:
    field = Field([], line(["near", "far"], 110.0), random.Random(4))
    near = Rnode("near", field.ether, random.Random(5))
    far = Rnode("far", field.ether, random.Random(6))
    field.modems |= {"near": near, "far": far}  # type: ignore[dict-item]
    far.receive(encode_number(Command.FREQUENCY, 869_525_000) + encode_number(Command.BANDWIDTH, 125_000))
    for command, value in ((Command.TX_POWER, 22), (Command.SPREADING_FACTOR, 7), (Command.RADIO_STATE, 1)):
        far.receive(encode_byte(command, value))
    client = Path(__file__).with_name("rnode_client.py")
    with served(field, "near") as port:
        process = subprocess.Popen(
            [str(python), str(client), port.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            while process.poll() is None and len(port.transmissions) < 2:
                time.sleep(0.1)
            port.call(lambda: far.receive(b"\xc0\x00an answer\xc0"))
            output, errors = process.communicate(timeout=CLIENT_S)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, output + errors
    answer = json.loads(output.splitlines()[-1])
    assert answer["online"], output
    assert answer["firmware"] == "1.85"
    assert answer["frequency"] == 869_525_000
    assert answer["preamble"] == 24
    assert answer["heard"] == {"packet": b"an answer".hex(), "rssi": -88, "snr": pytest.approx(29, abs=1)}
    assert answer["airtime_short"] > 0
    assert answer["errors"] == []
    assert near.sent == [PACKET]
