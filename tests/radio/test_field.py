"""How far apart places are in decibels."""

import random
import statistics

from app.radio.field import LOSS_AT_1_KM_DB, SHADOWING_DB, in_earshot, line, scattered


def test_a_line_knows_its_neighbors_only_and_a_crowd_everybody() -> None:
    assert set(line(["a", "b", "c"])) == {("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")}
    assert len(in_earshot(["a", "b", "c"])) == 6


def test_loss_grows_with_distance_the_same_in_both_directions() -> None:
    places = {"a": (0.0, 0.0), "b": (1.0, 0.0), "c": (10.0, 0.0)}
    losses = scattered(places, random.Random(1), shadowing_db=0.0)
    assert losses["a", "b"] == LOSS_AT_1_KM_DB
    assert losses["a", "c"] == LOSS_AT_1_KM_DB + 23.2
    shadowed = scattered(places, random.Random(1))
    assert all(shadowed[one, other] == shadowed[other, one] for one, other in shadowed)
    assert shadowed == scattered(places, random.Random(1))


def test_shadows_scatter_as_measured() -> None:
    places = {f"n{index}": (float(index % 7), float(index // 7)) for index in range(49)}
    clear, shadowed = scattered(places, random.Random(2), 0.0), scattered(places, random.Random(2))
    shadows = [shadowed[pair] - clear[pair] for pair in clear]
    assert abs(statistics.fmean(shadows)) < 0.7
    assert abs(statistics.pstdev(shadows) - SHADOWING_DB) < 0.7
