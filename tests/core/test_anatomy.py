"""The anatomy covers every byte once, in order, and tells what stands before a broken place."""

import contextlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import anatomy
from app.core.bodies import DeviceIntroduction, NodeIntroduction
from app.core.directory import Category, DirectoryEntry
from app.core.envelope import open_envelope, seal
from app.core.keys import DeviceKey, SpaceId, derive_epoch_keys
from app.core.record import Kind, Lifetime, SignedRecord, compose, sign
from app.errors import DecodeError

SPACE = SpaceId(b"s" * 16)
KEY = DeviceKey(b"k" * 32)
EPOCH = derive_epoch_keys(SPACE, 4, b"e" * 32)

BODIES = [
    (Kind.DEVICE, DeviceIntroduction(KEY.public_key, "Ada").encode(), "“Ada”, public key"),
    (Kind.NODE, NodeIntroduction(KEY.public_key, "Mill Bridge", 3).encode(), "node 3, “Mill Bridge”"),
    (Kind.POST, b"Lost: a gray cat, please call.", "“Lost: a gray cat, please call.”"),
    (Kind.DIRECTORY, DirectoryEntry("usda", "7", Category.FARM, "Fern Farm").encode(), "usda 7, “Fern Farm”"),
    (Kind.POST, b"\xff", "ff (The text is not UTF-8.)"),
    (44, b"\x01\x02", "0102"),
]


def signed(kind: int, body: bytes, ref: bytes | None = None) -> SignedRecord:
    return sign(compose(Lifetime.NORMAL, KEY.device_id, 300, 1_000_000, kind, body, ref), KEY, SPACE)


def covered(parts: Iterable[anatomy.Part]) -> bytes:
    whole = b""
    for part in parts:
        assert part.offset == len(whole)
        whole += part.data
    return whole


@pytest.mark.parametrize(("kind", "body", "words"), BODIES)
@pytest.mark.parametrize("ref", [None, b"\x0b\xad\xca\xfe"])
def test_every_byte_has_its_place(kind: int, body: bytes, words: str, ref: bytes | None) -> None:
    record = signed(kind, body, ref)
    envelope = seal(record, EPOCH)
    opened, _ = open_envelope(envelope, [EPOCH])
    assert covered(anatomy.signed_record(record.encode())) == record.encode()
    assert covered(anatomy.envelope_outside(envelope)) == envelope
    inside = list(anatomy.envelope_inside(envelope, opened))
    assert b"".join(part.data for part in inside[2:-1]) == record.fields + record.signature
    assert [part.offset for part in inside] == [
        0,
        *(sum(len(part.data) for part in inside[:n]) for n in range(1, len(inside))),
    ]
    assert words in next(part.meaning for part in inside if part.field == "body")


def test_the_numbers_are_told() -> None:
    meanings = {part.field: part.meaning for part in anatomy.signed_record(signed(Kind.POST, b"x").encode())}
    assert meanings["byte 0"] == "version 1, class 2: normal, kept 35 days past its epoch"
    assert meanings["sequence"] == "300 (LEB128)"
    assert meanings["minutes"].startswith("1000000: 2026-11-26 10:40 UTC")
    assert meanings["kind"] == "2: post"


def test_what_stands_before_a_broken_place_is_told_first() -> None:
    data = signed(Kind.POST, b"x", b"\0\0\0\0").encode()
    fields: list[str] = []
    with pytest.raises(DecodeError, match="inside its ref"):
        fields.extend(part.field for part in anatomy.signed_record(data[:12] + data[-64:]))
    assert fields == ["byte 0", "author", "sequence", "minutes", "kind"]


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_apart_or_refused(data: bytes) -> None:
    for take in (anatomy.signed_record, anatomy.envelope_outside):
        with contextlib.suppress(DecodeError):
            assert covered(take(data)) == data


@given(st.binary(min_size=60, max_size=120))
def test_random_bodies_do_not_look_readable(body: bytes) -> None:
    if not body.isascii():
        with contextlib.suppress(UnicodeDecodeError):
            body.decode()
            return
        assert not anatomy.is_readable(signed(Kind.POST, body).record)
