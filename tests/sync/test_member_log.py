"""The member's log: what arrives by sync passes the door, and what is here can be asked for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.acceptance import Outcome
from app.clock import ManualClock
from app.core.boards import Board
from app.core.envelope import EnvelopeId, envelope_id, seal
from app.core.record import Kind, decode_signed
from app.errors import DecodeError
from app.founding import Node, invite, start_node
from app.radio.span import Span
from app.store.envelopes import PARKED_PER_AUTHOR_MAX, Origin
from app.sync.log import Placed
from app.sync.member_log import MemberLog
from tests.people import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other(node: Node, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Node]:
    """A second node of the same community, which has heard nothing yet."""
    joined = await start_node(tmp_path / "other", clock, name="Mill Bridge", join=await invite(node))
    await joined.feed.start()
    yield joined
    await joined.close()


async def log_of(node: Node, ahead: list[int] | None = None) -> MemberLog:
    epochs = await node.store.node.epoch_keys(node.identity.space_id)
    heard: list[int] = [] if ahead is None else ahead
    return MemberLog(node.store, node.door, epochs, node.identity.index, heard.append)


async def everything(log: MemberLog) -> list[Placed]:
    return [
        placed
        for index, spans in (await log.vector()).items()
        for span in spans
        for placed in await log.get(index, span, 1000)
    ]


async def written(node: Node, person: Person, count: int) -> None:
    await node.door.post(person.introduce())
    for number in range(count):
        await node.door.post(person.write(f"Notice {number}"))


async def test_all_of_one_log_arrives_at_another_in_one_batch(node: Node, other: Node, person: Person) -> None:
    await written(node, person, 30)
    here, there = await log_of(node), await log_of(other)
    lacking = await there.missing(await here.vector())
    assert lacking == {0: (Span(1, 32),)}  # two introductions, thirty notices
    assert all(await there.append(await here.get(0, Span(1, 32), 100), via=0))
    assert not await there.missing(await here.vector())
    assert (await other.store.boards.totals())[Board.BULLETIN] == 30
    names = [record.via for record in (await other.store.boards.page(Board.BULLETIN)).records]
    assert set(names) == {"Market Square"}
    assert (await there.keys())[1] == b"".join(
        sorted({*_names(await everything(here)), *_names(await everything(there))})
    )


async def test_notices_before_their_author_are_held_and_shown_later(node: Node, other: Node, person: Person) -> None:
    await written(node, person, 3)
    here, there = await log_of(node), await log_of(other)
    placed = await here.get(0, Span(1, 10), 100)
    author, notices = placed[1], placed[2:]
    assert all(await there.append(notices, via=0))
    assert (await other.store.boards.totals())[Board.BULLETIN] == 0
    assert (await there.vector())[0] == (Span(3, 5),)  # on the disk, although they wait
    assert [item.envelope for item in await there.get(0, Span(1, 9), 10)] == [item.envelope for item in notices]
    assert await there.append([author], via=0) == [True]
    assert (await other.store.boards.totals())[Board.BULLETIN] == 3


async def test_an_introduction_and_its_notices_in_one_batch(node: Node, other: Node, person: Person) -> None:
    await written(node, person, 3)
    placed = list(await (await log_of(node)).get(0, Span(1, 10), 100))
    assert all(await (await log_of(other)).append(placed[::-1], via=0))
    assert (await other.store.boards.totals())[Board.BULLETIN] == 3


async def test_forged_and_foreign_ones_are_refused_and_not_wanted_again(
    node: Node, other: Node, person: Person
) -> None:
    await written(node, person, 1)
    here, there = await log_of(node), await log_of(other)
    epochs = await node.store.node.epoch_keys(node.identity.space_id)
    signed = person.say(Kind.POST, b"Mine")
    forged = seal(decode_signed(signed.encode()[:-1] + bytes([signed.encode()[-1] ^ 1])), epochs[0])
    good = await here.get(0, Span(1, 3), 10)
    assert all(await there.append(good, via=0))
    before = (await there.keys())[1]
    batch = [Placed(0, 4, forged), Placed(0, 5, b"x" * 120), *good]
    assert await there.append(batch, via=0) == [False, False, True, True, True]
    assert (await other.store.boards.totals())[Board.BULLETIN] == 1
    assert sorted(_split((await there.keys())[1])) == sorted([*_split(before), envelope_id(forged)])
    assert await there.find([envelope_id(forged)]) == []
    assert await there.append([Placed(0, 4, forged)], via=0) == [False]


async def test_what_is_named_is_found_with_its_place(node: Node, person: Person) -> None:
    await written(node, person, 2)
    log = await log_of(node)
    placed = await log.get(0, Span(3, 4), 10)
    names = [EnvelopeId(envelope_id(item.envelope)) for item in placed]
    found = await log.find([*names, EnvelopeId(bytes(16))])
    assert sorted(found, key=lambda item: item.number) == list(placed)


async def test_own_numbers_that_a_peer_knows_and_we_do_not_are_told(node: Node, person: Person) -> None:
    ahead: list[int] = []
    await written(node, person, 1)
    log = await log_of(node, ahead)
    await log.missing({0: (Span(1, 3),)})
    assert ahead == []
    assert await log.missing({0: (Span(1, 9),), 255: (Span(1, 4),)}) == {0: (Span(4, 9),)}
    assert ahead == [9]


async def test_the_batch_door_answers_each_in_its_place(node: Node, person: Person) -> None:
    epochs = await node.store.node.epoch_keys(node.identity.space_id)
    records = [person.introduce(), person.write("One"), person.write("Two")]
    sealed = [seal(decode_signed(record), epochs[0]) for record in records]
    answers = await node.door.accept_all(
        [(sealed[1], Origin("sync")), (b"short", Origin("sync")), (sealed[0], Origin("sync"))]
    )
    assert [getattr(answer, "outcome", None) for answer in answers] == [Outcome.NEW, None, Outcome.NEW]
    assert isinstance(answers[1], DecodeError)
    again = await node.door.accept_all([(envelope, Origin("sync")) for envelope in sealed])
    assert [getattr(answer, "outcome", None) for answer in again] == [Outcome.KNOWN, Outcome.KNOWN, Outcome.NEW]


def _names(placed: list[Placed]) -> list[bytes]:
    return [envelope_id(item.envelope) for item in placed]


def _split(packed: bytes) -> list[bytes]:
    return [packed[at : at + 16] for at in range(0, len(packed), 16)]


async def test_batches_at_once_are_stored_in_their_order(node: Node, other: Node, person: Person) -> None:
    await written(node, person, PARKED_PER_AUTHOR_MAX + 20)
    here, there = await log_of(node), await log_of(other)
    placed = await here.get(0, Span(1, 500), 500)
    taken = await asyncio.gather(there.append(placed[:2], via=0), there.append(placed[2:], via=0))
    assert all(taken[0]) and all(taken[1])
    assert (await other.store.envelopes.parked_counts()) == {}


async def test_what_found_no_room_may_come_again(node: Node, other: Node, person: Person) -> None:
    await written(node, person, PARKED_PER_AUTHOR_MAX + 20)
    here, there = await log_of(node), await log_of(other)
    placed = await here.get(0, Span(1, 500), 500)
    taken = await there.append(placed[2:], via=0)
    assert taken.count(False) == 20
    assert all(await there.append(placed[:2], via=0))
    lacking = await there.missing(await here.vector())
    again = [item for span in lacking[0] for item in await here.get(0, span, 500)]
    assert len(again) == 20
    assert all(await there.append(again, via=0))
    assert (await other.store.boards.totals())[Board.BULLETIN] == PARKED_PER_AUTHOR_MAX + 20
