"""Weather: an hour's newest, least, mean and greatest; bounded against stations that are invented or mad."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.bodies import encode_map
from app.core.weather import (
    READINGS_MAX,
    STATIONS_MAX,
    VALUE_MAX,
    Quantity,
    Stations,
    Summary,
    WeatherReport,
    decode_report,
)
from app.errors import DecodeError

HOUR = 16_600
MINUTES = HOUR * 60
T, WIND = Quantity.TEMPERATURE, Quantity.WIND_DIRECTION


def report(**changes: object) -> WeatherReport:
    fields: dict[str, object] = {
        "station": "!12345678",
        "name": "Hill Farm",
        "hour": HOUR,
        "minute": 45,
        "readings": 3,
        "summaries": {T: Summary(-12, -30, -14, 5)},
    }
    return WeatherReport(**(fields | changes))  # type: ignore[arg-type]


def test_an_hour_becomes_one_report_when_it_is_over() -> None:
    stations = Stations()
    for minute, value, direction in ((5, -3.04, 350), (25, 0.5, 10), (45, -1.2, 20)):
        assert stations.hear("!12345678", "Hill Farm", {T: value, WIND: direction}, MINUTES + minute)
    assert stations.take(MINUTES + 59) == []
    summaries = {T: Summary(-12, -30, -12, 5), WIND: Summary(20, 20, 20, 20)}
    assert stations.take(MINUTES + 60) == [report(summaries=summaries)]
    assert stations.take(MINUTES + 60) == []


def test_in_words() -> None:
    words = report(summaries={T: Summary(-12, -30, -14, 5), WIND: Summary(20, 20, 20, 20)}).text
    assert words == (
        "Temperature −1.2 °C (−3.0 to 0.5, mean −1.4)\nWind from 20°\nAs of 16:45 UTC; 3 readings in that hour."
    )


def test_a_reading_after_the_hour_begins_the_next_one() -> None:
    stations = Stations()
    stations.hear("a", "A", {T: 1.0}, MINUTES + 59)
    stations.hear("a", "A", {T: 2.0}, MINUTES + 60)
    stations.hear("a", "A", {T: 3.0}, MINUTES + 10)  # the clock was set back
    assert [found.hour for found in stations.take(MINUTES + 60)] == [HOUR, HOUR]
    assert [found.hour for found in stations.take(MINUTES + 120)] == [HOUR + 1]


def test_what_is_no_number_is_not_taken() -> None:
    stations = Stations()
    for value in (math.nan, math.inf, -math.inf, float(VALUE_MAX)):
        assert not stations.hear("a", "A", {T: value}, MINUTES)
    assert not stations.hear("a", "A", {}, MINUTES)
    assert stations.take(MINUTES + 60) == []


def test_invented_stations_and_mad_ones_are_bounded() -> None:
    stations = Stations()
    taken = [stations.hear(f"!{number:08x}", "\u202e", {T: 1.0}, MINUTES) for number in range(STATIONS_MAX + 5)]
    assert sum(taken) == STATIONS_MAX
    assert sum(stations.hear("!00000000", "", {T: 1.0}, MINUTES) for _ in range(READINGS_MAX + 5)) == READINGS_MAX - 1
    reports = stations.take(MINUTES + 60)
    assert len(reports) == STATIONS_MAX
    assert {found.name for found in reports} == {found.station for found in reports}
    assert all(decode_report(found.encode()) == found for found in reports)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("a", "b")),
            st.dictionaries(st.sampled_from(Quantity), st.floats(-1e5, 1e5), min_size=1),
            st.integers(MINUTES, MINUTES + 200),
        ),
        max_size=30,
    )
)
def test_every_report_reads_back(readings: list[tuple[str, dict[Quantity, float], int]]) -> None:
    stations = Stations()
    for station, values, minutes in readings:
        stations.hear(station, station, values, minutes)
    for found in stations.take(MINUTES + 10_000):
        assert decode_report(found.encode()) == found
        assert found.text


@given(st.binary(max_size=100))
def test_any_bytes_are_a_report_or_an_error(body: bytes) -> None:
    try:
        found = decode_report(body)
    except DecodeError:
        return
    assert found.summaries


@pytest.mark.parametrize(
    "change",
    [
        {1: ""},
        {1: b"x"},
        {2: "x" * 41},
        {3: -1},
        {3: True},
        {4: 60},
        {5: 0},
        {6: {}},
        {6: []},
        {6: {99: [1]}},
        {6: {1: []}},
        {6: {1: [1, 2]}},
        {6: {1: [1, 2, 2, 3]}},
        {6: {1: [1, 1, 1, 1]}},
        {6: {1: [1.5]}},
        {6: {1: [VALUE_MAX + 1]}},
        {6: {5: [2, 1, 2, 3]}},
    ],
)
def test_what_is_no_report(change: dict[int, object]) -> None:
    with pytest.raises(DecodeError):
        decode_report(encode_map({1: "a", 2: "A", 3: 1, 4: 1, 5: 1, 6: {1: [1]}} | change))


def test_quantities_of_later_versions_are_left_out() -> None:
    body = encode_map({1: "a", 2: "A", 3: 1, 4: 1, 5: 1, 6: {1: [1], 99: "later"}, 7: "later"})
    assert decode_report(body).summaries == {T: Summary(1, 1, 1, 1)}
