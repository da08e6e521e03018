"""Makes tests/vectors/radio-repair.json: `PYTHONPATH=. .venv/bin/python tests/vectors/make_radio_repair.py`.

One control frame of each kind, sealed under a fixed key, with what it says; and bytes that are no frame, with the code
of their refusal. Read by tests/radio/test_repair_vectors.py. Schema: docs/protocol/radio-repair.md.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from app.radio.blend import Place, blended, encode_blend
from app.radio.control import ControlFrame, Message, Sketch, seal_control
from app.radio.frame import LinkKeys, NodeIndex
from app.radio.iblt import symbols_of
from app.radio.request import ANYONE, Compare, Gone, Request, Wanted
from app.radio.span import Portion, Span
from app.radio.vector import NodeLog, Vector, checksum

TARGET = Path(__file__).with_name("radio-repair.json")
LINK = LinkKeys(bytes(range(16)), (bytes(range(32)),))
ENVELOPES = {Place(1, number): hashlib.shake_128(bytes([number])).digest(90 + 10 * number) for number in (3, 4, 7)}
BLEND = blended(NodeIndex(5), 0xABCD, ENVELOPES)
IDS = [hashlib.sha256(bytes([number])).digest()[:16] for number in range(5)]

MESSAGES: dict[str, Message] = {
    "vector": Vector(0, 254, (NodeLog(1, 42, checksum(IDS)), NodeLog(7, 0, None, (Span(3, 3), Span(5, 260))))),
    "vector, a slice of nothing": Vector(31, 60, ()),
    "request": Request(7, (Portion(1, (Span(43, 50), Span(52, 52))), Portion(9, (Span(1, 4096),)))),
    "request, of blends": Request(7, (Portion(1, (Span(43, 46),)),), enough=3),
    "request, of anyone": Request(ANYONE, (Portion(1, (Span(1, 1),)),)),
    "gone": Gone((Portion(1, (Span(1, 40), Span(42, 42))),)),
    "compare": Compare(7, 1, 42, 3, 4),
    "symbols": Sketch(1, 42, symbols_of([int.from_bytes(name[:8], "big") for name in IDS], 0xABCD, 2, 6)),
    "wanted": Wanted(7, 1, tuple(sorted(name[:8] for name in IDS[:2]))),
}
BROKEN: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "shorter": ("size", lambda frame: frame[:22]),
    "a bit": ("tag", lambda frame: frame[:-1] + bytes([frame[-1] ^ 1])),
    "version 2": ("version", lambda frame: bytes([frame[0] + 16]) + frame[1:]),
    "an index without a node": ("field", lambda frame: frame[:1] + b"\xff" + frame[2:]),
}


def made() -> dict[str, Any]:
    """The file's content."""
    frames: list[dict[str, Any]] = []
    for counter, (name, message) in enumerate(MESSAGES.items(), start=1):
        sealed = seal_control(ControlFrame(NodeIndex(5), counter, message), LINK)
        frames.append({"name": name, "sender": 5, "counter": counter, "frame": sealed.hex(), "says": plain(message)})
    first = bytes.fromhex(frames[0]["frame"])
    refused = [{"name": name, "frame": change(first).hex(), "code": code} for name, (code, change) in BROKEN.items()]
    return {
        "about": "Control frames, version 1 (docs/protocol/radio-repair.md). Bytes are lower-case hex strings.",
        "space_id": LINK.space_id.hex(),
        "k_link": LINK.keys[0].hex(),
        "checksum": {"envelope_ids": [name.hex() for name in IDS], "checksum": checksum(IDS)},
        "frames": frames,
        "blend": {
            "sender": BLEND.sender,
            "seed": BLEND.seed,
            "envelopes": [
                {"index": place.index, "number": place.number, "envelope": envelope.hex()}
                for place, envelope in ENVELOPES.items()
            ],
            "frame": encode_blend(BLEND, LINK).hex(),
        },
        "refused": refused,
    }


def plain(message: Message) -> Any:
    """A message as JSON shows it."""
    return (
        msgspec.to_builtins(message, builtin_types=())
        if not isinstance(message, Wanted)
        else {
            "asked": message.asked,
            "index": message.index,
            "keys": [key.hex() for key in message.keys],
        }
    )


if __name__ == "__main__":
    TARGET.write_text(json.dumps(made(), indent=1) + "\n")
