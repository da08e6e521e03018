"""Blends: any k of them give k envelopes, whichever are lacking; damage and lies end in an empty box."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.blend import (
    PLACES_MAX,
    Blend,
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


def near(_: int) -> int:
    """How far every log goes at who hears it."""
    return 16


def envelopes(count: int, seed: int = 1, index: int = 3, longest: int = 206) -> dict[Place, bytes]:
    rng = random.Random(seed)
    return {Place(index, number): rng.randbytes(rng.randint(94, longest)) for number in range(1, count + 1)}


@given(st.integers(1, PLACES_MAX), st.integers(0, 65535), st.integers(0, 99))
def test_a_blend_comes_back_from_its_frame(count: int, seed: int, dice: int) -> None:
    blend = blended(ME, seed, envelopes(count, dice))
    frame = encode_blend(blend, LINK)
    assert decode_blend(frame, LINK, near) == blend
    assert len(frame) == blend_frame_bytes(blend.places, len(blend.data) - 1) <= FRAME_BYTES_MAX


@given(st.binary(max_size=240))
def test_noise_is_no_blend(noise: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_blend(noise, LINK, near)


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    frame = bytearray(encode_blend(blended(ME, 7, envelopes(4)), LINK))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecodeError):
        decode_blend(bytes(frame), LINK, near)


@pytest.mark.parametrize(
    ("blend", "code"),
    [
        (Blend(NodeIndex(255), 1, (Portion(3, (Span(1, 2),)),), bytes(100)), "field"),
        (Blend(ME, 1, (Portion(3, (Span(1, 17),)), Portion(4, (Span(1, 16),))), bytes(100)), "limit"),
        (Blend(ME, 1, (), bytes(100)), "limit"),
        (Blend(ME, 1, (Portion(3, (Span(1, 33),)),), bytes(100)), "number"),
        (Blend(ME, 1, (Portion(3, (Span(1, 2),)),), bytes(94)), "size"),
    ],
)
def test_blends_that_members_got_wrong(blend: Blend, code: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_blend(encode_blend(blend, LINK), LINK, near)
    assert refusal.value.code == code


def test_who_is_far_behind_cannot_read_it_and_who_is_near_can() -> None:
    some = {Place(3, number): bytes([number % 256]) * 120 for number in range(1001, 1021)}
    frame = encode_blend(blended(ME, 7, some), LINK)
    for highest in (1004, 1020, 1035):
        assert decode_blend(frame, LINK, lambda _, highest=highest: highest).places == sorted(some)  # type: ignore[misc]
    with pytest.raises(DecodeError):
        decode_blend(frame, LINK, lambda _: 1003)


def test_another_community_s_blend_is_none() -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_blend(encode_blend(blended(ME, 7, envelopes(4)), LinkKeys(b"t" * 16, LINK.keys)), LINK, near)
    assert refusal.value.code == "mac"


def test_places_of_several_logs_are_portions() -> None:
    places = [Place(3, 4), Place(1, 9), Place(3, 5)]
    assert portions_of(places) == (Portion(1, (Span(9, 9),)), Portion(3, (Span(4, 5),)))
    assert Blend(ME, 1, portions_of(places), b"").places == sorted(places)
