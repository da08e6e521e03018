"""The airtime on the disk: each save is the whole of its sub-band, and of no other."""

import pytest

from app.founding import Node
from app.store.airtime import SpentAirtime

pytestmark = pytest.mark.anyio


async def test_a_save_takes_the_place_of_the_last_one(node: Node) -> None:
    store = node.store.airtime
    assert await store.spent("EU868 P") == []
    await store.save("EU868 P", [SpentAirtime(0, 0, 10.5), SpentAirtime(1, 60_000, 700.0)])
    await store.save("EU868 L", [SpentAirtime(2, 0, 3.0)])
    await store.save("EU868 P", [SpentAirtime(1, 120_000, 700.0), SpentAirtime(1, 0, 40.0), SpentAirtime(1, 0, 2.0)])
    assert await store.spent("EU868 P") == [SpentAirtime(1, 0, 42.0), SpentAirtime(1, 120_000, 700.0)]
    assert await store.spent("EU868 L") == [SpentAirtime(2, 0, 3.0)]
