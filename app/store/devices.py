"""The roster as this node knows it: devices of people and of nodes."""

from collections.abc import Collection

import msgspec

from app.core.keys import DeviceId
from app.core.membership import RosterNode
from app.store.database import Database


class Device(msgspec.Struct, frozen=True):
    """A device that introduced itself. `node_index` is None for a person's, `forked` 1 after a doubled sequence."""

    device_id: DeviceId
    public_key: bytes
    name: str
    node_index: int | None
    highest_sequence: int
    forked: int


class DeviceStore:
    """Reads of the roster; it is written where introductions are appended (app/store/envelopes.py)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, device_id: DeviceId) -> Device | None:
        row = await self._database.read_one(
            "SELECT id, public_key, name, node_index, highest_sequence, forked FROM devices WHERE id = ?",
            (device_id,),
        )
        return None if row is None else Device(*row)

    async def get_all(self, device_ids: Collection[DeviceId]) -> dict[DeviceId, Device]:
        """Those of them that introduced themselves."""
        marks = ", ".join("?" * len(device_ids))
        rows = await self._database.read(
            f"SELECT id, public_key, name, node_index, highest_sequence, forked FROM devices WHERE id IN ({marks})",
            tuple(device_ids),
        )
        return {DeviceId(row[0]): Device(*row) for row in rows}

    async def nodes(self) -> list[RosterNode]:
        """The nodes of the community by index, this one included."""
        rows = await self._database.read(
            "SELECT node_index, public_key, name FROM devices WHERE node_index IS NOT NULL ORDER BY node_index"
        )
        return [RosterNode(*row) for row in rows]

    async def enroll(self, nodes: tuple[RosterNode, ...], device_ids: tuple[DeviceId, ...]) -> None:
        """Take over the roster of an invitation; what is known already stays."""
        async with self._database.write() as tx:
            await tx.executemany(
                "INSERT INTO devices (id, public_key, name, node_index) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    (device_id, node.public_key, node.name, node.index)
                    for node, device_id in zip(nodes, device_ids, strict=True)
                ],
            )
