"""`tntn bundle`: what is here onto a stick, and what a stick has into here. Beside a running node, or without one."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.sync.bundle_reading import Reading
    from app.sync.bundle_writing import Written

FILE_NAME = "tntn.car"
"""In a folder the bundle has this name, so that writing to the same stick again takes the place of the old one."""
TELL_SECONDS = 0.2


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`tntn bundle write PATH` and `tntn bundle read PATH`."""
    bundle = commands.add_parser("bundle", help="carry posts and photos on a USB stick")
    verbs = bundle.add_subparsers(title="commands", metavar="COMMAND", required=True)
    write = verbs.add_parser(
        "write",
        help="write a bundle",
        description="Write everything that this node keeps into one file, sealed for the community and signed by this"
        " node. With --for, only what that node is not known to have. A bundle that stood there stays whole until the"
        " new one is. It works while the node runs.",
    )
    write.add_argument("path", type=Path, metavar="PATH", help=f"the file; in a folder it is called {FILE_NAME}")
    write.add_argument("--for", dest="holder", metavar="NODE", help="the node it goes to, by its name or number")
    _add_data(write)
    write.set_defaults(run=_write)
    read = verbs.add_parser(
        "read",
        help="read a bundle",
        description="Take in what a bundle has and this node lacks. Everything in it is checked; reading it again"
        " changes nothing, and nothing in a bundle makes a node drop what it has. It works while the node runs.",
    )
    read.add_argument("path", type=Path, metavar="PATH", help=f"the file, or a folder with a {FILE_NAME}")
    _add_data(read)
    read.set_defaults(run=_read)


def describe_written(written: "Written") -> Iterator[str]:
    """What is in a bundle, a line for each thing worth a word."""
    yield f"{written.entries} posts and other records, {written.blobs} photos, {_size(written.size)}"
    if written.requests:
        yield f"It asks for {written.requests} photos that this node lacks."
    if written.left_out:
        yield f"{written.left_out} photos did not fit. Write another bundle when this one was read, or free some space."


def describe_reading(reading: "Reading") -> Iterator[str]:
    """What came of reading one."""
    photos = f"{reading.blobs_new} new photos ({reading.blobs_known} known)"
    yield f"{reading.new} new records ({reading.known} known), {photos}"
    remarks = (
        (reading.gone, "records were left out: they expired or were withdrawn here"),
        (reading.refused, "records were refused: forged, or not of this community"),
        (reading.blobs_refused, "photos found no room: this node's space for photos is used up"),
        (reading.damaged, "blocks are damaged, and were skipped"),
        (reading.foreign, "blocks do not belong to the bundle, and were skipped"),
        (reading.missing, "blocks that it names are not in the file"),
    )
    for count, remark in remarks:
        if count:
            yield f"{count} {remark}."
    if not reading.known_writer:
        yield "Its writer is not known here: what it brought was checked piece by piece, its own word was not believed."
    if reading.ended is not None:
        yield f"Reading stopped early: {reading.ended} What stands before that was taken in."


def _write(options: argparse.Namespace) -> int:
    from app.clock import SystemClock, minutes_of
    from app.core.record import MINUTES_MAX
    from app.sync.bundle_writing import write_bundle
    from app.sync.parties import open_party

    clock = SystemClock()
    path: Path = options.path / FILE_NAME if options.path.is_dir() else options.path

    async def act() -> "Written":
        async with open_party(options.data, clock) as party:
            holder = None if options.holder is None else await party.roster.index_of(options.holder)
            written = min(max(minutes_of(clock.now_ms()), 0), MINUTES_MAX)
            return await write_bundle(path, party, written, holder, progress("written"))

    for line in describe_written(asyncio.run(act())):
        print(line)
    print(f"The bundle is at {path}. Unplug the stick only after ejecting it.")
    return 0


def _read(options: argparse.Namespace) -> int:
    from app.clock import SystemClock
    from app.sync.bundle_reading import read_bundle
    from app.sync.parties import open_party

    path: Path = options.path / FILE_NAME if options.path.is_dir() else options.path

    async def act() -> "Reading":
        async with open_party(options.data, SystemClock()) as party:
            return await read_bundle(path, party, progress("read"))

    for line in describe_reading(asyncio.run(act())):
        print(line)
    return 0


def progress(word: str, now: Callable[[], float] = time.monotonic) -> Callable[[int, int], None]:
    """A line on the terminal that says how far it is; silent where nobody watches."""
    last = now()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if sys.stderr.isatty() and (now() - last >= TELL_SECONDS or done == total):
            last = now()
            end = "\n" if done == total else ""
            print(f"\r{100 * done // max(total, 1):3} % of {_size(total)} {word}", end=end, file=sys.stderr, flush=True)

    return tell


def _size(size: int) -> str:
    return f"{size / 10**6:.1f} MB" if size >= 10**5 else f"{size} bytes"


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="the node's data folder (default: data)"
    )
