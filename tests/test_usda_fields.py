"""The USDA's ways to write dates, hours and addresses: the forms of its export, and forms that are none."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import usda_fields
from app.core.directory import Opening


@pytest.mark.parametrize(
    ("words", "days"),
    [
        ("05/31/2017 to 10/04/2017", (date(2017, 5, 31), date(2017, 10, 4))),
        ("May to October", (5, 10)),
        ("november to april", (11, 4)),
        ("05/20/2016 to", (date(2016, 5, 20), None)),
        ("06/2017 to 10/2017", None),
        ("05/31/1017 to 10/04/2017", None),
        ("13/45/2017 to 10/04/2017", None),
        ("when the snow is gone", None),
    ],
)
def test_seasons(words: str, days: object) -> None:
    assert usda_fields.period(words) == days


@pytest.mark.parametrize(
    ("words", "opening"),
    [
        ("Sat: 9:00 AM-1:00 PM", Opening(5, 36, 52)),
        ("sun:11:00 am - 2:00 pm", Opening(6, 44, 56)),
        ("Thursday: 12:15 PM-12:30 PM", Opening(3, 49, 50)),
        ("Mon: 12:00 AM-6:45 AM", Opening(0, 0, 27)),
        ("Sat: 1:00 PM-9:00 AM", None),
        ("Sat: 9:10 AM-1:00 PM", None),
        ("Sat: 13:00 PM-14:00 PM", None),
        ("Xyz: 9:00 AM-1:00 PM", None),
        ("Sat 9-1", None),
    ],
)
def test_hours(words: str, opening: Opening | None) -> None:
    assert usda_fields.opening(words) == opening


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("http://www.larch.example/", "http://www.larch.example"),
        ("HTTPS://larch.example/a/b", "https://larch.example/a/b"),
        ("www.larch.example", "http://www.larch.example"),
        ("//www.facebook.com/Larch", "https://www.facebook.com/Larch"),
        ("https://www.facebook.com/Larch?fref=ts", "https://www.facebook.com/Larch"),
        ("https://www.facebook.com/profile.php?id=7", "https://www.facebook.com/profile.php?id=7"),
        ("Larch Hill Market", None),
        ("larch@example.com", None),
        ("javascript:alert(1)", None),
    ],
)
def test_addresses(words: str, address: str | None) -> None:
    assert usda_fields.address(words) == address


@pytest.mark.parametrize(
    ("network", "words", "address"),
    [
        ("Facebook", "@larchhill", "https://www.facebook.com/larchhill"),
        ("OtherMedia", "Instagram @larchhill", "https://www.instagram.com/larchhill"),
        ("OtherMedia", "Instagram - larchhill", "https://www.instagram.com/larchhill"),
        ("OtherMedia", "@larchhill", None),
        ("Facebook", "Larch Hill", None),
        ("OtherMedia", "facebook", None),
    ],
)
def test_profiles(network: str, words: str, address: str | None) -> None:
    assert usda_fields.profile(network, words) == address


@pytest.mark.parametrize(
    ("words", "year"),
    [
        ("6/20/2017 10:43:57 PM", 2017),
        ("Apr 16 2010 9:44AM", 2010),
        ("2009", 2009),
        ("0009", None),
        ("last year", None),
    ],
)
def test_years(words: str, year: int | None) -> None:
    assert usda_fields.year(words) == year


@given(st.text(max_size=40))
def test_any_words_are_read_or_not(words: str) -> None:
    usda_fields.period(words)
    usda_fields.opening(words)
    usda_fields.address(words)
    usda_fields.profile("Facebook", words)
    usda_fields.year(words)
