"""The ids of one epoch as the check sees them: ranges by prefix, fingerprints of ranges, short names of single ids.

Ids are hashes, so prefixes cut them evenly. All fingerprints are keyed: whoever can't see the session can't make two
sets look alike. Pure. Spec: docs/protocol/sync.md, "The check".
"""

from bisect import bisect_left
from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise

from app.core.envelope import ENVELOPE_ID_BYTES as ID_BYTES
from app.sync.message import DIGEST_BYTES, PRINT_BYTES, SHORT_ID_BYTES

PREFIX_BITS = 64
"""Ranges are told apart by the first 8 bytes of an id."""
_PREFIX_BYTES = 8


class Shelf:
    """Ids in ascending order, 16 bytes each, packed: they are never unpacked as a whole."""

    def __init__(self, packed: bytes, key: bytes) -> None:
        self._packed = packed
        self._bytes = memoryview(packed)
        self._key = key

    def __len__(self) -> int:
        return len(self._packed) // ID_BYTES

    def digest(self) -> bytes:
        """The fingerprint of all of them, long enough to rely on."""
        return blake2b(self._packed, digest_size=DIGEST_BYTES, key=self._key).digest()

    def parts(self, depth: int, prefix: int, fan: int) -> list[int]:
        """Where the 2^fan parts of a range of `depth` bits begin, and where the last one ends."""
        deeper = depth + fan
        first = self._position(deeper, prefix << fan, 0, len(self))
        last = self._position(deeper, (prefix + 1) << fan, first, len(self))
        cuts = [first]
        for part in range(1, 1 << fan):
            cuts.append(self._position(deeper, (prefix << fan) + part, cuts[-1], last))
        cuts.append(last)
        return cuts

    def fingerprints(self, cuts: list[int]) -> list[bytes]:
        """Of the parts between these cuts, in their order."""
        return [
            blake2b(self._bytes[first * ID_BYTES : last * ID_BYTES], digest_size=PRINT_BYTES, key=self._key).digest()
            for first, last in pairwise(cuts)
        ]

    def bounds(self, depth: int, prefix: int) -> tuple[int, int]:
        """Where a range begins and ends."""
        first, last = self.parts(depth, prefix, 0)
        return first, last

    def ids(self, first: int, last: int) -> Iterator[bytes]:
        """The ids at these positions."""
        return (self._packed[at * ID_BYTES : (at + 1) * ID_BYTES] for at in range(first, last))

    def shorts(self, first: int, last: int) -> dict[bytes, bytes]:
        """The ids at these positions by their short names. Of two with one name, one: the next run has other names."""
        return {self.short(name): name for name in self.ids(first, last)}

    def short(self, name: bytes) -> bytes:
        """What an id is called within its range."""
        return blake2b(name, digest_size=SHORT_ID_BYTES, key=self._key).digest()

    def _position(self, depth: int, prefix: int, first: int, last: int) -> int:
        """The first position, of those from `first` to `last`, with this prefix or a higher one."""
        bound = prefix << (PREFIX_BITS - depth)
        if bound >> PREFIX_BITS:
            return last
        packed = self._packed
        return bisect_left(
            range(last),
            bound.to_bytes(_PREFIX_BYTES, "big"),
            first,
            key=lambda at: packed[at * ID_BYTES : at * ID_BYTES + _PREFIX_BYTES],
        )
