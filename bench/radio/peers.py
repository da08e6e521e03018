"""Others, for comparison: Meshtastic's flooding on the same channel, and published figures where we have no model.

Meshtastic repeats what it hears once, after a delay by signal strength, unless it hears somebody else repeat it;
nothing is repaired afterwards. Sources: its documentation "Mesh broadcast algorithm" (managed flooding; the contention
window grows with the signal: the farthest goes first), firmware 2.8's signed packets. Reticulum and LXMF: measured with
their own programs, per reader.
"""

import math
import random
from collections.abc import Mapping, Sequence

import msgspec

from app.radio.dialects.on_air import HEADER_BYTES
from app.radio.ether import Arrival
from app.radio.profile import Profile
from app.radio.transceiver import Transceiver
from bench.radio.channel import Channel, Spent

MESHTASTIC_SIGNED_BYTES = 249
"""A signed message of 160 characters on air."""
MESHTASTIC_HOPS = 3
"""The hop limit that its apps set."""
LXMF_BYTES = 355
LXMF_PROOF_BYTES = 83
"""One message of 160 characters to one reader, and the reader's proof."""
LXMF_PROPAGATED_20_BYTES = 30_700
"""Twenty such messages through a propagation node, to one reader."""
SLOT_SYMBOLS = 2.5
"""A slot is a channel activity detection and turnaround: about this many symbols and some milliseconds."""
SLOT_FIXED_MS = 7.6
SETTLE_MS = 60_000


class Waiting(msgspec.Struct):
    """A packet that this node will repeat, unless it hears somebody else do it."""

    packet: bytes
    due_ms: int


class Repeater:
    """A Meshtastic node in its default role."""

    def __init__(self, channel: Channel, name: str) -> None:
        self.radio: Transceiver = channel.radios[name]
        self.heard: set[bytes] = set()
        self._channel = channel
        self._waiting: dict[bytes, Waiting] = {}

    def write(self, number: int) -> None:
        """A message enters the mesh here."""
        name = number.to_bytes(4, "big")
        packet = bytes([MESHTASTIC_HOPS]) + name + bytes(MESHTASTIC_SIGNED_BYTES - len(name) - HEADER_BYTES)
        self.heard.add(name)
        self._waiting[name] = Waiting(packet, self._channel.now_ms)

    def hear(self, arrival: Arrival) -> None:
        packet = arrival.transmission.packet
        name = packet[1:5]
        if name in self.heard:
            self._waiting.pop(name, None)
            return
        self.heard.add(name)
        if packet[0] > 0:
            due_ms = self._channel.now_ms + round(self._delay_ms(arrival.snr_db))
            self._waiting[name] = Waiting(bytes([packet[0] - 1]) + packet[1:], due_ms)

    def finish(self) -> None:
        """Nothing follows."""

    def step(self) -> None:
        if not self.radio.is_clear:
            return
        for name, waiting in list(self._waiting.items()):
            if waiting.due_ms <= self._channel.now_ms:
                del self._waiting[name]
                self.radio.send(waiting.packet, self._channel.now_ms)
                return

    def deadline_ms(self) -> int | None:
        return min((waiting.due_ms for waiting in self._waiting.values()), default=None)

    def _delay_ms(self, snr_db: float) -> float:
        """A contention window of 2^3 slots for the weakest to 2^8 for the strongest."""
        window = 3 + round(min(max((snr_db + 20) / 30, 0.0), 1.0) * 5)
        slot_ms = SLOT_SYMBOLS * self._channel.profile.modulation.symbol_ms + SLOT_FIXED_MS
        return slot_ms * (2 * window + self._channel.rng.uniform(0, math.pow(2, window)))


def meshtastic(
    profile: Profile,
    names: Sequence[str],
    losses_db: Mapping[tuple[str, str], float],
    loss: float,
    posts: int,
    seed: int,
) -> tuple[Spent, float]:
    """What it spends on so many signed messages a minute apart, and the share that arrives."""
    channel = Channel(profile, names, losses_db, random.Random(seed), loss, lambda _: "messages")
    nodes = {name: Repeater(channel, name) for name in names}
    channel.speakers.update(nodes)
    for number in range(posts):
        writer = channel.rng.choice(names)
        nodes[writer].write(number)
        channel.touch(writer)
        channel.run_for(SETTLE_MS)
    arrived = sum(len(node.heard) for node in nodes.values())
    return channel.take_spent(), arrived / (posts * len(names))
