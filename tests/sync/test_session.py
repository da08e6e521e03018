"""The session's own rules: who may say what and when, and that no peer, whatever it says, does harm."""

import random
from collections import Counter
from typing import Any

import pytest
from msgspec import inspect

from app.core.envelope import envelope_id
from app.errors import PeerError
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import Span
from app.sync.batches import NEWS_ENTRIES_MAX, QUEUE_LOW
from app.sync.effects import (
    Blobs,
    Close,
    Get,
    Note,
    OfferBlobs,
    Prove,
    Proved,
    ReadMissing,
    ReadVector,
    Send,
)
from app.sync.log import Placed
from app.sync.message import (
    BATCHES_UNACKNOWLEDGED_MAX,
    BlobGone,
    Bye,
    Challenge,
    Check,
    Entries,
    EntryRun,
    Held,
    Hello,
    Known,
    LogRuns,
    Pair,
    Proof,
    Ranges,
    Role,
    Roots,
    Settled,
    Want,
)
from app.sync.reconcile import STRAYS_MAX
from app.sync.session import STALL_MS, WANTS_MAX, Session
from tests.sync.lying import GreedyEnd, LyingEnd, held_by, invent
from tests.sync.sim import SPACE, End, World, an_envelope, furnish

ME = Hello(0, Role.MEMBER, SPACE, b"mysalt..", True)
PEER = Hello(1, Role.BLIND, SPACE, b"peersalt", True)
PAIR = invent(inspect.type_info(Pair), random.Random(1))
ONE_TO_TEN = (LogRuns(4, b"\x00\x0a"),)


def greeted(*, dials: bool = False, photos: bool = True) -> Session:
    """A session that has heard Hello and said what it knows: 1 to 10 of log 4."""
    session = Session(ME, dials=dials, peer_index=1, peer_role=Role.BLIND)
    session.start()
    session.receive(Hello(1, Role.BLIND, SPACE, b"peersalt", photos), 0)
    assert session.done(ReadVector(), {4: (Span(1, 10),)}, 0) == [Send(Known(ONE_TO_TEN))]
    return session


def content(*, dials: bool = False) -> Session:
    """A session in which both have what they want."""
    session = greeted(dials=dials)
    session.receive(Known(ONE_TO_TEN), 0)
    assert Send(Want(())) in session.done(ReadMissing({4: (Span(1, 10),)}), {}, 0)
    session.receive(Want(()), 0)
    return session


def test_hello_and_what_is_known_go_out_without_waiting() -> None:
    assert Session(ME, dials=True).start() == [Send(ME), ReadVector()]


@pytest.mark.parametrize(
    "hello",
    [
        Hello(1, Role.BLIND, b"elsewher", b"peersalt", True),
        Hello(0, Role.BLIND, SPACE, b"peersalt", True),
        Hello(2, Role.BLIND, SPACE, b"peersalt", True),
        Hello(1, Role.MEMBER, SPACE, b"peersalt", True),
    ],
)
def test_somebody_else_than_the_pin_says_is_refused(hello: Hello) -> None:
    session = Session(ME, dials=False, peer_index=1, peer_role=Role.BLIND)
    session.start()
    with pytest.raises(PeerError):
        session.receive(hello, 0)


def test_a_copy_of_this_node_is_refused() -> None:
    session = Session(ME, dials=True)
    session.start()
    with pytest.raises(PeerError):
        session.receive(Hello(ME.index, Role.MEMBER, SPACE, b"peersalt", True), 0)


@pytest.mark.parametrize(
    "message", [Known(()), Want(()), Held(()), Bye(""), Entries((EntryRun(1, 1, (bytes(100),)),)), Settled(0)]
)
def test_nothing_comes_before_hello(message: Any) -> None:
    session = Session(ME, dials=False)
    session.start()
    with pytest.raises(PeerError):
        session.receive(message, 0)


@pytest.mark.parametrize(
    "message",
    [
        PEER,
        Held(()),
        Settled(0),
        Settled(1),
        Check(1, False, bytes(16)),
        Roots(1, ()),
        Ranges(1, (), (), b""),
        Proof(bytes(32)),
        PAIR,
        Known(ONE_TO_TEN * 2),
        Known((LogRuns(1, b"\x00\xff\xff\xff\xff\x0f"),)),
        Want((LogRuns(1, b"\x00\x00"),)),
    ],
)
def test_messages_out_of_turn_end_the_session(message: Any) -> None:
    with pytest.raises(PeerError):
        greeted().receive(message, 0)


def test_what_is_known_is_told_once() -> None:
    session = greeted()
    session.receive(Known(()), 0)
    with pytest.raises(PeerError):
        session.receive(Known(()), 0)


def test_nobody_wants_anything_before_it_is_told_what_there_is() -> None:
    session = Session(ME, dials=False)
    session.start()
    session.receive(PEER, 0)
    with pytest.raises(PeerError):
        session.receive(Want(ONE_TO_TEN), 0)


def test_only_what_was_claimed_is_read_and_only_once() -> None:
    session = greeted()
    everything = tuple(LogRuns(index, b"\x00\xff\xff\xff\x7f") for index in range(5))
    get = Get(4, Span(1, 10), 250)
    assert session.receive(Want(everything), 0) == [get]
    found = [Placed(4, number, an_envelope(World(number).rng)) for number in range(1, 11)]
    sent = session.done(get, found, 0)
    assert [type(effect.message) for effect in sent if isinstance(effect, Send)] == [Entries, Settled]
    assert session.receive(Want(everything), 0) == [Send(Settled(0))]


def test_wanting_without_end_is_an_error() -> None:
    session = greeted()
    for _ in range(WANTS_MAX):
        session.receive(Want((LogRuns(9, b"\x00\x01"),)), 0)
    with pytest.raises(PeerError):
        session.receive(Want((LogRuns(9, b"\x00\x01"),)), 0)


def test_a_peer_that_claims_the_longest_logs_is_asked_and_costs_nothing() -> None:
    session = greeted()
    claims = tuple(LogRuns(index, b"\x00\xff\xff\xff\x7f") for index in range(255))
    [read] = session.receive(Known(claims), 0)
    assert isinstance(read, ReadMissing)
    assert read.theirs[7] == (Span(1, LOG_NUMBER_MAX),)
    assert session.done(read, read.theirs, 0) == [Send(Want(claims))]
    assert session.receive(Settled(0), 0) == [Send(Want(()))]


def test_a_proof_is_made_and_heard_one_at_a_time() -> None:
    session = content()
    challenge = Challenge(bytes(16), (), ())
    assert session.receive(challenge, 0) == [Prove(challenge)]
    with pytest.raises(PeerError):
        session.receive(challenge, 0)
    assert session.done(Prove(challenge), b"digest", 0) == [Send(Proof(b"digest"))]
    assert session.challenge(challenge, 5) == [Send(challenge)]
    assert session.challenge(challenge, 5) == []
    assert session.deadline_ms() == 5 + STALL_MS
    assert session.receive(Proof(b"theirs"), 6) == [Proved(challenge, b"theirs")]
    assert session.deadline_ms() is None


def test_messages_of_the_blobs_are_handed_on_where_both_keep_them() -> None:
    message = BlobGone(bytes(32))
    assert greeted().receive(message, 0) == [Blobs(message)]
    with pytest.raises(PeerError):
        greeted(photos=False).receive(message, 0)


def test_a_farewell_ends_it() -> None:
    session = content(dials=True)
    assert session.receive(Bye("restart"), 0) == [Note("restart"), Close("restart")]
    assert session.deadline_ms() is None
    assert session.news([Placed(1, 1, bytes(100))], 0) == []
    assert session.done(ReadVector(), {}, 0) == []
    assert session.tick(10**9) == []


def test_what_still_comes_after_the_end_is_nothing() -> None:
    session = Session(ME, dials=True)
    session.start()
    assert session.tick(STALL_MS) == [Note("silent"), Close("silent")]
    assert session.receive(PEER, STALL_MS) == []
    assert session.receive(Known(()), STALL_MS) == []


def test_silence_counts_from_when_something_is_owed() -> None:
    session = content()
    assert session.deadline_ms() is None
    session.news([Placed(1, 1, bytes(100))], 1_000_000)
    assert session.deadline_ms() == 1_000_000 + STALL_MS
    assert session.tick(1_000_000 + STALL_MS - 1) == []
    assert session.tick(1_000_000 + STALL_MS) == [Note("silent"), Close("silent")]


def test_a_place_that_they_knew_first_is_not_pushed_but_a_copys_is() -> None:
    session = greeted()
    session.receive(Known((LogRuns(4, b"\x00\x14"),)), 0)
    assert session.news([Placed(4, 15, bytes(100))], 0) == []
    assert len(session.news([Placed(4, 5, bytes(100))], 0)) == 1
    assert len(session.news([Placed(4, 21, bytes(100))], 0)) == 1


def check_bounds(end: End) -> None:
    """Nothing that a peer says makes this side keep more than this."""
    session = end.session
    batches, answering, checking = session._batches, session._answering, session._checking
    assert len(batches._queue) <= QUEUE_LOW + 20
    assert len(batches._news) <= NEWS_ENTRIES_MAX
    assert len(batches._under_way) <= BATCHES_UNACKNOWLEDGED_MAX
    assert len(end.appends) <= BATCHES_UNACKNOWLEDGED_MAX
    assert len(answering._due) <= 1 << 14
    assert checking is None or len(checking._strays) <= STRAYS_MAX
    assert len(end.reads) <= 6


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("seed", range(40))
def test_a_peer_that_lies_is_found_out_or_does_no_harm(seed: int, rate: float) -> None:
    print(f"seed {seed}, rate {rate}")
    world = World(seed)
    furnish(world, 120)
    honest, liar = sorted(world.link(seed % 2, 1 - seed % 2, shells={1: LyingEnd}), key=lambda end: end.node.index)
    assert isinstance(liar, LyingEnd) and not isinstance(honest, LyingEnd)
    liar.rate = rate
    before = held_by(honest)
    try:
        for steps in range(20_000):
            if not world.step():
                break
            check_bounds(honest)
            if steps % 50 == 0:
                honest.node.hears(honest.node.post(an_envelope(world.rng)))
        else:
            raise AssertionError("It never came to an end.")
    except PeerError as error:
        print(error.message)
    assert before <= held_by(honest)
    assert not [effect for effect in honest.effects if isinstance(effect, OfferBlobs)]
    world.cut(world.links[0])
    world.link(0, 1)
    world.run()
    assert world.alike


@pytest.mark.parametrize("greedy", [0, 1])
def test_a_peer_that_says_it_lacks_everything_gets_it_once_in_a_check(greedy: int) -> None:
    world = World(5)
    for number in range(1, 400):
        for node in world.nodes:
            node.post(an_envelope(world.rng), (node.index + 5, number))
            node.put(Placed(9, number, bytes([number % 256, number // 256]) * 50))
    for node in world.nodes:
        node.post(an_envelope(world.rng), (20, 1))
    liar, honest = sorted(world.link(0, 1, shells={greedy: GreedyEnd}), key=lambda end: end.node.index != greedy)
    try:
        world.run()
    except PeerError as error:
        print(error.message)
    assert isinstance(liar, GreedyEnd) and liar.lies > 0
    sent = Counter(
        sealed
        for message in honest.sent
        if isinstance(message, Entries)
        for run in message.runs
        for sealed in run.envelopes
    )
    assert max(sent.values()) <= 2
    assert len([message for message in honest.sent if isinstance(message, Ranges)]) < 100
    assert honest.sent_bytes < 400_000


def test_a_peer_that_sends_for_ever_is_held_back_by_what_is_written() -> None:
    world = World(3)
    furnish(world, 10)
    one, two = world.link(0, 1)
    world.run()
    for _ in range(BATCHES_UNACKNOWLEDGED_MAX):
        batch = Entries((EntryRun(7, 1, (an_envelope(world.rng),)),))
        one._do(one.session.receive(batch, world.now_ms))
    with pytest.raises(PeerError):
        one.session.receive(batch, world.now_ms)
    assert envelope_id(batch.runs[0].envelopes[0]) not in two.node.names
