"""The emulated radios refuse and write down what their firmware would not take."""

import itertools
import random
from typing import Any

import msgspec
import pytest

from app.radio.dialects import meshtastic_codec
from app.radio.dialects.kiss_codec import Deframer, encode_frame
from app.radio.dialects.meshtastic_messages import (
    BROADCAST,
    Data,
    FromRadio,
    Heartbeat,
    MeshPacket,
    Port,
    QueueStatus,
    Rebooted,
    RoutingError,
    ToRadio,
    WantConfig,
)
from app.radio.dialects.rnode_codec import Command, encode_byte, encode_number, encode_share
from app.radio.field import Field, line
from tests.radio.emulators.meshtastic import BOOT_TEXT, QUEUE_LENGTH, Meshtastic
from tests.radio.emulators.rnode import QUEUE_PACKETS_MAX, Rnode
from tests.radio.emulators.rui3 import RESTART_MS, Rui3


def rnode(**options: bool) -> Rnode:
    return Rnode("radio", Field([], {}, random.Random(1)).ether, random.Random(2), **options)


def online_rnode() -> Rnode:
    radio = rnode()
    radio.receive(encode_number(Command.FREQUENCY, 869_525_000) + encode_number(Command.BANDWIDTH, 125_000))
    for command, value in ((Command.TX_POWER, 22), (Command.SPREADING_FACTOR, 9), (Command.RADIO_STATE, 1)):
        radio.receive(encode_byte(command, value))
    radio.output()
    return radio


def said(radio: Rnode) -> list[str]:
    return [frame.hex() for frame in Deframer().receive(radio.output())]


# RNode


def test_rnode_stays_off_until_it_is_tuned() -> None:
    radio = rnode()
    radio.receive(encode_byte(Command.RADIO_STATE, 1))
    assert said(radio) == ["55f8", "0600", "0600"]
    radio = online_rnode()
    radio.receive(encode_byte(Command.RADIO_STATE, 0xFF))
    assert said(radio) == ["0601"]


def test_rnode_clamps_what_it_cannot_do() -> None:
    radio = rnode()
    radio.output()
    for command, value in ((Command.TX_POWER, 27), (Command.SPREADING_FACTOR, 4), (Command.CODING_RATE, 9)):
        radio.receive(encode_byte(command, value))
    assert said(radio) == ["0316", "0405", "0508"]


def test_rnode_writes_down_unknown_commands_and_an_overfull_queue() -> None:
    radio = online_rnode()
    radio.receive(encode_frame(0x77, b"\1"))
    for _ in range(QUEUE_PACKETS_MAX + 1):
        radio.receive(encode_frame(0, b"packet"))
    assert radio.violations == ["command 0x77", "a packet into a full queue"]
    radio.receive(encode_byte(Command.READY, 0))
    assert said(radio) == ["0f00"]


def test_rnodes_airtime_limit_holds_frames_back() -> None:
    field = Field([], {}, random.Random(1))
    radio = Rnode("radio", field.ether, random.Random(2))
    field.modems["radio"] = radio  # type: ignore[assignment]
    radio.receive(encode_number(Command.FREQUENCY, 869_525_000) + encode_number(Command.BANDWIDTH, 125_000))
    for command, value in ((Command.TX_POWER, 22), (Command.SPREADING_FACTOR, 12), (Command.RADIO_STATE, 1)):
        radio.receive(encode_byte(command, value))
    radio.receive(encode_share(Command.SHORT_AIRTIME_LIMIT, 100))
    for _ in range(4):
        radio.receive(encode_frame(0, bytes(200)))
        for now_ms in range(0, 3_000, 10):
            field.poll(now_ms)
    assert len(radio.sent) == 1


# RUI3


def rui3(**settings: Any) -> Rui3:
    radio = Rui3("radio", Field([], {}, random.Random(1)).ether, random.Random(2), **settings)
    radio.poll(RESTART_MS)
    radio.output()
    return radio


def asked(radio: Rui3, command: str) -> list[str]:
    radio.receive(command.encode() + b"\r\n")
    radio.poll(2_000)
    return radio.output().decode().split()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("AT", ["OK"]),
        ("at", ["OK"]),
        ("AT+NWM=?", ["AT+NWM=0", "OK"]),
        ("AT+NWM=7", ["AT_PARAM_ERROR"]),
        ("AT+NONSENSE", ["AT_COMMAND_NOT_FOUND"]),
        ("AT+P2P=868000000:7:0:0:8", ["AT_PARAM_ERROR"]),
        ("AT+P2P=868000000:7:0:0:8:23", ["AT_PARAM_ERROR"]),
        ("AT+P2P=868000000:4:0:0:8:14", ["AT_PARAM_ERROR"]),
        ("AT+SYNCWORD=xyz", ["AT_PARAM_ERROR"]),
        ("AT+PSEND=123", ["AT_PARAM_ERROR"]),
        ("AT+PSEND=" + "00" * 240, ["AT_PARAM_ERROR"]),
        ("AT+PRECV=70000", ["AT_PARAM_ERROR"]),
    ],
)
def test_rui3_answers_as_its_parser_does(command: str, answer: list[str]) -> None:
    assert asked(rui3(NWM="0"), command) == answer


def test_rui3_refuses_p2p_in_lorawan_mode_and_settings_while_it_listens() -> None:
    assert asked(rui3(), "AT+P2P=?") == ["AT_MODE_NO_SUPPORT"]
    radio = rui3(NWM="0")
    assert asked(radio, "AT+PRECV=65533") == ["OK"]
    assert asked(radio, "AT+P2P=868000000:7:0:0:8:14") == ["AT_BUSY_ERROR"]
    assert asked(radio, "AT+PRECV=65533") == ["P2P_RX_ON", "already", "AT_BUSY_ERROR"]
    assert asked(radio, "AT+PRECV=0") == ["OK"]
    assert asked(radio, "AT+PRECV=65534") == ["OK"]
    assert asked(radio, "AT+PSEND=00") == ["AT_BUSY_ERROR"], "this kind of listening can't be interrupted"


def test_rui3_restarts_on_a_change_of_mode_and_is_deaf_meanwhile() -> None:
    radio = rui3()
    assert asked(radio, "AT+NWM=0") == ["OK"]
    radio.receive(b"AT\r\n")
    radio.poll(2_500)
    assert radio.output() == b""
    radio.poll(2_000 + RESTART_MS)
    assert b"Current Work Mode: LoRa P2P." in radio.output()


def test_rui3_echo_and_backspace() -> None:
    radio = rui3(ECHO="1")
    radio.receive(b"ATX\x08\r\n")
    radio.poll(2_000)
    assert radio.output() == b"ATX\n\rOK\r\n"


# Meshtastic


def talk(radio: Meshtastic, *messages: ToRadio, now_ms: float = 5_000) -> list[FromRadio]:
    for message in messages:
        radio.receive(meshtastic_codec.encode_to_radio(message))
    radio.poll(now_ms)
    bodies = meshtastic_codec.Deframer().receive(radio.output())
    return [meshtastic_codec.decode_from_radio(body) for body in bodies]


def meshtastic(**options: object) -> Meshtastic:
    radio = Meshtastic("radio", Field([], {}, random.Random(1)).ether, random.Random(2), **options)  # type: ignore[arg-type]
    talk(radio, WantConfig(5))
    return radio


def packet(number: int, port: int = 300, payload: bytes = b"x", **changes: object) -> MeshPacket:
    return msgspec.structs.replace(MeshPacket(0, BROADCAST, number, Data(port, payload)), **changes)


def test_meshtastic_counts_its_queue() -> None:
    radio = meshtastic()
    first, second = talk(radio, packet(1), packet(2))
    assert (first, second) == (QueueStatus(0, 15, 16, 1), QueueStatus(0, 14, 16, 2))
    assert talk(radio, Heartbeat()) == [QueueStatus(0, 14, 16, 0)]
    statuses = talk(radio, *(packet(number) for number in range(3, QUEUE_LENGTH + 2)))
    assert [status.result for status in statuses if isinstance(status, QueueStatus)] == [0] * 14 + [32]


def test_meshtastic_refuses_what_does_not_fit_and_what_it_has_seen() -> None:
    radio = meshtastic()
    status, routing = talk(radio, packet(1, payload=bytes(232)))
    assert status == QueueStatus(RoutingError.TOO_LARGE, 16, 16, 1)
    assert isinstance(routing, MeshPacket)
    assert talk(radio, packet(2, payload=bytes(231))) == [QueueStatus(0, 15, 16, 2)]
    assert talk(radio, packet(2)) == []
    assert radio.violations == ["a payload of 232 bytes", "a packet for the second time"]


def test_meshtastic_wants_texts_two_seconds_apart() -> None:
    radio = meshtastic()
    assert len(talk(radio, packet(1, Port.TEXT))) == 1
    status, routing = talk(radio, packet(2, Port.TEXT))
    assert status == QueueStatus(0, 15, 16, 2)
    assert isinstance(routing, MeshPacket)
    assert routing.data is not None
    assert meshtastic_codec.decode_routing_error(routing.data.payload) == RoutingError.RATE_LIMIT_EXCEEDED


def test_meshtastic_says_after_a_restart_that_it_had_one() -> None:
    radio = meshtastic()
    radio.start()
    output = radio.output()
    assert output.startswith(BOOT_TEXT)
    (body,) = meshtastic_codec.Deframer().receive(output)
    assert meshtastic_codec.decode_from_radio(body) == Rebooted()
    assert talk(radio, packet(1)) == [QueueStatus(0, 15, 16, 1)]
    assert radio.violations == ["a packet before the settings were asked for"]


def test_meshtastic_writes_down_broken_messages() -> None:
    radio = meshtastic()
    radio.receive(meshtastic_codec.encode_frame(b"\x0a\x05ab"))
    radio.poll(5_000)
    assert len(radio.violations) == 1


def test_meshtastic_floods_once_and_keeps_silent_when_somebody_else_did() -> None:
    names = ["one", "two", "three", "four"]
    losses = dict.fromkeys(itertools.permutations(names, 2), 100.0)
    field = Field([], losses, random.Random(7))
    radios = {
        name: Meshtastic(name, field.ether, random.Random(index), node=index) for index, name in enumerate(names, 1)
    }
    field.modems |= radios  # type: ignore[arg-type]
    talk(radios["one"], WantConfig(5), now_ms=0)
    talk(radios["one"], packet(1, hop_limit=3), now_ms=0)
    for now_ms in range(0, 20_000, 5):
        field.poll(now_ms)
    assert [len(radio.sent) for radio in radios.values()].count(0) == 2, "one repeats, the others overhear it"


def test_meshtastic_carries_a_packet_along_a_line_as_far_as_its_hops() -> None:
    names = ["one", "two", "three", "four"]
    field = Field([], line(names, 110.0), random.Random(7))
    radios = {
        name: Meshtastic(name, field.ether, random.Random(index), node=index) for index, name in enumerate(names, 1)
    }
    field.modems |= radios  # type: ignore[arg-type]
    talk(radios["one"], WantConfig(5), now_ms=0)
    talk(radios["one"], packet(1, hop_limit=1), now_ms=0)
    for now_ms in range(0, 20_000, 5):
        field.poll(now_ms)
    assert [len(radio.sent) for radio in radios.values()] == [1, 1, 0, 0]
