"""Announcing: soon when somebody lacks something, once for all that is new, and spared by who told as much."""

from app.radio.announcing import (
    GAPPED_NEWS_MS,
    HOLD_MS,
    MENDED_DELAY_MS,
    NEWS_MAX_MS,
    NEWS_MS,
    OWN_NEWS_MS,
    TRICKLE,
    Announcing,
)
from app.radio.control import HOUR_MS
from app.radio.neighbors import Neighbor
from app.radio.vector import NodeLog, Vector
from tests.radio.repair_mesh import entry
from tests.radio.repair_parts import ME, claim, means

NEW = entry(3, 7)
LOGS = [NodeLog(3, 7, 1)]
SAME = Vector(0, 254, tuple(LOGS))
LATE_MS = 10 * HOUR_MS


def settled(purse_ms: float = 1e6) -> Announcing:
    """One that has been at its longest interval for hours, and begins a new one at about LATE_MS."""
    announcing = Announcing(means(purse_ms=purse_ms), TRICKLE)
    announcing.start(0)
    spoken(announcing, 0, LATE_MS)
    return announcing


def spoken(announcing: Announcing, start_ms: int, end_ms: int) -> list[int]:
    times: list[int] = []
    now_ms = start_ms
    while now_ms < end_ms:
        if announcing.poll(now_ms):
            announcing.vector(LOGS)
            times.append(now_ms)
        deadline_ms = announcing.deadline_ms()
        assert deadline_ms is not None
        now_ms = max(deadline_ms, now_ms + 1)
    return times


def test_a_vector_stays_due_until_it_is_taken_or_spared() -> None:
    announcing = Announcing(means(), TRICKLE)
    announcing.start(0)
    due_ms = announcing.deadline_ms()
    assert due_ms is not None
    assert announcing.poll(due_ms)
    assert announcing.poll(due_ms + 1)
    assert announcing.deadline_ms() == 0
    announcing.hear_as_much(5, SAME)
    assert not announcing.poll(due_ms + 2)


def test_who_lacks_something_is_told_within_the_shortest_interval() -> None:
    announcing = settled()
    announcing.hear_less(5, Neighbor(LATE_MS), LATE_MS)
    (first, *_) = spoken(announcing, LATE_MS, LATE_MS + TRICKLE.interval_min_ms)
    assert first >= LATE_MS + TRICKLE.interval_min_ms // 2


def test_an_empty_purse_tells_nobody() -> None:
    announcing = settled(purse_ms=10.0)
    announcing.hear_less(5, Neighbor(LATE_MS), LATE_MS)
    assert len(spoken(announcing, LATE_MS, LATE_MS + 2 * TRICKLE.interval_min_ms)) <= 1


def test_news_is_told_once_for_all_and_not_later_for_more() -> None:
    announcing = settled()
    for second in range(60):
        announcing.stored(NEW, LATE_MS + 1000 * second, asked=False)
    times = spoken(announcing, LATE_MS + 60_000, LATE_MS + 60_000 + NEWS_MS[1])
    assert 1 <= len(times) <= 2


def test_who_has_most_tells_first() -> None:
    own, heard, gapped = (settled() for _ in range(3))
    gapped._means.log.append(entry(4, 9))
    own.stored(entry(ME, 1), LATE_MS, asked=False)
    heard.stored(NEW, LATE_MS, asked=False)
    gapped.stored(NEW, LATE_MS, asked=False)
    for announcing, least_ms, most_ms in ((own, *OWN_NEWS_MS), (heard, *NEWS_MS), (gapped, *GAPPED_NEWS_MS)):
        deadline_ms = announcing.deadline_ms()
        assert deadline_ms is not None
        assert LATE_MS + least_ms <= deadline_ms <= LATE_MS + most_ms


def test_who_waits_for_answers_lets_others_speak_for_a_while() -> None:
    announcing = Announcing(means(), TRICKLE)
    announcing.start(0)
    due_ms = announcing.deadline_ms()
    assert due_ms is not None
    assert not announcing.poll(due_ms, waits=True)
    assert announcing.poll(due_ms + 1, waits=False)
    assert not announcing.poll(due_ms + 2, waits=True)
    assert announcing.poll(due_ms + HOLD_MS, waits=True)


def test_one_neighbor_spares_news_that_flooded_and_two_what_was_mended() -> None:
    flooded, mended = settled(), settled()
    flooded.stored(NEW, LATE_MS, asked=False)
    mended.stored(NEW, LATE_MS, asked=True)
    flooded_ms, mended_ms = flooded.deadline_ms(), mended.deadline_ms()
    assert flooded_ms is not None
    assert mended_ms is not None
    flooded.hear_as_much(5, SAME)
    mended.hear_as_much(5, SAME)
    mended.hear_as_much(5, SAME)
    assert mended.deadline_ms() == mended_ms <= LATE_MS + MENDED_DELAY_MS[1]
    mended.hear_as_much(6, SAME)
    for announcing, due_ms in ((flooded, flooded_ms), (mended, mended_ms)):
        assert not announcing.poll(due_ms)


def test_what_was_mended_waits_for_the_rest_but_not_for_ever() -> None:
    announcing = settled()
    now_ms = LATE_MS
    while now_ms < LATE_MS + 2 * NEWS_MAX_MS and not announcing.poll(now_ms):
        announcing.stored(NEW, now_ms, asked=True)
        now_ms += 10_000
    assert now_ms <= LATE_MS + NEWS_MAX_MS + 10_000


def test_what_was_mended_is_told_again_soon_in_case_it_was_lost() -> None:
    announcing = settled()
    announcing.stored(NEW, LATE_MS, asked=True)
    times = spoken(announcing, LATE_MS, LATE_MS + MENDED_DELAY_MS[1] + 4 * TRICKLE.interval_min_ms)
    assert len(times) >= 2


def test_slices_take_turns_also_with_what_neighbors_tell() -> None:
    announcing = Announcing(means(), TRICKLE)
    logs = [NodeLog(index, 1000, 7) for index in range(100)]
    first = announcing.vector(logs)
    second = announcing.vector(logs)
    assert second.first == first.last + 1
    announcing.hear_as_much(5, Vector(0, 49, ()))
    assert announcing.vector(logs).first == 50
    announcing.hear_as_much(5, claim())
    assert announcing.vector(logs).first == 0
