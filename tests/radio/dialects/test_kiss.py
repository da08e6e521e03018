"""The host's machine, byte by byte against what the firmware's protocol says, and against noise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.radio.dialects.kiss import (
    ANSWER_MS,
    ASKS_MAX,
    BUSY_MS,
    CLEAR_MS,
    METADATA_MS,
    OUTPUT_BYTES_MAX,
    SENDING_ALLOWANCE_MS,
    WATCH_MS,
    Event,
    Fault,
    Heard,
    Kiss,
    Ready,
    Sent,
    Unresponsive,
)
from app.radio.dialects.kiss_codec import Deframer, RadioParameters, encode_frame, encode_hardware
from app.radio.parcel import Signal
from app.radio.profile import EU868

RADIO = RadioParameters(869_525_000, 125_000, 9, 5).encode()
OK = encode_hardware(0xF0)
SETUP_ANSWERS = (OK, OK, encode_hardware(0x9A, b"\x01"), encode_hardware(0x8B, RADIO))


def sent_by(kiss: Kiss, now_ms: int) -> list[bytes]:
    return Deframer().receive(kiss.poll(now_ms))


def ready_kiss() -> Kiss:
    kiss = Kiss(EU868)
    kiss.open(0)
    for answer in SETUP_ANSWERS:
        kiss.poll(0)
        kiss.receive(answer, 0)
    assert kiss.events() == [Ready()]
    kiss.poll(0)
    return kiss


def test_setup_says_what_the_firmware_expects() -> None:
    kiss = Kiss(EU868)
    kiss.open(0)
    output = kiss.poll(0)
    assert output.startswith(b"\xc0\xc0"), "what a host before us left unfinished is closed first"
    assert Deframer().receive(output) == [b"\x01\x00", b"\x02\x1f", b"\x03\x03", b"\x06\x09" + RADIO]
    kiss.receive(OK, 10)
    assert sent_by(kiss, 10) == [b"\x06\x0a\x16"]
    kiss.receive(OK, 20)
    assert sent_by(kiss, 20) == [b"\x06\x19\x01"]
    kiss.receive(encode_hardware(0x9A, b"\x01"), 30)
    assert sent_by(kiss, 30) == [b"\x06\x0b"]
    assert not kiss.is_ready
    kiss.receive(encode_hardware(0x8B, RADIO), 40)
    assert kiss.events() == [Ready()]
    assert kiss.is_ready


def test_firmware_without_signal_reports_is_good_enough() -> None:
    kiss = Kiss(EU868)
    kiss.open(0)
    for answer in (OK, OK, encode_hardware(0xF1, b"\x05"), encode_hardware(0x8B, RADIO)):
        kiss.receive(answer, 0)
    assert kiss.events() == [Fault("unknown_cmd"), Ready()]


def test_a_frame_goes_out_behind_rnodes_byte_and_one_at_a_time() -> None:
    kiss = ready_kiss()
    kiss.send(b"\x10\xc0frame", 100)
    assert sent_by(kiss, 100) == [b"\x00\x00\x10\xc0frame"]
    assert not kiss.is_ready
    kiss.receive(encode_hardware(0xF8, b"\x01"), 400)
    assert kiss.events() == [Sent(ok=True)]
    kiss.send(b"next", 500)
    assert sent_by(kiss, 500) == [b"\x00\x10next"], "the high nibble changes with every packet"


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        (encode_hardware(0xF8, b"\x00"), [Sent(ok=False)]),
        (encode_hardware(0xF1, b"\x07"), [Sent(ok=False), Fault("tx_busy")]),
    ],
)
def test_a_failed_or_refused_frame_is_told(answer: bytes, events: list[Event]) -> None:
    kiss = ready_kiss()
    kiss.send(b"frame", 0)
    kiss.receive(answer, 10)
    assert kiss.events() == events
    assert kiss.is_ready


def test_a_modem_that_never_finishes_is_set_up_again() -> None:
    kiss = ready_kiss()
    kiss.send(b"frame", 0)
    kiss.poll(0)
    due_ms = kiss.deadline_ms()
    assert due_ms is not None
    assert due_ms <= SENDING_ALLOWANCE_MS + round(EU868.frame_airtime_ms(5))
    assert [frame[:2] for frame in sent_by(kiss, due_ms)] == [b"\x06\x09"]
    assert kiss.events() == [Fault("stuck"), Sent(ok=False)]


def test_it_listens_before_it_is_given_a_frame() -> None:
    kiss = ready_kiss()
    assert not kiss.is_clear(0)
    assert sent_by(kiss, 0) == [b"\x06\x0e"]
    assert not kiss.is_clear(1), "asked once"
    assert sent_by(kiss, 1) == []
    kiss.receive(encode_hardware(0x8E, b"\x01"), 5)
    assert not kiss.is_clear(6)
    assert kiss.deadline_ms() == 5 + BUSY_MS
    assert not kiss.is_clear(5 + BUSY_MS)
    assert sent_by(kiss, 5 + BUSY_MS) == [b"\x06\x0e"]
    kiss.receive(encode_hardware(0x8E, b"\x00"), 70)
    assert kiss.is_clear(71)
    kiss.send(b"frame", 71)
    assert not kiss.is_clear(72)
    kiss.receive(encode_hardware(0xF8, b"\x01"), 500)
    assert not kiss.is_clear(501), "after each frame it listens anew"


def test_what_was_heard_of_the_channel_is_soon_forgotten() -> None:
    kiss = ready_kiss()
    kiss.is_clear(0)
    kiss.receive(encode_hardware(0x8E, b"\x00"), 0)
    assert kiss.is_clear(CLEAR_MS - 1)
    assert not kiss.is_clear(CLEAR_MS)


def test_firmware_that_cannot_tell_waits_by_itself() -> None:
    kiss = ready_kiss()
    kiss.is_clear(0)
    kiss.receive(encode_hardware(0xF1, b"\x05"), 0)
    assert kiss.is_clear(1)


def test_metadata_joins_its_packet() -> None:
    kiss = ready_kiss()
    kiss.receive(encode_frame(0, b"\x50frame") + encode_hardware(0xF9, bytes([0xF6, 0xA0])), 0)
    assert kiss.events() == [Heard(b"frame", Signal(-96, -2.5))]


def test_a_packet_without_metadata_is_delivered_soon() -> None:
    kiss = ready_kiss()
    kiss.receive(encode_frame(0, b"\x50one") + encode_frame(0, b"\x60two"), 0)
    assert kiss.events() == [Heard(b"one", Signal())]
    assert kiss.deadline_ms() == METADATA_MS
    kiss.poll(METADATA_MS)
    assert kiss.events() == [Heard(b"two", Signal())]


def test_other_peoples_packets_are_counted() -> None:
    kiss = ready_kiss()
    kiss.receive(encode_frame(0, b"\x51half") + encode_hardware(0xF9, b"\x00\x00"), 0)
    assert kiss.events() == [Fault("header")]


def test_a_modem_that_does_not_answer_is_given_up() -> None:
    kiss = Kiss(EU868)
    kiss.open(0)
    asked = 0
    for attempt in range(ASKS_MAX + 1):
        asked += sum(frame[:2] == b"\x06\x09" for frame in sent_by(kiss, attempt * ANSWER_MS))
    assert asked == ASKS_MAX
    assert kiss.events() == [Unresponsive()]
    assert kiss.deadline_ms() is None


def test_a_modem_that_restarted_is_tuned_again() -> None:
    kiss = ready_kiss()
    assert sent_by(kiss, WATCH_MS) == [b"\x06\x0b"]
    factory = RadioParameters(869_618_000, 62_500, 8, 8).encode()
    kiss.receive(encode_hardware(0x8B, factory), WATCH_MS)
    assert kiss.events() == [Fault("retuned")]
    assert not kiss.is_ready
    assert [frame[:2] for frame in sent_by(kiss, WATCH_MS)] == [b"\x06\x09"]


def test_a_healthy_modem_is_watched_without_a_word() -> None:
    kiss = ready_kiss()
    sent_by(kiss, WATCH_MS)
    kiss.receive(encode_hardware(0x8B, RADIO), WATCH_MS + 5)
    assert kiss.events() == []
    assert kiss.deadline_ms() == 2 * WATCH_MS + 5


def test_closing_fails_what_was_under_way_and_opening_starts_over() -> None:
    kiss = ready_kiss()
    kiss.send(b"frame", 0)
    kiss.close()
    assert kiss.events() == [Sent(ok=False)]
    kiss.receive(encode_frame(0, b"\x50late"), 5)
    assert kiss.poll(10) == b""
    assert kiss.events() == []
    kiss.open(20)
    assert sent_by(kiss, 20)[-1] == b"\x06\x09" + RADIO


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 5000)), max_size=20))
def test_no_bytes_break_it_and_output_is_bounded(noise: list[tuple[bytes, int]]) -> None:
    kiss = Kiss(EU868)
    kiss.open(0)
    now_ms = 0
    for data, wait_ms in noise:
        now_ms += wait_ms
        kiss.receive(b"\xc0" + data + b"\xc0", now_ms)
        kiss.events()
        assert len(kiss._output) <= OUTPUT_BYTES_MAX
        kiss.poll(now_ms)


@given(st.binary(max_size=40))
def test_it_works_after_any_noise(noise: bytes) -> None:
    kiss = ready_kiss()
    kiss.receive(noise + b"\xc0", 0)
    kiss.events()
    if kiss.is_ready:
        kiss.receive(encode_frame(0, b"\x50frame") + encode_hardware(0xF9, b"\x04\xa0"), 0)
        assert Heard(b"frame", Signal(-96, 1.0)) in kiss.events()
