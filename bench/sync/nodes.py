"""Two nodes for the link: their data folders filled and pinned to each other, and `tntn run` at both ends."""

import base64
import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from app import founding
from app.acceptance import Draft
from app.clock import SystemClock
from app.core.blob import address_of
from app.core.record import Kind, Lifetime
from app.founding import Node
from app.store.database import FILE_NAME
from app.store.peers import Peer, PeerStore
from app.sync.home import sync_key
from app.sync.message import Role
from bench.sync.link import ADDRESSES, Link

HTTP_PORT, HTTPS_PORT, SYNC_PORT = 18080, 18443, 18444
BATCH = 500
BODY_CHARACTERS = 238
"""Of random letters, some of which deflate takes away: an envelope has 300 bytes then, in the mean."""
START_S = 20.0
DONE_S = 120.0
POLL_S = 0.005


async def fill(data: Path, posts: int, photos: int, photo_bytes: int) -> float:
    """Found a node with so many posts and photos. Returns the mean bytes of an envelope."""
    node = await founding.start_node(data, SystemClock(), "Market Square", "Upper Valley")
    try:
        await write_posts(node, posts)
        for number in range(photos):
            blob = hashlib.shake_256(f"photo {number}".encode()).digest(photo_bytes)
            await node.store.blobs.write(address_of(blob), 0, blob, len(blob))
            await node.store.blobs.finish([address_of(blob)])
        row = await node.store.database.read_one("SELECT avg(length(bytes)) FROM envelopes")
        assert row is not None
        return float(row[0])
    finally:
        await node.close()


async def write_posts(node: Node, posts: int) -> None:
    """Posts that all differ."""
    for first in range(0, posts, BATCH):
        texts = [_text(number) for number in range(first, min(first + BATCH, posts))]
        await node.door.publish([Draft(Kind.POST, Lifetime.LONG, text.encode()) for text in texts], "node")


async def join(here: Path, there: Path) -> None:
    """A second member in another folder, and both pinned to each other; the second one dials."""
    first = await founding.open_node(here, SystemClock())
    try:
        code = await founding.invite(first)
        second = await founding.start_node(there, SystemClock(), "Mill Bridge", join=code)
        try:
            await _pin(first, second, ())
            await _pin(second, first, (f"{ADDRESSES[0]}:{SYNC_PORT}",))
        finally:
            await second.close()
    finally:
        await first.close()


@contextlib.contextmanager
def running(link: Link, end: int, data: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`tntn run` at one end, from when it listens to the end of the block."""
    arguments = ["run", "--data", str(data), "--host", "0.0.0.0", "--http", str(HTTP_PORT)]
    arguments += ["--https", str(HTTPS_PORT), "--sync", str(SYNC_PORT)]
    command = link.command(end, [sys.executable, "-m", "app", *arguments])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    try:
        until = time.monotonic() + START_S
        for line in process.stdout:
            if b"Ctrl-C" in line:
                break
            if time.monotonic() > until:
                raise TimeoutError("the node did not start")
        yield process
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


class Shelf:
    """What is on a node's disk, read beside it."""

    def __init__(self, data: Path) -> None:
        self._connection = sqlite3.connect(f"file:{data / FILE_NAME}?mode=ro", uri=True)

    def count(self, table: str) -> int:
        """Rows of `envelopes` or `blobs`."""
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def wait_for(self, table: str, count: int) -> float:
        """The moment at which so many are on the disk."""
        until = time.monotonic() + DONE_S
        while time.monotonic() < until:
            if self.count(table) >= count:
                return time.monotonic()
            time.sleep(POLL_S)
        raise TimeoutError(f"{self.count(table)} of {count} {table} arrived within {DONE_S:.0f} s")

    def close(self) -> None:
        self._connection.close()


async def _pin(node: Node, other: Node, addresses: tuple[str, ...]) -> None:
    key = await sync_key(PeerStore(other.store.database))
    identity = other.identity
    peer = Peer(key.peer_id, key.certificate, identity.name, identity.index, Role.MEMBER, True, None, addresses, 0)
    await PeerStore(node.store.database).pin(peer)


def _text(number: int) -> str:
    letters = base64.b64encode(hashlib.shake_256(f"post {number}".encode()).digest(BODY_CHARACTERS)).decode()
    return f"Post {number}\n{letters[: BODY_CHARACTERS - 12]}"
