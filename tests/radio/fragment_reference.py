"""A second, slow and plain implementation of docs/protocol/radio-fragments.md, written from the spec alone.

It makes tests/vectors/fragment.json (`python -m tests.radio.fragment_reference`), and the tests compare the fast one
with it. Nothing here may import app.radio.
"""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors" / "fragment.json"


def multiply(left: int, right: int) -> int:
    product = 0
    for bit in range(8):
        if right >> bit & 1:
            product ^= left << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0x11D << (bit - 8)
    return product


def coefficients(object_id: bytes, index: int, k: int) -> bytes:
    if index < k:
        return bytes(int(piece == index) for piece in range(k))
    stream = b""
    for counter in range(8):
        message = b"tntn coefficients 1\x00" + object_id + index.to_bytes(2, "big") + bytes([counter])
        stream += hashlib.sha256(message).digest()
    return stream[:k]


def cut(length: int, frame_bytes: int) -> tuple[int, int]:
    room = frame_bytes - 22
    symbols = max(2, (length + room - 1) // room)
    size = (length + symbols - 1) // symbols
    return (length + size - 1) // size, size


def symbol_data(envelope: bytes, index: int, k: int, size: int) -> bytes:
    padded = envelope + bytes(k * size - len(envelope))
    weights = coefficients(object_id(envelope), index, k)
    data = [0] * size
    for piece in range(k):
        for at in range(size):
            data[at] ^= multiply(weights[piece], padded[piece * size + at])
    return bytes(data)


def payload(envelope: bytes, index: int, k: int, size: int, key: bytes, header: bytes) -> bytes:
    number = bytes([index]) if index < 128 else bytes([index & 0x7F | 0x80, index >> 7])
    body = object_id(envelope) + len(envelope).to_bytes(2, "big") + number + symbol_data(envelope, index, k, size)
    return body + mac(key, header, body)


def mac(key: bytes, header: bytes, body: bytes) -> bytes:
    return hmac.new(key, b"tntn symbol 1\x00" + header + body, hashlib.sha256).digest()[:4]


def object_id(envelope: bytes) -> bytes:
    return hashlib.sha256(envelope).digest()[:6]


def repair_index(k: int, node: int, turn: int) -> int:
    turns = len(range(k + node, 16384, 255))
    return k + node + 255 * (turn % turns)


def some_envelope(length: int) -> bytes:
    blocks = (hashlib.sha256(b"an envelope" + bytes([at >> 8, at & 255])).digest() for at in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def vectors() -> dict[str, Any]:
    key, header = bytes(range(32)), bytes.fromhex("1203052a")
    objects = []
    for length, frame_bytes, indices in (
        (230, 233, (0, 1, 2, 127, 128, 16383)),
        (700, 233, (0, 3, 4, 259, 16200)),
        (300, 65, (0, 6, 7, 300)),
    ):
        envelope = some_envelope(length)
        k, size = cut(length, frame_bytes)
        symbols = [
            {
                "index": index,
                "coefficients": coefficients(object_id(envelope), index, k).hex(),
                "payload": payload(envelope, index, k, size, key, header).hex(),
            }
            for index in indices
        ]
        objects.append(
            {
                "envelope": envelope.hex(),
                "frame_bytes_max": frame_bytes,
                "object": object_id(envelope).hex(),
                "source_symbols": k,
                "data_bytes": size,
                "symbols": symbols,
            }
        )
    return {
        "spec": "docs/protocol/radio-fragments.md",
        "key": key.hex(),
        "header": header.hex(),
        "multiplication": [[a, b, multiply(a, b)] for a, b in ((2, 128), (3, 7), (0x53, 0xCA), (255, 255), (0, 9))],
        "objects": objects,
        "repair_indices": [
            {"source_symbols": k, "node": node, "turn": turn, "index": repair_index(k, node, turn)}
            for k, node, turn in ((4, 0, 0), (4, 7, 0), (4, 7, 1), (40, 254, 62), (40, 254, 63), (255, 254, 70))
        ],
        "refused": _refused(key, header),
    }


def _refused(key: bytes, header: bytes) -> list[dict[str, str]]:
    name = bytes(6)

    def made(length: int, number: bytes, data: bytes, why: str) -> dict[str, str]:
        body = name + length.to_bytes(2, "big") + number + data
        return {"payload": (body + mac(key, header, body)).hex(), "code": why}

    good = made(200, b"\x00", bytes(100), "mac")
    return [
        {"payload": "", "code": "truncated"},
        {"payload": (name + b"\x00\xc8\x00" + bytes(4)).hex(), "code": "truncated"},
        {"payload": good["payload"][:-2] + "00", "code": "mac"},
        made(93, b"\x00", bytes(47), "oversized"),
        made(8293, b"\x00", bytes(200), "oversized"),
        made(200, b"\x80\x00", bytes(100), "varint"),
        made(200, b"\x80\x80\x01", bytes(100), "varint"),
        made(200, b"\x80\x01", b"", "truncated"),
        made(200, b"\x00", bytes(99), "cut"),
        made(200, b"\x00", bytes(200), "cut"),
        made(8292, b"\x00", bytes(32), "cut"),
    ]


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n")
