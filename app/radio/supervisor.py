"""The radio of a node: serial port, dialect, mesh, door, store and roster, tied together. A shell.

What comes from the air is judged by the machines and the door; here it is only carried and counted. Nothing that
a stranger sends, and no cable that is pulled, ends the node. And nothing that the region's rules forbid goes out,
whoever asks for it: `_send` looks at each frame.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Sequence

from app.acceptance import Outcome
from app.core.record import Kind, Lifetime
from app.errors import DecodeError, DeviceError, InputError, StoreError
from app.feed import Dropped, Lagged, Subscription
from app.founding import Node
from app.radio import regions
from app.radio.choice import RadioChoice
from app.radio.dialects.catalog import DialectName, speak
from app.radio.dialects.dialect import (
    AirtimeReported,
    Dialect,
    Event,
    Fault,
    Heard,
    Ready,
    Sent,
    TelemetryHeard,
    TextHeard,
    Unresponsive,
)
from app.radio.dialects.meshtastic import Meshtastic
from app.radio.dialects.on_air import HEADER_BYTES
from app.radio.frame import FRAME_BYTES_MAX, LinkKeys, NodeIndex
from app.radio.guest import Guest
from app.radio.ledger import Ledger
from app.radio.logbook import Logbook, LogEntry
from app.radio.means import OwnLogAhead, TwinHeard
from app.radio.mesh import Mesh, MeshEvent
from app.radio.pairs import pair_key
from app.radio.parcel import (
    CountersNeeded,
    Covered,
    EnvelopeHeard,
    EnvelopeWanted,
    Held,
    Parcel,
    Priority,
    Purpose,
    Rejected,
    Transmit,
)
from app.radio.probe import Finding, Probe
from app.radio.profile import EU868, Profile
from app.radio.purses import RESERVES, Meter
from app.radio.serial_link import SerialConnection, SerialLink
from app.radio.serial_ports import RadioFinder, order_for
from app.radio.span import Span
from app.radio.status import RadioStatus, channels_of, obstacle_of, on_air_of
from app.store.envelopes import Entry, Origin
from app.store.log import Content, Place
from app.store.node import COUNTER_BLOCK

DISK_WORK_MAX = 1024
"""Envelopes and receipts that wait for the disk: beyond it the air's own repetition brings them again."""
RELOAD_S = 300
"""How often the store is asked for what no other node holds: it refills the table when that was full."""
SAVE_COUNTERS_S = 60
"""How often the counters heard are written down: a frame heard since could be replayed once after a power cut."""
RESTART_S = 5
"""After an error that should not be, before the radio starts over."""

_log = logging.getLogger(__name__)


class RadioSupervisor:
    """Runs the radio of one node until it is cancelled."""

    def __init__(
        self, node: Node, choice: RadioChoice, profile: Profile = EU868, rng: random.Random | None = None
    ) -> None:
        self._node = node
        self._me = NodeIndex(node.identity.index)
        self._choice = choice
        self._profile = profile
        self._lawful_bytes_max = regions.frame_bytes_max(profile)
        self._finder = RadioFinder()
        self._link = SerialLink(choice.port or self._finder)
        self._dialect: Dialect | None = None
        self._finding: Finding | None = None
        self._no_answer: str | None = None
        self._budget = Meter(profile)
        self._ledger = Ledger(node.store.airtime, self._budget, node.clock)
        self._remembers = False
        self._rng = rng or random.SystemRandom()
        self._mesh: Mesh | None = None
        self._wake = asyncio.Event()
        self._guest = Guest(node, self._rng, wake=self._wake)
        self._is_ready = False
        self._is_announcing = False
        self._counts: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._disk_work: asyncio.Queue[DiskWork] = asyncio.Queue(DISK_WORK_MAX)
        self._pair_keys: dict[NodeIndex, tuple[bytes, bytes]] = {}

    async def run(self) -> None:
        """Own the radio for as long as the node runs."""
        while True:
            try:
                await self._run()
            except Exception:
                _log.exception("The radio starts over after an error.")
                self._rejected["error"] += 1
                await asyncio.sleep(RESTART_S)

    def status(self) -> RadioStatus:
        """How the radio is."""
        mesh, obstacle = self._mesh, obstacle_of(self._dialect)
        is_ready = self._is_ready and obstacle is None
        fault = obstacle or self._link.fault or self._no_answer or "The radio does not answer yet."
        return RadioStatus(
            port=self._link.port,
            radio=None if self._finding is None else self._finding.describe(),
            profile=self._profile,
            is_ready=is_ready,
            fault=None if is_ready else fault,
            spent_ms=self._budget.spent_ms(self._now_ms()),
            spent_by_class=self._budget.by_priority(self._now_ms()),
            limit_ms=self._budget.limit_ms,
            sent=dict(self._sent),
            heard=self._counts["heard"],
            rejected=dict(self._rejected + Counter({} if mesh is None else mesh.refusals())),
            waiting={} if mesh is None else mesh.waiting(),
            neighbors={} if mesh is None else mesh.neighbors(),
            frame_bytes_max=self._frame_bytes_max(),
            on_air=on_air_of(self._dialect, self._profile),
            channels=channels_of(self._dialect),
        )

    async def _run(self) -> None:
        identity = self._node.identity
        epochs = await self._node.store.node.epoch_keys(identity.space_id)
        link = LinkKeys(identity.space_id, tuple(epoch.link for epoch in epochs))
        if not self._remembers:
            await self._ledger.open()
            self._remembers = True
        with self._node.feed.subscribe() as subscription:
            # From here on the feed tells what is new: nothing falls between it and the log.
            gone = await self._node.store.log.gone()
            mesh = self._mesh = Mesh(
                self._me,
                link,
                self._budget,
                self._price_ms,
                self._rng,
                log=await self._read_log(gone),
                heard=await self._node.store.log.heard_counters(),
                receipts=await self._node.store.log.heard_receipts(),
            )
            mesh.carries(min(self._lawful_bytes_max, FRAME_BYTES_MAX), self._now_ms())
            for place in gone:
                mesh.recall(place.envelope_id)
            await self._reload(mesh)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_feed(mesh, subscription), name="radio: feed")
                tasks.create_task(self._reload_now_and_then(mesh), name="radio: reload")
                tasks.create_task(self._write_disk(mesh), name="radio: disk")
                tasks.create_task(self._save_counters(mesh), name="radio: counters")
                tasks.create_task(self._ledger.run(self._wake), name="radio: airtime")
                tasks.create_task(self._guest.run(), name="radio: guest")
                tasks.create_task(self._keep_connected(mesh), name="radio: port")

    # From the node to the air

    async def _follow_feed(self, mesh: Mesh, subscription: Subscription) -> None:
        async for event in subscription:
            if isinstance(event, Lagged):
                await self._reload(mesh)
                self._drop(mesh, await self._node.store.log.gone())
            elif isinstance(event, Dropped):
                self._drop(mesh, event.places)
            elif isinstance(event, Entry):
                if event.kind == Kind.NODE:
                    await self._reload_roster(mesh)
                if event.source != "radio":
                    self._offer(mesh, event)
                    await self._guest.offer(event)

    async def _read_log(self, gone: Sequence[Place]) -> Logbook:
        """What is on the disk, and what was."""
        held = await self._node.store.log.places()
        log = Logbook()
        # In the logs' own order: then it takes no longer for each of many.
        for place in sorted((*gone, *held), key=lambda place: (place.index, place.number)):
            log.append(_entry_of(place))
        for place in gone:
            log.drop(place.index, Span(place.number, place.number))
        left = {(place.index, place.number) for place in gone}
        for place in held:
            if (place.index, place.number) in left:
                log.append(_entry_of(place))  # a twin wrote it at the same place, and it lives on
        return log

    def _drop(self, mesh: Mesh, places: Sequence[Place]) -> None:
        for place in places:
            mesh.gone(_entry_of(place), self._now_ms())

    async def _save_counters(self, mesh: Mesh) -> None:
        saved: _Heard = ({}, {})
        try:
            while True:
                await asyncio.sleep(SAVE_COUNTERS_S)
                saved = await self._save_heard(mesh, saved)
        finally:
            await self._save_heard(mesh, saved)

    async def _save_heard(self, mesh: Mesh, saved: "_Heard") -> "_Heard":
        heard = mesh.heard_counters(), mesh.heard_receipts()
        if heard != saved:
            try:
                await self._node.store.log.save_heard_counters(*heard)
            except StoreError as error:
                _log.error("What the radio heard last is not written down: %s", error.message)
                return saved
        return heard

    async def _reload_now_and_then(self, mesh: Mesh) -> None:
        while True:
            await asyncio.sleep(RELOAD_S)
            await self._reload(mesh)

    async def _reload(self, mesh: Mesh) -> None:
        await self._reload_roster(mesh)
        for entry in await self._node.store.envelopes.pending():
            self._offer(mesh, entry)

    async def _reload_roster(self, mesh: Mesh) -> None:
        nodes = await self._node.store.devices.nodes()
        mesh.known_nodes(frozenset(NodeIndex(node.index) for node in nodes), self._now_ms())
        identity = self._node.identity
        for node in nodes:
            index = NodeIndex(node.index)
            if index != self._me and self._pair_keys.get(index, (b"",))[0] != node.public_key:
                self._pair_keys.pop(index, None)
                # A key can sign and yet share nothing: symbols under a pair key are not for that node.
                with contextlib.suppress(InputError):
                    key = pair_key(identity.seed, node.public_key, identity.space_id)
                    self._pair_keys[index] = (node.public_key, key)
        mesh.pair_keys({index: key for index, (_, key) in self._pair_keys.items()})
        self._wake.set()

    def _offer(self, mesh: Mesh, entry: Entry) -> None:
        parcel = Parcel(
            entry.envelope, entry.envelope_id, NodeIndex(entry.entry_index), entry.log_number, _priority(entry)
        )
        if not mesh.offer(parcel, frozenset({self._me}), self._now_ms()):
            self._rejected["not sent"] += 1
        self._wake.set()

    # From the air to the disk

    async def _write_disk(self, mesh: Mesh) -> None:
        while True:
            work: DiskWork | None = await self._disk_work.get()
            held: list[Held] = []
            while isinstance(work, Held):
                held.append(work)
                work = None if self._disk_work.empty() else self._disk_work.get_nowait()
            if held:
                await self._note_held(held)
            match work:
                case EnvelopeHeard():
                    await self._accept(mesh, work)
                case Covered(node, index, first, last):
                    if await self._node.store.custody.cover(index, first, last, node, self._node.clock.now_ms()):
                        await self._node.feed.publish()
                case EnvelopeWanted(prefix):
                    found = await self._node.store.log.by_prefix(prefix)
                    mesh.fetched(prefix, None if found is None else _parcel_of(found))
                case CountersNeeded():
                    mesh.grant(await self._node.store.node.reserve_counters(COUNTER_BLOCK), COUNTER_BLOCK)
            self._wake.set()

    async def _note_held(self, held: Sequence[Held]) -> None:
        """What came together is one transaction: a receipt names up to 36 envelopes."""
        pairs = [(one.prefix, one.node) for one in held]
        if await self._node.store.custody.add_all(pairs, self._node.clock.now_ms()):
            await self._node.feed.publish()

    async def _accept(self, mesh: Mesh, heard: EnvelopeHeard) -> None:
        parcel = heard.parcel
        origin = Origin("radio", parcel.entry, parcel.number, heard.sender)
        try:
            acceptance = await self._node.door.accept(parcel.envelope, origin)
        except DecodeError as error:
            self._rejected[error.code] += 1
            if error.code == "limit":
                mesh.forget(parcel.envelope_id)
            else:
                mesh.refused(parcel.envelope_id, self._now_ms())
        except StoreError as error:
            self._rejected["disk"] += 1
            _log.error("A record from the radio was not kept: %s", error.message)
            mesh.forget(parcel.envelope_id)
        else:
            if acceptance.outcome is Outcome.OVER:
                self._rejected["expired"] += 1
                mesh.over(parcel.envelope_id, self._now_ms())
                return
            self._counts["parked"] += acceptance.outcome is Outcome.PARKED
            entry = await self._node.store.envelopes.get(parcel.envelope_id)
            priority = parcel.priority if entry is None else _priority(entry)
            mesh.stored(parcel.envelope_id, self._now_ms(), priority)

    # The port

    async def _keep_connected(self, mesh: Mesh) -> None:
        async with contextlib.aclosing(self._link.connections(self._wake)) as connections:
            async for connection in connections:
                try:
                    dialect = self._dialect = await self._meet(connection)
                    dialect.open(self._now_ms())
                    mesh.greet(self._now_ms())
                    await self._converse(mesh, dialect, connection)
                except DeviceError as error:
                    if self._no_answer != error.message:
                        _log.warning("%s", error.message)
                    self._no_answer = error.message
                    self._rejected["port"] += 1
                finally:
                    self._is_ready = False
                    if self._dialect is not None:
                        self._dialect.close()
                        self._dispatch(mesh, self._dialect)
                        self._dialect = None

    async def _meet(self, connection: SerialConnection) -> Dialect:
        """The machine for the radio on the port: by the keeper's word, or by asking. DeviceError when none answers."""
        name = self._choice.dialect
        finding = Finding(name) if name is not None else await self._ask(connection)
        self._finding, self._no_answer = finding, None
        self._finder.keep()
        await self._guest.read_settings()
        return speak(finding.dialect, self._profile, self._rng, self._guest.settings)

    async def _ask(self, connection: SerialConnection) -> Finding:
        order = list(await asyncio.to_thread(order_for, self._link.port))
        if self._finding is not None:
            # Most likely it is still what it was.
            order.sort(key=lambda name: name is not self._finding_name())
        probe = Probe(order)
        probe.open(self._now_ms())
        while not probe.is_over:
            self._wake.clear()
            probe.receive(connection.take(), self._now_ms())
            data = probe.poll(self._now_ms())
            if data:
                connection.write(data)
            if not probe.is_over:
                await self._wait_until(probe.deadline_ms())
        if probe.finding is None:
            raise DeviceError(
                f"Nothing on {self._link.port} speaks as a LoRa radio does. Stop the node, and `tntn radio probe` tells"
                " more."
            )
        return probe.finding

    def _finding_name(self) -> DialectName | None:
        return None if self._finding is None else self._finding.dialect

    async def _converse(self, mesh: Mesh, dialect: Dialect, connection: SerialConnection) -> None:
        while True:
            self._wake.clear()
            dialect.receive(connection.take(), self._now_ms())
            self._dispatch(mesh, dialect)
            if isinstance(dialect, Meshtastic):
                dialect.use(self._guest.settings, self._now_ms())
            if self._may_send(mesh, dialect):
                for transmit in mesh.poll(self._now_ms()):
                    self._send(mesh, dialect, transmit)
            self._announce(dialect)
            data = dialect.poll(self._now_ms())
            if data:
                connection.write(data)
            if not self._dispatch(mesh, dialect):
                await self._sleep(mesh, dialect)

    def _may_send(self, mesh: Mesh, dialect: Dialect) -> bool:
        due_ms = mesh.deadline_ms()
        if due_ms is None or due_ms > self._now_ms() or not dialect.is_clear(self._now_ms()):
            return False
        return self._ledger.covers(self._price_ms(self._frame_bytes_max()))

    def _frame_bytes_max(self) -> int:
        """The longest frame that both the region's rules and the radio take."""
        lawful = self._lawful_bytes_max
        return lawful if self._dialect is None else min(lawful, self._dialect.frame_bytes_max)

    def _price_ms(self, frame_bytes: int) -> float:
        """What a frame costs through the radio that is there, or through one that does what the profile says."""
        if self._dialect is None:
            return self._profile.frame_airtime_ms(frame_bytes)
        return self._dialect.airtime_ms(frame_bytes)

    def _send(self, mesh: Mesh, dialect: Dialect, transmit: Transmit) -> None:
        if dialect.floods_itself and transmit.purpose is Purpose.FORWARD:
            # The radios pass it on by themselves: once more from us would be once too often.
            self._sent["left to the radios"] += 1
            self._budget.take_back()
            mesh.sent(self._now_ms())
            return
        refusal = self._refusal(dialect, len(transmit.frame))
        if refusal is not None:
            _log.warning("A frame was not sent. %s", refusal)
            self._rejected["rules"] += 1
            self._budget.take_back()
            mesh.sent(self._now_ms(), ok=False)
            return
        self._sent[transmit.purpose] += 1
        _log.debug("%s: %d bytes, %.0f ms", transmit.purpose, len(transmit.frame), transmit.airtime_ms)
        dialect.send(transmit.frame, self._now_ms())

    def _refusal(self, dialect: Dialect, frame_bytes: int) -> str | None:
        """Why this frame may not go out here; None when it may."""
        if frame_bytes > dialect.frame_bytes_max:
            return f"It has {frame_bytes} bytes; this radio carries {dialect.frame_bytes_max}."
        if self._budget.spent_ms(self._now_ms()) > self._budget.limit_ms:
            return "The airtime of this hour is spent."
        if isinstance(dialect, Meshtastic):
            # It keeps the rules of the region that it is set to, and is ready only where that is ours.
            return None
        return regions.check(self._profile, frame_bytes + HEADER_BYTES)

    def _announce(self, dialect: Dialect) -> None:
        """Say the next title aloud, in airtime that nobody else wants."""
        text = self._guest.next_announcement()
        if text is None or not isinstance(dialect, Meshtastic) or not dialect.may_announce(self._now_ms()):
            return
        cost_ms = dialect.text_airtime_ms(text)
        reserve_ms = RESERVES[Priority.BACKGROUND] * self._budget.limit_ms
        if self._budget.ready_at_ms(cost_ms, self._now_ms(), reserve_ms) != self._now_ms():
            return
        if not self._ledger.covers(cost_ms):
            return
        self._budget.spend(cost_ms, self._now_ms(), Priority.BACKGROUND)
        self._sent["announcement"] += 1
        self._is_announcing = True
        self._guest.announced()
        dialect.announce(text, self._now_ms())

    def _dispatch(self, mesh: Mesh, dialect: Dialect) -> bool:
        """Carry events between the machines; whether there were any."""
        events = dialect.events()
        for event in events:
            self._take(mesh, event)
        for said in mesh.events():
            self._carry(mesh, said)
        return bool(events)

    def _carry(self, mesh: Mesh, event: MeshEvent) -> None:
        match event:
            case Rejected(reason):
                self._rejected[reason] += 1
            case TwinHeard():
                self._rejected["twin"] += 1
                _log.warning("Another node is on the air under this node's index and key: one of them was copied.")
            case OwnLogAhead(number):
                self._rejected["own log ahead"] += 1
                self._node.renewal.hear(number)
            case _:
                self._queue(mesh, event)

    def _take(self, mesh: Mesh, event: Event) -> None:
        match event:
            case Ready():
                self._is_ready = True
                mesh.carries(self._frame_bytes_max(), self._now_ms())
            case Heard(frame, signal):
                self._counts["heard"] += 1
                mesh.receive(frame, signal, self._now_ms())
            case Sent(ok):
                if not self._is_announcing:
                    mesh.sent(self._now_ms(), ok=ok)
                self._is_announcing = False
            case Fault(reason):
                self._rejected[reason] += 1
            case Unresponsive():
                raise DeviceError(f"The radio on {self._link.port} does not answer. It is opened again.")
            case AirtimeReported(percent):
                self._budget.reported(percent, self._now_ms())
            case TextHeard() | TelemetryHeard():
                why_not = self._guest.hear(event, self._now_ms())
                if why_not is not None:
                    self._rejected[why_not] += 1

    def _queue(self, mesh: Mesh, work: "DiskWork") -> None:
        try:
            self._disk_work.put_nowait(work)
        except asyncio.QueueFull:
            self._rejected["busy"] += 1
            if isinstance(work, EnvelopeHeard):
                mesh.forget(work.parcel.envelope_id)
            elif isinstance(work, CountersNeeded):
                mesh.grant(0, 0)  # none yet: it asks again
            elif isinstance(work, EnvelopeWanted):
                mesh.fetched(work.prefix, None)

    async def _sleep(self, mesh: Mesh, dialect: Dialect) -> None:
        deadlines = [dialect.deadline_ms()]
        mesh_ms = mesh.deadline_ms()
        if mesh_ms is not None and mesh_ms > self._now_ms():
            deadlines.append(mesh_ms)  # what is due already waits for the modem's word
        await self._wait_until(min((deadline for deadline in deadlines if deadline is not None), default=None))

    async def _wait_until(self, due_ms: int | None) -> None:
        """Until then, or until something happened."""
        timeout_s = None if due_ms is None else max(0, due_ms - self._now_ms()) / 1000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()

    def _now_ms(self) -> int:
        return self._node.clock.monotonic_ms()


_Heard = tuple[dict[int, int], dict[int, int]]
"""The last counters heard, of control frames and of receipts."""
DiskWork = EnvelopeHeard | Held | Covered | EnvelopeWanted | CountersNeeded


def _entry_of(place: Place) -> LogEntry:
    return LogEntry(place.index, place.number, place.envelope_id, place.envelope_bytes)


def _parcel_of(content: Content) -> Parcel:
    return Parcel(content.envelope, content.envelope_id, NodeIndex(content.index), content.number, _priority(content))


def _priority(entry: Entry | Content) -> Priority:
    if entry.lifetime == Lifetime.ALERT:
        return Priority.ALERT
    return Priority.BACKGROUND if entry.background else Priority.PEOPLE
