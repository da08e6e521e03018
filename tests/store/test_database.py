"""The database: whole transactions, migrations from every version, a newer version's file, other processes."""

import asyncio
import itertools
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from app.core.keys import DeviceId
from app.core.record import Kind, Lifetime, compose
from app.errors import NewerDatabaseError, StoreError
from app.store.database import FILE_NAME, MIGRATIONS, Database, open_database

pytestmark = pytest.mark.anyio


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "data")
    await database.close()
    assert stat.S_IMODE((tmp_path / "data" / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


async def test_a_block_that_raises_leaves_nothing(tmp_path: Path) -> None:
    database = await open_database(tmp_path)
    with pytest.raises(RuntimeError):
        async with database.write() as tx:
            await tx.execute("INSERT INTO keeper_links VALUES (x'00', 1)")
            raise RuntimeError
    assert await database.read("SELECT * FROM keeper_links") == []
    await database.close()


async def test_a_cancelled_writer_leaves_the_next_one_a_clean_table(tmp_path: Path) -> None:
    database = await open_database(tmp_path)
    for steps in range(6):

        async def write(mark: int) -> None:
            async with database.write() as tx:
                await tx.execute("INSERT INTO keeper_links VALUES (?, 1)", (bytes([mark]),))
                await tx.execute("INSERT INTO keeper_sessions VALUES (?, 1)", (bytes([mark]),))

        task = asyncio.create_task(write(steps))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await write(100 + steps)
    links = await database.read("SELECT token_hash FROM keeper_links ORDER BY 1")
    assert links == await database.read("SELECT token_hash FROM keeper_sessions ORDER BY 1")
    assert len(links) >= 6
    await database.close()


async def test_a_database_of_a_later_version_is_refused_untouched(tmp_path: Path) -> None:
    database = await open_database(tmp_path)
    await database.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as later:
        later.execute("PRAGMA user_version=99")
    later.close()
    with pytest.raises(NewerDatabaseError, match="later version"):
        await open_database(tmp_path)


async def test_each_earlier_version_migrates_to_the_newest(tmp_path: Path) -> None:
    steps = sorted(MIGRATIONS.glob("[0-9]*.sql"))
    schemas = []
    for version in range(len(steps) + 1):
        earlier = tmp_path / f"migrations-{version}"
        earlier.mkdir()
        for step in steps[:version]:
            shutil.copy(step, earlier)
        folder = tmp_path / f"data-{version}"
        await (await open_database(folder, earlier)).close()
        database = await open_database(folder)
        schemas.append(await database.read("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2"))
        assert await database.read("PRAGMA user_version") == [(len(steps),)]
        await database.close()
    assert all(schema == schemas[0] for schema in schemas)


async def test_envelopes_from_before_expiry_get_their_ends(tmp_path: Path) -> None:
    """As the code reckons them for new ones; what stays has none."""
    earlier = tmp_path / "migrations"
    earlier.mkdir()
    for step in sorted(MIGRATIONS.glob("[0-9]*.sql"))[:3]:
        shutil.copy(step, earlier)
    old = await open_database(tmp_path / "data", earlier)
    author = DeviceId(b"ada!")
    expected = {}
    async with old.write() as tx:
        await tx.execute("INSERT INTO devices (id, public_key, name) VALUES (?, ?, 'Ada')", (author, bytes(32)))
        for lifetime, kind in itertools.product(Lifetime, (Kind.DEVICE, Kind.NODE, Kind.POST, Kind.READING)):
            record = compose(lifetime, author, 1, 500, kind, b"")
            name, kept = bytes([lifetime, kind]) * 8, record.kept_minutes
            expected[name] = (None, None) if kept is None else (500 + kept, kept)
            await tx.execute(
                "INSERT INTO envelopes (envelope_id, record_id, bytes, epoch, lifetime, author, sequence, minutes,"
                " kind, entry_index, source, received_ms, background)"
                " VALUES (?1, ?1, x'00', 1, ?2, ?3, 1, 500, ?4, 0, '', 0, 0)",
                (name, lifetime, author, kind),
            )
    await old.close()
    database = await open_database(tmp_path / "data")
    rows = await database.read("SELECT envelope_id, expires, leaves FROM envelopes")
    assert {name: (expires, leaves) for name, expires, leaves in rows} == expected
    await database.close()


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, broken)
    (broken / "9999_broken.sql").write_text("CREATE TABLE half (a INTEGER) STRICT;\nCREATE TABLE half (a INTEGER);\n")
    await (await open_database(tmp_path / "data")).close()
    with pytest.raises(StoreError):
        await open_database(tmp_path / "data", broken)
    database = await open_database(tmp_path / "data")
    assert await database.read("SELECT name FROM sqlite_schema WHERE name = 'half'") == []
    await database.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError):
        await open_database(tmp_path)


async def test_two_processes_worth_of_connections_do_not_lose_writes(tmp_path: Path) -> None:
    databases = [await open_database(tmp_path) for _ in range(2)]

    async def count_up(database: Database) -> None:
        for _ in range(20):
            async with database.write() as tx:
                await tx.execute("UPDATE boards SET total = total + 1 WHERE name = 'bulletin'")

    await asyncio.gather(*(count_up(database) for database in databases))
    assert await databases[0].read("SELECT total FROM boards WHERE name = 'bulletin'") == [(40,)]
    for database in databases:
        await database.close()


async def test_the_version_of_the_data_changes_when_another_connection_commits(tmp_path: Path) -> None:
    ours, theirs = await open_database(tmp_path), await open_database(tmp_path)
    before = await ours.data_version()
    async with theirs.write() as tx:
        await tx.execute("UPDATE boards SET total = 1")
    assert await ours.data_version() != before
    await ours.close()
    await theirs.close()


async def test_a_node_of_version_1_keeps_its_port_and_gets_a_region(tmp_path: Path) -> None:
    earlier = tmp_path / "migrations"
    earlier.mkdir()
    shutil.copy(MIGRATIONS / "0001_spine.sql", earlier)
    database = await open_database(tmp_path, earlier)
    async with database.write() as tx:
        await tx.execute(
            "INSERT INTO node (id, seed, node_index, name, space, community, join_policy, index_reserved, radio_port)"
            " VALUES (1, zeroblob(32), 0, 'Mill', zeroblob(16), 'Valley', 'open', 0, '/dev/ttyUSB0')"
        )
    await database.close()
    database = await open_database(tmp_path)
    assert await database.read("SELECT radio_port, radio_region, radio_announces FROM node") == [
        ("/dev/ttyUSB0", "EU868", 0)
    ]
    await database.close()
