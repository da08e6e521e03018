"""Who else has what on their disk: the ground for "kept by n nodes"."""

import sqlite3
from collections.abc import Sequence

from app.clock import minutes_of
from app.core.envelope import EnvelopeId
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

        def note(tx: sqlite3.Connection) -> list[RecordId]:
            news: list[RecordId] = []
            for prefix, node in told:
                rows = tx.execute(
                    "SELECT id, record_id FROM envelopes WHERE envelope_id BETWEEN ? AND ? LIMIT 2",
                    (prefix, prefix + b"\xff" * (16 - len(prefix))),
                ).fetchall()
                if len(rows) == 1 and note_holders(tx, [(EnvelopeRow(rows[0][0]), node)], heard_ms):
                    news.append(RecordId(rows[0][1]))
            return news

        return await self._database.transact(note)

    async def hold(self, ids: Sequence[EnvelopeId], node_index: int, heard_ms: int) -> int:
        """A node said that it holds these, each by its whole name. Returns for how many that was news."""
        if node_index == self._me:
            return 0
        gained = 0
        for start in range(0, len(ids), COVER_CHUNK):
            gained += await self._hold_some(ids[start : start + COVER_CHUNK], node_index, heard_ms)
        return gained

    async def _hold_some(self, ids: Sequence[EnvelopeId], node_index: int, heard_ms: int) -> int:
        marks = ", ".join("?" * len(ids))
        rows = await self._database.read(
            f"SELECT id FROM envelopes e WHERE envelope_id IN ({marks})"
            " AND NOT EXISTS (SELECT 1 FROM custody WHERE envelope = e.id AND node_index = ?)",
            (*ids, node_index),
        )
        pairs = [(EnvelopeRow(row[0]), node_index) for row in rows]
        if not pairs:
            return 0
        return await self._database.transact(lambda tx: note_holders(tx, pairs, heard_ms))

    async def held_by(self) -> dict[int, int]:
        """How many of the envelopes here each node is known to hold, by its index."""
        rows = await self._database.read("SELECT node_index, count(*) FROM custody GROUP BY node_index")
        return {int(index): int(count) for index, count in rows}

    async def copies(self) -> dict[int, int]:
        """How many envelopes are on so many nodes, this one counted."""
        rows = await self._database.read("SELECT kept_by, count(*) FROM envelopes GROUP BY kept_by")
        return {int(copies): int(envelopes) for copies, envelopes in rows}

    async def silent(self, since_ms: int) -> list[int]:
        """Peers that are known to hold something and that nobody heard of since, by sync or by radio."""
        rows = await self._database.read(
            "SELECT p.node_index FROM peers p WHERE p.connected_ms IS NULL AND coalesce(p.seen_ms, p.added_ms) < ?1"
            " AND NOT EXISTS (SELECT 1 FROM custody WHERE node_index = p.node_index AND heard_ms >= ?1)"
            " AND (EXISTS (SELECT 1 FROM custody WHERE node_index = p.node_index)"
            " OR EXISTS (SELECT 1 FROM blob_holders WHERE node_index = p.node_index))",
            (since_ms,),
        )
        return [int(row[0]) for row in rows]

    async def forget(self, node_index: int) -> int:
        """What this node was known to hold counts no more, until it says so again. Returns how many envelopes."""

        def act(tx: sqlite3.Connection) -> int:
            held = "(SELECT envelope FROM custody WHERE node_index = ?1)"
            tx.execute(
                "UPDATE boards SET revision = revision + 1 WHERE name IN"
                f" (SELECT board FROM records WHERE id IN {held})",
                (node_index,),
            )
            tx.execute(f"UPDATE envelopes SET kept_by = kept_by - 1 WHERE id IN {held}", (node_index,))
            tx.execute("DELETE FROM blob_holders WHERE node_index = ?", (node_index,))
            return tx.execute("DELETE FROM custody WHERE node_index = ?", (node_index,)).rowcount

        return await self._database.transact(act)

    async def cover(self, log_index: int, first: int, last: int, node_index: int, heard_ms: int) -> int:
        """A node said that it knows these numbers of a log. Returns for how many envelopes that was news.

        What is over may be gone there, which counts as known too: of that nothing is said.
        """
        if node_index == self._me:
            return 0

        def note(tx: sqlite3.Connection) -> tuple[int, int]:
            rows = tx.execute(
                "SELECT DISTINCT l.envelope FROM node_log l JOIN envelopes e ON e.id = l.envelope"
                " WHERE l.node_index = ?1 AND l.number BETWEEN ?2 AND ?3"
                " AND (e.expires IS NULL OR e.expires > ?6)"
                " AND NOT EXISTS (SELECT 1 FROM custody WHERE envelope = l.envelope AND node_index = ?4) LIMIT ?5",
                (log_index, first, last, node_index, COVER_CHUNK, minutes_of(heard_ms)),
            )
            pairs = [(EnvelopeRow(row[0]), node_index) for row in rows]
            return len(pairs), note_holders(tx, pairs, heard_ms)

        gained, chunk = 0, COVER_CHUNK
        while chunk == COVER_CHUNK:
            chunk, news = await self._database.transact(note)
            gained += news
        return gained
