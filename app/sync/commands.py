"""`tntn peer`: invite another machine, add one by its code, list and remove. Beside a running node, or without one."""

import argparse
import asyncio
import fcntl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import InputError, NotFoundError
from app.options import add_data_option

if TYPE_CHECKING:
    from app.store.peers import Peer, PeerStore
    from app.sync.peer_words import PeerWords

LOCK_NAME = "run.lock"
HEADINGS = ("Name", "Role", "State", "Last seen", "Holds", "Id")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`tntn peer invite`, `add`, `list` and `remove`."""
    peer = commands.add_parser("peer", help="keep this node's boards and photos on other machines too")
    verbs = peer.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_invite(verbs)
    _add_add(verbs)
    _add_list(verbs)
    _add_remove(verbs)


def _add_invite(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    invite = verbs.add_parser(
        "invite",
        help="print a code for one more machine",
        description="Print a code, and a QR of it, by which one more machine becomes a peer of this node:\n"
        "from then on the two keep each other's posts and photos whole, over any network,\n"
        "encrypted. On the other machine: tntn peer add CODE. This node must be running then,\n"
        "and the other one must reach it; afterwards it is enough that one of the two reaches\n"
        "the other. The code is good for one machine and 7 days: hand it over in person.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  tntn peer invite                        for another node of this community\n"
        "  tntn peer invite --blind --quota 20000  for a NAS that stores 20 GB of what it can't read\n"
        "  tntn peer invite --address mill.example where the other machine finds this one from afar",
    )
    invite.add_argument(
        "--blind", action="store_true", help="for a machine that stores and forwards, and can read none of it"
    )
    invite.add_argument("--no-photos", action="store_true", help="it gets posts and other records, no photos")
    invite.add_argument("--quota", type=_megabytes, metavar="MB", help="with --blind: what it stores at most, in MB")
    invite.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="where the other machine finds this one; may be given several times (default: this machine's address in"
        " its own network)",
    )
    invite.add_argument("--no-qr", action="store_true", help="print the code alone")
    add_data_option(invite)
    invite.set_defaults(run=_invite)


def _add_add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = verbs.add_parser(
        "add",
        help="become a peer by the code of another machine",
        description="Take the code that tntn peer invite printed on another machine: the two learn each other's"
        " certificates, and nobody else gets in between. With a code for a blind machine, an empty data folder becomes"
        " a blind node, to be started with tntn run.",
    )
    add.add_argument("code", metavar="CODE", help="the code; - reads it from standard input")
    add.add_argument("--name", help="the name of a new blind node (default: this machine's own)")
    add.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="where the other machine is, if it isn't where the code says; tried first",
    )
    add_data_option(add)
    add.set_defaults(run=_add)


def _add_list(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = verbs.add_parser(
        "list",
        help="list the peers: when they were last seen and what they hold",
        description="List this node's peers: name, role, state, when it was last seen, how much of what is here it is"
        " known to hold, and the beginning of its id.",
    )
    add_data_option(listing)
    listing.set_defaults(run=_list)


def _add_remove(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    remove = verbs.add_parser(
        "remove",
        help="let a peer in no more",
        description="Forget a peer's certificate. A session with it ends at once. What it stores stays with it; without"
        " the community's key it can read none of that.",
    )
    remove.add_argument("peer", metavar="PEER", help="its name, or the beginning of its id, as tntn peer list shows it")
    add_data_option(remove)
    remove.set_defaults(run=_remove)


# The commands


def _invite(options: argparse.Namespace) -> int:
    from app.clock import SystemClock
    from app.founding import open_node
    from app.sync.address import parse_address
    from app.sync.invitation import encode_peer_invitation
    from app.sync.message import Role
    from app.sync.pairing import invite, reachable_at
    from app.sync.service import member_home

    if options.quota is not None and not options.blind:
        raise InputError("--quota is for blind machines: say --blind too.", "quota")
    _refuse_blind(options.data)
    named = [parse_address(text) for text in options.address]

    async def make() -> str:
        node = await open_node(options.data, SystemClock())
        try:
            home = await member_home(node)
            addresses = named or await reachable_at(home.peers)
            role = Role.BLIND if options.blind else Role.MEMBER
            return encode_peer_invitation(
                await invite(home, addresses, role, photos=not options.no_photos, quota_mb=options.quota)
            )
        finally:
            await node.close()

    code = asyncio.run(make())
    print(code)
    if sys.stdout.isatty() and not options.no_qr:
        from app.sync.qr import print_qr

        print(f"\n{print_qr(code)}\nOn the other machine: tntn peer add {code[:10]}…")
    return 0


def _add(options: argparse.Namespace) -> int:
    from app.sync.adding import add_peer
    from app.sync.address import parse_address
    from app.sync.invitation import decode_peer_invitation

    code = sys.stdin.readline() if options.code == "-" else options.code
    also = [parse_address(text) for text in options.address]
    peer = asyncio.run(add_peer(options.data, decode_peer_invitation(code), also, options.name))
    print(f"{peer.name} is a peer now.")
    if not _runs(options.data):
        print(f"Start this node: tntn run --data {options.data}")
    return 0


def _list(options: argparse.Namespace) -> int:
    words = asyncio.run(_words(options.data))
    if not words:
        print("No peers yet. tntn peer invite prints a code for the first one.")
        return 0
    _print_table([(word.name, word.role, word.state, word.seen, word.holds, word.id) for word in words])
    for word in words:
        for remark in word.remarks:
            print(f"\n{word.name}: {remark}")
    if not _runs(options.data):
        print("\nThis node is not running: who is connected is not known.")
    return 0


def _remove(options: argparse.Namespace) -> int:
    from app.store.peers import find_peer

    async def remove() -> "Peer":
        async with _peers(options.data) as (peers, _):
            peer = find_peer(await peers.all(), options.peer)
            await peers.remove(peer.peer_id)
            return peer

    print(f"{asyncio.run(remove()).name} is let in no more.")
    return 0


async def _words(data: Path) -> "list[PeerWords]":
    from app.clock import SystemClock
    from app.store.custody import CustodyStore
    from app.store.overview import OverviewStore
    from app.sync.peer_words import peer_words

    now_ms, runs = SystemClock().now_ms(), _runs(data)
    async with _peers(data) as (peers, is_blind):
        holds, total = None, 0
        if not is_blind:
            holds = await CustodyStore(peers.database, -1).held_by()
            total = (await OverviewStore(peers.database).counts()).envelopes
        return [peer_words(peer, now_ms, holds, total, runs=runs) for peer in await peers.all()]


@asynccontextmanager
async def _peers(data: Path) -> "AsyncIterator[tuple[PeerStore, bool]]":
    """The peers of whatever node lives in the folder, and whether it is blind."""
    from app.store import blind, database
    from app.store.peers import PeerStore

    if blind.is_blind(data):
        opened = (await blind.open_blind(data)).database
    elif (data / database.FILE_NAME).exists():
        opened = await database.open_database(data)
    else:
        raise NotFoundError(f"There is no node in {data}. Start one with: tntn run --data {data}")
    try:
        yield PeerStore(opened), blind.is_blind(data)
    finally:
        await opened.close()


def _refuse_blind(data: Path) -> None:
    from app.store.blind import is_blind

    if is_blind(data):
        raise InputError("A blind node invites nobody: it has nothing to give. Invite from a node of the community.")


def _runs(data: Path) -> bool:
    """Whether a node runs from this folder at the moment."""
    try:
        with (data / LOCK_NAME).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (HEADINGS, *rows)) for column in range(len(HEADINGS))]
    for row in (HEADINGS, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _megabytes(text: str) -> int:
    from app.sync.invitation import QUOTA_MB_MAX

    if not text.isdecimal() or not 0 < int(text) <= QUOTA_MB_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of MB from 1 to {QUOTA_MB_MAX}")
    return int(text)
