"""What a bundle's blocks say: one encoding, sealed, signed, and total against whatever stands there instead."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.blob import BlobAddress
from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import ENVELOPE_BYTES_MAX, ENVELOPE_BYTES_MIN
from app.core.keys import DeviceKey, SpaceId
from app.errors import DecodeError, StrangerError
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import Span, normal
from app.sync import bundle
from app.sync.bundle import MANIFEST, PACK, PACK_BYTES_MAX, BundleKey, Manifest, decode_pack, encode_entry
from app.sync.car import BLOCK_BYTES_MAX
from app.sync.log import Placed
from tests.vectors import make_bundle

SPACE = SpaceId(b"S" * 16)
KEY = BundleKey(SPACE, b"K" * 32)
DEVICE = DeviceKey(b"\x02" * 32)
ADDRESSES = st.lists(st.binary(min_size=32, max_size=32).map(BlobAddress), unique=True, max_size=4).map(tuple)
SPANS = st.lists(
    st.tuples(st.integers(1, LOG_NUMBER_MAX), st.integers(0, 500)).map(
        lambda two: Span(two[0], min(sum(two), LOG_NUMBER_MAX))
    ),
    min_size=1,
    max_size=4,
).map(normal)
VECTORS = st.dictionaries(st.integers(0, NODE_INDEX_MAX), SPANS, max_size=4)
ENTRIES = st.builds(
    Placed,
    st.integers(0, NODE_INDEX_MAX),
    st.integers(1, LOG_NUMBER_MAX),
    st.binary(min_size=ENVELOPE_BYTES_MIN, max_size=300) | st.just(b"e" * ENVELOPE_BYTES_MAX),
)


def manifest(**changes: object) -> Manifest:
    fields: dict[str, object] = {
        "index": 3,
        "public_key": DEVICE.public_key,
        "written": 1_000_000,
        "vector": {0: (Span(1, 7),), 3: (Span(2, 2), Span(9, 12))},
        "packs": (BlobAddress(b"p" * 32),),
        "blobs": (BlobAddress(b"b" * 32), BlobAddress(b"a" * 32)),
        "requests": (BlobAddress(b"r" * 32),),
        "holds": b"a" * 16 + b"b" * 16,
    }
    return Manifest(**{**fields, **changes})  # type: ignore[arg-type]


@given(
    st.builds(
        manifest,
        index=st.integers(0, NODE_INDEX_MAX),
        written=st.integers(0, 2**24 - 1),
        vector=VECTORS,
        requests=ADDRESSES,
    )
)
def test_a_manifest_is_read_as_it_was_written(said: Manifest) -> None:
    block = bundle.seal_manifest(said, DEVICE, SPACE, KEY)
    assert bundle.open_manifest(block, SPACE, [BundleKey(SPACE, bytes(32)), KEY]) == (said, KEY)
    assert bundle.seal_manifest(said, DEVICE, SPACE, KEY) == block


def test_another_key_or_space_opens_nothing() -> None:
    block = bundle.seal_manifest(manifest(), DEVICE, SPACE, KEY)
    for keys in ([], [BundleKey(SPACE, bytes(32))], [BundleKey(SpaceId(bytes(16)), b"K" * 32)]):
        with pytest.raises(StrangerError):
            bundle.open_manifest(block, SPACE, keys)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_opens_nothing(at: int, change: int) -> None:
    block = bytearray(bundle.seal_manifest(manifest(), DEVICE, SPACE, KEY))
    block[at % len(block)] ^= change
    with pytest.raises(DecodeError):
        bundle.open_manifest(bytes(block), SPACE, [KEY])


def test_whoever_has_the_link_key_cannot_sign_for_another() -> None:
    """A blind node can seal; that is not enough."""
    forger = DeviceKey(b"\x03" * 32)
    with pytest.raises(DecodeError, match="signature"):
        bundle.open_manifest(bundle.seal_manifest(manifest(), forger, SPACE, KEY), SPACE, [KEY])
    other_space = bundle.seal_manifest(manifest(), DEVICE, SpaceId(bytes(16)), KEY)
    with pytest.raises(DecodeError, match="signature"):
        bundle.open_manifest(other_space, SPACE, [KEY])


@given(st.binary(max_size=400))
def test_what_a_member_could_seal_is_a_manifest_or_refused(plain: bytes) -> None:
    with pytest.raises(DecodeError):
        bundle.open_manifest(KEY.seal(MANIFEST, plain), SPACE, [KEY])


@given(st.binary(max_size=300))
def test_signed_fields_have_one_encoding(fields: bytes) -> None:
    try:
        said = bundle._decode_fields(fields)
    except DecodeError:
        return
    assert bundle._encode_fields(said) == fields


@pytest.mark.parametrize(
    "changes",
    [
        {"blobs": (BlobAddress(b"p" * 32),)},  # the pack's name once more
        {"packs": (BlobAddress(b"p" * 32),) * 2},
        {"holds": b"b" * 16 + b"a" * 16},
        {"holds": b"b" * 32},
        {"index": 255},
        {"vector": {255: (Span(1, 1),)}},
        {"vector": {1: (Span(1, 3), Span(4, 5))}},  # runs that join
        {"vector": {1: (Span(1, LOG_NUMBER_MAX + 1),)}},
    ],
)
def test_impossible_manifests_are_refused_though_signed(changes: dict[str, object]) -> None:
    with pytest.raises(DecodeError):
        bundle.open_manifest(bundle.seal_manifest(manifest(**changes), DEVICE, SPACE, KEY), SPACE, [KEY])


def test_a_count_beyond_the_block_is_refused_before_it_is_believed() -> None:
    fields = bundle._encode_fields(manifest(packs=(), blobs=(), requests=(), holds=b""))[:-4]
    with pytest.raises(DecodeError, match="more than it holds"):
        bundle._decode_fields(fields + b"\xff\xff\x03")


def test_a_full_manifest_fits_into_a_block_and_says_no_more() -> None:
    def names(count: int, size: int, first: int) -> list[bytes]:
        return [(first + number).to_bytes(size, "big") for number in range(count)]

    gaps = tuple(Span(100_000_000 + 4 * number, 100_000_001 + 4 * number) for number in range(bundle.RUNS_MAX))
    said = manifest(
        vector={0: gaps[:-1], 5: gaps},
        packs=tuple(names(bundle.PACKS_MAX, 32, 1 << 200)),
        blobs=tuple(names(bundle.BLOBS_MAX, 32, 1 << 220)),
        requests=tuple(names(bundle.REQUESTS_MAX, 32, 0)),
        holds=b"".join(names(bundle.HOLDS_MAX, 16, 0)),
    )
    block = bundle.seal_manifest(said, DEVICE, SPACE, KEY)
    assert len(block) < BLOCK_BYTES_MAX
    read, _ = bundle.open_manifest(block, SPACE, [KEY])
    assert read.vector == {0: gaps[:-1], 5: gaps[:1]}
    assert read.blobs == said.blobs


@given(st.lists(ENTRIES, max_size=5))
def test_a_pack_is_read_as_it_was_written(entries: list[Placed]) -> None:
    assert decode_pack(b"".join(map(encode_entry, entries))) == entries


@given(st.binary(max_size=400))
def test_any_bytes_are_a_pack_or_refused(data: bytes) -> None:
    try:
        entries = decode_pack(data)
    except DecodeError:
        return
    assert b"".join(map(encode_entry, entries)) == data


@pytest.mark.parametrize(
    "entry",
    [
        Placed(255, 1, bytes(100)),
        Placed(0, 0, bytes(100)),
        Placed(0, 1, bytes(ENVELOPE_BYTES_MIN - 1)),
        Placed(0, 1, bytes(ENVELOPE_BYTES_MAX + 1)),
    ],
)
def test_impossible_entries_are_refused(entry: Placed) -> None:
    with pytest.raises(DecodeError):
        decode_pack(encode_entry(entry))


def test_blocks_are_bounded_and_of_their_kind() -> None:
    with pytest.raises(DecodeError):
        decode_pack(bytes(PACK_BYTES_MAX + 1))
    for block in (b"", b"\x12", KEY.seal(PACK, b""), b"\x21" + KEY.seal(MANIFEST, b"x")[1:]):
        with pytest.raises(DecodeError):
            KEY.open(MANIFEST, block)


def test_the_vector_is_made_again_byte_by_byte() -> None:
    """Whatever changes here changes what older nodes can read: that takes another version."""
    assert make_bundle.make() == json.loads(make_bundle.FILE.read_text("utf-8"))
