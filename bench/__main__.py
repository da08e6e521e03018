"""`python -m bench NAME …`: finds the benchmark by its module's name and runs it."""

import importlib
import pkgutil
import sys

import bench

EXIT_USAGE = 2
PARTS = {"__main__", "report", "weight"}
"""Modules here that are no benchmark of their own; those that are have a `main`."""


def main(arguments: list[str]) -> int:
    """Run the benchmark that the first argument names, with the rest. 0 when its goals were met, else 1."""
    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in PARTS)
    if not arguments or arguments[0] not in names:
        _print_usage(names)
        return 0 if arguments in ([], ["--help"], ["--list"]) else EXIT_USAGE
    benchmark = importlib.import_module(f"bench.{arguments[0]}")
    code: int = benchmark.main(arguments[1:])
    return code


def _print_usage(names: list[str]) -> None:
    print("Usage: bin/bench NAME [--json FILE]\n")
    for name in names:
        purpose = (importlib.import_module(f"bench.{name}").__doc__ or "").strip().partition("\n")[0]
        print(f"  {name:<10} {purpose}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
