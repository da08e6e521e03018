"""What goes into one blend: only what those who hear it can tell the numbers of, however far a log reaches."""

from app.radio.blend import REACH, Place, blended, decode_blend, encode_blend
from app.radio.frame import LOG_NUMBER_MAX, LinkKeys, NodeIndex
from app.radio.recipe import ANCHOR_REACH, Group, Recipe
from tests.radio.repair_mesh import entry
from tests.radio.repair_parts import means

LINK = LinkKeys(b"s" * 16, (b"k" * 32,))
END = 60


def wanted(*numbers: int, index: int = 3) -> Group:
    return {Place(index, number): entry(index, number) for number in numbers}


def is_told_right(group: Group, ends: dict[int, int]) -> bool:
    """Whether who hears a blend of these reads the same places, with logs that go as far as ours."""
    envelopes = {place: bytes([number % 256]) * 100 for number, place in enumerate(group)}
    frame = encode_blend(blended(NodeIndex(1), 7, envelopes), LINK)
    return decode_blend(frame, LINK, ends.__getitem__).places == sorted(group)


def test_what_is_far_below_the_end_goes_as_it_is() -> None:
    recipe = Recipe(means((3, range(1, END + 1))))
    can = [number for number in range(1, END + 1) if recipe.is_single(Place(3, number))]
    assert can == list(range(END - REACH + 1, END + 1))
    for number in can:
        (group,) = recipe.groups(wanted(number))
        assert is_told_right(group, {3: END})
        assert Place(3, number) in group


def test_a_log_with_an_end_that_was_invented_is_blended_nowhere_but_there() -> None:
    """Bits for 2^28 numbers would fill the memory before they fill a frame."""
    recipe = Recipe(means((3, range(1, 7)), (3, range(LOG_NUMBER_MAX, LOG_NUMBER_MAX + 1))))
    assert [number for number in (1, 3, 6, LOG_NUMBER_MAX) if recipe.is_single(Place(3, number))] == [LOG_NUMBER_MAX]
    groups = recipe.groups(wanted(1, 6, LOG_NUMBER_MAX))
    assert all(recipe.fits(group) for group in groups)
    assert {place for group in groups for place in group} == set(wanted(1, 6, LOG_NUMBER_MAX))
    assert all(recipe.fits(recipe.filled(group, 0)) for group in groups)


def test_what_is_new_goes_along_with_what_tells_its_number() -> None:
    recipe = Recipe(means((3, range(1, END + 1)), (4, range(1, END + 1))))
    for number in (5, END - 20, END - ANCHOR_REACH):
        recipe.stored(entry(4, number), 0)
    (group,) = recipe.groups(wanted(END))
    filled = recipe.filled(group, 0)
    assert {place.number for place in filled if place.index == 4} >= {END - 20, END - ANCHOR_REACH}
    assert Place(4, 5) not in filled
    assert is_told_right(filled, {3: END, 4: END})
