"""`tntn ipfs`: this node's encrypted photos for IPFS, as a CAR file or pinned by a Kubo daemon."""

import argparse
import asyncio
from pathlib import Path

API = "http://127.0.0.1:5001"
"""Where Kubo's RPC listens unless its keeper says otherwise."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`tntn ipfs export FILE.car` and `tntn ipfs pin`."""
    ipfs = commands.add_parser("ipfs", help="keep the encrypted photos on IPFS too")
    verbs = ipfs.add_subparsers(title="commands", metavar="COMMAND", required=True)
    export = verbs.add_parser(
        "export",
        help="write the encrypted photos into a CAR file",
        description="Write all photos of this node, encrypted as they are, into a CARv1 file that `ipfs dag import`"
        " takes. Each photo is one raw block and a root, so the import pins it.",
    )
    export.add_argument("file", type=Path, metavar="FILE.car", help="the file")
    _add_data(export)
    export.set_defaults(run=_export)
    pin = verbs.add_parser(
        "pin",
        help="pin the encrypted photos in a Kubo daemon",
        description="Hand all photos of this node, encrypted as they are, to the Kubo daemon on this machine, which"
        " pins them. A daemon that announces what it has tells the public network this machine's address: such a one is"
        " used only with --announce.",
    )
    pin.add_argument("--api", default=API, metavar="URL", help=f"the daemon's RPC address (default: {API})")
    pin.add_argument("--announce", action="store_true", help="also with a daemon that announces what it has")
    _add_data(pin)
    pin.set_defaults(run=_pin)


def _export(options: argparse.Namespace) -> int:
    from app.clock import SystemClock
    from app.sync.bundle_writing import export_blobs
    from app.sync.parties import open_party

    async def act() -> int:
        async with open_party(options.data, SystemClock()) as party:
            return await export_blobs(options.file, party)

    print(f"{asyncio.run(act())} photos, encrypted, are in {options.file}.")
    return 0


def _pin(options: argparse.Namespace) -> int:
    from app.clock import SystemClock
    from app.errors import ConflictError
    from app.sync.bundle_writing import sound_blobs
    from app.sync.ipfs import Kubo
    from app.sync.parties import open_party

    kubo = Kubo(options.api)

    async def act() -> int:
        if not options.announce and await asyncio.to_thread(kubo.announces):
            raise ConflictError(
                "This Kubo daemon announces what it has, and so this machine's address, to the public network. Switch"
                " that off with: ipfs config --json Provide.Enabled false, and restart it; or say --announce."
            )
        pinned = 0
        async with open_party(options.data, SystemClock()) as party:
            async for address, blob in sound_blobs(party):
                await asyncio.to_thread(kubo.pin, address, blob)
                pinned += 1
        return pinned

    try:
        print(f"{asyncio.run(act())} photos, encrypted, are pinned.")
    finally:
        kubo.close()
    return 0


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="the node's data folder (default: data)"
    )
