"""This node: its key, its community, its epochs, and what it hands out."""

import sqlite3
from collections.abc import Callable, Sequence

import msgspec

from app.core.bodies import NODE_INDEX_MAX
from app.core.keys import DeviceKey, EpochKeys, SpaceId, derive_epoch_keys
from app.core.membership import JoinPolicy
from app.errors import ConflictError
from app.store.database import Database

COUNTER_BLOCK = 256
"""Radio counters are reserved on disk in blocks, so that a power cut never makes one run twice."""
RENEWED_INDEX_MIN = 128
"""Nodes that were restored or copied take an index from here on, by chance, so that two of them hardly ever meet;
invitations hand out the lower ones in sequence."""
COUNTERS_AHEAD = 2**20
"""Radio counters that a restored node skips: more than it can have used since the backup (at one a second, 12 days)."""


class NodeIdentity(msgspec.Struct, frozen=True):
    """What this node is. `seed` is its secret key."""

    seed: bytes
    index: int
    name: str
    space_id: SpaceId
    community: str
    join_policy: JoinPolicy
    radio_port: str | None
    radio_region: str = "EU868"
    radio_announces: bool = False
    meshtastic_channel: str = ""
    meshtastic_hops: int = 1

    @property
    def key(self) -> DeviceKey:
        return DeviceKey(self.seed)

    def __repr__(self) -> str:
        return f"NodeIdentity(name={self.name!r}, index={self.index})"


class Epoch(msgspec.Struct, frozen=True):
    """One generation of the space's key; `started` in minutes since 2025."""

    number: int
    key: bytes
    started: int

    def __repr__(self) -> str:
        return f"Epoch(number={self.number})"


class NodeStore:
    """Reads and writes the row of this node and its epochs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def identity(self) -> NodeIdentity | None:
        """This node, or None before its first start."""
        row = await self._database.read_one(
            "SELECT seed, node_index, name, space, community, join_policy, radio_port, radio_region, radio_announces,"
            " meshtastic_channel, meshtastic_hops FROM node"
        )
        if row is None:
            return None
        seed, index, name, space, community, join_policy, port, region, announces, *meshtastic = row
        policy = JoinPolicy(join_policy)
        return NodeIdentity(
            seed, index, name, SpaceId(space), community, policy, port, region, bool(announces), *meshtastic
        )

    async def establish(self, identity: NodeIdentity, epoch: Epoch) -> None:
        """Write the first identity and epoch. ConflictError when the folder has a node already."""
        async with self._database.write() as tx:
            if list(await tx.execute_fetchall("SELECT 1 FROM node")):
                raise ConflictError("This data folder already holds a node.")
            await tx.execute(
                "INSERT INTO node (id, seed, node_index, name, space, community, join_policy, index_reserved,"
                " radio_port) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    identity.seed,
                    identity.index,
                    identity.name,
                    identity.space_id,
                    identity.community,
                    identity.join_policy,
                    identity.index,
                    identity.radio_port,
                ),
            )
            await tx.execute(
                "INSERT INTO epochs (number, key, started) VALUES (?, ?, ?)",
                (epoch.number, epoch.key, epoch.started),
            )

    async def current_epoch(self) -> Epoch:
        """The newest epoch."""
        row = await self._database.read_one("SELECT number, key, started FROM epochs ORDER BY number DESC LIMIT 1")
        assert row is not None, "a node has an epoch from its first start"
        return Epoch(*row)

    async def epoch_keys(self, space_id: SpaceId) -> list[EpochKeys]:
        """What the epochs yield, newest first."""
        rows = await self._database.read("SELECT number, key FROM epochs ORDER BY number DESC")
        return [derive_epoch_keys(space_id, number, key) for number, key in rows]

    async def epochs(self) -> list[Epoch]:
        """All epochs, newest first."""
        return [
            Epoch(*row) for row in await self._database.read("SELECT number, key, started FROM epochs ORDER BY 1 DESC")
        ]

    async def rename(self, name: str) -> None:
        async with self._database.write() as tx:
            await tx.execute("UPDATE node SET name = ?", (name,))

    async def set_join_policy(self, policy: JoinPolicy) -> None:
        async with self._database.write() as tx:
            await tx.execute("UPDATE node SET join_policy = ?", (policy,))

    async def set_radio_port(self, port: str | None) -> None:
        async with self._database.write() as tx:
            await tx.execute("UPDATE node SET radio_port = ?", (port,))

    async def set_radio_region(self, region: str) -> None:
        async with self._database.write() as tx:
            await tx.execute("UPDATE node SET radio_region = ?", (region,))

    async def set_radio_announces(self, announces: bool) -> None:
        async with self._database.write() as tx:
            await tx.execute("UPDATE node SET radio_announces = ?", (announces,))

    async def set_meshtastic(self, channel: str, hops: int) -> None:
        """In which channel a Meshtastic radio speaks, and how often others may pass on what it says."""
        async with self._database.write() as tx:
            await tx.execute("UPDATE node SET meshtastic_channel = ?, meshtastic_hops = ?", (channel, hops))

    async def reserve_index(self, maximum: int) -> int:
        """A roster index that neither the roster nor an earlier invitation has. ConflictError when none is left."""
        async with self._database.write() as tx:
            taken = {int(row[0]) for row in await tx.execute_fetchall(_TAKEN)}
            rows = await tx.execute_fetchall("SELECT index_reserved FROM node")
            last = max(int(next(iter(rows))[0]), *(index for index in taken if index < RENEWED_INDEX_MIN))
            index = next((free for free in range(last + 1, maximum + 1) if free not in taken), None)
            if index is None:
                raise ConflictError(f"The roster is full: a community has at most {maximum + 1} nodes.")
            await tx.execute("UPDATE node SET index_reserved = ?", (index,))
            return index

    async def renew(self, seed: bytes, pick: Callable[[Sequence[int]], int]) -> int:
        """Another device key, and an index that nobody has, picked from those that are free. Returns the index.

        The old seed is overwritten. Nothing more is written through this database until it is opened anew.
        ConflictError when no index is free.
        """
        async with self._database.write() as tx:
            await tx.execute("PRAGMA secure_delete = ON")
        return await self._database.transact_last(
            lambda tx: _renew(tx, seed, pick),
            "This node takes another identity: others know it by a log that it has not got. Try again in a moment.",
        )

    async def live(self, minutes: int) -> None:
        """This node has run for so many minutes more: a measure of time that no wrong clock can hurry."""
        async with self._database.write() as tx:
            await tx.execute("UPDATE node SET lived = lived + ?", (minutes,))

    async def reserve_counters(self, count: int = COUNTER_BLOCK) -> int:
        """The first of `count` radio counters, on disk before it is used."""
        async with self._database.write() as tx:
            rows = await tx.execute_fetchall("SELECT counter_reserved FROM node")
            first = int(next(iter(rows))[0]) + 1
            await tx.execute("UPDATE node SET counter_reserved = ?", (first + count - 1,))
            return first


_TAKEN = (
    "SELECT node_index FROM devices WHERE node_index IS NOT NULL UNION SELECT node_index FROM node_log"
    " UNION SELECT node_index FROM custody UNION SELECT node_index FROM peers UNION SELECT node_index FROM radio_heard"
)
"""Indices that somebody has, or had."""


def _renew(tx: sqlite3.Connection, seed: bytes, pick: Callable[[Sequence[int]], int]) -> int:
    own, reserved = tx.execute("SELECT node_index, index_reserved FROM node").fetchone()
    taken = {own, *range(reserved + 1), *(int(row[0]) for row in tx.execute(_TAKEN))}
    free = [index for index in range(RENEWED_INDEX_MIN, NODE_INDEX_MAX + 1) if index not in taken]
    if not free:
        raise ConflictError("This node has to take another identity, and the roster has no index left for it.")
    index = pick(free)
    tx.execute(
        "UPDATE node SET seed = ?, node_index = ?, counter_reserved = counter_reserved + ?",
        (seed, index, COUNTERS_AHEAD),
    )
    return index
