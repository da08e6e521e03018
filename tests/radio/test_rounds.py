"""Rounds: a few together, the neediest first, all of it in a lull or when it is old."""

from app.radio.blend import Place
from app.radio.rounds import AGE_MAX_MS, GAP_MS, LULL_MS, SLOT_MS, SLOTS, SPREAD_MS, Rounds
from tests.radio.repair_parts import means

START_MS = 3_600_000
SLOT_MAX_MS = SLOT_MS * SLOTS + SPREAD_MS


def lacking(count: int, need: int) -> Rounds:
    rounds = Rounds(means())
    rounds.hear_new(START_MS)
    rounds.update([Place(3, number) for number in range(1, count + 1)], need, START_MS)
    return rounds


def asked(rounds: Rounds, end_ms: int) -> list[tuple[int, int]]:
    """When it asks, and for how many blends."""
    found: list[tuple[int, int]] = []
    now_ms = START_MS
    while (due_ms := rounds.deadline_ms()) is not None and max(now_ms, due_ms) < end_ms:
        now_ms = max(now_ms, due_ms)
        enough = rounds.poll(now_ms)
        if enough:
            found.append((now_ms, enough))
    return found


def test_one_that_is_lacking_waits_for_more_or_for_a_lull() -> None:
    ((first_ms, enough), *_) = asked(lacking(1, 1), START_MS + LULL_MS + SLOT_MAX_MS + 1)
    assert START_MS + LULL_MS <= first_ms <= START_MS + LULL_MS + SLOT_MAX_MS
    assert enough == 1


def test_a_few_are_asked_for_at_once_and_some_are_left_to_the_next_round() -> None:
    ((first_ms, enough), *_) = asked(lacking(5, 5), START_MS + SLOT_MAX_MS + 1)
    assert first_ms <= START_MS + SLOT_MAX_MS
    assert enough == 3


def test_who_lacks_most_asks_first() -> None:
    much, little = (asked(lacking(need, need), START_MS + SLOT_MAX_MS + 1)[0][0] for need in (8, 3))
    assert much < little


def test_what_is_old_is_asked_for_though_more_keeps_coming() -> None:
    rounds = lacking(2, 2)
    now_ms = START_MS
    while True:
        now_ms += 1000
        rounds.hear_new(now_ms)
        enough = rounds.poll(now_ms)
        if enough:
            break
    assert START_MS + AGE_MAX_MS <= now_ms <= START_MS + AGE_MAX_MS + SLOT_MAX_MS + 2000
    assert enough == 2


def test_another_s_round_is_waited_for() -> None:
    rounds = lacking(5, 5)
    rounds.hear_round(START_MS + 1)
    assert rounds.deadline_ms() == START_MS + 1 + GAP_MS


def test_when_nothing_is_lacking_any_more_nothing_is_asked() -> None:
    rounds = lacking(5, 5)
    rounds.poll(START_MS)
    rounds.update([], 0, START_MS + 1)
    assert rounds.deadline_ms() is None
    assert rounds.poll(START_MS + AGE_MAX_MS) == 0
