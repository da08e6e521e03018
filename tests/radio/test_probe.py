"""The probe: finds each firmware behind any order of questions, and does none of them any harm."""

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.radio.dialects.catalog import DialectName, speak
from app.radio.dialects.dialect import Ready
from app.radio.ether import Ether
from app.radio.field import Field
from app.radio.modem import Modem
from app.radio.probe import (
    ANSWER_MS,
    DETAIL_MS,
    LISTEN_MS,
    QUESTIONS,
    ROUNDS_MAX,
    WORDS_CHARACTERS_MAX,
    Finding,
    Probe,
)
from app.radio.profile import EU868
from app.radio.usb import COMMON_ORDER
from tests.radio.emulators.bench import Bench
from tests.radio.emulators.meshtastic import Meshtastic
from tests.radio.emulators.rnode import Rnode
from tests.radio.emulators.rui3 import Rui3

Factory = Callable[[Ether, random.Random], Any]
ORDERS = list(itertools.permutations(DialectName))
RADIOS: dict[str, tuple[Factory, Finding]] = {
    "kiss": (lambda ether, rng: Modem("radio", ether, rng), Finding(DialectName.KISS, "version 2")),
    "rnode": (lambda ether, rng: Rnode("radio", ether, rng), Finding(DialectName.RNODE, "1.85")),
    "old rnode": (
        lambda ether, rng: Rnode("radio", ether, rng, reports=False),
        Finding(DialectName.RNODE, "1.85"),
    ),
    "rui3": (lambda ether, rng: Rui3("radio", ether, rng), Finding(DialectName.RUI3, "RUI_4.2.1_RAK3172-E")),
    "rui3 with echo": (
        lambda ether, rng: Rui3("radio", ether, rng, ECHO="1", NWM="0"),
        Finding(DialectName.RUI3, "RUI_4.2.1_RAK3172-E"),
    ),
    "meshtastic": (
        lambda ether, rng: Meshtastic("radio", ether, rng, is_chatty=True),
        Finding(DialectName.MESHTASTIC, "2.7.11.ee68575"),
    ),
}


def field_of(factory: Factory) -> tuple[Field, Any]:
    field = Field([], {}, random.Random(3))
    radio = factory(field.ether, random.Random(4))
    field.modems["radio"] = radio
    return field, radio


def examine(field: Field, radio: Any, order: Sequence[DialectName], size: int = 1_000, start_ms: int = 0) -> Probe:
    probe = Probe(order)
    probe.open(start_ms)
    now_ms = start_ms
    while not probe.is_over:
        radio.receive(probe.poll(now_ms))
        field.poll(now_ms)
        data = radio.output()
        for at in range(0, len(data), size):
            probe.receive(data[at : at + size], now_ms)
        now_ms += 10
        assert now_ms < start_ms + 15_000
    return probe


@pytest.mark.parametrize("kind", RADIOS)
def test_every_firmware_is_found_in_every_order_and_unharmed(kind: str) -> None:
    factory, finding = RADIOS[kind]
    for order in ORDERS:
        field, radio = field_of(factory)
        assert examine(field, radio, order).finding == finding, order
        assert field.ether.spent_ms("radio", 1e9) == 0, "nothing was sent on air"
        assert getattr(radio, "writes", 0) == 0, "nothing was written to flash"


@pytest.mark.parametrize("kind", RADIOS)
def test_a_radio_that_was_asked_everything_can_be_used_at_once(kind: str) -> None:
    factory, finding = RADIOS[kind]
    bench = Bench(["radio"])
    radio = factory(bench.ether, bench.rng)
    radio.poll(2_000)
    bench.now_ms = 2_000
    for question in (*QUESTIONS.values(), *reversed(QUESTIONS.values())):
        radio.receive(question)
        radio.poll(2_000)
    radio.output()
    station = bench.add(speak(finding.dialect, EU868, bench.rng), radio)
    bench.run(10_000)
    assert Ready() in station.events


@pytest.mark.parametrize("kind", RADIOS)
def test_a_radio_in_use_keeps_its_settings(kind: str) -> None:
    factory, finding = RADIOS[kind]
    bench = Bench(["radio"])
    station = bench.add(speak(finding.dialect, EU868, bench.rng), factory(bench.ether, bench.rng))
    bench.run(10_000)
    before = {name: value for name, value in vars(station.radio).items() if name in _SETTINGS}
    assert before
    bench.pull_out_quietly(station)
    for question in QUESTIONS.values():
        station.radio.receive(question)
        station.radio.poll(bench.now_ms)
    assert {name: value for name, value in vars(station.radio).items() if name in _SETTINGS} == before


_SETTINGS = (
    *("_radio", "_power_dbm", "_settings", "_signal_report", "_pending"),
    *(
        "_frequency_hz",
        "_bandwidth_hz",
        "_factor",
        "_rate",
        "_online",
        "_promiscuous",
        "_implicit",
        "_limits",
        "_queue",
    ),
    *("_flash", "_mode", "writes", "lora", "_channels", "sent"),
)


@pytest.mark.parametrize("kind", RADIOS)
def test_answers_in_any_pieces(kind: str) -> None:
    factory, finding = RADIOS[kind]
    for size in (1, 2, 7):
        field, radio = field_of(factory)
        assert examine(field, radio, COMMON_ORDER, size).finding == finding


def test_a_board_that_starts_slowly_is_found_in_a_later_round() -> None:
    probe = Probe()
    probe.open(0)
    asked: list[bytes] = []
    for now_ms in range(0, 9_000, 50):
        question = probe.poll(now_ms)
        asked += [question] if question else []
        if question == QUESTIONS[DialectName.RNODE] and now_ms > 5_000:
            probe.receive(b"ets Jul 29 2019\r\n\xc0\x55\xf8\xc0\xc0\x08\x46\xc0", now_ms)
    assert probe.finding == Finding(DialectName.RNODE)
    assert probe.is_over
    assert len(asked) > 8


def test_silence_comes_to_an_end() -> None:
    probe = Probe()
    probe.open(0)
    now_ms = 0
    asked = 0
    while not probe.is_over:
        asked += bool(probe.poll(now_ms))
        deadline_ms = probe.deadline_ms()
        now_ms = now_ms if deadline_ms is None else deadline_ms
    assert asked == ROUNDS_MAX * len(DialectName)
    assert now_ms == LISTEN_MS + asked * ANSWER_MS
    assert (probe.finding, probe.words) == (None, "")
    assert probe.deadline_ms() is None


def test_a_radio_that_does_not_tell_its_version_is_found_all_the_same() -> None:
    probe = Probe()
    probe.open(0)
    probe.poll(LISTEN_MS)
    probe.receive(b"\xc0\x06\x97\xc0", 400)
    assert probe.poll(400) == b"\xc0\x06\x11\xc0"
    assert not probe.is_over
    probe.poll(400 + DETAIL_MS)
    assert probe.is_over
    assert probe.finding == Finding(DialectName.KISS)


def test_a_line_that_only_echoes_is_no_radio() -> None:
    probe = Probe()
    probe.open(0)
    for now_ms in range(0, 10_000, 50):
        probe.receive(probe.poll(now_ms), now_ms)
    assert probe.is_over
    assert probe.finding is None


def test_what_something_else_says_is_kept_short_and_readable() -> None:
    probe = Probe()
    probe.open(0)
    for _ in range(1_000):
        probe.receive(b"\x1b[0m$GPGGA,120000,4717.11\r\n\xff", 0)
    assert len(probe.words) <= WORDS_CHARACTERS_MAX
    assert "$GPGGA" in probe.words
    assert probe.words.isprintable()


def test_questions_end_no_frame_of_other_dialects() -> None:
    assert b"\xc0" not in QUESTIONS[DialectName.MESHTASTIC]
    assert b"\x94" not in QUESTIONS[DialectName.KISS] + QUESTIONS[DialectName.RNODE] + QUESTIONS[DialectName.RUI3]


def test_words_for_the_keeper() -> None:
    assert Finding(DialectName.KISS, "version 2").describe() == "MeshCore KISS modem, firmware version 2"
    assert Finding(DialectName.MESHTASTIC).describe() == "Meshtastic"


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 800)), max_size=40))
def test_any_bytes_are_survived_and_it_ends(news: list[tuple[bytes, int]]) -> None:
    probe = Probe()
    probe.open(0)
    now_ms = 0
    for data, wait_ms in news:
        now_ms += wait_ms
        probe.poll(now_ms)
        probe.receive(data, now_ms)
    while not probe.is_over:
        now_ms += 100
        probe.poll(now_ms)
        assert now_ms < 60_000
