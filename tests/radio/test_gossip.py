"""The flooding machine on its own: what it sends when, what it believes, and what it refuses."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.envelope import envelope_id
from app.radio import gossip as gossip_module
from app.radio import patience
from app.radio.airtime import AirtimeBudget
from app.radio.frame import (
    FRAME_BYTES_MAX,
    RECEIPT_PREFIXES_MAX,
    EnvelopeFrame,
    LinkKeys,
    NodeIndex,
    ReceiptFrame,
    decode_frame,
    encode_frame,
)
from app.radio.gossip import FORWARD_TRIES_MAX, Gossip
from app.radio.parcel import (
    CountersNeeded,
    EnvelopeHeard,
    Held,
    Parcel,
    Priority,
    Purpose,
    Rejected,
    Signal,
    Transmit,
    prefix_of,
)
from app.radio.profile import EU868

LINK = LinkKeys(b"s" * 16, (b"k" * 32,))
ME, A, B, C = (NodeIndex(index) for index in range(4))
HOUR = 3_600_000
MINUTE = 60_000
RECEIPT_WAIT_MS = patience.RECEIPT_MIN_MS + 2 * patience.RECEIPT_NEIGHBOR_MS


def envelope(number: int = 0, size: int = 150, class_: int = 2) -> bytes:
    return bytes([0x10 | class_]) + number.to_bytes(4, "big") + bytes(size - 5)


def parcel(number: int = 0, entry: NodeIndex = ME, priority: Priority = Priority.PEOPLE, size: int = 150) -> Parcel:
    data = envelope(number, size)
    return Parcel(data, envelope_id(data), entry, number + 1, priority)


class Rig:
    """A gossip machine with its own clock."""

    def __init__(self, *known: NodeIndex, me: NodeIndex = ME, duty_cycle: float = 0.1, repaired: bool = False) -> None:
        self.now_ms = 1000
        budget = AirtimeBudget(duty_cycle)
        self.gossip = Gossip(me, LINK, budget, EU868.frame_airtime_ms, random.Random(7), repaired=repaired)
        self.gossip.grant(100, 1000)
        self.gossip.known_nodes(frozenset({me, *known}), self.now_ms)

    def offer(self, what: Parcel) -> bool:
        return self.gossip.offer(what, frozenset({ME}), self.now_ms)

    def hear(self, what: Parcel, sender: NodeIndex, hops: int = 0, snr_db: float = 0.0) -> list[object]:
        frame = EnvelopeFrame(sender, hops, what.entry, what.number, what.envelope)
        self.gossip.receive(encode_frame(frame, LINK), Signal(-90, snr_db), self.now_ms)
        return list(self.gossip.events())

    def receipt(self, sender: NodeIndex, counter: int, *parcels: Parcel) -> list[object]:
        frame = ReceiptFrame(sender, counter, tuple(prefix_of(what.envelope_id) for what in parcels))
        self.gossip.receive(encode_frame(frame, LINK), Signal(-90, 0.0), self.now_ms)
        return list(self.gossip.events())

    def hears(self, sender: NodeIndex, counter: int, *nodes: NodeIndex) -> None:
        """A neighbor tells whom it hears."""
        frame = ReceiptFrame(sender, counter, (), frozenset(nodes))
        self.gossip.receive(encode_frame(frame, LINK), Signal(-90, 0.0), self.now_ms)
        self.gossip.events()

    def next(self, within_ms: int = 10 * HOUR, *, ok: bool = True, hello: bool = False) -> Transmit | None:
        """The next transmission, sent at once, hellos aside; None when nothing goes out in time."""
        end_ms = self.now_ms + within_ms
        while True:
            sent = self.gossip.poll(self.now_ms)
            if sent:
                self.gossip.sent(self.now_ms, ok=ok)
                if hello or sent[0].purpose is not Purpose.HELLO:
                    return sent[0]
            deadline_ms = self.gossip.deadline_ms()
            if deadline_ms is None or deadline_ms > end_ms:
                self.now_ms = end_ms
                return None
            assert deadline_ms > self.now_ms, "a deadline that has come must let something go"
            self.now_ms = deadline_ms

    def all_within(self, ms: int) -> list[Transmit]:
        end_ms = self.now_ms + ms
        sent = []
        while (transmit := self.next(end_ms - self.now_ms)) is not None:
            sent.append(transmit)
        return sent


def test_an_entry_goes_out_at_once_and_again_until_somebody_has_it() -> None:
    rig = Rig(A, B)
    what = parcel()
    assert rig.offer(what)
    first = rig.next(0)
    assert first is not None
    assert first.purpose is Purpose.ENTRY
    assert decode_frame(first.frame, LINK) == EnvelopeFrame(ME, 0, ME, 1, what.envelope)
    assert first.airtime_ms == EU868.frame_airtime_ms(len(first.frame))
    waits = []
    for _ in range(8):
        before_ms = rig.now_ms
        retry = rig.next()
        assert retry is not None
        assert retry.purpose is Purpose.RETRY
        waits.append(rig.now_ms - before_ms)
    assert waits[0] >= patience.patience_ms(first.airtime_ms, 0)
    assert waits[4] > 4 * waits[0] / (1 + patience.RETRY_JITTER)
    assert max(waits) <= patience.RETRY_MAX_MS * (1 + patience.RETRY_JITTER)
    assert rig.receipt(A, 1, what) == [Held(prefix_of(what.envelope_id), A)]
    assert rig.next() is None


def test_hearing_it_passed_on_is_a_receipt() -> None:
    rig = Rig(A, B)
    what = parcel()
    rig.offer(what)
    rig.next(0)
    assert rig.hear(what, A, hops=1) == [Held(prefix_of(what.envelope_id), A)]
    assert rig.next() is None


def test_nothing_is_said_to_nobody() -> None:
    rig = Rig()
    rig.offer(parcel())
    assert rig.next() is None
    rig.gossip.known_nodes(frozenset({ME, A}), rig.now_ms)
    assert rig.next(0) is not None


def test_stored_first_spoken_afterwards() -> None:
    rig = Rig(A, B)
    what = parcel(entry=A)
    assert rig.hear(what, A) == [EnvelopeHeard(what, A, 0, Signal(-90, 0.0))]
    assert rig.next() is None, "nothing is said of an envelope that is not on the disk"
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    forward = rig.next()
    assert forward is not None
    assert forward.purpose is Purpose.FORWARD
    assert decode_frame(forward.frame, LINK) == EnvelopeFrame(ME, 1, A, 1, what.envelope)


def test_when_all_have_it_a_receipt_is_enough() -> None:
    rig = Rig(A)
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    receipt = rig.next()
    assert receipt is not None
    assert receipt.purpose is Purpose.RECEIPT
    assert decode_frame(receipt.frame, LINK) == ReceiptFrame(ME, 100, (prefix_of(what.envelope_id),))
    assert rig.next() is None


def test_two_other_copies_silence_a_forward_into_a_receipt() -> None:
    rig = Rig(A, B, C, NodeIndex(9))
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    rig.hear(what, B, hops=1)
    rig.hear(what, C, hops=1)
    assert [sent.purpose for sent in rig.all_within(HOUR)] == [Purpose.RECEIPT]


def test_a_copy_from_the_last_that_lacked_it_turns_the_forward_into_a_receipt() -> None:
    rig = Rig(A, B)
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    assert rig.hear(what, B, hops=1) == [Held(prefix_of(what.envelope_id), B)]
    assert [sent.purpose for sent in rig.all_within(HOUR)] == [Purpose.RECEIPT]


def test_a_forward_is_tried_three_more_times_for_a_neighbor() -> None:
    rig = Rig(A, B)
    rig.receipt(B, 1)
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    purposes = [sent.purpose for sent in rig.all_within(HOUR)]
    assert purposes == [Purpose.FORWARD] + [Purpose.RETRY] * (FORWARD_TRIES_MAX - 1)


def test_at_the_end_of_the_road_a_forward_is_tried_once_and_an_import_not_at_all() -> None:
    rig = Rig(A, B)
    post, market = parcel(1, entry=A), parcel(2, entry=A)
    for what, priority in ((post, Priority.PEOPLE), (market, Priority.BACKGROUND)):
        rig.hear(what, A)
        rig.gossip.stored(what.envelope_id, rig.now_ms, priority)
    assert [sent.purpose for sent in rig.all_within(HOUR)] == [Purpose.RECEIPT, Purpose.FORWARD]


def test_whoever_asks_again_is_told_again() -> None:
    rig = Rig(A)
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    assert rig.next() is not None
    for _ in range(3):
        assert rig.hear(what, A) == []
        again = rig.next()
        assert again is not None
        assert again.purpose is Purpose.RECEIPT


def test_a_node_that_comes_on_air_is_given_what_it_lacks() -> None:
    rig = Rig(A, B)
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    rig.all_within(HOUR)
    rig.receipt(B, 1)
    woken = rig.next(RECEIPT_WAIT_MS)
    assert woken is not None
    assert woken.purpose is Purpose.RETRY
    assert rig.receipt(B, 2, what) == [Held(prefix_of(what.envelope_id), B)]
    rig.now_ms += HOUR
    rig.receipt(B, 3)
    assert rig.next() is None


def test_a_talkative_neighbor_does_not_wake_us_each_time() -> None:
    rig = Rig(A, B)
    rig.offer(parcel())
    rig.next(0)
    rig.receipt(A, 1, parcel())
    sent = 0
    for counter in range(2, 200):
        rig.now_ms += 10_000
        rig.receipt(B, counter)
        sent += len(rig.all_within(0))
    assert 1 <= sent <= 6


def test_a_hello_is_an_empty_receipt() -> None:
    rig = Rig(A)
    rig.gossip.greet(rig.now_ms)
    hello = rig.next(RECEIPT_WAIT_MS, hello=True)
    assert hello is not None
    assert hello.purpose is Purpose.HELLO
    assert decode_frame(hello.frame, LINK) == ReceiptFrame(ME, 100, ())
    assert len(hello.frame) == 14
    before_ms = rig.now_ms
    assert rig.next(hello=True) is not None, "a silent node says now and then that it is there"
    assert rig.now_ms - before_ms >= patience.HELLO_MS


def test_receipts_share_a_frame_and_are_bounded() -> None:
    rig = Rig(A)
    for number in range(40):
        what = parcel(number, entry=A)
        rig.hear(what, A)
        rig.gossip.stored(what.envelope_id, rig.now_ms)
    rig.now_ms += RECEIPT_WAIT_MS
    frames = [decode_frame(sent.frame, LINK) for sent in rig.all_within(HOUR)]
    assert [len(frame.prefixes) for frame in frames if isinstance(frame, ReceiptFrame)] == [
        RECEIPT_PREFIXES_MAX,
        40 - RECEIPT_PREFIXES_MAX,
    ]


def test_repetitions_beyond_the_receipts_that_can_wait_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gossip_module, "RECEIPTS_MAX", 10)
    rig = Rig(A)
    for number in range(30):
        what = parcel(number, entry=A)
        rig.hear(what, A)
        rig.gossip.stored(what.envelope_id, rig.now_ms)
        rig.hear(what, A)
    assert rig.gossip._repeated_receipts <= rig.gossip._receipts.keys()
    assert len(rig.gossip._receipts) == 10


def test_a_receipt_that_failed_is_said_later() -> None:
    rig = Rig(A)
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    assert rig.next(ok=False) is not None
    again = rig.next()
    assert again is not None
    frame = decode_frame(again.frame, LINK)
    assert isinstance(frame, ReceiptFrame)
    assert frame.counter == 101
    assert frame.prefixes == (prefix_of(what.envelope_id),)


def test_counters_are_asked_for_before_they_run_out_and_receipts_wait_for_them() -> None:
    rig = Rig(A)
    rig.gossip.grant(1, 0)
    what = parcel(entry=A)
    assert CountersNeeded() in rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    assert rig.next(HOUR) is None
    assert rig.gossip.events() == [], "asked once"
    rig.gossip.grant(500, 64)
    receipt = rig.next(0)
    assert receipt is not None
    assert decode_frame(receipt.frame, LINK) == ReceiptFrame(ME, 500, (prefix_of(what.envelope_id),))


def test_a_replayed_receipt_is_stale() -> None:
    rig = Rig(A, B)
    what = parcel()
    rig.offer(what)
    assert rig.receipt(A, 7) == []
    assert rig.receipt(A, 7, what) == [Rejected("stale")]
    assert rig.receipt(A, 6, what) == [Rejected("stale")]
    assert rig.receipt(B, 6, what) == [Held(prefix_of(what.envelope_id), B)]


def test_a_receipt_for_what_the_table_has_forgotten_still_counts() -> None:
    rig = Rig(A)
    what = parcel()
    assert rig.receipt(A, 1, what) == [Held(prefix_of(what.envelope_id), A)]


def test_our_own_voice_and_strangers_are_refused() -> None:
    rig = Rig(A)
    assert rig.hear(parcel(), ME) == [Rejected("echo")]
    rig.gossip.receive(b"\x10" + bytes(120), Signal(), rig.now_ms)
    assert rig.gossip.events() == [Rejected("mac")]


def test_what_the_door_refused_is_dropped_unseen_and_what_the_disk_refused_is_not() -> None:
    rig = Rig(A, B)
    forged, unlucky = parcel(1, entry=A), parcel(2, entry=A)
    for what in (forged, unlucky):
        rig.hear(what, A)
    rig.gossip.refused(forged.envelope_id)
    rig.gossip.forget(unlucky.envelope_id)
    assert rig.hear(forged, A) == []
    assert rig.hear(unlucky, A) == [EnvelopeHeard(unlucky, A, 0, Signal(-90, 0.0))]
    rig.gossip.refused(unlucky.envelope_id)
    assert rig.next() is None


def test_alerts_go_before_people_and_people_before_imports() -> None:
    rig = Rig(A)
    for number, priority in enumerate((Priority.BACKGROUND, Priority.PEOPLE, Priority.ALERT)):
        rig.offer(parcel(number, priority=priority))
    sent = [decode_frame(transmit.frame, LINK) for transmit in rig.all_within(60_000)]
    first_heard = dict.fromkeys(frame.number for frame in sent if isinstance(frame, EnvelopeFrame))
    assert list(first_heard) == [3, 2, 1]


def test_imports_leave_the_channel_to_others() -> None:
    rig = Rig(A, duty_cycle=1.0)
    for number in range(20):
        rig.offer(parcel(number, priority=Priority.BACKGROUND))
    first = rig.next()
    assert first is not None
    before_ms = rig.now_ms
    assert rig.next() is not None
    assert rig.now_ms - before_ms >= patience.QUIET_AIRTIMES * first.airtime_ms


def test_a_forwarded_import_is_acknowledged_before_it_travels() -> None:
    rig = Rig(A, B)
    rig.receipt(B, 1)
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms, Priority.BACKGROUND)
    assert [sent.purpose for sent in rig.all_within(20_000)][:2] == [Purpose.RECEIPT, Purpose.FORWARD]


def test_reserves_of_the_hour() -> None:
    rig = Rig(A, duty_cycle=0.01)
    cost_ms = EU868.frame_airtime_ms(FRAME_BYTES_MAX)
    for number in range(60):
        rig.offer(parcel(number, priority=Priority.BACKGROUND, size=220))
        rig.offer(parcel(100 + number, priority=Priority.PEOPLE, size=220))
        rig.offer(parcel(200 + number, priority=Priority.ALERT, size=220))
    spent: dict[str, float] = {}
    for sent in rig.all_within(HOUR // 2):
        frame = decode_frame(sent.frame, LINK)
        assert isinstance(frame, EnvelopeFrame)
        key = "alert" if frame.number > 200 else "people" if frame.number > 100 else "background"
        spent[key] = spent.get(key, 0.0) + sent.airtime_ms
    assert sum(spent.values()) <= 36_000
    assert spent["alert"] > 36_000 - cost_ms
    assert "background" not in spent


def test_people_cannot_take_the_alerts_reserve() -> None:
    rig = Rig(A, duty_cycle=0.01)
    for number in range(60):
        rig.offer(parcel(number, size=220))
    assert sum(sent.airtime_ms for sent in rig.all_within(HOUR // 2)) <= 0.9 * 36_000
    rig.offer(parcel(999, priority=Priority.ALERT))
    alert = rig.next(0)
    assert alert is not None


def test_an_alert_heard_is_first_before_it_is_opened() -> None:
    rig = Rig(A, B)
    data = envelope(class_=0)
    what = Parcel(data, envelope_id(data), A, 1, Priority.ALERT)
    assert rig.hear(what, A) == [EnvelopeHeard(what, A, 0, Signal(-90, 0.0))]


def test_an_envelope_longer_than_a_frame_stays_here() -> None:
    rig = Rig(A)
    assert not rig.offer(parcel(size=FRAME_BYTES_MAX))
    assert rig.next() is None


def test_better_placed_nodes_wait_longer() -> None:
    rng = random.Random(1)
    far = [patience.contention_ms(1000, Signal(-120, -12.0), 3, rng) for _ in range(200)]
    near = [patience.contention_ms(1000, Signal(-60, 10.0), 3, rng) for _ in range(200)]
    assert sum(near) / 200 - sum(far) / 200 == pytest.approx(0.3 * patience.window_ms(1000, 3), rel=0.2)
    assert max(near) <= patience.window_ms(1000, 3)


def test_the_window_grows_with_the_crowd_up_to_a_limit() -> None:
    assert [patience.window_ms(100, neighbors) for neighbors in (0, 1, 5, 50)] == [150, 150, 750, 1200]


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gossip_module, "ITEMS_MAX", 5)
    rig = Rig(A)
    assert [rig.offer(parcel(number)) for number in range(6)] == [True] * 5 + [False]
    assert rig.hear(parcel(50, entry=A), A) == [Rejected("full")]
    rig.receipt(A, 1, parcel(0))
    assert rig.offer(parcel(6)), "what is done with makes room"


def test_envelopes_that_wait_for_the_disk_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gossip_module, "UNSTORED_MAX", 3)
    rig = Rig(A)
    events = [rig.hear(parcel(number, entry=A), A)[0] for number in range(4)]
    assert events[3] == Rejected("busy")


def test_who_was_heard_how() -> None:
    rig = Rig(A)
    rig.hear(parcel(entry=A), B, snr_db=-3.25)
    assert rig.gossip.neighbors()[B].signal == Signal(-90, -3.25)
    assert rig.gossip.waiting()[Priority.PEOPLE] == 0


@given(st.lists(st.tuples(st.binary(max_size=240), st.integers(0, 60_000)), max_size=20))
def test_no_bytes_break_it(frames: list[tuple[bytes, int]]) -> None:
    rig = Rig(A, B)
    for data, wait_ms in frames:
        rig.now_ms += wait_ms
        rig.gossip.receive(data, Signal(), rig.now_ms)
        rig.gossip.poll(rig.now_ms)
        assert all(isinstance(event, Rejected) for event in rig.gossip.events())


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 40_000)), max_size=60), st.integers(0, 99)
)
def test_it_never_stalls_and_never_claims_what_is_not_stored(steps: list[tuple[int, int, int]], seed: int) -> None:
    rig = Rig(A, B, C)
    stored: set[bytes] = set()
    rng = random.Random(seed)
    for number, sender, wait_ms in steps:
        what = parcel(number, entry=NodeIndex(1 + number % 3))
        for event in rig.hear(what, NodeIndex(sender), hops=rng.randrange(4)):
            if isinstance(event, EnvelopeHeard) and rng.random() < 0.7:
                stored.add(event.parcel.envelope_id)
                rig.gossip.stored(event.parcel.envelope_id, rig.now_ms)
        for sent in rig.all_within(wait_ms):
            frame = decode_frame(sent.frame, LINK)
            if isinstance(frame, EnvelopeFrame):
                assert envelope_id(frame.envelope) in stored
            elif isinstance(frame, ReceiptFrame):
                assert all(any(name.startswith(prefix) for name in stored) for prefix in frame.prefixes)


def test_nothing_is_passed_on_to_those_whom_its_sender_reaches() -> None:
    rig = Rig(A, B, C, repaired=True)
    rig.hears(A, 1, ME, B)
    rig.hears(B, 1, ME, A)
    rig.hears(C, 1, ME, A)  # A did not tell of C, but C hears A
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    sent = rig.all_within(HOUR)
    assert [one.purpose for one in sent] == [Purpose.RECEIPT]


def test_a_neighbor_beyond_its_senders_reach_is_served() -> None:
    rig = Rig(A, B, C, repaired=True)
    rig.hears(A, 1, ME, B)
    rig.hears(C, 1, ME)
    what = parcel(entry=A)
    rig.hear(what, A)
    rig.gossip.stored(what.envelope_id, rig.now_ms)
    first = rig.next(MINUTE)
    assert first is not None and first.purpose is Purpose.FORWARD


def test_in_a_crowd_one_receipt_speaks_for_all() -> None:
    crowd = [NodeIndex(index) for index in range(1, 8)]
    rig = Rig(*crowd, repaired=True)
    for node in crowd:
        rig.hears(node, 1, ME, *(other for other in crowd if other != node))
    spared, said = parcel(1, entry=A), parcel(2, entry=A)
    for what in (spared, said):
        rig.hear(what, A)
        rig.gossip.stored(what.envelope_id, rig.now_ms)
    rig.receipt(B, 2, spared)
    sent = [decode_frame(one.frame, LINK) for one in rig.all_within(HOUR)]
    assert [one.prefixes for one in sent if isinstance(one, ReceiptFrame)] == [(prefix_of(said.envelope_id),)]


def test_a_new_neighbor_is_told_of() -> None:
    rig = Rig(A, B, repaired=True)
    rig.hears(A, 1)
    rig.hears(B, 1)
    told = rig.next(patience.TELL_MS[1], hello=True)
    assert told is not None and told.purpose is Purpose.HELLO
    assert decode_frame(told.frame, LINK) == ReceiptFrame(ME, 100, (), frozenset({A, B}))
