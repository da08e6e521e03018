"""`tntn backup` beside a running node under load, and `tntn restore` onto another machine, each in its own process."""

import asyncio
import io
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from app import backup_command
from app.__main__ import main
from app.backup.archive import read_entries
from app.backup.sealing import HEADER_BYTES, Opener, decode_header, derive_key
from app.backup.writing import write_backup
from app.clock import ManualClock
from app.errors import ConflictError, InputError
from app.founding import RESTORING, start_node
from app.store.database import FILE_NAME
from app.store.node import RENEWED_INDEX_MIN
from tests.robustness.commands import tntn
from tests.robustness.node_process import NodeProcess, look_at_disk
from tests.robustness.phones import Phone

PASSPHRASE = "correct horse battery"


@pytest.mark.anyio
async def test_a_node_under_load_is_backed_up_and_lives_on_elsewhere(tmp_path: Path) -> None:
    old, new = NodeProcess(tmp_path / "old"), NodeProcess(tmp_path / "new")
    path = tmp_path / "valley.backup"
    for process in (old, new):
        process.folder.mkdir()
    try:
        await old.start("--name", "Mill Bridge")
        await old.answers()
        phones = [Phone(old.url, number, await old.space_id()) for number in range(3)]
        async with httpx.AsyncClient(base_url=old.url) as client:
            for record in (phones[0].introduction(), *(phones[0].post() for _ in range(10))):
                assert (await phones[0].offer(client, record)).status_code == httpx.codes.CREATED
        told_before = set(phones[0].told)
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as writing:
            for phone in phones[1:]:
                writing.create_task(phone.write_until(enough))
            code, printed = await tntn(
                "backup", str(path), "--data", str(old.data), "--passphrase-file", "-", given=PASSPHRASE
            )
            enough.set()
        assert code == 0, printed
        assert PASSPHRASE not in printed
        told = set.union(*(phone.told for phone in phones))
        assert len(told) > 20  # they wrote while it was made
        code, printed = await tntn(
            "restore", str(path), "--data", str(new.data), "--passphrase-file", "-", given=PASSPHRASE
        )
        assert code == 0, printed
        assert "Mill Bridge is restored" in printed

        await new.start()  # the old one runs on meanwhile
        await new.answers()
        restored = look_at_disk(new.data)
        assert restored.soundness == "ok"
        assert told_before <= set(restored.records)
        assert set(restored.records) - set(look_at_disk(old.data).records) - told != set()  # its new introduction
        async with httpx.AsyncClient(base_url=new.url) as client:
            neighbor = Phone(new.url, 7, await new.space_id())
            assert (await neighbor.offer(client, neighbor.introduction())).status_code == httpx.codes.CREATED
            assert (await neighbor.offer(client, neighbor.post())).status_code == httpx.codes.CREATED
            assert "Mill Bridge" in (await client.get("/")).text
        assert await new.stop() == 0
        final = look_at_disk(new.data)
        assert neighbor.told <= set(final.records)
        assert all(total == shown for _, total, shown in final.boards)
        assert await old.stop() == 0
    finally:
        await old.kill()
        await new.kill()


@pytest.mark.anyio
async def test_a_backup_that_is_killed_leaves_the_one_before_and_the_next_one_works(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path)
    path = tmp_path / "valley.backup"
    try:
        await node.start()
        await node.answers()
    finally:
        await node.kill()
    arguments = ("backup", str(path), "--data", str(node.data), "--passphrase-file", "-")
    assert (await tntn(*arguments, given=PASSPHRASE))[0] == 0
    names = names_in(path)
    assert "tntn.sqlite3" in names
    for pause in (0.15, 0.25, 0.3, 0.35, 0.4, 0.5):
        await kill_after(pause, *arguments)
        assert names_in(path) == names  # the one before or the next, and whole
    assert (await tntn(*arguments, given=PASSPHRASE))[0] == 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data", "node.log", "valley.backup"]
    assert (
        await tntn("restore", str(path), "--data", str(tmp_path / "new"), "--passphrase-file", "-", given=PASSPHRASE)
    )[0] == 0


@pytest.mark.anyio
async def test_a_restore_that_is_killed_is_whole_or_nothing(tmp_path: Path, clock: ManualClock) -> None:
    await (await start_node(tmp_path / "data", clock, name="Mill Bridge")).close()
    write_backup(tmp_path / "data", tmp_path / "backup", PASSPHRASE)
    new = tmp_path / "new"
    arguments = ("restore", str(tmp_path / "backup"), "--data", str(new), "--passphrase-file", "-")
    restored = 0
    for pause in (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.8):
        await kill_after(pause, *arguments)
        if (new / FILE_NAME).exists():
            restored += 1
            node = await start_node(new, clock)
            assert node.identity.name == "Mill Bridge"
            assert node.identity.index >= RENEWED_INDEX_MIN
            await node.close()
            shutil.rmtree(new)
        elif (new / RESTORING).exists():
            with pytest.raises(ConflictError, match="cut off"):
                await start_node(new, clock)
    if not restored:
        code, printed = await tntn(*arguments, given=PASSPHRASE)
        assert code == 0, printed
    assert {path.name for path in tmp_path.iterdir()} <= {"data", "backup", "new"}


def names_in(path: Path) -> list[str]:
    """The files in a backup, all of it read."""
    with path.open("rb") as file:
        header = decode_header(file.read(HEADER_BYTES))
        opener = Opener(file.read, derive_key(PASSPHRASE, header), header)
        return [entry.name for entry, pieces in read_entries(opener.read) if sum(map(len, pieces)) == entry.size]


async def kill_after(seconds: float, *arguments: str) -> int | None:
    """Run a command and kill it then, unless it is done. Its exit code."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(PASSPHRASE.encode() + b"\n")
    await process.stdin.drain()
    ending = asyncio.create_task(process.wait())
    await asyncio.wait([ending], timeout=seconds)
    if not ending.done():
        process.kill()
    process.stdin.close()
    return await ending


def test_refusals_are_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE + "\n")
    (tmp_path / "no-backup").write_text("hello")
    file = ("--passphrase-file", str(secret))
    assert main(["backup", str(tmp_path / "b"), "--data", str(tmp_path / "none"), *file]) == 1
    assert "There is no node in" in capsys.readouterr().err
    assert main(["restore", str(tmp_path / "no-backup"), "--data", str(tmp_path / "new"), *file]) == 1
    assert "no backup of a TNTN node" in capsys.readouterr().err
    assert main(["backup", str(tmp_path / "b"), "--passphrase-file", str(tmp_path / "missing")]) == 1
    assert "passphrase cannot be read" in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["no-backup", "secret"]


def test_the_passphrase_is_asked_twice_for_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["first one", "first one", "first one", "another one", "only once"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
    assert backup_command._passphrase(None, "?", again="again?") == "first one"
    with pytest.raises(InputError, match="two different"):
        backup_command._passphrase(None, "?", again="again?")
    assert backup_command._passphrase(None, "?") == "only once"


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(InputError, match="--passphrase-file"):
        backup_command._passphrase(None, "?")


def test_percents_are_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = backup_command._progress("backup")
    report(1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    report(50, 200)
    report(51, 200)
    report(200, 200)
    assert capsys.readouterr().err.split("\r")[1:] == ["backup: 25 % of 0.0 MiB", "backup: 100 % of 0.0 MiB\n"]
