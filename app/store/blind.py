"""A blind node's database: envelopes that it cannot read, where they stand in the node logs, and what is gone.

It has K_relay and K_link of each epoch and nothing that opens an envelope. What it knows of one is its size, its epoch
(by the hint), its class (in clear) and its places. Peers and blobs have the tables of a member's database.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from app.clock import is_plausible, minutes_of
from app.core.envelope import EnvelopeId
from app.core.keys import EpochKeys, SpaceId
from app.core.record import Lifetime
from app.errors import ConflictError, NotFoundError, StoreFullError
from app.radio.span import Span, Spans, normal
from app.store.database import Database, open_database

FILE_NAME = "blind.sqlite3"
MIGRATIONS = Path(__file__).parent / "blind_migrations"
PLACES_MAX = 4
"""Places of one envelope, and envelopes at one place, as in a member's store."""
EXPIRE_MAX = 2000
"""Envelopes that go in one transaction: others wait for the writer meanwhile."""
CATCH_UP_DAYS = 2
"""So far the trusted day moves on a day of the clock's: a clock that leaps ten years ahead deletes nothing for weeks,
and a node that was off for a month is right again after a month."""
MINUTES_PER_DAY = 24 * 60


class BlindIdentity(msgspec.Struct, frozen=True):
    """What this blind node is. It has no name in the roster's records: `index` is where its custody is counted."""

    index: int
    name: str
    space_id: SpaceId
    quota_bytes: int | None = None


class BlindEpoch(msgspec.Struct, frozen=True):
    """What a blind node is given of one generation of the space's key; `started` in minutes since 2025."""

    number: int
    relay: bytes
    link: bytes
    started: int

    @property
    def keys(self) -> EpochKeys:
        """As the rest of the program takes them; what would open an envelope is empty."""
        return EpochKeys(self.number, b"", b"", self.relay, self.link)

    def __repr__(self) -> str:
        return f"BlindEpoch(number={self.number})"


class Held(msgspec.Struct, frozen=True):
    """An envelope on its way into the store, at its place."""

    envelope_id: EnvelopeId
    envelope: bytes
    epoch: int
    lifetime: Lifetime
    index: int
    number: int


def is_blind(folder: Path) -> bool:
    """Whether a blind node lives in this data folder."""
    return (folder / FILE_NAME).exists()


async def open_blind(folder: Path) -> "BlindStore":
    """The blind node's store in a data folder. NotFoundError when there is none."""
    if not is_blind(folder):
        raise NotFoundError(f"There is no blind node in {folder}.")
    return BlindStore(await open_database(folder, MIGRATIONS, FILE_NAME))


async def found_blind(folder: Path, identity: BlindIdentity, epochs: Sequence[BlindEpoch]) -> "BlindStore":
    """A blind node in a data folder that has no node yet. ConflictError when it has one."""
    store = BlindStore(await open_database(folder, MIGRATIONS, FILE_NAME))
    try:
        await store.establish(identity, epochs)
    except BaseException:
        await store.close()
        raise
    return store


class BlindStore:
    """Reads and writes of a blind node. Behind `app.sync.blind_log.BlindLog`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def close(self) -> None:
        await self.database.close()

    async def identity(self) -> BlindIdentity:
        """Who this is."""
        row = await self.database.read_one("SELECT node_index, name, space, quota_bytes FROM blind")
        if row is None:
            raise NotFoundError("This blind node was not paired yet. Pair it with: tntn peer add CODE")
        return BlindIdentity(row[0], row[1], SpaceId(row[2]), row[3])

    async def establish(self, identity: BlindIdentity, epochs: Sequence[BlindEpoch]) -> None:
        """Write the first identity and epochs. ConflictError when there is one already."""
        async with self.database.write() as tx:
            if list(await tx.execute_fetchall("SELECT 1 FROM blind")):
                raise ConflictError("This data folder already holds a node.")
            await tx.execute(
                "INSERT INTO blind (id, node_index, name, space, quota_bytes) VALUES (1, ?, ?, ?, ?)",
                (identity.index, identity.name, identity.space_id, identity.quota_bytes),
            )
        await self.add_epochs(epochs)

    async def set_quota(self, quota_bytes: int | None) -> None:
        """How much it stores at most, envelopes and blobs together; None for as much as the disk takes."""
        async with self.database.write() as tx:
            await tx.execute("UPDATE blind SET quota_bytes = ?", (quota_bytes,))

    async def add_epochs(self, epochs: Sequence[BlindEpoch]) -> None:
        """Learn of epochs; what is known already stays as it is."""
        async with self.database.write() as tx:
            await tx.executemany(
                "INSERT INTO epochs VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(epoch.number, epoch.relay, epoch.link, epoch.started) for epoch in epochs],
            )

    async def epochs(self) -> list[BlindEpoch]:
        """All epochs, newest first."""
        rows = await self.database.read("SELECT number, relay, link, started FROM epochs ORDER BY number DESC")
        return [BlindEpoch(*row) for row in rows]

    async def counts(self) -> tuple[int, int]:
        """(envelopes held, their bytes)."""
        row = await self.database.read_one("SELECT (SELECT count(*) FROM envelopes), held_bytes FROM blind")
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    async def append(self, arrived: Sequence[Held]) -> list[bool]:
        """Take these in, in one transaction; for each whether it is held now: what is gone is not.

        StoreFullError at the quota; then none of them is.
        """
        return await self.database.transact(lambda tx: _append(tx, arrived))

    async def runs(self) -> dict[int, Spans]:
        """The numbers of each log that are held or gone."""
        rows = await self.database.read(
            "SELECT node_index, min(number), max(number) FROM (SELECT node_index, number, number - row_number()"
            " OVER (PARTITION BY node_index ORDER BY number) AS run"
            " FROM (SELECT DISTINCT node_index, number FROM places)) GROUP BY node_index, run"
            " UNION ALL SELECT node_index, first, last FROM gone"
        )
        found: dict[int, list[Span]] = {}
        for index, first, last in rows:
            found.setdefault(index, []).append(Span(first, last))
        return {index: normal(spans) for index, spans in sorted(found.items())}

    async def within(self, index: int, span: Span, limit: int) -> list[tuple[int, bytes]]:
        """(number, envelope) of the first that stand in a part of a log."""
        rows = await self.database.read(
            "SELECT p.number, e.bytes FROM places p JOIN envelopes e ON e.id = p.envelope WHERE p.node_index = ?"
            " AND p.number BETWEEN ? AND ? ORDER BY p.number, p.envelope LIMIT ?",
            (index, span.first, span.last, limit),
        )
        return [(int(number), envelope) for number, envelope in rows]

    async def names(self, after: bytes, limit: int) -> list[tuple[int, EnvelopeId]]:
        """(epoch, name) of what is held, by name, those above `after`."""
        rows = await self.database.read(
            "SELECT epoch, envelope_id FROM envelopes WHERE envelope_id > ? ORDER BY envelope_id LIMIT ?",
            (after, limit),
        )
        return [(int(epoch), EnvelopeId(name)) for epoch, name in rows]

    async def named(self, names: Sequence[EnvelopeId]) -> list[tuple[int, int, bytes]]:
        """(log, number, envelope) of these, each at one of its places; what is not held is left out."""
        marks = ", ".join("?" * len(names))
        rows = await self.database.read(
            "SELECT p.node_index, min(p.number), e.bytes FROM envelopes e JOIN places p ON p.envelope = e.id"
            f" WHERE e.envelope_id IN ({marks}) GROUP BY e.id",
            names,
        )
        return [(int(index), int(number), envelope) for index, number, envelope in rows]

    async def drop(self, index: int, span: Span) -> None:
        """The span is gone: what stands there and nowhere else goes from the disk."""
        await self.database.transact(lambda tx: _drop(tx, index, span))

    async def expire(self, now_ms: int) -> int:
        """Let go of what outlived its class: end of its epoch + lifetime. Returns how many envelopes went.

        Only by a clock that can be right, and at most once on each of its days. What is permanent stays, and so does
        all of an epoch that nothing follows yet.
        """
        day = minutes_of(now_ms) // MINUTES_PER_DAY
        if not is_plausible(now_ms) or not await self.database.transact(lambda tx: _turn_to(tx, day)):
            return 0
        total = 0
        while went := await self.database.transact(_expire):
            total += went
        return total


def _append(tx: sqlite3.Connection, arrived: Sequence[Held]) -> list[bool]:
    tx.executemany(
        "INSERT OR IGNORE INTO envelopes (envelope_id, bytes, epoch, lifetime) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS"
        " (SELECT 1 FROM gone WHERE node_index = ?5 AND ?6 BETWEEN first AND last)",
        [(one.envelope_id, one.envelope, one.epoch, one.lifetime, one.index, one.number) for one in arrived],
    )
    tx.executemany(
        "INSERT OR IGNORE INTO places SELECT ?1, ?2, e.id FROM envelopes e WHERE e.envelope_id = ?3 AND ?4 > max("
        "(SELECT count(*) FROM places WHERE node_index = ?1 AND number = ?2),"
        " (SELECT count(*) FROM places WHERE envelope = e.id)) AND NOT EXISTS"
        " (SELECT 1 FROM gone WHERE node_index = ?1 AND ?2 BETWEEN first AND last)",
        [(one.index, one.number, one.envelope_id, PLACES_MAX) for one in arrived],
    )
    _check_quota(tx)
    return [
        tx.execute("SELECT 1 FROM envelopes WHERE envelope_id = ?", (one.envelope_id,)).fetchone() is not None
        for one in arrived
    ]


def _check_quota(tx: sqlite3.Connection) -> None:
    quota, held = tx.execute("SELECT quota_bytes, held_bytes FROM blind").fetchone()
    if quota is None:
        return
    blobs = tx.execute("SELECT coalesce(sum(size), 0) FROM blobs").fetchone()[0]
    if held + blobs > quota:
        raise StoreFullError(f"The {quota // 10**6} MB that this node stores for its community are used up.")


def _drop(tx: sqlite3.Connection, index: int, span: Span) -> None:
    where = (index, span.first, span.last)
    tx.execute(
        "DELETE FROM envelopes WHERE id IN (SELECT envelope FROM places WHERE node_index = ?1 AND number BETWEEN ?2"
        " AND ?3) AND id NOT IN (SELECT envelope FROM places WHERE NOT (node_index = ?1 AND number BETWEEN ?2 AND ?3))",
        where,
    )
    tx.execute("DELETE FROM places WHERE node_index = ? AND number BETWEEN ? AND ?", where)
    _note_gone(tx, {index: [span]})


def _turn_to(tx: sqlite3.Connection, day: int) -> bool:
    """Move the trusted day towards the clock's; False when this day was swept before."""
    swept, trusted = tx.execute("SELECT swept_day, trusted_day FROM blind").fetchone()
    if day == swept:
        return False
    if trusted == 0:  # so much time has passed in any case, as the community says; the clock here may be anywhere
        trusted = tx.execute("SELECT coalesce(max(started), 0) / ? FROM epochs", (MINUTES_PER_DAY,)).fetchone()[0]
    trusted = min(day, trusted + CATCH_UP_DAYS)
    tx.execute("UPDATE blind SET swept_day = ?, trusted_day = ?", (day, trusted))
    return True


def _expire(tx: sqlite3.Connection) -> int:
    """The next of those whose time is over, with their places. Returns how many."""
    due = tx.execute(
        "WITH classes (lifetime, days) AS (VALUES "
        + ", ".join(f"({lifetime.value}, {lifetime.days})" for lifetime in Lifetime if lifetime.days is not None)
        + ") SELECT v.id FROM epochs e JOIN classes c"
        " JOIN envelopes v ON v.epoch = e.number AND v.lifetime = c.lifetime"
        " WHERE (SELECT min(started) FROM epochs WHERE number > e.number) + c.days * ?1"
        " <= (SELECT trusted_day FROM blind) * ?1 LIMIT ?2",
        (MINUTES_PER_DAY, EXPIRE_MAX),
    ).fetchall()
    emptied: dict[int, list[Span]] = {}
    for (envelope,) in due:
        places = tx.execute(
            "SELECT node_index, number FROM places p WHERE envelope = ?1 AND NOT EXISTS (SELECT 1 FROM places"
            " WHERE node_index = p.node_index AND number = p.number AND envelope <> ?1)",
            (envelope,),
        )
        for index, number in places:
            emptied.setdefault(index, []).append(Span(number, number))
        tx.execute("DELETE FROM envelopes WHERE id = ?", (envelope,))
    _note_gone(tx, emptied)
    return len(due)


def _note_gone(tx: sqlite3.Connection, runs: Mapping[int, Sequence[Span]]) -> None:
    for index, spans in runs.items():
        known = [Span(*row) for row in tx.execute("SELECT first, last FROM gone WHERE node_index = ?", (index,))]
        tx.execute("DELETE FROM gone WHERE node_index = ?", (index,))
        tx.executemany(
            "INSERT INTO gone VALUES (?, ?, ?)", [(index, span.first, span.last) for span in normal([*known, *spans])]
        )
