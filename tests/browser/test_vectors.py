"""The shared vectors in Chromium: the browser's code and the node's agree, on good bytes and on bad."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from app.radio.dialects.meshtastic import Meshtastic
from app.radio.dialects.meshtastic_messages import DATA_OVERHEAD_BYTES
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


@pytest.mark.parametrize("firmware", ["2.7.11", "2.8.0"])
async def test_cost_behind_a_meshtastic_radio_is_that_of_its_own_settings(phone: Phone, firmware: str) -> None:
    radio = Meshtastic(random.Random(1))
    radio.firmware = firmware
    sizes = list(range(100, 420, 7))
    await phone.open("/offline")
    shape = radio.modulation
    costs = await phone.run(
        """async ([profile, sizes]) => {
          const { radioCost } = await import("tntn/core/airtime.js");
          return sizes.map((size) => radioCost(size, profile));
        }""",
        [
            {
                "sf": shape.spreading_factor,
                "bandwidthKhz": shape.bandwidth_khz,
                "codingRate": shape.coding_rate,
                "preambleSymbols": shape.preamble_symbols,
                "frameBytesMax": radio.frame_bytes_max,
                "overheadBytes": DATA_OVERHEAD_BYTES,
                "signatureBytes": radio.signature_bytes,
                "repeats": 2,
            },
            sizes,
        ],
    )
    assert {cost["frames"] for cost in costs} == {1, 2, 3}
    for cost in costs:
        frame_bytes = cost["bytes"] // cost["frames"]
        assert frame_bytes <= radio.frame_bytes_max
        assert cost["ms"] == pytest.approx(cost["frames"] * radio.airtime_ms(frame_bytes), abs=0.01)
        assert cost["repeats"] == 2


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
