"""What a post costs on the air: bytes of its envelope, and how fast a node seals and opens."""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.core.envelope import open_envelope, seal
from app.core.keys import DeviceKey, SpaceId, derive_epoch_keys
from app.core.record import SEQUENCE_MAX, Kind, Lifetime, SignedRecord, compose, sign
from app.errors import InputError
from bench.report import Goal, report

POSTS = tuple(Path(__file__).parents[1] / f"tests/data/posts-{language}.txt" for language in ("en", "es", "fr"))
"""About 80 characters each, unknown to the dictionary (tests/core/test_compression.py sees to it)."""
FIXED_BYTES_GOAL = 96
MEAN_BYTES_GOAL = 150
MEASURED_SECONDS = 1.0
FIRST_SEQUENCE = 1000
"""Two bytes, as for anybody who has written more than 127 records."""
EXIT_UNREADABLE = 2

_KEY = DeviceKey(bytes(range(32)))
_SPACE = SpaceId(bytes(range(16)))
_EPOCH = derive_epoch_keys(_SPACE, 1, bytes(range(32, 64)))
_MINUTES = 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Measure and print. 1 when a goal is missed, 2 when the posts cannot be read."""
    parser = argparse.ArgumentParser(prog="bin/bench record", description=(__doc__ or "").strip())
    parser.add_argument("--posts", type=Path, metavar="FILE", help="posts to measure, one a line (default: tests/data)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and goals here too")
    options = parser.parse_args(arguments)
    try:
        groups = {path.name: _read(path) for path in ([options.posts] if options.posts else POSTS)}
        envelopes = {
            name: [_envelope(post, place) for place, post in enumerate(posts)] for name, posts in groups.items()
        }
    except InputError as error:
        print(f"bench record: {error.message}", file=sys.stderr)
        return EXIT_UNREADABLE
    _print_groups(groups, envelopes)
    posts = [post for group in groups.values() for post in group]
    sizes = [len(envelope) for group in envelopes.values() for envelope in group]
    figures = {
        "fixed_bytes": len(seal(_signed(b"", SEQUENCE_MAX), _EPOCH)),
        "mean_bytes": round(statistics.fmean(sizes), 2),
        "p90_bytes": _percentile(sizes, 90),
        "max_bytes": max(sizes),
        "plain_mean_bytes": round(statistics.fmean(map(len, posts)), 2),
        **_speeds(posts),
    }
    for name, value in figures.items():
        print(f"{name:<17} {value:>10,}")
    print()
    goals = [
        Goal("fixed_bytes", figures["fixed_bytes"], FIXED_BYTES_GOAL),
        Goal("mean_bytes", figures["mean_bytes"], MEAN_BYTES_GOAL),
    ]
    return report(figures, goals, options.json)


def _read(path: Path) -> list[bytes]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    posts = [line.strip().encode() for line in lines if line.strip()]
    if not posts:
        raise InputError(f"{path} holds no posts; it takes one a line.")
    return posts


def _signed(body: bytes, sequence: int) -> SignedRecord:
    record = compose(Lifetime.NORMAL, _KEY.device_id, sequence, _MINUTES, Kind.POST, body)
    return sign(record, _KEY, _SPACE)


def _envelope(post: bytes, place: int) -> bytes:
    return seal(_signed(post, FIRST_SEQUENCE + place), _EPOCH)


def _print_groups(groups: dict[str, list[bytes]], envelopes: dict[str, list[bytes]]) -> None:
    print(f"{'posts':<20} {'count':>6} {'plain':>8} {'packed':>8} {'ratio':>6} {'envelope':>9}")
    for name, posts in groups.items():
        plain = statistics.fmean(map(len, posts))
        envelope = statistics.fmean(map(len, envelopes[name]))
        packed = envelope - len(seal(_signed(b"", FIRST_SEQUENCE), _EPOCH))
        print(f"{name:<20} {len(posts):>6} {plain:>8.1f} {packed:>8.1f} {packed / plain:>6.2f} {envelope:>9.1f}")
    print()


def _speeds(posts: Sequence[bytes]) -> dict[str, int]:
    """Of the whole way: compress, sign and seal; and find the epoch, open, unpack and verify. One core."""
    envelopes = [_envelope(post, place) for place, post in enumerate(posts)]

    def check(place: int) -> None:
        signed, _ = open_envelope(envelopes[place], (_EPOCH,))
        assert signed.is_signed_by(_KEY.public_key, _SPACE)

    return {
        "seals_per_s": _per_second(lambda place: _envelope(posts[place], place), len(posts)),
        "opens_per_s": _per_second(check, len(posts)),
    }


def _per_second(act: Callable[[int], object], count: int) -> int:
    done, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < MEASURED_SECONDS:
        act(done % count)
        done += 1
    return round(done / spent)


def _percentile(sizes: Sequence[int], percent: int) -> int:
    return sorted(sizes)[-(-len(sizes) * percent // 100) - 1]
