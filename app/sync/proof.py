"""Proof of possession: who cannot say this digest does not have the bytes. No I/O of its own.

A member picks names at random and a fresh nonce; the blind node answers SHA-256(nonce ‖ the bytes of each, in order).
The member holds the same bytes and computes the same. The names are hashes of the bytes, so that nothing else between
them is needed to tell where one ends.
"""

import hashlib
import random

from app.core.blob import ADDRESS_BYTES, BLOB_BYTES_MAX, BlobAddress
from app.core.envelope import ENVELOPE_ID_BYTES, EnvelopeId, envelope_id
from app.errors import NotFoundError
from app.sync.blobs import Blobs
from app.sync.log import Log
from app.sync.message import NONCE_BYTES, Challenge

DRAWN_ENVELOPES = 48
"""A peer that threw away a twentieth is caught by one challenge in eleven of twelve cases."""
DRAWN_BLOBS = 4
"""At most 4 MiB to read and hash on either side."""


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


async def draw_challenge(log: Log, blobs: Blobs, rng: random.Random) -> Challenge:
    """A fresh nonce, and some of what is held here, each as likely as any other."""
    packed = [ids for ids in (await log.keys()).values() if ids]
    drawn = rng.choices(packed, [len(ids) for ids in packed], k=DRAWN_ENVELOPES) if packed else []
    names = {_drawn(ids, ENVELOPE_ID_BYTES, rng) for ids in drawn}
    held = await blobs.addresses()
    addresses = {_drawn(held, ADDRESS_BYTES, rng) for _ in range(DRAWN_BLOBS)} if held else set[bytes]()
    return Challenge(rng.randbytes(NONCE_BYTES), tuple(sorted(names)), tuple(sorted(addresses)))


def _drawn(packed: bytes, size: int, rng: random.Random) -> bytes:
    at = rng.randrange(len(packed) // size) * size
    return packed[at : at + size]
