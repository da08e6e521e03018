"""Runs under a Python that has Reticulum: sets an RNode up, sends through it and hears. Prints one line of JSON.

python rnode_client.py PORT
"""

import json
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import RNS
from RNS.Interfaces.RNodeInterface import RNodeInterface

WAIT_S = 20

CONFIGURATION = "[reticulum]\nenable_transport = No\nshare_instance = No\n[interfaces]\n"
"""A Reticulum that has no interface of its own."""

answer: dict[str, object] = {}
heard = threading.Event()


class Owner:
    """What an interface gives its packets to."""

    def inbound(self, data: bytes, interface: RNodeInterface) -> None:
        answer["heard"] = {"packet": data.hex(), "rssi": interface.r_stat_rssi, "snr": interface.r_stat_snr}
        heard.set()


folder = Path(tempfile.mkdtemp(prefix="tntn-reticulum-"))
(folder / "config").write_text(CONFIGURATION)
RNS.Reticulum(configdir=str(folder), loglevel=RNS.LOG_ERROR)
radio = RNodeInterface(
    Owner(),
    {
        "name": "rnode",
        "port": sys.argv[1],
        "frequency": 869525000,
        "bandwidth": 125000,
        "txpower": 22,
        "spreadingfactor": 7,
        "codingrate": 5,
    },
)
answer["online"] = radio.online
answer["firmware"] = f"{radio.maj_version}.{radio.min_version}"
answer["frequency"] = radio.r_frequency
answer["preamble"] = radio.r_preamble_symbols
radio.process_outgoing(bytes(range(256)) + b"\xc0\xdb\xdc\xdd" * 60)
answer["was_heard"] = heard.wait(WAIT_S)
answer["airtime_short"] = radio.r_airtime_short
answer["errors"] = radio.hw_errors
radio.detach()
shutil.rmtree(folder)
print(json.dumps(answer), flush=True)
os._exit(0)  # its threads don't end by themselves
