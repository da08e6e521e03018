"""RUI3's lines: as the module prints them, cut anywhere, and broken in every way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.dialects.rui3_codec import (
    BANDWIDTHS_KHZ,
    LINE_BYTES_MAX,
    RESULTS,
    LineReader,
    Other,
    P2pSettings,
    PacketHeard,
    ReceiveFailed,
    Result,
    Started,
    TransmitDone,
    Value,
    decode_line,
    decode_p2p,
    encode_command,
)

settings = st.builds(
    P2pSettings,
    st.integers(150_000_000, 960_000_000),
    st.integers(5, 12),
    st.sampled_from(BANDWIDTHS_KHZ),
    st.integers(5, 8),
    st.integers(5, 65_535),
    st.integers(5, 22),
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("OK", Result("OK")),
        ("AT_BUSY_ERROR", Result("AT_BUSY_ERROR")),
        ("AT+NWM=1", Value("NWM", "1")),
        ("AT+P2P=868000000:7:0:0:8:14", Value("P2P", "868000000:7:0:0:8:14")),
        ("AT+NWM=?", Other("AT+NWM=?")),
        ("+EVT:TXP2P DONE", TransmitDone()),
        ("+EVT:RXP2P:-60:11:AABBCCDD", PacketHeard(b"\xaa\xbb\xcc\xdd", -60, 11)),
        ("+EVT:RXP2P:-128:-7:", PacketHeard(b"", -128, -7)),
        ("+EVT:RXP2P RECEIVE TIMEOUT", ReceiveFailed()),
        ("+EVT:RXP2P RECEIVE ERROR", ReceiveFailed()),
        ("+EVT:JOINED", Other("+EVT:JOINED")),
        ("Current Work Mode: LoRa P2P.", Started()),
        ("RAKwireless RAK3172-E", Other("RAKwireless RAK3172-E")),
    ],
)
def test_what_a_module_prints(text: str, line: object) -> None:
    assert decode_line(text) == line


@pytest.mark.parametrize(
    "text",
    [
        "+EVT:RXP2P:-60:11:ABC",
        "+EVT:RXP2P:-60:11:XY",
        "+EVT:RXP2P:-60:AABB",
        "+EVT:RXP2P:1000:1:AA",
        "+EVT:RXP2P",
        "+EVT:TXP2P",
        "+EVT:RXP2P:-60:11:" + "00" * 256,
    ],
)
def test_broken_events_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_line(text)


def test_commands() -> None:
    assert encode_command("PRECV", 65_533) == b"AT+PRECV=65533\r\n"
    assert encode_command("NWM", "?") == b"AT+NWM=?\r\n"
    assert P2pSettings(869_525_000, 9, 125.0, 5, 8, 22).encode() == "869525000:9:0:0:8:22"
    assert P2pSettings(869_525_000, 9, 125.0, 5, 8, 22).encode(in_khz=True) == "869525000:9:125:0:8:22"


@given(settings)
def test_settings_come_back(p2p: P2pSettings) -> None:
    assert decode_p2p(p2p.encode()) == p2p


def test_older_firmware_names_bandwidths_in_khz() -> None:
    assert decode_p2p("869525000:9:500:0:8:22").bandwidth_khz == 500.0


@pytest.mark.parametrize(
    "value", ["", "1:2:3", "1:2:3:4:5:x", "868000000:7:10:0:8:14", "1:2:0:0:5:9999999999", "1:2:0:0:5:²"]
)
def test_broken_settings_are_refused(value: str) -> None:
    with pytest.raises(DecodeError):
        decode_p2p(value)


def test_lines_with_either_break_and_blanks_between() -> None:
    assert LineReader().receive(b"\r\nOK\r\n\n\rAT+NWM=0 \rOK\n") == ["OK", "AT+NWM=0", "OK"]


def test_an_event_in_the_middle_of_an_echo_begins_its_own_line() -> None:
    assert LineReader().receive(b"AT+PSE+EVT:TXP2P DONE\r\n") == ["AT+PSE", "+EVT:TXP2P DONE"]
    assert LineReader().receive(b"OK+EVT:RXP2P:-60:11:AA\r\n") == ["OK", "+EVT:RXP2P:-60:11:AA"]


def test_garbage_around_a_line_is_shed_and_inside_it_condemns_the_line() -> None:
    reader = LineReader()
    assert reader.receive(b"\0\xf8\xff\x1bOK\x80\r\n") == ["OK"]
    assert reader.damaged == 0
    assert reader.receive(b"+EVT:RXP2P:-60:11:AA\xf8BB\r\nOK\r\n") == ["OK"]
    assert reader.damaged == 1


def test_a_line_without_end_is_dropped_and_bounded() -> None:
    reader = LineReader()
    for _ in range(1_000):
        assert reader.receive(b"A" * 1_000) == []
    assert reader.receive(b"\r\nOK\r\n") == ["OK"]
    assert reader.damaged == 1
    assert reader.receive(b"B" * LINE_BYTES_MAX + b"\r") == ["B" * LINE_BYTES_MAX]


@given(st.binary(max_size=400), st.integers(1, 20))
def test_any_bytes_give_lines_that_decode_or_are_refused(data: bytes, size: int) -> None:
    whole, cut = LineReader(), LineReader()
    lines = whole.receive(data)
    assert [line for at in range(0, len(data), size) for line in cut.receive(data[at : at + size])] == lines
    for line in lines:
        try:
            decode_line(line)
        except DecodeError:
            continue


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_words_decode_or_are_refused(text: str) -> None:
    for line in (text, f"AT+P2P={text}", f"+EVT:RXP2P:{text}"):
        try:
            decode_line(line)
        except DecodeError:
            continue
    try:
        decode_p2p(text)
    except DecodeError:
        return


def test_result_words_are_results() -> None:
    assert all(decode_line(word) == Result(word) for word in RESULTS)
