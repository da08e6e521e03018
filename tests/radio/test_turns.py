"""Turns: as many blends as are wanted, from whoever has the envelopes; others' count; purses pay; rounds end."""

from app.radio.blend import Place
from app.radio.means import Means, SendBlend
from app.radio.recipe import Recipe
from app.radio.turns import FIRST_MS, LACKING_MAX, LACKING_MS, ROUND_MAX_MS, TURN_MS, Turns
from tests.radio.repair_mesh import entry
from tests.radio.repair_parts import means

FEW = 2
WANTED = tuple(entry(3, number) for number in (4, 9, 12))


def turns_of(mine: Means) -> Turns:
    return Turns(mine, Recipe(mine))


def sent(turns: Turns, end_ms: int) -> list[SendBlend]:
    found: list[SendBlend] = []
    while (due_ms := turns.deadline_ms()) is not None and due_ms <= end_ms:
        output = turns.poll(due_ms)
        found += [output] if output else []
    return found


def test_one_alone_sends_as_many_as_are_wanted() -> None:
    turns = turns_of(means((3, range(1, 18))))
    turns.join(5, 2, WANTED, 0, FEW, 0)
    assert turns.serves(5)
    outputs = sent(turns, ROUND_MAX_MS)
    assert len(outputs) == 2
    assert {known.number for known in outputs[0].entries} >= {4, 9, 12}
    assert outputs[0].seed != outputs[1].seed
    assert not turns.serves(5)


def test_what_others_send_need_not_be_sent() -> None:
    turns = turns_of(means((3, range(1, 18))))
    turns.join(5, 2, WANTED, 0, FEW, 0)
    every = [Place(3, number) for number in range(1, 18)]
    turns.hear(every)
    assert turns.serves(5)
    turns.hear(every)
    assert sent(turns, ROUND_MAX_MS) == []


def test_blends_that_lack_what_we_have_do_not_count_for_it() -> None:
    turns = turns_of(means((3, range(1, 18))))
    turns.join(5, 3, WANTED, 0, FEW, 0)
    for _ in range(3):
        turns.hear([Place(3, 4), Place(3, 9)])
    assert len(sent(turns, ROUND_MAX_MS)) == 1


def test_where_much_is_lost_fewer_are_counted_as_enough() -> None:
    turns = turns_of(means((3, range(1, 18)), lossy=True))
    turns.join(5, 2, WANTED, 0, FEW, 0)
    turns.hear([Place(3, number) for number in (4, 9, 12)])
    assert sent(turns, ROUND_MAX_MS) == []


def test_who_lacks_some_of_it_goes_later() -> None:
    turns = turns_of(means((3, range(1, 18))))
    turns.join(5, 1, WANTED, 9, FEW, 0)
    due_ms = turns.deadline_ms()
    assert due_ms is not None
    assert due_ms >= FIRST_MS + LACKING_MS * LACKING_MAX


def test_in_a_large_crowd_only_some_answer() -> None:
    answering = 0
    for seed in range(100):
        turns = turns_of(means((3, range(1, 18)), seed=seed))
        turns.join(5, 1, WANTED, 0, 30, 0)
        answering += turns.serves(5)
    assert 2 <= answering <= 25


def test_an_empty_purse_ends_it() -> None:
    mine = means((3, range(1, 18)), purse_ms=1500.0)
    turns = turns_of(mine)
    turns.join(5, 3, WANTED, 0, FEW, 0)
    assert len(sent(turns, ROUND_MAX_MS)) == 1
    assert mine.tally["capped"] == 1


def test_a_round_that_is_long_over_is_forgotten() -> None:
    turns = turns_of(means((3, range(1, 18))))
    turns.join(5, 3, WANTED, 0, FEW, 0)
    assert turns.poll(ROUND_MAX_MS + TURN_MS) is None
    assert turns.deadline_ms() is None
