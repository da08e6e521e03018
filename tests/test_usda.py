"""The USDA's market directory: the real file whole, and every way in which such a file can be wrong."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import usda
from app.core.compression import pack
from app.core.directory import DirectoryEntry, Place, Season, decode_entry
from app.errors import InputError

FILE = Path(__file__).parents[1] / "demo/usda-farmers-markets-vermont.csv"
REAL = FILE.read_bytes()
HEADER = REAL.splitlines()[0].decode().split(",")
ENVELOPE_BODY_MAX = 222 - 95


def table(*rows: dict[str, str], header: list[str] | None = None) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, header or HEADER, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(
        {"FMID": str(1000 + place), "MarketName": "Larch Hill Market"} | row for place, row in enumerate(rows)
    )
    return out.getvalue().encode()


def read_one(**fields: str) -> tuple[DirectoryEntry, list[usda.Remark]]:
    found = usda.read_markets(table(fields))
    return found.entries[0], list(found.remarks)


def refused(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        usda.read_markets(data)
    return caught.value.message


def test_all_of_vermont_is_read() -> None:
    found = usda.read_markets(REAL)
    assert len(found.entries) == 92
    assert len({entry.source_id for entry in found.entries}) == 92
    assert all(decode_entry(entry.encode()) == entry for entry in found.entries)
    assert {remark.field for remark in found.remarks} == {
        "zip",
        "Season1Date",
        "Season1Time",
        "Facebook",
        "OtherMedia",
    }
    assert len(found.remarks) == 17


def test_most_of_vermont_fits_one_frame() -> None:
    sizes = [len(pack(entry.encode())[0]) for entry in usda.read_markets(REAL).entries]
    assert sum(size <= ENVELOPE_BODY_MAX for size in sizes) >= 68
    assert max(sizes) < 200


def test_a_remark_tells_where_what_and_why() -> None:
    remarks = [str(remark) for remark in usda.read_markets(REAL).remarks]
    assert remarks[0] == (
        "line 5, FMID 1009876, Bradford Farmers Market: zip “0033”: a zip code has five digits; left out"
    )


def test_a_bare_row_is_imported_with_what_it_has() -> None:
    entry, remarks = read_one()
    assert entry.name == "Larch Hill Market"
    assert (entry.place, entry.seasons, entry.products) == (Place(), (), 0)
    assert not remarks


def test_stray_spaces_and_invisible_characters_go() -> None:
    entry, _ = read_one(MarketName="  Larch \t Hill\u200b  Market ", city="Fern ")
    assert (entry.name, entry.place.city) == ("Larch Hill Market", "Fern")


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"MarketName": " "}, "MarketName", "missing"),
        ({"zip": "5641"}, "zip", "five digits"),
        ({"Season1Date": "until frost"}, "Season1Date", "own words"),
        ({"Season1Date": "10/04/2017 to 05/31/2017"}, "Season1Date", "ends before"),
        ({"Season2Date": "05/31/2017 to"}, "Season2Date", "end is missing"),
        ({"Season1Time": "weekends"}, "Season1Time", "own words"),
        ({"Season1Time": "Sat: 9:00 AM-1:00 PM;" * 22}, "Season1Time", "more than 21"),
        ({"Season1Time": "Thu: 3:00 AM-6:00 PM;"}, "Season1Time", "middle of the night"),
        ({"Facebook": "Larch Hill"}, "Facebook", "own words"),
        ({"Eggs": "some"}, "Eggs", "neither Y nor N"),
        ({"SNAP": "?"}, "SNAP", "neither Y nor N"),
        ({"updateTime": "yesterday"}, "updateTime", "no date"),
        ({"street": "x" * 400}, "street", "longer than 300"),
    ],
)
def test_what_cannot_be_read_is_remarked_upon(fields: dict[str, str], field: str, why: str) -> None:
    _, remarks = read_one(**fields)
    assert {remark.field for remark in remarks} == {field}
    assert why in remarks[0].why


def test_words_that_are_no_season_are_kept() -> None:
    entry, _ = read_one(Season1Date="until frost", Season1Time="weekends")
    assert entry.seasons == (Season(remarks="until frost: weekends"),)


def test_flags_become_bits() -> None:
    entry, _ = read_one(Eggs="Y", Tofu="y", Organic="-", SNAP="Y", Credit="Y")
    assert entry.product_names == ["eggs", "tofu"]
    assert entry.payment_names == ["cards", "SNAP"]


def test_rows_without_a_number_or_with_one_twice_are_left_out() -> None:
    found = usda.read_markets(table({"FMID": ""}, {"FMID": "7"}, {"FMID": "7", "MarketName": "Fern"}))
    assert [entry.name for entry in found.entries] == ["Larch Hill Market"]
    assert [(remark.line, remark.field) for remark in found.remarks] == [(2, "FMID"), (4, "FMID")]


def test_short_and_long_rows_are_read_as_far_as_they_go() -> None:
    found = usda.read_markets(table() + b"1,Larch\n2,Fern" + b"," * 100 + b"\n")
    assert [entry.name for entry in found.entries] == ["Larch", "Fern"]
    assert [remark.field for remark in found.remarks] == ["row", "row"]


def test_missing_columns_are_named_once() -> None:
    found = usda.read_markets(table({"city": "Fern"}, {}, header=["FMID", "MarketName", "city"]))
    assert len(found.entries) == 2
    assert {remark.line for remark in found.remarks} == {1}
    assert "zip" in {remark.field for remark in found.remarks}


@pytest.mark.parametrize("data", [REAL.replace(b"\r\n", b"\n"), b"\xef\xbb\xbf" + REAL, REAL + b"\n\n  ,\n"])
def test_line_ends_byte_order_marks_and_blank_rows_do_not_matter(data: bytes) -> None:
    assert usda.read_markets(data) == usda.read_markets(REAL)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"\xff\xfeF\0M\0", "UTF-16"),
        (REAL.replace(b"Barre Farmers", b"Barr\xe9 Farmers", 1), "Line 3 is not UTF-8: byte 0xE9 after “1018517,Barr”"),
        (b"FMID,MarketName\n1,a\0b\n", "zero bytes"),
        (b'FMID,MarketName\n1,"never closed\n', "Line 2 is no CSV"),
        (b"name,price\negg,1\n", "FMID and MarketName"),
        (b"%PDF-1.7 and so on", "FMID"),
        (b"x" * (usda.FILE_BYTES_MAX + 1), "larger than 8 MiB"),
        (b"FMID,MarketName\n" + b"".join(b"%d,a\n" % n for n in range(usda.ROWS_MAX + 1)), "more than 1000 rows"),
    ],
)
def test_what_is_no_such_file_is_refused_with_a_reason(data: bytes, why: str) -> None:
    assert why in refused(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        usda.read_markets(data)
    except InputError as error:
        assert error.message


@given(st.dictionaries(st.sampled_from(HEADER[2:]), st.text(max_size=60)))
def test_any_row_is_imported_whatever_stands_in_it(fields: dict[str, str]) -> None:
    found = usda.read_markets(table({name: value.replace("\0", "") for name, value in fields.items()}))
    assert len(found.entries) == 1
    assert decode_entry(found.entries[0].encode()) == found.entries[0]


def test_a_row_that_no_record_holds_is_left_out() -> None:
    found = usda.read_markets(table(dict.fromkeys(HEADER[2:20], "😀" * 300)))
    assert not found.entries
    assert "longer than the 8192 bytes" in found.remarks[-1].why
