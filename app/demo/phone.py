"""A neighbor's phone, in Python: makes a key, writes, and hands its records to a node over HTTP."""

import secrets
from typing import Any

import msgspec

from app.core.bodies import DeviceIntroduction
from app.core.envelope import EnvelopeId
from app.core.keys import DeviceKey, SpaceId
from app.core.record import Kind, Lifetime, compose, sign
from app.demo.village import Place

OCTETS = "application/octet-stream"


class Kept(msgspec.Struct, frozen=True):
    """What the node said of a record."""

    record_id: str
    envelope_id: EnvelopeId
    record_bytes: int


class Phone:
    """One device key, fresh from this machine's randomness."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._key = DeviceKey(secrets.token_bytes(32))
        self._sequence = 0
        space: Any = place.get("/api/v1/space")
        self._space = SpaceId(bytes.fromhex(space["space"]))
        self._minutes = int(space["minutes"])

    def introduce(self, name: str) -> Kept:
        """The person's first record: name and public key."""
        return self._hand_in(Kind.DEVICE, Lifetime.PERMANENT, DeviceIntroduction(self._key.public_key, name).encode())

    def write(self, text: str) -> Kept:
        """A notice for the bulletin board."""
        return self._hand_in(Kind.POST, Lifetime.NORMAL, text.encode())

    def kept_by(self, kept: Kept) -> int:
        """How many nodes have it on their disk, as far as this phone's node knows."""
        question = msgspec.json.encode({"ids": [kept.record_id]})
        return int(self._place.post("/api/v1/custody", question, "application/json")["kept_by"][kept.record_id])

    def _hand_in(self, kind: Kind, lifetime: Lifetime, body: bytes) -> Kept:
        self._sequence += 1
        record = compose(lifetime, self._key.device_id, self._sequence, self._minutes, kind, body)
        signed = sign(record, self._key, self._space).encode()
        answer: Any = self._place.post("/api/v1/records", signed, OCTETS)
        return Kept(answer["id"], EnvelopeId(bytes.fromhex(answer["envelope_id"])), len(signed))
