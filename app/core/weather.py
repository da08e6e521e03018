"""Weather readings: what stations of the community measured in an hour, as one signed record each. Pure.

A station says something every few minutes; a signature each time would cost more air than the weather is worth. So a
node gathers an hour of them, and signs newest, least, mean and greatest. Spec: docs/protocol/record.md, "Reading".
"""

import math
from collections.abc import Mapping
from enum import IntEnum

import msgspec

from app.core.bodies import NAME_CHARACTERS_MAX, check_name, decode_map, encode_map
from app.errors import DecodeError, InputError

STATIONS_MAX = 50
"""Stations of whom an hour is gathered: more than a village has, and a bound for strangers who invent some."""
READINGS_MAX = 3600
"""One a second, of a station that has gone mad; the rest of its hour is not counted."""
HOUR_MAX = 2**24 // 60
"""Hours since 2025, as far as a record's minutes go."""
VALUE_MAX = 10**7
"""A bound on what is written as a number: direct sunlight is 10⁵ lux."""
HOUR_MINUTES = 60


class Quantity(IntEnum):
    """What is measured, by its key in the body."""

    TEMPERATURE = 1
    HUMIDITY = 2
    PRESSURE = 3
    ILLUMINANCE = 4
    WIND_DIRECTION = 5
    WIND_SPEED = 6
    WIND_GUST = 7
    WIND_LULL = 8
    RAIN_1H = 9
    RAIN_24H = 10
    RADIATION = 11
    SOIL_MOISTURE = 12
    SOIL_TEMPERATURE = 13


class _Scale(msgspec.Struct, frozen=True):
    name: str
    unit: str
    decimals: int
    has_range: bool = True


_SCALES = {
    Quantity.TEMPERATURE: _Scale("Temperature", "°C", 1),
    Quantity.HUMIDITY: _Scale("Humidity", "%", 0),
    Quantity.PRESSURE: _Scale("Air pressure", "hPa", 1),
    Quantity.ILLUMINANCE: _Scale("Light", "lux", 0),
    # The mean of 350° and 10° is not 180°: a direction is told as it was last.
    Quantity.WIND_DIRECTION: _Scale("Wind from", "°", 0, has_range=False),
    Quantity.WIND_SPEED: _Scale("Wind", "m/s", 1),
    Quantity.WIND_GUST: _Scale("Gusts", "m/s", 1),
    Quantity.WIND_LULL: _Scale("Lulls", "m/s", 1),
    Quantity.RAIN_1H: _Scale("Rain in an hour", "mm", 1, has_range=False),
    Quantity.RAIN_24H: _Scale("Rain in a day", "mm", 1, has_range=False),
    Quantity.RADIATION: _Scale("Radiation", "µR/h", 1),
    Quantity.SOIL_MOISTURE: _Scale("Soil moisture", "%", 0),
    Quantity.SOIL_TEMPERATURE: _Scale("Soil temperature", "°C", 1),
}


class Summary(msgspec.Struct, frozen=True):
    """An hour of one quantity, in the tenths or units in which it is written."""

    newest: int
    least: int
    mean: int
    greatest: int


class WeatherReport(msgspec.Struct, frozen=True):
    """An hour of one station. `hour` counts from 2025-01-01 UTC, `minute` is when the newest reading came."""

    station: str
    name: str
    hour: int
    minute: int
    readings: int
    summaries: dict[Quantity, Summary]

    def encode(self) -> bytes:
        """The record's body."""
        return encode_map(
            {
                1: self.station,
                2: self.name,
                3: self.hour,
                4: self.minute,
                5: self.readings,
                6: {int(quantity): _numbers(summary) for quantity, summary in self.summaries.items()},
            }
        )

    @property
    def text(self) -> str:
        """In words: a line for each quantity, and as of when."""
        lines = [_line(_SCALES[quantity], self.summaries[quantity]) for quantity in sorted(self.summaries)]
        count = "1 reading" if self.readings == 1 else f"{self.readings} readings"
        return "\n".join([*lines, f"As of {self.hour % 24:02d}:{self.minute:02d} UTC; {count} in that hour."])


def decode_report(body: bytes) -> WeatherReport:
    """A report from a record's body. DecodeError for anything else; quantities of later versions are left out."""
    fields = decode_map(body)
    measured = _map(fields.get(6)).items()
    known = {Quantity(key): value for key, value in measured if type(key) is int and key in set(Quantity)}
    if not known:
        raise DecodeError("body", "A reading measures something.")
    return WeatherReport(
        _text(fields.get(1)),
        _text(fields.get(2)),
        _number(fields.get(3), 0, HOUR_MAX),
        _number(fields.get(4), 0, 59),
        _number(fields.get(5), 1, READINGS_MAX),
        {quantity: _summary(quantity, value) for quantity, value in known.items()},
    )


class _Range:
    """One quantity, while its hour lasts."""

    def __init__(self) -> None:
        self.newest = 0.0
        self.least, self.greatest = math.inf, -math.inf
        self.total = 0.0
        self.count = 0

    def add(self, value: float) -> None:
        self.newest = value
        self.least, self.greatest = min(self.least, value), max(self.greatest, value)
        self.total += value
        self.count += 1

    def summary(self, scale: _Scale) -> Summary:
        newest, *others = (
            round(value * 10**scale.decimals)
            for value in (self.newest, self.least, self.total / self.count, self.greatest)
        )
        return Summary(newest, *others) if scale.has_range else Summary(newest, newest, newest, newest)


class _Hour:
    def __init__(self, hour: int) -> None:
        self.hour = hour
        self.name = ""
        self.minute = 0
        self.readings = 0
        self.ranges: dict[Quantity, _Range] = {}


class Stations:
    """Gathers what stations say, and gives an hour's report when that hour is over."""

    def __init__(self) -> None:
        self._hours: dict[str, _Hour] = {}
        self._over: list[WeatherReport] = []

    def hear(self, station: str, name: str, values: Mapping[Quantity, float], minutes: int) -> bool:
        """A reading that came at this minute since 2025. False when it was not taken."""
        usable = {
            quantity: value
            for quantity, value in values.items()
            if math.isfinite(value) and abs(value) * 10 ** _SCALES[quantity].decimals <= VALUE_MAX
        }
        hour = self._hour(station, minutes // HOUR_MINUTES) if usable else None
        if hour is None or hour.readings >= READINGS_MAX:
            return False
        hour.name, hour.minute = _shown(name, station), max(hour.minute, minutes % HOUR_MINUTES)
        hour.readings += 1
        for quantity, value in usable.items():
            hour.ranges.setdefault(quantity, _Range()).add(value)
        return True

    def take(self, minutes: int) -> list[WeatherReport]:
        """The reports of the hours that are over, each once."""
        for station, hour in list(self._hours.items()):
            if hour.hour < minutes // HOUR_MINUTES:
                self._close(station)
        reports = [report for report in self._over if report.hour != minutes // HOUR_MINUTES]
        self._over = [report for report in self._over if report.hour == minutes // HOUR_MINUTES]
        return reports

    def _hour(self, station: str, number: int) -> _Hour | None:
        hour = self._hours.get(station)
        if hour is not None and hour.hour != number:
            # A clock that was set back begins a new hour too.
            self._close(station)
            hour = None
        if hour is None:
            if len(self._hours) + len(self._over) >= STATIONS_MAX:
                return None
            hour = self._hours[station] = _Hour(number)
        return hour

    def _close(self, station: str) -> None:
        hour = self._hours.pop(station)
        summaries = {quantity: found.summary(_SCALES[quantity]) for quantity, found in sorted(hour.ranges.items())}
        self._over.append(WeatherReport(station, hour.name, hour.hour, hour.minute, hour.readings, summaries))


def _numbers(summary: Summary) -> list[int]:
    numbers = [summary.newest, summary.least, summary.mean, summary.greatest]
    return numbers[:1] if len(set(numbers)) == 1 else numbers


def _line(scale: _Scale, summary: Summary) -> str:
    newest, least, mean, greatest = (
        f"{number / 10**scale.decimals:.{scale.decimals}f}".replace("-", "−")
        for number in (summary.newest, summary.least, summary.mean, summary.greatest)
    )
    words = f"{scale.name} {newest}{'' if scale.unit == '°' else ' '}{scale.unit}"
    return words if least == greatest else f"{words} ({least} to {greatest}, mean {mean})"


def _shown(name: str, station: str) -> str:
    try:
        return check_name(name[:NAME_CHARACTERS_MAX])
    except InputError:
        return station[:NAME_CHARACTERS_MAX]


def _map(value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise DecodeError("body", "A reading is a map of quantities.")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise DecodeError("body", "A station has an id and a name.")
    try:
        return check_name(value)
    except InputError as error:
        raise DecodeError("body", error.message) from error


def _number(value: object, least: int, greatest: int) -> int:
    if type(value) is not int or not least <= value <= greatest:
        raise DecodeError("body", f"A number of this reading is not between {least} and {greatest}.")
    return value


def _summary(quantity: Quantity, value: object) -> Summary:
    if not isinstance(value, list) or len(value) not in (1, 4):
        raise DecodeError("body", "A quantity is its newest value, or newest, least, mean and greatest.")
    numbers = [_number(number, -VALUE_MAX, VALUE_MAX) for number in value]
    if len(numbers) == 1:
        return Summary(*numbers * 4)
    newest, least, mean, greatest = numbers
    if not (least <= newest <= greatest and least <= mean <= greatest and least < greatest):
        raise DecodeError("body", f"The numbers of quantity {quantity} contradict each other.")
    if not _SCALES[quantity].has_range:
        raise DecodeError("body", f"Quantity {quantity} is told by its newest value.")
    return Summary(newest, least, mean, greatest)
