"""Who has which blobs on their disk, who asked for which, and so what is wanted here and lacked elsewhere."""

import sqlite3
from collections.abc import Sequence

from app.core.blob import ADDRESS_BYTES, BlobAddress
from app.store.database import Database

PREFIX_BYTES = 16
"""As much of an address as the range check has: two blobs never share that much by chance."""
_BY_PREFIX = "SELECT address, size FROM blobs WHERE address BETWEEN ? AND ?"


class BlobCustody:
    """A part of app/store/blobs.py: rows only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, addresses: Sequence[BlobAddress], holder: int) -> None:
        """The node with this index has these on its disk: it need not be asked for them any more."""
        rows = [(address, holder) for address in addresses]
        async with self._database.write() as tx:
            await tx.executemany("INSERT INTO blob_holders VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
            await tx.executemany("DELETE FROM blob_requests WHERE address = ? AND node_index = ?", rows)

    async def ask(self, addresses: Sequence[BlobAddress], asker: int) -> None:
        """The node with this index lacks exactly these of what it knows of."""
        rows = [(address, asker) for address in addresses]
        async with self._database.write() as tx:
            await tx.execute("DELETE FROM blob_requests WHERE node_index = ?", (asker,))
            await tx.executemany("INSERT INTO blob_requests VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
            await tx.executemany("DELETE FROM blob_holders WHERE address = ? AND node_index = ?", rows)

    async def wanted(self, limit: int, holder: int | None = None) -> list[BlobAddress]:
        """What others (or that one) hold and this node lacks: what has the fewest copies first."""
        rows = await self._database.read(
            "SELECT address FROM blob_holders h WHERE (?1 IS NULL OR node_index = ?1)"
            " AND NOT EXISTS (SELECT 1 FROM blobs WHERE address = h.address) GROUP BY address"
            " ORDER BY (SELECT count(*) FROM blob_holders WHERE address = h.address), address LIMIT ?2",
            (holder, limit),
        )
        return [BlobAddress(row[0]) for row in rows]

    async def lacking(self, limit: int, holder: int | None = None) -> list[tuple[BlobAddress, int]]:
        """(address, size) of what is held here and not known to be there: asked for first, then the rarest."""
        rows = await self._database.read(
            "SELECT address, size FROM blobs b"
            " WHERE NOT EXISTS (SELECT 1 FROM blob_holders WHERE address = b.address AND node_index = ?1)"
            " ORDER BY EXISTS (SELECT 1 FROM blob_requests WHERE address = b.address"
            " AND (?1 IS NULL OR node_index = ?1)) DESC,"
            " (SELECT count(*) FROM blob_holders WHERE address = b.address), address LIMIT ?2",
            (holder, limit),
        )
        return [(BlobAddress(address), int(size)) for address, size in rows]

    async def find(self, prefixes: Sequence[bytes]) -> list[tuple[BlobAddress, int]]:
        """(address, size) of those held here whose addresses begin so, in the order they were asked for."""

        def act(tx: sqlite3.Connection) -> list[tuple[BlobAddress, int]]:
            found = (tx.execute(_BY_PREFIX, _between(prefix)).fetchone() for prefix in prefixes)
            return [(BlobAddress(row[0]), int(row[1])) for row in found if row is not None]

        return await self._database.transact(act)

    async def cover(self, packed: bytes, holder: int) -> None:
        """`note` for all blobs held here whose addresses begin with one of these 16 bytes each, packed."""

        def act(tx: sqlite3.Connection) -> None:
            for start in range(0, len(packed), PREFIX_BYTES):
                row = tx.execute(_BY_PREFIX, _between(packed[start : start + PREFIX_BYTES])).fetchone()
                if row is not None:
                    tx.execute("INSERT INTO blob_holders VALUES (?, ?) ON CONFLICT DO NOTHING", (row[0], holder))

        await self._database.transact(act)

    async def copies(self) -> dict[int, int]:
        """How many blobs held here are on so many nodes, this one counted."""
        rows = await self._database.read(
            "SELECT 1 + (SELECT count(*) FROM blob_holders WHERE address = b.address) AS copies, count(*)"
            " FROM blobs b GROUP BY copies ORDER BY copies"
        )
        return {int(copies): int(blobs) for copies, blobs in rows}


def _between(prefix: bytes) -> tuple[bytes, bytes]:
    return prefix, prefix + b"\xff" * (ADDRESS_BYTES - len(prefix))
