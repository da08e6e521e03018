"""What neighbors call gone: believed where it hides nothing new, doubted after a day, and never against an envelope."""

from app.radio.frame import LOG_NUMBER_MAX
from app.radio.hearsay import AGAIN_MAX_MS, AGAIN_MS, TOLD_MAX, Hearsay
from app.radio.means import Means
from app.radio.neighbors import Neighborhood
from app.radio.request import ANYONE, REQUEST_NUMBERS_MAX
from app.radio.span import Portion, Span, total
from tests.radio.repair_mesh import entry
from tests.radio.repair_parts import claim, means, portion, spans


def hearsay(mine: Means) -> tuple[Hearsay, Neighborhood]:
    neighborhood = Neighborhood(mine)
    return Hearsay(mine, neighborhood), neighborhood


def tell(told: Hearsay, neighborhood: Neighborhood, sender: int, *gone: Portion, now_ms: int = 0) -> None:
    told.hear(sender, neighborhood.hear(sender, now_ms), gone, now_ms)


def test_what_lies_below_something_held_is_believed() -> None:
    mine = means((3, range(8, 10)))
    told, neighborhood = hearsay(mine)
    tell(told, neighborhood, 5, portion(3, (1, 7), (20, 30)))
    assert mine.log.vector()[0].contiguous == 9
    assert mine.log.missing(3, Span(1, 30)) == spans((10, 30))


def test_a_forged_end_of_a_log_is_not_believed() -> None:
    mine = means((3, range(1, 5)))
    told, neighborhood = hearsay(mine)
    neighborhood.hear(5, 0).claim(claim((3, LOG_NUMBER_MAX)))
    tell(told, neighborhood, 5, portion(3, (5, LOG_NUMBER_MAX)))
    assert mine.log.vector()[0].contiguous == 4
    assert mine.tally["gone-disbelieved"] == 1
    assert neighborhood.hear(5, 0).gone[3] == spans((5, LOG_NUMBER_MAX))


def test_a_log_s_own_node_is_believed_as_far_as_it_claims() -> None:
    mine = means()
    told, neighborhood = hearsay(mine)
    tell(told, neighborhood, 3, portion(3, (1, 90)))
    assert mine.log.missing(3, Span(1, 90)) == spans((1, 90))
    neighborhood.hear(3, 0).claim(claim((3, 60)))
    told.claimed(3, neighborhood.hear(3, 0), 0)
    assert mine.log.missing(3, Span(1, 90)) == spans((61, 90))


def test_it_is_believed_when_something_above_it_arrives() -> None:
    mine = means()
    told, neighborhood = hearsay(mine)
    tell(told, neighborhood, 5, portion(3, (1, 7)))
    assert mine.log.vector() == ()
    mine.log.append(entry(3, 8))
    told.stored(3, 0)
    assert mine.log.vector()[0].contiguous == 8


def test_an_envelope_is_taken_whatever_was_said() -> None:
    mine = means((3, range(8, 9)))
    told, neighborhood = hearsay(mine)
    tell(told, neighborhood, 5, portion(3, (1, 7)))
    assert mine.log.append(entry(3, 4))
    assert mine.log.get(3, Span(1, 7), 9) == (entry(3, 4),)


def test_what_was_told_is_asked_for_again_ever_more_rarely_and_without_what_arrived() -> None:
    mine = means((3, range(8, 9)))
    told, neighborhood = hearsay(mine)
    tell(told, neighborhood, 5, portion(3, (1, 7)))
    assert told.poll(AGAIN_MS - 1) is None
    mine.log.append(entry(3, 4))
    asked_ms, waits = 0, []
    for _ in range(9):
        deadline_ms = told.deadline_ms()
        assert deadline_ms is not None
        waits.append(deadline_ms - asked_ms)
        asked_ms = deadline_ms
        request = told.poll(asked_ms)
        assert request is not None
        assert request.asked == ANYONE
        assert request.portions == (portion(3, (1, 3), (5, 7)),)
    assert waits[:3] == [AGAIN_MS, 2 * AGAIN_MS, 4 * AGAIN_MS]
    assert waits[-1] == AGAIN_MAX_MS


def test_more_than_a_request_holds_goes_into_the_next() -> None:
    mine = means((3, range(10_000, 10_001)))
    told, neighborhood = hearsay(mine)
    tell(told, neighborhood, 5, portion(3, (1, 9_999)))
    asked = 0
    for _ in range(3):
        deadline_ms = told.deadline_ms()
        assert deadline_ms is not None
        request = told.poll(deadline_ms)
        assert request is not None
        asked += total(request.portions[0].spans)
        assert total(request.portions[0].spans) <= REQUEST_NUMBERS_MAX
    assert asked == 9_999


def test_nothing_is_asked_when_all_of_it_arrived() -> None:
    mine = means((3, range(3, 4)))
    told, neighborhood = hearsay(mine)
    tell(told, neighborhood, 5, portion(3, (1, 2)))
    for number in (1, 2):
        mine.log.append(entry(3, number))
    assert told.poll(AGAIN_MS) is None
    assert told.deadline_ms() is None


def test_endless_tellings_are_not_believed_for_ever() -> None:
    mine = means((3, range(9000, 9001)))
    told, neighborhood = hearsay(mine)
    for number in range(1, 2 * (TOLD_MAX + 20), 2):
        tell(told, neighborhood, 5, portion(3, (number, number)))
    assert mine.tally["gone-believed"] <= TOLD_MAX
    assert total(mine.log.missing(3, Span(1, 2 * TOLD_MAX))) >= TOLD_MAX


def test_what_is_held_cannot_be_called_gone() -> None:
    mine = means((3, range(1, 9)))
    told, neighborhood = hearsay(mine)
    tell(told, neighborhood, 5, portion(3, (1, 8)))
    assert len(mine.log.get(3, Span(1, 8), 99)) == 8
    assert told.deadline_ms() is None


def test_runs_that_fall_to_pieces_are_remembered_as_far_as_there_is_room() -> None:
    mine = means((3, range(2, 2000, 2)))
    told, neighborhood = hearsay(mine)
    tell(told, neighborhood, 5, portion(3, (1, 1998)))
    assert mine.log.vector()[0].contiguous > 100
    assert total(mine.log.missing(3, Span(1, 1998))) > 0
