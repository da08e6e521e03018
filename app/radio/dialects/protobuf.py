"""Protocol Buffers on the wire, as much of it as small messages need: fields in, fields out, no schema.

Source: Protocol Buffers documentation, "Encoding". A later field of a number replaces an earlier one; a field whose
wire type is not the expected one counts as unknown and is passed over, as all parsers do. Groups are not known.
"""

import math
import struct
from enum import IntEnum

from app.errors import DecodeError

FIELD_NUMBER_MAX = 2**29 - 1
_VARINT_BYTES_MAX = 10
_TAG_BYTES_MAX = 5


class Wire(IntEnum):
    """How a field's value is put down."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


_FIXED_BYTES = {Wire.FIXED64: 8, Wire.FIXED32: 4}


class Message:
    """The fields of a decoded message. Absent ones read as zero, or as None where absence means something."""

    def __init__(self, fields: dict[tuple[int, Wire], int | bytes]) -> None:
        self._fields = fields

    def has(self, number: int, wire: Wire) -> bool:
        """Whether there is a field of this number and kind."""
        return (number, wire) in self._fields

    def uint32(self, number: int) -> int:
        """A uint32 or enum; wider values lose their upper bits."""
        return self._number(number, Wire.VARINT) & 0xFFFFFFFF

    def int32(self, number: int) -> int:
        """An int32: negative numbers travel as ten bytes."""
        value = self.uint32(number)
        return value - 2**32 if value >= 2**31 else value

    def boolean(self, number: int) -> bool:
        """A bool."""
        return self._number(number, Wire.VARINT) != 0

    def fixed32(self, number: int) -> int:
        """A fixed32."""
        return self._number(number, Wire.FIXED32)

    def float32(self, number: int) -> float | None:
        """A float; None where it is absent or no finite number."""
        if not self.has(number, Wire.FIXED32):
            return None
        (value,) = struct.unpack("<f", self.fixed32(number).to_bytes(4, "little"))
        return value if math.isfinite(value) else None

    def content(self, number: int) -> bytes | None:
        """Bytes, the bytes of a string, or those of a message within; None where absent."""
        value = self._fields.get((number, Wire.BYTES))
        return value if isinstance(value, bytes) else None

    def message(self, number: int) -> "Message | None":
        """A message within; None where absent. DecodeError when it is broken."""
        content = self.content(number)
        return None if content is None else decode(content)

    def text(self, number: int) -> str:
        """A string; what is not UTF-8 in it becomes U+FFFD."""
        return (self.content(number) or b"").decode("utf-8", "replace")

    def _number(self, number: int, wire: Wire) -> int:
        value = self._fields.get((number, wire), 0)
        return value if isinstance(value, int) else 0


def decode(data: bytes) -> Message:
    """The fields of a message. DecodeError (code "protobuf") when the bytes break the format."""
    fields: dict[tuple[int, Wire], int | bytes] = {}
    offset = 0
    while offset < len(data):
        tag, offset = _decode_varint(data, offset, _TAG_BYTES_MAX)
        number, wire_number = tag >> 3, tag & 7
        if not 1 <= number <= FIELD_NUMBER_MAX or wire_number not in list(Wire):
            raise _broken("a tag that no field has")
        wire = Wire(wire_number)
        value: int | bytes
        if wire is Wire.VARINT:
            value, offset = _decode_varint(data, offset, _VARINT_BYTES_MAX)
        else:
            size = _FIXED_BYTES.get(wire)
            if size is None:
                size, offset = _decode_varint(data, offset, _TAG_BYTES_MAX)
            if size > len(data) - offset:
                raise _broken("a field that ends behind its message")
            content = data[offset : offset + size]
            value = content if wire is Wire.BYTES else int.from_bytes(content, "little")
            offset += size
        fields[number, wire] = value
    return Message(fields)


def uint_field(number: int, value: int, *, always: bool = False) -> bytes:
    """An unsigned number, bool or enum. Zero is left out, unless its presence means something."""
    return _tag(number, Wire.VARINT) + _encode_varint(value) if value or always else b""


def int_field(number: int, value: int) -> bytes:
    """An int32."""
    return uint_field(number, value % 2**64)


def fixed32_field(number: int, value: int) -> bytes:
    """A fixed32."""
    return _tag(number, Wire.FIXED32) + value.to_bytes(4, "little") if value else b""


def float_field(number: int, value: float | None) -> bytes:
    """A float; None is left out."""
    return b"" if value is None else _tag(number, Wire.FIXED32) + struct.pack("<f", value)


def bytes_field(number: int, value: bytes, *, always: bool = True) -> bytes:
    """Bytes, a string's bytes, or a message within."""
    return _tag(number, Wire.BYTES) + _encode_varint(len(value)) + value if value or always else b""


def text_field(number: int, value: str) -> bytes:
    """A string; an empty one is left out."""
    return bytes_field(number, value.encode(), always=False)


def _tag(number: int, wire: Wire) -> bytes:
    return _encode_varint(number << 3 | wire)


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _decode_varint(data: bytes, offset: int, bytes_max: int) -> tuple[int, int]:
    value = 0
    for count in range(bytes_max):
        if offset + count >= len(data):
            raise _broken("a number that ends behind its message")
        byte = data[offset + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, offset + count + 1
    raise _broken("a number that is too long")


def _broken(what: str) -> DecodeError:
    return DecodeError("protobuf", f"The radio's message has {what}.")
