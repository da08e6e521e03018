"""The envelope: only its space opens it, every change is noticed, strangers are told apart from damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.envelope import ENVELOPE_BYTES_MAX, ENVELOPE_BYTES_MIN, envelope_id, hint_of, open_envelope, seal
from app.core.keys import derive_epoch_keys
from app.core.record import Lifetime, Record, compose, sign
from app.errors import DecodeError, StrangerError
from tests.core.test_record import KEY, SPACE, records

OURS = derive_epoch_keys(SPACE, 2, b"\x05" * 32)
OLDER = derive_epoch_keys(SPACE, 1, b"\x06" * 32)


@given(records)
def test_what_is_sealed_opens_with_the_epoch_that_sealed_it(record: Record) -> None:
    signed = sign(record, KEY, SPACE)
    envelope = seal(signed, OLDER)
    assert open_envelope(envelope, [OURS, OLDER]) == (signed, 1)
    assert seal(signed, OLDER) == envelope
    assert ENVELOPE_BYTES_MIN <= len(envelope) <= ENVELOPE_BYTES_MAX


def test_the_fixed_cost_is_94_to_96_bytes() -> None:
    costs = [
        len(seal(sign(compose(Lifetime.NORMAL, KEY.device_id, sequence, 1, 2, b""), KEY, SPACE), OURS))
        for sequence in (1, 128, 2**14)
    ]
    assert costs == [94, 95, 96]


@given(records, st.data())
def test_any_flipped_bit_is_noticed(record: Record, data: st.DataObject) -> None:
    envelope = bytearray(seal(sign(record, KEY, SPACE), OURS))
    bit = data.draw(st.integers(0, 8 * len(envelope) - 1))
    envelope[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecodeError):
        open_envelope(bytes(envelope), [OURS])


@given(st.binary(max_size=300))
def test_noise_is_never_an_envelope(noise: bytes) -> None:
    with pytest.raises(DecodeError):
        open_envelope(noise, [OURS, OLDER])


def test_a_stranger_is_told_apart_from_damage() -> None:
    signed = sign(compose(Lifetime.NORMAL, KEY.device_id, 1, 1, 2, b"hello"), KEY, SPACE)
    with pytest.raises(StrangerError):
        open_envelope(seal(signed, OLDER), [OURS])
    envelope = bytearray(seal(signed, OURS))
    envelope[-1] ^= 1
    envelope[1:5] = hint_of(bytes(envelope[:1] + envelope[5:]), OURS)
    with pytest.raises(DecodeError) as refusal:
        open_envelope(bytes(envelope), [OURS])
    assert refusal.value.code == "tag"


def test_the_envelope_id_names_the_bytes() -> None:
    signed = sign(compose(Lifetime.NORMAL, KEY.device_id, 1, 1, 2, b"hello"), KEY, SPACE)
    assert (
        len({envelope_id(seal(signed, OURS)), envelope_id(seal(signed, OLDER)), envelope_id(seal(signed, OURS))}) == 2
    )


def test_no_plaintext_shows_outside() -> None:
    text = b"Come to the barn dance on Saturday"
    envelope = seal(sign(compose(Lifetime.NORMAL, KEY.device_id, 1, 1, 2, text), KEY, SPACE), OURS)
    assert b"barn" not in envelope
    assert bytes(KEY.device_id) not in envelope
