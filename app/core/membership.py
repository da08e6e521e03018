"""Who is in the community: the roster of nodes, and the code by which another node joins.

An invitation is one line of text that carries the space, the epoch key wrapped under a one-time secret, the
roster as far as the inviting node knows it, and the inviting node's signature over it all. Whoever holds the
line can join: it is a key, and is told so where it is shown. Spec: docs/protocol/record.md, "Invitation".
"""

import base64
import hashlib
from enum import StrEnum

import msgspec

from app.core.bodies import NODE_INDEX_MAX, check_name, decode_map, encode_map
from app.core.keys import (
    EPOCH_KEY_BYTES,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    SPACE_ID_BYTES,
    WRAPPED_KEY_BYTES,
    DeviceKey,
    SpaceId,
    unwrap_epoch_key,
    verify,
    wrap_epoch_key,
)
from app.errors import DecodeError, InputError

SECRET_BYTES = 16
CHECKSUM_BYTES = 4
INVITATION_DAYS = 7
CODE_PREFIX = "tntn1-"
CODE_CHARACTERS_MAX = 64 * 1024
"""A roster of 254 nodes with long names stays below this."""
_DOMAIN = b"tntn invitation 1\0"


class JoinPolicy(StrEnum):
    """Whether a new person may post at once, or needs an invitation."""

    OPEN = "open"
    INVITED = "invited"


class RosterNode(msgspec.Struct, frozen=True):
    """A node as the roster lists it."""

    index: int
    public_key: bytes
    name: str


class Invitation(msgspec.Struct, frozen=True):
    """What the code says. `index` is the new node's own; `inviter` the index of the node that signed."""

    space_id: SpaceId
    community: str
    epoch_number: int
    epoch_started: int
    epoch_key: bytes
    index: int
    inviter: int
    expires: int
    roster: tuple[RosterNode, ...]

    def __repr__(self) -> str:
        return f"Invitation(community={self.community!r}, index={self.index})"


def encode_invitation(invitation: Invitation, secret: bytes, key: DeviceKey) -> str:
    """The code: `tntn1-` and base64url of secret ‖ map ‖ signature ‖ checksum. `secret` is 16 fresh random bytes."""
    body = encode_map(
        {
            1: invitation.space_id,
            2: invitation.community,
            3: [invitation.epoch_number, invitation.epoch_started],
            4: wrap_epoch_key(invitation.space_id, secret, invitation.epoch_key),
            5: invitation.index,
            6: invitation.inviter,
            7: invitation.expires,
            8: [[node.index, node.public_key, node.name] for node in invitation.roster],
        }
    )
    signed = secret + body + key.sign(_DOMAIN + secret + body)
    packed = signed + hashlib.sha256(signed).digest()[:CHECKSUM_BYTES]
    return CODE_PREFIX + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def decode_invitation(code: str) -> Invitation:
    """The invitation in a code, its signature checked. InputError where the code is damaged or not one."""
    signed = _unpack(code)
    secret, body, signature = (
        signed[:SECRET_BYTES],
        signed[SECRET_BYTES:-SIGNATURE_BYTES],
        signed[-SIGNATURE_BYTES:],
    )
    try:
        invitation = _decode_fields(decode_map(body), secret)
    except (DecodeError, LookupError, TypeError, ValueError) as error:
        raise InputError("This invitation code is not one that this version reads.", "join") from error
    inviter = next((node for node in invitation.roster if node.index == invitation.inviter), None)
    if inviter is None or not verify(inviter.public_key, _DOMAIN + secret + body, signature):
        raise InputError("This invitation code is not signed by the node that it names.", "join")
    return invitation


def _unpack(code: str) -> bytes:
    text = "".join(code.split())
    if not text.startswith(CODE_PREFIX) or len(text) > CODE_CHARACTERS_MAX:
        raise InputError(f"An invitation code starts with {CODE_PREFIX}; `tntn node invite` prints one.", "join")
    text = text.removeprefix(CODE_PREFIX)
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InputError("This invitation code holds characters that do not belong in it.", "join") from error
    signed, checksum = packed[:-CHECKSUM_BYTES], packed[-CHECKSUM_BYTES:]
    if len(signed) < SECRET_BYTES + SIGNATURE_BYTES or hashlib.sha256(signed).digest()[:CHECKSUM_BYTES] != checksum:
        raise InputError("This invitation code is damaged or cut off. Copy it again, whole.", "join")
    return signed


def _decode_fields(fields: dict[int, object], secret: bytes) -> Invitation:
    space_id = SpaceId(_bytes(fields[1], SPACE_ID_BYTES))
    epoch_number, epoch_started = _list(fields[3], 2)
    epoch_key = unwrap_epoch_key(space_id, secret, _bytes(fields[4], WRAPPED_KEY_BYTES))
    _bytes(epoch_key, EPOCH_KEY_BYTES)
    return Invitation(
        space_id=space_id,
        community=check_name(_text(fields[2])),
        epoch_number=_number(epoch_number, 2**32),
        epoch_started=_number(epoch_started, 2**24),
        epoch_key=epoch_key,
        index=_number(fields[5], NODE_INDEX_MAX),
        inviter=_number(fields[6], NODE_INDEX_MAX),
        expires=_number(fields[7], 2**32),
        roster=tuple(_roster_node(entry) for entry in _list(fields[8])),
    )


def _roster_node(entry: object) -> RosterNode:
    index, public_key, name = _list(entry, 3)
    return RosterNode(_number(index, NODE_INDEX_MAX), _bytes(public_key, PUBLIC_KEY_BYTES), check_name(_text(name)))


def _bytes(value: object, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: object, maximum: int) -> int:
    if type(value) is not int or not 0 <= value <= maximum:
        raise TypeError
    return value


def _list(value: object, length: int | None = None) -> list[object]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise TypeError
    return value
