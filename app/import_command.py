"""`tntn import`: brings directories made elsewhere onto this community's boards."""

import argparse
import asyncio
from pathlib import Path

from app import usda
from app.core.directory import DirectoryEntry
from app.errors import InputError


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`tntn import SOURCE FILE`."""
    importing = commands.add_parser("import", help="bring a directory made elsewhere onto the boards")
    sources = importing.add_subparsers(title="sources", metavar="SOURCE", required=True)
    markets = sources.add_parser(
        "usda-markets",
        help="farmers markets from the USDA's National Farmers Market Directory (CSV)",
        description="Import the farmers markets of a CSV export of the USDA's National Farmers Market Directory. Each"
        " market becomes one directory record, signed by this node; importing again adds only what has changed. What"
        " could not be read is reported, one line each. It works while the node runs. The records travel by radio only"
        " in spare airtime, behind what people write.",
    )
    markets.add_argument("file", type=Path, metavar="FILE", help="the CSV file")
    markets.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="the node's data folder (default: data)"
    )
    markets.add_argument("--dry-run", action="store_true", help="read and report only, write nothing")
    markets.set_defaults(run=_import_markets)


def _import_markets(options: argparse.Namespace) -> int:
    found = usda.read_markets(_read(options.file, usda.FILE_BYTES_MAX))
    new, unchanged = asyncio.run(_publish(options.data, usda.SOURCE, found.entries, dry_run=options.dry_run))
    for remark in found.remarks:
        print(remark)
    if options.dry_run:
        print("Dry run: nothing was written. Without --dry-run it would be:")
    print(f"imported {new}, unchanged {unchanged}, remarks {len(found.remarks)}")
    return 0


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(data) > bytes_max:
        raise InputError(f"{path} is larger than {bytes_max // 1024**2} MiB. Is it the right file?")
    return data


async def _publish(data: Path, source: str, entries: tuple[DirectoryEntry, ...], *, dry_run: bool) -> tuple[int, int]:
    """(new or changed, unchanged). All of it is on the boards, or none."""
    from app import founding
    from app.acceptance import Draft
    from app.clock import SystemClock
    from app.core.record import REF_BYTES, Kind, Lifetime

    node = await founding.open_node(data, SystemClock())
    try:
        known = await node.store.boards.imported(source)
        drafts = []
        for entry in entries:
            body = entry.encode()
            earlier, earlier_body = known.get(entry.source_id, (None, None))
            if body != earlier_body:
                ref = None if earlier is None else earlier[:REF_BYTES]
                drafts.append(Draft(Kind.DIRECTORY, Lifetime.LONG, body, ref))
        if drafts and not dry_run:
            await node.door.publish(drafts, "import")
        return len(drafts), len(entries) - len(drafts)
    finally:
        await node.close()
