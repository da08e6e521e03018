"""The door: what is accepted, known, parked and refused, over a real SQLite file."""

import asyncio

import pytest

from app.acceptance import FUTURE_MINUTES_MAX, Acceptance, Draft, Outcome, ParkReason
from app.clock import ManualClock
from app.core.boards import Board
from app.core.bodies import DeviceIntroduction, NodeIntroduction
from app.core.envelope import seal
from app.core.keys import DeviceKey, derive_epoch_keys
from app.core.membership import JoinPolicy
from app.core.record import Kind, Lifetime, decode_signed
from app.core.weather import Quantity, Summary, WeatherReport
from app.errors import DecodeError, ForbiddenError, InputError, StoreFullError, StrangerError
from app.feed import BoardsChanged
from app.founding import Node
from app.store.envelopes import PARKED_PER_AUTHOR_MAX, Entry, Origin
from tests.people import NOW_MINUTES, Person

pytestmark = pytest.mark.anyio


async def introduced(node: Node, person: Person) -> Acceptance:
    return await node.door.post(person.introduce())


async def titles(node: Node, board: Board = Board.BULLETIN) -> list[str]:
    return [record.title for record in (await node.store.boards.page(board)).records]


async def sealed(node: Node, signed: bytes) -> bytes:
    return seal(decode_signed(signed), (await node.store.node.epoch_keys(node.identity.space_id))[0])


async def test_a_post_is_kept_numbered_and_on_the_board(node: Node, person: Person) -> None:
    await introduced(node, person)
    acceptance = await node.door.post(person.write("Plum jam\nSix jars, come by"))
    assert (acceptance.outcome, acceptance.entry_index, acceptance.kept_by) == (Outcome.NEW, 0, 1)
    assert acceptance.log_number == 3  # after this node's and Ada's introductions
    page = await node.store.boards.page(Board.BULLETIN)
    assert [(r.title, r.text, r.author, r.via) for r in page.records] == [
        ("Plum jam", "Six jars, come by", "Ada", None)
    ]
    assert page.total == 1


async def test_the_same_record_twice_is_known_and_stands_once(node: Node, person: Person) -> None:
    await introduced(node, person)
    post = person.write("Plum jam")
    first = await node.door.post(post)
    again = await node.door.post(post)
    assert (again.outcome, again.record_id, again.log_number) == (Outcome.KNOWN, first.record_id, first.log_number)
    assert await titles(node) == ["Plum jam"]


async def test_the_same_record_posted_at_once_by_two_tabs_is_one(node: Node, person: Person) -> None:
    await introduced(node, person)
    post = person.write("Plum jam")
    outcomes = [a.outcome for a in await asyncio.gather(*(node.door.post(post) for _ in range(8)))]
    assert sorted(outcomes) == [Outcome.KNOWN] * 7 + [Outcome.NEW]


async def test_a_forged_signature_is_refused_and_leaves_nothing(node: Node, person: Person) -> None:
    await introduced(node, person)
    post = bytearray(person.write("Plum jam"))
    post[-1] ^= 1
    with pytest.raises(DecodeError) as refusal:
        await node.door.post(bytes(post))
    assert refusal.value.code == "signature"
    assert await titles(node) == []


async def test_another_key_cannot_write_as_ada(node: Node, person: Person) -> None:
    await introduced(node, person)
    mallory = Person(person.space_id, seed=b"\x02" * 32)
    mallory.sequence = 1
    post = bytearray(mallory.write("Plum jam"))
    post[1:5] = person.key.device_id
    with pytest.raises(DecodeError) as refusal:
        await node.door.post(bytes(post))
    assert refusal.value.code == "signature"


async def test_an_introduction_with_a_foreign_key_is_refused(node: Node, person: Person) -> None:
    body = DeviceIntroduction(b"\x07" * 32, "Ada").encode()
    with pytest.raises(DecodeError) as refusal:
        await node.door.post(person.say(Kind.DEVICE, body, Lifetime.PERMANENT).encode())
    assert refusal.value.code == "body"


async def test_a_post_before_its_author_is_known_waits_for_the_introduction(node: Node, person: Person) -> None:
    introduction, post = person.introduce(), person.write("Plum jam")
    acceptance = await node.door.post(post)
    assert (acceptance.outcome, acceptance.reason) == (Outcome.PARKED, ParkReason.AUTHOR)
    assert await titles(node) == []
    await node.door.post(introduction)
    assert await titles(node) == ["Plum jam"]
    assert await node.store.envelopes.parked_counts() == {}


async def test_a_forged_post_that_waited_is_forgotten_when_its_author_comes(node: Node, person: Person) -> None:
    introduction, post = person.introduce(), bytearray(person.write("Plum jam"))
    post[-1] ^= 1
    await node.door.post(bytes(post))
    await node.door.post(introduction)
    assert await titles(node) == []
    assert await node.store.envelopes.parked_counts() == {}


async def test_a_record_from_the_future_waits_for_its_time(node: Node, person: Person, clock: ManualClock) -> None:
    await introduced(node, person)
    far = NOW_MINUTES + FUTURE_MINUTES_MAX + 10
    acceptance = await node.door.post(person.write("From 2056", minutes=far))
    assert (acceptance.outcome, acceptance.reason) == (Outcome.PARKED, ParkReason.FUTURE)
    assert acceptance.record_id is not None
    await node.door.retry_parked()
    assert await titles(node) == []
    clock.advance(20 * 60_000)
    await node.door.retry_parked()
    assert await titles(node) == ["From 2056"]


async def test_what_waits_is_limited_per_author(node: Node, person: Person) -> None:
    person.introduce()
    for number in range(PARKED_PER_AUTHOR_MAX):
        await node.door.post(person.write(f"Post {number}"))
    with pytest.raises(DecodeError) as refusal:
        await node.door.post(person.write("One too many"))
    assert refusal.value.code == "limit"


async def test_a_doubled_sequence_is_accepted_and_the_device_flagged(node: Node, person: Person) -> None:
    await introduced(node, person)
    await node.door.post(person.say(Kind.POST, b"One", sequence=5).encode())
    await node.door.post(person.say(Kind.POST, b"Other", sequence=5).encode())
    assert sorted(await titles(node)) == ["One", "Other"]
    device = await node.store.devices.get(person.key.device_id)
    assert device is not None
    assert (bool(device.forked), device.highest_sequence) == (True, 5)


async def test_an_unknown_kind_is_kept_and_shown_nowhere(node: Node, person: Person) -> None:
    await introduced(node, person)
    acceptance = await node.door.post(person.say(42, b"from a later version").encode())
    assert acceptance.outcome is Outcome.NEW
    assert await titles(node) == []


async def test_weather_stands_on_its_board_as_a_node_gathered_it(node: Node, person: Person) -> None:
    await introduced(node, person)
    measured = {Quantity.TEMPERATURE: Summary(112, 112, 112, 112)}
    old, new = (WeatherReport("!5a17c0de", "Hill", hour, 50, 1, measured) for hour in (16_600, 16_601))
    await node.door.post(person.say(Kind.READING, new.encode()).encode())
    assert await titles(node, Board.WEATHER) == []
    await node.door.publish([Draft(Kind.READING, Lifetime.NORMAL, report.encode()) for report in (old, new)], "here")
    (standing,) = (await node.store.boards.page(Board.WEATHER)).records
    assert (standing.title, standing.body) == ("Hill", new.encode())
    assert standing.text == "Temperature 11.2 °C\nAs of 17:50 UTC; 1 reading in that hour."


async def test_a_post_that_is_no_text_is_carried_and_shown_nowhere(node: Node, person: Person) -> None:
    await introduced(node, person)
    acceptance = await node.door.post(person.say(Kind.POST, b"\xff\xfe\x00").encode())
    assert acceptance.outcome is Outcome.NEW
    assert await titles(node) == []


async def test_an_envelope_of_strangers_is_refused(node: Node, person: Person) -> None:
    foreign = derive_epoch_keys(node.identity.space_id, 1, b"\x09" * 32)
    envelope = seal(person.say(Kind.POST, b"Plum jam"), foreign)
    with pytest.raises(StrangerError):
        await node.door.accept(envelope, Origin("radio", 1, 1, 1))


async def test_from_the_radio_the_sender_and_the_entry_node_hold_it(node: Node, person: Person) -> None:
    await introduced(node, person)
    envelope = await sealed(node, person.write("Plum jam"))
    acceptance = await node.door.accept(envelope, Origin("radio", entry_index=2, log_number=7, via_index=1))
    assert (acceptance.entry_index, acceptance.log_number, acceptance.kept_by) == (2, 7, 3)
    again = await node.door.accept(envelope, Origin("radio", entry_index=2, log_number=7, via_index=3))
    assert (again.outcome, again.kept_by) == (Outcome.KNOWN, 4)
    assert await node.store.envelopes.vector() == {0: 2, 2: 7}


async def test_two_node_introductions_with_one_index_do_not_both_stand(node: Node) -> None:
    keys = [DeviceKey(bytes([n]) * 32) for n in (3, 4)]
    outcomes = []
    for key in keys:
        other = Person(node.identity.space_id, seed=bytes([3 if key is keys[0] else 4]) * 32)
        body = NodeIntroduction(key.public_key, "North Valley", 1).encode()
        envelope = await sealed(node, other.say(Kind.NODE, body, Lifetime.PERMANENT).encode())
        outcomes.append((await node.door.accept(envelope, Origin("radio", 1, 1, 1))).reason)
    assert outcomes == [None, ParkReason.COLLISION]
    assert [n.index for n in await node.store.devices.nodes()] == [0, 1]


async def test_an_invited_community_refuses_a_new_person_and_keeps_the_known(node: Node, person: Person) -> None:
    await introduced(node, person)
    await node.store.node.set_join_policy(JoinPolicy.INVITED)
    assert (await node.door.post(person.write("Plum jam"))).outcome is Outcome.NEW
    with pytest.raises(ForbiddenError):
        await node.door.post(Person(person.space_id, "Bo", b"\x05" * 32).introduce())


async def test_the_node_publishes_all_or_nothing(node: Node) -> None:
    drafts = [Draft(Kind.POST, Lifetime.NORMAL, b"One"), Draft(Kind.POST, Lifetime.NORMAL, b"Two")]
    acceptances = await node.door.publish(drafts, "node")
    assert [a.log_number for a in acceptances] == [2, 3]
    with pytest.raises(InputError, match="8192"):
        await node.door.publish([drafts[0], Draft(Kind.POST, Lifetime.NORMAL, b"x" * 9000)], "node")
    assert sorted(await titles(node)) == ["One", "Two"]


async def test_a_full_disk_refuses_clearly_and_keeps_what_was_kept(node: Node, person: Person) -> None:
    await introduced(node, person)
    await node.door.post(person.write("Kept before"))
    pages = await node.store.database.read_one("PRAGMA page_count")
    assert pages is not None
    async with node.store.database.write() as tx:
        await tx.execute(f"PRAGMA max_page_count={pages[0]}")
    with pytest.raises(StoreFullError):
        for number in range(50):
            await node.door.post(person.write(f"Too much {number}\n" + chr(0x4E00 + number) * 2000))
    async with node.store.database.write() as tx:
        await tx.execute("PRAGMA max_page_count=1000000")
    assert (await node.door.post(person.write("Room again"))).outcome is Outcome.NEW
    kept = await titles(node)
    assert {"Kept before", "Room again"} <= set(kept)
    assert (await node.store.boards.totals())[Board.BULLETIN] == len(kept)


async def test_the_feed_tells_after_the_commit(node: Node, person: Person) -> None:
    with node.feed.subscribe() as subscription:
        await introduced(node, person)
        await node.door.post(person.write("Plum jam"))
        events = subscription.__aiter__()
        seen = [await anext(events) for _ in range(3)]
    assert [type(event) for event in seen] == [Entry, BoardsChanged, Entry]
    assert isinstance(seen[2], Entry)
    assert seen[2].log_number == 3


async def test_old_notices_come_down(node: Node, person: Person) -> None:
    await introduced(node, person)
    await node.door.post(person.say(Kind.POST, b"Short", Lifetime.SHORT).encode())
    await node.door.post(person.say(Kind.POST, b"Long", Lifetime.LONG).encode())
    assert await node.store.boards.take_down(NOW_MINUTES + 8 * 24 * 60) == 1
    assert await titles(node) == ["Long"]
    assert (await node.store.boards.totals())[Board.BULLETIN] == 1
