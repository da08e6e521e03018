"""`tntn bundle`: what is here onto a stick, and what a stick has into here. Beside a running node, or without one."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.sync.bundle_words import describe_reading, describe_written, in_words

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
            print(
                f"\r{100 * done // max(total, 1):3} % of {in_words(total)} {word}", end=end, file=sys.stderr, flush=True
            )

    return tell


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="the node's data folder (default: data)"
    )
