"""Proof of possession: who cannot say this digest does not have the bytes. No I/O of its own.

A member picks names at random and a fresh nonce; the blind node answers SHA-256(nonce ‖ the bytes of each, in order).
The member holds the same bytes and computes the same. The names are hashes of the bytes, so that nothing else between
them is needed to tell where one ends.
"""

import hashlib

from app.core.blob import BLOB_BYTES_MAX, BlobAddress
from app.core.envelope import EnvelopeId, envelope_id
from app.errors import NotFoundError
from app.sync.blobs import Blobs
from app.sync.log import Log
from app.sync.message import Challenge


async def prove(challenge: Challenge, log: Log, blobs: Blobs) -> bytes:
    """The digest over the envelopes and then the blobs that are named; empty when one of them is not held here."""
    found = await log.find([EnvelopeId(name) for name in challenge.names])
    envelopes = {envelope_id(placed.envelope): placed.envelope for placed in found}
    digest = hashlib.sha256(challenge.nonce)
    for name in challenge.names:
        envelope = envelopes.get(EnvelopeId(name))
        if envelope is None:
            return b""
        digest.update(envelope)
    for address in challenge.blobs:
        try:
            digest.update(await blobs.read(BlobAddress(address), 0, BLOB_BYTES_MAX))
        except NotFoundError:
            return b""
    return digest.digest()
