"""The box: blends that are not solved yet, and the envelopes that come out of them.

Pure: linear equations over GF(256); knows no log and no time. Spec: docs/protocol/radio-repair.md.
"""

from collections.abc import Mapping

from app.core.envelope import ENVELOPE_BYTES_MIN
from app.radio import galois
from app.radio.blend import ROW_BYTES, Blend, Found, Place, coefficient, row_of

ROWS_MAX = 64
"""Blends that wait to be solved: 16 kB. When one more comes, all are forgotten, and what is lacking is asked for."""


class Box:
    """Blends that are not solved yet, as rows in reduced form: each has a place of its own that no other row holds."""

    def __init__(self) -> None:
        self._rows: dict[Place, _Row] = {}

    def add(self, blend: Blend, held: Mapping[Place, bytes]) -> list[Found]:
        """Take a blend; `held` are the envelopes of its places that are on the disk. Returns what it solved."""
        row = _Row({place: coefficient(blend.seed, place) for place in blend.places}, blend.data)
        for place, envelope in held.items():
            self.settle(place, envelope)
            row.take_out(place, envelope)
        if len(self._rows) >= ROWS_MAX:
            self._rows = {}
        found = self._insert(row)
        # What came out before and is asked for all the same did not get to the disk: it comes out again.
        out = [self._rows[place] for place in blend.places if self._is_solved(place)]
        return found + [one for one in map(_opened, out) if one is not None and one not in found]

    def settle(self, place: Place, envelope: bytes) -> list[Found]:
        """This envelope is on the disk: it need not be solved. Returns what that solves."""
        touched = [pivot for pivot, row in self._rows.items() if place in row.coefficients]
        rows = [self._rows.pop(pivot) for pivot in touched]
        found: list[Found] = []
        for row in rows:
            row.take_out(place, envelope)
            found += self._insert(row)
        return found

    def rows_within(self, places: set[Place]) -> int:
        """How many rows are about nothing but these places: that many fewer blends of them are needed."""
        return sum(row.coefficients.keys() <= places for row in self._rows.values())

    def forget(self, place: Place) -> None:
        """What came out there did not get to the disk: blends may bring it again."""
        self._rows.pop(place, None)

    def spoil(self) -> None:
        """Something that came out was forged or broken: forget all, since what remains may be too."""
        self._rows = {}

    def _insert(self, row: "_Row") -> list[Found]:
        for pivot, other in self._rows.items():
            if pivot in row.coefficients:
                row.subtract(other, row.coefficients[pivot])
        if not row.coefficients:
            if any(row.data):
                self._rows = {}  # they contradict each other: one was forged, or of a twin's envelope
            return []
        pivot = min(row.coefficients)
        row.scale(galois.INVERSE[row.coefficients[pivot]])
        solved = [row] if len(row.coefficients) == 1 else []
        for other in self._rows.values():
            if pivot in other.coefficients:
                other.subtract(row, other.coefficients[pivot])
                solved += [other] if len(other.coefficients) == 1 else []
        self._rows[pivot] = row
        out = [(one, _opened(one)) for one in solved]
        for broken in [one for one, found in out if found is None]:
            del self._rows[min(broken.coefficients)]
        return [found for _, found in out if found is not None]

    def _is_solved(self, place: Place) -> bool:
        return place in self._rows and len(self._rows[place].coefficients) == 1


class _Row:
    """One equation: coefficients of unknown envelopes, and what they add up to."""

    __slots__ = ("coefficients", "data")

    def __init__(self, coefficients: dict[Place, int], data: bytes) -> None:
        self.coefficients = coefficients
        self.data = data.ljust(ROW_BYTES, b"\0")

    def take_out(self, place: Place, envelope: bytes) -> None:
        if place in self.coefficients and len(envelope) < ROW_BYTES:
            constant = self.coefficients.pop(place)
            self.data = galois.add(self.data, galois.scale(constant, row_of(envelope, ROW_BYTES)))

    def subtract(self, other: "_Row", constant: int) -> None:
        self.data = galois.add(self.data, galois.scale(constant, other.data))
        for place, value in other.coefficients.items():
            left = self.coefficients.get(place, 0) ^ galois.TIMES[constant][value]
            if left:
                self.coefficients[place] = left
            else:
                del self.coefficients[place]

    def scale(self, constant: int) -> None:
        self.data = galois.scale(constant, self.data)
        self.coefficients = {place: galois.TIMES[constant][value] for place, value in self.coefficients.items()}


def _opened(row: _Row) -> Found | None:
    (place,) = row.coefficients
    length = row.data[0]
    if not ENVELOPE_BYTES_MIN <= length < ROW_BYTES or any(row.data[1 + length :]):
        return None
    return Found(place, row.data[1 : 1 + length])
