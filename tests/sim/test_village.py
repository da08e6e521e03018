"""Fifty villages keep every promise; a seed plays the same twice; a torn write is lost, what was committed is not."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from app.store.node import NodeStore
from tests.sim.__main__ import SEEDS, fails
from tests.sim.disk import cut_power, log_bytes, open_disk
from tests.sim.mutations import MUTATIONS, ROOT
from tests.sim.village import SEASON_DAYS, plan_of, play

PROCESSES = 2
SECONDS_MAX = 300


def test_fifty_villages_keep_every_promise() -> None:
    command = [sys.executable, "-m", "tests.sim", "--seeds", str(SEEDS), "--processes", str(PROCESSES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_seeds_hold_copies_and_seasons() -> None:
    plans = [plan_of(random.Random(seed)) for seed in range(SEEDS)]
    assert {plan.season_days for plan in plans} == {0, *SEASON_DAYS}
    assert sum(plan.cloned for plan in plans) > SEEDS / 10
    assert any(plan.cloned and plan.season_days for plan in plans)


def test_a_seed_plays_the_same_twice() -> None:
    def log() -> list[str]:
        lines: list[str] = []
        asyncio.run(play(3, lines.append))
        return lines

    assert log() == log()


def test_a_broken_promise_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.sim.village.MEMORY_ITEMS_MAX", 1)
    assert "seed 1 at" in (fails(1) or "")


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_planted_bugs_still_find_their_places(mutation: str) -> None:
    for change in MUTATIONS[mutation].changes:
        assert (ROOT / change.file).read_text("utf-8").count(change.old) == 1, change.file


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(20))
async def test_a_torn_write_is_lost_and_what_was_committed_is_not(tmp_path: Path, seed: int) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    database = open_disk(before)
    async with database.write() as tx:
        await tx.execute("INSERT INTO epochs VALUES (1, ?, 0)", (bytes(32),))
    committed = log_bytes(before)
    async with database.write() as tx:
        await tx.execute("INSERT INTO epochs VALUES (2, ?, 0)", (bytes(32),))
    cut_power(before, after, random.Random(seed), torn_from=committed)
    await database.close()
    left = open_disk(after)
    assert (await NodeStore(left).current_epoch()).number == 1
    await left.close()
