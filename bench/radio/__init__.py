"""What it costs on the air to bring posts to everybody, in earshot and along chains, beside other systems."""

import argparse
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from app.core.envelope import envelope_id
from app.radio.airtime import modulation
from app.radio.dialects.on_air import HEADER_BYTES
from app.radio.field import in_earshot, line
from app.radio.frame import envelope_frame_bytes
from app.radio.profile import EU868, Profile
from app.radio.regions import band_of
from bench.radio import peers
from bench.radio.posts import envelopes
from bench.radio.village import Village
from bench.report import Goal, report

POSTS = 20
NODES = 10
CHAIN_HOPS = 5
LOSSES = (0.0, 0.1, 0.3)
POST_BYTES_GOAL = 215
TOTAL_GOALS = {0.0: 1.25, 0.3: 1.9}
BETWEEN_POSTS_MS = 60_000
SETTLE_MS = 15 * 60_000
"""After the last post has come everywhere: late receipts, repairs and vectors are counted too."""
LIMIT_MS = 48 * 3_600_000
WEEK_POSTS = 200
WEEK_PROFILE = Profile("EU868", 868_300_000, modulation(8, 125.0, 5), 14)
"""SF8, 125 kHz, in a sub-band of 1 %."""
CROWDS = (3, 10, 30, 100)
HOPS = (1, 2, 4, 8)
GROWTH_POSTS = 5
SEEDS = 3


class Cost(msgspec.Struct, frozen=True):
    """What so many posts cost in one scenario, per post; the mean of some seeds."""

    bytes_per_post: float
    ms_per_post: float
    delivered: float
    last_s: float
    bytes_by_kind: dict[str, float]


def main(arguments: Sequence[str]) -> int:
    """Measure and print. 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="bin/bench radio", description=(__doc__ or "").strip())
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and goals here too")
    options = parser.parse_args(arguments)
    crowd = [f"n{index}" for index in range(NODES)]
    chain = [f"n{index}" for index in range(CHAIN_HOPS + 1)]
    in_range = {loss: spread(crowd, in_earshot(crowd), loss, POSTS) for loss in LOSSES}
    along = {loss: spread(chain, line(chain), loss, POSTS) for loss in LOSSES}
    print(f"{POSTS} posts of 160 characters, a minute apart, SF9/125 kHz; bytes and ms on air per post")
    for title, costs in ((f"{NODES} nodes in range", in_range), (f"a chain of {CHAIN_HOPS} hops", along)):
        for loss, cost in costs.items():
            _print(f"{title}, {loss:.0%} loss", cost)
    others = _peers(crowd, chain)
    week = catch_up(WEEK_POSTS)
    print("\nA node that was away for a week: " + ", ".join(f"{name} {value:,}" for name, value in week.items()))
    print()
    growth = _growth()
    first = max(HEADER_BYTES + envelope_frame_bytes(len(post), 1) for post in envelopes(POSTS))
    figures: dict[str, Any] = {
        "in_range": {f"{loss:.0%}": msgspec.to_builtins(cost) for loss, cost in in_range.items()},
        "chain": {f"{loss:.0%}": msgspec.to_builtins(cost) for loss, cost in along.items()},
        "peers": others,
        "week": week,
        "growth": growth,
    }
    print()
    goals = [Goal("post_bytes_on_air_max", first, POST_BYTES_GOAL)]
    goals += [
        Goal(f"in_range_{loss:.0%}_bytes_per_post", in_range[loss].bytes_per_post, factor * POST_BYTES_GOAL)
        for loss, factor in TOTAL_GOALS.items()
    ]
    for name, costs in (("in_range", in_range), ("chain", along)):
        goals += [
            Goal(f"{name}_{loss:.0%}_delivered", cost.delivered, 1, at_most=False) for loss, cost in costs.items()
        ]
    goals.append(Goal("week_delivered", week["delivered"], 1, at_most=False))
    return report(figures, goals, options.json)


def spread(
    names: Sequence[str], losses_db: Mapping[tuple[str, str], float], loss: float, count: int, seeds: int = SEEDS
) -> Cost:
    """Bring so many posts, each written at some node, to all; everything on the air is counted."""
    runs = [_spread(names, losses_db, loss, count, seed) for seed in range(seeds)]
    kinds = sorted({kind for run in runs for kind in run.bytes_by_kind})
    return Cost(
        round(sum(run.bytes_per_post for run in runs) / seeds, 1),
        round(sum(run.ms_per_post for run in runs) / seeds, 1),
        min(run.delivered for run in runs),
        round(sum(run.last_s for run in runs) / seeds, 1),
        {kind: round(sum(run.bytes_by_kind.get(kind, 0.0) for run in runs) / seeds, 1) for kind in kinds},
    )


def _spread(
    names: Sequence[str], losses_db: Mapping[tuple[str, str], float], loss: float, count: int, seed: int
) -> Cost:
    village = Village(EU868, names, losses_db, seed, loss)
    channel = village.channel
    village.start()
    channel.run_for(10 * 60_000)  # they know each other
    channel.take_spent()
    posts = envelopes(count)
    chance = random.Random(seed)
    for post in posts:
        chance.choice(village.nodes).write(post)
        channel.run_for(BETWEEN_POSTS_MS)
    ids = [envelope_id(post) for post in posts]
    wrote_ms = channel.now_ms
    channel.run(lambda: village.delivered(ids) == 1, LIMIT_MS)
    last_s = (channel.now_ms - wrote_ms) / 1000
    channel.run_for(SETTLE_MS)
    spent = channel.take_spent()
    by_kind = {kind: size / count for kind, size in spent.bytes_by_kind.items()}
    return Cost(spent.bytes / count, spent.airtime_ms / count, village.delivered(ids), last_s, by_kind)


def catch_up(count: int) -> dict[str, float]:
    """Two nodes; one was away while the other gathered so many posts from five nodes' logs."""
    names = ["kept", "away", "far-1", "far-2", "far-3"]
    village = Village(WEEK_PROFILE, names, line(names[:2]), 1)
    kept, away = village.nodes[:2]
    posts = envelopes(count)
    for place, post in enumerate(posts):
        kept.hold(post, (0, 2, 3, 4)[place % 4], place // 4 + 1)
    channel = village.channel
    kept.start()
    away.start()
    channel.run(lambda: len(away.held) == count, 10 * LIMIT_MS)
    spent = channel.take_spent()
    frames = [HEADER_BYTES + envelope_frame_bytes(len(post), place // 4 + 1) for place, post in enumerate(posts)]
    least_ms = sum(WEEK_PROFILE.frame_airtime_ms(size - HEADER_BYTES) for size in frames)
    share = band_of(WEEK_PROFILE).share
    return {
        "delivered": len(away.held) / count,
        "hours": round(channel.now_ms / 3_600_000, 2),
        "bytes": spent.bytes,
        "airtime_s": round(spent.airtime_ms / 1000, 1),
        "least_hours": round((least_ms / share - 3_600_000) / 3_600_000, 2),
        "least_bytes": sum(frames),
        "least_airtime_s": round(least_ms / 1000, 1),
    }


def _peers(crowd: Sequence[str], chain: Sequence[str]) -> dict[str, Any]:
    print("\nOthers, per message of 160 characters")
    found: dict[str, Any] = {}
    for title, names, losses_db in (("in_range", crowd, in_earshot(crowd)), ("chain", chain, line(chain))):
        for loss in LOSSES:
            spent, delivered = peers.meshtastic(EU868, names, losses_db, loss, POSTS, 1)
            found[f"meshtastic_{title}_{loss:.0%}"] = {"bytes": spent.bytes / POSTS, "delivered": round(delivered, 3)}
            print(
                f"Meshtastic's flooding, {title}, {loss:.0%} loss: {spent.bytes / POSTS:>8,.0f} B,"
                f" {delivered:.1%} delivered"
            )
    readers = len(crowd) - 1
    found["lxmf_bytes"] = (peers.LXMF_BYTES + peers.LXMF_PROOF_BYTES) * readers
    found["lxmf_propagated_bytes_per_reader"] = peers.LXMF_PROPAGATED_20_BYTES / POSTS
    print(f"LXMF to {readers} readers, without loss (published): {found['lxmf_bytes']:,} B")
    print(f"LXMF through a propagation node, a reader (published): {found['lxmf_propagated_bytes_per_reader']:,.0f} B")
    return found


def _growth() -> dict[str, Any]:
    found: dict[str, Any] = {"nodes": {}, "hops": {}}
    for count in CROWDS:
        names = [f"n{index}" for index in range(count)]
        cost = spread(names, in_earshot(names), 0.0, GROWTH_POSTS, 1)
        found["nodes"][count] = cost.bytes_per_post
        _print(f"{count} nodes in range", cost)
    for count in HOPS:
        names = [f"n{index}" for index in range(count + 1)]
        cost = spread(names, line(names), 0.0, GROWTH_POSTS, 1)
        found["hops"][count] = cost.bytes_per_post
        _print(f"a chain of {count} hops", cost)
    return found


def _print(title: str, cost: Cost) -> None:
    kinds = ", ".join(f"{kind} {size:,.0f}" for kind, size in cost.bytes_by_kind.items())
    print(
        f"{title:<32} {cost.bytes_per_post:>9,.1f} B {cost.ms_per_post:>9,.0f} ms  {cost.delivered:>6.1%} delivered,"
        f" the last after {cost.last_s:,.0f} s  ({kinds})"
    )
