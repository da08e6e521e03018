"""Reads a bundle into a node's stores: envelopes by the log's own door, blobs by their hashes.

It adds and asks. That something is missing in a bundle, or called known in its vector, makes nobody skip or delete
anything here. Reading it again changes nothing. Shell of app/sync/bundle_file.py.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from app.core.blob import ADDRESS_BYTES, BlobAddress
from app.core.envelope import envelope_id
from app.errors import DecodeError, InputError, StoreFullError
from app.radio.span import Span, holds, normal
from app.sync import bundle
from app.sync.bundle import Manifest
from app.sync.bundle_file import BundleFile
from app.sync.bundle_party import Party
from app.sync.log import Placed

APPEND_MAX = 250
"""Envelopes verified and stored in one go."""

Tell = Callable[[int, int], None]
"""(bytes read, bytes in all), for whoever watches."""


class Reading(msgspec.Struct):
    """What came of it, counted. `known_writer`: the roster has its key. `ended` says why reading stopped early."""

    index: int
    written: int
    known_writer: bool
    new: int = 0
    known: int = 0
    gone: int = 0
    refused: int = 0
    blobs_new: int = 0
    blobs_known: int = 0
    blobs_refused: int = 0
    foreign: int = 0
    damaged: int = 0
    missing: int = 0
    ended: str | None = None


async def read_bundle(path: Path, party: Party, tell: Tell = lambda _done, _all: None) -> Reading:
    """Take in what the bundle at `path` has. InputError for what is no bundle of this community, or is forged."""
    try:
        with path.open("rb") as opened:
            file = BundleFile(opened, party.space_id, party.links)
            manifest = await asyncio.to_thread(file.read_manifest)
            reading = await _introduce(manifest, party)
            await _take_all(file, party, reading, tell)
            await _heed(manifest, party, reading)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    reading.blobs_known = file.skipped
    reading.foreign, reading.damaged, reading.missing = file.foreign, file.damaged, file.missing
    reading.ended = file.ended
    return reading


async def _introduce(manifest: Manifest, party: Party) -> Reading:
    """A writer that the roster doesn't know may be introduced by the bundle itself; one with another key is forged."""
    expected = await party.roster.key_of(manifest.index)
    if expected not in (None, manifest.public_key):
        raise DecodeError("writer", "This bundle says it is from a node whose key is another: it is forged.")
    return Reading(manifest.index, manifest.written, expected is not None)


async def _take_all(file: BundleFile, party: Party, reading: Reading, tell: Tell) -> None:
    packed = await party.blobs.addresses()
    held = {BlobAddress(packed[at : at + ADDRESS_BYTES]) for at in range(0, len(packed), ADDRESS_BYTES)}
    while True:
        pieces, done = await asyncio.to_thread(lambda: (file.next_pieces(held), file.position))
        if not pieces.entries and not pieces.blobs:
            return
        for start in range(0, len(pieces.entries), APPEND_MAX):
            await _take_entries(pieces.entries[start : start + APPEND_MAX], party, reading)
        await _take_blobs(pieces.blobs, party, reading)
        tell(done, file.size)


async def _take_entries(entries: Sequence[Placed], party: Party, reading: Reading) -> None:
    """A writer whose key isn't known is nobody's witness: what it brings counts as come by way of this node itself."""
    via = reading.index if reading.known_writer else party.index
    fresh = await _fresh(entries, party, reading)
    if fresh:
        held = await party.log.append(fresh, via)
        reading.new += sum(held)
        reading.refused += len(held) - sum(held)


async def _fresh(entries: Sequence[Placed], party: Party, reading: Reading) -> list[Placed]:
    """Those that are not here. What is gone stays gone; a second envelope at a place that holds one comes in."""
    places: dict[int, list[Span]] = defaultdict(list)
    for placed in entries:
        places[placed.index].append(Span(placed.number, placed.number))
    missing = await party.log.missing({index: normal(spans) for index, spans in places.items()})
    fresh = [placed for placed in entries if holds(missing.get(placed.index, ()), placed.number)]
    there = [placed for placed in entries if not holds(missing.get(placed.index, ()), placed.number)]
    found = {found.envelope for found in await party.log.find([envelope_id(placed.envelope) for placed in there])}
    for placed in there:
        if placed.envelope in found:
            reading.known += 1
        elif await party.log.get(placed.index, Span(placed.number, placed.number), 1):
            fresh.append(placed)
        else:
            reading.gone += 1
    return fresh


async def _take_blobs(blobs: Sequence[bytes], party: Party, reading: Reading) -> None:
    if not blobs:
        return
    try:
        new = await party.blobs.add(blobs)
    except StoreFullError:
        reading.blobs_refused += len(blobs)
        return
    reading.blobs_new += sum(new)


async def _heed(manifest: Manifest, party: Party, reading: Reading) -> None:
    """What a writer says about itself: what it knows, holds and would like. Only from one that the roster knows."""
    reading.known_writer = await party.roster.key_of(manifest.index) == manifest.public_key
    if not reading.known_writer or manifest.index == party.index:
        return
    await party.log.missing(manifest.vector)  # one that knows more of our own log than we do: we were restored
    await party.blobs.note(manifest.blobs, manifest.index)
    await party.blobs.cover(manifest.holds, manifest.index)
    await party.blobs.ask(manifest.requests, manifest.index)
    await party.heard.hear(manifest.index, manifest.written, bundle.encode_vector(manifest.vector))
