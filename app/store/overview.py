"""What the node's page tells of the store: counts, and who else holds how much. One query each."""

import msgspec

from app.store.database import Database
from app.sync.message import Role


class Overview(msgspec.Struct, frozen=True):
    """`unshared`: what people wrote and no other node is known to hold. `bytes`: the size of the database."""

    envelopes: int
    unshared: int
    unshared_background: int
    people: int
    parked: int
    bytes: int


class NodeHolding(msgspec.Struct, frozen=True):
    """A node of the roster, and how many of the envelopes here it is known to hold."""

    index: int
    name: str
    held: int


class OverviewStore:
    """Reads for the keeper's eyes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self) -> Overview:
        """How much there is."""
        row = await self._database.read_one(
            """
            SELECT (SELECT count(*) FROM envelopes),
                   (SELECT count(*) FROM envelopes WHERE kept_by = 1 AND background = 0),
                   (SELECT count(*) FROM envelopes WHERE kept_by = 1 AND background = 1),
                   (SELECT count(*) FROM devices WHERE node_index IS NULL),
                   (SELECT count(*) FROM parked),
                   (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)
            """
        )
        assert row is not None
        return Overview(*row)

    async def nodes_by_role(self) -> dict[str, int]:
        """How many nodes there are: those of the roster, and the blind ones that are our peers."""
        row = await self._database.read_one(
            "SELECT (SELECT count(*) FROM devices WHERE node_index IS NOT NULL),"
            f" (SELECT count(*) FROM peers WHERE role = {Role.BLIND:d})"
        )
        assert row is not None
        return {"member": row[0], "blind": row[1]}

    async def holdings(self, me: int) -> list[NodeHolding]:
        """The other nodes, by index."""
        rows = await self._database.read(
            """
            SELECT d.node_index, d.name, count(c.envelope) FROM devices d
            LEFT JOIN custody c ON c.node_index = d.node_index
            WHERE d.node_index IS NOT NULL AND d.node_index <> ? GROUP BY d.node_index ORDER BY d.node_index
            """,
            (me,),
        )
        return [NodeHolding(*row) for row in rows]
