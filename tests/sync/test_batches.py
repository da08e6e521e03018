"""Batches: small enough, never too many under way, and each answered for."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.envelope import ENVELOPE_BYTES_MAX, envelope_id
from app.errors import PeerError
from app.radio.frame import LOG_NUMBER_MAX
from app.sync.batches import NEWS_BYTES_MAX, NEWS_ENTRIES_MAX, Batches, in_batches
from app.sync.effects import Append, Effect, Holds, Refused, Send
from app.sync.log import Placed
from app.sync.message import (
    BATCH_BYTES_MAX,
    BATCH_ENTRIES_MAX,
    BATCHES_UNACKNOWLEDGED_MAX,
    Entries,
    EntryRun,
    Held,
    Settled,
    decode_body,
    encode_body,
)


def entries(count: int, size: int = 100, first: int = 1, index: int = 1) -> list[Placed]:
    rng = random.Random(count + first)
    return [Placed(index, first + at, rng.randbytes(size)) for at in range(count)]


def batches_in(effects: list[Effect]) -> list[Entries]:
    return [effect.message for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Entries)]


def unpacked(batches: list[Entries]) -> list[Placed]:
    taker = Batches()
    taken: list[Placed] = []
    for batch in batches:
        [append] = taker.receive(batch)
        assert isinstance(append, Append)
        taken += append.batch
        taker.appended([True] * len(append.batch))
    return taken


PLACES = st.lists(
    st.builds(Placed, st.integers(0, 2), st.integers(1, 20), st.integers(94, 99).map(bytes)), max_size=600
)


@given(PLACES)
def test_entries_come_out_as_they_went_in(some: list[Placed]) -> None:
    batches = list(in_batches(some))
    assert unpacked(batches) == some
    assert all(decode_body(encode_body(batch)) == batch for batch in batches)


@pytest.mark.parametrize("size", [100, 1000, ENVELOPE_BYTES_MAX])
def test_batches_are_small_enough(size: int) -> None:
    batches = list(in_batches(entries(600, size)))
    counts = [sum(len(run.envelopes) for run in batch.runs) for batch in batches]
    assert sum(counts) == 600 and max(counts) == min(BATCH_ENTRIES_MAX, BATCH_BYTES_MAX // size)


def test_no_more_go_out_than_may_be_under_way() -> None:
    batches = Batches()
    batches.put(entries(2500))
    batches.put_message(Settled(0))
    sent = batches_in(batches.flush())
    assert len(sent) == BATCHES_UNACKNOWLEDGED_MAX
    assert batches.owed and not batches.low
    for _ in range(6):
        batches.held(())
        effects = batches.flush()
        sent += batches_in(effects)
    assert len(sent) == 10
    assert effects[-1] == Send(Settled(0))
    for _ in range(4):
        batches.held(())
    assert batches.idle and not batches.owed
    assert unpacked(sent) == entries(2500)


def test_news_go_before_what_waits() -> None:
    batches = Batches()
    batches.put(entries(2500))
    batches.flush()
    fresh = entries(3, first=9000)
    assert batches.push(fresh) == []
    batches.held(())
    [batch] = batches_in(batches.flush())
    assert unpacked([batch]) == fresh


@pytest.mark.parametrize(("size", "kept"), [(100, NEWS_ENTRIES_MAX), (2000, NEWS_BYTES_MAX // 2000)])
def test_news_beyond_the_room_come_back(size: int, kept: int) -> None:
    batches = Batches()
    news = entries(kept + 7, size)
    assert batches.push(news) == news[kept:]
    assert unpacked(batches_in(batches.flush())) == news[:kept]
    batches.held(())
    assert batches.push(entries(kept, size)) == []


def test_what_is_held_and_what_is_refused_is_told_by_name() -> None:
    batches = Batches()
    some = entries(5)
    names = [envelope_id(placed.envelope) for placed in some]
    batches.put(some)
    batches.flush()
    assert batches.held((1, 3)) == [Holds((names[0], names[2], names[4])), Refused((names[1], names[3]))]
    assert (batches.moved, batches.declined) == (3, 2)
    batches.put(some)
    assert unpacked(batches_in(batches.flush())) == [some[0], some[2], some[4]]


@pytest.mark.parametrize("refused", [(5,), (1, 1), (3, 1)])
def test_a_refusal_of_what_was_not_sent_is_an_error(refused: tuple[int, ...]) -> None:
    batches = Batches()
    batches.put(entries(5))
    batches.flush()
    with pytest.raises(PeerError):
        batches.held(refused)


def test_an_acknowledgement_of_nothing_is_an_error() -> None:
    with pytest.raises(PeerError):
        Batches().held(())


def test_a_peer_that_does_not_wait_is_an_error() -> None:
    batches = Batches()
    batch = next(in_batches(entries(1)))
    for _ in range(BATCHES_UNACKNOWLEDGED_MAX):
        batches.receive(batch)
    with pytest.raises(PeerError):
        batches.receive(batch)
    assert batches.appended([False]) == [Send(Held((0,)))]
    batches.receive(batch)


@pytest.mark.parametrize(
    "batch",
    [
        Entries((EntryRun(1, 1, (bytes(100),) * 200), EntryRun(2, 1, (bytes(100),) * 51))),
        Entries((EntryRun(1, 1, (bytes(8000),) * 17),)),
        Entries((EntryRun(1, LOG_NUMBER_MAX, (bytes(100),) * 2),)),
    ],
)
def test_a_batch_that_is_too_large_is_an_error(batch: Entries) -> None:
    with pytest.raises(PeerError):
        Batches().receive(batch)
