"""GF(256): the arithmetic of fragments, on whole rows of bytes at a time.

The field of RFC 6330, section 5.7: the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11D). Multiplying a row by a constant
is one `bytes.translate`, adding two rows is one XOR of large integers: no loop over bytes in Python.
"""

from collections.abc import Iterable

POLYNOMIAL = 0x11D
_IDENTITY = bytes(range(256))


def add(left: bytes, right: bytes) -> bytes:
    """The sum of two rows of one length; their difference too."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def scale(constant: int, row: bytes) -> bytes:
    """The row times a constant."""
    return row.translate(TIMES[constant])


def combine(terms: Iterable[tuple[int, bytes]], row_bytes: int) -> bytes:
    """The sum of constant times row over all terms; every row has `row_bytes` bytes."""
    total = 0
    for constant, row in terms:
        if constant:
            total ^= int.from_bytes(row.translate(TIMES[constant]), "big")
    return total.to_bytes(row_bytes, "big")


def eliminate(rows: list[tuple[bytes, bytes]]) -> list[tuple[bytes, int]]:
    """Gauss-Jordan on rows of (coefficients, data): which rows count, and the data they reduce to.

    The answer has one (data, position in `rows`) for each independent row. When there are as many as coefficients,
    they are in the order of the unknowns and their data is the solution.
    """
    if not rows:
        return []
    width = len(rows[0][0])
    waiting = [(coefficients + data, position) for position, (coefficients, data) in enumerate(rows)]
    solved: list[tuple[bytes, int]] = []
    for column in range(width):
        at = next((at for at, (row, _) in enumerate(waiting) if row[column]), None)
        if at is None:
            continue
        row, position = waiting.pop(at)
        pivot = row.translate(TIMES[INVERSE[row[column]]])
        waiting = [(_without(other, pivot, column), place) for other, place in waiting]
        solved = [(_without(other, pivot, column), place) for other, place in solved]
        solved.append((pivot, position))
    return [(row[width:], position) for row, position in solved]


def _without(row: bytes, pivot: bytes, column: int) -> bytes:
    constant = row[column]
    return add(row, pivot.translate(TIMES[constant])) if constant else row


def _doubled(value: int) -> int:
    return value << 1 ^ (POLYNOMIAL if value & 0x80 else 0)


def _tables() -> tuple[bytes, ...]:
    """Table c maps x to c · x. Double and add: 256 translations instead of 65,536 products."""
    double = bytes(_doubled(value) for value in range(256))
    tables = [bytes(256), _IDENTITY]
    for constant in range(2, 256):
        half = tables[constant >> 1].translate(double)
        tables.append(add(half, _IDENTITY) if constant & 1 else half)
    return tuple(tables)


TIMES = _tables()
"""TIMES[c][x] = c · x: 64 KiB, made in a millisecond at import."""
INVERSE = bytes([0, *(table.index(1) for table in TIMES[1:])])
"""INVERSE[x] · x = 1; nothing is the inverse of 0."""
