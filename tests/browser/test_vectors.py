"""The shared vectors in Chromium: the browser's code and the node's agree, on good bytes and on bad."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.phone import NO_ED25519, Phone

pytestmark = pytest.mark.anyio

VECTORS = Path(__file__).parents[1] / "vectors"
CASES: list[dict[str, Any]] = json.loads((VECTORS / "record.json").read_text("utf-8"))["cases"]
RUN_CASES = Path(__file__).with_name("vectors.js").read_text("utf-8")


def spelled_out(value: Any) -> Any:
    """Long runs written in full, as the browser's outcomes are."""
    if isinstance(value, dict):
        if value.keys() == {"hex", "times"}:
            return value["hex"] * value["times"]
        return {name: spelled_out(part) for name, part in value.items()}
    return value


@pytest.mark.parametrize("signer", ["WebCrypto", "noble"])
async def test_every_case_has_the_same_outcome(phone: Phone, signer: str) -> None:
    await phone.open("/offline")
    if signer == "noble":
        await phone.run(NO_ED25519)
    outcomes = await phone.run(RUN_CASES, CASES)
    differing = [
        (case["name"], case["expect"], outcome)
        for case, outcome in zip(CASES, outcomes, strict=True)
        if outcome != spelled_out(case["expect"])
    ]
    assert differing == []


async def test_airtime_is_that_of_the_published_vectors(phone: Phone) -> None:
    cases = json.loads((VECTORS / "airtime.json").read_text("utf-8"))
    await phone.open("/offline")
    computed = await phone.run(
        """async (cases) => {
          const { airtimeMs } = await import("tntn/core/airtime.js");
          return cases.map((given) => airtimeMs({
            sf: given.sf, bandwidthKhz: given.bw_khz, codingRate: given.cr, preambleSymbols: given.preamble,
            explicitHeader: given.explicit_header, crc: given.crc, optimized: given.ldro,
          }, given.payload));
        }""",
        cases,
    )
    for case, ms in zip(cases, computed, strict=True):
        assert ms == pytest.approx(case["ms"], abs=case["tol_ms"]), case
