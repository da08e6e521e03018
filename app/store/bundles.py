"""What the last bundle of each node said that it knows, so that the next one for it holds only what is new."""

from app.store.database import Database


class BundleStore:
    """By the writer's index: the vector, as docs/protocol/bundle.md encodes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heard(self, index: int) -> bytes | None:
        """The vector of the node's last bundle that was read here, or None."""
        row = await self._database.read_one("SELECT vector FROM bundles_heard WHERE node_index = ?", (index,))
        return None if row is None else bytes(row[0])

    async def hear(self, index: int, written: int, vector: bytes) -> None:
        """Remember it: the one read last counts, since a node that was restored knows less than it did."""
        async with self._database.write() as tx:
            await tx.execute(
                "INSERT INTO bundles_heard VALUES (?1, ?2, ?3)"
                " ON CONFLICT DO UPDATE SET written = excluded.written, vector = excluded.vector",
                (index, written, vector),
            )
