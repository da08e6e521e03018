"""One simulated node: the real door, store and radio machines on a bare radio, its own clock, and power that may go."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.acceptance import Door, Draft, Outcome
from app.core.bodies import NodeIntroduction
from app.core.envelope import EnvelopeId
from app.core.keys import DeviceKey, derive_epoch_keys
from app.core.membership import JoinPolicy
from app.core.record import Kind, Lifetime
from app.errors import DecodeError
from app.expiry import Expiry
from app.feed import Feed
from app.radio.dialects.on_air import wrap
from app.radio.ether import Arrival
from app.radio.frame import EnvelopePrefix, NodeIndex
from app.radio.logbook import Logbook, LogEntry
from app.radio.mesh import Mesh
from app.radio.parcel import (
    CountersNeeded,
    Covered,
    EnvelopeHeard,
    EnvelopeWanted,
    Held,
    Parcel,
    Priority,
    Rejected,
    Signal,
    prefix_of,
)
from app.radio.purses import Meter
from app.radio.transceiver import Transceiver
from app.store import NodeIdentity, NodeStore, Store
from app.store.envelopes import Entry, Origin
from tests.sim.disk import cut_power, log_bytes, open_disk

if TYPE_CHECKING:
    from tests.sim.village import Village

DISK_MS = (5, 400)
"""How long the disk takes: an idle Pi, and one whose card is busy."""
COUNTERS = 32
SPENT_STEP_MS = 3_000
"""Airtime is written down ahead in steps of this much, so that a power cut never forgets any."""
HEARD_SAVED_MS = 60_000
SWEEP_MS = 3 * 3_600_000
"""How often a station looks for what is over: rarer than a node, which changes nothing but the time this takes."""
ENTRIES_MAX = 200
MONOTONIC_START_MS = 10**9
"""A machine's own clock starts anywhere after each boot."""

_ROWS = """
SELECT e.envelope_id, e.bytes, l.node_index, l.number, e.background FROM envelopes e
JOIN node_log l ON l.envelope = e.id
UNION ALL SELECT envelope_id, bytes, entry_index, log_number, 0 FROM parked WHERE log_number IS NOT NULL
"""


class StationClock:
    """What this node believes of the time: off by up to years, and running a little fast or slow."""

    def __init__(self, village: "Village", off_ms: int, drift_ppm: float) -> None:
        self._village = village
        self.off_ms = off_ms
        self.rate = 1 + drift_ppm / 1e6
        self.started_ms = 0

    def now_ms(self) -> int:
        return self._village.wall_ms + self.off_ms

    def monotonic_ms(self) -> int:
        return int(self._village.now_ms * self.rate) + self.started_ms

    def true_ms(self, monotonic_ms: int) -> int:
        return -int(-(monotonic_ms - self.started_ms) / self.rate // 1)


class Station:
    """A node with its disk. What `held` names was committed: it must be there after any power cut."""

    def __init__(self, village: "Village", index: int, name: str, folder: Path, seed: bytes) -> None:
        self.village = village
        self.index = NodeIndex(index)
        self.name = name
        self.folder = folder
        self.seed = seed
        self.key = DeviceKey(seed)
        drift_ppm = village.rng.uniform(-village.plan.drift_ppm, village.plan.drift_ppm)
        self.clock = StationClock(village, village.plan.clock_off_ms(village.rng), drift_ppm)
        self.radio = Transceiver(name, village.ether, village.tuning, village.rng)
        self.held: dict[EnvelopeId, Parcel] = {}
        self.let_go: set[EnvelopeId] = set()
        self.rejected: dict[str, int] = {}
        self.is_on = False
        self.boots = 0
        self._is_touched = True
        self._due_ms: int | None = None
        self._last_row = 0
        self._spent_written_ms = 0.0
        self._heard_counters: dict[int, int] = {}
        self._heard_saved_ms = 0

    @property
    def now_ms(self) -> int:
        return self.clock.monotonic_ms()

    async def found(self) -> None:
        """The first start: identity, epoch, roster."""
        village = self.village
        database = open_disk(self.folder)
        identity = NodeIdentity(self.seed, self.index, self.name, village.space_id, "Valley", JoinPolicy.OPEN, None)
        await NodeStore(database).establish(identity, village.epoch)
        store = Store(database, identity)
        await store.devices.enroll(tuple(village.roster), tuple(village.device_ids))
        await store.close()

    async def start(self) -> None:
        """Boot from the disk: what was committed is there."""
        village = self.village
        database = open_disk(self.folder)
        identity = await NodeStore(database).identity()
        assert identity is not None
        self.store = Store(database, identity)
        epochs = await self.store.node.epoch_keys(identity.space_id)
        assert epochs == [derive_epoch_keys(village.space_id, village.epoch.number, village.epoch.key)]
        feed = Feed(self.store)
        self.door = Door(self.store, identity, epochs, self.clock, feed)
        self.boots += 1
        self.clock.started_ms = village.rng.randrange(MONOTONIC_START_MS)
        self._expiry = Expiry(self.store, self.clock, feed)
        log, found = Logbook(), {}
        for name, envelope, entry, number, background in await database.read(_ROWS):
            priority = Priority.BACKGROUND if background else Priority.PEOPLE
            log.append(LogEntry(entry, number, EnvelopeId(name), len(envelope)))
            found[EnvelopeId(name)] = Parcel(envelope, EnvelopeId(name), NodeIndex(entry), number, priority)
        lost = self.held.keys() - found.keys()
        village.require(not lost, f"{self.name} lost {len(lost)} committed envelopes in a power cut")
        self.held = found
        self.let_go = {place.envelope_id for place in await self.store.log.gone()}
        self.log = log
        budget = Meter(village.profile)
        budget.spend(self._spent_written_ms, self.now_ms)
        self.budget = budget
        self.machines = Mesh(
            self.index,
            village.link,
            budget,
            village.profile.frame_airtime_ms,
            village.rng,
            log=log,
            heard=self._heard_counters,
        )
        self.is_on = True
        await self._meet_nodes()
        for place in await self.store.log.gone():
            self.machines.gone(LogEntry(place.index, place.number, place.envelope_id, 0), self.now_ms)
        self.machines.greet(self.now_ms)
        for entry in await self.store.envelopes.pending():
            self.machines.offer(_parcel(entry), frozenset({self.index}), self.now_ms)
        self._last_row = await self.store.envelopes.last_row()
        self._sweep_later()
        self._is_touched = True
        village.log(f"{self.name} starts (boot {self.boots}) with {len(self.held)} envelopes")

    async def cut(self, record: bytes | None = None) -> None:
        """The power goes; with `record`, in the middle of writing it."""
        village = self.village
        torn_from = None
        if record is not None:
            torn_from = log_bytes(self.folder)
            await self.door.post(record)
        self.is_on = False
        after = self.folder.parent / f"{self.name}-{self.boots}"
        cut_power(self.folder, after, village.rng, torn_from)
        await self.store.close()
        self.folder = after
        village.log(f"{self.name} loses power{', in the middle of a write' if record else ''}")

    async def post(self, record: bytes) -> None:
        """A phone hands over a signed record; unless it is parked, it is on the disk when this returns."""
        acceptance = await self.door.post(record)
        self.village.log(f"{self.name} takes a post {acceptance.envelope_id[:4].hex()} ({acceptance.outcome})")
        await self._follow()

    async def introduce(self) -> None:
        """A node that is new to the community tells its name."""
        body = NodeIntroduction(self.key.public_key, self.name, self.index).encode()
        [acceptance] = await self.door.publish([Draft(Kind.NODE, Lifetime.PERMANENT, body)], "node")
        self.village.note_written(acceptance.envelope_id, None)
        await self._follow()

    async def expire(self) -> None:
        """Let go of what is over; the village judges whether it was."""
        await self._expiry.sweep()
        places = await self.store.log.gone()
        news = [place for place in places if place.envelope_id not in self.let_go]
        self._is_touched = True
        for place in news:
            self.machines.gone(LogEntry(place.index, place.number, place.envelope_id, 0), self.now_ms)
            self.held.pop(place.envelope_id, None)
            self.let_go.add(place.envelope_id)
            self.village.check_over(self, place.envelope_id)
        if news:
            self.village.log(f"{self.name} lets go of {len(news)}")

    async def newest(self) -> EnvelopeId | None:
        """What stands in the newest row, which stays."""
        entries = await self.store.envelopes.after(await self.store.envelopes.last_row() - 1, 1)
        return entries[0].envelope_id if entries else None

    def _sweep_later(self) -> None:
        boot = self.boots

        async def sweep() -> None:
            if self.is_on and self.boots == boot:
                await self.expire()
                self.village.after(SWEEP_MS, sweep)

        self.village.after(self.village.rng.randrange(SWEEP_MS), sweep)

    async def _meet_nodes(self) -> None:
        nodes = frozenset(NodeIndex(node.index) for node in await self.store.devices.nodes())
        self.machines.known_nodes(nodes, self.now_ms)

    async def retry_parked(self) -> None:
        """Look again at what came from the future."""
        await self.door.retry_parked()
        await self._follow()

    async def _follow(self) -> None:
        """What is new in the store: what entered the network here goes out, and its phone has our word."""
        self._is_touched = True
        for entry in await self.store.envelopes.after(self._last_row, ENTRIES_MAX):
            self._last_row = entry.row
            self.held[entry.envelope_id] = _parcel(entry)
            self.village.note_place(entry.entry_index, entry.log_number, entry.envelope_id)
            if entry.kind == Kind.NODE:
                await self._meet_nodes()
            if entry.source != "radio":
                self.village.promised.add(entry.envelope_id)
                self.machines.offer(_parcel(entry), frozenset({self.index}), self.now_ms)

    # The air

    def hear(self, frame: bytes, arrival: Arrival | None) -> None:
        """A frame from the radio, as the air left it."""
        signal = Signal() if arrival is None else Signal(round(arrival.rssi_dbm), arrival.snr_db)
        self.machines.receive(frame, signal, self.now_ms)
        self._is_touched = True

    def finish(self) -> None:
        """The radio is done with a frame."""
        self.radio.finish()
        if self.is_on:
            self.machines.sent(self.now_ms)
            self._is_touched = True

    def step(self) -> None:
        """Carry between machines, disk and radio whatever is due. Machines that nothing touched need not be asked."""
        if self._is_touched or (self._due_ms is not None and self._due_ms <= self.now_ms):
            self._carry()
            self._due_ms = self.machines.deadline_ms()
            self._is_touched = False
        self.radio.poll(self.village.now_ms)

    def _carry(self) -> None:
        self._dispatch()
        due_ms = self.machines.deadline_ms()
        if due_ms is not None and due_ms <= self.now_ms:
            for transmit in self.machines.poll(self.now_ms):
                self._write_spent_ahead()
                self.village.note_frame(self, transmit)
                self.radio.send(wrap(transmit.frame, 0), self.village.now_ms)
            self._dispatch()

    def deadline_ms(self) -> int | None:
        """When to step again."""
        due_ms = self._due_ms
        times = [self.radio.deadline_ms()]
        if due_ms is not None:
            times.append(max(self.clock.true_ms(due_ms), self.village.now_ms + 1))
        return min((time for time in times if time is not None), default=None)

    # The disk

    def _dispatch(self) -> None:
        for event in self.machines.events():
            match event:
                case EnvelopeHeard():
                    self._later(lambda heard=event: self._accept(heard))  # type: ignore[misc]
                case Held(prefix, node):
                    self.village.check_claim(self, prefix, node)
                    self._later(lambda prefix=prefix, node=node: self._believe(prefix, node))  # type: ignore[misc]
                case CountersNeeded():
                    self._later(self._grant)
                case EnvelopeWanted(prefix):
                    self._later(lambda prefix=prefix: self._fetch(prefix))  # type: ignore[misc]
                case Covered():
                    self._later(lambda covered=event: self._cover(covered))  # type: ignore[misc]
                case Rejected(reason):
                    self.rejected[reason] = self.rejected.get(reason, 0) + 1
                case _:
                    self.village.note_alarm(self, event)
        if self.now_ms - self._heard_saved_ms >= HEARD_SAVED_MS:
            self._heard_saved_ms = self.now_ms
            self._heard_counters = self.machines.heard_counters()

    def _later(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        boot = self.boots

        async def run() -> None:
            if self.is_on and self.boots == boot:
                await work()
                self._is_touched = True

        self.village.after(self.village.rng.randint(*DISK_MS), run)

    async def _accept(self, heard: EnvelopeHeard) -> None:
        parcel = heard.parcel
        try:
            acceptance = await self.door.accept(
                parcel.envelope, Origin("radio", parcel.entry, parcel.number, heard.sender)
            )
        except DecodeError as error:
            self.rejected[error.code] = self.rejected.get(error.code, 0) + 1
            self.machines.refused(parcel.envelope_id, self.now_ms)
            return
        if acceptance.outcome is Outcome.OVER:
            self.rejected["expired"] = self.rejected.get("expired", 0) + 1
            self.machines.over(parcel.envelope_id, self.now_ms)
            return
        if acceptance.outcome is not Outcome.PARKED:
            self.village.check_genuine(self, parcel.envelope_id)
        self.held[parcel.envelope_id] = parcel
        await self._follow()
        entry = await self.store.envelopes.get(parcel.envelope_id)
        background = entry is not None and entry.background
        self.machines.stored(parcel.envelope_id, self.now_ms, Priority.BACKGROUND if background else parcel.priority)
        self.village.log(
            f"{self.name} has {parcel.envelope_id[:4].hex()} from node {heard.sender} ({acceptance.outcome})"
        )

    async def _believe(self, prefix: bytes, node: int) -> None:
        await self.store.custody.add(prefix, node, self.clock.now_ms())

    async def _grant(self) -> None:
        self.machines.grant(await self.store.node.reserve_counters(COUNTERS), COUNTERS)

    async def _fetch(self, prefix: EnvelopePrefix) -> None:
        found = next((parcel for name, parcel in self.held.items() if name.startswith(prefix)), None)
        self.machines.fetched(prefix, found)

    async def _cover(self, covered: Covered) -> None:
        """A vector's claim about all these numbers is as good as a receipt for each."""
        for parcel in list(self.held.values()):
            if parcel.entry == covered.index and covered.first <= parcel.number <= covered.last:
                prefix = prefix_of(parcel.envelope_id)
                self.village.check_claim(self, prefix, covered.node)
                await self.store.custody.add(prefix, covered.node, self.clock.now_ms())

    def _write_spent_ahead(self) -> None:
        spent_ms = self.budget.spent_ms(self.now_ms)
        if spent_ms > self._spent_written_ms or spent_ms < self._spent_written_ms - 2 * SPENT_STEP_MS:
            self._spent_written_ms = spent_ms + SPENT_STEP_MS


def _parcel(entry: Entry) -> Parcel:
    priority = Priority.BACKGROUND if entry.background else Priority.PEOPLE
    return Parcel(entry.envelope, entry.envelope_id, NodeIndex(entry.entry_index), entry.log_number, priority)
