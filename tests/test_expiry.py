"""Expiry: nothing goes early, whatever a clock says; what went leaves no trace but its name, and doesn't come back."""

import pytest

from app.acceptance import Draft, Outcome
from app.clock import EPOCH_2025_MS, MINUTE_MS, ManualClock, minutes_of
from app.core.bodies import NodeIntroduction
from app.core.envelope import seal
from app.core.keys import DeviceKey
from app.core.record import EPOCH_DAYS_MAX, Kind, Lifetime, decode_signed
from app.errors import DecodeError
from app.expiry import Expiry
from app.feed import Dropped
from app.founding import Node
from app.store.envelopes import Origin
from app.store.log import DROP_MAX
from tests.people import NOW_MINUTES, Person

pytestmark = pytest.mark.anyio

DAY_MS = 24 * 60 * MINUTE_MS
YEAR_MS = 365 * DAY_MS
KEPT_DAYS = {Lifetime.ALERT: 32, Lifetime.SHORT: 37, Lifetime.NORMAL: 65, Lifetime.LONG: 430}


@pytest.fixture
def expiry(node: Node, clock: ManualClock) -> Expiry:
    return Expiry(node.store, clock, node.feed)


async def titles(node: Node) -> set[str]:
    return {row[0] for row in await node.store.database.read("SELECT title FROM records")}


async def write_each_class(node: Node, person: Person) -> None:
    """One post of each class, and one that came last: the newest row always stays."""
    await node.door.post(person.introduce())
    for lifetime in Lifetime:
        await node.door.post(person.say(Kind.POST, lifetime.name.encode(), lifetime).encode())
    await node.door.post(person.say(Kind.POST, b"last", Lifetime.PERMANENT).encode())


@pytest.mark.parametrize("lifetime", KEPT_DAYS)
async def test_each_class_stays_to_the_last_minute_and_goes_after_it(
    node: Node, person: Person, clock: ManualClock, expiry: Expiry, lifetime: Lifetime
) -> None:
    await write_each_class(node, person)
    clock.advance(KEPT_DAYS[lifetime] * DAY_MS - MINUTE_MS)
    await expiry.sweep()
    assert lifetime.name in await titles(node)
    clock.advance(MINUTE_MS)
    await expiry.sweep()
    left = {other.name for other in Lifetime if KEPT_DAYS.get(other, 9999) > KEPT_DAYS[lifetime]}
    assert await titles(node) == left | {"last"}


def test_an_epoch_and_the_lifetime_of_the_class() -> None:
    assert {life: days - EPOCH_DAYS_MAX for life, days in KEPT_DAYS.items()} == {
        life: life.days for life in Lifetime if life.days
    }


async def test_a_clock_years_ahead_lets_go_of_nothing(
    node: Node, person: Person, clock: ManualClock, expiry: Expiry
) -> None:
    await write_each_class(node, person)
    clock._now_ms += 20 * YEAR_MS  # the clock jumps; the time that the node runs does not
    assert await expiry.sweep() == 0
    clock.advance(31 * DAY_MS)
    assert await expiry.sweep() == 0
    clock.advance(DAY_MS)
    assert await expiry.sweep() == 1, "an alert goes when it has been here for its time"
    assert "ALERT" not in await titles(node)


async def test_a_clock_that_cannot_be_right_lets_go_of_nothing(
    node: Node, person: Person, clock: ManualClock, expiry: Expiry
) -> None:
    await write_each_class(node, person)
    clock.advance(2 * YEAR_MS)
    clock._now_ms = EPOCH_2025_MS
    assert await expiry.sweep() == 0


async def test_an_author_whose_clock_is_behind_loses_no_day(
    node: Node, person: Person, clock: ManualClock, expiry: Expiry
) -> None:
    await node.door.post(person.introduce())
    await node.door.post(person.say(Kind.POST, b"from 2025", Lifetime.ALERT, minutes=5).encode())
    await node.door.post(person.write("later"))
    clock.advance(32 * DAY_MS - MINUTE_MS)
    assert await expiry.sweep() == 0
    clock.advance(MINUTE_MS)
    assert await expiry.sweep() == 1


async def test_time_lived_survives_a_restart_and_time_off_does_not_count(
    node: Node, person: Person, clock: ManualClock, expiry: Expiry
) -> None:
    await write_each_class(node, person)
    clock.advance(20 * DAY_MS)
    await expiry.sweep()
    clock.advance(100 * DAY_MS)  # the node is off: nobody counts
    again = Expiry(node.store, clock, node.feed)
    clock.advance(12 * DAY_MS - MINUTE_MS)
    assert await again.sweep() == 0
    clock.advance(MINUTE_MS)
    assert await again.sweep() == 1


async def test_introductions_stay_whatever_their_class_says(
    node: Node, clock: ManualClock, expiry: Expiry, person: Person
) -> None:
    await node.door.post(person.introduce())
    other = DeviceKey(b"\x07" * 32)
    body = NodeIntroduction(other.public_key, "Farm", 7).encode()
    farm = Person(node.identity.space_id, "Farm", b"\x07" * 32)
    await node.door.post(farm.say(Kind.NODE, body, Lifetime.ALERT).encode())
    await node.door.post(person.write("later"))
    clock.advance(3 * YEAR_MS)
    await expiry.sweep()
    kinds = "SELECT DISTINCT kind FROM envelopes WHERE kind IN (0, 1) ORDER BY kind"
    assert await node.store.database.read(kinds) == [(Kind.DEVICE,), (Kind.NODE,)]


async def test_nothing_is_left_but_the_name_and_the_number_is_not_given_again(
    node: Node, person: Person, clock: ManualClock, expiry: Expiry
) -> None:
    await node.door.post(person.introduce())
    accepted = await node.door.post(person.write("Cider press"))
    await node.store.custody.add(accepted.envelope_id, 1, 5)
    newest = await node.door.post(person.write("newest"))
    clock.advance(66 * DAY_MS)
    with node.feed.subscribe() as subscription:
        assert await expiry.sweep() == 1
        dropped = await anext(subscription.__aiter__())
    assert isinstance(dropped, Dropped)
    assert [place.envelope_id for place in dropped.places] == [accepted.envelope_id]
    counts = await node.store.database.read(
        "SELECT (SELECT count(*) FROM envelopes WHERE envelope_id = ?1), (SELECT count(*) FROM custody),"
        " (SELECT count(*) FROM records WHERE title = 'Cider press'),"
        " (SELECT count(*) FROM node_log WHERE number = ?2)",
        (accepted.envelope_id, accepted.log_number),
    )
    assert counts == [(0, 0, 0, 0)]
    following = await node.door.post(person.write("after it"))
    assert newest.log_number is not None
    assert following.log_number == newest.log_number + 1
    last = await node.store.envelopes.after(await node.store.envelopes.last_row() - 1, 5)
    assert [entry.envelope_id for entry in last] == [following.envelope_id], "the feed's row numbers only grow"


async def test_the_last_number_of_a_log_is_not_given_again(
    node: Node, person: Person, clock: ManualClock, expiry: Expiry
) -> None:
    await node.door.post(person.introduce())
    last = await node.door.post(person.write("last of this log"))
    elsewhere = Person(node.identity.space_id, "Cy", b"\x03" * 32)
    envelope = await _sealed(node, elsewhere.introduce())
    await node.door.accept(envelope, Origin("radio", 4, 1, 4))
    clock.advance(66 * DAY_MS)
    assert await expiry.sweep() == 1
    following = await node.door.post(person.write("next"))
    assert last.log_number is not None
    assert following.log_number == last.log_number + 1


async def test_what_is_gone_is_not_taken_in_again_from_anybody(
    node: Node, person: Person, clock: ManualClock, expiry: Expiry
) -> None:
    await node.door.post(person.introduce())
    post = person.write("Cider press")
    accepted = await node.door.post(post)
    entry = await node.store.envelopes.get(accepted.envelope_id)
    assert entry is not None
    await node.door.post(person.write("newest"))
    clock.advance(66 * DAY_MS)
    await expiry.sweep()
    again = await node.door.accept(entry.envelope, Origin("radio", 3, 9, 3))
    assert (again.outcome, again.entry_index, again.log_number) == (Outcome.OVER, 3, 9)
    assert await node.store.log.missing(3, 9, 9) == [], "and it isn't asked for at its second place"
    with pytest.raises(DecodeError, match="Its time was over") as refusal:
        await node.door.post(post)
    assert refusal.value.code == "over"
    assert await node.store.envelopes.get(accepted.envelope_id) is None


async def test_what_waits_for_an_unknown_author_goes_too(
    node: Node, person: Person, clock: ManualClock, expiry: Expiry
) -> None:
    await node.door.post(person.introduce())
    stranger = Person(node.identity.space_id, "Bo", b"\x02" * 32)
    envelope = await _sealed(node, stranger.write("who am I"))
    parked = await node.door.accept(envelope, Origin("radio", 2, 9, 2))
    clock.advance(65 * DAY_MS - MINUTE_MS)
    assert await expiry.sweep() == 0
    clock.advance(MINUTE_MS)
    assert await expiry.sweep() == 1
    assert [place.envelope_id for place in await node.store.log.gone()] == [parked.envelope_id]
    assert await node.store.envelopes.parked_counts() == {}
    stranger.sequence = 0
    await node.door.post(stranger.introduce())
    assert (await node.door.accept(envelope, Origin("radio", 2, 9, 2))).outcome is Outcome.OVER


async def test_many_go_in_small_steps(node: Node, clock: ManualClock, expiry: Expiry) -> None:
    drafts = [Draft(Kind.POST, Lifetime.ALERT, f"Flood {number}".encode()) for number in range(2 * DROP_MAX + 1)]
    await node.door.publish(drafts, "node")
    clock.advance(33 * DAY_MS)
    await node.store.node.live(33 * 24 * 60)
    await node.store.boards.take_down(minutes_of(clock.now_ms()))
    steps = [len(await node.store.log.drop(minutes_of(clock.now_ms())) or []) for _ in range(4)]
    assert steps == [DROP_MAX, DROP_MAX, 0, 0], "all but the newest row"


async def test_what_stands_on_a_board_stays(node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    await node.door.post(person.write("Cider press"))
    await node.door.post(person.write("newest"))
    await node.store.node.live(10**7)
    over = NOW_MINUTES + 10**6
    assert await node.store.log.drop(over) is None
    await node.store.boards.take_down(over)
    assert len(await node.store.log.drop(over) or []) == 1


async def test_what_waits_and_has_no_place_goes_in_the_same_hour(
    node: Node, clock: ManualClock, expiry: Expiry
) -> None:
    for number in range(DROP_MAX + 1):
        stranger = Person(node.identity.space_id, "Bo", number.to_bytes(2, "big") * 16)
        await node.door.post(stranger.write("who am I"))
    clock.advance(66 * DAY_MS)
    assert await expiry.sweep() == 0
    assert await node.store.envelopes.parked_counts() == {}


async def _sealed(node: Node, record: bytes) -> bytes:
    return seal(decode_signed(record), (await node.store.node.epoch_keys(node.identity.space_id))[0])
