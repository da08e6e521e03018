"""People for tests: a device key that writes records as a phone does."""

from app.core.bodies import DeviceIntroduction
from app.core.keys import DeviceKey, SpaceId
from app.core.record import Kind, Lifetime, SignedRecord, compose, sign

NOW_MINUTES = 1_000_000
"""The minute at which tests play: late November 2026."""


class Person:
    """A device that counts its sequences."""

    def __init__(self, space_id: SpaceId, name: str = "Ada", seed: bytes = b"\x01" * 32) -> None:
        self.key = DeviceKey(seed)
        self.space_id = space_id
        self.name = name
        self.sequence = 0

    def introduce(self, minutes: int = NOW_MINUTES) -> bytes:
        """The signed introduction, as it is posted."""
        body = DeviceIntroduction(self.key.public_key, self.name).encode()
        return self.say(Kind.DEVICE, body, Lifetime.PERMANENT, minutes).encode()

    def write(self, text: str, minutes: int = NOW_MINUTES, ref: bytes | None = None) -> bytes:
        """A signed post."""
        return self.say(Kind.POST, text.encode(), minutes=minutes, ref=ref).encode()

    def say(
        self,
        kind: int,
        body: bytes,
        lifetime: Lifetime = Lifetime.NORMAL,
        minutes: int = NOW_MINUTES,
        ref: bytes | None = None,
        sequence: int | None = None,
    ) -> SignedRecord:
        """Any signed record; without a sequence of its own it takes the next."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        return sign(compose(lifetime, self.key.device_id, sequence, minutes, kind, body, ref), self.key, self.space_id)
