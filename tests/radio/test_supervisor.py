"""Two real nodes, their doors and disks, over the simulated ether on real pseudo-terminals."""

import asyncio
import contextlib
import random
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from app.clock import MINUTE_MS, SystemClock, unix_ms_of
from app.core.boards import Board
from app.core.envelope import seal
from app.core.record import RecordId
from app.errors import StoreFullError
from app.founding import Node, invite, start_node
from app.radio import probe
from app.radio.airtime import modulation
from app.radio.choice import RadioChoice
from app.radio.dialects.kiss import Kiss
from app.radio.dialects.meshtastic import Meshtastic
from app.radio.dialects.meshtastic_ear import PORT
from app.radio.dialects.meshtastic_messages import BROADCAST, Data, MeshPacket
from app.radio.dialects.meshtastic_messages import Port as PortNumber
from app.radio.ether import Ether
from app.radio.ether_ports import EtherPorts, Port, linked
from app.radio.field import Field, line
from app.radio.frame import NodeIndex, envelope_frame_bytes
from app.radio.modem import Modem
from app.radio.parcel import Held, Priority, Purpose, Transmit, prefix_of
from app.radio.profile import Profile
from app.radio.supervisor import RadioSupervisor
from tests.people import NOW_MINUTES, Person
from tests.radio.emulators.meshtastic import Meshtastic as MeshtasticRadio
from tests.radio.emulators.rnode import Rnode as RnodeRadio
from tests.radio.emulators.rui3 import Rui3 as Rui3Radio

pytestmark = pytest.mark.anyio
QUICK = Profile("EU868", 866_500_000, modulation(7, 500.0, 5), 14)
NAMES = ["square", "valley"]
SOON_S = 20
SEAL_BYTES = 20
"""Epoch and tag, around a signed record."""


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
        self.tasks: dict[str, asyncio.Task[None]] = {}
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

    async def stop(self, name: str) -> None:
        """Let go of a radio, as a node does that ends in an orderly way."""
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks[name], return_exceptions=True)

    async def is_ready(self) -> bool:
        return all(radio.status().is_ready for radio in self.radios.values())

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
    village.tasks = {name: asyncio.create_task(radio.run()) for name, radio in village.radios.items()}
    yield village
    for name in NAMES:
        await village.stop(name)
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


async def test_a_long_post_crosses_in_symbols(village: Village) -> None:
    square = village.nodes["square"]
    person = Person(square.identity.space_id)
    async with ether(village):
        await square.door.post(person.introduce())
        words = " ".join(random.Random(4).randbytes(4).hex() for _ in range(120))
        record = await write(square, person, f"A long story\n{words}")
        await eventually(lambda: village.knows("valley", record))
        status = village.radios["square"].status()
        assert sum(status.sent[word] for word in ("entry", "symbol") if word in status.sent) >= 3
        assert not {"mac", "cut", "error"} & status.rejected.keys()


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


# Radios of every kind


class OnEther:
    """An emulated radio as `EtherPorts` drives a modem: it is told the time with what it receives."""

    def __init__(self, radio: Any) -> None:
        self.radio = radio

    def receive(self, data: bytes, now_ms: float = 0.0) -> None:
        self.radio.receive(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.radio, name)


KINDS: dict[str, Callable[[str, Ether, random.Random], Any]] = {
    "kiss": Modem,
    "rnode": lambda name, ether, rng: OnEther(RnodeRadio(name, ether, rng)),
    "rui3": lambda name, ether, rng: OnEther(Rui3Radio(name, ether, rng, ECHO="1")),
    "meshtastic": lambda name, ether, rng: OnEther(
        MeshtasticRadio(name, ether, rng, node=0x1000 + ord(name[0]), is_chatty=True)
    ),
}


def equip(village: Village, *kinds: str, seed: int = 5) -> None:
    field = Field([], line(NAMES, 110.0), random.Random(seed))
    for name, kind in zip(NAMES, kinds, strict=True):
        field.modems[name] = KINDS[kind](name, field.ether, random.Random(name + kind))
    village.field = field


def deliver(village: Village, name: str, packet: MeshPacket) -> None:
    village.field.modems[name].deliver(packet)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("rnode", "kiss"), "RNode, firmware 1.85"),
        (("rui3", "rnode"), "RAK module with RUI3, firmware RUI_4.2.1_RAK3172-E"),
        (("meshtastic", "meshtastic"), "Meshtastic, firmware 2.7.11.ee68575"),
    ],
)
async def test_each_kind_is_found_and_carries_a_post(village: Village, kinds: tuple[str, str], words: str) -> None:
    square = village.nodes["square"]
    person = Person(square.identity.space_id)
    equip(village, *kinds)
    async with ether(village):
        await eventually(village.is_ready)
        for modem in village.field.modems.values():
            modem.violations.clear()  # the questions that were meant for others
        await square.door.post(person.introduce())
        record = await write(square, person, "Apples for eggs")
        await eventually(lambda: village.knows("valley", record))
        status = village.radios["square"].status()
        assert (status.radio, status.fault) == (words, None)
        assert "rules" not in status.rejected
        assert not any(modem.violations for modem in village.field.modems.values())


async def test_another_kind_of_radio_is_plugged_in_instead(village: Village) -> None:
    square = village.nodes["square"]
    person = Person(square.identity.space_id)
    equip(village, "rui3", "kiss")
    async with ether(village):
        await square.door.post(person.introduce())
        first = await write(square, person, "Before")
        await eventually(lambda: village.knows("valley", first))

    async def is_missed() -> bool:
        return village.radios["square"].status().fault is not None

    await eventually(is_missed)
    second = await write(square, person, "While the radio was away")
    equip(village, "rnode", "kiss", seed=6)
    async with ether(village):
        await eventually(lambda: village.knows("valley", second))
        radio = village.radios["square"].status().radio
        assert radio is not None
        assert radio.startswith("RNode")


async def test_a_port_with_something_else_on_it_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "ANSWER_MS", 20)
    node = await start_node(tmp_path / "node", RunningClock(), name="Alone")
    port = Port()
    radio = RadioSupervisor(node, RadioChoice(port.path), QUICK)
    task = asyncio.create_task(radio.run())

    async def is_said() -> bool:
        return "speaks as a LoRa radio" in (radio.status().fault or "")

    await eventually(is_said)
    assert radio.status().radio is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    port.close()
    await node.close()


async def test_a_guest_in_meshtastic_s_network(village: Village) -> None:
    square = village.nodes["square"]
    person = Person(square.identity.space_id)
    await square.store.node.set_radio_announces(True)
    await village.radios["square"]._guest.look()
    equip(village, "meshtastic", "meshtastic")
    async with ether(village):
        await eventually(village.is_ready)
        deliver(village, "valley", MeshPacket(7, BROADCAST, 99, Data(PortNumber.TEXT, b"Lost goat")))
        await square.door.post(person.introduce())
        record = await write(square, person, "Apples for eggs\nTwo crates.")

        async def is_announced() -> bool:
            return village.radios["square"].status().sent.get("announcement", 0) == 1

        await eventually(is_announced)
        await eventually(lambda: village.knows("valley", record))
    assert len(village.radios["valley"]._guest._notes._waiting) >= 1


async def test_a_frame_as_long_as_ours_may_be_passes_a_meshtastic_radio(village: Village) -> None:
    """Its 231 bytes are learnt with the radio: what would fill 232 or 233 goes as two symbols, and none is refused."""
    square = village.nodes["square"]
    person = Person(square.identity.space_id)
    equip(village, "meshtastic", "meshtastic")
    async with ether(village):
        await eventually(village.is_ready)
        await square.door.post(person.introduce())
        rng, records = random.Random(6), []
        sizes: set[int] = set()
        while not {232, 233} <= sizes:
            text = "".join(rng.choices(string.ascii_letters, k=rng.randrange(120, 160)))
            signed = person.write(text)
            size = envelope_frame_bytes(len(signed) + SEAL_BYTES, 1)
            if size in {232, 233} - sizes:
                acceptance = await square.door.post(signed)
                assert acceptance.record_id is not None
                records.append(acceptance.record_id)
                sizes.add(size)
        for record in records:
            await eventually(lambda record=record: village.knows("valley", record))  # type: ignore[misc]
    for radio in village.radios.values():
        assert not {"rules", "too large"} & radio.status().rejected.keys()


async def test_what_the_radios_pass_on_by_themselves_is_not_charged(village: Village) -> None:
    radio = village.radios["square"]
    mesh = Silent()
    guest = Meshtastic(random.Random(1))
    before_ms = radio._budget.spent_ms(radio._now_ms())
    radio._budget.spend(2_000.0, radio._now_ms(), Priority.PEOPLE)
    radio._send(mesh, guest, Transmit(bytes(200), 2_000.0, Purpose.FORWARD))  # type: ignore[arg-type]
    assert radio._sent == {"left to the radios": 1}
    radio._budget.spend(2_000.0, radio._now_ms(), Priority.PEOPLE)
    radio._send(mesh, guest, Transmit(bytes(240), 2_000.0, Purpose.ENTRY))  # type: ignore[arg-type]
    assert radio._rejected["rules"] == 1
    assert radio._budget.spent_ms(radio._now_ms()) == before_ms
    assert mesh.told == [True, False]


class Silent:
    """Where a mesh would be: it takes note of what became of its frames."""

    def __init__(self) -> None:
        self.told: list[bool] = []

    def sent(self, now_ms: int, *, ok: bool = True) -> None:
        self.told.append(ok)


async def test_the_keeper_s_channel_and_hops_hold_without_a_restart(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    square = village.nodes["square"]
    person = Person(square.identity.space_id)
    for radio in village.radios.values():
        monkeypatch.setattr(radio._guest, "_look_s", 0.05)
    equip(village, "meshtastic", "meshtastic")
    for name in NAMES:
        village.field.modems[name].radio._channels = ["", "village"]  # type: ignore[attr-defined]
    async with ether(village):
        await eventually(village.is_ready)
        assert [offered.value for offered in village.radios["square"].status().channels] == ["", "village"]
        await square.store.node.set_meshtastic("nowhere", 1)

        async def is_hindered() -> bool:
            return "no channel" in (village.radios["square"].status().fault or "")

        await eventually(is_hindered)
        for node in village.nodes.values():
            await node.store.node.set_meshtastic("village", 0)
        await eventually(village.is_ready)
        await square.door.post(person.introduce())
        record = await write(square, person, "Apples for eggs")
        await eventually(lambda: village.knows("valley", record))
        modem = village.field.modems["square"]
        said = [packet for packet in modem.sent if packet.data.port == PORT]  # type: ignore[attr-defined]
        assert (said[-1].channel, said[-1].hop_limit) == (1, 0)
        status = village.radios["square"].status()
        assert (status.on_air.repeats, status.on_air.overhead_bytes) == (0, 24)


# What outlives a restart


async def test_a_node_that_starts_again_remembers_its_hour_and_whom_it_heard(village: Village) -> None:
    square = village.nodes["square"]
    person = Person(square.identity.space_id)
    async with ether(village):
        await square.door.post(person.introduce())
        record = await write(square, person, "Before the power went")

        async def kept_by_two() -> bool:
            return (await square.store.envelopes.kept_by([record]))[record] == 2

        await eventually(kept_by_two)
    radio = village.radios["square"]
    spent_ms = radio.status().spent_ms
    assert radio._mesh is not None
    receipts = radio._mesh.heard_receipts()
    assert receipts
    on_disk = await square.store.airtime.spent(radio._budget.band)
    assert sum(one.ms for one in on_disk) >= spent_ms, "a power cut now would hide nothing"
    await village.stop("square")
    assert await square.store.log.heard_receipts() == receipts
    again = RadioSupervisor(square, RadioChoice("/nowhere"), QUICK, random.Random(1))
    task = asyncio.create_task(again.run())

    async def is_up() -> bool:
        return again._mesh is not None

    await eventually(is_up)
    assert again.status().spent_ms == pytest.approx(spent_ms)
    assert again._mesh is not None
    assert again._mesh.heard_receipts() == receipts
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_receipts_that_come_together_are_one_transaction(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    square = village.nodes["square"]
    radio = village.radios["square"]
    person = Person(square.identity.space_id)
    await square.door.post(person.introduce())
    records = [await write(square, person, f"Notice {number}") for number in range(30)]
    transactions = []
    add_all = square.store.custody.add_all

    async def counted(held: Any, heard_ms: int) -> Any:
        transactions.append(len(held))
        return await add_all(held, heard_ms)

    monkeypatch.setattr(square.store.custody, "add_all", counted)
    entries = await square.store.envelopes.pending(100)
    for entry in entries:
        radio._disk_work.put_nowait(Held(prefix_of(entry.envelope_id), NodeIndex(1)))
    assert len(entries) >= len(records)

    async def all_kept_by_two() -> bool:
        return set((await square.store.envelopes.kept_by(records)).values()) == {2}

    await eventually(all_kept_by_two)
    assert transactions == [len(entries)]


# The region's rules


async def test_what_the_rules_forbid_does_not_go_out_whoever_asks(village: Village) -> None:
    radio = village.radios["square"]
    kiss = Kiss(QUICK)
    loud = msgspec.structs.replace(QUICK, power_dbm=20)
    for profile, frame_bytes, words in (
        (QUICK, 300, "bytes"),
        (loud, 50, "EIRP"),
        (msgspec.structs.replace(QUICK, frequency_hz=868_650_000), 50, "outside"),
        (msgspec.structs.replace(QUICK, region="US915"), 50, "US915"),
    ):
        radio._profile = profile
        refusal = radio._refusal(kiss, frame_bytes)
        assert refusal is not None
        assert words in refusal
    radio._profile = QUICK
    assert radio._refusal(kiss, 200) is None
    radio._budget.spend(radio._budget.limit_ms + 1, radio._now_ms())
    assert radio._refusal(kiss, 200) == "The airtime of this hour is spent."


async def test_an_unlawful_profile_never_sends_a_frame(village: Village) -> None:
    square = village.nodes["square"]
    person = Person(square.identity.space_id)
    village.radios["square"]._profile = msgspec.structs.replace(QUICK, power_dbm=30)
    async with ether(village) as ports:
        await square.door.post(person.introduce())
        await write(square, person, "Shouted")

        async def is_refused() -> bool:
            return village.radios["square"].status().rejected.get("rules", 0) > 0

        await eventually(is_refused)
        assert village.radios["square"].status().sent == {}
        assert village.radios["valley"].status().neighbors == {}
        assert set(ports.ports) == set(NAMES)
