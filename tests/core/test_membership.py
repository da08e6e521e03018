"""Invitation codes: round trip, damage, forgery, and no key in a repr."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.keys import DeviceKey, SpaceId
from app.core.membership import CODE_PREFIX, Invitation, RosterNode, decode_invitation, encode_invitation
from app.errors import InputError

INVITER = DeviceKey(b"\x01" * 32)
SECRET = b"\x08" * 16
INVITATION = Invitation(
    space_id=SpaceId(b"\x02" * 16),
    community="Upper Valley",
    epoch_number=1,
    epoch_started=900_000,
    epoch_key=b"\x05" * 32,
    index=2,
    inviter=0,
    expires=1_010_080,
    roster=(
        RosterNode(0, INVITER.public_key, "Market Square"),
        RosterNode(1, DeviceKey(b"\x03" * 32).public_key, "North Valley"),
    ),
)


def test_a_code_says_what_was_put_in() -> None:
    code = encode_invitation(INVITATION, SECRET, INVITER)
    assert code.startswith(CODE_PREFIX)
    assert decode_invitation(code) == INVITATION
    assert decode_invitation("  " + code[:50] + "\n" + code[50:] + "\n") == INVITATION


@given(st.data())
def test_a_damaged_code_is_refused(data: st.DataObject) -> None:
    code = encode_invitation(INVITATION, SECRET, INVITER)
    at = data.draw(st.integers(len(CODE_PREFIX), len(code) - 2))  # the last character has spare bits
    other = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda character: character != code[at]))
    with pytest.raises(InputError):
        decode_invitation(code[:at] + other + code[at + 1 :])


@given(st.text(max_size=80))
def test_any_text_is_an_invitation_or_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        decode_invitation(CODE_PREFIX + text)


def test_a_code_signed_by_somebody_else_is_refused() -> None:
    with pytest.raises(InputError, match="not signed"):
        decode_invitation(encode_invitation(INVITATION, SECRET, DeviceKey(b"\x09" * 32)))


def test_a_cut_code_says_so() -> None:
    code = encode_invitation(INVITATION, SECRET, INVITER)
    with pytest.raises(InputError, match="cut off"):
        decode_invitation(code[:-12])


def test_no_key_shows_in_a_repr() -> None:
    assert "\\x05" not in repr(INVITATION)
