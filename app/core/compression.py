"""The body on the wire: raw deflate (RFC 1951) with a preset dictionary, where that is shorter than the plain bytes.

A post of 80 characters is too short to hold repetitions of its own, so both sides begin with the same text in the
window. The dictionary is version 1 of record version 1 and frozen: another dictionary would be another record
version. It is made by `bin/train-dictionary`. Spec: docs/protocol/record.md, "Compression".
"""

import zlib
from pathlib import Path

from app.core.deflate import Deflater
from app.errors import DecodeError

DICTIONARY_VERSION = 1
DICTIONARY = (Path(__file__).parent / f"dictionary-{DICTIONARY_VERSION}.bin").read_bytes()

_WINDOW_BITS = -15
"""Raw deflate with no header and no checksum: the signature covers the bytes."""
_LEVEL = _MEMORY_LEVEL = 9
SHORT_BYTES_MAX = 300
"""Up to here every way to write a body is weighed: 0.4 ms for a post of 80 bytes, and 3 % shorter than zlib's."""

_deflater = Deflater(DICTIONARY)


def pack(body: bytes) -> tuple[bytes, bool]:
    """(wire body, True when deflated). Deflated only when strictly shorter than plain."""
    streams = [_deflate(body, zlib.Z_DEFAULT_STRATEGY)]
    streams += [_deflater.deflate(body) if len(body) <= SHORT_BYTES_MAX else _deflate(body, zlib.Z_FIXED)]
    smallest = min(streams, key=len)
    return (smallest, True) if len(smallest) < len(body) else (body, False)


def unpack(wire: bytes, limit: int) -> bytes:
    """The plain body of a deflated one, at most `limit` bytes. DecodeError for anything but one whole stream."""
    inflater = zlib.decompressobj(_WINDOW_BITS, zdict=DICTIONARY)
    try:
        body = inflater.decompress(wire, limit + 1)
    except zlib.error:
        raise DecodeError("deflate", "The text of this record does not unpack.") from None
    if len(body) > limit:
        raise DecodeError("deflate", f"The text of this record unpacks to more than {limit} bytes.")
    if not inflater.eof:
        raise DecodeError("deflate", "The text of this record ends too early.")
    if inflater.unused_data:
        raise DecodeError("deflate", "Something stands behind the end of this record's text.")
    return body


def _deflate(body: bytes, strategy: int) -> bytes:
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, strategy, DICTIONARY)
    return deflater.compress(body) + deflater.flush()
