"""The RNode's host: byte by byte, against the emulated firmware, and against noise."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.radio.airtime import modulation
from app.radio.dialects.dialect import Event, Fault, Heard, Ready, Sent, Unresponsive
from app.radio.dialects.kiss_codec import Deframer, encode_frame
from app.radio.dialects.rnode import (
    ANSWER_MS,
    ASKS_MAX,
    OUTPUT_BYTES_MAX,
    QUIET_ALLOWANCE_MS,
    SENDING_ALLOWANCE_MS,
    WATCH_MS,
    Rnode,
)
from app.radio.dialects.rnode_codec import Command, ErrorCode
from app.radio.parcel import Signal
from app.radio.profile import EU868, Profile
from tests.radio.emulators.bench import Bench, Station
from tests.radio.emulators.rnode import Rnode as Radio

ANSWERS = (
    "0846",
    "500155",
    "0600",
    "0e00",
    "0900",
    "0b0000",
    "0c0000",
    "0133d3e608",
    "020001e848",
    "0316",
    "0409",
    "0505",
    "0601",
    "0133d3e608",
)
"""A modem's answers to the setup, in order."""


def frame(hexadecimal: str) -> bytes:
    content = bytes.fromhex(hexadecimal)
    return encode_frame(content[0], content[1:])


def ready_rnode() -> Rnode:
    rnode = Rnode(EU868)
    rnode.open(0)
    for answer in ANSWERS:
        rnode.poll(0)
        rnode.receive(frame(answer), 0)
    assert rnode.events() == [Ready()]
    assert rnode.poll(0) == b""
    return rnode


def report(share: int, load: int = 0, hour: int = 0) -> bytes:
    numbers = (share, hour, load, hour)
    return encode_frame(Command.CHANNEL, b"".join(number.to_bytes(2, "big") for number in numbers) + b"\x28\x28\xff")


def bench_of(*names: str, cut: bool = False, **radios: bool) -> tuple[Bench, list[Station]]:
    bench = Bench(list(names), cut=cut)
    return bench, [bench.add(Rnode(EU868), Radio(name, bench.ether, bench.rng, **radios)) for name in names]


# Byte by byte


def test_setup_says_what_the_firmware_expects() -> None:
    rnode = Rnode(EU868)
    rnode.open(0)
    first = rnode.poll(0)
    assert first.startswith(b"\xc0\xc0"), "what a host before us left unfinished is closed first"
    asked = Deframer().receive(first)
    for answer in ANSWERS[:-1]:
        rnode.receive(frame(answer), 0)
        asked += Deframer().receive(rnode.poll(0))
    assert [question.hex() for question in asked] == [
        "0873",
        "5000",
        "0600",
        "0e00",
        "0900",
        "0b0000",
        "0c0000",
        "0133d3e608",
        "020001e848",
        "0316",
        "0409",
        "0505",
        "0601",
        "0100000000",
    ]
    assert not rnode.is_ready
    rnode.receive(frame(ANSWERS[-1]), 0)
    assert rnode.events() == [Ready()]
    assert rnode.is_ready
    assert rnode.firmware == "1.85"


def test_less_power_than_asked_is_the_boards_limit_and_more_is_refused() -> None:
    for answer, is_taken in (("0311", True), ("0317", False)):
        rnode = Rnode(EU868)
        rnode.open(0)
        for before in ANSWERS[:9]:
            rnode.poll(0)
            rnode.receive(frame(before), 0)
        rnode.poll(0)
        rnode.receive(frame(answer), 0)
        assert (Deframer().receive(rnode.poll(0)) != []) == is_taken


def test_old_firmware_without_airtime_limits_is_good_enough() -> None:
    answers = dict(
        zip(("0873", "5000", "0600", "0e00", "0900", "", "", *ANSWERS[7:13], "0100000000"), ANSWERS, strict=True)
    )
    rnode = Rnode(EU868)
    rnode.open(0)
    for now_ms in range(0, 5 * ANSWER_MS, 100):
        for question in Deframer().receive(rnode.poll(now_ms)):
            if question.hex() in answers:
                rnode.receive(frame(answers[question.hex()]), now_ms)
    assert rnode.events() == [Ready()]


def test_a_silent_modem_is_given_up() -> None:
    rnode = Rnode(EU868)
    rnode.open(0)
    for ask in range(ASKS_MAX):
        assert Deframer().receive(rnode.poll(ask * ANSWER_MS)) == [b"\x08\x73"]
    assert rnode.poll(ASKS_MAX * ANSWER_MS) == b""
    assert rnode.events() == [Unresponsive()]
    assert rnode.deadline_ms() is None
    rnode.receive(frame("0846"), ASKS_MAX * ANSWER_MS)
    assert rnode.events() == []


def test_a_frame_carries_no_header_of_ours_and_its_signal_comes_first() -> None:
    rnode = ready_rnode()
    rnode.send(b"\x10\xc0frame", 100)
    assert rnode.poll(100) == b"\xc0\x00\x10\xdb\xdcframe\xc0"
    rnode.receive(frame("2348") + frame("24e2") + encode_frame(0, b"heard"), 200)
    assert rnode.events() == [Heard(b"heard", Signal(-85, -7.5))]
    rnode.receive(encode_frame(0, b"unmeasured"), 300)
    assert rnode.events() == [Heard(b"unmeasured", Signal())]


def test_a_grown_report_after_the_airtime_is_the_receipt() -> None:
    rnode = ready_rnode()
    rnode.receive(report(0), 0)
    rnode.send(bytes(100), 0)
    rnode.poll(0)
    cost_ms = round(rnode.airtime_ms(100))
    rnode.receive(report(5), cost_ms // 2)
    assert rnode.events() == [], "too early to be about this frame"
    rnode.receive(report(5), cost_ms + 100)
    assert rnode.events() == [], "not grown since"
    rnode.receive(report(40), cost_ms + 300)
    assert rnode.events() == [Sent(ok=True)]
    assert rnode.is_ready


def test_without_a_report_a_free_channel_and_time_are_enough() -> None:
    rnode = ready_rnode()
    rnode.send(bytes(100), 0)
    rnode.poll(0)
    due_ms = round(rnode.airtime_ms(100)) + QUIET_ALLOWANCE_MS
    assert rnode.deadline_ms() == due_ms
    rnode.poll(due_ms - 1)
    assert rnode.events() == []
    rnode.poll(due_ms)
    assert rnode.events() == [Sent(ok=True)]


def test_on_a_busy_channel_a_frame_may_wait_but_not_for_ever() -> None:
    rnode = ready_rnode()
    rnode.receive(report(0, load=9_000), 0)
    rnode.send(bytes(100), 0)
    rnode.poll(0)
    cost_ms = round(rnode.airtime_ms(100))
    rnode.poll(cost_ms + QUIET_ALLOWANCE_MS + 1)
    assert rnode.events() == []
    rnode.poll(cost_ms + SENDING_ALLOWANCE_MS)
    assert rnode.events() == [Fault("stuck"), Sent(ok=False)]
    assert not rnode.is_ready


@pytest.mark.parametrize(
    ("said", "events"),
    [
        ("9002", [Sent(ok=False), Fault("tx_failed")]),
        ("9004", [Sent(ok=False), Fault("queue_full")]),
        ("9006", [Sent(ok=False), Fault("modem_timeout")]),
        ("9005", [Fault("memory_low")]),
        ("9077", [Fault("error 119")]),
        ("55f8", [Fault("restarted"), Sent(ok=False)]),
        ("0600", [Fault("restarted"), Sent(ok=False)]),
        ("0133d00000", [Fault("restarted"), Sent(ok=False)]),
        ("0f01", []),
        ("27025a", []),
        ("7700", [Fault("unknown")]),
        ("23", [Fault("size")]),
    ],
)
def test_what_a_modem_may_say_while_it_has_a_frame(said: str, events: list[Event]) -> None:
    rnode = ready_rnode()
    rnode.send(bytes(10), 0)
    rnode.poll(0)
    rnode.receive(frame(said), 1)
    assert rnode.events() == events


def test_flow_controls_ready_is_a_receipt_when_the_airtime_is_over() -> None:
    rnode = ready_rnode()
    rnode.send(bytes(10), 0)
    rnode.receive(frame("0f01"), 10_000)
    assert rnode.events() == [Sent(ok=True)]


def test_a_lost_port_fails_the_frame_and_says_nothing_more() -> None:
    rnode = ready_rnode()
    rnode.send(bytes(10), 0)
    rnode.close()
    assert rnode.events() == [Sent(ok=False)]
    assert (rnode.poll(10), rnode.deadline_ms(), rnode.is_ready) == (b"", None, False)


def test_the_modem_is_watched_and_busy_while_it_is_asked() -> None:
    rnode = ready_rnode()
    assert rnode.deadline_ms() == WATCH_MS
    assert Deframer().receive(rnode.poll(WATCH_MS)) == [b"\x06\xff"]
    assert not rnode.is_ready, "its answer must not be held up by a frame"
    rnode.receive(frame("0601"), WATCH_MS)
    assert Deframer().receive(rnode.poll(WATCH_MS)) == [b"\x01\0\0\0\0"]
    rnode.receive(frame("0133d3e609"), WATCH_MS + 5)
    assert rnode.is_ready
    assert rnode.events() == []
    assert rnode.deadline_ms() == 2 * WATCH_MS + 5


def test_costs_count_the_firmwares_preamble_and_both_halves() -> None:
    rnode = ready_rnode()
    single = Profile("", 869_525_000, modulation(9, 125.0, 5, 18), 22).frame_airtime_ms(254)
    assert rnode.airtime_ms(254) == single
    assert single < rnode.airtime_ms(255) < 2 * single
    rnode.receive(frame("26" + "100000f4" + "0030" + "0100"), 0)
    assert rnode.airtime_ms(254) > single, "the modem says that its preamble is longer"


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_any_bytes_are_survived_in_bounded_memory(pieces: list[bytes]) -> None:
    rnode = ready_rnode()
    for index, piece in enumerate(pieces):
        rnode.receive(piece, index)
        assert len(rnode.poll(index)) <= OUTPUT_BYTES_MAX
    rnode.events()


def test_endless_noise_keeps_nothing() -> None:
    rnode = ready_rnode()
    noise = random.Random(8).randbytes(1_000)
    for _ in range(300):
        rnode.receive(noise.replace(b"\xc0", b""), 0)
    rnode.receive(b"\xc0" + encode_frame(0, b"after"), 0)
    assert Heard(b"after", Signal()) in rnode.events()


@given(st.binary(min_size=1, max_size=508), st.integers(1, 40))
def test_a_frame_is_heard_however_it_is_cut(packet: bytes, size: int) -> None:
    rnode = ready_rnode()
    data = b"boot\r\n" + encode_frame(0, packet)
    for at in range(0, len(data), size):
        rnode.receive(data[at : at + size], 0)
    assert rnode.events()[-1:] == [Heard(packet, Signal())]


# Against the emulated firmware


def test_two_rnodes_exchange_frames_and_halves() -> None:
    bench, (one, two) = bench_of("one", "two", cut=True)
    bench.run(3_000)
    assert one.events == two.events == [Ready()]
    for size in (1, 233, 254, 255, 508):
        packet = bench.rng.randbytes(size)
        one.dialect.send(packet, bench.now_ms)
        bench.run(8_000)
        assert two.heard[-1] == packet
    assert one.sent == [True] * 5
    assert one.radio.violations == two.radio.violations == []
    assert len(bench.transmissions) == 7


def test_an_old_board_without_reports_sends_as_well() -> None:
    bench, (one, two) = bench_of("one", "two", reports=False)
    bench.run(12_000)
    one.dialect.send(b"hello", bench.now_ms)
    bench.run(8_000)
    assert two.heard == [b"hello"]
    assert one.sent == [True]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_sent_is_never_said_before_the_air_is_done(seed: int) -> None:
    bench = Bench(["one", "two"], seed=seed)
    one, two = (bench.add(Rnode(EU868), Radio(name, bench.ether, bench.rng)) for name in ("one", "two"))
    bench.run(3_000)
    for _ in range(4):
        for station in (one, two):
            if station.dialect.is_ready:
                station.dialect.send(bench.rng.randbytes(bench.rng.randrange(1, 234)), bench.now_ms)
        for _ in range(200):
            bench.run(50)
            for station in (one, two):
                ended = sum(sent.sender == station.radio.name for sent in bench.transmissions)
                assert len(station.sent) <= ended
    assert one.sent and all(one.sent)
    assert two.sent and all(two.sent)


def test_a_restart_in_the_middle_is_noticed_and_mended() -> None:
    bench, (one, two) = bench_of("one", "two")
    bench.run(3_000)
    one.dialect.send(bytes(200), bench.now_ms)
    bench.run(300)
    one.radio.start()
    one.radio.mumble(b"\0\xf8garbage\xdb")
    bench.run(5_000)
    assert one.sent == [False]
    assert one.events[-1] == Ready()
    one.dialect.send(b"again", bench.now_ms)
    bench.run(8_000)
    assert two.heard == [b"again"]


def test_an_old_board_that_restarted_in_silence_is_found_by_the_watch() -> None:
    bench, (one,) = bench_of("one", reports=False)
    bench.run(12_000)
    one.radio.start()
    bench.run(WATCH_MS + 12_000)
    assert one.events == [Ready(), Fault("restarted"), Ready()]


def test_errors_of_the_firmware_are_told() -> None:
    bench, (one,) = bench_of("one")
    bench.run(3_000)
    one.radio.fail(ErrorCode.MEMORY_LOW)
    bench.run(10)
    assert one.events == [Ready(), Fault("memory_low")]
    one.radio.fail(ErrorCode.MODEM_TIMEOUT)
    bench.run(3_000)
    assert one.events[2:] == [Fault("modem_timeout"), Fault("tx_failed"), Fault("restarted"), Ready()]


def test_unplugged_and_plugged_in_again() -> None:
    bench, (one, two) = bench_of("one", "two")
    bench.run(3_000)
    one.dialect.send(bytes(50), bench.now_ms)
    bench.pull_out(one)
    assert one.sent == [False]
    bench.run(2_000)
    one.radio.start()
    bench.plug_in(one)
    bench.run(3_000)
    one.dialect.send(b"back", bench.now_ms)
    bench.run(5_000)
    assert two.heard[-1] == b"back"
