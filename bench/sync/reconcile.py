"""What the check costs: bytes, steps, time and memory, from 1,000 to 1,000,000 ids. `python -m bench.sync.reconcile`.

Two sides in one process, the bytes as the messages go through the stream (before TLS). Ids are random, in 14 months.
"""

import random
import sys
import time
import tracemalloc
from collections.abc import Mapping

import msgspec

from app.sync.message import LENGTH_BYTES, Check, Message, encode_body
from app.sync.reconcile import CheckRun

ID_BYTES = 16
EPOCHS = 14
SALTS = bytes(range(16))
COUNTS = (1_000, 10_000, 100_000, 1_000_000)
RUNS_MAX = 8


class Cost(msgspec.Struct, frozen=True):
    """Of a whole check, with the run that finds nothing any more. Milliseconds are of both sides together."""

    ids: int
    differences: int
    runs: int
    messages: int
    bytes: int
    milliseconds: float


def two_sets(ids: int, mine: int, theirs: int, seed: int) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Two sides' keys: `ids` in common, and so many that only one of them has, scattered over the epochs."""
    rng = random.Random(seed)
    shared = [(rng.randrange(EPOCHS), rng.randbytes(ID_BYTES)) for _ in range(ids)]
    extra = [(rng.randrange(EPOCHS), rng.randbytes(ID_BYTES)) for _ in range(mine + theirs)]
    return packed(shared + extra[:mine]), packed(shared + extra[mine:])


def packed(names: list[tuple[int, bytes]]) -> dict[int, bytes]:
    """Ids as `Log.keys` gives them."""
    keys: dict[int, list[bytes]] = {}
    for epoch, name in names:
        keys.setdefault(epoch, []).append(name)
    return {epoch: b"".join(sorted(set(group))) for epoch, group in keys.items()}


def merged(keys: Mapping[int, bytes], names: list[tuple[int, bytes]]) -> dict[int, bytes]:
    """The keys with more ids among them."""
    added = packed(names)
    all_names = {epoch: split(keys.get(epoch, b"")) | split(added.get(epoch, b"")) for epoch in {*keys, *added}}
    return {epoch: b"".join(sorted(group)) for epoch, group in all_names.items()}


def split(ids: bytes) -> set[bytes]:
    """The single ids."""
    return {ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)}


def one_run(
    leader_keys: Mapping[int, bytes], follower_keys: Mapping[int, bytes], run: int
) -> tuple[CheckRun, CheckRun, list[Message]]:
    """Both sides at the end of a run, and what they said."""
    leader, follower = CheckRun(leader_keys, SALTS, run), CheckRun(follower_keys, SALTS, run)
    said: list[Message] = [Check(run, False, leader.digest)]
    if leader.digest == follower.digest:
        leader.agree()
        follower.agree()
        return leader, follower, [*said, said[0]]
    roots = follower.roots()
    step = leader.receive_roots(roots)
    said += [roots, step]
    sides = [follower, leader]
    while True:
        answer = sides[0].receive(step)
        if answer is None:
            return leader, follower, said
        said.append(answer)
        step = answer
        sides.reverse()


def measure(ids: int, mine: int, theirs: int, seed: int = 1) -> Cost:
    """Check until both sides hold the same."""
    leader_keys, follower_keys = two_sets(ids, mine, theirs, seed)
    said: list[Message] = []
    spent = 0.0
    for run in range(1, RUNS_MAX + 1):
        started = time.perf_counter()
        leader, follower, heard = one_run(leader_keys, follower_keys, run)
        spent += time.perf_counter() - started
        said += heard
        if leader.digest == follower.digest:
            size = sum(LENGTH_BYTES + len(encode_body(message)) for message in said)
            return Cost(ids, mine + theirs, run, len(said), size, 1000 * spent)
        follower_keys = merged(follower_keys, [(stray.epoch, stray.name) for stray in leader.strays])
        leader_keys = merged(leader_keys, [(stray.epoch, stray.name) for stray in follower.strays])
    raise AssertionError(f"The sets still differ after {RUNS_MAX} runs.")


def peak_bytes(ids: int, mine: int, theirs: int, seed: int = 1) -> int:
    """What both sides of a run take at most, beside the ids themselves."""
    leader_keys, follower_keys = two_sets(ids, mine, theirs, seed)
    tracemalloc.start()
    one_run(leader_keys, follower_keys, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main(counts: tuple[int, ...]) -> None:
    """Print a line for each size and each kind of difference. The memory is that of both sides, beside the ids."""
    print(f"{'ids':>9} {'differ':>12} {'runs':>5} {'messages':>9} {'bytes':>9} {'ms':>8} {'peak MB':>8}")
    for ids in counts:
        for mine, theirs in ((0, 0), (1, 0), (0, 10), (500, 500), (1000, 0), (0, 1000)):
            cost = measure(ids, mine, theirs)
            kind = f"{mine} + {theirs}"
            print(
                f"{ids:>9,} {kind:>12} {cost.runs:>5} {cost.messages:>9} {cost.bytes:>9,}"
                f" {cost.milliseconds:>8.1f} {peak_bytes(ids, mine, theirs) / 1e6:>8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main(tuple(int(argument) for argument in sys.argv[1:]) or COUNTS)
