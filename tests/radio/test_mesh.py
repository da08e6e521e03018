"""The mesh machine: flooding, repair and fragments together, on the virtual clock."""

import random

import pytest

from app.core.envelope import envelope_id
from app.radio.control import ControlFrame, Wants, seal_control
from app.radio.fragment import Encoder, ObjectId
from app.radio.frame import (
    HOPS_MAX,
    LOG_NUMBER_MAX,
    EnvelopeFrame,
    LinkKeys,
    NodeIndex,
    SymbolFrame,
    encode_frame,
)
from app.radio.logbook import Logbook, LogEntry
from app.radio.mesh import OWN_LEAP_MAX, Mesh
from app.radio.parcel import CountersNeeded, Covered, Parcel, Priority, Purpose, Signal, Transmit
from app.radio.profile import EU868
from app.radio.purses import Meter
from app.radio.request import Request
from app.radio.span import Portion, Span
from app.radio.vector import NodeLog, Vector, checksum
from app.radio.want import Trust, Want
from tests.radio.mesh_net import HOUR, LINK, MINUTE, Net, envelope

SIGNAL = Signal(-90, 0.0)


def test_a_post_reaches_all_and_its_author_hears_who_keeps_it() -> None:
    net = Net(4)
    name = net.nodes[0].post(envelope(1))
    assert net.until(net.agree, MINUTE)
    assert net.until(lambda: net.nodes[0].kept_by[name] >= {1, 2, 3}, 10 * MINUTE)
    assert not any(node.rejected for node in net.nodes)


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_long_record_reaches_all_along_a_road(loss: float) -> None:
    net = Net(4, seed=3, loss=loss)
    net.links = {frozenset((index, index + 1)) for index in range(3)}
    net.nodes[0].post(envelope(1, 2_000))
    assert net.until(net.agree, 2 * HOUR)
    symbols = [sent for _, _, sent in net.sent if sent.purpose in (Purpose.ENTRY, Purpose.SYMBOL, Purpose.FORWARD)]
    assert len(symbols) <= (40 if loss == 0 else 80)


def test_the_longest_record_passes_while_an_alert_overtakes_it() -> None:
    net = Net(2)
    long = net.nodes[0].post(envelope(1, 8_292))
    net.run(10_000)
    alert = net.nodes[0].post(envelope(2), Priority.ALERT)
    assert net.until(lambda: alert in net.nodes[1].disk, 5_000)
    assert long not in net.nodes[1].disk
    assert net.until(net.agree, 10 * MINUTE)


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_who_joins_a_year_later_gets_everything(loss: float) -> None:
    net = Net(3, seed=5, loss=loss)
    net.nodes[2].stop()
    for number in range(30):
        net.nodes[number % 2].post(envelope(number))
    net.nodes[0].post(envelope(99, 1_000))
    assert net.until(net.agree, 4 * HOUR)
    net.run(24 * HOUR)
    for node in net.nodes[:2]:
        node.stop()
        node.start()  # a year later nothing is left of the tables
    net.run(HOUR)
    net.nodes[2].start()
    before_ms = net.now_ms
    assert net.until(net.agree, 6 * HOUR)
    assert len(net.nodes[2].disk) == 31
    least_ms = 30 * EU868.frame_airtime_ms(209) + 5 * EU868.frame_airtime_ms(219)
    assert net.airtime_ms(since_ms=before_ms) <= (2 if loss == 0 else 4) * least_ms


def test_who_was_off_gets_what_it_missed_and_nothing_twice() -> None:
    net = Net(3, seed=7)
    for number in range(10):
        net.nodes[0].post(envelope(number))
    assert net.until(net.agree, HOUR)
    net.nodes[2].stop()
    for number in range(10, 20):
        net.nodes[1].post(envelope(number))
    net.run(HOUR)
    net.nodes[2].start()
    before_ms = net.now_ms
    assert net.until(net.agree, HOUR)
    net.run(HOUR)
    answers = [sent for at, _, sent in net.sent if at >= before_ms and len(sent.frame) > 200]
    assert [(sent.purpose, sent.frame[2]) for sent in answers] == [(Purpose.ANSWER, HOPS_MAX)] * 10


def test_one_record_at_two_nodes_has_two_places_and_then_peace() -> None:
    """A phone that posts at two nodes is one record; the vectors agree in the end, and nobody asks for ever."""
    net = Net(3, seed=2)
    net.links = set()
    net.nodes[0].post(envelope(1))
    net.nodes[1].post(envelope(1))
    net.run(MINUTE)
    net.links = None
    assert net.until(lambda: all(len(node.places) == 2 for node in net.nodes), 4 * HOUR)
    net.run(HOUR)
    quiet_ms = net.now_ms
    net.run(6 * HOUR)
    assert not net.airtime_ms(Purpose.REPAIR, Purpose.ANSWER, since_ms=quiet_ms)


def test_what_was_dropped_is_not_asked_for_again() -> None:
    net = Net(2, seed=4)
    name = net.nodes[0].post(envelope(1))
    net.nodes[0].post(envelope(2))
    assert net.until(net.agree, HOUR)
    del net.nodes[1].disk[name]
    net.nodes[1].places = {place for place in net.nodes[1].places if place[2] != name}
    net.nodes[1].mesh.gone(LogEntry(0, 1, name, 150), net.now_ms)
    before_ms = net.now_ms
    net.run(6 * HOUR)
    assert not net.airtime_ms(Purpose.REPAIR, Purpose.ANSWER, since_ms=before_ms)
    assert name not in net.nodes[1].disk


class Alone:
    """One mesh machine, and somebody who says things to it."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.spoken: list[Transmit] = []
        self.log = Logbook()
        self.held = [LogEntry(0, number, envelope_id(envelope(number)), 200) for number in range(1, 6)]
        for entry in self.held:
            self.log.append(entry)
        self.mesh = Mesh(
            NodeIndex(0), LINK, EU868.budget(), EU868.frame_airtime_ms, random.Random(3), log=self.log, heard={1: 10}
        )
        self.mesh.known_nodes(frozenset(map(NodeIndex, range(3))), self.now_ms)
        self.mesh.greet(self.now_ms)
        self.events()

    def events(self) -> list[object]:
        events = self.mesh.events()
        for event in events:
            if isinstance(event, CountersNeeded):
                self.mesh.grant(100, 10_000)
        return [event for event in events if not isinstance(event, CountersNeeded)]

    def hear(self, frame: bytes) -> list[object]:
        self.mesh.receive(frame, SIGNAL, self.now_ms)
        return self.events()

    def told(self, message: object, counter: int, sender: int = 1, link: LinkKeys = LINK) -> list[object]:
        return self.hear(seal_control(ControlFrame(NodeIndex(sender), counter, message), link))  # type: ignore[arg-type]

    def run(self, ms: int) -> float:
        """What it sends, in ms on air, while nobody answers."""
        end_ms, spent_ms = self.now_ms + ms, 0.0
        while self.now_ms < end_ms:
            for transmit in self.mesh.poll(self.now_ms):
                self.spoken.append(transmit)
                spent_ms += transmit.airtime_ms
                self.now_ms += round(transmit.airtime_ms)
                self.mesh.sent(self.now_ms)
            self.events()
            due_ms = self.mesh.deadline_ms()
            self.now_ms = max(self.now_ms + 1, end_ms if due_ms is None else min(due_ms, end_ms))
        return spent_ms


def reasons(events: list[object]) -> list[str]:
    return [event.reason for event in events if hasattr(event, "reason")]


def test_frames_of_other_networks_are_counted_and_nothing_else() -> None:
    alone = Alone()
    foreign = LinkKeys(b"s" * 16, (b"x" * 32,))
    request = Request(0, (Portion(0, (Span(1, 5),)),))
    symbol = Encoder(envelope(1, 900), 233).symbol(0)
    frames = [
        encode_frame(EnvelopeFrame(NodeIndex(1), 0, NodeIndex(1), 1, envelope(9)), foreign),
        encode_frame(SymbolFrame(NodeIndex(1), 0, NodeIndex(1), 1, symbol), foreign),
        seal_control(ControlFrame(NodeIndex(1), 99, request), foreign),
        b"",
        b"\xff" * 255,
        b"Meshtastic says hello",
    ]
    heard = [reasons(alone.hear(frame)) for frame in frames]
    assert heard == [["mac"], ["mac"], ["tag"], ["size"], ["size"], ["version"]]
    assert not alone.mesh.neighbors()


def test_last_months_frames_bring_nothing() -> None:
    """Saved counters know a replayed vector and request; a replayed envelope is on the disk already."""
    alone = Alone()
    assert reasons(alone.told(Request(0, (Portion(0, (Span(1, 5),)),)), 10)) == ["stale"]
    assert reasons(alone.told(Vector(0, 254, (NodeLog(0, 5, 1),)), 3)) == ["stale"]
    old = encode_frame(EnvelopeFrame(NodeIndex(1), 3, NodeIndex(0), 2, envelope(2)), LINK)
    spent_ms = 0.0
    for _ in range(100):
        alone.hear(old)
        spent_ms += alone.run(1_000)
    # A receipt a minute, should its author have lost the first; a hello and a vector or two.
    assert spent_ms < 2_500


def test_endless_symbols_are_bounded_and_what_is_asked_is_capped() -> None:
    alone = Alone()
    rng = random.Random(1)
    spent_ms = 0.0
    for number in range(600):
        symbol = Encoder(rng.randbytes(4_000), 233).symbol(0)
        alone.hear(encode_frame(SymbolFrame(NodeIndex(1), 0, NodeIndex(1), number + 1, symbol), LINK))
        spent_ms += alone.run(5_000)
    assert alone.mesh.tally()["symbols-evicted"] > 0
    assert alone.mesh.refusals()["symbols-evicted"] > 0
    hourly_ms = EU868.budget().limit_ms / 2
    assert spent_ms <= 2 * hourly_ms


def test_a_vector_that_claims_all_numbers_is_one_run_and_a_few_requests() -> None:
    alone = Alone()
    spent_ms = 0.0
    for counter in range(20, 140):
        events = alone.told(Vector(0, 254, (NodeLog(0, LOG_NUMBER_MAX, 7), NodeLog(1, LOG_NUMBER_MAX, 7))), counter)
        assert not [event for event in events if isinstance(event, Covered)]
        spent_ms += alone.run(MINUTE)
    assert spent_ms < 60_000  # of 2 hours: 0.8 %
    assert {entry.number for entry in alone.log.get(0, Span(1, 10), 10)} == {1, 2, 3, 4, 5}


def test_a_forged_i_have_all_is_no_receipt_and_a_true_one_is() -> None:
    alone = Alone()
    right = checksum(entry.envelope_id for entry in alone.held)
    parcel = Parcel(envelope(5), alone.held[4].envelope_id, NodeIndex(0), 5, Priority.PEOPLE)
    alone.mesh.offer(parcel, frozenset({NodeIndex(0)}), alone.now_ms)
    assert not alone.told(Vector(0, 254, (NodeLog(0, 5, (right + 1) % 65536),)), 20)
    assert alone.mesh.waiting()[Priority.PEOPLE] == 1
    assert Covered(NodeIndex(1), NodeIndex(0), 1, 5) in alone.told(Vector(0, 254, (NodeLog(0, 5, right),)), 21)
    assert alone.mesh.waiting()[Priority.PEOPLE] == 0
    assert not alone.told(Vector(0, 254, (NodeLog(0, 5, right),)), 22), "told once"


def test_a_twin_is_noticed_and_cannot_use_up_our_log() -> None:
    alone = Alone()
    heard = alone.told(Vector(0, 254, (NodeLog(0, 5, 1),)), 50_000, sender=0)
    assert [type(event).__name__ for event in heard] == ["Rejected", "TwinHeard"]
    far = 5 + OWN_LEAP_MAX + 1
    frame = EnvelopeFrame(NodeIndex(1), 0, NodeIndex(0), far, envelope(77))
    assert "leap" in reasons(alone.hear(encode_frame(frame, LINK)))
    near = EnvelopeFrame(NodeIndex(1), 0, NodeIndex(0), 6, envelope(78))
    assert "EnvelopeHeard" in [type(event).__name__ for event in alone.hear(encode_frame(near, LINK))]


def test_a_neighbor_that_answers_wrongly_costs_little_and_others_are_asked() -> None:
    """Node 1 spoils everything it is asked for; node 2 has it all the same."""
    net = Net(3, seed=11)
    for node in net.nodes[1:]:
        node.stop()
    names = [net.nodes[0].post(envelope(number)) for number in range(5)]
    net.run(MINUTE)
    liar = net.nodes[1]
    liar.start()
    for number in range(1, 6):
        false = envelope(1_000 + number)
        net.forged.add(false)
        parcel = Parcel(false, envelope_id(false), NodeIndex(0), number, Priority.PEOPLE)
        liar._write(parcel)
        liar.mesh.logged(LogEntry(0, number, parcel.envelope_id, len(false)), net.now_ms)
    net.nodes[2].start()
    assert net.until(lambda: all(name in net.nodes[2].disk for name in names), 6 * HOUR)
    assert not net.forged & {parcel.envelope for parcel in net.nodes[2].disk.values()}


def test_symbols_that_lie_do_not_keep_a_record_away() -> None:
    """A member forges symbols of an honest object, under the honest node's name too: pair keys tell them apart."""
    net = Net(3, seed=13)
    keys = {frozenset(pair): bytes([sum(pair)]) * 32 for pair in ((0, 1), (0, 2), (1, 2))}
    for node in net.nodes:
        node.mesh.pair_keys({int(o.index): keys[frozenset((node.index, o.index))] for o in net.nodes if o is not node})
    true = envelope(1, 1_500)
    name = net.nodes[0].post(true)
    encoder = Encoder(true, 233)
    victim = net.nodes[2]
    net.links = {frozenset((0, 2))}
    for index in range(3):
        symbol = encoder.symbol(100 + index)
        lie = SymbolFrame(
            NodeIndex(index % 2), 0, NodeIndex(0), 1, type(symbol)(symbol.object_id, symbol.length, index, b"?" * 188)
        )
        victim.mesh.receive(encode_frame(lie, LINK), SIGNAL, net.now_ms)
    assert net.until(lambda: name in victim.disk, 2 * HOUR)


def test_wants_are_answered_from_the_askers_purse_only() -> None:
    net = Net(2, seed=17)
    net.nodes[0].post(envelope(1, 4_000))
    assert net.until(net.agree, HOUR)
    net.run(HOUR)
    node = net.nodes[0]
    net.nodes[1].is_on = False
    want = Want(ObjectId(envelope_id(envelope(1, 4_000))[:6]), 255, Trust.ONE, 0)
    before_ms = net.now_ms
    for counter in range(60):
        frame = seal_control(ControlFrame(NodeIndex(1), 100_000 + counter, Wants((want,))), LINK)
        node.mesh.receive(frame, SIGNAL, net.now_ms)
        net.run(MINUTE)
    limit_ms = EU868.budget().limit_ms / 2
    assert net.airtime_ms(Purpose.SYMBOL, since_ms=before_ms) <= 2 * limit_ms
    assert node.mesh.refusals()["capped"] > 0


def test_without_counters_the_disk_is_asked_again() -> None:
    mesh = Mesh(NodeIndex(0), LINK, EU868.budget(), EU868.frame_airtime_ms, random.Random(1))
    mesh.greet(0)
    asked = mesh.events()
    assert asked == [CountersNeeded(), CountersNeeded()]
    mesh.grant(0, 0)
    assert mesh.events() == [CountersNeeded()]
    mesh.grant(1, 50)
    mesh.grant(51, 50)
    assert not mesh.events()


@pytest.mark.parametrize("priority", list(Priority))
def test_each_class_pays_from_its_own_purse(priority: Priority) -> None:
    meter = Meter(EU868)
    mesh = Mesh(NodeIndex(0), LINK, meter, EU868.frame_airtime_ms, random.Random(1))
    mesh.grant(1, 50)
    mesh.known_nodes(frozenset({NodeIndex(0), NodeIndex(1)}), 0)
    sealed = envelope(1)
    mesh.offer(Parcel(sealed, envelope_id(sealed), NodeIndex(0), 1, priority), frozenset({NodeIndex(0)}), 0)
    now_ms, spent_ms = 0, 0.0
    while not spent_ms:
        now_ms = mesh.deadline_ms() or now_ms
        spent_ms = sum(transmit.airtime_ms for transmit in mesh.poll(now_ms))
    assert {purse: ms for purse, ms in meter.by_priority(now_ms).items() if ms} == {priority: spent_ms}


# A radio that carries less


def test_once_the_radio_is_known_no_frame_of_any_kind_is_longer_than_it_carries() -> None:
    """Meshtastic's 231: what would fill 232 or 233 bytes travels in two frames, and long vectors are sliced."""
    net = Net(3, seed=11)
    carried = 231
    for node in net.nodes:
        for other in range(3, 60):
            data = envelope(1_000 + other)
            parcel = Parcel(data, envelope_id(data), NodeIndex(other), 1, Priority.PEOPLE)
            node._write(parcel)
        node.start()
        node.mesh.carries(carried, net.now_ms)
    for size in (221, 222, 223, 224, 225):
        net.nodes[0].post(envelope(size, size))
    net.nodes[2].stop()
    assert net.until(net.agree, HOUR)
    net.nodes[2].start()
    net.nodes[2].mesh.carries(carried, net.now_ms)
    assert net.until(net.agree, 2 * HOUR)
    net.run(2 * HOUR)
    vectors = [len(sent.frame) for _, _, sent in net.sent if sent.purpose is Purpose.VECTOR]
    assert carried - 8 < max(vectors)  # they were cut, not just short
    assert max(len(sent.frame) for _, _, sent in net.sent) <= carried


def test_another_radio_sends_what_waits_in_frames_of_its_own_length() -> None:
    alone = Alone()
    sizes = []
    for number, carried in ((6, 231), (7, 233)):
        data = envelope(number, 224)
        parcel = Parcel(data, envelope_id(data), NodeIndex(0), number, Priority.PEOPLE)
        alone.mesh.carries(carried, alone.now_ms)
        alone.mesh.offer(parcel, frozenset({NodeIndex(0)}), alone.now_ms)
        alone.spoken.clear()
        alone.run(MINUTE // 6)
        sizes.append({len(sent.frame) for sent in alone.spoken if sent.purpose is Purpose.ENTRY})
    assert max(sizes[0]) < 150, "two symbols"
    assert sizes[1] == {233}
