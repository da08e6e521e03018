"""`bin/soak [NAME …]`: all long runs, or those named. Each says its seeds, is bounded, and stops by itself."""

import argparse
import importlib.util
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec

KILLS = 300
SIM_SEEDS = 1000
FUZZ_SECONDS = 600
DECODER_SECONDS = 600
DECODER_GRACE_SECONDS = 60
FUZZ_SEEDS = 2**32


class Soak(msgspec.Struct, frozen=True):
    """A long run: what it does, and the function that does it and returns an exit code."""

    about: str
    run: Callable[[], int]


def main(arguments: list[str]) -> int:
    """Run the soaks that are named, or all. 0 when all passed."""
    parser = argparse.ArgumentParser(prog="bin/soak", description="Run the long tests; all of them without a name.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(SOAKS)}")
    parser.add_argument("--list", action="store_true", help="say what there is")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(SOAKS))
    if unknown:
        parser.error(f"there is no soak {', '.join(unknown)}; there are {', '.join(SOAKS)}")
    if options.list:
        for name, soak in SOAKS.items():
            print(f"{name:<10}{soak.about}")
        return 0
    return max([_timed(name) for name in options.names or SOAKS])


def kills() -> int:
    """Its random seed is printed, and `TNTN_KILLS_SEED` takes it again."""
    return _python(None, "pytest", "tests/robustness/test_kills.py", TNTN_KILLS=str(KILLS))


def seeds() -> int:
    """Seeds 0 to SIM_SEEDS - 1; a failure names its own, and how to replay it."""
    return _python(None, "tests.sim", "--seeds", str(SIM_SEEDS))


def fuzz() -> int:
    """All property tests, round after round with another seed, until the time is over or one fails."""
    end = time.monotonic() + FUZZ_SECONDS
    rounds = 0
    while time.monotonic() < end:
        seed = random.randrange(FUZZ_SEEDS)
        rounds += 1
        print(
            f"fuzz round {rounds}: pytest -m hypothesis --hypothesis-profile soak --hypothesis-seed {seed}", flush=True
        )
        chosen = ("-m", "hypothesis", "--hypothesis-profile", "soak", "--hypothesis-seed", str(seed))
        try:
            code = _python(end - time.monotonic(), "pytest", "-q", "-x", *chosen)
        except subprocess.TimeoutExpired:
            break
        if code:
            return code
    print(f"fuzz: {rounds} rounds, the last one cut off by the time", flush=True)
    return 0


def decoders() -> int:
    """Coverage-guided: each decoder in a process of its own, with what tests/corpus/ holds to begin with."""
    from tests.fuzz.targets import TARGETS

    if importlib.util.find_spec("atheris") is None:
        print("decoders: this needs atheris. Get it with: .venv/bin/uv pip install --group fuzz", flush=True)
        return 1
    limit_s = DECODER_SECONDS + DECODER_GRACE_SECONDS
    # What breaks one must not hide what breaks another, hours later.
    return max([_python(limit_s, "tests.fuzz", name, str(DECODER_SECONDS)) for name in TARGETS])


SOAKS = {
    "kills": Soak(f"kill -9 a node {KILLS} times while phones write; about {KILLS * 2 // 60} minutes", kills),
    "seeds": Soak(f"simulated villages, badly treated, {SIM_SEEDS} seeds; about 10 minutes", seeds),
    "fuzz": Soak(f"all property tests with many more examples, {FUZZ_SECONDS // 60} minutes", fuzz),
    "decoders": Soak(f"each decoder fuzzed by its coverage, {DECODER_SECONDS // 60} minutes each", decoders),
}


def _timed(name: str) -> int:
    print(f"== {name}: {SOAKS[name].about}", flush=True)
    started = time.monotonic()
    code = SOAKS[name].run()
    print(f"== {name}: {'FAILED' if code else 'passed'} after {time.monotonic() - started:.0f} s", flush=True)
    return code


def _python(seconds: float | None, module: str, *arguments: str, **environment: str) -> int:
    """Run a module in a process of its own; a run that takes longer than `seconds` is ended (TimeoutExpired)."""
    command = (sys.executable, "-m", module, *arguments)
    return subprocess.run(command, env=os.environ | environment, timeout=seconds, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
