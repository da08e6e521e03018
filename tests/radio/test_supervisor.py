"""Two real nodes, their doors and disks, over the simulated ether on real pseudo-terminals."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from app.clock import MINUTE_MS, SystemClock, unix_ms_of
from app.core.boards import Board
from app.core.envelope import seal
from app.core.record import RecordId
from app.errors import StoreFullError
from app.founding import Node, invite, start_node
from app.radio.airtime import modulation
from app.radio.choice import RadioChoice
from app.radio.ether_ports import EtherPorts, linked
from app.radio.field import Field, line
from app.radio.profile import Profile
from app.radio.supervisor import RadioSupervisor
from tests.people import NOW_MINUTES, Person

pytestmark = pytest.mark.anyio
QUICK = Profile("EU868", 866_500_000, modulation(7, 500.0, 5), 14)
NAMES = ["square", "valley"]
SOON_S = 20


class RunningClock:
    """The tests' minute of the calendar, and time that passes."""

    def now_ms(self) -> int:
        return unix_ms_of(NOW_MINUTES) + self.monotonic_ms() % MINUTE_MS

    def monotonic_ms(self) -> int:
        return SystemClock().monotonic_ms()


class Village:
    """Two nodes of one community with radios."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[str, Node] = {}
        self.radios: dict[str, RadioSupervisor] = {}
        self.field = Field(NAMES, line(NAMES, 110.0), random.Random(1))

    async def found(self) -> None:
        clock = RunningClock()
        square = await start_node(self.folder / "square", clock, name="Market Square", community="Upper Valley")
        code = await invite(square)
        valley = await start_node(self.folder / "valley", clock, name="North Valley", join=code)
        self.nodes = {"square": square, "valley": valley}
        for name, node in self.nodes.items():
            await node.feed.start()
            self.radios[name] = RadioSupervisor(
                node, RadioChoice(str(self.folder / "radios" / name)), QUICK, random.Random(name)
            )

    async def knows(self, name: str, record: RecordId) -> bool:
        return await self.nodes[name].store.envelopes.holds(record) is not None


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(SOON_S):
        while not await condition():  # noqa: ASYNC110 - two databases are asked
            await anyio.sleep(0.01)


@contextlib.asynccontextmanager
async def ether(village: Village) -> AsyncIterator[EtherPorts]:
    ports = EtherPorts(village.field)
    task = asyncio.create_task(ports.run())
    try:
        with linked(ports, village.folder / "radios"):
            yield ports
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        ports.close()


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    village = Village(tmp_path)
    await village.found()
    tasks = [asyncio.create_task(radio.run()) for radio in village.radios.values()]
    yield village
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for node in village.nodes.values():
        await node.close()


async def write(node: Node, person: Person, text: str) -> RecordId:
    acceptance = await node.door.post(person.write(text))
    assert acceptance.record_id is not None
    return acceptance.record_id


async def test_a_post_crosses_and_is_known_to_be_kept_by_two(village: Village) -> None:
    square, valley = village.nodes.values()
    person = Person(square.identity.space_id)
    await square.door.post(person.introduce())
    record = await write(square, person, "Apples for eggs\nTwo crates by the church.")
    async with ether(village):
        await eventually(lambda: village.knows("valley", record))

        async def kept_by_two() -> bool:
            return (await square.store.envelopes.kept_by([record]))[record] == 2

        await eventually(kept_by_two)
        assert {node.name for node in await square.store.devices.nodes()} == {"Market Square", "North Valley"}
        page = await valley.store.boards.page(Board.BULLETIN)
        assert [row.title for row in page.records] == ["Apples for eggs"]
        status = village.radios["square"].status()
        assert (status.is_ready, status.fault) == (True, None)
        assert status.spent_ms > 0
        assert list(status.neighbors) == [valley.identity.index]
        assert not any(modem.violations for modem in village.field.modems.values())


async def test_a_port_that_vanishes_and_comes_back_resumes(village: Village) -> None:
    square = village.nodes["square"]
    person = Person(square.identity.space_id)
    async with ether(village):
        await square.door.post(person.introduce())
        first = await write(square, person, "Before")
        await eventually(lambda: village.knows("valley", first))

    async def is_missed() -> bool:
        return village.radios["square"].status().fault is not None

    await eventually(is_missed)
    second = await write(square, person, "While the radio was away")
    village.field = Field(NAMES, line(NAMES, 110.0), random.Random(2))
    async with ether(village):
        await eventually(lambda: village.knows("valley", second))


async def test_what_is_forged_or_unknown_is_counted_and_nothing_stops(village: Village) -> None:
    square, valley = village.nodes.values()
    person = Person(square.identity.space_id)
    forger = Person(square.identity.space_id, "Mallory", b"\x66" * 32)
    epochs = await square.store.node.epoch_keys(square.identity.space_id)
    async with ether(village) as ports:
        await square.door.post(person.introduce())
        record = await write(square, person, "True")
        await eventually(lambda: village.knows("valley", record))
        # Noise on the serial line, and a frame from a member whose record is signed by another key.
        ports.ports["valley"].unsent += b"\xc0\x00\xdb\xdb\xc0\xc0\x09noise\xc0"
        forged = bytearray(forger.write("False"))
        forged[1:5] = person.key.device_id
        from app.core.record import decode_signed

        _put_on_air(village, seal(decode_signed(bytes(forged)), epochs[0]), epochs[0].link)

        async def refused() -> bool:
            return village.radios["valley"].status().rejected.get("signature", 0) == 1

        await eventually(refused)
        after = await write(square, person, "Still here")
        await eventually(lambda: village.knows("valley", after))
        assert village.radios["valley"].status().rejected["damaged"] >= 1
        assert "error" not in village.radios["valley"].status().rejected
    assert valley.identity.name == "North Valley"


def _put_on_air(village: Village, envelope: bytes, link_key: bytes) -> None:
    from app.radio.dialects import on_air
    from app.radio.frame import EnvelopeFrame, LinkKeys, NodeIndex, encode_frame

    link = LinkKeys(village.nodes["square"].identity.space_id, (link_key,))
    frame = encode_frame(EnvelopeFrame(NodeIndex(9), 0, NodeIndex(9), 1, envelope), link)
    packet = on_air.wrap(frame, 0)
    from app.radio.dialects.kiss_codec import encode_frame as kiss_frame

    village.field.modems["valley"]._output += kiss_frame(0, packet)


async def test_a_full_disk_costs_a_copy_not_the_record(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    square, valley = village.nodes.values()
    accept = valley.door.accept
    refusals: list[bytes] = []

    async def full_at_first(envelope: bytes, origin: object) -> object:
        if len(refusals) < 2:
            refusals.append(envelope)
            raise StoreFullError("The disk is full.")
        return await accept(envelope, origin)  # type: ignore[arg-type]

    monkeypatch.setattr(valley.door, "accept", full_at_first)
    person = Person(square.identity.space_id)
    await square.door.post(person.introduce())
    record = await write(square, person, "Patience")
    async with ether(village):
        await eventually(lambda: village.knows("valley", record))
    assert len(refusals) == 2
    assert village.radios["valley"].status().rejected["disk"] == 2
