"""The envelope: a signed record sealed for a space. All that leaves a node is one of these.

AES-256-GCM-SIV (RFC 8452) with a nonce that stands for the whole epoch and is never sent: equal plaintext shows
as equal and nothing else, and a node restored from an old SD card cannot break it. Spec: docs/protocol/record.md.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from app.core.keys import EpochKeys
from app.core.record import SIGNED_BYTES_MAX, SignedRecord, decode_byte0, decode_signed
from app.errors import DecodeError, StrangerError

EnvelopeId = NewType("EnvelopeId", bytes)
"""SHA-256(envelope)[:16]. Transport only: a record that is sealed again has a new one."""

HINT_BYTES = 4
TAG_BYTES = 16
ENVELOPE_ID_BYTES = 16
ENVELOPE_BYTES_MAX = SIGNED_BYTES_MAX + HINT_BYTES + TAG_BYTES
ENVELOPE_BYTES_MIN = 1 + HINT_BYTES + 4 + 1 + 3 + 1 + 64 + TAG_BYTES
"""An empty body and a one-byte sequence: the fixed cost of a record."""


def seal(signed: SignedRecord, keys: EpochKeys) -> bytes:
    """byte 0 ‖ hint ‖ ciphertext. The same record under the same epoch is always the same bytes."""
    byte0 = bytes([signed.byte0])
    ciphertext = AESGCMSIV(keys.message).encrypt(keys.nonce, signed.fields + signed.signature, byte0)
    return byte0 + hint_of(byte0 + ciphertext, keys) + ciphertext


def open_envelope(envelope: bytes, epochs: Iterable[EpochKeys]) -> tuple[SignedRecord, int]:
    """The signed record inside and the number of the epoch that opened it.

    The signature is not checked here: that needs the author's key. StrangerError when no hint fits, DecodeError
    for all else that is not an envelope.
    """
    check_size(envelope)
    decode_byte0(envelope[0])
    byte0, hint, ciphertext = envelope[:1], envelope[1 : 1 + HINT_BYTES], envelope[1 + HINT_BYTES :]
    fitting = [keys for keys in epochs if hmac.compare_digest(hint, hint_of(byte0 + ciphertext, keys))]
    if not fitting:
        raise StrangerError
    for keys in fitting:
        try:
            plaintext = AESGCMSIV(keys.message).decrypt(keys.nonce, ciphertext, byte0)
        except InvalidTag:
            continue
        return decode_signed(byte0 + plaintext), keys.number
    raise DecodeError("tag", "The envelope was changed on its way: its seal is broken.")


def epoch_of(envelope: bytes, epochs: Iterable[EpochKeys]) -> int | None:
    """The number of the epoch whose hint fits, without opening it; None for a stranger's. Needs K_relay only."""
    hint, rest = envelope[1 : 1 + HINT_BYTES], envelope[:1] + envelope[1 + HINT_BYTES :]
    return next((keys.number for keys in epochs if hmac.compare_digest(hint, hint_of(rest, keys))), None)


def check_size(envelope: bytes) -> None:
    """DecodeError when no envelope can have this size."""
    if len(envelope) < ENVELOPE_BYTES_MIN:
        raise DecodeError(
            "truncated", f"An envelope has at least {ENVELOPE_BYTES_MIN} bytes; this has {len(envelope)}."
        )
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise DecodeError("oversized", f"An envelope has at most {ENVELOPE_BYTES_MAX} bytes; this has {len(envelope)}.")


def hint_of(byte0_and_ciphertext: bytes, keys: EpochKeys) -> bytes:
    """HMAC-SHA256(K_relay, byte 0 ‖ ciphertext)[:4]: picks the key, and lets a blind relay drop strangers' noise."""
    return hmac.digest(keys.relay, byte0_and_ciphertext, "sha256")[:HINT_BYTES]


def envelope_id(envelope: bytes) -> EnvelopeId:
    """The name of these bytes between nodes."""
    return EnvelopeId(hashlib.sha256(envelope).digest()[:ENVELOPE_ID_BYTES])
