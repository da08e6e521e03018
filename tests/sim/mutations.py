"""Does the simulator find what it should? Plant known bugs in a scratch copy, one at a time, and play seeds there.

`python -m tests.sim.mutations [NAME …]` says for each bug the first seed that broke a promise, and which one. Exits 1
when a bug survived. The copy is thrown away; nothing here touches the working tree.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
SEEDS = 50
SECONDS_MAX = 300


class Change(msgspec.Struct, frozen=True):
    """A text in a file that stands there once, and what stands there instead."""

    file: str
    old: str
    new: str


class Mutation(msgspec.Struct, frozen=True):
    """A bug: what it is, and the changes that make it."""

    about: str
    changes: tuple[Change, ...]


MUTATIONS = {
    "gaps": Mutation(
        "a node asks only for what is above its last entry: gaps in the ranges are dropped",
        (
            Change(
                "app/radio/vector.py",
                "_add(wants, index, minus(their_log.known, my_log.known))",
                "_add(wants, index, minus(their_log.known, up_to(my_log.highest)))",
            ),
            Change(
                "app/radio/logbook.py",
                "return minus((span,), self._logs[index].known) if index in self._logs else (span,)",
                "known = self._logs[index].known if index in self._logs else ()\n"
                "        return minus((span,), up_to(known[-1].last if known else 0))",
            ),
        ),
    ),
    "counters": Mutation(
        "counters are reserved in memory, not on the disk: after a power cut they are used again",
        (
            Change(
                "app/store/node.py",
                "            first = int(next(iter(rows))[0]) + 1\n"
                '            await tx.execute("UPDATE node SET counter_reserved = ?", (first + count - 1,))',
                '            first = getattr(self, "_last", int(next(iter(rows))[0])) + 1\n'
                "            self._last = first + count - 1",
            ),
        ),
    ),
    "half-duplex": Mutation(
        "a node speaks again before its radio is done with the last frame",
        (
            Change(
                "app/radio/mesh.py",
                "        if self._flight is not None:\n            return []\n",
                "",
            ),
            Change(
                "app/radio/mesh.py",
                "        if self._flight is not None:\n            return None\n",
                "",
            ),
            Change(
                "app/radio/gossip.py",
                "        if not ready or self._flight is not None:\n",
                "        if not ready:\n",
            ),
            Change(
                "app/radio/gossip.py",
                "        if self._flight is not None:\n            return None\n        return min((head",
                "        return min((head",
            ),
        ),
    ),
    "forgeries": Mutation(
        "signatures are not looked at",
        (
            Change(
                "app/acceptance.py",
                "if not opened.signed.is_signed_by(author.public_key, self._identity.space_id):",
                "if False:",
            ),
        ),
    ),
    "early": Mutation(
        "a node lets go of what its clock calls over, however short it has had it",
        (
            Change(
                "app/store/log.py",
                "WHERE e.leaves <= (SELECT lived FROM node) AND e.expires <= ?",
                "WHERE e.expires <= ?",
            ),
        ),
    ),
    "twins": Mutation(
        "a place of a log holds one envelope: what a copied node wrote there is not taken in",
        (
            Change(
                "app/radio/logbook.py",
                "ALTERNATES_MAX = 4",
                "ALTERNATES_MAX = 1",
            ),
        ),
    ),
    "airtime": Mutation(
        "the hour of airtime is forgotten after half of it",
        (
            Change(
                "app/radio/airtime.py",
                "    return (slot + 1) * SLOT_MS + HOUR_MS",
                "    return slot * SLOT_MS + HOUR_MS // 2",
            ),
        ),
    ),
}


def main(names: list[str]) -> int:
    """0 when every bug was found."""
    unknown = sorted(set(names) - set(MUTATIONS))
    if unknown:
        print(f"There is no bug {', '.join(unknown)}; there are {', '.join(MUTATIONS)}.", file=sys.stderr)
        return 2
    survived = [name for name in names or MUTATIONS if not _is_found(name, MUTATIONS[name])]
    if survived:
        print(f"NOT FOUND: {', '.join(survived)}")
    return 1 if survived else 0


def _is_found(name: str, mutation: Mutation) -> bool:
    print(f"== {name}: {mutation.about}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tntn-mutation-") as folder:
        scratch = Path(folder)
        for part in ("app", "tests"):
            shutil.copytree(ROOT / part, scratch / part, ignore=shutil.ignore_patterns("__pycache__"))
        for change in mutation.changes:
            _plant(scratch / change.file, change)
        for first in range(0, SEEDS, 5):
            said = _play(scratch, first)
            if said.returncode:
                lines = (said.stdout + said.stderr).strip().splitlines()
                print("   found: " + next((line for line in lines if line.startswith("seed ")), lines[-1]), flush=True)
                return True
    return False


def _plant(path: Path, change: Change) -> None:
    text = path.read_text("utf-8")
    assert text.count(change.old) == 1, f"{change.file} has changed: it holds this {text.count(change.old)} times"
    path.write_text(text.replace(change.old, change.new), "utf-8")


def _play(scratch: Path, first: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.sim", "--seeds", "5", "--start", str(first), "--processes", "1"]
    environment = os.environ | {"PYTHONPATH": str(scratch)}
    return subprocess.run(
        command, cwd=scratch, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
