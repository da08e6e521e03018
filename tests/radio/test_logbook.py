"""The logbook beside a plain model: what is held, gone and missing, and checksums that don't depend on the order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from app.radio.frame import LOG_NUMBER_MAX
from app.radio.logbook import ALTERNATES_MAX, Logbook
from app.radio.span import Span, total
from app.radio.vector import checksum
from tests.radio.repair_mesh import entry
from tests.radio.test_span import members_of

Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(st.just("append"), st.integers(1, 30), st.integers(0, 1))
    | st.tuples(st.just("drop"), st.integers(1, 30), st.integers(0, 6)),
    max_size=40,
)


class Model:
    def __init__(self) -> None:
        self.held: dict[int, set[bytes]] = {}
        self.seen: dict[int, set[bytes]] = {}
        self.known: set[int] = set()

    def play(self, step: Step) -> None:
        verb, number, detail = step
        if verb == "append":
            name = entry(5, number, detail).envelope_id
            self.held.setdefault(number, set()).add(name)
            self.seen.setdefault(number, set()).add(name)
            self.known.add(number)
        else:
            self.known |= set(range(number, number + detail + 1))
            self.held = {at: names for at, names in self.held.items() if not number <= at <= number + detail}

    @property
    def contiguous(self) -> int:
        return next(number for number in range(40) if number + 1 not in self.known)

    def total(self, last: int) -> int:
        return checksum(name for number, names in self.seen.items() if number <= last for name in names)


def played(script: list[Step]) -> tuple[Logbook, Model]:
    book, model = Logbook(), Model()
    for step in script:
        model.play(step)
        verb, number, detail = step
        if verb == "append":
            book.append(entry(5, number, detail))
        else:
            book.drop(5, Span(number, number + detail))
    return book, model


@given(steps, st.integers(1, 40))
def test_the_book_is_what_the_model_says(script: list[Step], cut: int) -> None:
    book, model = played(script)
    for summary, last in zip((*book.vector(), *book.vector({5: cut})), (99, cut), strict=False):
        known = {number for number in model.known if number <= last}
        assert summary.contiguous == min(model.contiguous, last)
        assert members_of(summary.held) == {number for number in known if number > summary.contiguous}
        assert summary.total == model.total(summary.contiguous)
        assert summary.unseen == sum(number not in model.seen for number in known if number <= summary.contiguous)
        assert summary.highest == max(known, default=0)
    assert members_of(book.missing(5, Span(1, 35))) == set(range(1, 36)) - model.known
    held = [(known.number, known.envelope_id) for known in book.get(5, Span(1, 35), 99)]
    assert set(held) == {(number, name) for number, names in model.held.items() for name in names}
    assert [number for number, _ in held] == sorted(number for number, _ in held)
    assert book.get(5, Span(1, 35), 2) == book.get(5, Span(1, 35), 99)[:2]


@given(steps, st.randoms())
def test_checksums_agree_whatever_came_first(script: list[Step], rng: random.Random) -> None:
    appends = [step for step in script if step[0] == "append"]
    (first, _), (second, _) = played(appends), played(rng.sample(appends, len(appends)))
    assert first.vector() == second.vector()


def test_what_expired_still_counts_in_the_checksum() -> None:
    book = Logbook()
    for number in (1, 2, 3):
        book.append(entry(5, number))
    before = book.vector()
    book.drop(5, Span(1, 2))
    assert book.vector() == before
    assert [known.number for known in book.get(5, Span(1, 9), 9)] == [3]


def test_what_was_called_gone_may_arrive_all_the_same() -> None:
    book = Logbook()
    book.drop(5, Span(1, 4))
    assert book.vector()[0].unseen == 4
    assert book.append(entry(5, 2))
    assert book.vector()[0].unseen == 3
    assert book.get(5, Span(1, 4), 9) == (entry(5, 2),)
    assert not book.append(entry(5, 2))


def test_twins_at_one_place_are_both_held_and_counted() -> None:
    one, other = Logbook(), Logbook()
    for variant in (0, 1):
        one.append(entry(5, 1, variant))
        other.append(entry(5, 1, 1 - variant))
    assert one.vector() == other.vector()
    assert len(one.get(5, Span(1, 1), 9)) == 2


def test_a_place_holds_so_many_twins_and_no_more() -> None:
    book = Logbook()
    taken = [book.append(entry(5, 1, variant)) for variant in range(6)]
    assert taken == [True] * ALTERNATES_MAX + [False] * (6 - ALTERNATES_MAX)
    book.drop(5, Span(1, 1))
    assert [book.append(entry(5, 1, variant)) for variant in range(6)] == taken


def test_a_log_that_is_gone_without_end_costs_one_span() -> None:
    book = Logbook()
    book.drop(5, Span(1, LOG_NUMBER_MAX))
    book.append(entry(5, 77))
    (known,) = book.vector()
    assert (known.contiguous, known.unseen) == (LOG_NUMBER_MAX, LOG_NUMBER_MAX - 1)
    assert total(book.missing(5, Span(1, LOG_NUMBER_MAX))) == 0


def test_logs_without_entries_are_all_missing() -> None:
    book = Logbook()
    assert book.vector() == ()
    assert book.vector({3: 9}) == ()
    assert book.missing(3, Span(4, 9)) == (Span(4, 9),)
    assert book.get(3, Span(4, 9), 9) == ()
