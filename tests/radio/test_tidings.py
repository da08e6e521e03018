"""Tidings: a few bytes a place, true to the byte, and nothing else gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.frame import COUNTER_MAX, FRAME_BYTES_MAX, LOG_NUMBER_MAX, LinkKeys, NodeIndex, is_tidings
from app.radio.span import Portion, Span
from app.radio.tidings import PLACES_MAX, Tidings, Told, decode_tidings, encode_tidings, tidings_bytes
from tests.radio.repair_mesh import LINK

PLACES = st.sets(
    st.builds(Told, st.integers(0, 254), st.integers(1, LOG_NUMBER_MAX), st.integers(0, 255)),
    min_size=1,
    max_size=PLACES_MAX,
).map(lambda places: tuple(sorted(places)))


@given(st.integers(0, 254), st.integers(0, COUNTER_MAX), PLACES)
def test_tidings_come_back_from_their_frame(sender: int, counter: int, places: tuple[Told, ...]) -> None:
    tidings = Tidings(NodeIndex(sender), counter, places)
    frame = encode_tidings(tidings, LINK)
    assert is_tidings(frame)
    assert decode_tidings(frame, LINK) == tidings
    assert len(frame) == tidings_bytes(places) <= FRAME_BYTES_MAX


@given(st.binary(max_size=240))
def test_noise_is_no_tidings(noise: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_tidings(noise, LINK)


@given(PLACES, st.data())
def test_any_changed_byte_is_noticed(places: tuple[Told, ...], data: st.DataObject) -> None:
    frame = bytearray(encode_tidings(Tidings(NodeIndex(5), 7, places), LINK))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecodeError):
        decode_tidings(bytes(frame), LINK)


@pytest.mark.parametrize(
    ("sender", "places", "code"),
    [
        (255, (Told(1, 1, 0),), "field"),
        (5, (Told(255, 1, 0),), "field"),
        (5, (Told(1, 0, 0),), "field"),
        (5, (Told(2, 1, 0), Told(1, 1, 0)), "order"),
        (5, (Told(1, 1, 0), Told(1, 1, 0)), "order"),
        (5, tuple(Told(1, number, 0) for number in range(1, PLACES_MAX + 2)), "limit"),
        (5, (), "size"),
    ],
)
def test_tidings_that_members_got_wrong(sender: int, places: tuple[Told, ...], code: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_tidings(encode_tidings(Tidings(NodeIndex(sender), 1, places), LINK), LINK)
    assert refusal.value.code == code


def test_another_community_s_tidings_are_none() -> None:
    frame = encode_tidings(Tidings(NodeIndex(5), 1, (Told(1, 1, 0),)), LinkKeys(b"t" * 16, LINK.keys))
    with pytest.raises(DecodeError) as refusal:
        decode_tidings(frame, LINK)
    assert refusal.value.code == "mac"


def test_three_places_take_23_bytes() -> None:
    places = (Told(1, 9, 7), Told(1, 10, 8), Told(4, 2, 9))
    assert tidings_bytes(places) == 23
    assert Tidings(NodeIndex(5), 1, places).portions == (Portion(1, (Span(9, 10),)), Portion(4, (Span(2, 2),)))
