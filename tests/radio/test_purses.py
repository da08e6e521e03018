"""Purses: no hour, wherever it begins, holds more airtime than the law allows; the urgent always finds some left."""

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.errors import ForbiddenError
from app.radio.airtime import HOUR_MS, airtime_ms, modulation
from app.radio.parcel import Priority
from app.radio.purses import RESERVES, Meter, Purses
from app.radio.regions import REGIONS, Profile, band_of

EU = REGIONS["EU868"].default
NARROW = Profile("EU868", 868_300_000, modulation(8, 125.0, 5), 14)
SLOW = Profile("EU868", 864_000_000, modulation(11, 125.0, 5), 14)


def drain(purses: Purses, profile: Profile, priority: Priority, now_ms: int) -> int:
    """Sends as much as may go at once; the time when the last frame ended."""
    while True:
        ready_ms = purses.ready_at_ms(profile, 234, priority, now_ms)
        if ready_ms is None or ready_ms > now_ms + 2000:
            return now_ms
        now_ms = ready_ms
        now_ms += int(purses.pay(profile, 234, priority, now_ms)) + 1


def test_each_class_leaves_its_reserve() -> None:
    purses = Purses()
    limit_ms, one_ms = purses.limit_ms(EU), airtime_ms(EU.modulation, 234)
    assert limit_ms == 360_000
    now_ms = 0
    for priority in (Priority.BACKGROUND, Priority.PEOPLE, Priority.ALERT):
        now_ms = drain(purses, EU, priority, now_ms)
        left_ms = limit_ms - sum(purses.spent_ms(EU, now_ms).values())
        assert RESERVES[priority] * limit_ms <= left_ms < RESERVES[priority] * limit_ms + one_ms
    spent = purses.spent_ms(EU, now_ms)
    assert spent[Priority.ALERT] == pytest.approx(36_000, abs=2 * one_ms)
    assert spent[Priority.BACKGROUND] == pytest.approx(180_000, abs=one_ms)


def test_a_meter_is_the_purses_of_one_radio_as_the_flooding_machine_asks_for_them() -> None:
    purses = Purses()
    meter = Meter(EU, purses)
    meter.spend(1000.0, 0, Priority.BACKGROUND)
    meter.spend(500.0, 2000)
    assert meter.by_priority(3000) == {Priority.ALERT: 0.0, Priority.PEOPLE: 500.0, Priority.BACKGROUND: 1000.0}
    assert (meter.limit_ms, meter.spent_ms(3000), meter.available_ms(3000)) == (360_000, 1500.0, 358_500)
    assert meter.ready_at_ms(324_000 - 1500, 3000, 36_000) == 3000
    later_ms = meter.ready_at_ms(324_001 - 1500, 3000, 36_000)
    assert later_ms is not None
    assert later_ms > HOUR_MS
    assert meter.ready_at_ms(324_001, 3000, 36_000) is None
    assert Meter(EU, purses).spent_ms(3000) == 1500.0


def test_what_a_radio_spends_by_itself_counts_against_us_once() -> None:
    meter = Meter(EU)
    meter.spend(10_000.0, 0)
    meter.reported(0.1, 20_000)
    assert meter.spent_ms(20_000) == 10_000
    for _ in range(2):
        meter.reported(1.0, 20_000)
        assert meter.spent_ms(20_000) == pytest.approx(36_000)


def test_an_empty_purse_says_when() -> None:
    purses = Purses()
    now_ms = drain(purses, EU, Priority.ALERT, 0)
    with pytest.raises(ForbiddenError) as refusal:
        purses.pay(EU, 234, Priority.ALERT, now_ms)
    ready_ms = purses.ready_at_ms(EU, 234, Priority.ALERT, now_ms)
    assert ready_ms is not None
    assert f"{-(-(ready_ms - now_ms) // 1000)} s" in refusal.value.message
    assert HOUR_MS <= ready_ms <= HOUR_MS + 120_000
    purses.pay(EU, 234, Priority.ALERT, ready_ms)


def test_nothing_outside_the_rules_is_ever_paid_for() -> None:
    purses = Purses()
    for unlawful in (
        msgspec.structs.replace(EU, power_dbm=28),
        msgspec.structs.replace(EU, frequency_hz=868_650_000),
        msgspec.structs.replace(EU, region="US915"),
        msgspec.structs.replace(REGIONS["US915"].default, modulation=modulation(9, 125.0, 5)),
    ):
        assert purses.ready_at_ms(unlawful, 100, Priority.ALERT, 0) is None
        with pytest.raises(ForbiddenError):
            purses.pay(unlawful, 100, Priority.ALERT, 0)


def test_a_frame_larger_than_what_its_class_may_spend_never_fits() -> None:
    # 0.1 % of an hour are 3.6 s; background may spend half of it, and this takes 2.8 s.
    purses = Purses()
    assert 1800 < airtime_ms(SLOW.modulation, 120) < 3240
    with pytest.raises(ForbiddenError) as refusal:
        purses.pay(SLOW, 120, Priority.BACKGROUND, 0)
    assert "50%" in refusal.value.message
    purses.pay(SLOW, 120, Priority.PEOPLE, 0)


def test_sub_bands_have_budgets_of_their_own_and_keep_them() -> None:
    purses = Purses()
    now_ms = drain(purses, NARROW, Priority.ALERT, 0)
    assert purses.limit_ms(NARROW) == 36_000
    purses.pay(EU, 234, Priority.BACKGROUND, now_ms)
    elsewhere = msgspec.structs.replace(NARROW, frequency_hz=868_100_000)
    assert band_of(elsewhere) == band_of(NARROW)
    ready_ms = purses.ready_at_ms(elsewhere, 234, Priority.ALERT, now_ms)
    assert ready_ms is not None
    assert ready_ms > now_ms + 3_000_000


def test_one_radio_sends_one_frame_at_a_time() -> None:
    purses = Purses()
    sent_ms = purses.pay(EU, 234, Priority.PEOPLE, 1000)
    assert purses.ready_at_ms(EU, 20, Priority.ALERT, 1001) == 1000 + int(sent_ms) + 1
    with pytest.raises(ForbiddenError):
        purses.pay(EU, 20, Priority.ALERT, 1001)


def test_a_frame_across_two_minutes_leaves_the_hour_with_its_end() -> None:
    purses = Purses()
    sent_ms = purses.pay(NARROW, 234, Priority.PEOPLE, 59_990)
    drain(purses, NARROW, Priority.ALERT, 61_000)
    # At this moment the hour still holds the first frame's second half.
    ready_ms = purses.ready_at_ms(NARROW, 234, Priority.ALERT, HOUR_MS + 60_000)
    assert ready_ms is not None
    assert ready_ms >= HOUR_MS + 59_990 + sent_ms


def test_what_was_spent_before_the_power_went_still_counts() -> None:
    before, after = Purses(), Purses()
    now_ms = drain(before, EU, Priority.ALERT, 0)
    after.carry_over(EU, before.spending(EU, now_ms), 5)
    assert after.spent_ms(EU, 5) == before.spent_ms(EU, now_ms)
    ready_ms = after.ready_at_ms(EU, 234, Priority.ALERT, 5)
    assert ready_ms is not None
    assert HOUR_MS - now_ms <= ready_ms <= HOUR_MS


def test_what_is_old_when_it_is_written_down_stays_old() -> None:
    """Restarts every half hour don't keep a node silent: each carries on where the last one stood."""
    meter = Meter(EU)
    meter.spend(300_000.0, 0)
    for _ in range(2):
        after = Meter(EU)
        after.carry_over(meter.spending(30 * 60_000 - 1), 0)
        meter = after
    # Sent within five minutes, an hour ago: four more minutes at most for the rounding.
    assert meter.spent_ms(5 * 60_000 - 1) == 300_000
    assert meter.spent_ms(9 * 60_000) == 0


def test_a_frame_that_stayed_here_costs_nothing() -> None:
    meter = Meter(EU)
    meter.spend(1_000.0, 0, Priority.ALERT)
    meter.spend(700.0, 2_000, Priority.BACKGROUND)
    meter.take_back()
    meter.take_back()
    assert meter.by_priority(3_000) == {Priority.ALERT: 1_000, Priority.PEOPLE: 0, Priority.BACKGROUND: 0}
    assert meter.total_ms == 1_000
    assert meter.ready_at_ms(10.0, 2_000) == 2_000, "the radio is free"


class AnyTraffic(RuleBasedStateMachine):
    """Frames of any class and size at any time: what really was on air never exceeds the share of any hour."""

    def __init__(self) -> None:
        super().__init__()
        self.purses = Purses()
        self.now_ms = 0
        self.sent: dict[str, list[tuple[float, float]]] = {}

    @rule(
        profile=st.sampled_from([NARROW, SLOW, EU]),
        payload=st.integers(1, 255),
        priority=st.sampled_from(Priority),
        count=st.integers(1, 60),
    )
    def sends_a_burst(self, profile: Profile, payload: int, priority: Priority, count: int) -> None:
        for _ in range(count):
            ready_ms = self.purses.ready_at_ms(profile, payload, priority, self.now_ms)
            if ready_ms is None or ready_ms > self.now_ms + 60_000:
                return
            self.now_ms = ready_ms
            sent_ms = self.purses.pay(profile, payload, priority, self.now_ms)
            self.sent.setdefault(band_of(profile).name, []).append((self.now_ms, self.now_ms + sent_ms))

    @rule(profile=st.sampled_from([NARROW, SLOW, EU]), payload=st.integers(1, 255), priority=st.sampled_from(Priority))
    def waits_until_it_may_send(self, profile: Profile, payload: int, priority: Priority) -> None:
        ready_ms = self.purses.ready_at_ms(profile, payload, priority, self.now_ms)
        if ready_ms is not None:
            self.now_ms = ready_ms
            self.sends_a_burst(profile, payload, priority, 1)

    @rule(ms=st.integers(0, 70 * 60_000))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    def teardown(self) -> None:
        for name, frames in self.sent.items():
            share = next(band.share for band in REGIONS["EU868"].bands if band.name == name)
            first = 0
            for last, (_, end_ms) in enumerate(frames):
                # The fullest hours end where a frame ends.
                while frames[first][1] <= end_ms - HOUR_MS:
                    first += 1
                within = sum(end - max(start, end_ms - HOUR_MS) for start, end in frames[first : last + 1])
                assert within <= HOUR_MS * share + 1e-6


AnyTraffic.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestAnyTraffic = AnyTraffic.TestCase
