"""The radio of a node: serial port, modem, flooding, door and roster, tied together. A shell.

What comes from the air is judged by the machines and the door; here it is only carried and counted. Nothing that
a stranger sends, and no cable that is pulled, ends the node.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter

import msgspec

from app.acceptance import Outcome
from app.core.record import Kind, Lifetime
from app.errors import DecodeError, DeviceError, StoreError
from app.feed import Lagged, Subscription
from app.founding import Node
from app.radio.dialects.kiss import Fault, Heard, Kiss, Ready, Sent, Unresponsive
from app.radio.frame import LinkKeys, NodeIndex
from app.radio.gossip import Gossip
from app.radio.parcel import (
    CountersNeeded,
    EnvelopeHeard,
    Held,
    Neighbor,
    Parcel,
    Priority,
    Rejected,
    Transmit,
)
from app.radio.profile import EU868, Profile
from app.radio.serial_link import SerialConnection, SerialLink
from app.store.envelopes import Entry, Origin
from app.store.node import COUNTER_BLOCK

DISK_WORK_MAX = 1024
"""Envelopes and receipts that wait for the disk: beyond it the air's own repetition brings them again."""
RELOAD_S = 300
"""How often the store is asked for what no other node holds: it refills the table when that was full."""
RESTART_S = 5
"""After an error that should not be, before the radio starts over."""

_log = logging.getLogger(__name__)


class RadioStatus(msgspec.Struct, frozen=True):
    """The radio as the keeper's page shows it. `fault` is a sentence, None while the radio works."""

    port: str
    profile: str
    is_ready: bool
    fault: str | None
    spent_ms: float
    limit_ms: float
    sent: dict[str, int]
    heard: int
    rejected: dict[str, int]
    waiting: dict[Priority, int]
    neighbors: dict[NodeIndex, Neighbor]


class RadioSupervisor:
    """Runs the radio of one node until it is cancelled."""

    def __init__(self, node: Node, port: str, profile: Profile = EU868, rng: random.Random | None = None) -> None:
        self._node = node
        self._me = NodeIndex(node.identity.index)
        self._profile = profile
        self._link = SerialLink(port)
        self._kiss = Kiss(profile)
        self._budget = profile.budget()
        self._rng = rng or random.SystemRandom()
        self._gossip: Gossip | None = None
        self._is_ready = False
        self._counts: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._disk_work: asyncio.Queue[EnvelopeHeard | Held | CountersNeeded] = asyncio.Queue(DISK_WORK_MAX)

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
        gossip = self._gossip
        return RadioStatus(
            port=self._link.port,
            profile=self._profile.name,
            is_ready=self._is_ready,
            fault=self._link.fault or (None if self._is_ready else "The radio does not answer yet."),
            spent_ms=self._budget.spent_ms(self._now_ms()),
            limit_ms=self._budget.limit_ms,
            sent=dict(self._sent),
            heard=self._counts["heard"],
            rejected=dict(self._rejected),
            waiting={} if gossip is None else gossip.waiting(),
            neighbors={} if gossip is None else gossip.neighbors(),
        )

    async def _run(self) -> None:
        identity = self._node.identity
        epochs = await self._node.store.node.epoch_keys(identity.space_id)
        link = LinkKeys(identity.space_id, tuple(epoch.link for epoch in epochs))
        gossip = Gossip(self._me, link, self._budget, self._profile.frame_airtime_ms, self._rng)
        self._gossip = gossip
        with self._node.feed.subscribe() as subscription:
            await self._reload(gossip)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_feed(gossip, subscription), name="radio: feed")
                tasks.create_task(self._reload_now_and_then(gossip), name="radio: reload")
                tasks.create_task(self._write_disk(gossip), name="radio: disk")
                tasks.create_task(self._keep_connected(gossip), name="radio: port")

    # From the node to the air

    async def _follow_feed(self, gossip: Gossip, subscription: Subscription) -> None:
        async for event in subscription:
            if isinstance(event, Lagged):
                await self._reload(gossip)
            elif isinstance(event, Entry):
                if event.kind == Kind.NODE:
                    await self._reload_roster(gossip)
                if event.source != "radio":
                    self._offer(gossip, event)

    async def _reload_now_and_then(self, gossip: Gossip) -> None:
        while True:
            await asyncio.sleep(RELOAD_S)
            await self._reload(gossip)

    async def _reload(self, gossip: Gossip) -> None:
        await self._reload_roster(gossip)
        for entry in await self._node.store.envelopes.pending():
            self._offer(gossip, entry)

    async def _reload_roster(self, gossip: Gossip) -> None:
        nodes = await self._node.store.devices.nodes()
        gossip.known_nodes(frozenset(NodeIndex(node.index) for node in nodes), self._now_ms())
        self._wake.set()

    def _offer(self, gossip: Gossip, entry: Entry) -> None:
        parcel = Parcel(
            entry.envelope, entry.envelope_id, NodeIndex(entry.entry_index), entry.log_number, _priority(entry)
        )
        if not gossip.offer(parcel, frozenset({self._me}), self._now_ms()):
            self._rejected["not sent"] += 1
        self._wake.set()

    # From the air to the disk

    async def _write_disk(self, gossip: Gossip) -> None:
        while True:
            work = await self._disk_work.get()
            match work:
                case EnvelopeHeard():
                    await self._accept(gossip, work)
                case Held(prefix, node):
                    if await self._node.store.custody.add(prefix, node, self._node.clock.now_ms()):
                        await self._node.feed.publish()
                case CountersNeeded():
                    gossip.grant(await self._node.store.node.reserve_counters(COUNTER_BLOCK), COUNTER_BLOCK)
            self._wake.set()

    async def _accept(self, gossip: Gossip, heard: EnvelopeHeard) -> None:
        parcel = heard.parcel
        origin = Origin("radio", parcel.entry, parcel.number, heard.sender)
        try:
            acceptance = await self._node.door.accept(parcel.envelope, origin)
        except DecodeError as error:
            self._rejected[error.code] += 1
            if error.code == "limit":
                gossip.forget(parcel.envelope_id)
            else:
                gossip.refused(parcel.envelope_id)
        except StoreError as error:
            self._rejected["disk"] += 1
            _log.error("A record from the radio was not kept: %s", error.message)
            gossip.forget(parcel.envelope_id)
        else:
            self._counts["parked"] += acceptance.outcome is Outcome.PARKED
            entry = await self._node.store.envelopes.get(parcel.envelope_id)
            priority = parcel.priority if entry is None else _priority(entry)
            gossip.stored(parcel.envelope_id, self._now_ms(), priority)

    # The port

    async def _keep_connected(self, gossip: Gossip) -> None:
        async with contextlib.aclosing(self._link.connections(self._wake)) as connections:
            async for connection in connections:
                self._kiss.open(self._now_ms())
                gossip.greet(self._now_ms())
                try:
                    await self._converse(gossip, connection)
                except DeviceError as error:
                    _log.warning("%s", error.message)
                    self._rejected["port"] += 1
                finally:
                    self._is_ready = False
                    self._kiss.close()
                    self._dispatch(gossip)

    async def _converse(self, gossip: Gossip, connection: SerialConnection) -> None:
        while True:
            self._wake.clear()
            self._kiss.receive(connection.take(), self._now_ms())
            self._dispatch(gossip)
            due_ms = gossip.deadline_ms()
            if due_ms is not None and due_ms <= self._now_ms() and self._kiss.is_clear(self._now_ms()):
                for transmit in gossip.poll(self._now_ms()):
                    self._send(transmit)
            data = self._kiss.poll(self._now_ms())
            if data:
                connection.write(data)
            if not self._dispatch(gossip):
                await self._sleep(gossip)

    def _send(self, transmit: Transmit) -> None:
        self._sent[transmit.purpose] += 1
        _log.debug("%s: %d bytes, %.0f ms", transmit.purpose, len(transmit.frame), transmit.airtime_ms)
        self._kiss.send(transmit.frame, self._now_ms())

    def _dispatch(self, gossip: Gossip) -> bool:
        """Carry events between the machines; whether there were any."""
        events = self._kiss.events()
        for event in events:
            match event:
                case Ready():
                    self._is_ready = True
                case Heard(frame, signal):
                    self._counts["heard"] += 1
                    gossip.receive(frame, signal, self._now_ms())
                case Sent(ok):
                    gossip.sent(self._now_ms(), ok=ok)
                case Fault(reason):
                    self._rejected[reason] += 1
                case Unresponsive():
                    raise DeviceError(f"The radio on {self._link.port} does not answer. It is opened again.")
        for work in gossip.events():
            if isinstance(work, Rejected):
                self._rejected[work.reason] += 1
            else:
                self._queue(gossip, work)
        return bool(events)

    def _queue(self, gossip: Gossip, work: EnvelopeHeard | Held | CountersNeeded) -> None:
        try:
            self._disk_work.put_nowait(work)
        except asyncio.QueueFull:
            self._rejected["busy"] += 1
            if isinstance(work, EnvelopeHeard):
                gossip.forget(work.parcel.envelope_id)
            elif isinstance(work, CountersNeeded):
                gossip.grant(0, 0)  # none yet: it asks again

    async def _sleep(self, gossip: Gossip) -> None:
        deadlines = [self._kiss.deadline_ms()]
        gossip_ms = gossip.deadline_ms()
        if gossip_ms is not None and gossip_ms > self._now_ms():
            deadlines.append(gossip_ms)  # what is due already waits for the modem's word
        due_ms = min((deadline for deadline in deadlines if deadline is not None), default=None)
        timeout_s = None if due_ms is None else max(0, due_ms - self._now_ms()) / 1000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()

    def _now_ms(self) -> int:
        return self._node.clock.monotonic_ms()


def _priority(entry: Entry) -> Priority:
    if entry.lifetime == Lifetime.ALERT:
        return Priority.ALERT
    return Priority.BACKGROUND if entry.background else Priority.PEOPLE
