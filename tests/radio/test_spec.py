"""docs/protocol/radio.md says what the code does: its figures are computed here."""

import re
from pathlib import Path

import pytest

from app.core.envelope import ENVELOPE_BYTES_MIN, seal
from app.core.keys import DeviceKey, SpaceId, derive_epoch_keys
from app.core.record import Kind, Lifetime, compose, sign
from app.radio import frame, gossip, patience
from app.radio.profile import EU868
from app.radio.supervisor import DISK_WORK_MAX

SPEC = (Path(__file__).parents[2] / "docs" / "protocol" / "radio.md").read_text("utf-8")
COSTS = re.findall(r"^\| ([^|]+) \| (\d+) \| ([\d.]+) \|$", SPEC, re.M)
POST = (
    "Good winter squash and late apples at the mill on Saturday from nine to noon. Bring crates. "
    "We trade for eggs, honey or an hour of help with the new fence posts!!"
)[:160]


@pytest.mark.parametrize(("what", "size", "milliseconds"), COSTS, ids=[what for what, _, _ in COSTS])
def test_the_costs_are_the_formulas(what: str, size: str, milliseconds: str) -> None:
    assert EU868.frame_airtime_ms(int(size) - 1) == pytest.approx(float(milliseconds), abs=0.001)


def test_the_sizes_are_the_codes() -> None:
    sizes = [int(size) for _, size, _ in COSTS]
    assert sizes[0] == 1 + frame.receipt_frame_bytes(0)
    assert sizes[1] == 1 + frame.receipt_frame_bytes(1)
    assert sizes[2] == 1 + frame.receipt_frame_bytes(5)
    assert sizes[3] == 1 + frame.envelope_frame_bytes(ENVELOPE_BYTES_MIN, 1)
    assert sizes[-1] == 1 + frame.FRAME_BYTES_MAX


def test_a_post_of_160_characters_costs_at_most_215_bytes_on_air() -> None:
    key, space = DeviceKey(b"\x01" * 32), SpaceId(b"s" * 16)
    record = compose(Lifetime.NORMAL, key.device_id, 300, 1_000_000, Kind.POST, POST.encode())
    envelope = seal(sign(record, key, space), derive_epoch_keys(space, 1, b"k" * 32))
    assert len(POST) == 160
    assert 1 + frame.envelope_frame_bytes(len(envelope), 5000) <= 215


def test_the_limits_are_the_codes() -> None:
    for value in (gossip.ITEMS_MAX, gossip.UNSTORED_MAX, gossip.RECEIPTS_MAX, DISK_WORK_MAX):
        assert f"| {value} |" in SPEC
    assert f"n ≤ {frame.RECEIPT_PREFIXES_MAX}" in SPEC
    assert f"≤ {frame.HOPS_MAX} |" in SPEC
    assert f"1 to 2^{(frame.LOG_NUMBER_MAX + 1).bit_length() - 1} − 1" in SPEC
    assert f"at most {frame.FRAME_BYTES_MAX}\nbytes" in SPEC
    assert f"up to {patience.RETRY_MAX_MS // 60_000} minutes" in SPEC
    assert f"{patience.QUIET_AFTER_PEOPLE_MS // 1000} s\n   after anything" in SPEC
