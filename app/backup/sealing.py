"""The sealed stream of a backup: a header, then chunks of AES-256-GCM under a key that a passphrase yields. Pure.

The nonce counts the chunks and marks the last one, so that none can be left out, moved or cut off. Spec:
docs/protocol/backup.md; the construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015).
"""

import struct
import unicodedata
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.pwhash import argon2id

from app.errors import DecodeError, InputError

MAGIC = b"tntnback"
VERSION = 1
SALT_BYTES = 16
KEY_BYTES = 32
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
PASSES = 3
MEMORY_KIB = 64 * 1024
"""What DESIGN §5 asks of passphrases: half a second on a Pi 4."""
PASSES_MAX = 16
MEMORY_KIB_MIN = 8 * 1024
MEMORY_KIB_MAX = 256 * 1024
"""A file may not ask for more of the machine that reads it: a Pi Zero 2 has 512 MiB."""
PASSPHRASE_CHARACTERS_MIN = 8
PASSPHRASE_CHARACTERS_MAX = 1000
_HEADER = struct.Struct(f">8sBBI{SALT_BYTES}s")
HEADER_BYTES = _HEADER.size


class Header(msgspec.Struct, frozen=True):
    """How the key is made."""

    salt: bytes
    passes: int = PASSES
    memory_kib: int = MEMORY_KIB

    def encode(self) -> bytes:
        return _HEADER.pack(MAGIC, VERSION, self.passes, self.memory_kib, self.salt)


def decode_header(data: bytes) -> Header:
    """DecodeError for what is no backup, or asks for more than a small machine has."""
    if not data.startswith(MAGIC):
        raise DecodeError("magic", "This file is no backup of a TNTN node.")
    if len(data) != HEADER_BYTES:
        raise DecodeError("truncated", "This backup is cut off within its first bytes.")
    _, version, passes, memory_kib, salt = _HEADER.unpack(data)
    if version != VERSION:
        raise DecodeError("version", f"This backup has format version {version}; this program reads {VERSION}.")
    if not (1 <= passes <= PASSES_MAX and MEMORY_KIB_MIN <= memory_kib <= MEMORY_KIB_MAX):
        raise DecodeError("cost", "This backup asks for a passphrase check that no TNTN node writes. It is damaged.")
    return Header(salt, passes, memory_kib)


def check_passphrase(passphrase: str) -> str:
    """The passphrase in Unicode's composed form. InputError where it is too short to keep anything secret."""
    composed = unicodedata.normalize("NFC", passphrase)
    if not PASSPHRASE_CHARACTERS_MIN <= len(composed) <= PASSPHRASE_CHARACTERS_MAX:
        raise InputError(f"A passphrase has at least {PASSPHRASE_CHARACTERS_MIN} characters.", "passphrase")
    return composed


def derive_key(passphrase: str, header: Header) -> bytes:
    """Argon2id (RFC 9106), one lane. Takes as long and as much memory as the header says."""
    secret = unicodedata.normalize("NFC", passphrase).encode("utf-8")
    return argon2id.kdf(KEY_BYTES, secret, header.salt, header.passes, header.memory_kib * 1024)


class Sealer:
    """Seals what is written to it, piece by piece. `finish` writes the last chunk, without which nothing opens."""

    def __init__(self, write: Callable[[bytes], object], key: bytes, header: Header) -> None:
        self._write = write
        self._cipher = AESGCM(key)
        self._header = header.encode()
        self._count = 0
        self._waiting = bytearray()
        write(self._header)

    def write(self, data: bytes) -> None:
        """Any number of bytes."""
        self._waiting += data
        while len(self._waiting) > CHUNK_BYTES:  # the last chunk is never empty
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self) -> None:
        """All was written."""
        self._seal(bytes(self._waiting), last=True)

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._write(self._cipher.encrypt(_nonce(self._count, last=last), chunk, self._header))
        self._count += 1


class Opener:
    """Opens chunk by chunk what `read(n)` yields behind the header; `read` yields fewer bytes only at the end."""

    def __init__(self, read: Callable[[int], bytes], key: bytes, header: Header) -> None:
        self._read = read
        self._cipher = AESGCM(key)
        self._header = header.encode()
        self._count = 0
        self._next = read(CHUNK_BYTES + TAG_BYTES)
        self._opened = b""
        self._at = 0

    def read(self, count: int) -> bytes:
        """The next bytes, fewer than `count` only at the end. DecodeError where a chunk does not open."""
        pieces = []
        while count > 0 and self._fill():
            piece = self._opened[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _fill(self) -> bool:
        """Have something to hand out; False at the end."""
        if self._at < len(self._opened):
            return True
        if not self._next and self._count > 0:
            return False
        sealed, self._next = self._next, self._read(CHUNK_BYTES + TAG_BYTES)
        self._opened, self._at = self._open(sealed), 0
        return True

    def _open(self, sealed: bytes) -> bytes:
        try:
            chunk = self._cipher.decrypt(_nonce(self._count, last=not self._next), sealed, self._header)
        except (InvalidTag, ValueError):
            raise DecodeError("tag", self._why()) from None
        if not chunk:
            raise DecodeError("truncated", "This backup is empty.")
        self._count += 1
        return chunk

    def _why(self) -> str:
        if self._count == 0:
            return "This passphrase does not open the backup, or its beginning is damaged or cut off."
        return f"This backup is damaged or cut off after {self._count * CHUNK_BYTES // 1024} KiB."


def _nonce(count: int, *, last: bool) -> bytes:
    return count.to_bytes(11, "big") + bytes([last])
