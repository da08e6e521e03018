"""`tntn demo`: three nodes, three simulated radios and one post's journey, all on this machine.

The nodes are real `tntn run` processes that open pseudo-terminals as they would open /dev/ttyUSB0; only the air
between them is simulated, with the airtime that it really costs.
"""

import argparse
from pathlib import Path

HTTP_BASE = 8081
HTTPS_BASE = 8441
MARKETS = Path(__file__).parents[2] / "demo" / "usda-farmers-markets-vermont.csv"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`tntn demo`."""
    demo = commands.add_parser(
        "demo",
        help="run a small network of three nodes on this machine",
        description="Start the nodes Market Square, North Valley and Hill Farm with simulated LoRa radios. Market"
        " Square and Hill Farm cannot hear each other; North Valley hears both. Stays up until Ctrl-C; with --once it"
        " posts a notice at Market Square, follows it to Hill Farm and ends, with 0 when all boards agree.",
    )
    demo.add_argument("--once", action="store_true", help="one post's journey, unattended, then stop")
    demo.add_argument(
        "--data", type=Path, metavar="DIR", help="keep the nodes' data here (default: a temporary folder)"
    )
    demo.add_argument(
        "--http-base", type=int, metavar="PORT", help=f"first of three HTTP ports (default: {HTTP_BASE} if free)"
    )
    demo.add_argument(
        "--https-base", type=int, metavar="PORT", help=f"first of three HTTPS ports (default: {HTTPS_BASE} if free)"
    )
    demo.add_argument(
        "--markets", type=Path, default=MARKETS, metavar="FILE", help="markets to import (default: the demo's own)"
    )
    demo.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from app.demo.show import run

    return run(options)
