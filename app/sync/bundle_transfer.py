"""A bundle by the browser: written into a nameless file and streamed out, or streamed into one and read. A shell."""

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from app.clock import minutes_of
from app.core.record import MINUTES_MAX
from app.errors import InputError, StoreFullError
from app.founding import Node
from app.sync.bundle_reading import Reading, read_bundle
from app.sync.bundle_writing import FILE_BYTES_MAX, write_bundle
from app.sync.parties import member_party

PIECE_BYTES = 256 * 1024
RESERVE_BYTES = 64 * 1024**2
"""What an upload leaves free on the disk: what is written on the boards meanwhile comes first."""
STALE_SECONDS = 24 * 3600
"""A bundle that has passed through for a day was left by a node that was killed."""


async def outgoing(node: Node) -> tuple[BinaryIO, int]:
    """(an open file with everything that is here, its bytes). Whoever gets it closes it; it has no name any more."""
    path = _passing(node)
    try:
        written = min(max(minutes_of(node.clock.now_ms()), 0), MINUTES_MAX)
        await write_bundle(path, await member_party(node), written)
        return await asyncio.to_thread(path.open, "rb"), path.stat().st_size
    finally:
        path.unlink(missing_ok=True)


async def pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """The file piece by piece; closed at the end, or when nobody listens any more."""
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


async def incoming(node: Node, arriving: AsyncIterator[bytes]) -> Reading:
    """Take in what is uploaded. InputError for what is no bundle of ours, StoreFullError when the disk is full."""
    path = _passing(node)
    try:
        await _save(path, arriving)
        return await read_bundle(path, await member_party(node))
    finally:
        path.unlink(missing_ok=True)


async def _save(path: Path, arriving: AsyncIterator[bytes]) -> None:
    room = min(FILE_BYTES_MAX, shutil.disk_usage(path.parent).free - RESERVE_BYTES)
    with path.open("xb") as file:
        async for piece in arriving:
            room -= len(piece)
            if room < 0:
                raise StoreFullError("There is no room on this node for a file of this size.")
            await asyncio.to_thread(file.write, piece)
        if file.tell() == 0:
            raise InputError("Choose a bundle first: a file that a node has written, such as tntn.car.", "bundle")


def _passing(node: Node) -> Path:
    """A place for a bundle that passes through. Those of a node that was killed meanwhile go first."""
    folder = node.store.database.path.parent
    for left in folder.glob("*bundle-*.car*"):
        if abs(time.time() - left.stat().st_mtime) > STALE_SECONDS:
            left.unlink(missing_ok=True)
    return folder / f"bundle-{secrets.token_hex(8)}.car"
