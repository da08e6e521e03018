"""Regions: each rule at its boundary, defaults that carry a post in one frame, and refusals a person can read."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.radio import airtime
from app.radio.airtime import BANDWIDTHS_KHZ, airtime_ms, modulation
from app.radio.dialects.on_air import HEADER_BYTES
from app.radio.frame import FRAME_BYTES_MAX
from app.radio.regions import HOUSE_SHARE, POST_BYTES, REGIONS, Profile, band_of, check, frame_bytes_max, price

ON_AIR = POST_BYTES + HEADER_BYTES


def setting(
    region: str,
    mhz: float,
    khz: float = 125.0,
    power: float = 10,
    *,
    sf: int = 7,
    antenna: float = 0.0,
    hops: int = 1,
) -> Profile:
    return Profile(region, round(mhz * 1e6), modulation(sf, khz, 5), power, antenna, hops)


# Defaults


@pytest.mark.parametrize("code", REGIONS)
def test_each_regions_default_carries_a_post_and_the_largest_frame_at_once(code: str) -> None:
    default = REGIONS[code].default
    assert default.region == code
    assert check(default, ON_AIR) is None
    assert check(default, FRAME_BYTES_MAX + HEADER_BYTES) is None
    assert frame_bytes_max(default) == FRAME_BYTES_MAX
    assert price(default, POST_BYTES - 12).frames == 1


def test_the_bands_of_europe_are_those_of_the_airtime_command() -> None:
    bands = [(band.low_hz, band.high_hz, band.duty_cycle) for band in REGIONS["EU868"].bands]
    assert bands == [(band.low_hz, band.high_hz, band.duty_cycle) for band in airtime.EU868]


def test_a_profile_says_what_it_is_and_never_sets_a_radio_louder() -> None:
    assert REGIONS["EU868"].default.name == "EU868 · 869.525 MHz · SF9 · 125 kHz · 22 dBm"
    assert msgspec.structs.replace(REGIONS["EU868"].default, power_dbm=13.9).radio_dbm == 13
    assert REGIONS["AS923"].default.budget().limit_ms == 36_000


@pytest.mark.parametrize("code", REGIONS)
def test_the_defaults_power_may_go_up_to_the_limit_and_no_further(code: str) -> None:
    default = REGIONS[code].default
    way = next(way for way in band_of(default).ways if default.modulation.bandwidth_khz >= way.bandwidth_khz_min)
    most = min(way.conducted_dbm, way.eirp_dbm - default.antenna_dbi)
    assert check(msgspec.structs.replace(default, power_dbm=most), ON_AIR) is None
    for power in (most + 0.1, float("nan"), float("inf")):
        refusal = check(msgspec.structs.replace(default, power_dbm=power), ON_AIR)
        assert refusal is not None
        assert "dBm" in refusal


@pytest.mark.parametrize("code", REGIONS)
def test_the_keepers_table_says_what_the_code_does(code: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "radio-regions.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith(f"| **{code}**"))
    region = REGIONS[code]
    default, sent_ms = region.default, airtime_ms(region.default.modulation, ON_AIR)
    assert f"{default.frequency_hz / 1e6:g} MHz" in row.replace(".0 MHz", " MHz")
    assert f"SF{default.modulation.spreading_factor}, {default.modulation.bandwidth_khz:g} kHz" in row
    assert f"{default.power_dbm} dBm" in row
    assert f"{sent_ms / 1000:.2f} s; {int(3_600_000 * band_of(default).share / sent_ms):,} an hour" in row
    for band in region.bands:
        assert f"{band.low_hz / 1e6:g}–{band.high_hz / 1e6:g}" in page.replace("868.0–", "868–").replace(".0 ", " ")


# Europe


@pytest.mark.parametrize(
    ("mhz", "share", "erp_dbm"),
    [
        (863.1, 0.001, 14),
        (866.0, 0.01, 14),
        (868.1, 0.01, 14),
        (869.0, 0.001, 14),
        (869.525, 0.1, 27),
        (869.85, 0.01, 14),
    ],
)
def test_europes_sub_bands(mhz: float, share: float, erp_dbm: float) -> None:
    # A dipole has 2.15 dBi: with it, effective radiated power is the transmitter's.
    loud = setting("EU868", mhz, power=erp_dbm, antenna=2.15)
    assert band_of(loud).share == share
    assert check(loud, 100) is None
    refusal = check(setting("EU868", mhz, power=erp_dbm + 1, antenna=2.15), 100)
    assert refusal is not None
    assert "EIRP" in refusal


@pytest.mark.parametrize(
    ("mhz", "khz"),
    [
        (862.9, 125),
        (863.06, 125),
        (868.0, 125),  # across two sub-bands
        (868.65, 7.8125),  # alarms
        (869.3, 125),  # alarms
        (869.4624, 125),
        (869.5876, 125),
        (869.525, 500),
        (869.675, 7.8125),
        (869.94, 125),
        (915.0, 125),
        (0, 125),
    ],
)
def test_europe_outside_its_sub_bands(mhz: float, khz: float) -> None:
    refusal = check(setting("EU868", mhz, khz), 50)
    assert refusal is not None
    assert "869.4 to 869.65 MHz" in refusal


@pytest.mark.parametrize(
    ("mhz", "khz"), [(863.0625, 125), (869.4625, 125), (869.5875, 125), (869.525, 250), (869.9375, 125)]
)
def test_europe_at_the_very_edge_of_its_sub_bands(mhz: float, khz: float) -> None:
    assert check(setting("EU868", mhz, khz), 50) is None


def test_one_frame_longer_than_the_hour_allows_is_refused() -> None:
    # 0.1 % of an hour are 3.6 s; SF12 takes 9 s for a post.
    slow = setting("EU868", 864.0, sf=12)
    assert airtime_ms(slow.modulation, ON_AIR) > 3600
    refusal = check(slow, ON_AIR)
    assert refusal is not None
    assert "in an hour" in refusal
    assert check(slow, 20) is None


# The United States


@pytest.mark.parametrize(
    ("khz", "hops", "power", "lawful"),
    [
        (500, 1, 30, True),
        (500, 1, 30.1, False),
        (250, 1, 10, False),
        (125, 1, 10, False),
        (62.5, 1, 0, False),
        (125, 49, 10, False),
        (125, 50, 30, True),
        (250, 24, 10, False),
        (250, 25, 24, True),
        (250, 25, 24.1, False),
        (250, 50, 30, True),
        (500, 25, 30, True),
        (125, 209, 10, False),  # 209 · 125 kHz don't fit in 26 MHz
    ],
)
def test_fcc_15_247(khz: float, hops: int, power: float, lawful: bool) -> None:
    assert (check(setting("US915", 915.0, khz, power, hops=hops), 50) is None) is lawful


def test_with_an_antenna_above_6_dbi_america_wants_less_power() -> None:
    assert check(setting("US915", 915.0, 500, 30, antenna=6), 50) is None
    assert check(setting("US915", 915.0, 500, 30, antenna=7), 50) is not None
    assert check(setting("US915", 915.0, 500, 29, antenna=7), 50) is None


@pytest.mark.parametrize(
    ("sf", "khz", "hops", "most"),
    # What 400 ms hold, measured: SF7/125 255 B, SF8 138, SF9 66, SF10 24; 250 kHz SF9 156, SF10 74.
    [(7, 125, 50, 255), (8, 125, 50, 138), (9, 125, 50, 66), (10, 125, 50, 24), (9, 250, 25, 156), (10, 250, 25, 74)],
)
def test_hopping_stays_400_ms_on_a_frequency(sf: int, khz: float, hops: int, most: int) -> None:
    hopping = setting("US915", 915.0, khz, 20, sf=sf, hops=hops)
    assert check(hopping, most) is None
    if most < 255:
        refusal = check(hopping, most + 1)
        assert refusal is not None
        assert "400 ms" in refusal
    assert frame_bytes_max(hopping) == min(most - HEADER_BYTES, FRAME_BYTES_MAX)


def test_without_hopping_500_khz_has_no_dwell_time() -> None:
    slow = setting("US915", 915.0, 500, 20, sf=12)
    assert airtime_ms(slow.modulation, ON_AIR) > 400
    assert check(slow, ON_AIR) is None


@pytest.mark.parametrize(("mhz", "lawful"), [(902.25, True), (902.2, False), (927.75, True), (927.8, False)])
def test_the_edges_of_the_american_band(mhz: float, lawful: bool) -> None:
    assert (check(setting("US915", mhz, 500), 50) is None) is lawful


# Australia, Asia, India


@pytest.mark.parametrize(
    ("mhz", "khz", "hops", "power", "lawful"),
    [
        (915.25, 500, 1, 30, True),
        (915.2, 500, 1, 30, False),
        (914.0, 500, 1, 10, False),
        (920.0, 500, 1, 30.1, False),
        (920.0, 125, 1, 10, False),
        (920.0, 125, 19, 10, False),
        (920.0, 125, 20, 30, True),
        (920.0, 250, 20, 30, True),
    ],
)
def test_australia(mhz: float, khz: float, hops: int, power: float, lawful: bool) -> None:
    assert (check(setting("AU915", mhz, khz, power, hops=hops), 50) is None) is lawful


@pytest.mark.parametrize(
    ("mhz", "khz", "power", "antenna", "payload", "lawful"),
    [
        (922.0, 125, 13, 3, 234, True),
        (922.0, 125, 13.1, 0, 234, False),
        (922.0, 125, 13, 3.1, 234, False),
        (922.0, 250, 13, 0, 50, False),
        (920.4, 125, 13, 0, 50, False),
        (922.9375, 125, 13, 0, 50, True),
        (923.0, 125, 13, 0, 50, False),
    ],
)
def test_as923(mhz: float, khz: float, power: float, antenna: float, payload: int, lawful: bool) -> None:
    assert (check(setting("AS923", mhz, khz, power, antenna=antenna), payload) is None) is lawful


def test_as923_has_one_percent_and_400_ms() -> None:
    assert band_of(REGIONS["AS923"].default).share == 0.01
    assert check(setting("AS923", 922.0, sf=8), 138) is None
    assert check(setting("AS923", 922.0, sf=8), 139) is not None


@pytest.mark.parametrize(
    ("mhz", "khz", "power", "antenna", "lawful"),
    [
        (866.0, 125, 29.2, 0, True),
        (866.0, 125, 27.2, 2.15, False),
        (866.0, 250, 10, 0, False),
        (865.0625, 125, 10, 0, True),
        (865.0, 125, 10, 0, False),
        (867.5, 125, 10, 0, False),
    ],
)
def test_india(mhz: float, khz: float, power: float, antenna: float, lawful: bool) -> None:
    assert (check(setting("IN865", mhz, khz, power, antenna=antenna), 50) is None) is lawful


@pytest.mark.parametrize("code", ["US915", "AU915", "IN865"])
def test_where_the_law_names_no_duty_cycle_ours_holds(code: str) -> None:
    band = band_of(REGIONS[code].default)
    assert (band.duty_cycle, band.share) == (None, HOUSE_SHARE)


# Refusals and prices


@given(
    st.sampled_from([*REGIONS, "MARS", ""]),
    st.integers(0, 10**10),
    st.sampled_from(BANDWIDTHS_KHZ),
    st.integers(5, 12),
    st.floats(),
    st.floats(),
    st.integers(0, 10**6),
    st.integers(-1, 300),
)
def test_whatever_is_asked_the_answer_is_yes_within_the_rules_or_a_sentence(
    region: str, hz: int, khz: float, sf: int, power: float, antenna: float, hops: int, payload: int
) -> None:
    asked = Profile(region, hz, modulation(sf, khz, 5), power, antenna, hops)
    refusal = check(asked, payload)
    if refusal is None:
        band = band_of(asked)
        assert band.low_hz <= hz - khz * 500
        assert hz + khz * 500 <= band.high_hz
        assert power <= 30
        assert power + antenna <= max(way.eirp_dbm for way in band.ways)
        assert airtime_ms(asked.modulation, payload) <= 3_600_000 * band.share
    else:
        assert refusal[0].isupper() or refusal[0].isdigit() or refusal[0] in "-ni"
        assert refusal.endswith(".")


def test_other_settings_fragment_and_show_their_cost() -> None:
    hopping = setting("US915", 915.0, 125, 20, sf=9, hops=50)
    assert check(hopping, ON_AIR) is not None
    cost = price(hopping, POST_BYTES - 12)
    assert (cost.frames, cost.frame_bytes) == (5, 63)
    assert cost.airtime_ms == pytest.approx(5 * airtime_ms(hopping.modulation, 64))
    assert cost.budget_share == pytest.approx(cost.airtime_ms / 360_000)
    assert check(hopping, cost.frame_bytes + HEADER_BYTES) is None
    large = price(REGIONS["EU868"].default, 8292)
    assert large.frames == 40
    assert large.airtime_ms == pytest.approx(45_916, abs=1)
    assert large.budget_share == pytest.approx(0.1275, abs=0.0001)


def test_what_cannot_be_sent_has_no_price_but_a_reason() -> None:
    for hopeless in (
        setting("US915", 915.0, 125, 20, sf=9),
        setting("US915", 915.0, 125, 20, sf=10, hops=50),
        setting("EU868", 868.65),
        setting("MARS", 868.65),
    ):
        with pytest.raises(InputError) as refusal:
            price(hopeless, 200)
        assert refusal.value.message.endswith(".")
    assert frame_bytes_max(setting("EU868", 868.65)) == 0
    with pytest.raises(InputError):
        band_of(setting("EU868", 868.65))
