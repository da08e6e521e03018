"""The emulated modem, byte by byte as the firmware answers, and its CSMA."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.radio.dialects.kiss_codec import Deframer, RadioParameters, encode_frame, encode_hardware
from app.radio.field import Field, line
from app.radio.modem import OUTPUT_BYTES_MAX, VIOLATIONS_MAX, Modem

RADIO = RadioParameters(869_525_000, 125_000, 9, 5).encode()


def two_modems() -> tuple[Field, Modem, Modem]:
    field = Field(["a", "b"], line(["a", "b"], 120.0), random.Random(3))
    one, two = field.modems.values()
    for modem in (one, two):
        modem.receive(encode_hardware(0x09, RADIO) + encode_frame(1, b"\x00") + encode_frame(2, b"\xff"))
        assert Deframer().receive(modem.output()) == [b"\x06\xf0"]
    return field, one, two


def run(field: Field, until_ms: int, now_ms: int = 0) -> None:
    while now_ms < until_ms:
        field.poll(now_ms)
        deadline_ms = field.deadline_ms(now_ms)
        now_ms = until_ms if deadline_ms is None else max(now_ms + 1, min(deadline_ms, until_ms))
    field.poll(until_ms)


def test_a_packet_crosses_with_its_metadata() -> None:
    field, one, two = two_modems()
    one.receive(encode_frame(0, b"\x00hello"))
    run(field, 1000)
    assert Deframer().receive(one.output()) == [b"\x06\xf8\x01"]
    data, meta = Deframer().receive(two.output())
    assert data == b"\x00\x00hello"
    snr, rssi = struct.unpack("bb", meta[2:])
    assert (meta[:2], rssi) == (b"\x06\xf9", 22 - 120)
    assert snr / 4 == pytest.approx(19, abs=0.5)


def test_signal_reports_can_be_switched_off() -> None:
    field, one, two = two_modems()
    two.receive(encode_hardware(0x19, b"\x00"))
    one.receive(encode_frame(0, b"\x00hello"))
    run(field, 1000)
    assert Deframer().receive(two.output()) == [b"\x06\x9a\x00", b"\x00\x00hello"]


def test_only_one_packet_may_be_pending() -> None:
    _, one, _ = two_modems()
    one.receive(encode_frame(0, b"one") + encode_frame(0, b"two"))
    assert Deframer().receive(one.output()) == [b"\x06\xf1\x07"]
    assert one.violations == ["a packet while another is pending"]


def test_a_modem_waits_for_a_free_channel() -> None:
    field, one, two = two_modems()
    one.receive(encode_frame(0, bytes(200)))
    run(field, 100)
    two.receive(encode_frame(0, bytes(20)))
    run(field, 5000, 101)
    assert b"\x06\xf8\x01" in Deframer().receive(one.output())
    assert len(Deframer().receive(two.output())) == 3, "it heard the first packet whole, then sent its own"


def test_it_says_whether_the_channel_is_busy() -> None:
    field, one, two = two_modems()
    one.receive(encode_frame(0, bytes(200)))
    run(field, 100)
    for now_ms, answer in ((100, b"\x01"), (2000, b"\x00")):
        run(field, now_ms, now_ms)
        two.receive(encode_hardware(0x0E), now_ms)
        assert Deframer().receive(two.output())[-1] == b"\x06\x8e" + answer


def test_an_untuned_modem_is_elsewhere() -> None:
    field = Field(["a", "b"], line(["a", "b"], 120.0), random.Random(3))
    one, two = field.modems.values()
    one.receive(encode_hardware(0x09, RADIO) + encode_frame(0, b"hello"))
    run(field, 3000)
    assert two.output() == b""


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (encode_hardware(0x0B), b"\x06\x8b" + RadioParameters(869_618_000, 62_500, 8, 8).encode()),
        (encode_hardware(0x0C), b"\x06\x8c\x16"),
        (encode_hardware(0x0A, b"\x0a"), b"\x06\xf0"),
        (encode_hardware(0x11), b"\x06\x91\x02\x00"),
        (encode_hardware(0x17), b"\x06\x97"),
        (encode_hardware(0x1A), b"\x06\x9a\x01"),
    ],
)
def test_answers(request_bytes: bytes, answer: bytes) -> None:
    modem = Field(["a"], {}, random.Random(1)).modems["a"]
    modem.receive(request_bytes)
    assert Deframer().receive(modem.output()) == [answer]
    assert modem.violations == []


def test_airtime_is_told_as_it_is_counted() -> None:
    _, one, _ = two_modems()
    one.receive(encode_hardware(0x0F, b"\x0a"))
    assert Deframer().receive(one.output()) == [b"\x06\x8f" + struct.pack("<I", 144)]


@pytest.mark.parametrize(
    ("request_bytes", "answers"),
    [
        (encode_hardware(0x09, RADIO[:-1]), [b"\x06\xf1\x01"]),
        (encode_hardware(0x09, RADIO[:-2] + b"\x0d\x05"), [b"\x06\xf1\x02"]),
        (encode_hardware(0x0A), [b"\x06\xf1\x01"]),
        (encode_hardware(0x0F), [b"\x06\xf1\x01"]),
        (encode_hardware(0x19), [b"\x06\xf1\x01"]),
        (encode_hardware(0x7F), [b"\x06\xf1\x05"]),
        (encode_frame(6, b""), []),
        (encode_frame(0, bytes(256)), []),
        (encode_frame(0, b""), []),
        (encode_frame(1, b""), []),
        (encode_frame(0x10, b"another port"), []),
        (encode_frame(9, b"no such command"), []),
        (b"\xc0\x00\xdb\x00\xc0", []),
    ],
)
def test_what_is_wrong_is_answered_and_remembered(request_bytes: bytes, answers: list[bytes]) -> None:
    modem = Field(["a"], {}, random.Random(1)).modems["a"]
    modem.receive(request_bytes)
    assert Deframer().receive(modem.output()) == answers
    assert len(modem.violations) == 1


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_bytes_break_it(chunks: list[bytes]) -> None:
    field = Field(["a"], {}, random.Random(1))
    for number, chunk in enumerate(chunks):
        field.modems["a"].receive(b"\xc0" + chunk + b"\xc0")
        field.poll(number * 100)
    assert len(field.modems["a"].violations) <= VIOLATIONS_MAX


def test_a_host_that_does_not_read_loses_packets_but_no_memory() -> None:
    field, one, two = two_modems()
    for number in range(100):
        one.receive(encode_frame(0, bytes(200)))
        run_from = number * 5000
        for step in range(0, 5000, 50):
            field.poll(run_from + step)
    assert len(two.output()) <= OUTPUT_BYTES_MAX + 20
