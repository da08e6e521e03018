"""`kill -9` of `tntn bundle` in the middle: the old bundle stays whole, and what was half read is read to its end."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.clock import ManualClock, SystemClock, minutes_of
from app.founding import Node, invite, start_node
from tests.people import NOW_MINUTES, Person
from tests.sync.test_bundle_exchange import fill, photos

pytestmark = pytest.mark.anyio
MINUTES = min(NOW_MINUTES, minutes_of(SystemClock().now_ms()))
PHOTOS = 60
PHOTO_BYTES = 400_000
POLL_SECONDS = 0.001
COMMAND_SECONDS_MAX = 30


@pytest.fixture
async def other(node: Node, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Node]:
    joined = await start_node(tmp_path / "other", clock, name="Mill Bridge", join=await invite(node))
    yield joined
    await joined.close()


async def tntn(*arguments: object, kill_when: Callable[[], bool] = lambda: False) -> int:
    """The exit code; negative when it was killed, as soon as the condition held."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "bundle", *map(str, arguments)), stdout=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(COMMAND_SECONDS_MAX):
        ended = asyncio.create_task(process.wait())
        while not ended.done():
            if kill_when():
                process.kill()
                break
            await asyncio.wait({ended}, timeout=POLL_SECONDS)
        return await ended


def bytes_in(folder: Path, pattern: str) -> int:
    """Of the files that stand there now; some go while they are counted."""
    total = 0
    for path in folder.glob(pattern):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


async def test_killed_writers_leave_the_old_bundle_whole(
    node: Node, other: Node, person: Person, tmp_path: Path
) -> None:
    data, stick = node.store.database.path.parent, tmp_path / "stick"
    stick.mkdir()
    await fill(node, person, minutes=MINUTES)
    assert await tntn("write", stick, "--data", data) == 0
    old = (stick / "tntn.car").read_bytes()
    await node.store.blobs.add(photos(PHOTOS, PHOTO_BYTES))
    rng, killed = random.Random(1), 0
    for _ in range(5):
        enough = rng.randrange(1, PHOTOS * PHOTO_BYTES)
        code = await tntn("write", stick, "--data", data, kill_when=lambda: bytes_in(stick, ".*.tmp") >= enough)  # noqa: B023
        killed += code < 0
        if code < 0:
            assert (stick / "tntn.car").read_bytes() == old
        else:
            (stick / "tntn.car").write_bytes(old)
    assert killed
    assert await tntn("write", stick, "--data", data) == 0
    assert [path.name for path in stick.iterdir()] == ["tntn.car"]  # nor is anything of the others left
    assert await tntn("read", stick, "--data", tmp_path / "other") == 0
    assert len(await other.store.blobs.addresses()) == 32 * PHOTOS


async def test_killed_readers_begin_again_and_get_there(
    node: Node, other: Node, person: Person, tmp_path: Path
) -> None:
    data, stick = node.store.database.path.parent, tmp_path / "stick.car"
    await fill(node, person, 400, minutes=MINUTES)
    pictures = photos(PHOTOS, PHOTO_BYTES)
    await node.store.blobs.add(pictures)
    assert await tntn("write", stick, "--data", data) == 0
    rng, killed = random.Random(2), 0
    blobs = tmp_path / "other" / "blobs"
    for part in range(1, 6):
        enough = rng.randrange(part * PHOTOS * PHOTO_BYTES // 6)
        code = await tntn(
            *("read", stick, "--data", tmp_path / "other"),
            kill_when=lambda: bytes_in(blobs, "*/*") > enough,  # noqa: B023
        )
        killed += code < 0
        held = await other.store.blobs.addresses()
        for at in range(0, len(held), 32):  # whatever a row says is whole
            assert (blobs / held[at : at + 1].hex() / held[at : at + 32].hex()).stat().st_size == PHOTO_BYTES
    assert killed
    assert await tntn("read", stick, "--data", tmp_path / "other") == 0
    assert await other.store.blobs.addresses() == await node.store.blobs.addresses()
    assert await other.store.envelopes.vector() == {**await node.store.envelopes.vector(), 1: 1}
