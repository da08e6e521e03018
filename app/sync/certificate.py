"""A node's sync key and the certificate that goes with it: always the same bytes from the same seed. Pure.

Peers know each other by these certificates alone, so nobody signs them but the node itself. The public key stands in
the common name: OpenSSL looks an issuer up by its name, and tries only so many of the same.
"""

import datetime
import hashlib
from typing import NewType

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from app.errors import PeerError

PeerId = NewType("PeerId", bytes)
"""SHA-256 of the sync public key."""
PEER_ID_BYTES = 32
SEED_BYTES = 32
CERTIFICATE_BYTES_MAX = 1024
"""Ours has about 320."""
FIRST_DAY = datetime.datetime(1970, 1, 2, tzinfo=datetime.UTC)
LAST_DAY = datetime.datetime(2200, 1, 1, tzinfo=datetime.UTC)
"""Clocks are wrong by years, and a Pi's may begin in 1970: what ends trust is the keeper's `tntn peer remove`."""
NO_CERTIFICATE = (
    *(ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion),
    CryptographyDeprecationWarning,  # of a serial number below zero, where warnings are errors
)
_SERIAL_BYTES = 16
_ED25519 = SignatureAlgorithmOID.ED25519
_PASSING_INFO = b"tntn pairing key 1"


class SyncKey:
    """A node's sync key pair and certificate. The seed never appears in a log or a repr."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.peer_id = peer_id_of(self.public_key)
        self.certificate = _certify(self._key, self.public_key)

    def pem(self) -> bytes:
        """Private key and certificate, as OpenSSL loads them from one file."""
        key = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = x509.load_der_x509_certificate(self.certificate)
        return key + certificate.public_bytes(serialization.Encoding.PEM)


def passing_key(secret: bytes, inviter: bytes) -> SyncKey:
    """The key by which the holder of an invitation is known until it is paired. `inviter` names whose invitation."""
    return SyncKey(HKDF(hashes.SHA256(), SEED_BYTES, inviter, _PASSING_INFO).derive(secret))


def peer_id_of(public_key: bytes) -> PeerId:
    """The name of a peer."""
    return PeerId(hashlib.sha256(public_key).digest())


def public_key_of(certificate: bytes) -> bytes:
    """The Ed25519 key in a peer's certificate (DER). PeerError when it is not one that a node makes for itself."""
    try:
        if len(certificate) > CERTIFICATE_BYTES_MAX:
            raise ValueError
        found = x509.load_der_x509_certificate(certificate)
        key = found.public_key()
        if not isinstance(key, Ed25519PublicKey):
            raise TypeError
        public_key = key.public_bytes_raw()
        if (
            found.subject != _name(public_key)
            or found.issuer != found.subject
            or found.signature_algorithm_oid != _ED25519
        ):
            raise ValueError
        key.verify(found.signature, found.tbs_certificate_bytes)
    except NO_CERTIFICATE as error:
        raise PeerError("This is no certificate of a node.") from error
    return public_key


def _certify(key: Ed25519PrivateKey, public_key: bytes) -> bytes:
    # Ed25519 signs the same with the same, and nothing else in here is chosen: so the certificate is a function.
    serial = int.from_bytes(hashlib.sha256(b"tntn serial" + public_key).digest()[:_SERIAL_BYTES], "big") >> 1 | 1
    name = _name(public_key)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), serial, FIRST_DAY, LAST_DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, None)
        .public_bytes(serialization.Encoding.DER)
    )


def _name(public_key: bytes) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, public_key.hex())])
