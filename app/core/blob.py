"""Blobs: encrypted photos, named by the SHA-256 of their bytes. What is inside is nobody's business here. Pure."""

import hashlib
from typing import NewType

BlobAddress = NewType("BlobAddress", bytes)
"""SHA-256 of the ciphertext."""

ADDRESS_BYTES = 32
BLOB_BYTES_MAX = (1 << 20) + (1 << 12)
"""A photo of 1 MiB in chunks of 64 KiB, with their seals."""


def address_of(blob: bytes) -> BlobAddress:
    """The name of these bytes."""
    return BlobAddress(hashlib.sha256(blob).digest())
