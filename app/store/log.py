"""The node logs as sync and radio read them: which places are on this disk, which are gone, and what stands there.

Written where envelopes are appended (app/store/envelopes.py); what is parked is on the disk too, and counts. Here they
are let go of when their time is over: the bytes and all that was read out of them; the name stays at its place, for the
checksums and so that it is not taken in again.
"""

from collections.abc import Mapping, Sequence

import aiosqlite
import msgspec

from app.core.envelope import EnvelopeId
from app.store.database import Database, Row

PREFIX_BYTES_MIN = 4
"""An envelope is found by a part of its name; a shorter one could name two."""


DROP_MAX = 100
"""Envelopes that are let go of in one transaction, in which nobody else can write: 2 ms and a sync."""


class Place(msgspec.Struct, frozen=True):
    """An envelope at its place in a log, and how long it is: 0 where it is gone."""

    index: int
    number: int
    envelope_id: EnvelopeId
    envelope_bytes: int


class Content(msgspec.Struct, frozen=True):
    """What stands at a place, with what decides about its turn."""

    envelope: bytes
    envelope_id: EnvelopeId
    index: int
    number: int
    lifetime: int
    background: int


class LogStore:
    """Reads of the logs, and letting go."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def places(self) -> list[Place]:
        """Every place that holds an envelope, by log and number."""
        return [
            Place(*row)
            for row in await self._database.read(
                "SELECT l.node_index, l.number, e.envelope_id, length(e.bytes) FROM node_log l"
                " JOIN envelopes e ON e.id = l.envelope"
                " UNION SELECT entry_index, log_number, envelope_id, length(bytes) FROM parked"
                " WHERE log_number IS NOT NULL ORDER BY 1, 2"
            )
        ]

    async def gone(self) -> list[Place]:
        """What was let go of, and where it stood."""
        rows = await self._database.read("SELECT node_index, number, envelope_id FROM node_log_gone ORDER BY 1, 2, 3")
        return [Place(index, number, EnvelopeId(name), 0) for index, number, name in rows]

    async def get(self, index: int, number: int) -> list[Content]:
        """What stands at a place: more than one where two nodes shared an index, nothing where it is gone."""
        rows = await self._database.read(
            _CONTENTS + " WHERE l.node_index = ? AND l.number = ? ORDER BY e.id",
            (index, number),
        )
        return [Content(*row) for row in rows]

    async def own(self, me: int) -> tuple[int, int]:
        """(highest number that this node itself gave out in its own log, highest that is here, also from others)."""
        row = await self._database.read_one(
            "SELECT coalesce((SELECT l.number FROM node_log l JOIN envelopes e ON e.id = l.envelope"
            " WHERE l.node_index = ?1 AND e.via_index IS NULL ORDER BY l.number DESC LIMIT 1), 0),"
            " coalesce((SELECT max(number) FROM node_log WHERE node_index = ?1), 0)",
            (me,),
        )
        assert row is not None
        return int(row[0]), int(row[1])

    async def within(self, index: int, first: int, last: int, limit: int) -> list[tuple[int, bytes]]:
        """(number, envelope) of the first that stand in a part of a log, what is parked too."""
        rows = await self._database.read(
            "SELECT l.number, e.bytes FROM node_log l JOIN envelopes e ON e.id = l.envelope"
            " WHERE l.node_index = ?1 AND l.number BETWEEN ?2 AND ?3"
            " UNION ALL SELECT log_number, bytes FROM parked WHERE entry_index = ?1 AND log_number BETWEEN ?2 AND ?3"
            " ORDER BY 1 LIMIT ?4",
            (index, first, last, limit),
        )
        return [(int(number), envelope) for number, envelope in rows]

    async def runs(self) -> list[tuple[int, int, int]]:
        """(log, first, last) of the runs that are known: held, parked or gone. They may touch or overlap."""
        rows = await self._database.read(
            "WITH known (node_index, number) AS (SELECT DISTINCT node_index, number FROM node_log)"
            " SELECT node_index, min(number), max(number) FROM (SELECT node_index, number,"
            " number - row_number() OVER (PARTITION BY node_index ORDER BY number) AS run FROM known)"
            " GROUP BY node_index, run"
            " UNION ALL SELECT entry_index, log_number, log_number FROM parked WHERE log_number IS NOT NULL"
            " UNION ALL SELECT node_index, number, number FROM node_log_gone"
        )
        return [(int(index), int(first), int(last)) for index, first, last in rows]

    async def names(self, after: bytes, limit: int) -> list[tuple[int, EnvelopeId]]:
        """(epoch, name) of the envelopes that are stored, by name, those above `after`."""
        rows = await self._database.read(
            "SELECT epoch, envelope_id FROM envelopes WHERE envelope_id > ? ORDER BY envelope_id LIMIT ?",
            (after, limit),
        )
        return [(int(epoch), EnvelopeId(name)) for epoch, name in rows]

    async def parked(self) -> list[bytes]:
        """The envelopes that wait."""
        return [row[0] for row in await self._database.read("SELECT bytes FROM parked")]

    async def named(self, names: Sequence[EnvelopeId]) -> list[tuple[int, int, bytes]]:
        """(log, number, envelope) of these, each at one of its places; what is not here, or nowhere, is left out."""
        marks = ", ".join("?" * len(names))
        rows = await self._database.read(
            "SELECT l.node_index, min(l.number), e.bytes FROM envelopes e JOIN node_log l ON l.envelope = e.id"
            f" WHERE e.envelope_id IN ({marks}) GROUP BY e.id"
            " UNION ALL SELECT entry_index, log_number, bytes FROM parked"
            f" WHERE log_number IS NOT NULL AND envelope_id IN ({marks})",
            (*names, *names),
        )
        return [(int(index), int(number), envelope) for index, number, envelope in rows]

    async def by_prefix(self, prefix: bytes) -> Content | None:
        """The envelope whose name begins so, with its first place; a parked one too. None when it is not here."""
        if len(prefix) < PREFIX_BYTES_MIN:
            return None
        span = (prefix, prefix + b"\xff" * (16 - len(prefix)))
        row = await self._database.read_one(_CONTENTS + " WHERE e.envelope_id BETWEEN ? AND ? LIMIT 1", span)
        if row is None:
            row = await self._database.read_one(
                "SELECT bytes, envelope_id, entry_index, log_number, 0, 0 FROM parked"
                " WHERE envelope_id BETWEEN ? AND ? AND log_number IS NOT NULL",
                span,
            )
        if row is None:
            return None
        envelope, envelope_id, index, number = row[:4]
        # Its first byte names the lifetime in clear, whether it could be opened or not.
        return Content(envelope, envelope_id, index, number, envelope[0] & 0x0F, row[5])

    async def missing(self, index: int, first: int, last: int) -> list[tuple[int, int]]:
        """The runs between two numbers of a log that are neither here nor gone."""
        rows = await self._database.read(
            "SELECT number FROM node_log WHERE node_index = ?1 AND number BETWEEN ?2 AND ?3"
            " UNION SELECT number FROM node_log_gone WHERE node_index = ?1 AND number BETWEEN ?2 AND ?3 ORDER BY 1",
            (index, first, last),
        )
        runs, next_number = [], first
        for (known,) in rows:
            if known > next_number:
                runs.append((next_number, known - 1))
            next_number = known + 1
        return [*runs, (next_number, last)] if next_number <= last else runs

    async def drop(self, minutes: int, limit: int = DROP_MAX) -> list[Place] | None:
        """Let go of what is over by the clock and has been here long enough, at most `limit` of it.

        Returns the places that are gone by this; None when nothing was due. What still stands on a board stays, and so
        does the newest row: the feed goes by row numbers, and SQLite would give its number again.
        """
        async with self._database.write() as tx:
            rows = list(await tx.execute_fetchall(_OVER, (minutes, limit)))
            if rows:
                return await _drop(tx, [row[0] for row in rows])
            parked = list(await tx.execute_fetchall(_OVER_PARKED, (minutes, limit)))
            return await _drop_parked(tx, parked) if parked else None

    async def let_go(self, index: int, first: int, last: int) -> None:
        """What stands at these places goes at once, whatever its time; but for the newest row, as in `drop`."""
        more = True
        while more:
            async with self._database.write() as tx:
                rows = await tx.execute_fetchall(
                    "SELECT DISTINCT envelope FROM node_log WHERE node_index = ? AND number BETWEEN ? AND ?"
                    " AND envelope < (SELECT max(id) FROM envelopes) LIMIT ?",
                    (index, first, last, DROP_MAX),
                )
                going = [int(row[0]) for row in rows]
                more = bool(going)
                if going:
                    await _drop(tx, going)

    async def heard_counters(self) -> dict[int, int]:
        """The last counter heard of each node's control frames."""
        rows = await self._database.read("SELECT node_index, counter FROM radio_heard")
        return {int(index): int(counter) for index, counter in rows}

    async def heard_receipts(self) -> dict[int, int]:
        """The last counter heard of each node's receipts, which count for themselves."""
        rows = await self._database.read("SELECT node_index, counter FROM radio_receipts")
        return {int(index): int(counter) for index, counter in rows}

    async def save_heard_counters(self, counters: Mapping[int, int], receipts: Mapping[int, int]) -> None:
        """Remember them: they only grow."""
        async with self._database.write() as tx:
            for table, heard in (("radio_heard", counters), ("radio_receipts", receipts)):
                await tx.executemany(
                    f"INSERT INTO {table} VALUES (?1, ?2) ON CONFLICT DO UPDATE SET counter = max(counter, ?2)",
                    list(heard.items()),
                )


async def _drop(tx: aiosqlite.Connection, rows: list[int]) -> list[Place]:
    chosen = f"({', '.join('?' * len(rows))})"
    places = await tx.execute_fetchall(
        "INSERT INTO node_log_gone SELECT l.node_index, l.number, e.envelope_id FROM node_log l"
        f" JOIN envelopes e ON e.id = l.envelope WHERE e.id IN {chosen}"
        " ON CONFLICT DO NOTHING RETURNING node_index, number, envelope_id",
        rows,
    )
    await tx.execute(
        "UPDATE boards SET revision = revision + 1, total = total - (SELECT count(*) FROM records"
        f" WHERE board = name AND shown = 1 AND id IN {chosen}) WHERE name IN (SELECT board FROM records"
        f" WHERE id IN {chosen})",
        (*rows, *rows),
    )
    for statement in (
        "DELETE FROM custody WHERE envelope IN ",
        "DELETE FROM node_log WHERE envelope IN ",
        "DELETE FROM records WHERE id IN ",
        "DELETE FROM envelopes WHERE id IN ",
    ):
        await tx.execute(statement + chosen, rows)
    return [Place(index, number, EnvelopeId(name), 0) for index, number, name in places]


async def _drop_parked(tx: aiosqlite.Connection, parked: Sequence[Row]) -> list[Place]:
    places = [Place(index, number, EnvelopeId(name), 0) for name, index, number in parked if number is not None]
    await tx.executemany(
        "INSERT INTO node_log_gone VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(place.index, place.number, place.envelope_id) for place in places],
    )
    await tx.executemany("DELETE FROM parked WHERE envelope_id = ?", [(name,) for name, _, _ in parked])
    return places


_OVER = """
SELECT e.id FROM envelopes e
WHERE e.leaves <= (SELECT lived FROM node) AND e.expires <= ?
  AND e.id < (SELECT max(id) FROM envelopes)
  AND NOT EXISTS (SELECT 1 FROM records WHERE id = e.id AND shown <> 0)
ORDER BY e.leaves LIMIT ?
"""

_OVER_PARKED = """
SELECT envelope_id, entry_index, log_number FROM parked
WHERE leaves <= (SELECT lived FROM node) AND expires <= ? LIMIT ?
"""

_CONTENTS = (
    "SELECT e.bytes, e.envelope_id, l.node_index, l.number, e.lifetime, e.background FROM node_log l"
    " JOIN envelopes e ON e.id = l.envelope"
)
