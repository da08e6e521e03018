"""tests/vectors/radio-repair.json: control frames byte by byte, as another implementation would make and read them."""

import json
from typing import Any

import pytest

from app.errors import DecodeError
from app.radio.blend import Found, Place, blended, decode_blend, encode_blend
from app.radio.box import Box
from app.radio.control import ControlFrame, open_control, seal_control
from app.radio.frame import LinkKeys, NodeIndex
from app.radio.vector import checksum
from tests.vectors.make_radio_repair import MESSAGES, TARGET, made, plain

VECTORS = json.loads(TARGET.read_text())
LINK = LinkKeys(bytes.fromhex(VECTORS["space_id"]), (bytes.fromhex(VECTORS["k_link"]),))


@pytest.mark.parametrize("case", VECTORS["frames"], ids=lambda case: case["name"])
def test_a_frame_says_what_is_written_beside_it(case: dict[str, Any]) -> None:
    frame = open_control(bytes.fromhex(case["frame"]), LINK)
    assert (frame.sender, frame.counter) == (case["sender"], case["counter"])
    assert json.loads(json.dumps(plain(frame.message))) == case["says"]
    again = ControlFrame(NodeIndex(case["sender"]), case["counter"], MESSAGES[case["name"]])
    assert seal_control(again, LINK).hex() == case["frame"]


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["name"])
def test_what_is_no_frame_is_refused_with_its_code(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError) as refusal:
        open_control(bytes.fromhex(case["frame"]), LINK)
    assert refusal.value.code == case["code"]


def test_the_checksum_adds_up() -> None:
    ids = [bytes.fromhex(name) for name in VECTORS["checksum"]["envelope_ids"]]
    assert checksum(ids) == VECTORS["checksum"]["checksum"]


def test_the_file_is_what_its_generator_makes() -> None:
    assert json.loads(json.dumps(made())) == VECTORS


def test_the_blend_is_of_its_envelopes_and_gives_back_the_one_that_is_lacking() -> None:
    told = VECTORS["blend"]
    envelopes = {Place(one["index"], one["number"]): bytes.fromhex(one["envelope"]) for one in told["envelopes"]}
    blend = blended(NodeIndex(told["sender"]), told["seed"], envelopes)
    assert encode_blend(blend, LINK).hex() == told["frame"]
    opened = decode_blend(bytes.fromhex(told["frame"]), LINK, lambda _: 0)
    (lacking, *held) = envelopes
    found = Box().add(opened, {place: envelopes[place] for place in held})
    assert found == [Found(lacking, envelopes[lacking])]
