"""The RAK module's host: line by line, against the emulated firmware, and against noise."""

import itertools
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InputError
from app.radio.dialects.dialect import Event, Fault, Heard, Ready, Sent, Unresponsive
from app.radio.dialects.rui3 import (
    ANSWER_MS,
    ASKS_MAX,
    BUSY_TOTAL_MS,
    OUTPUT_BYTES_MAX,
    SENDING_ALLOWANCE_MS,
    WATCH_MS,
    Rui3,
)
from app.radio.parcel import Signal
from app.radio.profile import EU868
from tests.radio.emulators.bench import Bench, Station
from tests.radio.emulators.rui3 import Rui3 as Radio

OURS = "869525000:9:0:0:8:22"
ANSWERS = (
    "OK",
    "AT+NWM=0\r\nOK",
    "OK",
    f"AT+P2P={OURS}\r\nOK",
    "AT+SYNCWORD=1424\r\nOK",
    "AT+ENCRY=0\r\nOK",
    "AT+IQINVER=0\r\nOK",
    "AT+CAD=1\r\nOK",
    "OK",
)
"""The answers of a module that is already set up."""


def say(rui3: Rui3, text: str, now_ms: int = 0) -> None:
    rui3.receive(text.encode() + b"\r\n", now_ms)


def fresh() -> Rui3:
    rui3 = Rui3(EU868, random.Random(2))
    rui3.open(0)
    return rui3


def ready_rui3() -> Rui3:
    rui3 = fresh()
    for answer in ANSWERS:
        rui3.poll(0)
        say(rui3, answer)
    assert rui3.events() == [Ready()]
    assert rui3.poll(0) == b""
    return rui3


def station(bench: Bench, name: str, **radio: object) -> Station:
    return bench.add(Rui3(EU868, bench.rng), Radio(name, bench.ether, bench.rng, **radio))  # type: ignore[arg-type]


# Line by line


def test_a_module_that_is_set_up_is_only_asked() -> None:
    rui3 = fresh()
    asked = [rui3.poll(0)]
    for answer in ANSWERS[:-1]:
        say(rui3, answer)
        asked.append(rui3.poll(0))
    assert asked == [
        b"\r\nAT\r\n",
        b"AT+NWM=?\r\n",
        b"AT+PRECV=0\r\n",
        b"AT+P2P=?\r\n",
        b"AT+SYNCWORD=?\r\n",
        b"AT+ENCRY=?\r\n",
        b"AT+IQINVER=?\r\n",
        b"AT+CAD=?\r\n",
        b"AT+PRECV=65533\r\n",
    ]
    assert not rui3.is_ready
    say(rui3, ANSWERS[-1])
    assert rui3.is_ready


def test_what_differs_is_written() -> None:
    rui3 = fresh()
    for answer in ANSWERS[:3]:
        rui3.poll(0)
        say(rui3, answer)
    rui3.poll(0)
    say(rui3, "AT+P2P=868000000:7:0:0:8:14\r\nOK")
    assert rui3.poll(0) == f"AT+P2P={OURS}\r\n".encode()
    say(rui3, "OK")
    rui3.poll(0)
    say(rui3, "AT+SYNCWORD=3444\r\nOK")
    assert rui3.poll(0) == b"AT+SYNCWORD=1424\r\n"


def test_older_firmware_takes_the_bandwidth_in_khz() -> None:
    rui3 = fresh()
    for answer in (*ANSWERS[:3], "AT+P2P=868000000:7:125:0:8:14\r\nOK"):
        rui3.poll(0)
        say(rui3, answer)
    rui3.poll(0)
    say(rui3, "AT_PARAM_ERROR")
    assert rui3.poll(0) == b"AT+P2P=869525000:9:125:0:8:22\r\n"


def test_commands_that_older_firmware_lacks_are_done_without() -> None:
    rui3 = fresh()
    for answer in (*ANSWERS[:4], *["AT_COMMAND_NOT_FOUND"] * 4, "OK"):
        rui3.poll(0)
        say(rui3, answer)
    reasons = ["no syncword", "no encry", "no iqinver", "no cad"]
    assert rui3.events() == [*map(Fault, reasons), Ready()]


def test_garbage_before_the_first_command_is_answered_and_over() -> None:
    rui3 = fresh()
    rui3.poll(0)
    say(rui3, "AT_COMMAND_NOT_FOUND")
    say(rui3, "OK")
    assert rui3.poll(0) == b"AT+NWM=?\r\n"
    assert rui3.events() == []


def test_a_silent_module_is_given_up() -> None:
    rui3 = fresh()
    for ask in range(ASKS_MAX):
        assert rui3.poll(ask * ANSWER_MS) == b"\r\nAT\r\n"
    rui3.poll(ASKS_MAX * ANSWER_MS)
    assert rui3.events() == [Unresponsive()]
    assert rui3.deadline_ms() is None


def test_a_frame_goes_out_behind_rnodes_byte_and_is_done_when_the_module_says_so() -> None:
    rui3 = ready_rui3()
    rui3.send(b"\x10\xc0frame", 100)
    assert rui3.poll(100) == b"AT+PSEND=0010C06672616D65\r\n"
    assert not rui3.is_ready
    say(rui3, "OK", 110)
    assert rui3.events() == []
    say(rui3, "+EVT:TXP2P DONE", 300)
    assert rui3.events() == [Sent(ok=True)]
    rui3.send(b"\x10", 400)
    assert rui3.poll(400) == b"AT+PSEND=1010\r\n", "the high nibble changes with every packet"


def test_done_may_come_before_ok() -> None:
    rui3 = ready_rui3()
    rui3.send(b"x", 0)
    rui3.poll(0)
    say(rui3, "+EVT:TXP2P DONE", 50)
    assert rui3.events() == []
    say(rui3, "OK", 51)
    assert rui3.events() == [Sent(ok=True)]


def test_an_event_between_command_and_answer_is_heard() -> None:
    rui3 = ready_rui3()
    rui3.send(b"x", 0)
    rui3.poll(0)
    rui3.receive(b"AT+PSEND=0+EVT:RXP2P:-60:11:20AABB\r\n078\n\rOK\r\n", 50)
    assert rui3.events() == [Heard(b"\xaa\xbb", Signal(-60, 11.0))]
    say(rui3, "+EVT:TXP2P DONE", 90)
    assert rui3.events() == [Sent(ok=True)]


def test_a_busy_module_is_asked_again_and_not_for_ever() -> None:
    rui3 = ready_rui3()
    rui3.send(b"x", 0)
    now_ms = 0
    asked = 0
    while not (events := rui3.events()):
        if rui3.poll(now_ms) == b"AT+PSEND=0078\r\n":
            asked += 1
            say(rui3, "AT_BUSY_ERROR", now_ms)
        now_ms = rui3.deadline_ms() or pytest.fail("nothing to wait for")
    assert events == [Fault("busy error"), Sent(ok=False)]
    assert BUSY_TOTAL_MS <= now_ms <= BUSY_TOTAL_MS + 3_000
    assert asked > 50
    assert not rui3.is_ready


@pytest.mark.parametrize(
    ("said", "events"),
    [
        ("AT_PARAM_ERROR", [Fault("param error"), Sent(ok=False)]),
        ("AT_MODE_NO_SUPPORT", [Fault("mode no support"), Sent(ok=False)]),
        ("Current Work Mode: LoRa P2P.", [Fault("restarted"), Sent(ok=False)]),
        ("+EVT:RXP2P RECEIVE ERROR", [Fault("reception")]),
        ("+EVT:RXP2P:-60:11:ABC", [Fault("event")]),
        ("+EVT:RXP2P:-60:11:01AA", [Fault("header")]),
        ("+EVT:RXP2P:-60:11:", [Fault("header")]),
        ("\x80a\x80b", [Fault("damaged")]),
        ("words", []),
    ],
)
def test_what_a_module_may_say_while_it_is_asked_to_send(said: str, events: list[Event]) -> None:
    rui3 = ready_rui3()
    rui3.send(b"x", 0)
    rui3.poll(0)
    rui3.receive(said.encode("latin-1") + b"\r\n", 1)
    assert rui3.events() == events


def test_a_module_that_never_ends_to_send_is_set_up_again() -> None:
    rui3 = ready_rui3()
    rui3.send(b"x", 0)
    rui3.poll(0)
    say(rui3, "OK", 10)
    due_ms = 10 + round(rui3.airtime_ms(1)) + SENDING_ALLOWANCE_MS
    assert rui3.deadline_ms() == due_ms
    assert rui3.poll(due_ms) == b"\r\nAT\r\n"
    assert rui3.events() == [Fault("stuck"), Sent(ok=False)]


def test_the_watch_finds_a_module_that_listens_or_makes_it() -> None:
    rui3 = ready_rui3()
    for answer, events in (("P2P_RX_ON already\r\nAT_BUSY_ERROR", []), ("OK", [Fault("restarted")])):
        due_ms = rui3.deadline_ms()
        assert due_ms is not None
        assert rui3.poll(due_ms) == b"AT+PRECV=65533\r\n"
        assert not rui3.is_ready
        say(rui3, answer, due_ms)
        assert rui3.is_ready
        assert rui3.events() == events


def test_unasked_results_are_counted_unless_they_are_harmless() -> None:
    rui3 = ready_rui3()
    say(rui3, "OK")
    say(rui3, "AT_ERROR")
    say(rui3, "+EVT:TXP2P DONE")
    assert rui3.events() == [Fault("unasked"), Fault("unasked")]


def test_a_lost_port_fails_the_frame() -> None:
    rui3 = ready_rui3()
    rui3.send(b"x", 0)
    rui3.close()
    assert rui3.events() == [Sent(ok=False)]
    say(rui3, "OK")
    assert (rui3.poll(9), rui3.deadline_ms(), rui3.events()) == (b"", None, [])


def test_power_is_what_the_module_can_do() -> None:
    strong = msgspec.structs.replace(EU868, power_dbm=27)
    rui3 = Rui3(strong, random.Random(1))
    rui3.open(0)
    for answer in (*ANSWERS[:3], "AT+P2P=868000000:7:0:0:8:14\r\nOK"):
        rui3.poll(0)
        say(rui3, answer)
    assert rui3.poll(0) == f"AT+P2P={OURS}\r\n".encode()
    with pytest.raises(InputError):
        Rui3(msgspec.structs.replace(EU868, power_dbm=2), random.Random(1))


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_any_bytes_are_survived_in_bounded_memory(pieces: list[bytes]) -> None:
    rui3 = ready_rui3()
    for index, piece in enumerate(pieces):
        rui3.receive(piece, index)
        assert len(rui3.poll(index)) <= OUTPUT_BYTES_MAX
    rui3.events()


words = st.sampled_from(
    [
        b"OK\r\n",
        b"AT_BUSY_ERROR\r\n",
        b"AT_PARAM_ERROR\r\n",
        b"AT+NWM=1\r\nOK\r\n",
        b"AT+P2P=1:2:3\r\nOK\r\n",
        b"+EVT:TXP2P DONE\r\n",
        b"+EVT:RXP2P:-60:11:00AA\r\n",
        b"Current Work Mode: LoRa P2P.\r\n",
        b"+EVT:",
        b"\xff",
    ]
)


@given(st.lists(st.tuples(words, st.integers(0, 5_000)), max_size=40))
def test_any_words_in_any_order_keep_the_promise_of_one_sent_per_frame(said: list[tuple[bytes, int]]) -> None:
    rui3 = fresh()
    now_ms = given_frames = told = 0
    for data, wait_ms in said:
        now_ms += wait_ms
        if rui3.is_ready:
            rui3.send(b"frame", now_ms)
            given_frames += 1
        rui3.poll(now_ms)
        rui3.receive(data, now_ms)
        told += sum(isinstance(event, Sent) for event in rui3.events())
    rui3.close()
    told += sum(isinstance(event, Sent) for event in rui3.events())
    assert told == given_frames


# Against the emulated firmware


@pytest.mark.parametrize("echo", ["0", "1"])
def test_two_modules_from_the_factory_exchange_frames(echo: str) -> None:
    bench = Bench(["one", "two"], cut=True)
    one, two = station(bench, "one", ECHO=echo), station(bench, "two", ECHO=echo)
    bench.run(8_000)
    assert one.events == two.events == [Ready()], "the change of mode restarts the module, as expected"
    for size in (1, 233, 238):
        packet = bench.rng.randbytes(size)
        one.dialect.send(packet, bench.now_ms)
        bench.run(3_000)
        assert two.heard[-1] == packet
    assert one.sent == [True] * 3
    assert one.radio.violations == two.radio.violations == []


def test_the_flash_is_written_once() -> None:
    bench = Bench(["one"])
    one = station(bench, "one")
    bench.run(8_000)
    writes = one.radio.writes
    assert writes == 4, "mode, settings, sync word, listening before sending"
    for _ in range(3):
        bench.pull_out(one)
        one.radio.start(bench.now_ms)
        bench.plug_in(one)
        bench.run(5_000)
    assert one.dialect.is_ready
    assert one.radio.writes == writes


def test_older_firmware_is_good_enough() -> None:
    bench = Bench(["one", "two"])
    one = station(bench, "one", in_khz=True, lacks=frozenset({"CAD", "SYNCWORD"}))
    two = station(bench, "two")
    bench.run(8_000)
    assert one.dialect.is_ready
    one.dialect.send(b"hello", bench.now_ms)
    bench.run(2_000)
    assert two.heard == [b"hello"]


def test_both_want_the_channel_and_one_waits() -> None:
    bench = Bench(
        ["one", "two", "three"],
        loss_db=dict.fromkeys(itertools.permutations(["one", "two", "three"], 2), 100.0),
    )
    one, two, three = (station(bench, name) for name in ("one", "two", "three"))
    bench.run(8_000)
    one.dialect.send(bytes(100), bench.now_ms)
    bench.run(200)
    two.dialect.send(bytes(50), bench.now_ms)
    bench.run(5_000)
    assert one.sent == two.sent == [True]
    assert three.heard == [bytes(100), bytes(50)]


def test_a_restart_in_the_middle_is_noticed_and_mended() -> None:
    bench = Bench(["one", "two"])
    one, two = station(bench, "one"), station(bench, "two")
    bench.run(8_000)
    one.radio.start(bench.now_ms)
    one.radio.mumble(b"\0\0\xf8\x80")
    bench.run(5_000)
    assert one.events == [Ready(), Fault("restarted"), Ready()]
    one.dialect.send(b"again", bench.now_ms)
    bench.run(2_000)
    assert two.heard == [b"again"]


def test_a_module_that_stopped_listening_is_found_by_the_watch() -> None:
    bench = Bench(["one"])
    one = station(bench, "one")
    bench.run(8_000)
    one.radio.stop_listening()
    bench.run(WATCH_MS + 3_000)
    assert one.radio.is_listening
    assert one.events == [Ready(), Fault("restarted")]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_every_frame_ends_in_one_sent_and_never_too_early(seed: int) -> None:
    bench = Bench(["one", "two"], seed=seed, cut=True)
    one, two = station(bench, "one"), station(bench, "two", ECHO="1")
    bench.run(8_000)
    given_frames = {"one": 0, "two": 0}
    for _ in range(6):
        for each in (one, two):
            if each.dialect.is_ready:
                each.dialect.send(bench.rng.randbytes(bench.rng.randrange(1, 234)), bench.now_ms)
                given_frames[each.radio.name] += 1
        for _ in range(40):
            bench.run(50)
            for each in (one, two):
                ended = sum(sent.sender == each.radio.name for sent in bench.transmissions)
                assert sum(each.sent) <= ended
    bench.run(BUSY_TOTAL_MS)
    assert {"one": len(one.sent), "two": len(two.sent)} == given_frames
    assert one.radio.violations == two.radio.violations == []
