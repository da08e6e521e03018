"""The check: two nodes find out which ids one of them lacks, in a few small steps. One run of it; a pure machine.

The side that leads sends its digest; where the other's differs, they compare fingerprints of ever smaller ranges, and
list short ids where few are left. A run may miss a difference by chance or for want of room, and the next run, whose
names are salted anew, finds it. Spec, with a diagram: docs/protocol/sync.md, "The check".
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from itertools import pairwise

import msgspec

from app.core.envelope import EnvelopeId
from app.errors import PeerError
from app.sync.message import (
    DIGEST_BYTES,
    EPOCHS_MAX,
    PRINT_BYTES,
    RUN_MAX,
    SHORT_ID_BYTES,
    EpochRoot,
    Leaf,
    Ranges,
    Roots,
    Split,
)
from app.sync.shelf import Shelf
from app.sync.steps import (
    RANGES_MAX,
    STEP_BYTES_MAX,
    Listing,
    Prints,
    pack_bits,
    pack_leaf,
    pack_split,
    unpack_bits,
    unpack_leaf,
    unpack_split,
)

LEAF_IDS_MAX = 8
"""Ranges of so many ids or fewer are listed: another split would save little and costs half a round trip."""
FEW_IDS = 64
"""A range of so many ids is cut into 4; a larger one into 16, where that is cheap or most of its parts differ."""
FEW_RANGES = 64
"""So many ranges cut into 16 are 3 kB: worth the round trip that it saves."""
NARROW, WIDE = 2, 4
"""Cuts into 4 and into 16."""
DEPTH_MAX = 60
"""Deeper than this ranges are listed, whatever they hold: ids that agree in 60 bits are no hashes."""
STEPS_MAX = 64
"""Steps of one run, both sides together: each but the first and last two goes deeper."""
STRAYS_MAX = 1 << 16
"""Ids that one run finds, 6 MB of them; the next run finds more."""


class Stray(msgspec.Struct, frozen=True):
    """An id that is here and not there."""

    epoch: int
    name: EnvelopeId


class Part(msgspec.Struct, frozen=True):
    """A range that differs: where it is among all, and where its ids begin and end here."""

    prefix: int
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first


def run_key(salts: bytes, run: int) -> bytes:
    """The key of a run's fingerprints, from the salts of both sides, the dialer's first."""
    return blake2b(b"tntn sync check 1" + salts + run.to_bytes(2, "big"), digest_size=32).digest()


class CheckRun:
    """One side of one run, over the ids as they were at its beginning. `strays` grows while it goes on."""

    def __init__(self, keys: Mapping[int, bytes], salts: bytes, run: int) -> None:
        assert 1 <= run <= RUN_MAX
        key = run_key(salts, run)
        kept = sorted(epoch for epoch, packed in keys.items() if packed)[-EPOCHS_MAX:]
        self.run = run
        self.strays: list[Stray] = []
        self.over = False
        self._shelves = {epoch: Shelf(keys[epoch], key) for epoch in kept}
        self._empty = Shelf(b"", key)
        self._digests = {epoch: shelf.digest() for epoch, shelf in self._shelves.items()}
        self._key = key
        self._listed: list[Stray] = []
        self._offered: dict[int, bytes] = {}
        self._alike: frozenset[int] = frozenset()
        self._steps = 0

    @property
    def digest(self) -> bytes:
        """The fingerprint of all ids of all epochs."""
        roots = b"".join(epoch.to_bytes(4, "big") + digest for epoch, digest in self._digests.items())
        return blake2b(roots, digest_size=DIGEST_BYTES, key=self._key).digest()

    @property
    def alike(self) -> frozenset[int]:
        """The epochs of which both hold the same, as far as the run has come."""
        return self._alike

    def agree(self) -> None:
        """The digests are equal."""
        self._alike = frozenset(self._shelves)
        self.over = True

    def roots(self) -> Roots:
        """The answer to a digest that differs."""
        self._offered = dict(self._digests)
        return Roots(self.run, tuple(EpochRoot(epoch, digest) for epoch, digest in self._digests.items()))

    def receive_roots(self, roots: Roots) -> Ranges:
        """The leader's first step."""
        theirs = {root.epoch: root.digest for root in roots.epochs}
        if [root.epoch for root in roots.epochs] != sorted(theirs):
            raise PeerError("The peer names an epoch twice, or not in their order.")
        self._alike = frozenset(epoch for epoch, digest in self._digests.items() if theirs.get(epoch) == digest)
        for epoch in self._shelves.keys() - theirs.keys():
            self._stray(epoch, self._shelves[epoch].ids(0, len(self._shelves[epoch])))
        step = _Step()
        for epoch in sorted(theirs.keys() - self._alike):
            shelf = self._shelf(epoch)
            self._answer(step, epoch, 0, [Part(0, 0, len(shelf))], 1)
        return self._finish(step, b"")

    def receive(self, ranges: Ranges) -> Ranges | None:
        """The next step, or None where the peer has made the last one. PeerError for what is no step."""
        self._steps += 1
        if ranges.run != self.run or self.over or self._steps > STEPS_MAX:
            raise PeerError("The peer takes a step of a check that isn't there.")
        prints, listings = _take_apart(ranges)
        if self._offered:
            named = {one.epoch for one in prints} | {listing.epoch for listing in listings}
            self._alike = frozenset(self._offered.keys() - named)
            self._offered = {}
        for stray, lacks in zip(self._listed, unpack_bits(ranges.lacking, len(self._listed)), strict=True):
            if lacks:
                self._stray(stray.epoch, (stray.name,))
        self._listed = []
        if not prints and not listings:
            self.over = True
            return None
        step = _Step()
        lacking: list[bool] = []
        for one in prints:
            self._compare(step, one)
        for listing in listings:
            lacking += self._look_up(listing)
        return self._finish(step, pack_bits(lacking))

    def _compare(self, step: "_Step", prints: Prints) -> None:
        """Find the parts that differ, and go deeper into them."""
        shelf = self._shelf(prints.epoch)
        differing: list[Part] = []
        for prefix, theirs in prints.ranges:
            cuts = shelf.parts(prints.depth, prefix, prints.fan)
            for at, mine in enumerate(shelf.fingerprints(cuts)):
                if mine != theirs[at]:
                    differing.append(Part((prefix << prints.fan) + at, cuts[at], cuts[at + 1]))
        self._answer(step, prints.epoch, prints.depth + prints.fan, differing, len(prints.ranges) << prints.fan)

    def _answer(self, step: "_Step", epoch: int, depth: int, differing: list[Part], compared: int) -> None:
        """Split these ranges or list them: as many as the step has room for."""
        listed = [part for part in differing if len(part) <= LEAF_IDS_MAX or depth > DEPTH_MAX - WIDE]
        split = [part for part in differing if len(part) > LEAF_IDS_MAX and depth <= DEPTH_MAX - WIDE]
        shelf = self._shelf(epoch)
        fan = _fan(split, compared)
        split = step.room(split, lambda _: PRINT_BYTES << fan)
        if split:
            ranges = tuple((part.prefix, shelf.fingerprints(shelf.parts(depth, part.prefix, fan))) for part in split)
            step.splits.append(pack_split(Prints(epoch, depth, fan, ranges)))
        listed = step.room(listed, lambda part: SHORT_ID_BYTES * len(part))
        if listed:
            step.leaves.append(pack_leaf(Listing(epoch, depth, tuple(self._list(epoch, part) for part in listed))))

    def _list(self, epoch: int, part: Part) -> tuple[int, list[bytes]]:
        shorts = self._shelf(epoch).shorts(part.first, part.last)
        ordered = sorted(shorts)
        self._listed += [Stray(epoch, EnvelopeId(shorts[short])) for short in ordered]
        return part.prefix, ordered

    def _look_up(self, listing: Listing) -> list[bool]:
        """Which of the listed ids are not here; what is here and isn't listed is a stray."""
        shelf = self._shelf(listing.epoch)
        lacking: list[bool] = []
        for prefix, theirs in listing.ranges:
            mine = shelf.shorts(*shelf.bounds(listing.depth, prefix))
            lacking += [short not in mine for short in theirs]
            listed = set(theirs)
            self._stray(listing.epoch, (name for short, name in mine.items() if short not in listed))
        return lacking

    def _stray(self, epoch: int, names: Iterable[bytes]) -> None:
        for name in names:
            if len(self.strays) >= STRAYS_MAX:
                return
            self.strays.append(Stray(epoch, EnvelopeId(name)))

    def _finish(self, step: "_Step", lacking: bytes) -> Ranges:
        self.over = not step.splits and not step.leaves
        return Ranges(self.run, tuple(step.splits), tuple(step.leaves), lacking)

    def _shelf(self, epoch: int) -> Shelf:
        return self._shelves.get(epoch, self._empty)


class _Step:
    """The step that is being written, and the room it has left."""

    def __init__(self) -> None:
        self.splits: list[Split] = []
        self.leaves: list[Leaf] = []
        self._ranges = RANGES_MAX
        self._bytes = STEP_BYTES_MAX

    def room(self, parts: list[Part], cost: Callable[[Part], int]) -> list[Part]:
        """The first of these for which there is room."""
        kept: list[Part] = []
        for part in parts:
            self._bytes -= cost(part)
            self._ranges -= 1
            if self._bytes < 0 or self._ranges < 0:
                break
            kept.append(part)
        return kept


def _take_apart(ranges: Ranges) -> tuple[list[Prints], list[Listing]]:
    """PeerError where an epoch stands twice, or the step is larger than one may be."""
    for sections in (ranges.splits, ranges.leaves):
        epochs = [section.epoch for section in sections]
        if any(one >= other for one, other in pairwise(epochs)):
            raise PeerError("The peer names an epoch twice, or not in their order.")
    payload = sum(len(split.prints) for split in ranges.splits) + sum(len(leaf.ids) for leaf in ranges.leaves)
    if payload > STEP_BYTES_MAX:
        raise PeerError(f"A step of the check has at most {STEP_BYTES_MAX} bytes of fingerprints and ids.")
    prints, listings = [unpack_split(split) for split in ranges.splits], [unpack_leaf(leaf) for leaf in ranges.leaves]
    if sum(len(one.ranges) for one in prints) + sum(len(listing.ranges) for listing in listings) > RANGES_MAX:
        raise PeerError(f"A step of the check has at most {RANGES_MAX} ranges.")
    return prints, listings


def _fan(split: list[Part], compared: int) -> int:
    """Into how many parts to cut: 16 saves round trips, 4 saves bytes where few of many differ."""
    if sum(len(part) for part in split) <= FEW_IDS * len(split):
        return NARROW
    return WIDE if len(split) <= FEW_RANGES or 2 * len(split) > compared else NARROW
