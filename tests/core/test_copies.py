"""How safe things are, in words and parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.copies import SAFE, parts, sentence


@pytest.mark.parametrize(
    ("records", "photos", "words"),
    [
        ({}, {}, "There is nothing to keep yet."),
        ({1: 4}, {}, "Everything is on this node alone."),
        ({3: 200}, {3: 40}, "Everything is on 3 machines."),
        ({3: 200}, {3: 40, 2: 12}, "Everything is on 3 machines; 12 photos on 2 machines."),
        ({2: 200, 4: 7}, {}, "Everything is on 2 machines or more."),
        ({3: 20, 1: 1}, {2: 2}, "Everything is on 3 machines; 1 record on this node alone; 2 photos on 2 machines."),
    ],
)  # fmt: skip
def test_one_sentence(records: dict[int, int], photos: dict[int, int], words: str) -> None:
    assert sentence(records, photos) == words


COUNTS = st.dictionaries(st.integers(1, 9), st.integers(0, 5000), max_size=9)


@given(COUNTS)
def test_the_parts_are_all_there_is(kinds: dict[int, int]) -> None:
    found = parts(kinds, "record")
    assert sum(part.count for part in found) == sum(kinds.values())
    assert [part.copies for part in found] == sorted({part.copies for part in found})
    assert all(part.count > 0 and part.copies <= SAFE for part in found)
    assert not found or abs(sum(part.percent for part in found) - 100) < 0.5


@given(COUNTS, COUNTS)
def test_nothing_with_fewer_copies_is_passed_over(records: dict[int, int], photos: dict[int, int]) -> None:
    words = sentence(records, photos)
    alone = {"record": records.get(1, 0), "photo": photos.get(1, 0)}
    if "Everything is on this node alone" not in words:
        for kind, things in alone.items():
            plural = kind if things == 1 else f"{kind}s"
            assert (f"; {things:,} {plural} on this node alone" in words) == bool(things)
