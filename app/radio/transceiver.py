"""A bare radio on the simulated ether: whole frames instead of a modem's bytes, for meshes of many nodes. Pure.

It listens before it talks, as the modems do: a busy channel is waited for, and the wait has some chance in it.
"""

import math
import random

from app.radio.ether import Ether, Tuning

BACKOFF_MS = (20, 400)
"""After a busy channel: from a tenth of a frame to a whole one at SF9, so that who waited does not start together."""


class Transceiver:
    """One radio, half duplex, with room for one frame."""

    def __init__(self, name: str, ether: Ether, tuning: Tuning, rng: random.Random) -> None:
        self.name = name
        self._ether = ether
        self._rng = rng
        self._frame: bytes | None = None
        self._is_on_air = False
        self._ready_ms = 0.0
        ether.tune(name, tuning)

    @property
    def is_clear(self) -> bool:
        """Whether there is room for a frame."""
        return self._frame is None

    def send(self, frame: bytes, now_ms: float) -> None:
        """A frame for the air, as soon as that is free. There must be room."""
        assert self.is_clear, f"{self.name} was given a frame while it sends one"
        self._frame = frame
        self._ready_ms = now_ms

    def poll(self, now_ms: float) -> None:
        """Start to send where a frame waits and the channel is free."""
        if self._frame is None or self._is_on_air or now_ms < self._ready_ms:
            return
        if self._ether.is_busy(self.name, now_ms):
            self._ready_ms = now_ms + self._rng.uniform(*BACKOFF_MS)
            return
        self._ether.transmit(self.name, self._frame, now_ms)
        self._is_on_air = True

    def finish(self) -> None:
        """The ether says that the transmission is over."""
        self._frame = None
        self._is_on_air = False

    def deadline_ms(self) -> int | None:
        """When to poll again."""
        return None if self._frame is None or self._is_on_air else math.ceil(self._ready_ms)
