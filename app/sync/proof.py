"""Proof of possession: who cannot say this digest does not have the bytes. Pure.

A member picks names at random and a fresh nonce; the blind node answers SHA-256(nonce ‖ the bytes of each, in order).
The member holds the same bytes and computes the same. The names are hashes of the bytes, so that nothing else between
them is needed to tell where one ends.
"""

import hashlib
from collections.abc import Sequence

from app.core.blob import ADDRESS_BYTES, BLOB_BYTES_MAX, BlobAddress
from app.core.envelope import ENVELOPE_ID_BYTES, EnvelopeId, envelope_id
from app.errors import NotFoundError
from app.sync.blobs import Blobs
from app.sync.log import Log

NONCE_BYTES = 16
NAMES_MAX = 64
"""Names in one challenge: at most 64 photos of 1 MiB, half a second of hashing on a Pi 4."""


async def prove(nonce: bytes, names: Sequence[bytes], log: Log, blobs: Blobs | None = None) -> bytes | None:
    """The digest over envelopes (names of 16 bytes) and blobs (of 32); None when one of them is not held here."""
    envelopes = await _envelopes([EnvelopeId(name) for name in names if len(name) == ENVELOPE_ID_BYTES], log)
    digest = hashlib.sha256(nonce)
    for name in names[:NAMES_MAX]:
        content = envelopes.get(name)
        if content is None and len(name) == ADDRESS_BYTES:
            content = await _blob(BlobAddress(name), blobs)
        if content is None:
            return None
        digest.update(content)
    return digest.digest()


async def _envelopes(names: Sequence[EnvelopeId], log: Log) -> dict[bytes, bytes]:
    return {envelope_id(placed.envelope): placed.envelope for placed in await log.find(names[:NAMES_MAX])}


async def _blob(address: BlobAddress, blobs: Blobs | None) -> bytes | None:
    if blobs is None:
        return None
    try:
        return await blobs.read(address, 0, BLOB_BYTES_MAX)
    except NotFoundError:
        return None
