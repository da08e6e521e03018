"""A disk that fills up under a running node: refused with a sentence, nothing half-written, and room is used again."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.robustness.node_process import NodeProcess, look_at_disk
from tests.robustness.phones import Phone

DISK_MIB = 12
BALLAST_MIB = 6
POSTS_MAX = 20_000
"""Of 3 kB each: several times the disk."""

pytestmark = pytest.mark.anyio


@pytest.fixture
def small_disk(process: NodeProcess) -> Iterator[Path]:
    """The node's data folder is a file system of its own, half of it taken by a file that can be removed."""
    process.data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(process.data)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("only root may mount the small file system that this fills")
    ballast = process.data / "ballast"
    ballast.write_bytes(bytes(BALLAST_MIB * 2**20))
    yield ballast
    subprocess.run(["umount", "--lazy", str(process.data)], check=True)


async def test_a_full_disk(process: NodeProcess, small_disk: Path) -> None:
    await process.start()
    await process.answers()
    phone = Phone(process.url, 0, await process.space_id())
    async with httpx.AsyncClient(base_url=process.url) as client:
        await phone.offer(client, phone.introduction())
        refused, record = await fill(client, phone)
        assert refused.status_code == httpx.codes.INSUFFICIENT_STORAGE
        assert refused.json()["error"] == "full"
        assert "disk is full" in refused.json()["message"]
        assert (await client.get("/boards/bulletin")).status_code == httpx.codes.OK, "reading goes on"
    await process.kill()
    check(process, phone)
    small_disk.unlink()
    await process.start()
    await process.answers()
    async with httpx.AsyncClient(base_url=process.url) as client:
        again = await phone.offer(client, record)
        assert again.status_code == httpx.codes.CREATED, "what was refused whole is taken when there is room"
    await process.stop()
    check(process, phone)


async def test_room_is_used_again_without_a_restart(process: NodeProcess, small_disk: Path) -> None:
    await process.start()
    await process.answers()
    phone = Phone(process.url, 0, await process.space_id())
    async with httpx.AsyncClient(base_url=process.url) as client:
        await phone.offer(client, phone.introduction())
        _, record = await fill(client, phone)
        small_disk.unlink()
        assert (await phone.offer(client, record)).status_code == httpx.codes.CREATED
    await process.stop()
    check(process, phone)


async def test_a_first_start_on_a_full_disk(process: NodeProcess, small_disk: Path) -> None:
    free = os.statvfs(process.data)
    (process.data / "more ballast").write_bytes(bytes(free.f_bavail * free.f_bsize))
    await process.start()
    assert await process.ends() == 1
    said = process.output.read_text("utf-8")
    assert "disk is full" in said
    assert "Traceback" not in said
    (process.data / "more ballast").unlink()
    await process.start()
    await process.answers()
    await process.stop()


async def fill(client: httpx.AsyncClient, phone: Phone) -> tuple[httpx.Response, bytes]:
    """Post until the node refuses. Its answer, and the record that it refused."""
    for _ in range(POSTS_MAX):
        record = phone.post(secrets.token_hex(3000))
        answer = await phone.offer(client, record)
        if answer.is_error:
            return answer, record
    raise AssertionError("the disk never filled up")


def check(process: NodeProcess, phone: Phone) -> None:
    disk = look_at_disk(process.data)
    assert disk.soundness == "ok"
    assert phone.told <= set(disk.records)
    assert len(disk.records) == len(phone.told) + 1, "only the node's own introduction besides"
    assert sorted(disk.log) == list(range(1, len(disk.log) + 1))
    assert all(total == shown for _, total, shown in disk.boards)
