"""What a member could put on the air: any bytes, under a right seal or MAC. No chance gets past those."""

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from app.core.envelope import hint_of
from app.core.keys import EPOCH_KEY_BYTES, SPACE_ID_BYTES, SpaceId, derive_epoch_keys
from app.errors import DecodeError
from app.radio import blend, control, fragment, frame, tidings
from app.radio.frame import LinkKeys

SPACE = SpaceId(bytes(SPACE_ID_BYTES))
EPOCHS = (derive_epoch_keys(SPACE, 1, bytes(EPOCH_KEY_BYTES)),)
LINK = LinkKeys(SPACE, (EPOCHS[0].link,))
SYMBOL_HEADER_BYTES = 5
"""Of a symbol's frame, with a log number of one byte."""


def sealed_envelope(data: bytes) -> bytes:
    """Byte 0, then anything."""
    keys, byte0 = EPOCHS[0], data[:1]
    ciphertext = AESGCMSIV(keys.message).encrypt(keys.nonce, data[1:], byte0)
    return byte0 + hint_of(byte0 + ciphertext, keys) + ciphertext


def sealed_control(data: bytes, sender: int = 1, counter: int = 1) -> bytes:
    """A control frame."""
    header = bytes([frame.VERSION << 4 | frame.CONTROL_TYPE, sender]) + counter.to_bytes(4, "big")
    return header + control._cipher(SPACE, LINK.keys[0]).encrypt(header + control._NONCE_PADDING, data, header)


def signed_frame(data: bytes) -> bytes:
    """An envelope's frame, a receipt, a list of neighbors."""
    mac_bytes = frame._MAC_BYTES.get(data[0] & 0x0F if data else frame.ENVELOPE_TYPE, 0)
    return data + frame._mac(data, SPACE, LINK.keys[0], mac_bytes)


def signed_symbol_frame(data: bytes) -> bytes:
    """A symbol in its frame, whose header the MAC covers."""
    header = bytes([frame.VERSION << 4 | frame.SYMBOL_TYPE]) + data[1:SYMBOL_HEADER_BYTES]
    payload = data[SYMBOL_HEADER_BYTES:]
    return header + payload + fragment._mac(LINK.keys[0], header, payload)


def signed_blend(data: bytes, near: Callable[[int], int]) -> bytes:
    """A blend, its MAC over the numbers that a node reads in it whose logs go so far; what can't be read has none."""
    body = bytes([frame.VERSION << 4 | frame.BLEND_TYPE]) + data[1:]
    if len(body) <= blend._HEADER_BYTES:
        return body
    try:
        read = blend._decode_body(body, near)
    except DecodeError:
        return body
    return body + blend._mac(body[: blend._HEADER_BYTES], read, SPACE, LINK.keys[0])


def signed_tidings(data: bytes) -> bytes:
    """What it has, by places."""
    body = bytes([frame.VERSION << 4 | frame.TIDINGS_TYPE]) + data[1:]
    return body + tidings._mac(body, SPACE, LINK.keys[0])


def signed_symbol(data: bytes) -> bytes:
    """A symbol without its frame."""
    return data + fragment._mac(LINK.keys[0], b"", data)
