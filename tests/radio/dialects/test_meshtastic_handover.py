"""A packet in the radio's hands: every way it can go."""

from hypothesis import given
from hypothesis import strategies as st

from app.radio.dialects.meshtastic_handover import (
    ANSWER_MS,
    QUEUE_MS,
    QUIET_ALLOWANCE_MS,
    SENDING_ALLOWANCE_MS,
    Handover,
    Step,
)
from app.radio.dialects.meshtastic_messages import QueueStatus

ID, AIRTIME_MS = 9, 700


def status(free: int, packet_id: int = 0) -> QueueStatus:
    return QueueStatus(0, free, 16, packet_id)


def taken(at_ms: int = 10) -> Handover:
    handover = Handover(ID, AIRTIME_MS, 0)
    handover.take(status(15, ID), at_ms)
    return handover


def test_queued_asked_for_gone_and_over() -> None:
    handover = taken()
    assert handover.poll(20, answers=True) is Step.WAIT
    assert handover.deadline_ms(answers=True) == 10 + QUEUE_MS
    assert handover.poll(10 + QUEUE_MS, answers=True) is Step.ASK
    assert handover.poll(10 + QUEUE_MS, answers=True) is Step.WAIT
    handover.take(status(15), 1_100)
    handover.take(status(16), 2_100)
    assert handover.deadline_ms(answers=True) == 2_100 + AIRTIME_MS
    assert handover.poll(2_100 + AIRTIME_MS - 1, answers=True) is Step.WAIT
    assert handover.poll(2_100 + AIRTIME_MS, answers=True) is Step.SENT


def test_an_empty_queue_before_the_packet_was_taken_means_nothing() -> None:
    handover = Handover(ID, AIRTIME_MS, 0)
    handover.take(status(16), 5)
    assert handover.poll(AIRTIME_MS + 10, answers=True) is Step.WAIT
    assert handover.poll(ANSWER_MS, answers=True) is Step.UNANSWERED


def test_a_radio_that_is_silent_about_its_queue() -> None:
    handover = taken()
    assert handover.poll(10 + AIRTIME_MS + QUIET_ALLOWANCE_MS, answers=False) is Step.SENT


def test_a_full_queue_that_never_moves() -> None:
    assert taken().poll(AIRTIME_MS + SENDING_ALLOWANCE_MS, answers=True) is Step.STUCK


@given(
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 16), st.sampled_from([0, ID, 5])), max_size=40),
    st.booleans(),
)
def test_it_always_comes_to_an_end_at_its_deadlines(news: list[tuple[int, int, int]], answers: bool) -> None:
    handover = Handover(ID, AIRTIME_MS, 0)
    now_ms = 0
    for wait_ms, free, packet_id in news:
        now_ms += wait_ms
        handover.take(status(free, packet_id), now_ms)
        if handover.poll(now_ms, answers=answers) not in (Step.WAIT, Step.ASK):
            return
    for _ in range(200):
        deadline_ms = handover.deadline_ms(answers=answers)
        now_ms = max(now_ms, deadline_ms)
        if handover.poll(now_ms, answers=answers) not in (Step.WAIT, Step.ASK):
            return
    raise AssertionError("it never ends")
