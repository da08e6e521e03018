"""Boards: order, pages, replies, revisions, and who holds what."""

from pathlib import Path

import pytest

from app.clock import ManualClock
from app.core.boards import Board
from app.core.envelope import seal
from app.core.record import RecordId, decode_signed
from app.founding import Node
from app.store.boards import PAGE_RECORDS
from app.store.envelopes import Origin
from tests.people import NOW_MINUTES, Person

pytestmark = pytest.mark.anyio


async def write_posts(node: Node, person: Person, count: int) -> list[RecordId]:
    await node.door.post(person.introduce())
    ids = []
    for number in range(count):
        acceptance = await node.door.post(person.write(f"Post {number}", minutes=NOW_MINUTES - count + number))
        assert acceptance.record_id is not None
        ids.append(acceptance.record_id)
    return ids


async def test_an_empty_board_is_a_page(node: Node) -> None:
    page = await node.store.boards.page(Board.EVENTS)
    assert (page.total, page.records, page.next) == (0, (), None)


async def test_pages_follow_each_other_newest_first_without_a_gap(node: Node, person: Person) -> None:
    ids = await write_posts(node, person, 2 * PAGE_RECORDS + 3)
    seen: list[RecordId] = []
    before = None
    sizes = []
    while True:
        page = await node.store.boards.page(Board.BULLETIN, before)
        assert page.total == len(ids)
        sizes.append(len(page.records))
        seen += [record.record_id for record in page.records]
        before = page.next
        if before is None:
            break
    assert seen == ids[::-1]
    assert sizes == [PAGE_RECORDS, PAGE_RECORDS, 3]


async def test_within_a_minute_an_author_posts_stand_in_their_order(node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    for title in ("First", "Second", "Third"):
        await node.door.post(person.write(title))
    titles = [record.title for record in (await node.store.boards.page(Board.BULLETIN)).records]
    assert titles == ["Third", "Second", "First"]


async def test_replies_are_found_by_what_they_answer(node: Node, person: Person) -> None:
    (post,) = await write_posts(node, person, 1)
    await node.door.post(person.write("I saw him", ref=post[:4]))
    assert [reply.title for reply in await node.store.boards.replies(post)] == ["I saw him"]
    page = await node.store.boards.page(Board.BULLETIN)
    assert ([record.record_id for record in page.records], page.total) == ([post], 1)


async def test_custody_counts_each_node_once_and_shows_on_the_board(node: Node, person: Person) -> None:
    (post,) = await write_posts(node, person, 1)
    entry = (await node.store.envelopes.pending())[-1]
    before = (await node.store.boards.revisions())[Board.BULLETIN]
    assert await node.store.custody.add(entry.envelope_id[:6], 1, 5) == [post]
    assert await node.store.custody.add(entry.envelope_id[:6], 1, 6) == []
    assert await node.store.custody.add(entry.envelope_id[:6], node.identity.index, 6) == []
    assert await node.store.custody.add(b"\x00" * 6, 1, 6) == []
    assert await node.store.custody.add(b"", 1, 6) == []
    assert await node.store.envelopes.kept_by([post]) == {post: 2}
    page = await node.store.boards.page(Board.BULLETIN)
    assert page.records[0].kept_by == 2
    assert page.revision == before + 1


async def test_who_holds_a_record_is_named_where_the_roster_knows(node: Node, person: Person) -> None:
    (post,) = await write_posts(node, person, 1)
    assert await node.store.envelopes.holds(post) == (1, ["Market Square"])
    assert await node.store.envelopes.holds(RecordId(b"\x00" * 16)) is None


async def test_what_came_by_radio_names_its_bearer(
    node: Node, person: Person, tmp_path: Path, clock: ManualClock
) -> None:
    from app.founding import invite, start_node

    joined = await start_node(tmp_path / "north", clock, name="North Valley", join=await invite(node))
    keys = (await node.store.node.epoch_keys(node.identity.space_id))[0]
    for signed in (person.introduce(), person.write("Plum jam")):
        await joined.door.accept(seal(decode_signed(signed), keys), Origin("radio", 0, person.sequence + 1, 0))
    record = (await joined.store.boards.page(Board.BULLETIN)).records[0]
    assert (record.via, record.entry, record.kept_by) == ("Market Square", "Market Square", 2)
    await joined.close()
