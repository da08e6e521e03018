"""The check: both sides learn exactly what the other lacks, for few bytes, and no peer makes it run away."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import PeerError
from app.sync.message import EpochRoot, Leaf, Ranges, Roots, Split, encode_body
from app.sync.reconcile import STEPS_MAX, STRAYS_MAX, CheckRun
from app.sync.steps import RANGES_MAX, STEP_BYTES_MAX
from bench.sync.reconcile import SALTS, measure, merged, one_run, packed, peak_bytes
from tests.sync.drawing import messages

Names = set[tuple[int, bytes]]
EVEN = st.tuples(st.integers(0, 2), st.binary(min_size=16, max_size=16))
CROWDED = st.tuples(st.integers(0, 2), st.binary(min_size=2, max_size=2).map(lambda end: bytes(14) + end))
SETS = st.sets(EVEN | CROWDED, max_size=60)


def strays_of(run: CheckRun) -> Names:
    return {(stray.epoch, bytes(stray.name)) for stray in run.strays}


@given(SETS, SETS, SETS)
def test_each_side_learns_what_the_other_lacks(shared: Names, mine: Names, theirs: Names) -> None:
    mine, theirs = mine | shared, theirs | shared
    leader, follower, _ = one_run(packed(list(mine)), packed(list(theirs)), 1)
    assert strays_of(leader) == mine - theirs
    assert strays_of(follower) == theirs - mine
    assert leader.over and follower.over
    alike = {epoch for epoch in range(3) if {name for at, name in mine if at == epoch} ==
             {name for at, name in theirs if at == epoch} != set()}  # fmt: skip
    assert leader.alike == follower.alike == alike


def test_ids_that_hardly_differ_are_told_apart_all_the_same() -> None:
    crowd = {(0, bytes(14) + at.to_bytes(2, "big")) for at in range(120)}
    mine, theirs = {one for one in crowd if one[1][15] % 3}, {one for one in crowd if one[1][15] % 5}
    leader, follower, _ = one_run(packed(list(mine)), packed(list(theirs)), 1)
    assert strays_of(leader) == mine - theirs
    assert strays_of(follower) == theirs - mine


@pytest.mark.parametrize("seed", range(5))
def test_thousands_of_ids_in_no_matter_what_proportion(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    shared, mine, theirs = (
        [(rng.randrange(4), rng.randbytes(16)) for _ in range(rng.choice((0, 10, 3000)))] for _ in range(3)
    )
    leader, follower, _ = one_run(packed(shared + mine), packed(shared + theirs), 1 + seed)
    assert strays_of(leader) == set(mine)
    assert strays_of(follower) == set(theirs)


@pytest.mark.parametrize(("mine", "theirs"), [(500, 500), (1000, 0), (0, 1000)])
def test_a_thousand_differences_among_a_hundred_thousand_cost_less_than_70_kb(mine: int, theirs: int) -> None:
    cost = measure(100_000, mine, theirs)
    assert cost.bytes < 70_000
    assert cost.messages <= 12


def test_a_check_takes_little_memory_beside_the_ids() -> None:
    assert 0 < peak_bytes(20_000, 500, 500) < 2_000_000


def test_a_single_difference_costs_less_than_a_kilobyte() -> None:
    assert measure(100_000, 1, 0).bytes < 1000


def test_nothing_different_costs_two_digests() -> None:
    cost = measure(10_000, 0, 0)
    assert (cost.runs, cost.messages) == (1, 2)
    assert cost.bytes <= 54


def test_sets_that_share_nothing_come_together_run_by_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sixteenth of the room, and so a sixteenth of the ids."""
    monkeypatch.setattr("app.sync.reconcile.STEP_BYTES_MAX", STEP_BYTES_MAX // 16)
    monkeypatch.setattr("app.sync.reconcile.STRAYS_MAX", STRAYS_MAX // 16)
    rng = random.Random(1)
    mine, theirs = (packed([(0, rng.randbytes(16)) for _ in range(10_000)]) for _ in range(2))
    runs = 0
    while mine != theirs:
        runs += 1
        leader, follower, said = one_run(mine, theirs, runs)
        assert max(len(encode_body(message)) for message in said) < STEP_BYTES_MAX // 8
        assert max(len(leader.strays), len(follower.strays)) <= STRAYS_MAX // 16
        assert len(leader.strays) + len(follower.strays) > 2000
        mine, theirs = (
            merged(mine, [(stray.epoch, stray.name) for stray in follower.strays]),
            merged(theirs, [(stray.epoch, stray.name) for stray in leader.strays]),
        )
    assert 1 < runs < 12


def test_what_one_run_misses_the_next_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """One-byte names and fingerprints: collisions everywhere."""
    monkeypatch.setattr("app.sync.shelf.SHORT_ID_BYTES", 1)
    monkeypatch.setattr("app.sync.steps.SHORT_ID_BYTES", 1)
    monkeypatch.setattr("app.sync.shelf.PRINT_BYTES", 1)
    monkeypatch.setattr("app.sync.steps.PRINT_BYTES", 1)
    rng = random.Random(2)
    shared = [(0, rng.randbytes(16)) for _ in range(2000)]
    mine, theirs = packed(shared + [(0, rng.randbytes(16)) for _ in range(500)]), packed(shared)
    found: list[int] = []
    while mine != theirs:
        leader, _, _ = one_run(mine, theirs, len(found) + 1)
        found.append(len(leader.strays))
        theirs = merged(theirs, [(stray.epoch, stray.name) for stray in leader.strays])
        assert len(found) < 10
    assert len(found) > 1


@settings(max_examples=300)
@given(SETS, st.data())
def test_whatever_a_peer_says_the_answer_is_bounded_or_an_error(mine: Names, data: st.DataObject) -> None:
    run = CheckRun(packed(list(mine)), SALTS, 1)
    try:
        if data.draw(st.booleans()):
            run.receive_roots(data.draw(messages(Roots)))
        else:
            run.roots()
        for _ in range(5):
            step = data.draw(messages(Ranges))
            answer = run.receive(Ranges(1, step.splits, step.leaves, step.lacking))
            if answer is not None:
                assert len(encode_body(answer)) < 2 * STEP_BYTES_MAX
    except PeerError:
        return


def test_steps_without_end_are_an_error() -> None:
    rng = random.Random(3)
    run = CheckRun(packed([(0, rng.randbytes(16)) for _ in range(1000)]), SALTS, 1)
    run.roots()
    step = Ranges(1, (Split(0, 0, 4, b"\x00", bytes(48)),), (), b"")
    for _ in range(STEPS_MAX):
        assert run.receive(step) is not None
    with pytest.raises(PeerError):
        run.receive(step)


@pytest.mark.parametrize(
    "step",
    [
        Ranges(2, (), (), b""),
        Ranges(1, (), (), b"\x80"),
        Ranges(1, (Split(0, 0, 4, b"\x00", bytes(47)),), (), b""),
        Ranges(1, (Split(0, 0, 4, b"\x01", bytes(48)),), (), b""),
        Ranges(1, (Split(0, 0, 4, b"\x00", bytes(48)),) * 2, (), b""),
        Ranges(1, (), (Leaf(0, 0, b"\x00", b"\x02", bytes(8)),), b""),
        Ranges(1, (), (Leaf(0, 0, b"\x00", b"\x01", bytes(8)),), b""),
        Ranges(1, (), (Leaf(0, 0, b"\x00", b"", b""),), b""),
        Ranges(1, (), (Leaf(1, 0, b"\x00", b"\x00", b""), Leaf(0, 0, b"\x00", b"\x00", b"")), b""),
        Ranges(1, (Split(0, 60, 1, bytes(RANGES_MAX), bytes(6 * RANGES_MAX)),), (Leaf(0, 1, b"\0", b"\0", b""),), b""),
        Ranges(1, tuple(Split(at, 60, 1, bytes(9000), bytes(54000)) for at in range(5)), (), b""),
    ],
)  # fmt: skip
def test_a_step_that_cannot_be_is_an_error(step: Ranges) -> None:
    run = CheckRun({0: bytes(16)}, SALTS, 1)
    run.roots()
    with pytest.raises(PeerError):
        run.receive(step)


def test_epochs_out_of_order_are_an_error() -> None:
    run = CheckRun({0: bytes(16)}, SALTS, 1)
    with pytest.raises(PeerError):
        run.receive_roots(Roots(1, (EpochRoot(2, bytes(16)), EpochRoot(1, bytes(16)))))


def test_a_peer_that_claims_to_have_nothing_is_told_no_more_than_a_run_holds() -> None:
    names = b"".join(at.to_bytes(16, "big") for at in range(STRAYS_MAX + 100))
    run = CheckRun({0: names}, SALTS, 1)
    run.receive_roots(Roots(1, ()))
    assert len(run.strays) == STRAYS_MAX
