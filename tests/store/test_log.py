"""The node logs on the disk: places, gaps, what is gone, who covers what."""

import pytest

from app.clock import ManualClock, minutes_of
from app.core.envelope import EnvelopeId
from app.core.keys import device_id_of
from app.core.membership import RosterNode
from app.founding import Node
from app.store.envelopes import PLACES_MAX, Origin
from app.store.log import Content, Place
from tests.people import Person

pytestmark = pytest.mark.anyio

DAY_MS = 24 * 3_600_000


async def envelope_of(node: Node, envelope_id: EnvelopeId) -> bytes:
    entry = await node.store.envelopes.get(envelope_id)
    assert entry is not None
    return entry.envelope


async def test_what_was_posted_stands_at_its_place(node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    accepted = await node.door.post(person.write("Cider press"))
    places = await node.store.log.places()
    envelope = await envelope_of(node, accepted.envelope_id)
    assert [place.number for place in places] == list(range(1, len(places) + 1))
    last = places[-1]
    assert last == Place(0, len(places), accepted.envelope_id, len(envelope))
    content = Content(envelope, accepted.envelope_id, 0, last.number, envelope[0] & 0x0F, 0)
    assert await node.store.log.get(0, last.number) == [content]
    assert await node.store.log.by_prefix(accepted.envelope_id[:6]) == content
    assert await node.store.log.by_prefix(b"\x00" * 6) is None
    assert await node.store.log.by_prefix(accepted.envelope_id[:2]) is None


async def test_gaps_and_what_is_gone(node: Node, person: Person, clock: ManualClock) -> None:
    await node.door.post(person.introduce())
    accepted = await node.door.post(person.write("Cider press"))
    await node.door.post(person.write("Another"))
    held = len(await node.store.log.places())
    assert await node.store.log.missing(0, 1, held + 5) == [(held + 1, held + 5)]
    assert await node.store.log.missing(7, 3, 4) == [(3, 4)]
    clock.advance(66 * DAY_MS)
    await node.store.node.live(66 * 24 * 60)
    await node.store.boards.take_down(minutes_of(clock.now_ms()))
    gone = [Place(0, held - 1, accepted.envelope_id, 0)]
    assert await node.store.log.drop(minutes_of(clock.now_ms())) == gone
    assert await node.store.log.gone() == gone
    assert await node.store.log.missing(0, 1, held + 5) == [(held + 1, held + 5)]
    assert await node.store.log.get(0, held - 1) == []
    assert await node.store.log.by_prefix(accepted.envelope_id[:6]) is None
    assert await node.store.envelopes.vector() == {0: held}


async def test_a_record_that_entered_at_two_nodes_has_two_places(node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    accepted = await node.door.post(person.write("Cider press"))
    envelope = await envelope_of(node, accepted.envelope_id)
    for number in range(1, 9):
        await node.door.accept(envelope, Origin("radio", 3, number, 3))
    places = [place for place in await node.store.log.places() if place.envelope_id == accepted.envelope_id]
    assert len(places) == PLACES_MAX, "and nobody fills the log with inventions"
    again = await node.door.post(person.write("Another"))
    assert (again.entry_index, again.log_number) == (0, len(await node.store.log.places()) - PLACES_MAX + 1)


async def test_two_records_may_share_a_place(node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    for text in ("One", "Other"):
        accepted = await node.door.post(person.write(text))
        await node.door.accept(await envelope_of(node, accepted.envelope_id), Origin("radio", 5, 1, 5))
    assert len(await node.store.log.get(5, 1)) == 2


async def test_what_is_parked_is_on_the_disk_too(node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    accepted = await node.door.post(person.write("Cider press"))
    stranger = Person(node.identity.space_id, "Bo", b"\x02" * 32)
    early = await node.door.post(stranger.write("Too early"))
    assert early.record_id is None
    rows = await node.store.database.read("SELECT bytes FROM parked")
    await node.store.envelopes.unpark(early.envelope_id)
    await node.door.accept(rows[0][0], Origin("radio", 2, 9, 2))
    assert (2, 9) in {(place.index, place.number) for place in await node.store.log.places()}
    found = await node.store.log.by_prefix(early.envelope_id[:6])
    assert found is not None
    assert (found.envelope, found.index, found.number) == (rows[0][0], 2, 9)
    assert found.envelope_id != accepted.envelope_id


async def test_a_vector_that_covers_entries_counts_as_custody(node: Node, person: Person) -> None:
    other = RosterNode(1, b"\x01" * 32, "North Valley")
    await node.store.devices.enroll((other,), (device_id_of(other.public_key),))
    await node.door.post(person.introduce())
    accepted = await node.door.post(person.write("Cider press"))
    held = len(await node.store.log.places())
    assert accepted.record_id is not None
    assert await node.store.custody.cover(0, 1, held - 1, 1, 5) == held - 1
    assert await node.store.custody.cover(0, 1, held, 1, 6) == 1
    assert await node.store.custody.cover(0, 1, held, 1, 7) == 0
    assert await node.store.custody.cover(0, 1, held, 0, 7) == 0, "we know what we hold"
    assert await node.store.envelopes.holds(accepted.record_id) == (2, ["Market Square", "North Valley"])


async def test_what_is_over_is_not_covered(node: Node, person: Person, clock: ManualClock) -> None:
    """Whoever knows its number may have let go of it."""
    await node.door.post(person.introduce())
    await node.door.post(person.write("Cider press"))
    held = len(await node.store.log.places())
    clock.advance(66 * DAY_MS)
    assert await node.store.custody.cover(0, 1, held, 1, clock.now_ms()) == held - 1


async def test_counters_only_grow(node: Node) -> None:
    assert await node.store.log.heard_counters() == {}
    await node.store.log.save_heard_counters({1: 5, 2: 7}, {1: 90})
    await node.store.log.save_heard_counters({1: 3, 2: 9}, {1: 80, 3: 4})
    assert await node.store.log.heard_receipts() == {1: 90, 3: 4}
    assert await node.store.log.heard_counters() == {1: 5, 2: 9}
