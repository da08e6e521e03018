"""Who else has what on their disk: the ground for "kept by n nodes"."""

from app.core.record import RecordId
from app.store.database import Database
from app.store.envelopes import EnvelopeRow, note_holders

PREFIX_BYTES_MIN = 4
"""Receipts on the air name envelopes by a prefix; a shorter one could name two."""


class CustodyStore:
    """Writes what neighbors say they hold."""

    def __init__(self, database: Database, me: int) -> None:
        self._database = database
        self._me = me

    async def add(self, envelope_id_prefix: bytes, node_index: int, heard_ms: int) -> list[RecordId]:
        """A node said that it holds an envelope. Returns the records for which that was news."""
        if len(envelope_id_prefix) < PREFIX_BYTES_MIN or node_index == self._me:
            return []
        upper = envelope_id_prefix + b"\xff" * (16 - len(envelope_id_prefix))
        async with self._database.write() as tx:
            rows = list(
                await tx.execute_fetchall(
                    "SELECT id, record_id FROM envelopes WHERE envelope_id BETWEEN ? AND ? LIMIT 2",
                    (envelope_id_prefix, upper),
                )
            )
            if len(rows) != 1:
                return []
            gained = await note_holders(tx, [(EnvelopeRow(rows[0][0]), node_index)], heard_ms)
            return [RecordId(rows[0][1])] if gained else []
