"""The code of `tntn peer invite`: who invites, where, and a secret that opens the door once. Pure.

In capitals and digits, so that a QR code of it stays small and it can be read out. Spec: docs/protocol/sync.md,
"Invitation".
"""

import base64
import hashlib
import ipaddress

import msgspec

from app.core.record import decode_varint, encode_varint
from app.errors import InputError
from app.sync.address import HOST_CHARACTERS_MAX, Address, parse_address
from app.sync.message import Role

CODE_VERSION = 1
CODE_PREFIX = "PEER1-"
GROUP_CHARACTERS = 4
CODE_CHARACTERS_MAX = 4096
INVITER_BYTES = 16
"""Of the SHA-256 of the inviter's sync key: nobody finds another key for it."""
SECRET_BYTES = 16
CHECKSUM_BYTES = 4
ADDRESSES_MAX = 8
QUOTA_MB_MAX = 2**28 - 1
"""268 TB, in four bytes."""
_QUOTA_BYTES_MAX = 4
_MINUTES_BYTES = 4
_HEAD_BYTES = 1 + INVITER_BYTES + SECRET_BYTES + 1 + _MINUTES_BYTES
_BLIND, _PHOTOS = 1, 2
_NAMED, _IPV4, _IPV6 = 0, 4, 6


class PeerInvitation(msgspec.Struct, frozen=True):
    """What a code says. `expires` in minutes since 2025, by the inviter's clock, which alone decides.

    `inviter` is the beginning of its peer id; `role` what the newcomer is to be to it.
    """

    inviter: bytes
    secret: bytes
    role: Role
    photos: bool
    quota_mb: int | None
    expires: int
    addresses: tuple[Address, ...]

    def __repr__(self) -> str:
        return f"PeerInvitation(role={self.role.name!r}, addresses={self.addresses!r})"


def encode_peer_invitation(invitation: PeerInvitation) -> str:
    """The code: PEER1- and base32 in groups of four."""
    packed = _packed(invitation)
    text = _text(packed + _checksum(packed))
    groups = (text[at : at + GROUP_CHARACTERS] for at in range(0, len(text), GROUP_CHARACTERS))
    return CODE_PREFIX + "-".join(groups)


def decode_peer_invitation(code: str) -> PeerInvitation:
    """The invitation in a code, however it was broken into lines. InputError where it is damaged or not one."""
    packed = _unpack(code)
    if packed[0] != CODE_VERSION:
        raise InputError("This code was made by a later version of TNTN. Update this machine.", "code")
    try:
        flags, expires = packed[_HEAD_BYTES - _MINUTES_BYTES - 1], packed[_HEAD_BYTES - _MINUTES_BYTES : _HEAD_BYTES]
        if flags & ~(_BLIND | _PHOTOS):
            raise ValueError
        quota_mb, at = decode_varint(packed, _HEAD_BYTES, _QUOTA_BYTES_MAX)
        if quota_mb > QUOTA_MB_MAX:
            raise ValueError
        addresses = _unpack_addresses(packed[at:])
    except (InputError, ValueError, IndexError) as error:
        raise InputError("This code is not one that this version reads.", "code") from error
    invitation = PeerInvitation(
        inviter=packed[1 : 1 + INVITER_BYTES],
        secret=packed[1 + INVITER_BYTES : 1 + INVITER_BYTES + SECRET_BYTES],
        role=Role.BLIND if flags & _BLIND else Role.MEMBER,
        photos=bool(flags & _PHOTOS),
        quota_mb=quota_mb or None,
        expires=int.from_bytes(expires, "big"),
        addresses=addresses,
    )
    if _packed(invitation) != packed:
        raise InputError("This code is not one that this version reads.", "code")
    return invitation


def _packed(invitation: PeerInvitation) -> bytes:
    flags = _BLIND * (invitation.role is Role.BLIND) | _PHOTOS * invitation.photos
    return b"".join(
        (
            bytes([CODE_VERSION]),
            invitation.inviter,
            invitation.secret,
            bytes([flags]),
            invitation.expires.to_bytes(_MINUTES_BYTES, "big"),
            encode_varint(invitation.quota_mb or 0),
            *(_pack(address) for address in invitation.addresses[:ADDRESSES_MAX]),
        )
    )


def _unpack(code: str) -> bytes:
    text = "".join(code.split()).upper()
    if text.startswith("TNTN1-"):
        raise InputError("This code lets a node join a community: bin/run --join takes it. Peers have another.", "code")
    if not text.startswith(CODE_PREFIX) or len(text) > CODE_CHARACTERS_MAX:
        raise InputError(f"A peer's code starts with {CODE_PREFIX}; `tntn peer invite` prints one.", "code")
    # What a person copies by hand: 0 for O, 1 for L.
    text = text.removeprefix(CODE_PREFIX).replace("-", "").replace("0", "O").replace("1", "L")
    try:
        packed = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError as error:
        raise InputError("This code holds characters that do not belong in it, or lacks some.", "code") from error
    body, checksum = packed[:-CHECKSUM_BYTES], packed[-CHECKSUM_BYTES:]
    if len(body) <= _HEAD_BYTES or _checksum(body) != checksum or _text(packed) != text:
        raise InputError("This code is damaged or cut off. Copy it again, whole.", "code")
    return body


def _text(packed: bytes) -> str:
    return base64.b32encode(packed).decode("ascii").rstrip("=")


def _checksum(packed: bytes) -> bytes:
    return hashlib.sha256(packed).digest()[:CHECKSUM_BYTES]


def _pack(address: Address) -> bytes:
    try:
        number = ipaddress.ip_address(address.host).packed
        host = bytes([_IPV4 if len(number) == 4 else _IPV6]) + number
    except ValueError:
        name = address.host.encode("ascii")
        host = bytes([_NAMED, len(name)]) + name
    return host + address.port.to_bytes(2, "big")


def _unpack_addresses(packed: bytes) -> tuple[Address, ...]:
    found: list[Address] = []
    at = 0
    while at < len(packed):
        if len(found) == ADDRESSES_MAX:
            raise ValueError
        host, at = _unpack_host(packed, at)
        if at + 2 > len(packed):
            raise ValueError
        found.append(parse_address(str(Address(host, int.from_bytes(packed[at : at + 2], "big")))))
        at += 2
    return tuple(found)


def _unpack_host(packed: bytes, at: int) -> tuple[str, int]:
    kind = packed[at]
    if kind == _NAMED:
        length, at = packed[at + 1], at + 2
        if not 0 < length <= HOST_CHARACTERS_MAX:
            raise ValueError
        return packed[at : at + length].decode("ascii"), at + length
    if kind not in (_IPV4, _IPV6):
        raise ValueError
    length, at = (4 if kind == _IPV4 else 16), at + 1
    return str(ipaddress.ip_address(packed[at : at + length])), at + length
