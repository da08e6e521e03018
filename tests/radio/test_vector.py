"""Node-log vectors: 30 nodes in a frame, slices beyond, nothing impossible decodes, and differences that add up."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.control import BODY_BYTES_MAX
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import Portion, Span, minus, normal
from app.radio.vector import (
    HELD_MAX,
    NodeLog,
    Vector,
    checksum,
    decode_vector,
    difference,
    encode_vector,
    following,
    slice_vector,
)
from tests.radio.test_span import members_of, spans_of


@st.composite
def node_logs(draw: st.DrawFn, index: int = 0, runs: int = HELD_MAX) -> NodeLog:
    contiguous = draw(st.integers(0, 300))
    above = draw(st.sets(st.integers(contiguous + 2, contiguous + 60), max_size=20))
    held = spans_of(above)[:runs]
    check = draw(st.none() | st.integers(0, 65535)) if contiguous else None
    return NodeLog(index, contiguous, check, held)


@st.composite
def vectors(draw: st.DrawFn) -> Vector:
    first = draw(st.integers(0, 250))
    last = draw(st.integers(first, 254))
    indices = sorted(draw(st.sets(st.integers(first, last), max_size=20)))
    logs = [draw(node_logs(index=index)) for index in indices]
    return Vector(first, last, tuple(log for log in logs if log.contiguous or log.held))


@given(vectors())
def test_a_vector_comes_back_from_its_bytes(vector: Vector) -> None:
    assert decode_vector(encode_vector(vector)) == vector


@given(st.binary(max_size=211))
def test_any_bytes_are_a_vector_or_an_error(data: bytes) -> None:
    try:
        vector = decode_vector(data)
    except DecodeError:
        return
    assert encode_vector(vector) == data
    assert all(log.highest <= LOG_NUMBER_MAX and len(log.held) <= HELD_MAX for log in vector.logs)


@given(vectors(), st.data())
def test_a_vector_with_a_changed_byte_is_another_or_none(vector: Vector, data: st.DataObject) -> None:
    encoded = bytearray(encode_vector(vector))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(DecodeError):
        assert decode_vector(bytes(encoded)) != vector


def test_thirty_nodes_with_gaps_fit_a_frame() -> None:
    rng = random.Random(1)
    logs = []
    for index in range(30):
        contiguous = rng.randint(1000, 4000)
        held = (Span(contiguous + 3, contiguous + 9),) if index % 6 == 0 else ()
        logs.append(NodeLog(index, contiguous, rng.randrange(65536), held))
    assert len(encode_vector(slice_vector(logs, 0, BODY_BYTES_MAX))) <= BODY_BYTES_MAX
    assert slice_vector(logs, 17, BODY_BYTES_MAX) == Vector(0, 254, tuple(logs))
    plain = [NodeLog(index, 300_000, 1) for index in range(30)]
    assert len(encode_vector(Vector(0, 254, tuple(plain)))) == 2 + 30 * 6


def test_slices_take_turns_and_cover_everything() -> None:
    logs = [NodeLog(index, 5000 + index, index) for index in range(0, 240, 2)]
    start = 0
    seen: list[NodeLog] = []
    covered: list[int] = []
    for _ in range(10):
        vector = slice_vector(logs, start, BODY_BYTES_MAX)
        assert len(encode_vector(vector)) <= BODY_BYTES_MAX
        seen += vector.logs
        covered += range(vector.first, vector.last + 1)
        start = following(vector)
        if start == 0:
            break
    assert seen == logs
    assert covered == list(range(255))


def test_empty_logs_are_not_named() -> None:
    assert slice_vector([NodeLog(3, 0, None)], 0, BODY_BYTES_MAX) == Vector(0, 254, ())


def test_more_runs_than_fit_are_left_out() -> None:
    held = tuple(Span(number, number) for number in range(10, 100, 3))
    (log,) = slice_vector([NodeLog(3, 1, 7, held)], 0, BODY_BYTES_MAX).logs
    assert log.held == held[:HELD_MAX]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("00", "truncated"),
        ("0504", "cover"),
        ("00ff", "cover"),
        ("00fe05", "truncated"),
        ("00fe0504 0504", "order"),
        ("00fe06040504", "order"),
        ("050a0404", "order"),
        ("00fe0500", "empty"),
        ("00fe05011234", "empty"),
        ("00fe0505ab", "truncated"),
        ("00fe0506", "truncated"),
        ("00fe050600", "run"),
        ("00fe050609", "run"),
        ("00fe0506010001", "run"),
        ("00fe0506010100", "run"),
        ("00fe05840005", "varint"),
        ("00fe05fcffffffff0f", "varint"),
        ("00fe05feffffff0f01 0101", "number"),
    ],
)
def test_vectors_that_are_none(data: str, code: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_vector(bytes.fromhex(data))
    assert refusal.value.code == code


def test_four_billion_entries_are_refused() -> None:
    head = (2**32) << 2
    encoded = bytearray()
    while head > 0x7F:
        encoded.append(head & 0x7F | 0x80)
        head >>= 7
    with pytest.raises(DecodeError):
        decode_vector(bytes([0, 254, 5, *encoded, head]))
    assert (
        decode_vector(encode_vector(Vector(0, 254, (NodeLog(5, LOG_NUMBER_MAX, None),)))).logs[0].highest == 2**28 - 1
    )


@given(node_logs(), node_logs())
def test_wants_and_offers_are_what_is_missing_on_each_side(mine: NodeLog, theirs: NodeLog) -> None:
    vector = Vector(0, 254, (theirs,) if theirs.contiguous or theirs.held else ())
    found = difference([mine], vector)
    my_numbers, their_numbers = members_of(mine.known), members_of(theirs.known)
    assert {number for portion in found.wants for number in members_of(portion.spans)} == their_numbers - my_numbers
    offered = {number for portion in found.offers for number in members_of(portion.spans)}
    surely = my_numbers - their_numbers
    if len(theirs.held) == HELD_MAX:
        surely = {number for number in surely if number <= theirs.highest}
    assert offered == surely


@given(node_logs(), node_logs())
def test_what_one_wants_the_other_offers(one: NodeLog, other: NodeLog) -> None:
    one = NodeLog(0, one.contiguous, None, one.held[: HELD_MAX - 1])
    other = NodeLog(0, other.contiguous, None, other.held[: HELD_MAX - 1])
    forth = difference([one], Vector(0, 254, (other,)))
    back = difference([other], Vector(0, 254, (one,)))
    assert forth.wants == back.offers
    assert forth.offers == back.wants


def test_a_slice_says_nothing_of_what_it_does_not_cover() -> None:
    mine = [NodeLog(1, 4, None), NodeLog(9, 4, None), NodeLog(12, 4, None)]
    found = difference(mine, Vector(5, 10, (NodeLog(6, 2, None),)))
    assert found.wants == (Portion(6, (Span(1, 2),)),)
    assert found.offers == (Portion(9, (Span(1, 4),)),)


def test_the_greatest_claim_is_one_span() -> None:
    found = difference([NodeLog(3, 10, None)], Vector(0, 254, (NodeLog(3, LOG_NUMBER_MAX, None),)))
    assert found.wants == (Portion(3, (Span(11, LOG_NUMBER_MAX),)),)


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=20), st.randoms())
def test_the_checksum_knows_no_order_and_adds_up(ids: list[bytes], rng: random.Random) -> None:
    shuffled = rng.sample(ids, len(ids))
    assert checksum(shuffled) == checksum(ids)
    assert (checksum(ids[:5]) + checksum(ids[5:])) % 65536 == checksum(ids)


def test_known_numbers_join_where_they_touch() -> None:
    assert NodeLog(0, 4, None, (Span(6, 8),)).known == (Span(1, 4), Span(6, 8))
    assert minus(normal([Span(1, 9)]), NodeLog(0, 0, None).known) == (Span(1, 9),)
