"""`bin/sim`: play villages in the simulator. One seed is replayed with its log; many are played on all cores."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from tests.sim.village import SimulationError, play

SEEDS = 50
ABOUT = (
    "Play whole villages on a virtual clock: the real door, store and radio machines, treated as badly as can be, each"
    " village from one seed. Says which seeds broke a promise; exits 1 if any did."
)


def main(arguments: list[str]) -> int:
    """0 when every promise was kept for every seed."""
    parser = argparse.ArgumentParser(prog="bin/sim", description=ABOUT)
    parser.add_argument("seed", nargs="?", type=int, metavar="SEED", help="replay this one, with a log of what happens")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"how many to play (default {SEEDS})")
    parser.add_argument("--start", type=int, default=0, metavar="SEED", help="the first of them (default 0)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="at once (default: one a core)"
    )
    options = parser.parse_args(arguments)
    if options.seed is not None:
        failure = fails(options.seed, aloud=True)
        print(failure or f"seed {options.seed}: every promise was kept")
        return 1 if failure else 0
    return play_many(range(options.start, options.start + options.seeds), options.processes)


def play_many(seeds: range, processes: int) -> int:
    """Play these; prints what failed and how to see it again."""
    started = time.monotonic()
    failures = []
    for count, (seed, failure) in enumerate(zip(seeds, outcomes(seeds, processes), strict=True), start=1):
        if failure:
            failures.append(failure)
            print(f"{failure}\n  replay it with: bin/sim {seed}", flush=True)
        if count % 50 == 0 or count == len(seeds):
            took_s = time.monotonic() - started
            print(f"{count} seeds, {len(failures)} failed, {took_s:.0f} s", flush=True)
    return 1 if failures else 0


def outcomes(seeds: Iterable[int], processes: int) -> Iterable[str | None]:
    """What each seed broke, in order; None where all was kept."""
    if processes == 1:
        yield from map(fails, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(fails, seeds)


def fails(seed: int, *, aloud: bool = False) -> str | None:
    """What was broken, or None."""
    try:
        asyncio.run(play(seed, print if aloud else None))
    except SimulationError as error:
        return str(error)
    except AssertionError as error:
        return f"seed {seed}: {error}"
    return None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:  # `bin/sim SEED | head`
        os._exit(0)
