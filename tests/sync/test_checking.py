"""Checks in a session: their turns, their pauses, and what the peer is credited with."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from app.errors import PeerError
from app.sync.batches import Batches
from app.sync.checking import CHECK_EVERY_MS, CHECK_EVERY_MS_MAX, RUNS_HEARD_MAX, Checking
from app.sync.effects import Effect, HoldsAll, OfferBlobs, ReadKeys, Send
from app.sync.effects import Settled as SettledEffect
from app.sync.message import BLOBS_EPOCH, RUN_MAX, Check, Ranges, Roots, Settled
from tests.sync.sim import World, furnish

SALTS = bytes(16)
KEYS = {3: bytes(15) + b"\x01"}
OTHER_KEYS = {3: bytes(15) + b"\x02"}


def checking(*, leads: bool, blobs: bool = False) -> Checking:
    return Checking(Batches(), SALTS, leads=leads, blobs=blobs)


def a_check(run: int, keys: dict[int, bytes] = KEYS, *, blobs: bool = False) -> Check:
    """What a leader with these keys says."""
    leader = checking(leads=True, blobs=blobs)
    leader._run = run - 1
    [read] = leader.begin()
    assert isinstance(read, ReadKeys)
    [send] = leader.read(keys, read)
    assert isinstance(send, Send) and isinstance(send.message, Check)
    return send.message


def test_the_same_digest_comes_back() -> None:
    follower = checking(leads=False)
    check = a_check(1)
    assert follower.hear_check(check, 0) == [ReadKeys(False)]
    assert follower.read(KEYS, ReadKeys(False)) == [Send(check), HoldsAll(KEYS), SettledEffect(True)]
    check = a_check(2)
    follower.hear_check(check, 0)
    assert follower.read(KEYS, ReadKeys(False)) == [Send(check), SettledEffect(True)]


def test_the_follower_neither_begins_nor_plans() -> None:
    follower = checking(leads=False)
    assert follower.begin() == []
    follower.plan(0)
    assert follower.due_ms is None


@pytest.mark.parametrize("run", [2, 5])
def test_a_run_out_of_order_is_an_error(run: int) -> None:
    with pytest.raises(PeerError):
        checking(leads=False).hear_check(a_check(run), 0)


def test_a_check_within_a_check_is_an_error() -> None:
    follower = checking(leads=False)
    follower.hear_check(a_check(1), 0)
    with pytest.raises(PeerError):
        follower.hear_check(a_check(2), 0)


def test_blobs_that_this_side_does_not_keep_are_not_checked() -> None:
    with pytest.raises(PeerError):
        checking(leads=False).hear_check(a_check(1, blobs=True), 0)


def test_a_peer_that_checks_without_end_is_an_error() -> None:
    follower = checking(leads=False)
    for run in range(1, RUNS_HEARD_MAX + 1):
        follower.hear_check(a_check(run), 10)
        follower.read(KEYS, ReadKeys(False))
    with pytest.raises(PeerError):
        follower.hear_check(a_check(RUNS_HEARD_MAX + 1), 10)


def test_honest_checks_go_on_for_days() -> None:
    follower = checking(leads=False)
    for run in range(1, 3 * RUNS_HEARD_MAX):
        follower.hear_check(a_check(run), run * CHECK_EVERY_MS)
        follower.read(KEYS, ReadKeys(False))


@pytest.mark.parametrize("leads", [False, True])
@pytest.mark.parametrize(
    "hear",
    [
        lambda side: side.hear_ranges(Ranges(1, (), (), b"")),
        lambda side: side.hear_roots(Roots(1, ())),
        lambda side: side.hear_settled(Settled(1)),
    ],
)
def test_messages_out_of_turn_are_errors(hear: Callable[[Checking], Any], leads: bool) -> None:
    with pytest.raises(PeerError):
        hear(checking(leads=leads))


def test_the_leader_is_not_checked() -> None:
    with pytest.raises(PeerError):
        checking(leads=True).hear_check(a_check(1), 0)


def test_another_digest_back_is_an_error() -> None:
    leader = checking(leads=True)
    leader.begin()
    leader.read(KEYS, ReadKeys(False))
    with pytest.raises(PeerError):
        leader.hear_check(a_check(1, OTHER_KEYS), 0)


def test_the_leader_stops_where_numbers_end() -> None:
    leader = checking(leads=True)
    leader._run = RUN_MAX
    assert leader.spent
    assert leader.begin() == []


def test_blobs_that_differ_are_offered_and_hold_up_nothing() -> None:
    world = World(1)
    furnish(world, 20)
    world.nodes[0].blobs = {bytes([at]) * 32 for at in range(1, 30)}
    world.nodes[1].blobs = {bytes([at]) * 32 for at in range(20, 50)}
    one, two = world.link(0, 1, photos=True)
    world.run()
    assert world.alike and one.settled[-1]
    assert offered(one.effects) == {bytes([at]) * 16 for at in range(1, 20)}
    assert offered(two.effects) == {bytes([at]) * 16 for at in range(30, 50)}
    assert not [effect for effect in one.effects if isinstance(effect, HoldsAll) and BLOBS_EPOCH in effect.keys]
    world.nodes[0].blobs = world.nodes[1].blobs
    world.wait(CHECK_EVERY_MS_MAX)
    assert [effect for effect in one.effects if isinstance(effect, HoldsAll) and BLOBS_EPOCH in effect.keys]


def copies(world: World, count: int) -> None:
    """What only the check finds: other envelopes at the same places."""
    for number in range(1, count + 1):
        for node in world.nodes:
            node.post(world.rng.randbytes(100), (9, number))


@pytest.mark.parametrize("seed", range(10))
def test_a_run_begins_when_the_last_ones_strays_are_on_the_disk(seed: int) -> None:
    world = World(seed)
    copies(world, 30)
    one, _ = world.link(0, 1)
    seen, reads = 0, 0
    while world.step():
        fresh, seen = one.effects[seen:], len(one.effects)
        for effect in fresh:
            if isinstance(effect, ReadKeys):
                reads += 1
                assert one.session._batches.idle
                assert reads == 1 or world.alike
    assert reads == 2


def test_no_check_sends_more_strays_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sync.checking.STRAYS_MAX", 10)
    world = World(4)
    copies(world, 25)
    world.link(0, 1)
    world.run()
    assert [len(node.names) for node in world.nodes] == [35, 35]
    world.wait(4 * CHECK_EVERY_MS_MAX)
    assert world.alike


def test_the_pause_is_short_when_nothing_differed_and_long_when_something_did() -> None:
    for count, pause_ms in ((0, CHECK_EVERY_MS), (5, CHECK_EVERY_MS_MAX)):
        world = World(5)
        copies(world, count)
        one, _ = world.link(0, 1)
        world.run()
        due_ms = one.session.deadline_ms()
        assert due_ms is not None
        assert pause_ms - 1000 < due_ms - world.now_ms <= pause_ms


def offered(effects: list[Effect]) -> set[bytes]:
    return {key for effect in effects if isinstance(effect, OfferBlobs) for key in effect.keys}


def test_pauses_grow_while_something_keeps_differing() -> None:
    world = World(2)
    world.nodes[0].post(bytes(100))
    world.nodes[1].refuses = set(world.nodes[0].names)
    one, _ = world.link(0, 1)
    times: list[int] = []
    for _ in range(60 * 24):
        before = len(one.settled)
        world.wait(60_000)
        if len(one.settled) > before:
            times.append(world.now_ms)
    pauses = [later - earlier for earlier, later in pairwise(times[1:])]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= CHECK_EVERY_MS_MAX + 120_000
    assert 100 < len(times) < 150
