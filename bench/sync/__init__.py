"""Two nodes on a link of 20 ms round trip, beside rsync over ssh and Syncthing on the same link in the same run."""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.report import Goal, report
from bench.sync import nodes, reconcile, rivals
from bench.sync.link import ADDRESSES, Link, Traffic, opened
from bench.sync.posting import POSTING, prepared_posts

POSTS, POST_BYTES = 10_000, 300
PHOTOS, PHOTO_BYTES = 500, 100_000
QUIET_S = 1.0
"""The link is quiet for so long before and after what is measured, so that nothing else is counted with it."""
CHECK_POLL_S = 5.0
CHECK_S = 330.0
"""A session checks every five minutes."""


class Run(msgspec.Struct, frozen=True):
    """One measurement: who, what, seconds until it is stored, bytes on the link in both directions."""

    who: str
    what: str
    seconds: float
    bytes: int


def main(arguments: list[str]) -> int:
    """Run it all. 0 when every goal was met; 2 where no link can be made."""
    parser = argparse.ArgumentParser(prog="bin/bench sync", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and goals there")
    parser.add_argument("--quick", action="store_true", help="leave out the five minutes until the next check")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        print("bin/bench sync makes network namespaces: it needs root and /dev/net/tun. Nothing was measured.")
        return 2
    with tempfile.TemporaryDirectory(prefix="tntn-bench-") as folder, opened() as link:
        return _measure(options, Path(folder), link)


def _measure(options: argparse.Namespace, folder: Path, link: Link) -> int:
    throughput = _throughput(link)
    print(f"The link itself: 50 MB in {50 / throughput:.2f} s, {throughput:.0f} MB/s, 20 ms round trip.\n", flush=True)
    runs = [*_ours(folder, link, quick=options.quick), *_rsync(folder, link), *_syncthing(folder, link)]
    _print(runs)
    costs = [reconcile.measure(ids, 500, 500) for ids in (100_000,)] + [reconcile.measure(100_000, 1_000, 0)]
    best = {(run.who, run.what): run for run in runs}
    goals = [
        Goal("posts: our seconds of rsync's", _ratio(best, "posts", "rsync", lambda run: run.seconds), 1.0),
        Goal("posts: our bytes of rsync's", _ratio(best, "posts", "rsync", lambda run: run.bytes), 1.0),
        Goal("posts: our seconds of Syncthing's", _ratio(best, "posts", "syncthing", lambda run: run.seconds), 1.0),
        Goal("posts, seconds", best["tntn", "posts"].seconds, 2.9),
        Goal("posts, MB", best["tntn", "posts"].bytes / 1e6, 4.04),
        Goal("photos: our seconds of rsync's", _ratio(best, "photos", "rsync", lambda run: run.seconds), 1.0),
        Goal("photos, seconds", best["tntn", "photos"].seconds, 1.9),
        Goal("photos, MB", best["tntn", "photos"].bytes / 1e6, 52.9),
        Goal("one more post, seconds", best["tntn", "one more"].seconds, 0.32),
        Goal("one more post, bytes", best["tntn", "one more"].bytes, 1200),
    ]
    if not options.quick:
        goals.append(Goal("nothing changed, bytes", best["tntn", "nothing new"].bytes, 300))
    goals += [
        Goal(f"check, 100,000 ids, {cost.differences:,} differences, kB", cost.bytes / 1e3, 97.6 * 1.3)
        for cost in costs
    ]
    figures = {
        "throughput_mb_per_s": throughput,
        "runs": msgspec.to_builtins(runs),
        "checks": msgspec.to_builtins(costs),
    }
    return report(figures, goals, options.json)


def _ours(folder: Path, link: Link, *, quick: bool) -> list[Run]:
    here, there = folder / "here", folder / "there"
    mean = asyncio.run(nodes.fill(here, POSTS, 0, 0))
    asyncio.run(nodes.join(here, there))
    posts = prepared_posts(here, 5)
    print(f"tntn: {POSTS:,} posts of {mean:.0f} bytes in the mean", flush=True)
    runs = []
    with nodes.running(link, 0, here), contextlib.closing(nodes.Shelf(here)) as ours:
        held = ours.count("envelopes")
        link.reset()
        with nodes.running(link, 1, there), contextlib.closing(nodes.Shelf(there)) as theirs:
            done = theirs.wait_for("envelopes", held)
            traffic = _quiet(link)
            runs.append(Run("tntn", "posts", done - traffic.first_s, traffic.bytes))
            singles = []
            for number, post in enumerate(posts):
                link.reset()
                sent = _post(link, post)
                done = theirs.wait_for("envelopes", held + number + 1)
                singles.append(Run("tntn", "one more", done - sent, _quiet(link).bytes))
            runs.append(sorted(singles[1:], key=lambda run: run.seconds)[len(singles) // 2 - 1])
            if not quick:
                runs.append(Run("tntn", "nothing new", 0.0, _check_bytes(link)))
    runs.append(_our_photos(folder / "photos-here", folder / "photos-there", link))
    return runs


def _our_photos(here: Path, there: Path, link: Link) -> Run:
    asyncio.run(nodes.fill(here, 0, PHOTOS, PHOTO_BYTES))
    asyncio.run(nodes.join(here, there))
    with nodes.running(link, 0, here):
        link.reset()
        with nodes.running(link, 1, there), contextlib.closing(nodes.Shelf(there)) as theirs:
            done = theirs.wait_for("blobs", PHOTOS)
            traffic = _quiet(link)
            return Run("tntn", "photos", done - traffic.first_s, traffic.bytes)


def _rsync(folder: Path, link: Link) -> list[Run]:
    rivals.write_files(folder / "posts", POSTS, POST_BYTES)
    rivals.write_files(folder / "photos", PHOTOS, PHOTO_BYTES)
    if "rsync" in rivals.missing() or "sshd" in rivals.missing():
        print("rsync or sshd is not installed: skipped")
        return []
    runs = []
    with rivals.sshd(link, folder / "ssh") as reach:
        for what in ("posts", "photos"):
            link.reset()
            seconds = rivals.rsync(link, reach, folder / what, folder / f"rsync-{what}")
            runs.append(Run("rsync", what, seconds, link.traffic().bytes))
        for what in ("nothing new", "one more"):
            if what == "one more":
                (folder / "posts" / "one-more.bin").write_bytes(os.urandom(POST_BYTES))
            link.reset()
            seconds = rivals.rsync(link, reach, folder / "posts", folder / "rsync-posts")
            runs.append(Run("rsync", what, seconds, link.traffic().bytes))
    return runs


def _syncthing(folder: Path, link: Link) -> list[Run]:
    if "syncthing" in rivals.missing():
        print("Syncthing is not installed: skipped")
        return []
    count = len(list((folder / "posts").glob("*.bin")))
    here = rivals.Syncthing(link, 0, folder / "st-here", folder / "posts")
    there = rivals.Syncthing(link, 1, folder / "st-there", folder / "st-posts")
    try:
        here.start(there)
        here.scan()
        link.reset()
        there.start(here)
        done = rivals.wait_for_files(there.shared, count)
        traffic = _quiet(link)
        runs = [Run("syncthing", "posts", done - traffic.first_s, traffic.bytes)]
        (folder / "posts" / "another.bin").write_bytes(os.urandom(POST_BYTES))
        time.sleep(QUIET_S)
        link.reset()
        here.scan("another.bin")
        done = rivals.wait_for_files(there.shared, count + 1)
        traffic = _quiet(link)
        return [*runs, Run("syncthing", "one more", done - traffic.first_s, traffic.bytes)]
    finally:
        here.stop()
        there.stop()


def _post(link: Link, record: bytes) -> float:
    """Hand a signed record to the node at the near end, as a phone there does; the moment at which it was sent."""
    address = f"https://127.0.0.1:{nodes.HTTPS_PORT}/api/v1/records"
    command = link.command(0, [sys.executable, "-c", POSTING, address, record.hex()])
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _check_bytes(link: Link) -> int:
    """What the next check costs: the most that passes at one time. TCP's own keepalives come every two minutes."""
    link.reset()
    seen, largest, until = 0, 0, time.monotonic() + CHECK_S
    while time.monotonic() < until:
        time.sleep(CHECK_POLL_S)
        carried = link.traffic().bytes
        seen, largest = carried, max(largest, carried - seen)
    return largest


def _quiet(link: Link) -> Traffic:
    """What was counted, once nothing moves any more."""
    before = link.traffic()
    while True:
        time.sleep(QUIET_S)
        after = link.traffic()
        if after.bytes == before.bytes:
            return after
        before = after


def _throughput(link: Link) -> float:
    """MB/s of one plain TCP connection."""
    server = subprocess.Popen(link.command(1, [sys.executable, "-c", _RECEIVE]), stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    started = time.monotonic()
    subprocess.run(link.command(0, [sys.executable, "-c", _SEND]), check=True)
    server.wait()
    server.stdout.close()
    return 50 / (time.monotonic() - started)


_RECEIVE = f"""
import socket
server = socket.create_server(("{ADDRESSES[1]}", 5001))
print(flush=True)
connection, _ = server.accept()
while connection.recv(1 << 18):
    pass
"""
_SEND = f"""
import socket
connection = socket.create_connection(("{ADDRESSES[1]}", 5001))
connection.sendall(bytes(50_000_000))
connection.shutdown(socket.SHUT_WR)
connection.recv(1)
"""


def _ratio(best: dict[tuple[str, str], Run], what: str, rival: str, figure: Callable[[Run], float]) -> float:
    """Ours as a part of theirs; where they are not installed nothing was beaten."""
    if (rival, what) not in best:
        return float("nan")
    return figure(best["tntn", what]) / figure(best[rival, what])


def _print(runs: list[Run]) -> None:
    print(f"{'':<12} {'':<10} {'seconds':>8} {'bytes on the link':>18}")
    for run in sorted(runs, key=lambda run: run.what):
        print(f"{run.what:<12} {run.who:<10} {run.seconds:>8.2f} {run.bytes:>18,}")
    print()
