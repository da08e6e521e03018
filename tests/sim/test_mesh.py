"""A whole mesh on a virtual clock: it converges through loss, collisions, noise and power cuts, and never lies.

`python -m tests.sim.test_mesh 1000` plays that many seeds; a failure names its seed, and
`python -m tests.sim.test_mesh SEED 1` plays it again.
"""

import os
import sys
from collections.abc import Callable

import pytest

from app.radio.ether import Outcome
from app.radio.field import line
from app.radio.parcel import Priority
from tests.sim.mesh import Mesh

SEEDS = int(os.environ.get("TNTN_SIM_SEEDS", "4"))
VILLAGES = ["market-square", "north-valley", "hill-farm"]
MINUTE = 60_000
HOUR = 60 * MINUTE
HELLO_BYTES = 15


def everyone_hears_everyone(names: list[str], loss_db: float = 120.0) -> dict[tuple[str, str], float]:
    return {(one, other): loss_db for one in names for other in names if one != other}


def the_village_line(seed: int) -> None:
    """A post at one end is on the other end's disk in seconds, and its entry node knows of a second copy."""
    mesh = Mesh(seed, VILLAGES, line(VILLAGES))
    mesh.run_for(5_000)
    square, valley, farm = mesh.nodes
    start_ms = mesh.now_ms
    name = square.post(mesh.envelope(1, 180), mesh.now_ms)
    mesh.run(lambda: name in farm.disk.parcels, MINUTE)
    assert mesh.now_ms - start_ms < 30_000
    mesh.run(lambda: bool(square.disk.holders[name]) and len(valley.disk.holders[name]) == 2, MINUTE)
    assert square.disk.holders[name] == {valley.index}
    mesh.run_for(HOUR)
    # Each frame once: the post, the forward that is its receipt, and the farm's receipt.
    on_air = [sent for sent, _ in mesh.journal if sent.start_ms > start_ms and len(sent.packet) > HELLO_BYTES]
    assert sorted(sent.sender for sent in on_air) == sorted(VILLAGES)
    assert not any(node.modem.violations or node.faults or node.rejected for node in mesh.nodes)


def loss_and_collisions(seed: int) -> None:
    """Everyone posts at once, every third frame is lost: all have all in the end, within the duty cycle."""
    mesh = Mesh(seed, VILLAGES, line(VILLAGES), frame_loss=0.3)
    mesh.run_for(3_000)
    for number in range(4):
        for node in mesh.nodes:
            node.post(mesh.envelope(10 * number + node.index), mesh.now_ms)
    mesh.run(lambda: mesh.agree() and len(mesh.nodes[0].disk.parcels) == 12, 6 * HOUR)
    outcomes = {arrival.outcome for _, arrivals in mesh.journal for arrival in arrivals}
    assert Outcome.LOST in outcomes


def a_crowd_in_earshot(seed: int) -> None:
    """Eight nodes that all hear each other: a post costs at most three frames a node, collisions included."""
    names = [f"node-{index}" for index in range(8)]
    mesh = Mesh(seed, names, everyone_hears_everyone(names))
    mesh.run_for(10_000)
    start_ms = mesh.now_ms
    name = mesh.nodes[0].post(mesh.envelope(1), mesh.now_ms)
    mesh.run(lambda: mesh.agree() and bool(mesh.nodes[0].disk.holders[name]), 10 * MINUTE)
    mesh.run_for(5 * MINUTE)
    on_air = [sent for sent, _ in mesh.journal if sent.start_ms > start_ms and len(sent.packet) > HELLO_BYTES]
    assert len(on_air) <= 3 * len(names), f"seed {seed}: {len(on_air)} frames for one post"


def noise_on_the_serial_lines(seed: int) -> None:
    """Bytes change between modem and host: damaged frames are counted, nothing is believed that isn't so."""
    mesh = Mesh(seed, VILLAGES, line(VILLAGES), noise=0.2)
    mesh.run_for(10_000)
    for node in mesh.nodes:
        node.post(mesh.envelope(node.index), mesh.now_ms)
    mesh.run(lambda: mesh.agree() and len(mesh.nodes[0].disk.parcels) == 3, 12 * HOUR)


def a_power_cut_in_the_middle(seed: int) -> None:
    """The node between loses its power while it handles a post; it comes back, and nothing is lost."""
    mesh = Mesh(seed, VILLAGES, line(VILLAGES))
    mesh.run_for(3_000)
    square, valley, farm = mesh.nodes
    name = square.post(mesh.envelope(1), mesh.now_ms)
    mesh.run_for(mesh.rng.randrange(100, 1_200))
    valley.stop()
    mesh.run_for(mesh.rng.randrange(1_000, 20 * MINUTE))
    held = name in valley.disk.parcels
    valley.start(mesh.now_ms)
    mesh.run(lambda: name in valley.disk.parcels and bool(square.disk.holders[name]), HOUR)
    if not held:
        mesh.run(lambda: name in farm.disk.parcels, HOUR)


def a_neighbor_that_comes_late(seed: int) -> None:
    """A node that was off for hours says hello and is given what it lacks at once."""
    mesh = Mesh(seed, VILLAGES, line(VILLAGES))
    mesh.nodes[2].stop()
    mesh.run_for(3_000)
    name = mesh.nodes[0].post(mesh.envelope(1), mesh.now_ms)
    mesh.run_for(3 * HOUR)
    assert name in mesh.nodes[1].disk.parcels
    mesh.nodes[2].start(mesh.now_ms)
    mesh.run(lambda: name in mesh.nodes[2].disk.parcels, MINUTE)


def people_overtake_imports(seed: int) -> None:
    """While three nodes send their imports, a post still crosses in less than a minute, and all keep the law."""
    mesh = Mesh(seed, VILLAGES, line(VILLAGES))
    for node in mesh.nodes:
        for number in range(15):
            data = mesh.envelope(1000 * node.index + number, 200)
            name = node.post(data, mesh.now_ms, Priority.BACKGROUND)
            mesh.priorities[name] = Priority.BACKGROUND
    mesh.run_for(MINUTE)
    post = mesh.nodes[0].post(mesh.envelope(9999), mesh.now_ms)
    mesh.run(lambda: post in mesh.nodes[2].disk.parcels, MINUTE)
    mesh.run(lambda: mesh.agree() and len(mesh.nodes[0].disk.parcels) == 46, 48 * HOUR)


SCENARIOS: list[Callable[[int], None]] = [
    the_village_line,
    loss_and_collisions,
    a_crowd_in_earshot,
    noise_on_the_serial_lines,
    a_power_cut_in_the_middle,
    a_neighbor_that_comes_late,
    people_overtake_imports,
]


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenario(scenario: Callable[[int], None], seed: int) -> None:
    scenario(seed)


def test_a_seed_plays_the_same_twice() -> None:
    def journal() -> list[tuple[str, float]]:
        mesh = Mesh(5, VILLAGES, line(VILLAGES), frame_loss=0.2)
        mesh.run_for(3_000)
        mesh.nodes[0].post(mesh.envelope(1), mesh.now_ms)
        mesh.run_for(5 * MINUTE)
        return [(transmission.sender, transmission.start_ms) for transmission, _ in mesh.journal]

    assert journal() == journal()


def main(arguments: list[str]) -> int:
    """`N` seeds from 0, or `FIRST N`."""
    count = int(arguments[-1]) if arguments else 100
    first = int(arguments[0]) if len(arguments) > 1 else 0
    for seed in range(first, first + count):
        for scenario in SCENARIOS:
            scenario(seed)
        print(f"seed {seed}: {len(SCENARIOS)} scenarios", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
