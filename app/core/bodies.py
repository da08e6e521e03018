"""The bodies by which devices and nodes introduce themselves: deterministic CBOR maps with small integer keys.

One table per kind in docs/protocol/record.md. Unknown keys are carried in the record's bytes and ignored here.
"""

import io
import unicodedata
from typing import Any

import cbor2
import msgspec

from app.core.keys import PUBLIC_KEY_BYTES
from app.errors import DecodeError, InputError

NAME_CHARACTERS_MAX = 40
NODE_INDEX_MAX = 254
"""One byte in a frame; 255 stands for a node that has no index yet."""


class DeviceIntroduction(msgspec.Struct, frozen=True):
    """A person's device says who it is. In the work on people the root's certificate joins as key 3."""

    public_key: bytes
    name: str

    def encode(self) -> bytes:
        return encode_map({1: self.public_key, 2: self.name})


class NodeIntroduction(msgspec.Struct, frozen=True):
    """A node says who it is and which index of the roster it was given."""

    public_key: bytes
    name: str
    index: int

    def encode(self) -> bytes:
        return encode_map({1: self.public_key, 2: self.name, 3: self.index})


def decode_device_introduction(body: bytes) -> DeviceIntroduction:
    """DecodeError unless the body is the map of a device's introduction."""
    fields = decode_map(body)
    return DeviceIntroduction(_public_key(fields.get(1)), _name(fields.get(2)))


def decode_node_introduction(body: bytes) -> NodeIntroduction:
    """DecodeError unless the body is the map of a node's introduction."""
    fields = decode_map(body)
    index = fields.get(3)
    if type(index) is not int or not 0 <= index <= NODE_INDEX_MAX:
        raise DecodeError("body", f"A node's index runs from 0 to {NODE_INDEX_MAX}.")
    return NodeIntroduction(_public_key(fields.get(1)), _name(fields.get(2)), index)


def encode_map(fields: dict[int, Any]) -> bytes:
    """Deterministic CBOR (RFC 8949, 4.2.1) of a map with integer keys."""
    return cbor2.dumps(fields, canonical=True)


def decode_map(body: bytes) -> dict[int, Any]:
    """A CBOR map with integer keys that fills the body exactly. DecodeError for anything else."""
    stream = io.BytesIO(body)
    try:
        fields = cbor2.load(stream)
    except Exception as error:  # cbor2 raises many kinds on hostile bytes; all mean the same here
        raise DecodeError("body", "The body is no CBOR map.") from error
    if not isinstance(fields, dict) or not all(type(key) is int for key in fields):
        raise DecodeError("body", "The body is no CBOR map with integer keys.")
    if stream.read(1):
        raise DecodeError("body", "Bytes follow the body's map.")
    return fields


def check_name(name: str) -> str:
    """The name, trimmed and in Unicode's composed form. InputError where it is empty, too long or invisible."""
    tidy = unicodedata.normalize("NFC", " ".join(name.split()))
    if not 1 <= len(tidy) <= NAME_CHARACTERS_MAX:
        raise InputError(f"A name has 1 to {NAME_CHARACTERS_MAX} characters.", "name")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs") for character in tidy):
        raise InputError("A name is made of letters, digits and signs that can be seen.", "name")
    return tidy


def _public_key(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != PUBLIC_KEY_BYTES:
        raise DecodeError("body", f"A public key is {PUBLIC_KEY_BYTES} bytes.")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise DecodeError("body", "An introduction carries a name.")
    try:
        return check_name(value)
    except InputError as error:
        raise DecodeError("body", error.message) from error
