"""Envelopes, the node log they are numbered in, and what is parked. The only place that appends.

One transaction does it all: the envelope, its log number, the roster when it introduces somebody, its place on a
board, who holds it. When it returns, all of it is on the disk.
"""

import sqlite3
from collections.abc import Sequence
from typing import NewType

import msgspec

from app.core.bodies import DeviceIntroduction, NodeIntroduction
from app.core.envelope import EnvelopeId
from app.core.keys import DeviceId, device_id_of
from app.core.record import Record, RecordId
from app.errors import ConflictError
from app.store.database import Database, Row

EnvelopeRow = NewType("EnvelopeRow", int)
"""Local row number, in order of arrival here."""

PARKED_MAX = 2000
"""Envelopes that wait for something, in all: about 0.5 MB of one-frame records."""
PARKED_PER_AUTHOR_MAX = 100
NOT_SHOWN, SHOWN_ON_BOARD, SHOWN_BELOW = 0, 1, 2
"""Values of `records.shown`: taken down or superseded; on the board; under what it answers."""
PLACES_MAX = 4
"""Places of one envelope, and envelopes at one place: two nodes that share an index, restored from backups. The place
is what a frame says; nobody may fill the log with inventions."""
UNSHARED_MAX = 500
"""Entries handed to the radio at once at a start; the rest follows as these are shared."""


class Origin(msgspec.Struct, frozen=True):
    """How an envelope came here. `via_index` and the log place are None when it entered the network at this node."""

    source: str
    entry_index: int | None = None
    log_number: int | None = None
    via_index: int | None = None


class Placement(msgspec.Struct, frozen=True):
    """Where a record stands on a board. `source`/`source_id` name an imported thing where it came from.

    What `answers` another record stands under that one, not on the board itself.
    """

    board: str
    position: str
    title: str
    text: str
    body: bytes | None
    hidden_after: int | None
    source: str | None = None
    source_id: str | None = None
    answers: bool = False


class Statement(msgspec.Struct, frozen=True):
    """A verified record with everything the store needs to know of it."""

    envelope: bytes
    envelope_id: EnvelopeId
    record_id: RecordId
    epoch: int
    record: Record
    background: bool
    placement: Placement | None
    introduction: DeviceIntroduction | NodeIntroduction | None
    origin: Origin
    received_ms: int


class Appended(msgspec.Struct, frozen=True):
    """The outcome: `new` is False when the record was here before; `gone` when it was, and its time was over."""

    new: bool
    entry_index: int
    log_number: int
    kept_by: int
    gone: bool = False


class Entry(msgspec.Struct, frozen=True):
    """A stored envelope with its place in a node log, as the feed and the radio want it."""

    row: EnvelopeRow
    envelope: bytes
    envelope_id: EnvelopeId
    record_id: RecordId
    entry_index: int
    log_number: int
    via_index: int | None
    lifetime: int
    kind: int
    background: int
    kept_by: int
    source: str


class Parked(msgspec.Struct, frozen=True):
    """An envelope that waits: for its author's introduction, or for its own time to come."""

    envelope_id: EnvelopeId
    envelope: bytes
    origin: Origin
    received_ms: int


class EnvelopeStore:
    """Appends and finds envelopes. `me` is this node's index in the roster."""

    def __init__(self, database: Database, me: int) -> None:
        self._database = database
        self._me = me

    async def append(self, statement: Statement) -> Appended:
        """Store and number one record, once. ConflictError when its introduction collides with the roster."""
        return await self._database.transact(lambda tx: self.append_within(tx, statement))

    async def append_all(self, statements: Sequence[Statement]) -> list[Appended]:
        """`append` for many, in one transaction; ConflictError undoes them all."""
        return await self._database.transact(lambda tx: [self.append_within(tx, statement) for statement in statements])

    def append_within(self, tx: sqlite3.Connection, statement: Statement) -> Appended:
        """`append` inside a transaction that the caller holds."""
        if self._is_gone(tx, statement):
            return Appended(False, *self._bury(tx, statement), 0, gone=True)
        known = self._known(tx, statement)
        if known is not None:
            row, kept_by = known
            entry, number = self._number(tx, row, statement.origin)
            pairs = [(row, index) for index in self._holders(statement)]
            gained = note_holders(tx, pairs, statement.received_ms)
            return Appended(False, entry, number, kept_by + gained)
        self._enroll(tx, statement)
        holders = self._holders(statement)
        row = self._insert(tx, statement, kept_by=1 + len(holders))
        entry, number = self._number(tx, row, statement.origin)
        self._place(tx, row, statement)
        for index in holders:
            tx.execute("INSERT INTO custody VALUES (?, ?, ?)", (row, index, statement.received_ms))
        tx.execute("DELETE FROM parked WHERE envelope_id = ?", (statement.envelope_id,))
        return Appended(True, entry, number, 1 + len(holders))

    def next_sequence_within(self, tx: sqlite3.Connection, device_id: DeviceId) -> int:
        """The sequence that this node's own next record takes."""
        rows = tx.execute("SELECT highest_sequence FROM devices WHERE id = ?", (device_id,))
        return max((int(row[0]) for row in rows), default=0) + 1

    async def holds(self, record_id: RecordId) -> tuple[int, list[str]] | None:
        """(nodes known to hold it, their names) or None when this node lacks it."""
        rows = await self._database.read(
            "SELECT e.kept_by, d.name FROM envelopes e LEFT JOIN devices d ON d.node_index = ?"
            " OR d.node_index IN (SELECT node_index FROM custody WHERE envelope = e.id)"
            " WHERE e.record_id = ? ORDER BY d.node_index = ? DESC, d.node_index",
            (self._me, record_id, self._me),
        )
        return (int(rows[0][0]), [row[1] for row in rows if row[1] is not None]) if rows else None

    async def kept_by(self, record_ids: Sequence[RecordId]) -> dict[RecordId, int]:
        """How many nodes hold each of these; what this node lacks is left out."""
        marks = ", ".join("?" * len(record_ids))
        rows = await self._database.read(
            f"SELECT record_id, kept_by FROM envelopes WHERE record_id IN ({marks})",
            record_ids,
        )
        return {RecordId(record_id): kept_by for record_id, kept_by in rows}

    async def after(self, row: int, limit: int) -> list[Entry]:
        """Entries that arrived after a row, oldest first."""
        return [
            _entry(found)
            for found in await self._database.read(_ENTRIES + "WHERE e.id > ? ORDER BY e.id LIMIT ?", (row, limit))
        ]

    async def get(self, envelope_id: EnvelopeId) -> Entry | None:
        """One entry by the name of its bytes."""
        row = await self._database.read_one(_ENTRIES + "WHERE e.envelope_id = ?", (envelope_id,))
        return None if row is None else _entry(row)

    async def last_row(self) -> int:
        """The newest row, 0 in an empty store."""
        row = await self._database.read_one("SELECT coalesce(max(id), 0) FROM envelopes")
        assert row is not None
        return int(row[0])

    async def pending(self, limit: int = UNSHARED_MAX) -> list[Entry]:
        """Entries that no other node is known to hold: what people wrote first, oldest first."""
        return [
            _entry(row)
            for row in await self._database.read(
                _ENTRIES + "WHERE e.kept_by = 1 ORDER BY e.background, e.id LIMIT ?", (limit,)
            )
        ]

    async def vector(self) -> dict[int, int]:
        """The highest number per node log, whether it is still here or gone."""
        rows = await self._database.read(
            "SELECT node_index, max(number) FROM (SELECT node_index, number FROM node_log"
            " UNION ALL SELECT node_index, number FROM node_log_gone) GROUP BY node_index"
        )
        return {int(index): int(number) for index, number in rows}

    async def park(self, parked: Parked, record: Record, reason: str, due: int) -> bool:
        """Keep an envelope aside; False at the limit (total or per author)."""
        kept = record.kept_minutes
        async with self._database.write() as tx:
            rows = await tx.execute_fetchall(
                "SELECT count(*), coalesce(sum(author = ?), 0) FROM parked WHERE envelope_id <> ?",
                (record.author, parked.envelope_id),
            )
            total, per_author = next(iter(rows))
            if total >= PARKED_MAX or per_author >= PARKED_PER_AUTHOR_MAX:
                return False
            origin = parked.origin
            await tx.execute(
                "INSERT INTO parked VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT lived FROM node) + ?)"
                " ON CONFLICT (envelope_id) DO UPDATE SET reason = excluded.reason, due = excluded.due",
                (
                    parked.envelope_id,
                    parked.envelope,
                    reason,
                    record.author,
                    due,
                    origin.entry_index,
                    origin.log_number,
                    origin.via_index,
                    origin.source,
                    parked.received_ms,
                    None if kept is None else record.minutes + kept,
                    kept,
                ),
            )
            return True

    async def parked_by(self, author: DeviceId) -> list[Parked]:
        """What waits for this author, oldest first."""
        return await self._parked("author = ?", author)

    async def parked_due(self, minutes: int) -> list[Parked]:
        """What waited for its time, and whose time has come."""
        return await self._parked("reason = 'future' AND due <= ?", minutes)

    async def parked_counts(self) -> dict[str, int]:
        """How many wait, by reason."""
        return dict(await self._database.read("SELECT reason, count(*) FROM parked GROUP BY reason"))  # type: ignore[arg-type]

    async def unpark(self, envelope_id: EnvelopeId) -> None:
        """Forget a parked envelope that turned out to be none."""
        async with self._database.write() as tx:
            await tx.execute("DELETE FROM parked WHERE envelope_id = ?", (envelope_id,))

    async def _parked(self, condition: str, value: object) -> list[Parked]:
        rows = await self._database.read(
            "SELECT envelope_id, bytes, source, entry_index, log_number, via_index, received_ms FROM parked"
            f" WHERE {condition} ORDER BY received_ms LIMIT {PARKED_PER_AUTHOR_MAX}",
            (value,),
        )
        return [Parked(row[0], row[1], Origin(*row[2:6]), row[6]) for row in rows]

    def _is_gone(self, tx: sqlite3.Connection, statement: Statement) -> bool:
        """Whether it was here until its time was over: then it is not taken in again."""
        name = (statement.envelope_id,)
        return bool(tx.execute("SELECT 1 FROM node_log_gone WHERE envelope_id = ? LIMIT 1", name).fetchall())

    def _bury(self, tx: sqlite3.Connection, statement: Statement) -> tuple[int, int]:
        """Note one more place of what is gone, so that it is not asked for there."""
        tx.execute("DELETE FROM parked WHERE envelope_id = ?", (statement.envelope_id,))
        entry, number = statement.origin.entry_index, statement.origin.log_number
        if entry is None or number is None:
            return self._me, 0
        tx.execute(
            "INSERT INTO node_log_gone SELECT ?1, ?2, ?3 WHERE ?4 > max("
            "(SELECT count(*) FROM node_log_gone WHERE node_index = ?1 AND number = ?2),"
            " (SELECT count(*) FROM node_log_gone WHERE envelope_id = ?3)) ON CONFLICT DO NOTHING",
            (entry, number, statement.envelope_id, PLACES_MAX),
        )
        return entry, number

    def _known(self, tx: sqlite3.Connection, statement: Statement) -> tuple[EnvelopeRow, int] | None:
        rows = tx.execute("SELECT id, kept_by FROM envelopes WHERE record_id = ?", (statement.record_id,))
        return next(((EnvelopeRow(row[0]), int(row[1])) for row in rows), None)

    def _insert(self, tx: sqlite3.Connection, statement: Statement, kept_by: int) -> EnvelopeRow:
        record, origin, kept = statement.record, statement.origin, statement.record.kept_minutes
        tx.execute(
            "UPDATE devices SET highest_sequence = max(highest_sequence, ?1), forked = forked OR EXISTS"
            " (SELECT 1 FROM envelopes WHERE author = ?2 AND sequence = ?1) WHERE id = ?2",
            (record.sequence, record.author),
        )
        cursor = tx.execute(
            "INSERT INTO envelopes (envelope_id, record_id, bytes, epoch, lifetime, author, sequence, minutes, kind,"
            " ref, entry_index, via_index, source, received_ms, background, kept_by, expires, leaves)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,(SELECT lived FROM node) + ?)",
            (
                statement.envelope_id,
                statement.record_id,
                statement.envelope,
                statement.epoch,
                record.lifetime,
                record.author,
                record.sequence,
                record.minutes,
                record.kind,
                record.ref,
                self._me if origin.entry_index is None else origin.entry_index,
                origin.via_index,
                origin.source,
                statement.received_ms,
                statement.background,
                kept_by,
                None if kept is None else record.minutes + kept,
                kept,
            ),
        )
        assert cursor.lastrowid is not None
        return EnvelopeRow(cursor.lastrowid)

    def _number(self, tx: sqlite3.Connection, row: EnvelopeRow, origin: Origin) -> tuple[int, int]:
        """The record's place in the log of the node it entered at. It has several when it entered at several nodes."""
        entry = self._me if origin.entry_index is None else origin.entry_index
        if origin.log_number is not None:
            tx.execute(
                "INSERT INTO node_log SELECT ?1, ?2, ?3 WHERE ?4 > max("
                "(SELECT count(*) FROM node_log WHERE node_index = ?1 AND number = ?2),"
                " (SELECT count(*) FROM node_log WHERE envelope = ?3)) ON CONFLICT DO NOTHING",
                (entry, origin.log_number, row, PLACES_MAX),
            )
            return entry, origin.log_number
        found = tx.execute(
            "SELECT node_index, number FROM node_log WHERE envelope = ? ORDER BY node_index = ? DESC, number LIMIT 1",
            (row, entry),
        )
        place = next(((int(index), int(number)) for index, number in found), None)
        if place is not None:
            return place
        # What is gone keeps its number: one is never given twice.
        rows = tx.execute(
            "SELECT 1 + max((SELECT coalesce(max(number), 0) FROM node_log WHERE node_index = ?1),"
            " (SELECT coalesce(max(number), 0) FROM node_log_gone WHERE node_index = ?1))",
            (entry,),
        )
        number = int(next(iter(rows))[0])
        tx.execute("INSERT INTO node_log VALUES (?, ?, ?)", (entry, number, row))
        return entry, number

    def _enroll(self, tx: sqlite3.Connection, statement: Statement) -> None:
        """The roster learns of a device. A name changes with a later introduction, a key never does."""
        introduction = statement.introduction
        if introduction is None:
            return
        device_id = device_id_of(introduction.public_key)
        index = introduction.index if isinstance(introduction, NodeIntroduction) else None
        taken = tx.execute(
            "SELECT 1 FROM devices WHERE (id = ?1 AND public_key <> ?2) OR (node_index = ?3 AND id <> ?1)",
            (device_id, introduction.public_key, index),
        )
        if list(taken):
            raise ConflictError("Another device in the roster has this short id or index.")
        tx.execute(
            "INSERT INTO devices (id, public_key, name, node_index, introduced_by) VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT (id) DO UPDATE SET name = ?3, node_index = coalesce(?4, node_index), introduced_by = ?5"
            " WHERE introduced_by < ?5",
            (device_id, introduction.public_key, introduction.name, index, statement.record.sequence),
        )
        tx.execute(
            "UPDATE boards SET revision = revision + 1 WHERE name IN (SELECT r.board FROM records r"
            " JOIN envelopes e ON e.id = r.id WHERE e.author = ?1 OR e.via_index = ?2 OR e.entry_index = ?2)",
            (device_id, index),
        )

    def _place(self, tx: sqlite3.Connection, row: EnvelopeRow, statement: Statement) -> None:
        placement = statement.placement
        if placement is None:
            return
        shown = SHOWN_BELOW if placement.answers else SHOWN_ON_BOARD
        if placement.source is not None and not self._supersede(tx, statement):
            shown = NOT_SHOWN
        tx.execute(
            "INSERT INTO records (id, record_id, board, position, title, text, body, source, source_id,"
            " hidden_after, shown) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                row,
                statement.record_id,
                placement.board,
                placement.position,
                placement.title,
                placement.text,
                placement.body,
                placement.source,
                placement.source_id,
                placement.hidden_after,
                shown,
            ),
        )
        tx.execute(
            "UPDATE boards SET revision = revision + 1, total = total + ? WHERE name = ?",
            (shown == SHOWN_ON_BOARD, placement.board),
        )

    def _supersede(self, tx: sqlite3.Connection, statement: Statement) -> bool:
        """Of an imported thing only the latest record is shown, the same one on every node.

        By minutes, then sequence (a file can be mended and imported again within a minute), then id.
        """
        placement = statement.placement
        assert placement is not None
        rows = tx.execute(
            "SELECT r.id, e.minutes, e.sequence, r.record_id, r.board FROM records r JOIN envelopes e ON e.id = r.id"
            " WHERE r.source = ? AND r.source_id = ? AND r.shown = 1",
            (placement.source, placement.source_id),
        )
        record = statement.record
        for old_row, minutes, sequence, record_id, board in rows:
            if (minutes, sequence, record_id) > (record.minutes, record.sequence, statement.record_id):
                return False
            tx.execute("UPDATE records SET shown = 0 WHERE id = ?", (old_row,))
            tx.execute("UPDATE boards SET revision = revision + 1, total = total - 1 WHERE name = ?", (board,))
        return True

    def _holders(self, statement: Statement) -> list[int]:
        """Whoever a frame names as entry node or sender has it on its disk."""
        origin = statement.origin
        named = {index for index in (origin.entry_index, origin.via_index) if index not in (None, self._me)}
        return [index for index in named if index is not None]


def note_holders(tx: sqlite3.Connection, pairs: Sequence[tuple[EnvelopeRow, int]], heard_ms: int) -> int:
    """Remember (envelope row, node index) pairs; counts and boards follow. Returns how many were news."""
    gained = 0
    for row, index in pairs:
        cursor = tx.execute("INSERT INTO custody VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (row, index, heard_ms))
        if cursor.rowcount > 0:
            gained += 1
            tx.execute("UPDATE envelopes SET kept_by = kept_by + 1 WHERE id = ?", (row,))
            tx.execute(
                "UPDATE boards SET revision = revision + 1 WHERE name = (SELECT board FROM records WHERE id = ?)",
                (row,),
            )
    return gained


_ENTRIES = """
SELECT e.id, e.bytes, e.envelope_id, e.record_id, e.entry_index,
       coalesce((SELECT min(number) FROM node_log WHERE envelope = e.id AND node_index = e.entry_index), 0),
       e.via_index, e.lifetime, e.kind, e.background, e.kept_by, e.source
FROM envelopes e
"""


def _entry(row: Row) -> Entry:
    return Entry(*row)
