"""Answering: at once when asked, later to help, not at all when overheard, and within the asker's purse."""

from app.radio.answering import (
    ANSWER_DELAY_MS,
    ANSWERS_MAX,
    ANSWERS_PER_ASKER_MAX,
    GONE_RUNS_MAX,
    HELP_DELAY_MS,
    HELP_QUIET_MS,
    HELP_SPREAD_MS,
    REPEAT_MS,
    Answering,
)
from app.radio.blend import Place
from app.radio.control import HOUR_MS
from app.radio.means import Means, SendBlend, SendEntry
from app.radio.neighbors import Neighborhood
from app.radio.parcel import Priority
from app.radio.profile import EU868
from app.radio.request import ANSWER_ENTRIES_MAX, ANYONE, Gone, Request
from app.radio.span import Span, Spans, minus
from tests.radio.repair_mesh import ENVELOPE_BYTES, entry
from tests.radio.repair_parts import ME, means, portion

ONE_MS = EU868.frame_airtime_ms(214)


def answering_of(mine: Means) -> Answering:
    return Answering(mine, Neighborhood(mine))


def drained(answering: Answering, end_ms: int) -> list[tuple[int, SendEntry]]:
    """Everything that is sent until then."""
    found: list[tuple[int, SendEntry]] = []
    while (deadline_ms := answering.entry_deadline_ms()) is not None and deadline_ms <= end_ms:
        sent = answering.poll_entry(deadline_ms)
        if isinstance(sent, SendEntry):
            found.append((deadline_ms, sent))
    return found


def numbers(sent: list[tuple[int, SendEntry]]) -> list[int]:
    return [output.number for _, output in sent]


def test_who_is_asked_answers_at_once_and_in_order() -> None:
    answering = answering_of(means((3, range(1, 9))))
    answering.hear_request(5, Request(ME, (portion(3, (2, 4)),)), 0)
    assert answering.serves(5)
    sent = drained(answering, HOUR_MS)
    assert numbers(sent) == [2, 3, 4]
    assert sent[0][1] == SendEntry(3, 2, entry(3, 2).envelope_id, 5, ONE_MS, Priority.PEOPLE)
    assert sent[-1][0] <= ANSWER_DELAY_MS[1]
    assert not answering.serves(5)


def test_who_was_not_asked_helps_later_in_an_order_of_its_own() -> None:
    answering = answering_of(means((3, range(1, 20))))
    answering.hear_request(5, Request(7, (portion(3, (1, 19)),)), 0)
    sent = drained(answering, HOUR_MS)
    assert sorted(numbers(sent)) == list(range(1, 20)) != numbers(sent)
    assert sent[0][0] == HELP_DELAY_MS


def test_of_a_crowd_a_few_help_and_not_all_at_once() -> None:
    helpers = 0
    for seed in range(200):
        mine = means((3, range(1, 3)), seed=seed)
        neighborhood = Neighborhood(mine)
        for index in range(30):
            neighborhood.hear(index, 0)
        answering = Answering(mine, neighborhood)
        answering.hear_request(5, Request(7, (portion(3, (1, 2)),)), 0)
        deadline_ms = answering.entry_deadline_ms()
        helpers += deadline_ms is not None
        assert deadline_ms is None or HELP_DELAY_MS <= deadline_ms <= HELP_DELAY_MS + 30 * HELP_SPREAD_MS
    assert 5 <= helpers <= 45


def test_blends_by_somebody_else_spare_help() -> None:
    answering = answering_of(means((3, range(1, 4))))
    answering.hear_request(5, Request(7, (portion(3, (1, 3)),)), 0)
    answering.hear_blend({Place(3, 1), Place(3, 3)})
    assert numbers(drained(answering, HOUR_MS)) == [2]


def test_blends_are_for_those_who_take_them_and_for_a_crowd() -> None:
    for enough, neighbors, takes, blends in (
        (2, 3, True, True),
        (0, 3, True, False),
        (2, 1, True, False),
        (2, 3, False, False),
    ):
        mine = means((3, range(1, 9)))
        neighborhood = Neighborhood(mine)
        for index in range(neighbors):
            neighborhood.hear(index, 0)
        answering = Answering(mine, neighborhood, blends=takes)
        for asker, numbers_asked in ((0, (1, 2)), (1, (3, 4)), (2, (5, 6))):
            answering.hear_request(asker, Request(ME, (portion(3, numbers_asked),), enough), 0)
        kinds = set()
        while (deadline_ms := answering.entry_deadline_ms()) is not None:
            output = answering.poll_entry(deadline_ms)
            kinds |= {type(output)} if output else set()
        assert kinds == {SendBlend if blends else SendEntry}


def test_what_somebody_else_sends_is_spared_and_helpers_keep_still() -> None:
    answering = answering_of(means((3, range(1, 4))))
    answering.hear_request(5, Request(7, (portion(3, (1, 3)),)), 0)
    answering.hear_entry(entry(3, 2).envelope_id, HELP_DELAY_MS)
    sent = drained(answering, HOUR_MS)
    assert sorted(numbers(sent)) == [1, 3]
    assert sent[0][0] >= HELP_DELAY_MS + HELP_QUIET_MS[0]
    answering.hear_entry(entry(3, 2).envelope_id, 30_000)


def test_being_asked_after_helping_speeds_it_up() -> None:
    answering = answering_of(means((3, range(1, 4))))
    answering.hear_request(5, Request(7, (portion(3, (1, 3)),)), 0)
    answering.hear_request(6, Request(ME, (portion(3, (1, 3)),)), 100)
    assert drained(answering, HOUR_MS)[-1][0] <= 100 + ANSWER_DELAY_MS[1]


def test_two_askers_are_served_by_one_frame() -> None:
    answering = answering_of(means((3, range(1, 4))))
    answering.hear_request(5, Request(ME, (portion(3, (1, 3)),)), 0)
    answering.hear_request(6, Request(ME, (portion(3, (2, 3)),)), 100)
    assert numbers(drained(answering, HOUR_MS)) == [1, 2, 3]


def test_a_request_that_crossed_its_answer_is_not_answered_twice() -> None:
    answering = answering_of(means((3, range(1, 3))))
    answering.hear_request(5, Request(ME, (portion(3, (1, 1)),)), 0)
    ((at_ms, _),) = drained(answering, HOUR_MS)
    answering.hear_request(6, Request(ME, (portion(3, (1, 1)),)), at_ms + REPEAT_MS - 1)
    assert drained(answering, HOUR_MS) == []
    answering.hear_request(6, Request(ME, (portion(3, (1, 1)),)), at_ms + REPEAT_MS)
    assert numbers(drained(answering, HOUR_MS)) == [1]


def test_one_request_brings_so_many_entries_at_most() -> None:
    answering = answering_of(means((3, range(1, 200))))
    answering.hear_request(5, Request(ME, (portion(3, (1, 199)),)), 0)
    assert numbers(drained(answering, HOUR_MS)) == list(range(1, ANSWER_ENTRIES_MAX + 1))


def test_one_asker_cannot_fill_the_table_and_all_of_them_are_bounded() -> None:
    answering = answering_of(means((3, range(1, 2000))))
    for first in range(1, 1000, ANSWER_ENTRIES_MAX):
        answering.hear_request(5, Request(ME, (portion(3, (first, first + 99)),)), 0)
    assert len(drained(answering, HOUR_MS)) == ANSWERS_PER_ASKER_MAX
    for asker in range(20, 50):
        for more in (0, ANSWER_ENTRIES_MAX):
            first = 1 + (asker - 20) * 64 + more
            answering.hear_request(asker, Request(ME, (portion(3, (first, first + 31)),)), 2 * HOUR_MS)
    assert len(drained(answering, 3 * HOUR_MS)) == ANSWERS_MAX


def test_the_asker_s_purse_sets_the_pace() -> None:
    mine = means((3, range(1, 33)), purse_ms=4.5 * ONE_MS)
    answering = answering_of(mine)
    answering.hear_request(5, Request(ME, (portion(3, (1, 32)),)), 0)
    assert numbers(drained(answering, 60_000)) == [1, 2, 3, 4]
    assert mine.tally["capped"] == 1
    assert len(drained(answering, HOUR_MS)) == 4
    answering.hear_request(6, Request(ME, (portion(3, (30, 32)),)), HOUR_MS)
    assert len(drained(answering, HOUR_MS + 10_000)) <= 1


def test_what_expired_meanwhile_is_not_sent() -> None:
    mine = means((3, range(1, 4)))
    answering = answering_of(mine)
    answering.hear_request(5, Request(ME, (portion(3, (1, 3)),)), 0)
    mine.log.drop(3, Span(1, 2))
    assert numbers(drained(answering, HOUR_MS)) == [3]


def test_twins_at_one_place_are_both_sent() -> None:
    mine = means((3, range(1, 2)))
    mine.log.append(entry(3, 1, 1))
    answering = answering_of(mine)
    answering.hear_request(5, Request(ME, (portion(3, (1, 1)),)), 0)
    names = {output.envelope_id for _, output in drained(answering, HOUR_MS)}
    assert names == {entry(3, 1).envelope_id, entry(3, 1, 1).envelope_id}


def test_an_envelope_of_many_fragments_is_priced_as_such() -> None:
    mine = means()
    long = entry(3, 1)
    mine.log.append(type(long)(3, 1, long.envelope_id, 10 * ENVELOPE_BYTES))
    answering = answering_of(mine)
    answering.hear_request(5, Request(ME, (portion(3, (1, 1)),)), 0)
    ((_, sent),) = drained(answering, HOUR_MS)
    assert sent.airtime_ms > 10 * ONE_MS


def test_what_is_gone_is_told_in_runs() -> None:
    mine = means((3, range(1, 10)))
    mine.log.drop(3, Span(1, 4))
    mine.log.drop(3, Span(7, 8))
    answering = answering_of(mine)
    answering.hear_request(5, Request(ME, (portion(3, (2, 20)),)), 0)
    due_ms = answering.gone_deadline_ms()
    assert due_ms is not None
    assert due_ms <= ANSWER_DELAY_MS[1]
    assert answering.poll_gone(due_ms - 1) is None
    assert answering.poll_gone(due_ms) == Gone((portion(3, (2, 4), (7, 8)),))
    assert answering.gone_deadline_ms() is None
    assert numbers(drained(answering, HOUR_MS)) == [5, 6, 9]


def test_gone_runs_beyond_a_frame_come_in_the_next() -> None:
    mine = means((3, range(1, 400)))
    for number in range(1, 400, 2):
        mine.log.drop(3, Span(number, number))
    answering = answering_of(mine)
    told: Spans = ()
    for first in range(1, 400, 64):
        answering.hear_request(5, Request(ME, (portion(3, (first, first + 63)),)), 0)
    frames = 0
    while (due_ms := answering.gone_deadline_ms()) is not None:
        gone = answering.poll_gone(due_ms)
        assert gone is not None
        assert sum(len(told_portion.spans) for told_portion in gone.portions) <= GONE_RUNS_MAX
        told = (*told, *gone.portions[0].spans)
        frames += 1
    assert frames == 4
    assert minus(tuple(Span(number, number) for number in range(1, 400, 2)), tuple(sorted(told))) == ()


def test_what_another_told_gone_is_not_told_again() -> None:
    mine = means((3, range(1, 10)))
    mine.log.drop(3, Span(1, 8))
    answering = answering_of(mine)
    answering.hear_request(5, Request(ANYONE, (portion(3, (1, 8)),)), 0)
    answering.hear_gone(Gone((portion(3, (1, 5)),)))
    due_ms = answering.gone_deadline_ms()
    assert due_ms is not None
    assert answering.poll_gone(due_ms) == Gone((portion(3, (6, 8)),))
    answering.hear_request(5, Request(ANYONE, (portion(3, (1, 8)),)), HOUR_MS)
    answering.hear_gone(Gone((portion(3, (1, 9)),)))
    assert answering.gone_deadline_ms() is None


def test_gone_runs_are_paid_for_too() -> None:
    mine = means((3, range(1, 10)), purse_ms=100.0)
    mine.log.drop(3, Span(1, 8))
    answering = answering_of(mine)
    answering.hear_request(5, Request(ME, (portion(3, (1, 8)),)), 0)
    assert answering.poll_gone(HOUR_MS) is None
    assert answering.gone_deadline_ms() is None
    assert mine.tally["capped"] == 1


def test_what_we_lack_ourselves_is_neither_sent_nor_called_gone() -> None:
    answering = answering_of(means((3, range(1, 3))))
    answering.hear_request(5, Request(ME, (portion(3, (3, 9)), portion(4, (1, 9)))), 0)
    assert answering.entry_deadline_ms() is None
    assert answering.gone_deadline_ms() is None


def test_the_last_entry_of_a_full_answer_bounds_the_gone_runs() -> None:
    mine = means((3, range(1, 100)))
    mine.log.drop(3, Span(90, 99))
    answering = answering_of(mine)
    answering.hear_request(5, Request(ME, (portion(3, (1, 99)),)), 0)
    assert answering.gone_deadline_ms() is None
