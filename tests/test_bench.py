"""What benchmarks have in common: goals, and an exit code that tells."""

import json
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.report import Goal, report


def test_goals_bind_on_their_side() -> None:
    assert Goal("bytes", 95, 96).ok
    assert not Goal("bytes", 97, 96).ok
    assert Goal("share", 0.4, 0.35, at_most=False).ok
    assert not Goal("share", 0.3, 0.35, at_most=False).ok


@pytest.mark.parametrize(("value", "code"), [(95, 0), (97, 1)])
def test_a_missed_goal_is_said_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: int, code: int
) -> None:
    file = tmp_path / "figures.json"
    assert report({"mean_bytes": 140}, [Goal("fixed bytes", value, 96)], file) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)
    written = json.loads(file.read_bytes())
    assert written["mean_bytes"] == 140
    assert written["goals"] == [{"name": "fixed bytes", "value": value, "goal": 96, "ok": not code}]


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert main(["nonsense"]) == 2
    assert "bin/bench NAME" in capsys.readouterr().out
