"""Behind real modems and noisy cables: a post crosses in seconds, overtakes imports, and noise makes nobody lie."""

import pytest

from app.radio.field import line
from app.radio.parcel import Priority
from tests.sim.cables import Net

SEEDS = 4
VILLAGES = ["market-square", "north-valley", "hill-farm"]
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
IMPORTS = 15


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_post_crosses_in_seconds_and_is_known_to_be_kept(seed: int) -> None:
    net = Net(seed, VILLAGES, line(VILLAGES))
    net.run_for(5 * MINUTE)  # all know who hears whom
    square, valley, farm = net.nodes
    name = square.post(net.envelope(1, 180), net.now_ms)
    net.run(lambda: name in farm.disk.parcels, 30 * SECOND)
    net.run(lambda: valley.index in square.disk.holders[name] and len(valley.disk.holders[name]) == 2, MINUTE)
    net.run_for(HOUR)
    assert not any(node.modem.violations or node.faults for node in net.nodes)
    assert {reason for node in net.nodes for reason in node.rejected} <= {"stale", "echo"}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_noise_on_the_cables_is_counted_and_all_comes_through(seed: int) -> None:
    net = Net(seed, VILLAGES, line(VILLAGES), noise=0.2)
    net.run_for(10 * SECOND)
    for node in net.nodes:
        node.post(net.envelope(node.index), net.now_ms)
    net.run(lambda: net.agree() and len(net.nodes[0].disk.parcels) == len(VILLAGES), 12 * HOUR)
    assert any(node.faults or node.rejected or node.modem.violations for node in net.nodes)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_people_overtake_imports(seed: int) -> None:
    net = Net(seed, VILLAGES, line(VILLAGES))
    for node in net.nodes:
        for number in range(IMPORTS):
            name = node.post(net.envelope(1000 * node.index + number, 200), net.now_ms, Priority.BACKGROUND)
            net.priorities[name] = Priority.BACKGROUND
    net.run_for(MINUTE)
    post = net.nodes[0].post(net.envelope(9999), net.now_ms)
    net.run(lambda: post in net.nodes[2].disk.parcels, MINUTE)
    net.run(lambda: net.agree() and len(net.nodes[0].disk.parcels) == IMPORTS * len(VILLAGES) + 1, 48 * HOUR)
