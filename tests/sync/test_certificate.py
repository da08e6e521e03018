"""A node's certificate: the same bytes from the same seed; nothing else passes for one."""

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from app.errors import PeerError
from app.sync.certificate import CERTIFICATE_BYTES_MAX, SyncKey, passing_key, peer_id_of, public_key_of
from tests.sync.certificates import certificate_of

KEY = SyncKey(bytes(range(32)))


def test_the_certificate_is_a_function_of_the_seed() -> None:
    assert SyncKey(bytes(range(32))).certificate == KEY.certificate
    assert hashlib.sha256(KEY.certificate).hexdigest() == (
        "818634c68ca93d04a7ce46c3ab2ddde4fba30fac8850fdd4b7423cf393dce962"
    )
    assert SyncKey(bytes(32)).certificate != KEY.certificate


def test_it_names_its_key_and_holds_from_1970_to_2200() -> None:
    found = x509.load_der_x509_certificate(KEY.certificate)
    assert found.subject.rfc4514_string() == f"CN={KEY.public_key.hex()}"
    assert (found.not_valid_before_utc.year, found.not_valid_after_utc.year) == (1970, 2200)
    assert len(KEY.certificate) <= CERTIFICATE_BYTES_MAX
    assert KEY.peer_id == peer_id_of(KEY.public_key) == hashlib.sha256(KEY.public_key).digest()


@given(st.binary(min_size=32, max_size=32))
def test_the_key_is_read_from_the_certificate(seed: bytes) -> None:
    key = SyncKey(seed)
    assert public_key_of(key.certificate) == key.public_key


@given(st.binary(max_size=CERTIFICATE_BYTES_MAX + 8))
def test_other_bytes_are_no_certificate(data: bytes) -> None:
    with pytest.raises(PeerError):
        public_key_of(data)


@given(st.integers(0, len(KEY.certificate) - 1), st.integers(1, 255))
def test_a_changed_certificate_is_refused(at: int, change: int) -> None:
    changed = bytearray(KEY.certificate)
    changed[at] ^= change
    with pytest.raises(PeerError):
        public_key_of(bytes(changed))


def test_certificates_of_other_keys_names_and_signers_are_refused() -> None:
    other = SyncKey(bytes(32))
    with pytest.raises(PeerError):
        public_key_of(certificate_of(KEY, name=other.public_key.hex()))
    with pytest.raises(PeerError):
        public_key_of(certificate_of(KEY, signed_by=other))
    with pytest.raises(PeerError):
        public_key_of(_elliptic())


def test_the_passing_key_hangs_on_the_secret_and_on_who_invites() -> None:
    secret, inviter = bytes(16), bytes(16)
    assert passing_key(secret, inviter).peer_id == passing_key(secret, inviter).peer_id
    assert passing_key(secret, b"\1" * 16).peer_id != passing_key(secret, inviter).peer_id
    assert passing_key(b"\1" * 16, inviter).peer_id != passing_key(secret, inviter).peer_id


def test_the_seed_is_in_no_repr() -> None:
    assert bytes(range(32)).hex() not in repr(KEY)
    assert repr(bytes(range(32))) not in repr(KEY)


def _elliptic() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "00")])
    day = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    end = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, day, end).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)
