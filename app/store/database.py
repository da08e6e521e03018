"""The SQLite file: opening, migrating, reading, and the one way to write.

One connection writes, under one lock, each transaction BEGIN IMMEDIATE and committed or undone whole even when
its task is cancelled; another connection reads. WAL with `synchronous=FULL`: what commit returns for is on the
disk, so that "kept" is never said too early. Other processes (`tntn import`, `tntn node invite`) may write the
same file at the same time; SQLite's own lock keeps them apart.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from app.errors import NewerDatabaseError, StoreError, StoreFullError

FILE_NAME = "tntn.sqlite3"
BUSY_TIMEOUT_MS = 10_000
"""How long another process's transaction is waited for; an import of a thousand rows takes well under a second."""
CACHE_KIB = 4096
"""Page cache of each connection: a board of 10,000 posts is read from it without touching the SD card."""
MIGRATIONS = Path(__file__).parent / "migrations"

Row = Sequence[Any]
T = TypeVar("T")


class Database:
    """Two connections to one file. Made by `open_database`, closed by `close`."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader
        self._lock = asyncio.Lock()
        self._refusal: str | None = None

    async def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of one query, as last committed. One thread hop: prefer one larger query to three small ones."""
        with store_errors():
            return list(await self._reader.execute_fetchall(sql, parameters))

    async def read_one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        rows = await self.read(sql, parameters)
        return rows[0] if rows else None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[aiosqlite.Connection]:
        """A transaction: committed and on the disk when the block ends, undone whole when it raises."""
        async with self._lock:
            self._check_writable()
            with store_errors():
                try:
                    await asyncio.shield(self._writer.execute("BEGIN IMMEDIATE"))
                    yield self._writer
                except BaseException:
                    await asyncio.shield(self._writer.rollback())
                    raise
                await asyncio.shield(self._commit())

    async def transact(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """`act` in a transaction of its own, in the writer's thread: one hop, however many statements it has.

        Committed and on the disk when this returns, undone whole when `act` raises. A cancelled caller leaves it whole.
        """
        async with self._lock:
            return await self._transact(act)

    async def transact_last(self, act: Callable[[sqlite3.Connection], T], refusal: str) -> T:
        """`transact`, after which nothing more is written here until the file is opened anew: StoreError(`refusal`)."""
        async with self._lock:
            result = await self._transact(act)
            self._refusal = refusal
            return result

    async def data_version(self) -> int:
        """A number that changes when anybody, this process or another, has committed something."""
        row = await self.read_one("PRAGMA data_version")
        assert row is not None
        return int(row[0])

    async def close(self) -> None:
        """Let both connections go; the write-ahead log is folded into the file."""
        await self._reader.close()
        await self._writer.close()

    async def _transact(self, act: Callable[[sqlite3.Connection], T]) -> T:
        self._check_writable()
        with store_errors():
            # aiosqlite's own way into its thread; its public calls hop for every statement.
            run: Callable[..., Awaitable[T]] = self._writer._execute
            return await asyncio.shield(run(_within, self._writer._conn, act))

    def _check_writable(self) -> None:
        if self._refusal is not None:
            raise StoreError(self._refusal)

    async def _commit(self) -> None:
        try:
            await self._writer.commit()
        except sqlite3.Error:
            await self._writer.rollback()
            raise


async def open_database(folder: Path, migrations: Path = MIGRATIONS, name: str = FILE_NAME) -> Database:
    """The database in `folder`, made or migrated as needed. NewerDatabaseError when a later version wrote it."""
    path = folder / name
    with store_errors():
        _create_private(folder, path)
        writer = await _connect(path)
        try:
            await _migrate(writer, migrations)
            reader = await _connect(path)
        except BaseException:
            await writer.close()
            raise
        return Database(path, writer, reader)


class store_errors:  # noqa: N801 - a context manager that reads as a verb
    """Turns SQLite's errors into the tree of app/errors.py."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise StoreError(f"The data folder cannot be used: {error.strerror or error}.") from error
        if not isinstance(error, sqlite3.Error):
            return
        code = getattr(error, "sqlite_errorcode", None)
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC):
            raise StoreFullError("This node's disk is full. Nothing was changed; free some space.") from error
        raise StoreError(f"The database refused: {error}.") from error


def _within(tx: sqlite3.Connection, act: Callable[[sqlite3.Connection], T]) -> T:
    tx.execute("BEGIN IMMEDIATE")
    try:
        result = act(tx)
        tx.commit()
    except BaseException:
        tx.rollback()
        raise
    return result


def _create_private(folder: Path, path: Path) -> None:
    """Keys live in this file: only the user that runs the node may read it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None, cached_statements=256)
    try:
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            f"cache_size=-{CACHE_KIB}",
        ):
            await connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        await connection.close()
        raise
    return connection


async def _migrate(writer: aiosqlite.Connection, migrations: Path) -> None:
    """Each migration in a transaction of its own, with the version it leads to."""
    steps = sorted(migrations.glob("[0-9]*.sql"))
    for version, step in enumerate(steps, start=1):
        await writer.execute("BEGIN IMMEDIATE")
        try:
            found = await _version(writer)
            if found > len(steps):
                raise NewerDatabaseError(
                    f"This data folder was written by a later version of TNTN (format {found}; this version reads "
                    f"up to {len(steps)}). Update TNTN, or start with another --data folder. Nothing was changed."
                )
            if found < version:
                await _apply(writer, step.read_text("utf-8"), version)
            await writer.commit()
        except BaseException:
            await writer.rollback()
            raise


async def _version(writer: aiosqlite.Connection) -> int:
    rows = list(await writer.execute_fetchall("PRAGMA user_version"))
    return int(rows[0][0])


async def _apply(writer: aiosqlite.Connection, script: str, version: int) -> None:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            await writer.execute(statement)
            statement = ""
    await writer.execute(f"PRAGMA user_version={version:d}")
