"""The node as a guest: texts and weather reach the boards once, announcements only when the keeper wants them."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from app.clock import MINUTE_MS, minutes_of, unix_ms_of
from app.core.boards import Board
from app.core.weather import decode_report
from app.founding import Node, invite, start_node
from app.radio.dialects.dialect import TelemetryHeard, TextHeard, WeatherReading
from app.radio.guest import Guest, values_of
from app.store.envelopes import Entry, Origin
from tests.people import NOW_MINUTES, Person

pytestmark = pytest.mark.anyio
HOUR_START = NOW_MINUTES // 60 * 60
TEXT = TextHeard("Lost: a grey goat", 7, "Ana", 1, False)
MARK = "unsigned, from a Meshtastic radio (!00000007 00000001)"


class SetClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.minutes = HOUR_START

    def now_ms(self) -> int:
        return unix_ms_of(self.minutes)

    def monotonic_ms(self) -> int:
        return (self.minutes - HOUR_START) * MINUTE_MS


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def node(tmp_path: Path, clock: SetClock) -> AsyncIterator[Node]:
    node = await start_node(tmp_path, clock, name="Mill", community="Valley")
    await node.feed.start()
    yield node
    await node.close()


async def titles(node: Node, board: Board) -> list[str]:
    return [standing.title for standing in (await node.store.boards.page(board)).records]


async def test_a_text_is_put_up_once_by_whoever_is_first(node: Node, clock: SetClock) -> None:
    one, other = Guest(node, random.Random(1)), Guest(node, random.Random(2))
    for guest in (one, other):
        assert guest.hear(TEXT, clock.monotonic_ms()) is None
    assert one.hear(TEXT, clock.monotonic_ms()) == "text again"
    await one.look()
    assert await titles(node, Board.BULLETIN) == []
    clock.minutes += 2
    await one.look()
    await other.look()
    (standing,) = (await node.store.boards.page(Board.BULLETIN)).records
    assert (standing.title, standing.text) == ("Ana: Lost: a grey goat", MARK)
    assert standing.author == "Mill"


async def test_two_nodes_that_hear_one_text_show_one_note(tmp_path: Path, node: Node, clock: SetClock) -> None:
    """Each puts it up before it hears of the other's: both records travel, and both boards show the same one."""
    other = await start_node(tmp_path / "other", clock, name="Hill", join=await invite(node))
    await other.feed.start()
    other_words = msgspec.structs.replace(TEXT, sender_name="!00000007")  # it has not heard the name yet
    envelopes = {}
    for each, text in ((node, TEXT), (other, other_words)):
        guest = Guest(each, random.Random(1))
        assert guest.hear(text, clock.monotonic_ms()) is None
        clock.minutes += 2
        await guest.look()
        envelopes[each] = await each.store.envelopes.pending()
        assert len(await titles(each, Board.BULLETIN)) == 1
    for here, there in ((node, other), (other, node)):
        for entry in envelopes[there]:
            await here.door.accept(entry.envelope, Origin("radio", entry.entry_index, entry.log_number))
    boards = [await titles(each, Board.BULLETIN) for each in (node, other)]
    assert boards == [["!00000007: Lost: a grey goat"]] * 2
    assert [(await each.store.boards.totals())[Board.BULLETIN] for each in (node, other)] == [1, 1]
    again = msgspec.structs.replace(TEXT, packet=2)
    guest = Guest(node, random.Random(3))
    for text in (TEXT, again):
        assert guest.hear(text, clock.monotonic_ms()) is None
    clock.minutes += 2
    await guest.look()
    assert len(await titles(node, Board.BULLETIN)) == 2, "the same words in another message are another note"
    await other.close()


async def test_a_person_s_post_stands_for_no_message(node: Node) -> None:
    person = Person(node.identity.space_id)
    await node.door.post(person.introduce())
    for _ in range(2):
        await node.door.post(person.write(f"Mine\n{MARK}"))
    assert await titles(node, Board.BULLETIN) == ["Mine", "Mine"]


async def test_a_station_s_hour_stands_on_the_weather_board(node: Node, clock: SetClock) -> None:
    one, other = Guest(node, random.Random(1)), Guest(node, random.Random(2))
    for hour in range(2):
        for minute, degrees in ((5, 11.0), (35, 12.5)):
            clock.minutes = HOUR_START + 60 * hour + minute
            heard = TelemetryHeard(0x5A17C0DE, "Hill", 0, WeatherReading(temperature_c=degrees + hour))
            assert one.hear(heard, 0) is None
            assert other.hear(heard, 0) is None
        clock.minutes = HOUR_START + 60 * hour + 75
        await one.look()
        await other.look()
        (standing,) = (await node.store.boards.page(Board.WEATHER)).records
        assert standing.title == "Hill"
        assert standing.body is not None
        assert decode_report(standing.body).hour == minutes_of(clock.now_ms()) // 60 - 1
    assert standing.text.startswith("Temperature 13.5 °C (12.0 to 13.5, mean 12.8)\nAs of ")
    assert (await node.store.overview.counts()).envelopes == 3  # the node's introduction, and two hours


async def test_a_station_without_sensors_is_counted_only(node: Node) -> None:
    guest = Guest(node, random.Random(1))
    assert guest.hear(TelemetryHeard(1, "Hill", 0, WeatherReading()), 0) == "weather"
    assert values_of(WeatherReading()) == {}


async def test_announcements_are_the_keeper_s_to_turn_on(node: Node) -> None:
    guest = Guest(node, random.Random(1))
    person = Person(node.identity.space_id)
    await node.door.post(person.introduce())

    async def write(text: str) -> None:
        acceptance = await node.door.post(person.write(text))
        assert acceptance.record_id is not None
        entry = await node.store.envelopes.get(acceptance.envelope_id)
        assert isinstance(entry, Entry)
        await guest.offer(entry)

    await write("Not said aloud")
    await node.store.node.set_radio_announces(True)
    await guest.look()
    assert guest.next_announcement() is None
    await write("Apples for eggs\nTwo crates.")
    assert guest.next_announcement() == f"Apples for eggs – {person.name}"
    guest.announced()
    assert guest.next_announcement() is None
