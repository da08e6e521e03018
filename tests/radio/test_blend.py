"""Blends: any k of them give k envelopes, whichever are lacking; damage and lies end in an empty box."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.blend import (
    PLACES_MAX,
    ROW_BYTES,
    ROWS_MAX,
    Blend,
    Box,
    Found,
    Place,
    blend_frame_bytes,
    blended,
    decode_blend,
    encode_blend,
    portions_of,
)
from app.radio.frame import FRAME_BYTES_MAX, LinkKeys, NodeIndex
from app.radio.span import Portion, Span
from tests.radio.repair_mesh import LINK

ME = NodeIndex(5)


def envelopes(count: int, seed: int = 1, index: int = 3, longest: int = 206) -> dict[Place, bytes]:
    rng = random.Random(seed)
    return {Place(index, number): rng.randbytes(rng.randint(94, longest)) for number in range(1, count + 1)}


def solve(box: Box, some: dict[Place, bytes], held: dict[Place, bytes], seeds: range) -> dict[Place, bytes]:
    found: dict[Place, bytes] = {}
    for seed in seeds:
        found.update({one.place: one.envelope for one in box.add(blended(ME, seed, some), held)})
    return found


@given(st.integers(1, PLACES_MAX), st.integers(0, 65535), st.integers(0, 99))
def test_a_blend_comes_back_from_its_frame(count: int, seed: int, dice: int) -> None:
    blend = blended(ME, seed, envelopes(count, dice))
    frame = encode_blend(blend, LINK)
    assert decode_blend(frame, LINK) == blend
    assert len(frame) == blend_frame_bytes(blend.places, len(blend.data) - 1) <= FRAME_BYTES_MAX


@given(st.binary(max_size=240))
def test_noise_is_no_blend(noise: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_blend(noise, LINK)


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    frame = bytearray(encode_blend(blended(ME, 7, envelopes(4)), LINK))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecodeError):
        decode_blend(bytes(frame), LINK)


@pytest.mark.parametrize(
    ("blend", "code"),
    [
        (Blend(NodeIndex(255), 1, (Portion(3, (Span(1, 2),)),), bytes(100)), "field"),
        (Blend(ME, 1, (Portion(3, (Span(1, 33),)),), bytes(100)), "limit"),
        (Blend(ME, 1, (), bytes(100)), "limit"),
        (Blend(ME, 1, (Portion(3, (Span(1, 2**28 - 1),)),), bytes(100)), "limit"),
        (Blend(ME, 1, (Portion(3, (Span(1, 2),)), Portion(3, (Span(4, 5),))), bytes(100)), "order"),
        (Blend(ME, 1, (Portion(3, (Span(1, 2),)),), bytes(94)), "size"),
    ],
)
def test_blends_that_members_got_wrong(blend: Blend, code: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_blend(encode_blend(blend, LINK), LINK)
    assert refusal.value.code == code


def test_another_community_s_blend_is_none() -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_blend(encode_blend(blended(ME, 7, envelopes(4)), LinkKeys(b"t" * 16, LINK.keys)), LINK)
    assert refusal.value.code == "mac"


def test_places_of_several_logs_are_portions() -> None:
    places = [Place(3, 4), Place(1, 9), Place(3, 5)]
    assert portions_of(places) == (Portion(1, (Span(9, 9),)), Portion(3, (Span(4, 5),)))
    assert Blend(ME, 1, portions_of(places), b"").places == sorted(places)


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
    assert set(found) == {Place(3, 2), Place(3, 3)}


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
