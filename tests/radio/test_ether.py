"""The simulated channel: who hears what, and what collides."""

import random

import pytest

from app.radio.airtime import airtime_ms, modulation
from app.radio.ether import Ether, Interference, Outcome, Transmission, Tuning, noise_dbm, snr_limit_db
from app.radio.field import line

TUNING = Tuning(869_525_000, modulation(9, 125, 5))
NEAR = 120.0


def ether_of(losses: dict[tuple[str, str], float], **tunings: Tuning) -> Ether:
    ether = Ether(losses, random.Random(1))
    for name in {name for pair in losses for name in pair}:
        ether.tune(name, tunings.get(name, TUNING))
    return ether


def outcomes(ether: Ether, *transmissions: Transmission) -> list[dict[str, Outcome]]:
    ended = ether.poll(max(transmission.end_ms for transmission in transmissions))
    by_number = {done.number: {a.receiver: a.outcome for a in arrivals} for done, arrivals in ended}
    return [by_number[transmission.number] for transmission in transmissions]


def test_a_frame_takes_its_airtime_and_reaches_neighbors_only() -> None:
    ether = ether_of(line(["a", "b", "c"]))
    sent = ether.transmit("a", bytes(100), 0)
    assert sent.airtime_ms == airtime_ms(TUNING.modulation, 100)
    assert ether.poll(sent.end_ms - 1) == []
    assert outcomes(ether, sent) == [{"b": Outcome.HEARD, "c": Outcome.WEAK}]
    assert ether.spent_ms("a", sent.end_ms) == sent.airtime_ms


def test_two_frames_of_like_strength_destroy_each_other() -> None:
    ether = ether_of(line(["a", "b", "c"]))
    one, two = ether.transmit("a", bytes(50), 0), ether.transmit("c", bytes(50), 5)
    assert [result["b"] for result in outcomes(ether, one, two)] == [Outcome.COLLISION, Outcome.COLLISION]


def test_the_stronger_frame_captures_the_receiver() -> None:
    losses = line(["a", "b"], 100.0) | line(["b", "c"], 106.0)
    ether = ether_of(losses)
    strong, weak = ether.transmit("a", bytes(50), 0), ether.transmit("c", bytes(50), 5)
    assert [result["b"] for result in outcomes(ether, strong, weak)] == [Outcome.HEARD, Outcome.COLLISION]


def test_a_receiver_that_is_locked_misses_what_comes_later_however_strong() -> None:
    losses = line(["a", "b"], 120.0) | line(["b", "c"], 100.0)
    ether = ether_of(losses)
    weak, strong = ether.transmit("a", bytes(50), 0), ether.transmit("c", bytes(50), 100)
    assert [result["b"] for result in outcomes(ether, weak, strong)] == [Outcome.COLLISION, Outcome.BUSY]


def test_a_radio_is_deaf_while_it_sends() -> None:
    ether = ether_of(line(["a", "b"]))
    one, two = ether.transmit("a", bytes(50), 0), ether.transmit("b", bytes(50), 50)
    assert outcomes(ether, one, two) == [{"b": Outcome.BUSY}, {"a": Outcome.BUSY}]


def test_frames_one_after_the_other_do_not_collide() -> None:
    ether = ether_of(line(["a", "b", "c"]))
    one = ether.transmit("a", bytes(50), 0)
    two = ether.transmit("c", bytes(50), one.end_ms)
    assert [result["b"] for result in outcomes(ether, one, two)] == [Outcome.HEARD, Outcome.HEARD]


def test_other_spreading_factors_and_frequencies_are_other_worlds() -> None:
    for other in (Tuning(869_525_000, modulation(10, 125, 5)), Tuning(868_300_000, TUNING.modulation)):
        ether = ether_of(line(["a", "b", "c"]), c=other)
        one, two = ether.transmit("a", bytes(50), 0), ether.transmit("c", bytes(50), 0)
        results = outcomes(ether, one, two)
        assert results[0]["b"] is Outcome.HEARD
        assert "b" not in results[1]


def test_the_edge_of_reach_is_the_spreading_factors_limit() -> None:
    budget_db = TUNING.power_dbm - noise_dbm(TUNING.modulation) - snr_limit_db(TUNING.modulation)
    for loss_db, outcome in ((budget_db - 0.1, Outcome.HEARD), (budget_db + 0.1, Outcome.WEAK)):
        ether = ether_of(line(["a", "b"], loss_db))
        assert outcomes(ether, ether.transmit("a", b"x", 0)) == [{"b": outcome}]


def test_carrier_detect_needs_a_preamble_and_a_signal() -> None:
    ether = ether_of(line(["a", "b", "c"]))
    sent = ether.transmit("a", bytes(50), 0)
    assert not ether.is_busy("b", 5)
    assert ether.is_busy("b", 50)
    assert not ether.is_busy("c", 50)
    assert not ether.is_busy("a", 50)
    assert not ether.is_busy("b", sent.end_ms)


def test_chance_is_seeded() -> None:
    def heard(seed: int) -> list[bool]:
        ether = Ether(line(["a", "b"]), random.Random(seed), frame_loss=0.5)
        ether.tune("a", TUNING)
        ether.tune("b", TUNING)
        results = []
        for number in range(40):
            sent = ether.transmit("a", b"x", number * 1000)
            results.append(outcomes(ether, sent)[0]["b"] is Outcome.HEARD)
        return results

    assert heard(1) == heard(1) != heard(2)
    assert 5 < sum(heard(1)) < 35


def test_airtime_is_counted_for_an_hour() -> None:
    ether = ether_of(line(["a", "b"]))
    first = ether.transmit("a", bytes(50), 0)
    ether.poll(first.end_ms)
    assert ether.spent_ms("a", 3_599_000) == pytest.approx(first.airtime_ms)
    assert ether.spent_ms("a", first.end_ms + 3_600_001) == 0


def test_a_burst_jams_what_does_not_stand_above_it() -> None:
    losses = line(["a", "b"], 120.0)

    def outcome(level_dbm: float) -> Outcome:
        bursts = Interference(["b"], random.Random(2), every_ms=1.0, length_ms=50.0, level_dbm=level_dbm)
        ether = Ether(losses, random.Random(1), interference=bursts)
        for name in "ab":
            ether.tune(name, TUNING)
        return outcomes(ether, ether.transmit("a", bytes(50), 5_000))[0]["b"]

    assert outcome(-100.0) is Outcome.JAMMED
    assert outcome(-110.0) is Outcome.HEARD


def test_interference_is_seeded_and_leaves_quiet_between_bursts() -> None:
    def levels() -> list[float]:
        bursts = Interference(["a", "b"], random.Random(5), every_ms=1_000, length_ms=200, level_dbm=-90.0)
        return [bursts.level_dbm("a", start, start + 50) for start in range(0, 60_000, 50)]

    assert levels() == levels()
    struck = sum(level > -200 for level in levels()) / len(levels())
    assert 0.02 < struck < 0.3
