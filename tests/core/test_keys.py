"""Keys: derivation against RFC 5869's shape, wrapping, and verification that never raises."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.keys import (
    WRAPPED_KEY_BYTES,
    DeviceKey,
    SpaceId,
    derive_epoch_keys,
    device_id_of,
    unwrap_epoch_key,
    verify,
    wrap_epoch_key,
)
from app.errors import DecodeError

SPACE = SpaceId(bytes(range(16)))


def test_epoch_keys_are_hkdf_sha256_with_the_space_as_salt() -> None:
    keys = derive_epoch_keys(SPACE, 1, b"\x05" * 32)
    pseudorandom = hmac.digest(SPACE, b"\x05" * 32, "sha256")
    assert keys.message == hmac.digest(pseudorandom, b"tntn K_msg 1\x01", "sha256")
    assert keys.nonce == hmac.digest(pseudorandom, b"tntn N_epoch 1\x01", "sha256")[:12]
    assert keys.relay == hmac.digest(pseudorandom, b"tntn K_relay 1\x01", "sha256")
    assert keys.link == hmac.digest(pseudorandom, b"tntn K_link 1\x01", "sha256")


def test_keys_do_not_show_in_a_repr() -> None:
    keys = derive_epoch_keys(SPACE, 1, b"\x05" * 32)
    assert repr(keys) == "EpochKeys(number=1)"


def test_a_device_id_is_the_start_of_its_keys_hash() -> None:
    key = DeviceKey(b"\x01" * 32)
    assert key.device_id == device_id_of(key.public_key) == hashlib.sha256(key.public_key).digest()[:4]


@given(st.binary(max_size=40), st.binary(max_size=80), st.binary(max_size=70))
def test_verification_of_any_bytes_answers_and_never_raises(key: bytes, message: bytes, signature: bytes) -> None:
    assert verify(key, message, signature) is False


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
def test_a_wrapped_key_opens_with_its_secret_alone(secret: bytes, epoch_key: bytes) -> None:
    wrapped = wrap_epoch_key(SPACE, secret, epoch_key)
    assert len(wrapped) == WRAPPED_KEY_BYTES
    assert unwrap_epoch_key(SPACE, secret, wrapped) == epoch_key
    with pytest.raises(DecodeError):
        unwrap_epoch_key(SPACE, bytes(16) if secret != bytes(16) else b"\x01" * 16, wrapped)


@given(st.binary(max_size=60))
def test_unwrapping_any_bytes_is_a_key_or_a_decode_error(wrapped: bytes) -> None:
    with pytest.raises(DecodeError):
        unwrap_epoch_key(SPACE, b"\x01" * 16, wrapped)
