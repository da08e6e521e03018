"""Keys: a device's signing key, what an epoch key yields, and how an epoch key is wrapped.

Ed25519 comes from PyNaCl, AES from `cryptography`: libsodium refuses AES on a Raspberry Pi 3, 4 and Zero 2,
which have no AES instructions. Spec: docs/protocol/record.md, "Keys".
"""

import hashlib
from typing import NewType

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from app.errors import DecodeError

DeviceId = NewType("DeviceId", bytes)
"""SHA-256(device public key)[:4]."""
SpaceId = NewType("SpaceId", bytes)
"""16 bytes, chosen when the community is founded."""

DEVICE_ID_BYTES = 4
SPACE_ID_BYTES = 16
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
EPOCH_KEY_BYTES = 32
WRAPPED_KEY_BYTES = 52
"""4 bytes that name the recipient, 32 of key, 16 of tag."""


class DeviceKey:
    """A device's Ed25519 key pair. The seed never appears in a log or a repr."""

    def __init__(self, seed: bytes) -> None:
        self._key = SigningKey(seed)
        self.public_key = bytes(self._key.verify_key)
        self.device_id = device_id_of(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature over `message`."""
        return self._key.sign(message).signature


class EpochKeys(msgspec.Struct, frozen=True):
    """What one epoch key yields. A blind node is given `relay` and `link` only."""

    number: int
    message: bytes
    nonce: bytes
    relay: bytes
    link: bytes

    def __repr__(self) -> str:
        return f"EpochKeys(number={self.number})"


def device_id_of(public_key: bytes) -> DeviceId:
    """The 4-byte name of a device; collisions can be ground in seconds, so the roster refuses the second."""
    return DeviceId(hashlib.sha256(public_key).digest()[:DEVICE_ID_BYTES])


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """True when `signature` is the Ed25519 signature of `message` by `public_key`; never raises on bad bytes."""
    try:
        VerifyKey(public_key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def derive_epoch_keys(space_id: SpaceId, number: int, epoch_key: bytes) -> EpochKeys:
    """The keys of one epoch of a space, by HKDF-SHA256 with the space id as salt (RFC 5869)."""

    def derived(info: bytes, length: int) -> bytes:
        return HKDF(SHA256(), length, space_id, info).derive(epoch_key)

    return EpochKeys(
        number=number,
        message=derived(b"tntn K_msg 1", 32),
        nonce=derived(b"tntn N_epoch 1", 12),
        relay=derived(b"tntn K_relay 1", 32),
        link=derived(b"tntn K_link 1", 32),
    )


def wrap_epoch_key(space_id: SpaceId, secret: bytes, epoch_key: bytes) -> bytes:
    """The epoch key under a one-time secret: 4 bytes naming the secret ‖ 32 of key ‖ 16 of tag.

    The nonce may stand still: the wrapping key is used once, and GCM-SIV (RFC 8452) would forgive even that.
    """
    name = hashlib.sha256(b"tntn wrap name 1\0" + secret).digest()[:4]
    return name + AESGCMSIV(_wrapping_key(space_id, secret)).encrypt(bytes(12), epoch_key, name)


def unwrap_epoch_key(space_id: SpaceId, secret: bytes, wrapped: bytes) -> bytes:
    """The 32-byte epoch key; DecodeError when the secret is not the one it was wrapped under."""
    name, sealed = wrapped[:4], wrapped[4:]
    try:
        key = AESGCMSIV(_wrapping_key(space_id, secret)).decrypt(bytes(12), sealed, name)
    except (InvalidTag, ValueError):
        raise DecodeError("tag", "The key inside this code does not open: the code is damaged.") from None
    return key


def _wrapping_key(space_id: SpaceId, secret: bytes) -> bytes:
    return HKDF(SHA256(), 32, space_id, b"tntn epoch wrap 1").derive(secret)
