"""Comparing: checksums that differ lead to the very envelopes, in both directions, and liars to nothing but a count."""

import random

from app.core.envelope import envelope_id
from app.radio.answering import Answering
from app.radio.comparing import COMPARISONS_MAX, FRUITLESS_MAX, SERVINGS_MAX, SETTLE_MS, Comparing
from app.radio.control import HOUR_MS, Sketch
from app.radio.iblt import SET_MAX, Symbols, key_bytes, key_of, symbols_of
from app.radio.logbook import LogEntry
from app.radio.means import Means, SendEntry
from app.radio.neighbors import Neighborhood
from app.radio.request import COMPARE_FRAMES_MAX, Compare, Wanted
from app.radio.span import Span
from app.radio.vector import NodeLog, Vector
from tests.radio.repair_mesh import entry
from tests.radio.repair_parts import ME, means

THEM = 5


class Side:
    """One node's Comparing, with what it sends."""

    def __init__(self, mine: Means) -> None:
        self.means = mine
        self.answering = Answering(mine, Neighborhood(mine))
        self.comparing = Comparing(mine, self.answering)

    def vector(self) -> Vector:
        logs = self.means.log.vector()
        return Vector(0, 254, tuple(NodeLog(log.index, log.contiguous, self.comparing.checksum(log)) for log in logs))

    def next(self, until_ms: int) -> tuple[int, Compare | Sketch | Wanted] | None:
        while (deadline_ms := self.comparing.deadline_ms()) is not None and deadline_ms <= until_ms:
            message = self.comparing.poll(deadline_ms)
            if message is not None:
                return deadline_ms, message
        return None

    def sent(self, until_ms: int) -> list[SendEntry]:
        found = []
        while (deadline_ms := self.answering.entry_deadline_ms()) is not None and deadline_ms <= until_ms:
            output = self.answering.poll_entry(deadline_ms)
            found += [output] if isinstance(output, SendEntry) else []
        return found


def logged(node: int, *entries: LogEntry) -> Side:
    mine = means()
    mine.me = type(ME)(node)
    for known in entries:
        mine.log.append(known)
    return Side(mine)


def settle(one: Side, other: Side, loss: float = 0.0, seed: int = 1, from_ms: int = 0) -> int:
    """Let two sides talk for an hour about what they heard; returns the frames of symbols that were sent."""
    rng, frames, now_ms = random.Random(seed), 0, from_ms
    while True:
        deadlines = [(side.comparing.deadline_ms(), side, peer) for side, peer in ((one, other), (other, one))]
        due = [
            (at_ms, side, peer) for at_ms, side, peer in deadlines if at_ms is not None and at_ms <= from_ms + HOUR_MS
        ]
        if not due:
            return frames
        at_ms, side, peer = min(due, key=lambda item: item[0])
        now_ms = max(now_ms, at_ms)
        message = side.comparing.poll(now_ms)
        frames += isinstance(message, Sketch)
        if rng.random() < loss:
            continue
        match message:
            case Compare():
                peer.comparing.hear_compare(side.means.me, message, now_ms)
            case Sketch():
                peer.comparing.hear_sketch(side.means.me, message, now_ms)
            case Wanted():
                peer.comparing.hear_wanted(side.means.me, message, now_ms)


def shared(count: int) -> list[LogEntry]:
    return [entry(3, number) for number in range(1, count + 1)]


def test_equal_logs_have_equal_checksums_and_are_left_alone() -> None:
    one, other = logged(ME, *shared(20)), logged(THEM, *shared(20))
    assert not one.comparing.hear_vector(THEM, other.vector(), 0)
    assert one.comparing.deadline_ms() is None


def test_twins_find_each_other_s_entries() -> None:
    mine, theirs = entry(3, 21, 1), entry(3, 21, 2)
    one, other = logged(ME, *shared(20), mine), logged(THEM, *shared(20), theirs)
    assert one.comparing.hear_vector(THEM, other.vector(), 0)
    frames = settle(one, other)
    assert frames == 1
    assert [output.envelope_id for output in one.sent(HOUR_MS)] == [mine.envelope_id]
    assert [output.envelope_id for output in other.sent(HOUR_MS)] == [theirs.envelope_id]


def test_both_noticing_costs_one_comparison() -> None:
    one, other = logged(ME, *shared(20), entry(3, 21, 1)), logged(THEM, *shared(20), entry(3, 21, 2))
    assert one.comparing.hear_vector(THEM, other.vector(), 0)
    assert other.comparing.hear_vector(ME, one.vector(), 0)
    assert settle(one, other) <= 2
    assert one.means.tally["comparisons-asked"] + other.means.tally["comparisons-asked"] <= 2


def test_many_differences_are_found_under_loss() -> None:
    mine = [entry(3, number, 1) for number in range(21, 51)]
    theirs = [entry(3, number, 2) for number in range(21, 51)]
    for seed in range(5):
        one, other = logged(ME, *shared(20), *mine), logged(THEM, *shared(20), *theirs)
        one.comparing.hear_vector(THEM, other.vector(), 0)
        frames = settle(one, other, loss=0.3, seed=seed)
        assert frames <= 30
        if one.means.tally["comparisons-done"]:
            assert len(one.sent(HOUR_MS)) == 30


def test_a_shorter_log_is_compared_where_it_ends() -> None:
    one, other = logged(ME, *shared(30)), logged(THEM, *shared(20), entry(3, 21, 1))
    assert one.comparing.hear_vector(THEM, other.vector(), 0)
    found = one.next(HOUR_MS)
    assert found is not None
    assert found[1] == Compare(THEM, 3, 21, 0, 1)
    assert not other.comparing.hear_vector(ME, one.vector(), 0)


def test_while_it_differs_all_the_same_the_next_comparison_waits_ever_longer() -> None:
    one, other = logged(ME, *shared(20), entry(3, 21, 1)), logged(THEM, *shared(20), entry(3, 21, 2))
    times = []
    for now_ms in range(0, 48 * HOUR_MS, SETTLE_MS // 2):
        one.comparing.hear_vector(THEM, other.vector(), now_ms)
        deadline_ms = one.comparing.deadline_ms()
        if deadline_ms is None:
            continue
        message = one.comparing.poll(now_ms + SETTLE_MS // 4)
        if isinstance(message, Compare):
            times.append(now_ms)
            keys = {key_of(known.envelope_id) for known in other.means.log.get(3, Span(1, 21), 99)}
            one.comparing.hear_sketch(THEM, Sketch(3, 21, symbols_of(keys, len(times), 1)), now_ms + SETTLE_MS // 4)
            while isinstance(one.comparing.poll(now_ms + SETTLE_MS // 4), Wanted):
                pass
    assert 3 <= len(times) <= 12
    assert times[-1] - times[-2] > 4 * (times[1] - times[0])


def test_a_neighbor_that_never_answers_is_left_alone() -> None:
    one = logged(ME, *shared(20))
    one.comparing.hear_vector(THEM, Vector(0, 254, (NodeLog(3, 20, 1),)), 0)
    asked = 0
    while one.next(HOUR_MS) is not None:
        asked += 1
    assert asked == FRUITLESS_MAX
    assert one.means.tally["comparisons-given-up"] == 1


def test_hostile_symbols_are_given_up_and_ask_for_little() -> None:
    one = logged(ME, *shared(20))
    rng = random.Random(1)
    one.comparing.hear_vector(THEM, Vector(0, 254, (NodeLog(3, 20, 1),)), 0)
    for salt in range(80):
        cells = tuple((rng.getrandbits(64), rng.getrandbits(24)) for _ in range(18))
        one.comparing.hear_sketch(THEM, Sketch(3, 20, Symbols(salt, 1, cells)), salt)
    assert one.means.tally["comparisons-given-up"] == 1
    assert one.next(HOUR_MS) is None
    assert one.sent(HOUR_MS) == []


def test_only_who_is_asked_sends_symbols_and_only_as_far_as_it_knows() -> None:
    one = logged(ME, *shared(20))
    one.comparing.hear_compare(THEM, Compare(7, 3, 20, 0, 1), 0)
    one.comparing.hear_compare(THEM, Compare(ME, 3, 21, 0, 1), 0)
    one.comparing.hear_compare(THEM, Compare(ME, 8, 1, 0, 1), 0)
    assert one.next(HOUR_MS) is None
    assert one.means.tally["compare-refused"] == 2
    one.comparing.hear_compare(THEM, Compare(ME, 3, 20, 2, 4), 0)
    stretches = []
    while (found := one.next(HOUR_MS)) is not None:
        assert isinstance(found[1], Sketch)
        stretches.append(found[1].symbols.stretch)
    assert stretches == [3, 4, 5, 6]


def test_endless_requests_for_symbols_are_bounded_and_paid_for() -> None:
    one = Side(means((3, range(1, 21)), purse_ms=5000.0))
    for _ in range(50):
        one.comparing.hear_compare(THEM, Compare(ME, 3, 20, 0, COMPARE_FRAMES_MAX), 0)
    sent = 0
    while one.next(10_000) is not None:
        sent += 1
    assert sent == 4
    assert one.means.tally["capped"] == SERVINGS_MAX - 4


def test_another_s_request_for_the_same_symbols_spares_ours() -> None:
    one, other = logged(ME, *shared(20)), logged(THEM, *shared(19), entry(3, 20, 1))
    one.comparing.hear_vector(THEM, other.vector(), 0)
    one.comparing.hear_compare(7, Compare(THEM, 3, 20, 0, 1), 100)
    assert one.next(20_000) is None
    keys = {key_of(known.envelope_id) for known in other.means.log.get(3, Span(1, 20), 99)}
    one.comparing.hear_sketch(THEM, Sketch(3, 20, symbols_of(keys, 7, 1)), 20_000)
    found = one.next(HOUR_MS)
    assert found is not None
    assert found[1] == Wanted(THEM, 3, (entry(3, 20, 1).envelope_id[:8],))
    assert one.means.tally["comparisons-asked"] == 0


def test_symbols_nobody_asked_about_are_ignored() -> None:
    one = logged(ME, *shared(20))
    one.comparing.hear_sketch(THEM, Sketch(3, 20, symbols_of([1, 2], 7, 1)), 0)
    assert one.comparing.deadline_ms() is None


def test_names_that_we_lack_or_that_were_asked_of_another_bring_nothing() -> None:
    one = logged(ME, *shared(20))
    one.comparing.hear_wanted(THEM, Wanted(7, 3, (entry(3, 1).envelope_id[:8],)), 0)
    one.comparing.hear_wanted(THEM, Wanted(ME, 3, (key_bytes(77),)), 0)
    one.comparing.hear_wanted(THEM, Wanted(ME, 8, (key_bytes(77),)), 0)
    assert one.sent(HOUR_MS) == []
    one.comparing.hear_wanted(THEM, Wanted(ME, 3, (entry(3, 4).envelope_id[:8],)), 0)
    assert [output.number for output in one.sent(HOUR_MS)] == [4]


def test_so_many_comparisons_at_once_and_no_more() -> None:
    one = logged(ME, *(entry(index, 1) for index in range(20)))
    claims = tuple(NodeLog(index, 1, 1) for index in range(20))
    one.comparing.hear_vector(THEM, Vector(0, 254, claims), 0)
    asked = 0
    while (found := one.next(15_000)) is not None:
        assert isinstance(found[1], Compare)
        asked += 1
    assert asked == COMPARISONS_MAX


def test_sets_too_large_are_not_compared() -> None:
    one = logged(ME, *shared(SET_MAX + 1))
    one.comparing.hear_vector(THEM, Vector(0, 254, (NodeLog(3, SET_MAX + 1, 1),)), 0)
    assert one.comparing.deadline_ms() is None
    assert one.means.tally["compare-refused"] == 1


def test_who_never_saw_the_gone_takes_over_their_part_of_the_checksum() -> None:
    newcomer, other = logged(ME, *shared(20)[10:]), logged(THEM, *shared(20))
    other.means.log.drop(3, Span(1, 10))
    newcomer.means.log.drop(3, Span(1, 10))
    assert newcomer.vector().logs[0].checksum is None
    assert not newcomer.comparing.hear_vector(THEM, other.vector(), 0)
    assert newcomer.vector().logs[0].checksum is None, "not before both are known to hold the same"
    assert settle(newcomer, other) == 1
    assert newcomer.vector() == other.vector()
    newcomer.means.log.append(entry(3, 21))
    other.means.log.append(entry(3, 21))
    assert newcomer.vector() == other.vector()
    assert not other.comparing.hear_vector(ME, newcomer.vector(), 0)


def test_a_wrong_part_taken_over_is_replaced_after_a_comparison() -> None:
    newcomer, other = logged(ME, *shared(20)[10:]), logged(THEM, *shared(20))
    other.means.log.drop(3, Span(1, 10))
    newcomer.means.log.drop(3, Span(1, 10))
    liar = logged(7, *shared(20)[10:])
    newcomer.comparing.hear_vector(7, Vector(0, 254, (NodeLog(3, 20, 12345),)), 0)
    liar.means.log.drop(3, Span(1, 10))
    assert settle(newcomer, liar) == 1
    assert newcomer.vector().logs[0].checksum == 12345
    assert newcomer.comparing.hear_vector(THEM, other.vector(), 0)
    assert settle(newcomer, other) == 1
    assert newcomer.sent(HOUR_MS) == other.sent(HOUR_MS) == []
    assert newcomer.vector() == other.vector()


def test_what_a_twin_wrote_is_found_although_others_are_gone() -> None:
    """The part of the gone must not swallow it: the newcomer lacks one of two envelopes at a place."""
    twin = LogEntry(3, 15, envelope_id(b"by the twin"), 100)
    newcomer, other = logged(ME, *shared(20)[10:]), logged(THEM, *shared(20), twin)
    other.means.log.drop(3, Span(1, 10))
    newcomer.means.log.drop(3, Span(1, 10))
    newcomer.comparing.hear_vector(THEM, other.vector(), 0)
    assert settle(newcomer, other) == 1
    assert [sent.envelope_id for sent in other.sent(HOUR_MS)] == [twin.envelope_id]
    assert newcomer.vector().logs[0].checksum is None
    newcomer.means.log.append(twin)
    newcomer.comparing.hear_vector(THEM, other.vector(), HOUR_MS)
    assert settle(newcomer, other, from_ms=HOUR_MS) == 1
    assert newcomer.vector() == other.vector()


def test_where_the_gone_part_is_unknown_nothing_is_compared() -> None:
    newcomer = logged(ME, *shared(20)[10:])
    newcomer.means.log.drop(3, Span(1, 10))
    assert not newcomer.comparing.hear_vector(THEM, Vector(0, 254, (NodeLog(3, 5, 1),)), 0)
    assert not newcomer.comparing.hear_vector(THEM, Vector(0, 254, (NodeLog(3, 40, 1),)), 0)
    assert newcomer.vector().logs[0].checksum is None
