"""The National Farmers Market Directory of the USDA: its CSV export, read into directory entries and remarks.

Pure: bytes in, entries and remarks out. The file is real and messy: empty fields, stray spaces, seasons written
three ways. A row is imported with what it has; whatever could not be read is remarked upon, never guessed. Its
coordinates (columns x and y) stay out on purpose: the place is told in words. Format: 59 columns, one row a market,
https://www.ams.usda.gov/local-food-directories/farmersmarkets (export of 2017).
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import date

import msgspec

from app import usda_fields
from app.core.directory import (
    HOURS_MAX,
    SOURCE_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    Category,
    DirectoryEntry,
    Opening,
    Place,
    Season,
)
from app.core.record import BODY_BYTES_MAX
from app.errors import InputError
from app.usda_fields import Day

SOURCE = "usda"
FILE_BYTES_MAX = 8 * 1024 * 1024
"""The export of the whole country has 8,800 rows in 3 MB."""
ROWS_MAX = 1000
"""More than any state has. Each row becomes a signed record, all in one transaction: 2 s, or 10 on an old Raspberry Pi,
while what phones write waits; and by radio a thousand records are hours of airtime."""
REQUIRED_COLUMNS = ("FMID", "MarketName")
LIKELY_OPEN_FROM = 5 * 4
"""Quarter hours: an opening before five in the morning is taken as written, and remarked upon."""

# In the order of directory.PRODUCTS and directory.PAYMENTS.
_PRODUCT_COLUMNS = (  # noqa: SIM905 - as the file's first line has them
    "Organic Bakedgoods Cheese Crafts Flowers Eggs Seafood Herbs Vegetables Honey Jams Maple Meat Nursery Nuts Plants"
    " Poultry Prepared Soap Trees Wine Coffee Beans Fruits Grains Juices Mushrooms PetFood Tofu WildHarvested"
).split()
_PAYMENT_COLUMNS = ("Credit", "WIC", "WICcash", "SFMNP", "SNAP")
_PLACE_COLUMNS = ("street", "city", "County", "State", "zip")
_LINK_COLUMNS = ("Website", "Facebook", "Twitter", "Youtube", "OtherMedia")
_SEASONS = (1, 2, 3, 4)
_SEASON_COLUMNS = tuple(f"Season{number}{part}" for number in _SEASONS for part in ("Date", "Time"))
_COLUMNS = (
    *REQUIRED_COLUMNS,
    *_LINK_COLUMNS,
    *_PLACE_COLUMNS,
    *_SEASON_COLUMNS,
    "Location",
    *_PAYMENT_COLUMNS,
    *_PRODUCT_COLUMNS,
    "updateTime",
)
_UNNAMED = "Farmers market without a name"
_NO_SETTING = ("", "Other")
_FLAGS = {"Y": True, "N": False, "-": False, "": False}
_ZIP = re.compile(r"\d{5}(-\d{4})?")
_Remarker = Callable[[str, str, str], None]


class Remark(msgspec.Struct, frozen=True):
    """A field that could not be read as it stands, and what became of it."""

    line: int
    source_id: str
    market: str
    field: str
    value: str
    why: str

    def __str__(self) -> str:
        who = ", ".join(
            part for part in (f"line {self.line}", self.source_id and f"FMID {self.source_id}", self.market) if part
        )
        return f"{who}: {self.field} “{self.value}”: {self.why}"


class Directory(msgspec.Struct, frozen=True):
    """What a file holds: one entry a market, in the order of the file, and the remarks."""

    entries: tuple[DirectoryEntry, ...]
    remarks: tuple[Remark, ...]


def read_markets(data: bytes) -> Directory:
    """Entries and remarks of an export. InputError, with what to do about it, when it is no such file."""
    rows = _rows(_decode(data))
    header = next(rows, (0, []))[1]
    columns = _columns(header)
    entries: dict[str, DirectoryEntry] = {}
    remarks = [
        Remark(1, "", "", name, "", "this column is missing; imported without it")
        for name in _COLUMNS
        if name not in columns
    ]
    for count, (line, values) in enumerate(rows, start=1):
        if count > ROWS_MAX:
            raise InputError(
                f"The file has more than {ROWS_MAX} rows. Keep those of your region, or import it in parts."
            )
        fields = {name: _tidy(values[place]) for name, place in columns.items() if place < len(values)}
        entry = _read_row(line, fields, len(header), len(values), entries, remarks)
        if entry is not None:
            entries[entry.source_id] = entry
    return Directory(tuple(entries.values()), tuple(remarks))


def _decode(data: bytes) -> str:
    if not data.strip():
        raise InputError("The file is empty.")
    if len(data) > FILE_BYTES_MAX:
        raise InputError(f"The file is larger than {FILE_BYTES_MAX // 1024**2} MiB. Is it the right one?")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError("The file is UTF-16. Save it as CSV in UTF-8 and import that.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        seen = data[max(0, error.start - 20) : error.start].decode("utf-8", "replace").rpartition("\n")[2]
        raise InputError(
            f"Line {line} is not UTF-8: byte 0x{data[error.start]:02X} after “{seen}”. Save the file as CSV in UTF-8,"
            " or convert it (iconv -f WINDOWS-1252 -t UTF-8), and import that. Nothing was imported."
        ) from None
    if "\0" in text:
        raise InputError("This is no CSV file: it holds zero bytes.")
    return text


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line the row begins on, its values), without blank rows."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for values in reader:
            if any(value.strip() for value in values):
                yield line, values
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"Line {line} is no CSV: {error}. Nothing was imported.") from None


def _columns(header: list[str]) -> dict[str, int]:
    columns = {name.strip(): place for place, name in enumerate(header)}
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        raise InputError(
            f"The first line does not name the column {' and '.join(missing)}: this is no export of the USDA's farmers"
            " market directory. Nothing was imported."
        )
    return {name: columns[name] for name in _COLUMNS if name in columns}


def _read_row(
    line: int,
    fields: dict[str, str],
    columns: int,
    found: int,
    entries: dict[str, DirectoryEntry],
    remarks: list[Remark],
) -> DirectoryEntry | None:
    identity, name = fields.get("FMID", ""), fields.get("MarketName", "")

    def remark(field: str, value: str, why: str) -> None:
        remarks.append(Remark(line, identity, name, field, value, why))

    if not 1 <= len(identity) <= SOURCE_CHARACTERS_MAX:
        remark("FMID", identity, "without its number a market cannot be told from others; not imported")
        return None
    if identity in entries:
        remark("FMID", identity, "an earlier row has this number; not imported")
        return None
    if found != columns:
        remark("row", str(found), f"it has {found} fields where the first line names {columns}; read as far as it goes")
    if not name:
        remark("MarketName", "", f"the name is missing; imported as “{_UNNAMED}”")
    entry = _entry(fields, identity, remark)
    if len(entry.encode()) > BODY_BYTES_MAX:
        remark("row", "", f"its texts are longer than the {BODY_BYTES_MAX} bytes of a record; not imported")
        return None
    return entry


def _entry(fields: dict[str, str], identity: str, remark: _Remarker) -> DirectoryEntry:
    setting = fields.get("Location", "").partition(" (")[0]
    return DirectoryEntry(
        source=SOURCE,
        source_id=identity,
        category=Category.MARKET,
        name=_fitting("MarketName", fields.get("MarketName", ""), remark) or _UNNAMED,
        place=_place(fields, remark),
        seasons=tuple(season for number in _SEASONS if (season := _season(number, fields, remark)) is not None),
        products=_bits(_PRODUCT_COLUMNS, fields, remark),
        payments=_bits(_PAYMENT_COLUMNS, fields, remark),
        links=tuple(dict.fromkeys(link for column in _LINK_COLUMNS if (link := _link(column, fields, remark)))),
        listed_year=_year(fields.get("updateTime", ""), remark),
        setting="" if setting in _NO_SETTING else _fitting("Location", setting, remark),
    )


def _place(fields: dict[str, str], remark: _Remarker) -> Place:
    street, city, county, state, zip_code = (
        _fitting(column, fields.get(column, ""), remark) for column in _PLACE_COLUMNS
    )
    if zip_code and not _ZIP.fullmatch(zip_code):
        remark("zip", zip_code, "a zip code has five digits; left out")
        zip_code = ""
    return Place(street, city, county, state, zip_code)


def _season(number: int, fields: dict[str, str], remark: _Remarker) -> Season | None:
    column = f"Season{number}Date"
    period, times = fields.get(column, ""), fields.get(f"Season{number}Time", "")
    if not period and not times:
        return None
    hours, words = _hours(f"Season{number}Time", times, remark)
    days = _period(column, period, remark)
    if days is None:
        return Season(remarks=_fitting(column, ": ".join(part for part in (period, times) if part), remark))
    return Season(*days, hours=hours, remarks=words)


def _period(column: str, words: str, remark: _Remarker) -> tuple[Day, Day] | None:
    """(start, end), or None when the words are no two days."""
    if not words:
        return None, None
    days = usda_fields.period(words)
    if days is None:
        remark(column, words, "no two dates or months; kept in its own words")
        return None
    start, end = days
    if isinstance(start, date) and isinstance(end, date) and end < start:
        remark(column, words, "it ends before it begins; kept in its own words")
        return None
    if start is None or end is None:
        missing = "start" if start is None else "end"
        remark(column, words, f"the {missing} is missing; imported with the other date")
    return days


def _hours(column: str, times: str, remark: _Remarker) -> tuple[tuple[Opening, ...], str]:
    """(openings, "") or, when one cannot be read, ((), the words themselves)."""
    openings = []
    for part in (part.strip() for part in times.split(";")):
        if not part:
            continue
        opening = usda_fields.opening(part)
        if opening is None:
            remark(column, times, "no weekday with two times of a day; kept in its own words")
            return (), _fitting(column, times, remark)
        if opening.opens < LIKELY_OPEN_FROM:
            remark(column, part, "it opens in the middle of the night; taken as written")
        openings.append(opening)
    if len(openings) > HOURS_MAX:
        remark(column, times, f"more than {HOURS_MAX} openings a week; kept in its own words")
        return (), _fitting(column, times, remark)
    return tuple(openings), ""


def _bits(columns: tuple[str, ...] | list[str], fields: dict[str, str], remark: _Remarker) -> int:
    bits = 0
    for position, column in enumerate(columns):
        value = fields.get(column, "")
        if value.upper() not in _FLAGS:
            remark(column, value, "neither Y nor N nor -; taken as not stated")
        elif _FLAGS[value.upper()]:
            bits |= 1 << position
    return bits


def _link(column: str, fields: dict[str, str], remark: _Remarker) -> str:
    """An address, or the words with the network's name before them."""
    value = fields.get(column, "")
    if not value:
        return ""
    link = usda_fields.address(value) or usda_fields.profile(column, value)
    if link is None:
        remark(column, value, "no web address and no account's name; kept in its own words")
        link = f"{column}: {value}"
    return _fitting(column, link, remark)


def _year(update: str, remark: _Remarker) -> int | None:
    if not update:
        return None
    year = usda_fields.year(update)
    if year is None:
        remark("updateTime", update, "no date; left out")
    return year


def _tidy(value: str) -> str:
    """Without stray spaces and invisible characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in value).split())


def _fitting(field: str, value: str, remark: _Remarker) -> str:
    if len(value) <= TEXT_CHARACTERS_MAX:
        return value
    remark(field, f"{value[:40]}…", f"longer than {TEXT_CHARACTERS_MAX} characters; cut")
    return value[: TEXT_CHARACTERS_MAX - 1].rstrip() + "…"
