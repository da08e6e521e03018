"""Options that several commands have."""

import argparse
from pathlib import Path


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """`--data DIR`, the same in every command."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="the node's data folder (default: data)",
    )
