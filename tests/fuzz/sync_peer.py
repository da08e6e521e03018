"""What a pinned peer could say to a node that syncs: any stream of messages, at two moments of a session."""

from app.core.envelope import ENVELOPE_BYTES_MIN
from app.errors import PeerError
from app.sync.message import LENGTH_BYTES, decode_body
from tests.sync.sim import End, World

WORK_MAX = 2000
"""Reads and writes that a few hundred bytes may cause; a check of what is here takes some dozens."""


def hear_peer(data: bytes) -> None:
    """The first byte chooses: even, before anything is wanted; odd, when both have all. The rest is the stream."""
    world = World(1)
    for number in range(1, 20):
        for node in world.nodes:
            node.post(bytes([number, node.index * (number % 5 == 0)]) * (ENVELOPE_BYTES_MIN // 2 + 1), (7, number))
    me, peer = world.link(0, 1) if len(data) % 2 else world.link(1, 0)[::-1]
    if data[:1] and data[0] % 2:
        world.run()
    else:
        me._deliver()
        _work(me)
    at = 1
    try:
        while at + LENGTH_BYTES <= len(data):
            end = at + LENGTH_BYTES + int.from_bytes(data[at : at + LENGTH_BYTES], "big")
            me._do(me.session.receive(decode_body(data[at + LENGTH_BYTES : end]), world.now_ms))
            _work(me)
            at = end
    except PeerError:
        return
    assert peer.closed is None


def _work(end: End) -> None:
    """All reads and writes of this side; nothing arrives meanwhile."""
    end.inbox.clear()
    for _ in range(WORK_MAX):
        choices = end.choices()
        if not choices:
            return
        choices[0]()
    raise AssertionError("The peer keeps this node busy for ever.")
