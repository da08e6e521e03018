"""The shared vectors, run by the Python code. Chromium runs the same file in tests/browser."""

import json
from typing import Any

import pytest

from tests.vectors import make_record

CASES: list[dict[str, Any]] = json.loads(make_record.TARGET.read_text("utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    assert make_record.run(case["op"], make_record.read(case["in"])) == make_record.read(case["expect"])


def test_the_file_is_what_its_generator_yields() -> None:
    assert make_record.TARGET.read_text("utf-8") == make_record.text()


def test_there_are_good_and_bad_cases_of_every_code() -> None:
    expected = [case["expect"] for case in CASES]
    assert len(CASES) >= 30
    assert sum("ok" in outcome for outcome in expected) >= 15
    assert {outcome["error"] for outcome in expected if "error" in outcome} == set(make_record.SCHEMA["errors"])


def test_names_are_unique() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)
