"""Runs under a Python that has Meshtastic's own library: connects, reads, sends and hears. Prints one line of JSON.

python meshtastic_client.py PORT
"""

import json
import sys
import threading
import time
from typing import Any

from meshtastic.serial_interface import SerialInterface
from pubsub import pub

WAIT_S = 20

answer: dict[str, object] = {}
heard = threading.Event()
acknowledged = threading.Event()


def on_text(packet: dict[str, Any], interface: SerialInterface) -> None:
    decoded = packet["decoded"]
    answer["heard"] = {"from": packet["from"], "text": decoded["text"], "snr": packet.get("rxSnr")}
    heard.set()


def onAckNak(packet: dict[str, Any]) -> None:  # noqa: N802 - the library knows this name
    answer["acknowledgment"] = packet["decoded"]["routing"]["errorReason"]
    acknowledged.set()


pub.subscribe(on_text, "meshtastic.receive.text")
radio = SerialInterface(sys.argv[1], timeout=30)
try:
    answer["node"] = radio.myInfo.my_node_num
    answer["firmware"] = radio.metadata.firmware_version
    answer["name"] = radio.getLongName()
    answer["nodes"] = {node["num"]: node["user"]["longName"] for node in radio.nodes.values()}
    answer["region"] = radio.localNode.localConfig.lora.region
    answer["channels"] = [channel.settings.name for channel in radio.localNode.channels if channel.role]
    sent = radio.sendText("hello from the maker's library", wantAck=True, onResponse=onAckNak)
    answer["sent"] = sent.id
    answer["acknowledged"] = acknowledged.wait(WAIT_S)
    answer["was_heard"] = heard.wait(WAIT_S)
    radio.sendHeartbeat()
    time.sleep(1)
    status = radio.queueStatus
    answer["queue"] = [status.free, status.maxlen]
finally:
    radio.close()
print(json.dumps(answer))
