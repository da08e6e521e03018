"""Who else has what on their disk: the ground for "kept by n nodes"."""

from collections.abc import Sequence

from app.clock import minutes_of
from app.core.record import RecordId
from app.store.database import Database
from app.store.envelopes import EnvelopeRow, note_holders

PREFIX_BYTES_MIN = 4
"""Receipts on the air name envelopes by a prefix; a shorter one could name two."""


COVER_CHUNK = 500
"""Entries of a log that are noted in one transaction: a neighbor that comes back may have thousands."""


class CustodyStore:
    """Writes what neighbors say they hold."""

    def __init__(self, database: Database, me: int) -> None:
        self._database = database
        self._me = me

    async def add(self, envelope_id_prefix: bytes, node_index: int, heard_ms: int) -> list[RecordId]:
        """A node said that it holds an envelope. Returns the records for which that was news."""
        return await self.add_all([(envelope_id_prefix, node_index)], heard_ms)

    async def add_all(self, held: Sequence[tuple[bytes, int]], heard_ms: int) -> list[RecordId]:
        """Nodes said that they hold envelopes, as (prefix of its id, node): one transaction for all that came together.

        Returns the records for which that was news.
        """
        told = [(prefix, node) for prefix, node in held if len(prefix) >= PREFIX_BYTES_MIN and node != self._me]
        if not told:
            return []
        news: list[RecordId] = []
        async with self._database.write() as tx:
            for prefix, node in told:
                rows = list(
                    await tx.execute_fetchall(
                        "SELECT id, record_id FROM envelopes WHERE envelope_id BETWEEN ? AND ? LIMIT 2",
                        (prefix, prefix + b"\xff" * (16 - len(prefix))),
                    )
                )
                if len(rows) == 1 and await note_holders(tx, [(EnvelopeRow(rows[0][0]), node)], heard_ms):
                    news.append(RecordId(rows[0][1]))
        return news

    async def cover(self, log_index: int, first: int, last: int, node_index: int, heard_ms: int) -> int:
        """A node said that it knows these numbers of a log. Returns for how many envelopes that was news.

        What is over may be gone there, which counts as known too: of that nothing is said.
        """
        if node_index == self._me:
            return 0
        gained, chunk = 0, COVER_CHUNK
        while chunk == COVER_CHUNK:
            async with self._database.write() as tx:
                rows = await tx.execute_fetchall(
                    "SELECT DISTINCT l.envelope FROM node_log l JOIN envelopes e ON e.id = l.envelope"
                    " WHERE l.node_index = ?1 AND l.number BETWEEN ?2 AND ?3"
                    " AND (e.expires IS NULL OR e.expires > ?6)"
                    " AND NOT EXISTS (SELECT 1 FROM custody WHERE envelope = l.envelope AND node_index = ?4) LIMIT ?5",
                    (log_index, first, last, node_index, COVER_CHUNK, minutes_of(heard_ms)),
                )
                pairs = [(EnvelopeRow(row[0]), node_index) for row in rows]
                gained += await note_holders(tx, pairs, heard_ms)
            chunk = len(pairs)
        return gained
