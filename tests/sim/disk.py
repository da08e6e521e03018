"""A node's disk in the simulator: the real store and its SQL on SQLite files, without threads, and with power cuts.

One connection runs in the loop's own thread, so that a seed plays the same each time. Nothing is synced: within one
process what SQLite wrote to the write-ahead log is what a disk would hold after a sync; a power cut copies the files as
they are then, or with the last transaction torn off somewhere in its middle.
"""

import functools
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import aiosqlite

from app.store.database import FILE_NAME, MIGRATIONS, Database

PAGES_SPARED = 10_000
"""The log is folded into the file after so many pages: not within a simulated day, so that a tear finds its place."""
SECTOR_BYTES = 512


class Connection:
    """What the store uses of aiosqlite's connection, on the calling thread."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "foreign_keys=ON", f"wal_autocheckpoint={PAGES_SPARED}"):
            self._connection.execute(f"PRAGMA {pragma}")

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        return self._connection.executemany(sql, rows)

    async def execute_fetchall(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(sql, parameters).fetchall()

    async def _execute(self, act: Callable[..., Any], *arguments: Any) -> Any:
        return act(*arguments)

    @property
    def _conn(self) -> sqlite3.Connection:
        return self._connection

    async def commit(self) -> None:
        self._connection.commit()

    async def rollback(self) -> None:
        self._connection.rollback()

    async def close(self) -> None:
        self._connection.close()


def open_disk(folder: Path) -> Database:
    """The database in a folder; a new one is migrated."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    if not path.exists():
        path.write_bytes(_blank())
    writer, reader = (cast(aiosqlite.Connection, Connection(path)) for _ in range(2))
    return Database(path, writer, reader)


def log_bytes(folder: Path) -> int:
    """How long the write-ahead log is now."""
    log = folder / (FILE_NAME + "-wal")
    return log.stat().st_size if log.exists() else 0


def cut_power(folder: Path, after: Path, rng: random.Random, torn_from: int | None = None) -> None:
    """The files as the power left them; what the log holds from `torn_from` on was being written, and got so far."""
    after.mkdir(parents=True)
    for name in (FILE_NAME, FILE_NAME + "-wal"):
        if (folder / name).exists():
            shutil.copyfile(folder / name, after / name)
    log = after / (FILE_NAME + "-wal")
    if torn_from is None or not log.exists() or log.stat().st_size <= torn_from:
        return
    whole = log.read_bytes()
    reached = rng.randrange(torn_from, len(whole))
    # Sectors reach the disk in any order: the last one may be garbage, and the commit mark is past it.
    garbage = rng.randbytes(min(SECTOR_BYTES, len(whole) - 1 - reached)) if rng.random() < 0.5 else b""
    log.write_bytes(whole[:reached] + garbage)


@functools.cache
def _blank() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    steps = sorted(MIGRATIONS.glob("[0-9]*.sql"))
    for step in steps:
        connection.executescript(step.read_text("utf-8"))
    connection.execute(f"PRAGMA user_version={len(steps):d}")
    return connection.serialize()
