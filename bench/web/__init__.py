"""Serving a board of 25 posts out of 10,000, beside two references; memory, start, and what a phone downloads."""

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from bench import weight
from bench.report import Goal, report
from bench.web import load
from bench.web.data import ENTRY, fill, write_template
from bench.web.servers import Kind, Posting, Served, serve

CONNECTIONS = (2, 16, 64)
ROUNDS = 3
SECONDS = 1
"""A run of one server at one number of connections: 36 of them make half a minute with the pauses."""
POSTS = 10_000
KEPT_SHARE_GOAL = 0.35
RENDERED_SHARE_GOAL = 0.80
RESIDENT_MB_GOAL = 75.0
START_SECONDS_GOAL = 1.5
STARTS = 5
"""The best counts, all are in the figures: whatever else the machine does only adds."""

Runs = dict[Kind, dict[int, list[load.Run]]]


class Row(msgspec.Struct, frozen=True):
    """One server at one number of connections: medians over the rounds."""

    server: str
    connections: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_request: float
    share: float | None


def main(arguments: list[str]) -> int:
    """Run it all. 0 when every goal was met."""
    parser = argparse.ArgumentParser(prog="bin/bench web", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and goals there")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"interleaved rounds (default: {ROUNDS})")
    parser.add_argument("--posts", type=int, default=POSTS, help=f"posts on the board (default: {POSTS:,})")
    options = parser.parse_args(arguments)
    load.ensure_wrk()
    with tempfile.TemporaryDirectory(prefix="tntn-bench-") as folder:
        return _measure(options, Path(folder))


def _measure(options: argparse.Namespace, folder: Path) -> int:
    print(f"Writing {options.posts:,} posts …", flush=True)
    data = folder / "node"
    asyncio.run(fill(data, options.posts))
    shutil.copytree(data, folder / "again")
    starts = [_start_seconds(data) for _ in range(STARTS)]
    with serve(Kind.KEPT, data) as kept:
        page = load.fetch(kept.url)
        (folder / "page.html").write_bytes(page)
        write_template(page, folder / "again")
        runs = _load_all(kept, folder, options.rounds)
        resident_mb = kept.resident_mb()
        weights = weight.measure(kept.base)
    rows = _rows(runs)
    _print(rows, len(page))
    figures: dict[str, Any] = {
        "rows": msgspec.to_builtins(rows),
        "page_bytes": len(page),
        "resident_mb": resident_mb,
        "start_s": starts,
        "cores": load.cores_words(),
    }
    goals = [*_goals(rows, resident_mb, starts), *weights]
    return report(figures, goals, options.json)


def _start_seconds(data: Path) -> float:
    with serve(Kind.KEPT, data) as started:
        return started.start_s


def _load_all(kept: Served, folder: Path, rounds: int) -> Runs:
    """Rounds over all servers, so that the machine's drift hits them alike; one is loaded at a time."""
    runs: Runs = {kind: {connections: [] for connections in CONNECTIONS} for kind in Kind}
    with (
        serve(Kind.RENDERED, folder / "again") as rendered,
        serve(Kind.CONSTANT, folder / "page.html") as constant,
        serve(Kind.MINIMAL, folder / "again") as minimal,
        Posting(kept),
    ):
        _check_same(kept, minimal)
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for server in (constant, kept, minimal, rendered):
                    runs[server.kind][connections].append(load.run(server, connections, SECONDS))
    return runs


def _check_same(kept: Served, minimal: Served) -> None:
    """The minimal handler makes the same page, or the comparison says nothing."""
    ours, theirs = load.fetch(kept.url), load.fetch(minimal.url)
    difference = abs(len(ours) - len(theirs)) / len(ours)
    if difference > 0.05 or theirs.count(ENTRY.encode()) != ours.count(ENTRY.encode()):
        sys.exit(
            f"The minimal page has {len(theirs)} bytes, ours {len(ours)}: bench/web/minimal_post.html is out of date."
        )


def _rows(runs: Runs) -> list[Row]:
    reference = {Kind.KEPT: Kind.CONSTANT, Kind.RENDERED: Kind.MINIMAL}
    return [
        _row(kind, connections, found, runs[reference[kind]][connections] if kind in reference else None)
        for kind, by_connections in runs.items()
        for connections, found in by_connections.items()
    ]


def _row(kind: Kind, connections: int, found: list[load.Run], reference: list[load.Run] | None) -> Row:
    shares = [
        ours.requests_per_s / theirs.requests_per_s for ours, theirs in zip(found, reference or found, strict=True)
    ]
    return Row(
        server=kind,
        connections=connections,
        requests_per_s=statistics.median(run.requests_per_s for run in found),
        p50_ms=statistics.median(run.p50_ms for run in found),
        p99_ms=statistics.median(run.p99_ms for run in found),
        cpu_us_per_request=statistics.median(run.cpu_us_per_request for run in found),
        share=None if reference is None else statistics.median(shares),
    )


def _goals(rows: list[Row], resident_mb: float, starts: list[float]) -> list[Goal]:
    wanted = {Kind.KEPT: ("of constant bytes", KEPT_SHARE_GOAL), Kind.RENDERED: ("of minimal", RENDERED_SHARE_GOAL)}
    goals = [
        Goal(f"{row.server} {words}, {row.connections} connections", row.share, goal, at_most=False)
        for row in rows
        if row.share is not None
        for words, goal in [wanted[Kind(row.server)]]
    ]
    goals.append(Goal("resident memory, MB", resident_mb, RESIDENT_MB_GOAL))
    goals.append(Goal(f"start to first answer, best of {len(starts)}, s", min(starts), START_SECONDS_GOAL))
    return goals


def _print(rows: list[Row], page_bytes: int) -> None:
    print(f"\nA board of 25 posts, {page_bytes:,} bytes. {load.cores_words()}\n")
    print(f"{'':<10} {'conn.':>5} {'req/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>8} {'share':>7}")
    for row in rows:
        share = "" if row.share is None else f"{row.share:7.2f}"
        print(
            f"{row.server:<10} {row.connections:>5} {row.requests_per_s:>9,.0f} {row.p50_ms:>8.2f} {row.p99_ms:>8.2f}"
            f" {row.cpu_us_per_request:>8.0f} {share}"
        )
    print("\nkept: `tntn run` while a post a second arrives.  rendered: the same with kept pages off.")
    print("constant: Litestar answering the same bytes.  minimal: Litestar, one aiosqlite query, one Jinja template.\n")
