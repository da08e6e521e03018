"""The outbox: envelopes that are owed to others, and the frames that they become.

An envelope of one frame is sent as it is; of a longer one, symbols, as many as were asked for. Only the most urgent
ones are kept in memory: the others are fetched from the disk when their turn comes. Pure; a part of the mesh.
Spec: docs/protocol/radio-mesh.md.
"""

import random

import msgspec

from app.radio.fragment import Encoder, Symbol, repair_index
from app.radio.frame import FRAME_BYTES_MAX, EnvelopeFrame, EnvelopePrefix, NodeIndex, SymbolFrame
from app.radio.gossip import fits
from app.radio.parcel import Parcel, Priority, Purpose, prefix_of

ORDERS_MAX = 64
"""Objects that wait to be sent at once; whoever asked for one that is refused asks again."""
OBJECTS_MAX = 16
"""Envelopes kept in memory with what was sent of them: 128 KB at most."""
SYMBOLS_MAX = 255
"""Symbols owed of one object: as many as one request can ask for."""


class Order(msgspec.Struct):
    """An envelope that is to be sent. `count` are the frames left; `payer` pays for each, None where that is settled.

    `helps` where others were heard to serve it: each symbol of theirs is one less of ours. `pair` is the one node whom
    the symbols are for. `floods` where the flooding machine waits to hear that they left.
    """

    prefix: EnvelopePrefix
    count: int
    due_ms: int
    priority: Priority
    hops: int
    purpose: Purpose
    payer: NodeIndex | None = None
    pair: NodeIndex | None = None
    helps: bool = False
    floods: bool = False


class _Object:
    """An envelope in memory, and what was sent of it: `source` symbols, then `turn` for the repair symbols."""

    __slots__ = ("encoder", "parcel", "source", "turn")

    def __init__(self, parcel: Parcel, turn: int, frame_bytes_max: int) -> None:
        self.parcel = parcel
        self.encoder = None if fits(parcel, frame_bytes_max) else Encoder(parcel.envelope, frame_bytes_max)
        self.source = 0
        self.turn = turn


class Outbox:
    """What one node owes others. `me` picks its own repair symbols."""

    def __init__(self, me: NodeIndex, rng: random.Random, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._me = me
        self._frame_bytes_max = frame_bytes_max
        self._rng = rng
        self._orders: dict[tuple[EnvelopePrefix, NodeIndex | None], Order] = {}
        self._objects: dict[EnvelopePrefix, _Object] = {}
        self._fetching: set[EnvelopePrefix] = set()

    def carries(self, frame_bytes_max: int) -> None:
        """Another radio: what is in memory was cut for the last one, and is fetched again."""
        if frame_bytes_max != self._frame_bytes_max:
            self._frame_bytes_max = frame_bytes_max
            self._objects.clear()

    def put(self, order: Order) -> bool:
        """Owe it. An order for the same grows to the larger count. False when the box is full."""
        key = (order.prefix, order.pair)
        known = self._orders.get(key)
        if known is None:
            if len(self._orders) >= ORDERS_MAX and not order.floods:
                return False
            self._orders[key] = order
            return True
        known.count = min(max(known.count, order.count), SYMBOLS_MAX)
        known.due_ms = min(known.due_ms, order.due_ms)
        known.priority = min(known.priority, order.priority)
        known.hops = min(known.hops, order.hops)
        known.helps = known.helps and order.helps
        known.floods = known.floods or order.floods
        known.payer = known.payer if order.payer is not None else None
        return True

    def keep(self, parcel: Parcel) -> None:
        """Its bytes are at hand."""
        prefix = prefix_of(parcel.envelope_id)
        self._fetching.discard(prefix)
        known = self._objects.pop(prefix, None)
        # A node that starts again repeats nothing that it sent before but by chance.
        self._objects[prefix] = known or _Object(parcel, self._rng.randrange(64), self._frame_bytes_max)
        owed = {prefix for prefix, _ in self._orders}
        for idle in [name for name in self._objects if name not in owed][: max(0, len(self._objects) - OBJECTS_MAX)]:
            del self._objects[idle]

    def missing(self, prefix: EnvelopePrefix) -> None:
        """The disk hasn't got it: nothing is owed."""
        self._fetching.discard(prefix)
        self._orders = {key: order for key, order in self._orders.items() if order.prefix != prefix}

    def parcel(self, prefix: EnvelopePrefix) -> Parcel | None:
        """An envelope in memory."""
        known = self._objects.get(prefix)
        return None if known is None else known.parcel

    def has_served(self, prefix: EnvelopePrefix) -> bool:
        """Whether symbols of it came from this node lately."""
        known = self._objects.get(prefix)
        return known is not None and known.source > 0

    def heard_envelope(self, prefix: EnvelopePrefix) -> None:
        """Somebody sent all of it: an answer of ours would come too late."""
        self._orders = {key: o for key, o in self._orders.items() if o.prefix != prefix or o.floods}

    def heard_symbol(self, prefix: EnvelopePrefix, quiet_until_ms: int) -> None:
        """Somebody serves it: that is one symbol less, and we keep still for a while."""
        order = self._orders.get((prefix, None))
        if order is not None and order.helps and not order.floods:
            order.count -= 1
            order.due_ms = max(order.due_ms, quiet_until_ms)
            if order.count <= 0:
                del self._orders[prefix, None]

    def to_fetch(self, now_ms: int) -> list[EnvelopePrefix]:
        """What is due and not in memory: once each, until `keep` or `missing`."""
        due = [
            order.prefix
            for order in self._orders.values()
            if order.due_ms <= now_ms and order.prefix not in self._objects and order.prefix not in self._fetching
        ]
        wanted = sorted(set(due))
        self._fetching.update(wanted)
        return wanted

    def first(self, priority: Priority) -> Order | None:
        """Of this class, the order that is due first; whether its bytes are at hand is another question."""
        orders = [order for order in self._orders.values() if order.priority == priority]
        return min(orders, key=lambda order: order.due_ms, default=None)

    def is_at_hand(self, order: Order) -> bool:
        """Whether its bytes are in memory."""
        return order.prefix in self._objects

    def is_fetching(self, order: Order) -> bool:
        """Whether its bytes were asked of the disk."""
        return order.prefix in self._fetching

    def take(self, order: Order) -> EnvelopeFrame | SymbolFrame:
        """The order's next frame. It counts as sent; `failed` takes that back."""
        known = self._objects[order.prefix]
        parcel = known.parcel
        if known.encoder is None:
            order.count = 0
            return EnvelopeFrame(self._me, order.hops, parcel.entry, parcel.number, parcel.envelope)
        order.count -= 1
        symbol = self._symbol(known, known.encoder)
        return SymbolFrame(self._me, order.hops, parcel.entry, parcel.number, symbol, order.pair)

    def drop(self, order: Order) -> None:
        """It is not owed any more."""
        self._orders.pop((order.prefix, order.pair), None)

    def _symbol(self, known: _Object, encoder: Encoder) -> Symbol:
        """The entry node cuts it first; what others send differs from that, and from each other's."""
        if known.parcel.entry == self._me and known.source < encoder.cut.source_symbols:
            known.source += 1
            return encoder.symbol(known.source - 1)
        known.source = max(known.source, 1)
        known.turn += 1
        return encoder.symbol(repair_index(encoder.cut.source_symbols, self._me, known.turn))
