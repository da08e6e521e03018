"""The repair machine by itself: what it makes of each frame, what it counts, and what a liar or a twin can do."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.radio.announcing import NEWS_MS, TRICKLE
from app.radio.control import HOUR_MS, ControlFrame, Kind, Message, open_control, seal_control
from app.radio.frame import FRAME_BYTES_MAX, LOG_NUMBER_MAX, LinkKeys, NodeIndex
from app.radio.logbook import Logbook
from app.radio.means import Output, OwnLogAhead, SendControl, SendEntry, TwinHeard
from app.radio.parcel import CountersNeeded, Rejected
from app.radio.profile import EU868
from app.radio.repair import Repair
from app.radio.request import ANYONE, Gone, Request
from app.radio.span import Span
from app.radio.vector import NodeLog, Vector
from tests.radio.repair_mesh import LINK, entry
from tests.radio.repair_parts import ME, claim, portion
from tests.radio.test_control import messages

THEM = NodeIndex(2)
PURSE_MS = 29_000.0
"""80 % of an hour at 1 %."""


class Station:
    """A machine, and what it sends when it is polled at its deadlines."""

    def __init__(
        self, *held: tuple[int, range], purse_ms: float = PURSE_MS, heard: dict[int, int] | None = None
    ) -> None:
        self.log = Logbook()
        for index, numbers in held:
            for number in numbers:
                self.log.append(entry(index, number))
        self.repair = Repair(
            ME,
            LINK,
            self.log,
            EU868.frame_airtime_ms,
            random.Random(1),
            neighbor_ms_per_hour=purse_ms,
            heard=heard or {},
        )
        self.repair.start(0)
        assert self.repair.events() == [CountersNeeded()]
        self.repair.grant(1, 100_000)
        self.counter = 0

    def hear(self, message: Message, now_ms: int, sender: NodeIndex = THEM, link: LinkKeys = LINK) -> bytes:
        self.counter += 1
        frame = seal_control(ControlFrame(sender, self.counter, message), link)
        self.repair.receive(frame, now_ms)
        return frame

    def sent(self, start_ms: int, end_ms: int) -> list[tuple[int, Message | Output]]:
        found: list[tuple[int, Message | Output]] = []
        now_ms = start_ms
        for _ in range(20_000):
            for output in self.repair.poll(now_ms):
                if isinstance(output, SendControl):
                    assert len(output.frame) <= FRAME_BYTES_MAX
                    found.append((now_ms, open_control(output.frame, LINK).message))
                    self.repair.sent(now_ms)
                else:
                    found.append((now_ms, output))
            deadline_ms = self.repair.deadline_ms()
            if deadline_ms is None or deadline_ms >= end_ms:
                return found
            now_ms = max(deadline_ms, now_ms + 1)
        raise AssertionError("it wakes without end")

    def vectors(self, start_ms: int, end_ms: int) -> list[int]:
        return [at_ms for at_ms, said in self.sent(start_ms, end_ms) if isinstance(said, Vector)]


def test_what_is_on_the_disk_is_announced_and_nothing_else() -> None:
    station = Station((3, range(1, 4)))
    station.repair.hear_entry(3, 4, entry(3, 4).envelope_id, 0)
    ((_, said),) = station.sent(0, TRICKLE.interval_min_ms)
    assert isinstance(said, Vector)
    assert [(log.index, log.contiguous) for log in said.logs] == [(3, 3)]


def test_where_all_is_well_it_says_so_ever_more_rarely() -> None:
    times = Station((3, range(1, 4))).vectors(0, 10 * HOUR_MS)
    assert len([at_ms for at_ms in times if at_ms > 2 * HOUR_MS]) <= 8 * HOUR_MS // TRICKLE.interval_max_ms + 1


def test_a_neighbor_that_says_the_same_spares_our_vector() -> None:
    station = Station((3, range(1, 4)))
    same = Vector(0, 254, (NodeLog(3, 3, station.log.vector()[0].total),))
    station.hear(same, 100)
    assert station.sent(100, TRICKLE.interval_min_ms) == []


def test_a_neighbor_that_lacks_something_is_told_soon() -> None:
    station = Station((3, range(1, 4)))
    station.sent(0, 5 * HOUR_MS)
    station.hear(claim((3, 2)), 5 * HOUR_MS)
    assert len(station.vectors(5 * HOUR_MS, 5 * HOUR_MS + TRICKLE.interval_min_ms)) == 1


def test_a_neighbor_that_lacks_what_is_gone_is_told_nothing() -> None:
    station = Station((3, range(1, 4)))
    station.repair.gone(3, Span(1, 3))
    station.sent(0, 5 * HOUR_MS)
    station.hear(claim(), 5 * HOUR_MS)
    assert station.vectors(5 * HOUR_MS, 5 * HOUR_MS + TRICKLE.interval_min_ms) == []


def test_a_neighbor_that_is_never_satisfied_does_not_keep_us_talking() -> None:
    station = Station((3, range(1, 4)))
    vectors = 0
    for now_ms in range(0, 6 * HOUR_MS, 60_000):
        station.hear(claim((3, 2 + now_ms // 60_000 % 2 - 1)), now_ms)
        vectors += len(station.vectors(now_ms, now_ms + 60_000))
    assert vectors * EU868.frame_airtime_ms(60) < 8 * PURSE_MS
    assert station.repair.tally()["capped"] > 0


def test_what_is_lacking_is_asked_for_and_what_arrives_is_announced() -> None:
    station = Station((3, range(1, 4)))
    station.hear(claim((3, 5)), 0)
    ((_, request),) = [item for item in station.sent(0, 10_000) if isinstance(item[1], Request)]
    assert request == Request(THEM, (portion(3, (4, 5)),))
    for number in (4, 5):
        station.repair.stored(entry(3, number), 11_000, THEM)
    assert station.vectors(11_000, 11_000 + 90_000)
    assert not any(isinstance(said, Request) for _, said in station.sent(101_000, HOUR_MS))


def test_new_entries_are_announced_once_for_all() -> None:
    station = Station((3, range(1, 4)))
    station.sent(0, 5 * HOUR_MS)
    for number in range(4, 24):
        station.repair.stored(entry(3, number), 5 * HOUR_MS + number)
    assert len(station.vectors(5 * HOUR_MS, 5 * HOUR_MS + NEWS_MS[1] + 100)) == 1


def test_a_neighbor_that_announces_them_first_spares_ours() -> None:
    station = Station((3, range(1, 4)))
    station.sent(0, 5 * HOUR_MS)
    station.repair.stored(entry(3, 4), 5 * HOUR_MS)
    station.hear(Vector(0, 254, (NodeLog(3, 4, station.log.vector()[0].total),)), 5 * HOUR_MS + 1000)
    assert station.vectors(5 * HOUR_MS, 5 * HOUR_MS + NEWS_MS[1] + 100) == []


def test_an_entry_stored_twice_is_no_news() -> None:
    station = Station((3, range(1, 4)))
    before = station.repair.deadline_ms()
    station.repair.stored(entry(3, 2), 0)
    assert station.repair.deadline_ms() == before


def test_who_asks_is_answered_with_entries_and_gone_runs() -> None:
    station = Station((3, range(1, 9)))
    station.repair.gone(3, Span(1, 4))
    station.hear(Request(ME, (portion(3, (3, 6)),)), 0)
    said = [said for _, said in station.sent(0, 10_000)]
    assert Gone((portion(3, (3, 4)),)) in said
    assert [output.number for output in said if isinstance(output, SendEntry)] == [5, 6]


def test_without_counters_it_asks_for_some_and_says_nothing() -> None:
    repair = Repair(
        ME, LINK, Logbook(), EU868.frame_airtime_ms, random.Random(1), neighbor_ms_per_hour=PURSE_MS, heard={}
    )
    repair.start(0)
    assert repair.events() == [CountersNeeded()]
    assert repair.poll(TRICKLE.interval_min_ms) == []
    assert repair.deadline_ms() is None
    repair.grant(7, 64)
    (sent,) = repair.poll(TRICKLE.interval_min_ms)
    assert isinstance(sent, SendControl)
    assert sent.kind is Kind.VECTOR
    assert open_control(sent.frame, LINK).counter == 7
    assert repair.events() == []


def test_last_month_s_frames_are_refused_whether_replayed_or_sealed_under_old_keys() -> None:
    station = Station((3, range(1, 4)))
    old = station.hear(claim((3, 9)), 0)
    station.repair.receive(old, 1)
    station.hear(claim((3, 9)), 2, link=LinkKeys(LINK.space_id, (b"o" * 32,)))
    assert station.repair.events()[-2:] == [Rejected("stale"), Rejected("tag")]
    again = Station((3, range(1, 4)), heard=station.repair.heard_counters())
    again.repair.receive(old, 0)
    assert again.repair.events() == [Rejected("stale")]
    assert again.repair.tally() == {"rejected-stale": 1}


def test_keys_change_with_the_epoch() -> None:
    station = Station((3, range(1, 4)))
    new = LinkKeys(LINK.space_id, (b"n" * 32, *LINK.keys))
    station.hear(claim(), 0, link=new)
    assert station.repair.tally() == {"rejected-tag": 1}
    station.repair.use(new)
    station.hear(claim(), 1, link=new)
    station.hear(claim(), 2)
    assert station.repair.tally()["vector-heard"] == 2
    (sent,) = station.repair.poll(TRICKLE.interval_min_ms)
    assert isinstance(sent, SendControl)
    assert open_control(sent.frame, LinkKeys(LINK.space_id, (b"n" * 32,))).sender == ME


def test_a_twin_is_noticed_and_an_echo_is_not_one() -> None:
    station = Station((3, range(1, 4)))
    (own,) = station.repair.poll(TRICKLE.interval_min_ms)
    assert isinstance(own, SendControl)
    station.repair.receive(own.frame, TRICKLE.interval_min_ms)
    assert station.repair.events() == [Rejected("echo")]
    station.counter = 500
    station.hear(claim((3, 9)), TRICKLE.interval_min_ms, sender=ME)
    assert station.repair.events() == [Rejected("echo"), TwinHeard(501)]


def test_a_log_of_our_own_that_is_longer_elsewhere_is_noticed_once() -> None:
    station = Station((ME, range(1, 4)))
    station.hear(claim((ME, 3)), 0)
    assert station.repair.events() == []
    station.hear(claim((ME, 9)), 1)
    station.hear(claim((ME, 9)), 2)
    station.repair.hear_entry(ME, 8, entry(ME, 8).envelope_id, 3)
    assert station.repair.events() == [OwnLogAhead(9)]
    requests = [said for _, said in station.sent(3, 20_000) if isinstance(said, Request)]
    assert requests[0].portions == (portion(ME, (4, 9)),)


def test_a_forged_i_have_all_costs_a_bounded_number_of_requests() -> None:
    station = Station((3, range(1, 4)))
    requests = 0
    for now_ms in range(0, 24 * HOUR_MS, 300_000):
        station.hear(claim(*((index, LOG_NUMBER_MAX) for index in range(30))), now_ms)
        requests += sum(isinstance(said, Request) for _, said in station.sent(now_ms, now_ms + 300_000))
    assert requests < 60
    assert station.log.vector()[0].contiguous == 3
    assert station.repair.neighbors(24 * HOUR_MS)[0].misses > 8


def test_wrong_answers_are_counted_against_their_sender() -> None:
    station = Station()
    station.hear(claim((3, 9)), 0)
    station.repair.refused(THEM, 10)
    station.repair.refused(77, 10)
    assert station.repair.tally()["wrong-answers"] == 2
    assert [(state.index, state.misses) for state in station.repair.neighbors(10)] == [(THEM, 1)]


def test_more_than_thirty_nodes_take_turns_and_neighbors_share_the_turns() -> None:
    station = Station(*((index, range(1, 3)) for index in range(100)))
    ((_, first),) = station.sent(0, TRICKLE.interval_min_ms)
    assert isinstance(first, Vector)
    assert (first.first, first.last < 100) == (0, True)
    known = {log.index: log for log in station.log.vector()}
    theirs = Vector(
        first.last + 1,
        first.last + 20,
        tuple(NodeLog(i, 2, known[i].total) for i in range(first.last + 1, first.last + 21) if i in known),
    )
    station.hear(theirs, TRICKLE.interval_min_ms + 1)
    following = [said for _, said in station.sent(TRICKLE.interval_min_ms + 1, HOUR_MS) if isinstance(said, Vector)]
    assert following[0].first == theirs.last + 1


def test_a_refused_frame_is_asked_again() -> None:
    station = Station()
    station.hear(claim((3, 9)), 0)
    found = [output for now_ms in range(0, 7000, 100) for output in station.repair.poll(now_ms)]
    assert [output.kind for output in found if isinstance(output, SendControl)] == [Kind.REQUEST]
    station.repair.sent(7000, ok=False)
    assert any(isinstance(said, Request) for _, said in station.sent(7000, 20_000))


def test_events_that_nobody_fetches_do_not_pile_up() -> None:
    station = Station()
    for number in range(2000):
        station.repair.receive(number.to_bytes(2, "big"), 0)
    assert len(station.repair.events()) <= 256
    assert station.repair.tally() == {"rejected-size": 2000}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(messages, st.integers(0, 254), st.integers(0, 600_000)), max_size=12))
def test_nothing_a_member_says_breaks_it_or_costs_more_than_its_purse(script: list[tuple[Message, int, int]]) -> None:
    station = Station((3, range(1, 40)), (ME, range(1, 9)), (7, range(2, 30, 3)))
    station.repair.gone(3, Span(10, 20))
    before = {known.envelope_id for known in station.log.get(3, Span(1, 99), 99)}
    now_ms = 0
    for message, sender, wait_ms in script:
        station.hear(message, now_ms, sender=NodeIndex(sender))
        station.sent(now_ms, now_ms + wait_ms)
        now_ms += wait_ms
    station.sent(now_ms, now_ms + HOUR_MS)
    assert {known.envelope_id for known in station.log.get(3, Span(1, 99), 99)} == before
    for state in station.repair.neighbors(now_ms):
        assert 0 <= state.purse_ms <= PURSE_MS


@given(st.binary(max_size=260))
def test_any_bytes_are_survived(data: bytes) -> None:
    station = Station((3, range(1, 4)))
    station.repair.receive(data, 0)
    assert all(isinstance(event, Rejected) for event in station.repair.events())


@pytest.mark.parametrize("asked", [ME, ANYONE, 77])
def test_endless_requests_are_answered_within_the_asker_s_purse(asked: int) -> None:
    station = Station((3, range(1, 2000)))
    spent = 0.0
    for number, now_ms in enumerate(range(0, 2 * HOUR_MS, 30_000)):
        first = 1 + number * 30 % 1900
        station.hear(Request(asked, (portion(3, (first, first + 60)),)), now_ms)
        spent += sum(
            said.airtime_ms for _, said in station.sent(now_ms, now_ms + 30_000) if isinstance(said, SendEntry)
        )
    assert spent <= 3 * PURSE_MS
    assert station.repair.tally()["capped"] > 0
