"""The radio's commands: `tntn airtime` and `tntn ether`."""

import argparse
import asyncio
import contextlib
import random
import signal
from pathlib import Path

from app.errors import InputError

_NAMES = "market-square,north-valley,hill-farm"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Hang the radio's commands into the parser of `tntn`."""
    _add_airtime(commands)
    _add_ether(commands)


def _add_airtime(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "airtime",
        help="how long a LoRa frame is on air",
        description="Print the time on air of one LoRa frame in milliseconds, by Semtech's formula. Low data rate"
        " optimization is on where a symbol takes 16 ms or longer, as the chips need it.",
        epilog="example:  tntn airtime --sf 9 --bw 125 --cr 5 --preamble 8 --bytes 10   prints 144.384",
    )
    parser.add_argument("--sf", type=int, required=True, metavar="5-12", help="spreading factor")
    parser.add_argument("--bw", type=float, default=125.0, metavar="KHZ", help="bandwidth in kHz (default: 125)")
    parser.add_argument(
        "--cr", type=int, default=5, metavar="5-8", help="coding rate: 5 stands for 4/5, 8 for 4/8 (default: 5)"
    )
    parser.add_argument("--preamble", type=int, default=8, metavar="SYMBOLS", help="preamble (default: 8 symbols)")
    parser.add_argument("--bytes", type=int, required=True, metavar="N", help="payload, 0 to 255 bytes")
    parser.add_argument("--implicit-header", action="store_true", help="without LoRa's own header")
    parser.add_argument("--no-crc", action="store_true", help="without the checksum at the end")
    parser.add_argument(
        "--ldro",
        choices=("auto", "on", "off"),
        default="auto",
        help="low data rate optimization (default: auto)",
    )
    parser.set_defaults(run=_airtime)


def _airtime(options: argparse.Namespace) -> int:
    from app.radio.airtime import LowDataRate, airtime_ms, modulation

    try:
        settings = modulation(
            options.sf,
            options.bw,
            options.cr,
            options.preamble,
            explicit_header=not options.implicit_header,
            crc=not options.no_crc,
            low_data_rate=LowDataRate(options.ldro),
        )
        milliseconds = airtime_ms(settings, options.bytes)
    except InputError as error:
        raise InputError(f"--{error.field}: {error.message}", error.field) from error
    print(f"{milliseconds:.3f}")
    return 0


def _add_ether(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "ether",
        help="simulate LoRa radios on pseudo-terminals",
        description="Simulate a LoRa channel with a modem at each place. Each modem speaks the KISS protocol of the"
        " MeshCore modem firmware on a pseudo-terminal, to be opened like /dev/ttyUSB0: real airtime, half duplex,"
        " collisions. Places hear their neighbors in the order given, unless --link says otherwise. Prints a line"
        " `NAME PATH` for each, then `ready`, and runs until it is stopped.",
    )
    parser.add_argument("--nodes", default=_NAMES, metavar="A,B,…", help=f"places (default: {_NAMES})")
    parser.add_argument(
        "--link", action="append", default=[], metavar="A:B=DB", help="path loss between two places, instead of a line"
    )
    parser.add_argument(
        "--dir", type=Path, metavar="DIR", help="put links to the terminals here, under the places' names"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="how much faster than real time (default: 1)"
    )
    parser.add_argument(
        "--loss", type=float, default=0.0, metavar="SHARE", help="frames lost by chance, 0 to 1 (default: 0)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of all chance (default: 1)")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="write a line of JSON for each transmission")
    parser.set_defaults(run=_ether)


def _ether(options: argparse.Namespace) -> int:
    names = [name.strip() for name in options.nodes.split(",")]
    if len(set(names)) != len(names) or not all(names):
        raise InputError("--nodes: each place needs a name of its own.", "nodes")
    if not 0.0 <= options.loss <= 1.0:
        raise InputError("--loss: a share runs from 0 to 1.", "loss")
    if options.speed <= 0:
        raise InputError("--speed: time only runs forward.", "speed")
    asyncio.run(_serve_ether(options, names, _losses(options.link, names)))
    return 0


async def _serve_ether(options: argparse.Namespace, names: list[str], losses: dict[tuple[str, str], float]) -> None:
    from app.radio.ether_ports import EtherPorts, linked
    from app.radio.field import Field

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(options.journal.open("a", encoding="utf-8")) if options.journal else None
        chance = random.Random(options.seed)  # noqa: S311 - repeatable on purpose
        ports = EtherPorts(Field(names, losses, chance, options.loss), options.speed, journal)
        stack.callback(ports.close)
        paths = {name: port.path for name, port in ports.ports.items()}
        if options.dir is not None:
            links = stack.enter_context(linked(ports, options.dir))
            paths = {name: str(link) for name, link in links.items()}
        for name, path in paths.items():
            print(f"{name} {path}", flush=True)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(ports.run(), name="ether")
            print("ready", flush=True)
            await stopped.wait()
            running.cancel()


def _losses(links: list[str], names: list[str]) -> dict[tuple[str, str], float]:
    from app.radio.field import line

    if not links:
        return line(names)
    losses: dict[tuple[str, str], float] = {}
    for link in links:
        places, _, loss = link.partition("=")
        near, _, far = places.partition(":")
        if near not in names or far not in names or near == far:
            raise InputError(f"--link: {link!r} does not name two of the places.", "link")
        try:
            losses[near, far] = losses[far, near] = float(loss)
        except ValueError:
            raise InputError(f"--link: {link!r} does not say a path loss in dB, such as A:B=125.", "link") from None
    return losses
