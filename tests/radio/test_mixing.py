"""Mixing: blends wait for the disk, are bounded, and what is missing there is given up."""

from app.radio.blend import ROW_BYTES, Blend, Place, blended
from app.radio.frame import NodeIndex
from app.radio.logbook import Logbook
from app.radio.means import SendBlend
from app.radio.mixing import HEARD_MAX, SHELF_MAX, WAIT_MS, Mixing, Shelf
from app.radio.parcel import Parcel, Priority, prefix_of
from tests.radio.repair_mesh import entry, envelope_at

HELD = (1, 2, 3)


def parcel(number: int) -> Parcel:
    return Parcel(envelope_at(3, number), entry(3, number).envelope_id, NodeIndex(3), number, Priority.PEOPLE)


def mixing() -> Mixing:
    """One with three of a log's envelopes on the disk, and none at hand."""
    log = Logbook()
    for number in HELD:
        log.append(entry(3, number))
    return Mixing(log)


def blend(*numbers: int, seed: int = 7) -> Blend:
    return blended(NodeIndex(5), seed, {Place(3, number): envelope_at(3, number) for number in numbers})


def test_a_blend_waits_for_the_envelopes_that_are_on_the_disk() -> None:
    mine, heard = mixing(), blend(1, 2, 4)
    assert mine.hear(heard, 0)
    assert mine.take_heard(0) == []
    wanted = mine.to_fetch(0)
    assert set(wanted) == {prefix_of(entry(3, number).envelope_id) for number in (1, 2)}
    assert mine.to_fetch(1) == []
    mine.keep(parcel(1))
    mine.keep(parcel(2))
    assert mine.take_heard(1) == [(heard, {Place(3, 1): envelope_at(3, 1), Place(3, 2): envelope_at(3, 2)})]
    assert mine.take_heard(1) == []


def test_what_brings_nothing_is_dropped() -> None:
    assert not mixing().hear(blend(1, 2, 3), 0)


def test_blends_that_wait_are_bounded_in_number_and_time() -> None:
    mine = mixing()
    assert sum(mine.hear(blend(1, 4, seed=seed), 0) for seed in range(50)) == HEARD_MAX
    mine.take_heard(WAIT_MS)
    mine.keep(parcel(1))
    assert mine.take_heard(WAIT_MS) == []


def test_what_the_disk_has_not_got_gives_up_the_blends_that_need_it() -> None:
    mine = mixing()
    mine.hear(blend(1, 4), 0)
    mine.owe(SendBlend((entry(3, 1), entry(3, 2)), 9, 1000.0, Priority.PEOPLE), 0)
    mine.missing(prefix_of(entry(3, 1).envelope_id))
    assert mine.owes is None
    mine.keep(parcel(1))
    assert mine.take_heard(0) == []


def test_what_is_owed_goes_when_all_of_it_is_at_hand() -> None:
    mine = mixing()
    send = SendBlend((entry(3, 1), entry(3, 2)), 9, 1000.0, Priority.PEOPLE)
    mine.owe(send, 0)
    mine.keep(parcel(1))
    assert mine.owed_envelopes() is None
    mine.keep(parcel(2))
    assert mine.owed_envelopes() == {Place(3, 1): envelope_at(3, 1), Place(3, 2): envelope_at(3, 2)}
    assert mine.owes == send
    mine.settle()
    assert mine.owes is None


def test_a_disk_that_never_answers_ends_what_is_owed() -> None:
    mine = mixing()
    mine.owe(SendBlend((entry(3, 1),), 9, 1000.0, Priority.PEOPLE), 0)
    mine.to_fetch(0)
    mine.to_fetch(WAIT_MS)
    assert mine.owes is None


def test_the_shelf_is_bounded_and_keeps_what_is_used() -> None:
    shelf = Shelf()
    first = prefix_of(entry(3, 1).envelope_id)
    for number in range(1, 2 * SHELF_MAX):
        shelf.keep(prefix_of(entry(3, number).envelope_id), envelope_at(3, number))
        assert shelf.take(first) == envelope_at(3, 1)
    kept = sum(shelf.take(prefix_of(entry(3, number).envelope_id)) is not None for number in range(1, 2 * SHELF_MAX))
    assert kept == SHELF_MAX
    shelf.keep(first, bytes(ROW_BYTES))
    assert shelf.take(first) == envelope_at(3, 1)
