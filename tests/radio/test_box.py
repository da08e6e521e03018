"""The box: any k blends give k envelopes, whichever are lacking; lies end in an empty box."""

from hypothesis import given
from hypothesis import strategies as st

from app.radio.blend import ROW_BYTES, Blend, Found, Place, blended, portions_of
from app.radio.box import ROWS_MAX, Box
from tests.radio.test_blend import ME, envelopes


def solve(box: Box, some: dict[Place, bytes], held: dict[Place, bytes], seeds: range) -> dict[Place, bytes]:
    found: dict[Place, bytes] = {}
    for seed in seeds:
        found.update({one.place: one.envelope for one in box.add(blended(ME, seed, some), held)})
    return found


@given(st.integers(1, 20), st.integers(0, 1000), st.data())
def test_as_many_blends_as_are_lacking_are_enough(count: int, dice: int, data: st.DataObject) -> None:
    some = envelopes(count, dice)
    lacking = data.draw(st.sets(st.sampled_from(sorted(some)), min_size=1))
    held = {place: envelope for place, envelope in some.items() if place not in lacking}
    found = solve(Box(), some, held, range(dice, dice + len(lacking) + 2))
    assert found == {place: some[place] for place in lacking}


def test_fewer_blends_solve_nothing_and_are_counted_as_such() -> None:
    some, box = envelopes(6), Box()
    assert solve(box, some, {}, range(4)) == {}
    assert box.rows_within(set(some)) == 4
    assert box.rows_within(set(list(some)[:3])) == 0
    assert solve(box, some, {}, range(4, 6)) == some


def test_an_envelope_that_comes_otherwise_is_worth_a_blend() -> None:
    some, box = envelopes(3), Box()
    assert solve(box, some, {}, range(2)) == {}
    first = Place(3, 1)
    found = box.settle(first, some[first])
    assert {one.place: one.envelope for one in found} == {place: some[place] for place in (Place(3, 2), Place(3, 3))}
    assert box.settle(Place(9, 9), b"x") == []


def test_blends_of_different_envelopes_are_solved_together() -> None:
    some, box = envelopes(6), Box()
    one = {place: some[place] for place in list(some)[:4]}
    other = {place: some[place] for place in list(some)[2:]}
    found = solve(box, one, {}, range(3)) | solve(box, other, {}, range(10, 13))
    assert found == some


def test_what_was_solved_and_not_yet_stored_still_helps() -> None:
    some, box = envelopes(3), Box()
    solve(box, {Place(3, 1): some[Place(3, 1)]}, {}, range(1))
    found = solve(box, some, {}, range(5, 7))
    assert found == some


def test_the_same_blend_twice_is_one() -> None:
    some, box = envelopes(3), Box()
    solve(box, some, {}, range(1))
    solve(box, some, {}, range(1))
    assert box.rows_within(set(some)) == 1


def test_a_forged_blend_yields_nothing_true_until_the_box_is_emptied() -> None:
    some, box = envelopes(3), Box()
    true = blended(ME, 9, some)
    forged = Blend(ME, true.seed, true.portions, bytes(byte ^ 0x55 for byte in true.data))
    box.add(forged, {})
    found = solve(box, some, {}, range(2))
    assert all(some[place] != envelope for place, envelope in found.items())
    box.spoil()
    assert solve(box, some, {}, range(3)) == some


def test_what_can_be_no_envelope_is_not_reported() -> None:
    place = Place(3, 1)
    assert Box().add(Blend(ME, 1, portions_of([place]), bytes(120)), {}) == []


def test_blends_that_are_never_solved_are_bounded() -> None:
    box = Box()
    for number in range(1, 500):
        pair = {Place(3, 2 * number): b"a" * 100, Place(3, 2 * number + 1): b"b" * 100}
        box.add(blended(ME, number, pair), {})
    everything = {Place(3, number) for number in range(1100)}
    assert 1 <= box.rows_within(everything) <= ROWS_MAX


def test_a_held_envelope_too_long_for_any_blend_does_no_harm() -> None:
    some, box = envelopes(2), Box()
    assert isinstance(box.add(blended(ME, 1, some), {Place(3, 1): bytes(ROW_BYTES + 50)}), list)


def test_one_place_alone_is_its_envelope_times_a_number() -> None:
    some = envelopes(1)
    assert Box().add(blended(ME, 77, some), {}) == [Found(Place(3, 1), some[Place(3, 1)])]


def test_what_came_out_and_was_lost_comes_out_again() -> None:
    some, box = envelopes(1), Box()
    assert solve(box, some, {}, range(1)) == some
    assert solve(box, some, {}, range(1, 2)) == some


def test_blends_that_contradict_each_other_are_all_forgotten() -> None:
    some, box = envelopes(1), Box()
    solve(box, {Place(3, 1): bytes(120)}, {}, range(1))
    solve(box, some, {}, range(1, 2))
    assert solve(box, some, {}, range(2, 3)) == some


def test_what_can_be_no_envelope_is_not_kept() -> None:
    some, box = envelopes(1), Box()
    box.add(Blend(ME, 1, portions_of(some), bytes(120)), {})
    assert solve(box, some, {}, range(1, 2)) == some
