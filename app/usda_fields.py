"""How the USDA's directory writes dates, hours and addresses; each reader yields the value, or None for other words.

Pure. The forms were taken from the export of 2017 itself (app/usda.py).
"""

import re
from datetime import date, datetime

from app.core.directory import YEAR_MAX, YEAR_MIN, Opening

SEASON_YEAR_MIN, SEASON_YEAR_MAX = 2001, 2178
"""What a season's two bytes hold (app/core/directory.py)."""

Day = date | int | None
"""A date, a month of every year, or not stated."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        "january february march april may june july august september october november december".split(),  # noqa: SIM905
        start=1,
    )
}
_WEEKDAYS = {name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
_PROFILES = {
    "Facebook": "https://www.facebook.com/",
    "Twitter": "https://twitter.com/",
    "Youtube": "https://www.youtube.com/",
    "Instagram": "https://www.instagram.com/",
}
_ADDRESS = re.compile(r"(?P<scheme>https?:)?(?://)?(?P<rest>[\w-]+(\.[\w-]+)+(:\d+)?([/?#][^\s@]*)?)", re.IGNORECASE)
_PROFILE = re.compile(r"(?P<network>[A-Za-z]*)[\s-]*@?(?P<name>[\w.]+)")
_OPENING = re.compile(
    r"(?P<weekday>[a-z]{3})[a-z]*:\s*(?P<opens>\d{1,2}:\d\d\s*[ap]m)\s*-\s*(?P<closes>\d{1,2}:\d\d\s*[ap]m)",
    re.IGNORECASE,
)
_TIME = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d\d)\s*(?P<half>[ap])m", re.IGNORECASE)
_UPDATE_FORMATS = ("%m/%d/%Y %I:%M:%S %p", "%b %d %Y %I:%M%p", "%m/%d/%Y", "%Y")


def period(words: str) -> tuple[Day, Day] | None:
    """(start, end) of “05/31/2017 to 10/04/2017”, “May to October”, “05/20/2016 to”."""
    start, _, end = words.partition(" to")
    try:
        return _day(start), _day(end)
    except ValueError:
        return None


def opening(words: str) -> Opening | None:
    """Of “Sat: 9:00 AM-1:00 PM”, to the quarter of an hour."""
    match = _OPENING.fullmatch(words)
    if match is None or match["weekday"].casefold() not in _WEEKDAYS:
        return None
    opens, closes = _quarters(match["opens"]), _quarters(match["closes"])
    if opens is None or closes is None or opens >= closes:
        return None
    return Opening(_WEEKDAYS[match["weekday"].casefold()], opens, closes)


def address(words: str) -> str | None:
    """A web address, made whole: of “www.example.org/market/” and “//example.org” too."""
    match = _ADDRESS.fullmatch(words)
    if match is None:
        return None
    rest = match["rest"]
    if "facebook.com/" in rest and "profile.php" not in rest:
        rest = rest.partition("?")[0]  # what follows only says where somebody clicked
    scheme = match["scheme"] or ("https:" if "facebook.com" in rest else "http:")
    return f"{scheme.lower()}//{rest.removesuffix('/')}"


def profile(network: str, words: str) -> str | None:
    """The address of “@name” on a network, or of “Instagram @name” on the one it says."""
    match = _PROFILE.fullmatch(words)
    if match is None or not ("@" in words or match["network"].title() in _PROFILES):
        return None
    base = _PROFILES.get(match["network"].title() or network)
    return None if base is None else base + match["name"]


def year(words: str) -> int | None:
    """Of “6/20/2017 10:43:57 PM”, “Apr 16 2010  9:44AM”, “2009”."""
    for form in _UPDATE_FORMATS:
        try:
            found = datetime.strptime(words, form).year
        except ValueError:
            continue
        return found if YEAR_MIN <= found <= YEAR_MAX else None
    return None


def _day(words: str) -> Day:
    """ValueError for words that are no day, no month and not nothing."""
    words = words.strip()
    if not words:
        return None
    if words.casefold() in _MONTHS:
        return _MONTHS[words.casefold()]
    day = datetime.strptime(words, "%m/%d/%Y").date()
    if not SEASON_YEAR_MIN <= day.year <= SEASON_YEAR_MAX:
        raise ValueError(words)
    return day


def _quarters(words: str) -> int | None:
    """Quarter hours since midnight of “9:30 AM”."""
    match = _TIME.fullmatch(words)
    if match is None:
        return None
    hour, minute = int(match["hour"]), int(match["minute"])
    if not 1 <= hour <= 12 or minute not in (0, 15, 30, 45):
        return None
    return (hour % 12 + (12 if match["half"].casefold() == "p" else 0)) * 4 + minute // 15
