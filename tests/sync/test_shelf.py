"""Ranges by prefix: the parts of a range hold its ids, and fingerprints differ where ids do."""

from hypothesis import given
from hypothesis import strategies as st

from app.sync.shelf import Shelf

KEY = bytes(32)
NAMES = st.sets(
    st.one_of(st.binary(min_size=16, max_size=16), st.binary(min_size=1, max_size=1).map(lambda end: bytes(15) + end)),
    max_size=40,
).map(sorted)


def shelf_of(names: list[bytes], key: bytes = KEY) -> Shelf:
    return Shelf(b"".join(names), key)


@given(NAMES, st.integers(0, 60), st.integers(0, 4), st.data())
def test_parts_hold_the_ids_with_their_prefix(names: list[bytes], depth: int, fan: int, data: st.DataObject) -> None:
    somewhere = [0, 2**depth - 1, *(int.from_bytes(name, "big") >> (128 - depth) for name in names)]
    prefix = data.draw(st.sampled_from(somewhere))
    shelf = shelf_of(names)
    cuts = shelf.parts(depth, prefix, fan)
    assert len(cuts) == (1 << fan) + 1
    for at in range(1 << fan):
        part = (prefix << fan) + at
        expected = [name for name in names if int.from_bytes(name, "big") >> (128 - depth - fan) == part]
        assert list(shelf.ids(cuts[at], cuts[at + 1])) == expected
    assert shelf.bounds(depth, prefix) == (cuts[0], cuts[-1])


@given(NAMES, st.data())
def test_one_id_less_is_another_fingerprint(names: list[bytes], data: st.DataObject) -> None:
    whole = shelf_of(names)
    assert whole.digest() == shelf_of(names).digest()
    assert whole.digest() != shelf_of(names, bytes(31) + b"\x01").digest()
    if names:
        left_out = data.draw(st.sampled_from(names))
        fewer = [name for name in names if name != left_out]
        assert shelf_of(fewer).digest() != whole.digest()


@given(NAMES)
def test_short_names_lead_back_to_ids(names: list[bytes]) -> None:
    shelf = shelf_of(names)
    assert sorted(shelf.shorts(0, len(shelf)).values()) == names
    assert all(shelf.short(name) == short for short, name in shelf.shorts(0, len(shelf)).items())
