"""The app stays light: the goals of `bin/bench web` that need a browser."""

import anyio.to_thread
import pytest

from bench.weight import measure
from tests.browser.village import Village

pytestmark = pytest.mark.anyio


async def test_first_view_installation_and_repeat_view_keep_to_their_budgets(village: Village) -> None:
    await village.put_up(*(f"Barn dance {number}\nDoors open at seven. Bring dish {number}." for number in range(25)))
    goals = await anyio.to_thread.run_sync(measure, village.url)
    assert [goal.name for goal in goals if not goal.ok] == []
    assert [goal.value > 0 for goal in goals] == [True, True, True]
