"""`tntn bundle` beside a running node and on a blind one, in the words that a keeper reads."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from app.__main__ import EXIT_REFUSED, main
from app.clock import ManualClock, SystemClock, minutes_of
from app.core.boards import Board
from app.core.keys import derive_epoch_keys
from app.founding import Node, invite, start_node
from app.store.blind import BlindEpoch, BlindIdentity, found_blind
from app.sync.bundle_commands import progress
from app.sync.bundle_reading import Reading
from app.sync.bundle_words import describe_reading, describe_written
from app.sync.bundle_writing import Written
from tests.people import NOW_MINUTES, Person
from tests.sync.test_bundle_exchange import fill, photos

pytestmark = pytest.mark.anyio
MINUTES = min(NOW_MINUTES, minutes_of(SystemClock().now_ms()))
"""The commands look at the machine's clock, for which the tests' minute may be days ahead."""


@pytest.fixture
async def other(node: Node, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Node]:
    joined = await start_node(tmp_path / "other", clock, name="Mill Bridge", join=await invite(node))
    await joined.feed.start()
    yield joined
    await joined.close()


async def tntn(*arguments: object) -> int:
    return await anyio.to_thread.run_sync(main, ["bundle", *map(str, arguments)])


def data_of(node: Node) -> Path:
    return node.store.database.path.parent


async def test_a_stick_goes_from_one_running_node_to_another(
    node: Node, other: Node, person: Person, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(node, person, minutes=MINUTES)
    await node.store.blobs.add(photos(2))
    assert await tntn("write", tmp_path, "--data", data_of(node)) == 0
    said = capsys.readouterr().out
    assert said.startswith("5 posts and other records, 2 photos, 11")
    assert f"{tmp_path / 'tntn.car'}" in said
    assert await tntn("read", tmp_path, "--data", data_of(other)) == 0
    assert capsys.readouterr().out == "5 new records (0 known), 2 new photos (0 known)\n"
    assert (await other.store.boards.totals())[Board.BULLETIN] == 3
    assert await tntn("read", tmp_path / "tntn.car", "--data", data_of(other)) == 0
    assert capsys.readouterr().out == "0 new records (5 known), 0 new photos (2 known)\n"


async def test_a_bundle_for_a_node_is_named_by_name_or_number(
    node: Node, other: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await tntn("write", tmp_path / "b.car", "--data", data_of(other), "--for", "Market Square") == 0
    assert await tntn("write", tmp_path / "b.car", "--data", data_of(other), "--for", "0") == 0
    capsys.readouterr()
    assert await tntn("write", tmp_path / "b.car", "--data", data_of(other), "--for", "Nowhere") == EXIT_REFUSED
    assert "No node is called Nowhere. There are: Market Square (0), Mill Bridge (1)." in capsys.readouterr().err


async def test_a_blind_node_writes_and_reads_too(
    node: Node, other: Node, person: Person, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(node, person, minutes=MINUTES)
    epoch = await node.store.node.current_epoch()
    keys = derive_epoch_keys(node.identity.space_id, epoch.number, epoch.key)
    blind = await found_blind(
        tmp_path / "blind",
        BlindIdentity(9, "School cellar", node.identity.space_id),
        [BlindEpoch(epoch.number, keys.relay, keys.link, epoch.started)],
    )
    await blind.close()
    assert await tntn("write", tmp_path, "--data", data_of(node)) == 0
    assert await tntn("read", tmp_path, "--data", tmp_path / "blind") == 0
    assert await tntn("write", tmp_path, "--data", tmp_path / "blind") == 0
    assert await tntn("read", tmp_path, "--data", data_of(other)) == 0
    assert "5 new records" in capsys.readouterr().out
    assert (await other.store.boards.totals())[Board.BULLETIN] == 3


async def test_what_cannot_be_done_is_refused_in_a_sentence(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff" * 100)
    for arguments, message in (
        (("read", tmp_path / "photo.jpg", "--data", data_of(node)), "This is no CAR file of TNTN's kind."),
        (("read", tmp_path / "absent", "--data", data_of(node)), "cannot be read"),
        (("write", tmp_path / "no" / "x.car", "--data", data_of(node)), "Is the stick plugged in?"),
        (("write", tmp_path / "x.car", "--data", tmp_path / "nobody"), "There is no node in"),
    ):
        assert await tntn(*arguments) == EXIT_REFUSED
        assert message in capsys.readouterr().err


def test_every_remark_has_its_words() -> None:
    everything = Reading(3, 0, False, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, "The file ends in the middle of a block.")
    said = "\n".join(describe_reading(everything))
    assert "1 new records (2 known), 5 new photos (6 known)" in said
    for number, words in (
        (3, "expired"),
        (4, "forged"),
        (7, "no room"),
        (9, "damaged"),
        (8, "belong"),
        (10, "not in the file"),
    ):
        line = next(line for line in said.splitlines() if line.startswith(f"{number} "))
        assert words in line
    assert "not known here" in said and "ends in the middle" in said
    assert list(describe_reading(Reading(3, 0, True))) == ["0 new records (0 known), 0 new photos (0 known)"]
    written = "\n".join(describe_written(Written(5, 6, 7, 8, 9)))
    assert "7 photos did not fit" in written and "asks for 8" in written and "9 bytes" in written


def test_progress_is_shown_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter((0.0, 0.1, 0.3, 0.3, 0.3, 0.3))
    progress("read")(50, 100)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    tell = progress("read", lambda: next(moments))
    for done in (10, 50, 100):
        tell(done * 10**5, 10**7)
    assert capsys.readouterr().err == "\r 50 % of 10.0 MB read\r100 % of 10.0 MB read\n"
