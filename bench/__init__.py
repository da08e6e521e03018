"""Benchmarks of TNTN: `bin/bench NAME`. Each is a module here with `main(arguments) -> int` and goals of its own."""
