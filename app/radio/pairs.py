"""The key two nodes share and nobody else: what a symbol's MAC is made with when the community's key was misused.

X25519 between the nodes' device keys (Ed25519 keys in their Montgomery form), then HKDF-SHA256 with the space as salt.
Spec: docs/protocol/radio-fragments.md, "One source".
"""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_scalarmult
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from app.errors import InputError

PAIR_KEY_BYTES = 32
_DOMAIN = b"tntn K_pair 1"


def pair_key(seed: bytes, other_public_key: bytes, space_id: bytes) -> bytes:
    """The key that the node with this Ed25519 seed shares with the node of that public key: the same for both.

    InputError when the public key is no point of the curve.
    """
    own = SigningKey(seed)
    try:
        other = VerifyKey(other_public_key).to_curve25519_public_key()
        secret = crypto_scalarmult(bytes(own.to_curve25519_private_key()), bytes(other))
    except (CryptoError, ValueError) as error:
        raise InputError("This is no node's public key.", "public_key") from error
    ends = sorted((bytes(own.verify_key), other_public_key))
    return HKDF(SHA256(), PAIR_KEY_BYTES, space_id, _DOMAIN + b"".join(ends)).derive(secret)
