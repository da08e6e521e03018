"""The `tntn` command: one parser, one verb a module. The verbs load late, so that `--help` answers at once."""

import argparse
import sys

from app.errors import TntnError
from app.hotspot.suite import hold_tls_to_one_suite
from app.options import add_data_option

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - neighbors come over the hotspot


def main(arguments: list[str] | None = None) -> int:
    """Run one command. 0 when it did what it says, 1 when it could not (said on stderr), 2 for wrong usage."""
    if arguments is None and (sys.argv[1:2] == ["run"] or sys.argv[1:3] == ["peer", "add"]):
        hold_tls_to_one_suite()  # starts the process anew: before anything heavy is imported
    parser = build_parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return EXIT_USAGE
    try:
        code: int = options.run(options)
    except TntnError as error:
        print(f"tntn: {error.message}", file=sys.stderr)
        return EXIT_REFUSED
    except BrokenPipeError:
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options and help."""
    parser = argparse.ArgumentParser(
        prog="tntn",
        description="A node of the Novus Trade Network: a market for neighbors that needs no company, no bank and no"
        " internet. `tntn COMMAND --help` tells more of each command.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_run(commands)
    _add_node(commands)
    from app import backup_command, demo, import_command, inspect_command
    from app.radio import commands as radio_commands
    from app.radio import probe_command
    from app.sync import bundle_commands, ipfs_commands
    from app.sync import commands as peer_commands

    backup_command.add_commands(commands)
    import_command.add_commands(commands)
    inspect_command.add_commands(commands)
    radio_commands.add_commands(commands)
    probe_command.add_commands(commands)
    peer_commands.add_commands(commands)
    bundle_commands.add_commands(commands)
    ipfs_commands.add_commands(commands)
    demo.add_commands(commands)
    return parser


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = commands.add_parser(
        "run",
        help="run this node",
        description="Run a node: its boards over HTTP and HTTPS, and its radio when it has one. The first start makes"
        " the node's keys and a community; later starts find them. Ctrl-C stops it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  bin/run --name 'Mill Bridge' --community 'Upper Valley'\n"
        "  bin/run --join tntn1-…            become a second node of a community\n"
        "  bin/run --radio auto              with the LoRa radio that is found on USB",
    )
    add_data_option(run)
    run.add_argument("--http", type=_port, default=8080, metavar="PORT", help="port for HTTP (default: 8080)")
    run.add_argument("--https", type=_port, default=8443, metavar="PORT", help="port for HTTPS (default: 8443)")
    run.add_argument(
        "--sync",
        type=_port,
        metavar="PORT",
        help="port for peers (default: 8444, or another when that is taken; it stays the same)",
    )
    run.add_argument(
        "--hidden",
        action="store_true",
        help="announce nothing in the local network; peers are still looked for and dialed",
    )
    run.add_argument("--host", default=EVERY_ADDRESS, help="address to listen on (default: 0.0.0.0, every network)")
    run.add_argument("--name", help="this node's name, such as the place where it stands")
    community = run.add_mutually_exclusive_group()
    community.add_argument("--community", metavar="NAME", help="found a new community with this name")
    community.add_argument(
        "--join",
        metavar="CODE",
        help="join a community by the code that `tntn node invite` printed there (- reads it)",
    )
    run.add_argument(
        "--radio",
        metavar="PORT[,DIALECT]",
        help="serial port of the LoRa radio, or auto for the one on USB; its dialect (kiss, rnode, rui3, meshtastic) is"
        " asked unless it is given; remembered (--radio none forgets it)",
    )
    run.add_argument(
        "--region",
        metavar="REGION",
        type=_region,
        help="whose radio rules hold here: EU868, US915, AU915, AS923 or IN865; remembered (default: EU868)",
    )
    run.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from app.serving import run_node

    if options.join == "-":
        options.join = sys.stdin.readline().strip()
    return run_node(options)


def _add_node(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    node = commands.add_parser("node", help="invite another node, or get the keeper's link")
    verbs = node.add_subparsers(title="commands", metavar="COMMAND", required=True)
    invite = verbs.add_parser(
        "invite",
        help="print a code by which another node joins this community",
        description="Print a code by which one more node becomes a member. The code holds the community's key: hand it"
        " over in person, to one keeper, for one node. It is good for 7 days.",
    )
    add_data_option(invite)
    invite.set_defaults(run=_invite)
    keeper = verbs.add_parser(
        "keeper-link",
        help="print a fresh one-time link for the keeper",
        description="Print a one-time path that opens a keeper's session in a browser, good for a day.",
    )
    add_data_option(keeper)
    keeper.set_defaults(run=_keeper_link)


def _invite(options: argparse.Namespace) -> int:
    import asyncio

    from app import founding
    from app.clock import SystemClock

    async def invite() -> str:
        node = await founding.open_node(options.data, SystemClock())
        try:
            return await founding.invite(node)
        finally:
            await node.close()

    print(asyncio.run(invite()))
    return 0


def _keeper_link(options: argparse.Namespace) -> int:
    import asyncio

    from app import founding
    from app.clock import SystemClock

    async def link() -> str:
        node = await founding.open_node(options.data, SystemClock())
        try:
            return await founding.keeper_link(node)
        finally:
            await node.close()

    print(asyncio.run(link()))
    return 0


def _region(text: str) -> str:
    from app.radio.regions import REGIONS

    if text not in REGIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is no region of this version; there are {', '.join(REGIONS)}")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: ports run from 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
