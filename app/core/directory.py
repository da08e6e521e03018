"""A directory entry: a market, farm, maker, repairer or service, as a body of small integer keys.

Deterministic CBOR (app/core/bodies.py); the table of keys is in docs/protocol/record.md, "Directory entry". Hours
and dates are numbers where they could be read and the source's own words where not. Knows nothing of the files
that entries are imported from (app/usda.py).
"""

import unicodedata
from datetime import date, timedelta
from enum import IntEnum
from typing import Any

import msgspec

from app.core.bodies import decode_map, encode_map
from app.errors import DecodeError, InputError

TEXT_CHARACTERS_MAX = 300
"""One text of an entry. The longest address in the demo's file has 96 characters."""
SOURCE_CHARACTERS_MAX = 40
PLACE_PARTS_MAX = 5
SEASONS_MAX = 8
HOURS_MAX = 21
"""Three openings on each day of the week."""
LINKS_MAX = 8
YEAR_MIN, YEAR_MAX = 1900, 2200
QUARTERS_PER_DAY = 96

_DAY_ZERO = date(2000, 1, 1)
_FIRST_DAY = 366
"""Days of 2000 are not used, so that 1 to 12 can stand for months."""
_LAST_DAY = 65_535
"""Two bytes: the year 2179."""


class Category(IntEnum):
    """What kind of thing is listed."""

    MARKET = 0
    FARM = 1
    MAKER = 2
    REPAIRER = 3
    SERVICE = 4


PRODUCTS = (
    "organic food",
    "baked goods",
    "cheese",
    "crafts",
    "flowers",
    "eggs",
    "seafood",
    "herbs",
    "vegetables",
    "honey",
    "jams",
    "maple",
    "meat",
    "nursery stock",
    "nuts",
    "plants",
    "poultry",
    "prepared food",
    "soap",
    "trees",
    "wine",
    "coffee",
    "beans",
    "fruit",
    "grains",
    "juices",
    "mushrooms",
    "pet food",
    "tofu",
    "wild foods",
)
"""Product n is bit n of key 7. New ones are added at the end; a bit without a name here is carried, not shown."""

PAYMENTS = ("cards", "WIC", "WIC cash value", "Senior Farmers' Market vouchers", "SNAP")
"""Payment n is bit n of key 8."""

_PRODUCT_BITS_MAX = 64
_MONTHS = tuple(
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Place(msgspec.Struct, frozen=True):
    """A place in words, each part as the source has it or empty."""

    street: str = ""
    city: str = ""
    county: str = ""
    state: str = ""
    zip: str = ""

    @property
    def words(self) -> str:
        """In one line, as on an envelope, the county in between."""
        county = f"{self.county} County" if self.county else ""
        region = " ".join(part for part in (self.state, self.zip) if part)
        return ", ".join(part for part in (self.street, self.city, county, region) if part)


class Opening(msgspec.Struct, frozen=True, order=True):
    """Weekly opening hours on one day, in quarter hours from midnight; weekday 0 is Monday."""

    weekday: int
    opens: int
    closes: int

    @property
    def words(self) -> str:
        """“Sat 9:00 AM–1:00 PM”."""
        return f"{_WEEKDAYS[self.weekday]} {_quarter_words(self.opens)}–{_quarter_words(self.closes)}"


class Season(msgspec.Struct, frozen=True):
    """When it is open: from and to are a date, a month of every year (1 to 12), or None where not known.

    `hours` are the weekly openings; `remarks` holds, in their own words, hours that are no such table.
    """

    start: date | int | None = None
    end: date | int | None = None
    hours: tuple[Opening, ...] = ()
    remarks: str = ""

    @property
    def words(self) -> str:
        """“May 31 to October 4, 2017: Wed 4:00 PM–7:30 PM”."""
        hours = self.remarks or ", ".join(opening.words for opening in self.hours)
        return ": ".join(part for part in (self._period(), hours) if part)

    def _period(self) -> str:
        start, end = _day_words(self.start), _day_words(self.end)
        if isinstance(self.start, date) and isinstance(self.end, date) and self.start.year == self.end.year:
            start = start.removesuffix(f", {self.start.year}")
        if start and end:
            return f"{start} to {end}"
        return f"from {start}" if start else f"until {end}" if end else ""


class DirectoryEntry(msgspec.Struct, frozen=True):
    """One entry. (source, source_id) is its identity, however many nodes bring it in."""

    source: str
    source_id: str
    category: Category
    name: str
    place: Place = Place()
    seasons: tuple[Season, ...] = ()
    products: int = 0
    payments: int = 0
    links: tuple[str, ...] = ()
    listed_year: int | None = None
    setting: str = ""

    @property
    def is_market(self) -> bool:
        """True for what stands on the markets board."""
        return self.category is Category.MARKET

    @property
    def product_names(self) -> list[str]:
        """The products, in words."""
        return _names(self.products, PRODUCTS)

    @property
    def payment_names(self) -> list[str]:
        """The ways to pay besides cash, in words."""
        return _names(self.payments, PAYMENTS)

    @property
    def text(self) -> str:
        """The entry as paragraphs: what a board shows and a search finds."""
        paragraphs = [
            "\n".join(part for part in (self.place.words, self.setting) if part),
            "\n".join(season.words for season in self.seasons if season.words),
            _sentence(self.product_names),
            f"Takes {', '.join(self.payment_names)}." if self.payments else "",
            "\n".join(self.links),
            f"As listed in {self.listed_year}." if self.listed_year else "",
        ]
        return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)

    def encode(self) -> bytes:
        """The body. Empty fields take no bytes. InputError when a limit is broken."""
        fields: dict[int, Any] = {1: self.source, 2: self.source_id, 3: int(self.category), 4: self.name}
        place = _without_trailing_blanks(
            [self.place.street, self.place.city, self.place.county, self.place.state, self.place.zip]
        )
        optional = {
            5: place,
            6: [_encode_season(season) for season in self.seasons],
            7: self.products,
            8: self.payments,
            9: list(self.links),
            10: self.listed_year,
            11: self.setting,
        }
        body = encode_map(fields | {key: value for key, value in optional.items() if value})
        try:
            decode_entry(body)
        except DecodeError as error:
            raise InputError(error.message) from error
        return body


def decode_entry(body: bytes) -> DirectoryEntry:
    """The entry in a body. Unknown keys are passed over. DecodeError for anything that is no entry."""
    fields = decode_map(body)
    return DirectoryEntry(
        source=_text(fields.get(1), SOURCE_CHARACTERS_MAX, least=1),
        source_id=_text(fields.get(2), SOURCE_CHARACTERS_MAX, least=1),
        category=_category(fields.get(3)),
        name=_text(fields.get(4), TEXT_CHARACTERS_MAX, least=1),
        place=Place(*(_text(part, TEXT_CHARACTERS_MAX) for part in _list(fields.get(5, []), PLACE_PARTS_MAX))),
        seasons=tuple(_decode_season(season) for season in _list(fields.get(6, []), SEASONS_MAX)),
        products=_integer(fields.get(7, 0), 0, 2**_PRODUCT_BITS_MAX - 1),
        payments=_integer(fields.get(8, 0), 0, 2**_PRODUCT_BITS_MAX - 1),
        links=tuple(_text(link, TEXT_CHARACTERS_MAX, least=1) for link in _list(fields.get(9, []), LINKS_MAX)),
        listed_year=None if fields.get(10) is None else _integer(fields[10], YEAR_MIN, YEAR_MAX),
        setting=_text(fields.get(11, ""), TEXT_CHARACTERS_MAX),
    )


def _encode_season(season: Season) -> list[Any]:
    hours = [opening.weekday * 10_000 + opening.opens * 100 + opening.closes for opening in season.hours]
    return [_encode_day(season.start), _encode_day(season.end), season.remarks or hours]


def _decode_season(value: object) -> Season:
    parts = _list(value, 3)
    if len(parts) != 3:
        raise DecodeError("body", "A season has a start, an end and hours.")
    start, end, hours = _decode_day(parts[0]), _decode_day(parts[1]), parts[2]
    if isinstance(hours, str):
        return Season(start, end, (), _text(hours, TEXT_CHARACTERS_MAX, least=1))
    return Season(start, end, tuple(_decode_opening(number) for number in _list(hours, HOURS_MAX)))


def _decode_opening(value: object) -> Opening:
    weekday, quarters = divmod(_integer(value, 0, 69_999), 10_000)
    opens, closes = divmod(quarters, 100)
    if not opens < closes <= QUARTERS_PER_DAY:
        raise DecodeError("body", "Opening hours end after they begin, within a day.")
    return Opening(weekday, opens, closes)


def _encode_day(day: date | int | None) -> int:
    if day is None:
        return 0
    return day if isinstance(day, int) else (day - _DAY_ZERO).days


def _decode_day(value: object) -> date | int | None:
    number = _integer(value, 0, _LAST_DAY)
    if 12 < number < _FIRST_DAY:
        raise DecodeError("body", "A season begins and ends in a month (1 to 12) or on a day after the year 2000.")
    if number >= _FIRST_DAY:
        return _DAY_ZERO + timedelta(days=number)
    return number or None


def _text(value: object, most: int, least: int = 0) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise DecodeError("body", f"A text of a directory entry has {least} to {most} characters.")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise DecodeError("body", "A text of a directory entry is one line that can be seen.")
    return value


def _integer(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise DecodeError("body", f"A number of a directory entry is not within {least} and {most}.")
    return value


def _list(value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise DecodeError("body", f"A list of a directory entry holds at most {most}.")
    return value


def _category(value: object) -> Category:
    try:
        return Category(_integer(value, 0, 255))
    except ValueError as error:
        raise DecodeError("body", "This node does not know this category of the directory.") from error


def _names(bits: int, names: tuple[str, ...]) -> list[str]:
    return [name for position, name in enumerate(names) if bits >> position & 1]


def _sentence(names: list[str]) -> str:
    listed = ", ".join(names)
    return f"{listed[:1].upper()}{listed[1:]}." if listed else ""


def _without_trailing_blanks(parts: list[str]) -> list[str]:
    while parts and not parts[-1]:
        parts.pop()
    return parts


def _day_words(day: date | int | None) -> str:
    if isinstance(day, date):
        return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"
    return "" if day is None else _MONTHS[day - 1]


def _quarter_words(quarters: int) -> str:
    hour, quarter = divmod(quarters % QUARTERS_PER_DAY, 4)
    return f"{hour % 12 or 12}:{quarter * 15:02d} {'AM' if hour < 12 else 'PM'}"
