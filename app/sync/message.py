"""Messages between two nodes that sync: what goes through the stream after the version byte, one at a time.

Each is a 3-byte length and a MessagePack array whose first item is the kind. One value has one encoding; anything else
is a PeerError, and the session ends. Pure. Spec, with the table of kinds: docs/protocol/sync.md.
"""

from enum import IntEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import ENVELOPE_BYTES_MAX, ENVELOPE_BYTES_MIN, ENVELOPE_ID_BYTES
from app.errors import PeerError
from app.radio.frame import LOG_NUMBER_MAX

VERSION = 1
"""The byte that each side sends first, before any message. After a handshake that the other refused it never comes."""
LENGTH_BYTES = 3
MESSAGE_BYTES_MAX = 1 << 20
"""A batch is an eighth of it; a check of a million ids stays below."""
SALT_BYTES = 8
"""Half of the key of all fingerprints: neither side chooses it alone."""
SPACE_HASH_BYTES = 8
BATCH_ENTRIES_MAX = 250
"""Entries of one message: what a Raspberry Pi verifies in about 0.1 s, and what one transaction takes."""
BATCH_BYTES_MAX = 128 << 10
"""Bytes of envelopes in one message; a single envelope is always less."""
BATCHES_UNACKNOWLEDGED_MAX = 4
"""Batches that may be under way: 512 KiB fill 20 Mbit/s over 200 ms, and are all that a receiver has to keep."""
LOGS_MAX = NODE_INDEX_MAX + 1
LOG_RUN_BYTES_MAX = 1 << 16
"""Runs of one log in one message."""
EPOCHS_MAX = 1024
"""Epochs in one check: 85 years of months."""
EPOCH_MAX = 2**32 - 1
RANGES_BYTES_MAX = 256 << 10
"""Packed prefixes, fingerprints or ids of one epoch in one message."""
RUN_MAX = 2**16 - 1
PRINT_BYTES = 3
"""A fingerprint inside the check. One range in 16 million hides a difference; the next run has another salt."""
SHORT_ID_BYTES = 4
"""A salted id at the leaves, told from a handful of others."""
DIGEST_BYTES = 16
PROOF_NAMES_MAX = 64
NONCE_BYTES = 16
PROOF_BYTES = 32
ADDRESS_BYTES = 32
BLOB_BYTES_MAX = (1 << 20) + (1 << 12)
"""A photo of at most 1 MiB with its seals."""
PIECE_BYTES_MAX = 64 << 10
BLOBS_NAMED_MAX = 1024
BLOBS_EPOCH = EPOCH_MAX
"""In a check the blobs stand under this number, by the first 16 bytes of their addresses; no epoch gets there."""
CERTIFICATE_BYTES_MAX = 1024
NAME_CHARACTERS_MAX = 64
SHARED_EPOCHS_MAX = 64
WORD_CHARACTERS_MAX = 32

Index = Annotated[int, Meta(ge=0, le=NODE_INDEX_MAX)]
Number = Annotated[int, Meta(ge=1, le=LOG_NUMBER_MAX)]
Epoch = Annotated[int, Meta(ge=0, le=EPOCH_MAX)]
Run = Annotated[int, Meta(ge=1, le=RUN_MAX)]
Salt = Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
Digest = Annotated[bytes, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
Address = Annotated[bytes, Meta(min_length=ADDRESS_BYTES, max_length=ADDRESS_BYTES)]
Name = Annotated[bytes, Meta(min_length=ENVELOPE_ID_BYTES, max_length=ENVELOPE_ID_BYTES)]
Sealed = Annotated[bytes, Meta(min_length=ENVELOPE_BYTES_MIN, max_length=ENVELOPE_BYTES_MAX)]
Packed = Annotated[bytes, Meta(max_length=RANGES_BYTES_MAX)]
Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
BlobBytes = Annotated[int, Meta(ge=1, le=BLOB_BYTES_MAX)]


class Role(IntEnum):
    """What a node is to the community: one of its own, or one that stores and forwards what it can't read."""

    MEMBER = 0
    BLIND = 1


class Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part of a message: its fields in their order, none left out, none more."""


class LogRuns(Wire, frozen=True):
    """Some numbers of one log, as the runs of docs/protocol/radio-repair.md."""

    index: Index
    runs: Annotated[bytes, Meta(min_length=2, max_length=LOG_RUN_BYTES_MAX)]


class EntryRun(Wire, frozen=True):
    """Envelopes at consecutive numbers of one log. A second envelope at one number starts a run of its own."""

    index: Index
    first: Number
    envelopes: Annotated[tuple[Sealed, ...], Meta(min_length=1, max_length=BATCH_ENTRIES_MAX)]


class EpochRoot(Wire, frozen=True):
    """The fingerprint of one epoch's ids."""

    epoch: Epoch
    digest: Digest


class Split(Wire, frozen=True):
    """Fingerprints of the 2^fan parts of each range: `ranges` names prefixes of `depth` bits, ascending."""

    epoch: Epoch
    depth: Annotated[int, Meta(ge=0, le=60)]
    fan: Annotated[int, Meta(ge=1, le=4)]
    ranges: Packed
    prints: Packed


class Leaf(Wire, frozen=True):
    """The sender's ids of each range, salted and short; `counts` says how many there are in each."""

    epoch: Epoch
    depth: Annotated[int, Meta(ge=0, le=64)]
    ranges: Packed
    counts: Packed
    ids: Packed


class BlobName(Wire, frozen=True):
    """A blob by the SHA-256 of its bytes, and how many they are."""

    address: Address
    size: BlobBytes


class EpochShare(Wire, frozen=True):
    """What a blind node gets of an epoch: enough to tell it from noise, nothing to read it with."""

    number: Epoch
    relay: Key
    link: Key
    start: Annotated[int, Meta(ge=0, le=2**32 - 1)]


class Hello(Wire, frozen=True, tag=0):
    """Who I am. `space` is a hash of the community's id; `salt` my half of the key; `photos`: whether I keep blobs."""

    index: Index
    role: Role
    space: Annotated[bytes, Meta(min_length=SPACE_HASH_BYTES, max_length=SPACE_HASH_BYTES)]
    salt: Salt
    photos: bool


class Known(Wire, frozen=True, tag=1):
    """The places I know: held here, or gone. Each log once, ascending."""

    logs: Annotated[tuple[LogRuns, ...], Meta(max_length=LOGS_MAX)]


class Want(Wire, frozen=True, tag=2):
    """Send me these. None at all: I have what I want of what you know."""

    logs: Annotated[tuple[LogRuns, ...], Meta(max_length=LOGS_MAX)]


class Entries(Wire, frozen=True, tag=3):
    """Envelopes at their places: wanted, new, or strays. Each message is acknowledged by a Held of its own."""

    runs: Annotated[tuple[EntryRun, ...], Meta(min_length=1, max_length=BATCH_ENTRIES_MAX)]


class Held(Wire, frozen=True, tag=5):
    """Your oldest unacknowledged batch is on my disk, but for these positions in it, which I refuse."""

    refused: Annotated[tuple[Annotated[int, Meta(ge=0, lt=BATCH_ENTRIES_MAX)], ...], Meta(max_length=BATCH_ENTRIES_MAX)]


class Settled(Wire, frozen=True, tag=6):
    """That was all you wanted; with a run of the check: all its strays."""

    run: Annotated[int, Meta(ge=0, le=RUN_MAX)]


class Check(Wire, frozen=True, tag=7):
    """The digest of all my ids. The same back: we hold the same. `blobs`: theirs are among them."""

    run: Run
    blobs: bool
    digest: Digest


class Roots(Wire, frozen=True, tag=8):
    """Our digests differ; these are mine by epoch, ascending."""

    run: Run
    epochs: Annotated[tuple[EpochRoot, ...], Meta(max_length=EPOCHS_MAX)]


class Ranges(Wire, frozen=True, tag=9):
    """A step of the check. `lacking` has a bit for each id of the last step's leaves: set where I lack it."""

    run: Run
    splits: Annotated[tuple[Split, ...], Meta(max_length=EPOCHS_MAX)]
    leaves: Annotated[tuple[Leaf, ...], Meta(max_length=EPOCHS_MAX)]
    lacking: Packed


class Challenge(Wire, frozen=True, tag=10):
    """Prove that you hold these envelopes and blobs."""

    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    names: Annotated[tuple[Name, ...], Meta(max_length=PROOF_NAMES_MAX)]
    blobs: Annotated[tuple[Address, ...], Meta(max_length=PROOF_NAMES_MAX)]


class Proof(Wire, frozen=True, tag=11):
    """SHA-256 over the nonce and the bytes of all that was named, in that order; empty where something is missing."""

    digest: Annotated[bytes, Meta(max_length=PROOF_BYTES)]


class BlobHave(Wire, frozen=True, tag=12):
    """These blobs are on my disk: new ones, or ones that you seem to lack."""

    blobs: Annotated[tuple[BlobName, ...], Meta(min_length=1, max_length=BLOBS_NAMED_MAX)]


class BlobWant(Wire, frozen=True, tag=13):
    """Send me the blob's bytes from `offset` on, `length` of them."""

    address: Address
    offset: Annotated[int, Meta(ge=0, lt=BLOB_BYTES_MAX)]
    length: BlobBytes


class BlobPiece(Wire, frozen=True, tag=14):
    """Some bytes of a wanted blob."""

    address: Address
    offset: Annotated[int, Meta(ge=0, lt=BLOB_BYTES_MAX)]
    data: Annotated[bytes, Meta(min_length=1, max_length=PIECE_BYTES_MAX)]


class BlobGone(Wire, frozen=True, tag=15):
    """The wanted blob isn't here."""

    address: Address


class BlobHeld(Wire, frozen=True, tag=16):
    """These blobs are on my disk now: custody."""

    addresses: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=BLOBS_NAMED_MAX)]


class Pair(Wire, frozen=True, tag=17):
    """Once, while an invitation lives: who I really am. A blind node is told the space, its keys and its index.

    `port`: where I listen for peers.
    """

    certificate: Annotated[bytes, Meta(min_length=1, max_length=CERTIFICATE_BYTES_MAX)]
    name: Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
    role: Role
    index: Index | None
    photos: bool
    space_id: Annotated[bytes, Meta(min_length=16, max_length=16)] | None
    epochs: Annotated[tuple[EpochShare, ...], Meta(max_length=SHARED_EPOCHS_MAX)]
    reserved_index: Index | None
    port: Annotated[int, Meta(ge=1, le=65_535)] | None


class Bye(Wire, frozen=True, tag=18):
    """I end this session, and this is the word why."""

    word: Annotated[str, Meta(max_length=WORD_CHARACTERS_MAX)]


Message = (
    Hello
    | Known
    | Want
    | Entries
    | Held
    | Settled
    | Check
    | Roots
    | Ranges
    | Challenge
    | Proof
    | BlobHave
    | BlobWant
    | BlobPiece
    | BlobGone
    | BlobHeld
    | Pair
    | Bye
)
BlobMessage = BlobHave | BlobWant | BlobPiece | BlobGone | BlobHeld

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Message, strict=True)


def encode_body(message: Message) -> bytes:
    """The message without its length."""
    return _ENCODER.encode(message)


def encode_message(message: Message) -> bytes:
    """Length and body, as they go through the stream."""
    body = encode_body(message)
    assert len(body) <= MESSAGE_BYTES_MAX
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def decode_body(body: bytes) -> Message:
    """The message of these bytes; PeerError for anything that isn't one in its one encoding."""
    try:
        message: Message = _DECODER.decode(body)
    except (ValueError, RecursionError) as error:
        raise PeerError("What the peer sent is not a message.") from error
    if _ENCODER.encode(message) != body:
        raise PeerError("What the peer sent has another encoding than its own.")
    return message
