"""The code of `tntn peer invite`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.sync.address import Address
from app.sync.invitation import (
    CODE_PREFIX,
    QUOTA_MB_MAX,
    PeerInvitation,
    decode_peer_invitation,
    encode_peer_invitation,
)
from app.sync.message import Role

HOSTS = st.one_of(
    st.ip_addresses().map(str), st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{1,8})?", fullmatch=True)
)
INVITATIONS = st.builds(
    PeerInvitation,
    inviter=st.binary(min_size=16, max_size=16),
    secret=st.binary(min_size=16, max_size=16),
    role=st.sampled_from(Role),
    photos=st.booleans(),
    quota_mb=st.none() | st.integers(1, QUOTA_MB_MAX),
    expires=st.integers(0, 2**32 - 1),
    addresses=st.lists(st.builds(Address, HOSTS, st.integers(1, 65_535)), max_size=8).map(tuple),
)
TYPICAL = PeerInvitation(
    bytes(range(16)), bytes(range(16, 32)), Role.BLIND, True, 500_000, 1_000_000, (Address("192.168.1.20", 8444),)
)


@given(INVITATIONS)
def test_codes_come_back_as_they_were(invitation: PeerInvitation) -> None:
    assert decode_peer_invitation(encode_peer_invitation(invitation)) == invitation


def test_a_typical_code_is_short_and_fits_a_qr_code_s_alphabet() -> None:
    code = encode_peer_invitation(TYPICAL)
    assert re.fullmatch(r"PEER1-([A-Z2-7]{4}-)*[A-Z2-7]{1,4}", code)
    assert len(code) <= 112


def test_case_spaces_lines_and_zeros_do_not_matter() -> None:
    code = encode_peer_invitation(TYPICAL)
    written = code.lower().replace("-", " -\n", 3).replace("o", "0").replace("l", "1")
    assert decode_peer_invitation(written.replace("peer1", "PEER1")) == TYPICAL


@given(st.integers(len(CODE_PREFIX), len(encode_peer_invitation(TYPICAL)) - 1), st.sampled_from("ABCDEFGHIJ234567"))
def test_a_changed_character_is_noticed(at: int, other: str) -> None:
    code = encode_peer_invitation(TYPICAL)
    if code[at] in ("-", other):
        return
    with pytest.raises(InputError):
        decode_peer_invitation(code[:at] + other + code[at + 1 :])


@given(st.text(max_size=200) | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567-", max_size=200).map("PEER1-".__add__))
def test_any_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(InputError):
        decode_peer_invitation(text)


def test_the_other_kind_of_invitation_is_told_apart() -> None:
    with pytest.raises(InputError, match="--join"):
        decode_peer_invitation("tntn1-abcdef")


def test_the_secret_is_in_no_repr() -> None:
    assert repr(TYPICAL.secret) not in repr(TYPICAL)
