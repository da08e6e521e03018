"""Control frames: sealed for members, heard once, counted across restarts, and paid for per neighbor."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.control import (
    BODY_BYTES_MAX,
    COUNTER_LEAP_MAX,
    COUNTERS_LOW,
    HOUR_MS,
    KINDS,
    OVERHEAD_BYTES,
    ControlFrame,
    HeardCounters,
    Kind,
    Message,
    NeighborPurses,
    OwnCounters,
    Sketch,
    Wants,
    control_frame_bytes,
    open_control,
    seal_control,
)
from app.radio.frame import COUNTER_MAX, FRAME_BYTES_MAX, LinkKeys, NodeIndex
from app.radio.iblt import symbols_of
from app.radio.request import Request
from app.radio.span import Portion, Span
from app.radio.vector import NodeLog, Vector, encode_vector
from tests.radio.test_iblt import symbol_frames
from tests.radio.test_request import compares, gones, requests, wanteds
from tests.radio.test_vector import vectors
from tests.radio.test_want import wants

OURS = LinkKeys(b"s" * 16, (b"k" * 32, b"j" * 32))
LAST_MONTH = LinkKeys(b"s" * 16, (b"j" * 32,))
LONG_AGO = LinkKeys(b"s" * 16, (b"i" * 32,))
ELSEWHERE = LinkKeys(b"t" * 16, (b"k" * 32,))
SAID = Vector(0, 254, (NodeLog(3, 7, 99),))

sketches = st.builds(Sketch, st.integers(0, 254), st.integers(1, 2**28 - 1), symbol_frames)
wants_messages = st.builds(Wants, st.lists(wants, min_size=1, max_size=23).map(tuple))
messages = (vectors() | requests | gones | compares | sketches | wanteds | wants_messages).filter(
    lambda message: control_frame_bytes(message) <= FRAME_BYTES_MAX
)


@given(messages, st.integers(0, 254), st.integers(0, COUNTER_MAX))
def test_every_message_comes_back_from_its_frame(message: Message, sender: int, counter: int) -> None:
    frame = ControlFrame(NodeIndex(sender), counter, message)
    sealed = seal_control(frame, OURS)
    assert open_control(sealed, OURS) == frame
    assert len(sealed) == control_frame_bytes(message)


def test_the_cost_of_a_frame_is_23_bytes() -> None:
    assert control_frame_bytes(SAID) == OVERHEAD_BYTES + len(encode_vector(SAID)) == 23 + 6
    assert FRAME_BYTES_MAX - BODY_BYTES_MAX == 23


def test_a_full_frame_of_symbols_fits() -> None:
    sketch = Sketch(254, 2**28 - 1, symbols_of(range(50), 65535, 64))
    assert len(seal_control(ControlFrame(NodeIndex(1), 1, sketch), OURS)) <= FRAME_BYTES_MAX


def test_every_kind_has_a_message() -> None:
    assert set(KINDS.values()) == set(Kind)


@given(messages, st.data())
def test_any_changed_byte_is_noticed(message: Message, data: st.DataObject) -> None:
    sealed = bytearray(seal_control(ControlFrame(NodeIndex(3), 9, message), OURS))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecodeError):
        open_control(bytes(sealed), OURS)


@given(st.binary(max_size=260))
def test_noise_is_never_a_control_frame(noise: bytes) -> None:
    with pytest.raises(DecodeError):
        open_control(noise, OURS)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data[:22], "size"),
        (lambda data: data + bytes(220), "size"),
        (lambda data: bytes([0x24]) + data[1:], "version"),
        (lambda data: bytes([0x10]) + data[1:], "type"),
        (lambda data: data[:1] + b"\xff" + data[2:], "field"),
        (lambda data: data[:-1] + b"\0", "tag"),
    ],
)
def test_frames_that_are_none(change: Callable[[bytes], bytes], code: str) -> None:
    sealed = seal_control(ControlFrame(NodeIndex(3), 9, SAID), OURS)
    with pytest.raises(DecodeError) as refusal:
        open_control(change(sealed), OURS)
    assert refusal.value.code == code


def test_the_last_epoch_is_heard_and_older_ones_are_not() -> None:
    frame = ControlFrame(NodeIndex(3), 9, SAID)
    assert open_control(seal_control(frame, LAST_MONTH), OURS) == frame
    for other in (LONG_AGO, ELSEWHERE):
        with pytest.raises(DecodeError) as refusal:
            open_control(seal_control(frame, other), OURS)
        assert refusal.value.code == "tag"


def test_what_is_said_does_not_show_outside() -> None:
    sealed = seal_control(ControlFrame(NodeIndex(3), 9, SAID), OURS)
    assert encode_vector(SAID) not in sealed
    assert seal_control(ControlFrame(NodeIndex(3), 10, SAID), OURS)[6:] != sealed[6:]


def test_a_member_that_says_nonsense_is_an_error_like_any_other() -> None:
    request = Request(1, (Portion(2, (Span(1, 4096),)),))
    sealed = seal_control(ControlFrame(NodeIndex(3), 9, request), OURS)
    assert open_control(sealed, OURS).message == request
    too_much = Request(1, (Portion(2, (Span(1, 4097),)),))
    with pytest.raises(DecodeError) as refusal:
        open_control(seal_control(ControlFrame(NodeIndex(3), 9, too_much), OURS), OURS)
    assert refusal.value.code == "limit"


def test_own_counters_come_in_blocks_and_never_twice() -> None:
    own = OwnCounters()
    assert own.is_empty
    assert own.needs_more()
    assert not own.needs_more()
    own.grant(5, 64)
    taken = [own.take() for _ in range(64 - COUNTERS_LOW)]
    assert not own.needs_more()
    taken.append(own.take())
    assert own.needs_more()
    own.grant(69, 64)
    taken.append(own.take())
    assert taken == sorted(set(taken))
    assert taken[-1] == 69


def test_counters_end_where_their_field_does() -> None:
    own = OwnCounters()
    own.grant(COUNTER_MAX - 1, 64)
    assert [own.take(), own.take()] == [COUNTER_MAX - 1, COUNTER_MAX]
    assert own.is_empty


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), max_size=80))
def test_a_frame_is_heard_once_and_in_order(heard: list[tuple[int, int]]) -> None:
    counters = HeardCounters({})
    admitted: dict[int, list[int]] = {}
    for sender, counter in heard:
        if counters.admit(sender, counter) is None:
            admitted.setdefault(sender, []).append(counter)
    for counts in admitted.values():
        assert counts == sorted(set(counts))
    assert counters.snapshot() == {sender: counts[-1] for sender, counts in admitted.items()}


def test_replays_are_stale_after_a_restart_too() -> None:
    before = HeardCounters({})
    assert before.admit(3, 500) is None
    after = HeardCounters(before.snapshot())
    assert after.admit(3, 500) == "stale"
    assert after.admit(3, 12) == "stale"
    assert after.admit(3, 501) is None


def test_one_forged_frame_cannot_use_up_a_senders_counters() -> None:
    counters = HeardCounters({3: 10})
    assert counters.admit(3, COUNTER_MAX) == "leap"
    assert counters.admit(3, 10 + COUNTER_LEAP_MAX) is None
    assert counters.admit(3, 12) == "stale"


def test_a_purse_empties_and_fills_within_the_hour() -> None:
    purses = NeighborPurses(3600.0)
    assert purses.spend(1, 3000, 0)
    assert not purses.spend(1, 601, 0)
    assert purses.spend(1, 600, 0)
    assert purses.ready_at_ms(1, 100, 0) == 100_001
    assert purses.spend(1, 100, 100_001)
    assert purses.left_ms(1, 10 * HOUR_MS) == 3600
    assert purses.left_ms(2, 0) == 3600


@given(st.lists(st.tuples(st.integers(0, 600_000), st.integers(1, 3000)), max_size=60))
def test_no_hour_costs_more_than_twice_the_purse(spendings: list[tuple[int, int]]) -> None:
    purses = NeighborPurses(5000.0)
    now_ms = 0
    spent: list[tuple[int, int]] = []
    for wait_ms, airtime_ms in spendings:
        now_ms += wait_ms
        if purses.spend(7, airtime_ms, now_ms):
            spent.append((now_ms, airtime_ms))
    for start_ms, _ in spent:
        assert sum(ms for at_ms, ms in spent if start_ms <= at_ms < start_ms + HOUR_MS) <= 10_000
