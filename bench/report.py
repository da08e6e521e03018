"""What every benchmark prints and writes: its figures, its goals, and whether they were met."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec


class Goal(msgspec.Struct, frozen=True):
    """A figure that was promised. `at_most` tells the side on which it is kept."""

    name: str
    value: float
    goal: float
    at_most: bool = True

    @property
    def ok(self) -> bool:
        """Whether the promise was kept."""
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def report(figures: Mapping[str, Any], goals: Sequence[Goal], json_file: Path | None) -> int:
    """Print the goals as a table, write figures and goals as JSON where asked. 1 when a goal was missed, else 0."""
    width = max((len(goal.name) for goal in goals), default=0)
    for goal in goals:
        bound = "at most" if goal.at_most else "at least"
        verdict = "ok" if goal.ok else "MISSED"
        print(f"{goal.name:<{width}}  {goal.value:>12,.2f}  {bound:>8} {goal.goal:>10,.2f}  {verdict}")
    if json_file is not None:
        listed = [{"name": goal.name, "value": goal.value, "goal": goal.goal, "ok": goal.ok} for goal in goals]
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode({**figures, "goals": listed})) + b"\n")
    return 0 if all(goal.ok for goal in goals) else 1
