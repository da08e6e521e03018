"""`tntn backup` and `tntn restore`: a node in one sealed file, and back on another machine."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Callable
from pathlib import Path

from app.errors import InputError
from app.options import add_data_option

PASSPHRASE_BYTES_MAX = 4096
MIB = 1024**2


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`tntn backup PATH` and `tntn restore PATH`."""
    backup = commands.add_parser(
        "backup",
        help="write all of this node into one encrypted file",
        description="Write this node's database, photos and certificates into one file, encrypted with a passphrase. It"
        " works while the node runs. The file is whole when it stands under its name. Whoever has file and passphrase"
        " has the community's key; without the passphrase the file is worth nothing, to you either: write it down.",
    )
    backup.add_argument("path", type=Path, metavar="PATH", help="the file to write")
    add_data_option(backup)
    _add_passphrase_option(backup)
    backup.set_defaults(run=_backup)
    restore = commands.add_parser(
        "restore",
        help="make a node of a backup, in an empty folder",
        description="Unpack a backup into an empty data folder. The node keeps its name, its boards and its peers, and"
        " gets a new key and a new place in the roster: the machine that the backup came from may be running still.",
    )
    restore.add_argument("path", type=Path, metavar="PATH", help="the backup")
    add_data_option(restore)
    _add_passphrase_option(restore)
    restore.set_defaults(run=_restore)


def _add_passphrase_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help="read the passphrase from the first line of a file (- for standard input) instead of asking for it",
    )


def _backup(options: argparse.Namespace) -> int:
    from app.backup.writing import write_backup

    passphrase = _passphrase(options.passphrase_file, "Passphrase for the backup: ", again="Once more: ")
    written = write_backup(options.data, options.path, passphrase, _progress("backup"))
    print(f"{options.path}: {_size(written.file_bytes)}, with {written.photos} photos.")
    return 0


def _restore(options: argparse.Namespace) -> int:
    from app.backup.restoring import restore_backup

    passphrase = _passphrase(options.passphrase_file, "Passphrase of the backup: ")
    restored = asyncio.run(restore_backup(options.path, options.data, passphrase, _progress("restore")))
    print(f"{restored.name} is restored in {options.data}, with {restored.photos} photos.")
    if restored.community is not None:
        print(f"It goes on in {restored.community} as node {restored.index}, with a key of its own.")
    print(f"Start it with: bin/run --data {options.data}")
    return 0


def _passphrase(file: str | None, prompt: str, again: str | None = None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise InputError("There is no terminal to ask for the passphrase. Give it with --passphrase-file.")
        given = getpass.getpass(prompt)
        if again is not None and getpass.getpass(again) != given:
            raise InputError("These were two different passphrases. Nothing was written.", "passphrase")
        return given
    try:
        if file == "-":
            data = sys.stdin.buffer.readline(PASSPHRASE_BYTES_MAX)
        else:
            with Path(file).open("rb") as opened:
                data = opened.readline(PASSPHRASE_BYTES_MAX)
        return data.decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise InputError(f"The passphrase cannot be read from {file}: {error}.", "passphrase") from error


def _progress(what: str) -> Callable[[int, int], None]:
    """Percents on a terminal, nothing in a log."""
    shown = -1

    def report(done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // max(total, 1)
        if percent != shown and sys.stderr.isatty():
            shown = percent
            print(f"\r{what}: {percent} % of {_size(total)}", end="\n" if done >= total else "", file=sys.stderr)

    return report


def _size(count: int) -> str:
    return f"{count / MIB:.1f} MiB"
