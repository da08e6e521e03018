"""Asking: what is lacking, of whom, when, how often, and when it is somebody else's turn."""

from itertools import pairwise

from app.radio.asking import DEFERRALS_MAX, PATIENCE_MS, REQUEST_DELAY_MS, Asking
from app.radio.box import Box
from app.radio.control import HOUR_MS
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.means import Means
from app.radio.neighbors import MISSES_MAX, Neighborhood
from app.radio.request import REQUEST_NUMBERS_MAX, Gone, Request
from app.radio.span import Span, total
from app.radio.vector import Vector
from tests.radio.repair_mesh import entry
from tests.radio.repair_parts import claim, means, portion

SOON_MS = REQUEST_DELAY_MS[1]


class Asker:
    """An Asking with its neighborhood, and what it asked."""

    def __init__(self, mine: Means) -> None:
        self.means = mine
        self.neighborhood = Neighborhood(mine)
        self.asking = Asking(mine, self.neighborhood, Box())

    def hear(self, sender: int, vector: Vector, now_ms: int) -> None:
        neighbor = self.neighborhood.hear(sender, now_ms)
        neighbor.claim(vector)
        self.asking.hear_claims(sender, neighbor, now_ms)

    def store(self, index: int, number: int, sender: int, now_ms: int) -> bool:
        self.means.log.append(entry(index, number))
        return self.asking.stored(entry(index, number), sender, now_ms)

    def asked(self, start_ms: int, end_ms: int) -> list[tuple[int, Request]]:
        """Requests between two times, sent at once."""
        found: list[tuple[int, Request]] = []
        now_ms = start_ms
        for _ in range(5000):
            request = self.asking.poll(now_ms)
            if request is not None:
                self.asking.sent(now_ms, ok=True)
                found.append((now_ms, request))
            deadline_ms = self.asking.deadline_ms()
            if deadline_ms is None or deadline_ms >= end_ms:
                return found
            now_ms = max(deadline_ms, now_ms + 1)
        raise AssertionError("it wakes without end")


def test_what_a_neighbor_claims_and_we_lack_is_asked_for_after_a_moment() -> None:
    asker = Asker(means((3, range(1, 5))))
    asker.hear(2, claim((3, 9), (4, 2)), 0)
    ((at_ms, request),) = asker.asked(0, PATIENCE_MS)
    assert REQUEST_DELAY_MS[0] <= at_ms <= REQUEST_DELAY_MS[1]
    assert request == Request(2, (portion(3, (5, 9)), portion(4, (1, 2))), enough=7)


def test_what_arrives_ends_the_asking() -> None:
    asker = Asker(means())
    asker.hear(2, claim((3, 3)), 0)
    assert len(asker.asked(0, SOON_MS + 1)) == 1
    assert [asker.store(3, number, 2, 9000) for number in (1, 2, 3)] == [True] * 3
    assert asker.asked(9000, HOUR_MS) == []
    assert asker.asking.deadline_ms() is None
    assert not asker.store(3, 4, 2, 9000)


def test_the_rest_is_asked_for_when_the_answers_end() -> None:
    asker = Asker(means())
    asker.hear(2, claim((3, 4)), 0)
    asker.asked(0, SOON_MS + 1)
    asker.store(3, 1, 2, 10_000)
    asker.store(3, 3, 2, 30_000)
    requests = asker.asked(30_000, 30_000 + PATIENCE_MS + SOON_MS + 1)
    assert [request.portions for _, request in requests] == [(portion(3, (2, 2), (4, 4)),)]
    assert requests[0][0] >= 30_000 + PATIENCE_MS


def test_a_liar_is_asked_ever_more_rarely() -> None:
    asker = Asker(means((3, range(1, 5))))
    requests = []
    for hour in range(48):
        requests.append(0)
        for now_ms in range(hour * HOUR_MS, (hour + 1) * HOUR_MS, 10 * 60_000):
            asker.hear(2, claim((3, LOG_NUMBER_MAX)), now_ms)
            requests[-1] += len(asker.asked(now_ms, now_ms + 10 * 60_000))
    assert requests[0] <= 9
    assert max(requests[2:]) <= 2
    assert asker.means.tally["requests-unanswered"] >= MISSES_MAX


def test_a_claim_without_end_is_asked_for_in_a_bounded_piece() -> None:
    asker = Asker(means())
    asker.hear(2, claim(*((index, LOG_NUMBER_MAX) for index in range(255))), 0)
    ((_, request),) = asker.asked(0, SOON_MS + 1)[:1]
    assert all(total(asked.spans) <= REQUEST_NUMBERS_MAX for asked in request.portions)


def test_who_keeps_its_word_is_asked_before_a_liar() -> None:
    asker = Asker(means())
    asker.hear(2, claim((3, 9)), 0)
    asker.asked(0, HOUR_MS // 2)
    asker.hear(5, claim((3, 4)), HOUR_MS // 2)
    (first, *_) = asker.asked(HOUR_MS // 2, HOUR_MS)
    assert first[1].asked == 5
    assert first[1].portions == (portion(3, (1, 4)),)


def test_an_empty_purse_makes_it_wait() -> None:
    asker = Asker(means(purse_ms=300.0))
    asker.hear(2, claim((3, 9)), 0)
    times = [at_ms for at_ms, _ in asker.asked(0, 3 * HOUR_MS)]
    assert 3 <= len(times) <= 5
    assert all(later - earlier > HOUR_MS / 2 - 10_000 for earlier, later in pairwise(times))


def test_it_steps_back_for_another_that_asks_the_same() -> None:
    asker = Asker(means())
    asker.hear(2, claim((3, 4)), 0)
    asker.asking.hear_request(Request(2, (portion(3, (1, 4)),)), 100)
    assert asker.asked(0, PATIENCE_MS) == []
    for number in (1, 2, 3, 4):
        asker.store(3, number, 2, 5000)
    assert asker.asked(PATIENCE_MS, HOUR_MS) == []


def test_it_asks_for_what_the_other_did_not() -> None:
    asker = Asker(means())
    asker.hear(2, claim((3, 9)), 0)
    asker.asking.hear_request(Request(2, (portion(3, (1, 4)),)), 100)
    ((_, request), *_) = asker.asked(0, PATIENCE_MS)
    assert request.portions == (portion(3, (5, 9)),)


def test_endless_requests_of_another_do_not_silence_it() -> None:
    asker = Asker(means())
    asker.hear(2, claim((3, 4)), 0)
    silent_ms = 0
    for now_ms in range(0, 10 * PATIENCE_MS, PATIENCE_MS // 2):
        asker.asking.hear_request(Request(2, (portion(3, (1, 4)),)), now_ms)
        if asker.asked(now_ms, now_ms + PATIENCE_MS // 2):
            break
        silent_ms = now_ms
    assert silent_ms <= (DEFERRALS_MAX + 2) * (PATIENCE_MS + SOON_MS)


def test_a_frame_that_was_not_sent_is_asked_again_soon() -> None:
    asker = Asker(means())
    asker.hear(2, claim((3, 4)), 0)
    assert asker.asking.poll(SOON_MS) is not None
    asker.asking.sent(SOON_MS, ok=False)
    assert len(asker.asked(SOON_MS, 3 * SOON_MS)) == 1


def test_patience_begins_when_the_frame_is_sent() -> None:
    asker = Asker(means())
    asker.hear(2, claim((3, 4)), 0)
    assert asker.asking.poll(SOON_MS) is not None
    asker.asking.sent(5 * PATIENCE_MS // 6, ok=True)
    assert asker.asked(SOON_MS + 1, 11 * PATIENCE_MS // 6) == []


def test_gone_is_an_answer_and_who_said_it_is_not_asked_again() -> None:
    asker = Asker(means())
    asker.hear(2, claim((3, 4)), 0)
    asker.asked(0, SOON_MS + 1)
    asker.asking.hear_gone(2, asker.neighborhood.hear(2, 8000), Gone((portion(3, (1, 4)),)), 8000)
    assert asker.asked(8000, HOUR_MS) == []
    assert asker.neighborhood.states(8000)[0].misses == 0
    asker.hear(5, claim((3, 4)), HOUR_MS)
    assert [request.asked for _, request in asker.asked(HOUR_MS, HOUR_MS + PATIENCE_MS)] == [5]


def test_nothing_is_asked_of_who_claims_nothing_new() -> None:
    asker = Asker(means((3, range(1, 5))))
    asker.hear(2, claim((3, 3)), 0)
    assert asker.asked(0, HOUR_MS) == []


def test_what_nobody_asked_about_is_not_believed_to_be_gone() -> None:
    asker = Asker(means((3, range(9, 10))))
    gone = Gone((portion(3, (1, 8)),))
    asker.asking.hear_gone(2, asker.neighborhood.hear(2, 0), gone, 0)
    assert asker.means.tally["gone-unasked"] == 1
    assert total(asker.means.log.missing(3, Span(1, 8))) == 8
    asker.asking.hear_request(Request(2, (portion(3, (3, 6)),)), 0)
    asker.asking.hear_gone(2, asker.neighborhood.hear(2, 0), gone, 0)
    assert asker.means.log.missing(3, Span(1, 8)) == (Span(1, 2), Span(7, 8))
