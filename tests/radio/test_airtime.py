"""Time on air against vectors from outside, and the hour's budget against its definition."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.radio.airtime import (
    HOUR_MS,
    AirtimeBudget,
    LowDataRate,
    airtime_ms,
    duty_cycle_at,
    modulation,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "airtime.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"SF{v['sf']}-{v['bw_khz']}-{v['payload']}B")
def test_vectors(vector: dict[str, Any]) -> None:
    settings = modulation(
        vector["sf"],
        vector["bw_khz"],
        vector["cr"],
        vector["preamble"],
        explicit_header=vector["explicit_header"],
        crc=vector["crc"],
        low_data_rate=LowDataRate.ON if vector["ldro"] else LowDataRate.OFF,
    )
    assert airtime_ms(settings, vector["payload"]) == pytest.approx(vector["ms"], abs=vector["tol_ms"])


def test_sf5_and_sf6_by_the_datasheet() -> None:
    # Worked by hand from section 6.1.4: 12 + 6.25 + 8 + ceil((80 + 16 - 20 + 20) / 20) · 5 symbols of 0.256 ms.
    assert airtime_ms(modulation(5, 125, 5, 12), 10) == pytest.approx((26.25 + 25) * 0.256)
    # 12 + 6.25 + 8 + ceil((80 + 16 - 24 + 20) / 24) · 5 symbols of 0.512 ms.
    assert airtime_ms(modulation(6, 125, 5, 12), 10) == pytest.approx((26.25 + 20) * 0.512)


@pytest.mark.parametrize(
    ("sf", "bw", "optimized"), [(10, 125, False), (11, 125, True), (12, 250, True), (12, 500, False)]
)
def test_low_data_rate_is_by_the_symbol_time(sf: int, bw: float, optimized: bool) -> None:
    assert modulation(sf, bw, 5).is_optimized is optimized


@given(
    st.integers(5, 12), st.sampled_from([7.8, 10.42, 62.5, 125.0, 250.0, 500.0]), st.integers(5, 8), st.integers(0, 254)
)
def test_a_longer_frame_never_costs_less(sf: int, bw: float, cr: int, size: int) -> None:
    settings = modulation(sf, bw, cr)
    assert airtime_ms(settings, size) <= airtime_ms(settings, size + 1)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [((4, 125.0, 5, 8), "sf"), ((13, 125.0, 5, 8), "sf"), ((9, 100.0, 5, 8), "bw"), ((9, float("nan"), 5, 8), "bw"),
     ((9, 125.0, 4, 8), "cr"), ((9, 125.0, 5, 5), "preamble")],
)  # fmt: skip
def test_what_no_radio_can_do_is_named(arguments: tuple[int, float, int, int], field: str) -> None:
    with pytest.raises(InputError) as caught:
        modulation(*arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("size", [-1, 256])
def test_a_frame_holds_255_bytes(size: int) -> None:
    with pytest.raises(InputError) as caught:
        airtime_ms(modulation(9, 125, 5), size)
    assert caught.value.field == "bytes"


@pytest.mark.parametrize(
    ("hz", "share"), [(869_525_000, 0.1), (868_300_000, 0.01), (869_618_000, None), (864_000_000, 0.001)]
)
def test_duty_cycle_by_sub_band(hz: int, share: float | None) -> None:
    if share is None:
        with pytest.raises(InputError):
            duty_cycle_at(hz, 125)
    else:
        assert duty_cycle_at(hz, 125) == share


@given(st.lists(st.tuples(st.integers(0, 600_000), st.floats(1, 5_000)), max_size=200))
def test_no_hour_ever_exceeds_its_share(steps: list[tuple[int, float]]) -> None:
    budget = AirtimeBudget(0.01)
    spent: list[tuple[int, float]] = []
    now_ms = 0
    for wait_ms, ms in steps:
        now_ms += wait_ms
        if budget.available_ms(now_ms) >= ms:
            budget.spend(ms, now_ms)
            spent.append((now_ms, ms))
        in_the_hour = sum(cost for at_ms, cost in spent if at_ms > now_ms - HOUR_MS)
        assert in_the_hour <= budget.limit_ms + 1e-6


@given(st.floats(0, 36_000), st.floats(1, 36_000), st.floats(0, 10_000))
def test_the_budget_says_when_it_can_pay(spent_ms: float, ms: float, reserve_ms: float) -> None:
    budget = AirtimeBudget(0.01)
    budget.spend(spent_ms, 1000)
    ready_ms = budget.ready_at_ms(ms, 2000, reserve_ms)
    if ready_ms is None:
        assert ms + reserve_ms > budget.limit_ms - 1e-6
    else:
        assert budget.available_ms(ready_ms) + 1e-6 >= ms + reserve_ms
