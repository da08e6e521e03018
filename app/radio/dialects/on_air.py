"""The byte that all raw dialects put first on air, so that radios behind different modems hear each other.

It is RNode's: a high nibble that changes with every packet, a low nibble of flags, of which bit 0 marks one half
of a split packet. TNTN frames are never split. Source: RNode firmware, `Framing.h` and `RNode_Firmware.ino`.
"""

from app.errors import DecodeError

HEADER_BYTES = 1
_FLAGS = 0x0F


def wrap(frame: bytes, sequence: int) -> bytes:
    """The packet for a frame; of the sequence only the low four bits travel."""
    return bytes([(sequence & 0x0F) << 4]) + frame


def unwrap(packet: bytes) -> bytes:
    """The frame in a packet. DecodeError (code "header") for split packets and other people's formats."""
    if not packet or packet[0] & _FLAGS:
        raise DecodeError("header", "This packet is not from one of our radios.")
    return packet[HEADER_BYTES:]
