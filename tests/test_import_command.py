"""`tntn import usda-markets`: each market once, whoever imports it, all of them or none."""

from pathlib import Path

import anyio.to_thread
import pytest

from app.__main__ import EXIT_REFUSED, main
from app.clock import ManualClock
from app.core.boards import Board
from app.core.record import Kind
from app.founding import Node, invite, start_node
from app.store.envelopes import Origin

FILE = Path(__file__).parents[1] / "demo/usda-farmers-markets-vermont.csv"

pytestmark = pytest.mark.anyio


async def tntn(*arguments: object) -> int:
    return await anyio.to_thread.run_sync(main, ["import", "usda-markets", *map(str, arguments)])


async def import_file(node: Node, file: Path = FILE) -> int:
    return await tntn(file, "--data", node.store.database.path.parent)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1]


async def markets(node: Node) -> int:
    return (await node.store.boards.totals())[Board.MARKETS]


async def test_the_file_fills_the_board_of_a_running_node(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert await import_file(node) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "imported 92, unchanged 0, remarks 17"
    assert len(lines) == 18
    page = await node.store.boards.page(Board.MARKETS)
    assert page.total == 92
    assert page.records[0].title == "Barre Farmers Market"
    assert "Baked goods, crafts" in page.records[0].text
    entries = await node.store.envelopes.after(1, 200)
    assert len(entries) == 92
    assert all(entry.background and entry.kind == Kind.DIRECTORY for entry in entries)


async def test_importing_twice_adds_nothing(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    await import_file(node)
    before = await node.store.envelopes.last_row()
    assert await import_file(node) == 0
    assert last_line(capsys) == "imported 0, unchanged 92, remarks 17"
    assert await node.store.envelopes.last_row() == before


async def test_a_changed_row_takes_the_place_of_the_old(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await import_file(node)
    for count in range(8):  # within one minute: the sequence decides, not chance
        changed = tmp_path / "changed.csv"
        changed.write_bytes(FILE.read_bytes().replace(b"Currier Park", b"Currier Park gate %d" % count))
        assert await import_file(node, changed) == 0
        assert last_line(capsys) == "imported 1, unchanged 91, remarks 17"
        page = await node.store.boards.page(Board.MARKETS)
        assert page.total == 92
        assert f"gate {count}" in page.records[0].text
        assert page.records[0].ref is not None


async def test_two_nodes_that_import_the_same_file_show_each_market_once(
    node: Node, tmp_path: Path, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    other = await start_node(tmp_path / "other", clock, name="North Valley", join=await invite(node))
    try:
        await import_file(node)
        for number, entry in enumerate(await node.store.envelopes.after(1, 200), start=1):
            await other.door.accept(entry.envelope, Origin("radio", 0, number, 0))
        assert await import_file(other) == 0
        assert last_line(capsys) == "imported 0, unchanged 92, remarks 17"
        assert await markets(other) == 92
    finally:
        await other.close()


async def test_two_nodes_that_imported_before_they_met_show_each_market_once(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    other = await start_node(tmp_path / "other", clock, name="North Valley", join=await invite(node))
    try:
        await import_file(node)
        await import_file(other)
        for entry in await node.store.envelopes.after(0, 200):
            await other.door.accept(entry.envelope, Origin("radio", 0, entry.log_number, 0))
        for entry in await other.store.envelopes.after(0, 200):
            await node.door.accept(entry.envelope, Origin("radio", 1, entry.log_number, 1))
        pages = [await each.store.boards.page(Board.MARKETS, limit=100) for each in (node, other)]
        assert [page.total for page in pages] == [92, 92]
        assert [record.record_id for record in pages[0].records] == [record.record_id for record in pages[1].records]
    finally:
        await other.close()


async def test_a_dry_run_reports_and_writes_nothing(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert await tntn(FILE, "--data", node.store.database.path.parent, "--dry-run") == 0
    assert "nothing was written" in (out := capsys.readouterr().out)
    assert out.splitlines()[-1] == "imported 92, unchanged 0, remarks 17"
    assert await markets(node) == 0


async def test_broken_encoding_is_told_and_nothing_is_imported(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_bytes(FILE.read_bytes().replace(b"Winooski", b"Winoosk\xed"))
    assert await import_file(node, broken) == EXIT_REFUSED
    err = capsys.readouterr().err
    assert "Line 92 is not UTF-8: byte 0xED" in err
    assert "Nothing was imported" in err
    assert await markets(node) == 0


async def test_a_write_that_fails_in_the_middle_leaves_nothing(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    async with node.store.database.write() as tx:
        await tx.execute(
            "CREATE TRIGGER fail AFTER INSERT ON records WHEN NEW.source_id = '1018466'"
            " BEGIN SELECT raise(ABORT, 'no more'); END"
        )
    before = await node.store.envelopes.last_row()
    assert await import_file(node) == EXIT_REFUSED
    assert "refused" in capsys.readouterr().err
    assert (await markets(node), await node.store.envelopes.last_row()) == (0, before)


async def test_a_file_that_is_not_there_is_said(node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await import_file(node, tmp_path / "none.csv") == EXIT_REFUSED
    assert "none.csv cannot be read: No such file" in capsys.readouterr().err


async def test_a_huge_file_is_not_read_whole(node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(50_000_000)
    assert await import_file(node, huge) == EXIT_REFUSED
    assert "larger than 8 MiB" in capsys.readouterr().err


async def test_without_a_node_there_is_nothing_to_import_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await tntn(FILE, "--data", tmp_path / "nowhere") == EXIT_REFUSED
    assert "There is no node in" in capsys.readouterr().err
