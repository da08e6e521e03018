"""What a session asks of its shell. The shell does it, and gives the result to `Session.done` where there is one.

A session never asks twice at once for a result of one kind, except for Append: those are done one after the other, in
the order in which they were asked for. Pure.
"""

from collections.abc import Mapping

import msgspec

from app.core.envelope import EnvelopeId
from app.radio.span import Span
from app.sync.log import Placed, Vector
from app.sync.message import BlobMessage, Challenge, Message


class Effect(msgspec.Struct, frozen=True):
    """The root of them all."""


class Send(Effect, frozen=True):
    """Write the message to the stream. No result."""

    message: Message


class Append(Effect, frozen=True):
    """`Log.append`, by way of the peer's index. Result: for each, whether it is held now."""

    batch: tuple[Placed, ...]


class ReadVector(Effect, frozen=True):
    """`Log.vector`. Result: the vector."""


class ReadMissing(Effect, frozen=True):
    """`Log.missing`. Result: what they know and we don't."""

    theirs: Vector


class Get(Effect, frozen=True):
    """`Log.get`. Result: the entries."""

    index: int
    span: Span
    limit: int


class ReadKeys(Effect, frozen=True):
    """`Log.keys`, and with `blobs` the blobs' too, under message.BLOBS_EPOCH: the first 16 bytes of their addresses,
    ascending, packed. Result: the mapping, which nobody changes afterwards."""

    blobs: bool


class Find(Effect, frozen=True):
    """`Log.find`. Result: the entries that are here."""

    ids: tuple[EnvelopeId, ...]


class Holds(Effect, frozen=True):
    """The peer has these on its disk: it said so of each. Custody. No result."""

    ids: tuple[EnvelopeId, ...]


class HoldsAll(Effect, frozen=True):
    """The peer holds exactly what we held of these epochs when we read the keys: the ids, packed. Custody. No result.

    Blobs are among them, under message.BLOBS_EPOCH, where both sides keep them.
    """

    keys: Mapping[int, bytes]


class Refused(Effect, frozen=True):
    """The peer refuses to hold these: no room, or not to its mind. No result."""

    ids: tuple[EnvelopeId, ...]


class OfferBlobs(Effect, frozen=True):
    """The peer lacks these blobs (the first 16 bytes of their addresses): tell it of them by BlobHave. No result."""

    keys: tuple[bytes, ...]


class Blobs(Effect, frozen=True):
    """A message of the blobs' part, for whoever fetches and serves them. No result."""

    message: BlobMessage


class Prove(Effect, frozen=True):
    """The peer wants proof. Result: the digest, empty where something named is missing."""

    challenge: Challenge


class Proved(Effect, frozen=True):
    """The peer's answer to a challenge of ours. No result."""

    challenge: Challenge
    digest: bytes


class Settled(Effect, frozen=True):
    """Both have what the other knows. `alike`: the check says that we hold the same. No result."""

    alike: bool


class Note(Effect, frozen=True):
    """Something for the counters on /node, by its word. No result."""

    word: str


class Close(Effect, frozen=True):
    """Send what is due, then end the connection. No result."""

    word: str
