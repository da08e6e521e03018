"""The shortest deflate stream for a short text after a preset dictionary, in deflate's fixed code (RFC 1951, 3.2.6).

zlib takes a long match where it finds one; on a post of 80 characters that wastes bytes. Here every way to write the
text is weighed. Pure; any inflater reads what comes out (app/core/compression.py).
"""

import bisect
from collections import defaultdict
from collections.abc import Iterator

import msgspec

MATCH_MIN, MATCH_MAX = 3, 258
CANDIDATES_MAX = 256
"""Places looked at for one match, nearest first: what the commonest three letters have in a dictionary of 8 KiB."""
LITERAL = -1

_LENGTH_BASES = (*range(3, 11), *(3 + (4 + step) * 2**power for power in range(1, 6) for step in range(4)), 258)
_LENGTH_EXTRA = (*(0,) * 8, *(extra for extra in range(1, 6) for _ in range(4)), 0)
_DISTANCE_BASES = (1, 2, 3, 4, *(step * 2**power + 1 for power in range(1, 14) for step in (2, 3)))
_DISTANCE_EXTRA = (0, 0, *(extra for extra in range(14) for _ in range(2)))
_FIRST_LONG_LENGTH = 23
"""Length codes from 280 on have 8 bits, those before 7."""
_LITERAL_BITS = bytes(8 if byte < 144 else 9 for byte in range(256))
_LENGTH_BITS = bytes(MATCH_MIN) + b"".join(
    bytes([(7 if place < _FIRST_LONG_LENGTH else 8) + extra]) * min(1 << extra, MATCH_MAX - base + (base == MATCH_MAX))
    for place, (base, extra) in enumerate(zip(_LENGTH_BASES, _LENGTH_EXTRA, strict=True))
)
_DISTANCE_BITS = b"\0" + b"".join(bytes([5 + extra]) * (1 << extra) for extra in _DISTANCE_EXTRA)
"""By byte, length and distance: what each costs with its extra bits."""


class Token(msgspec.Struct, frozen=True):
    """A step of a parse: where in the text, how long, from where in dictionary ‖ text (or LITERAL), at what cost."""

    start: int
    length: int
    source: int
    bits: int


class Deflater:
    """Writes texts after one dictionary, whose places are looked up once."""

    def __init__(self, dictionary: bytes) -> None:
        self._dictionary = dictionary
        self._places: dict[bytes, list[int]] = defaultdict(list)
        for place in range(len(dictionary) - MATCH_MIN, -1, -1):
            self._places[dictionary[place : place + MATCH_MIN]].append(place)

    def deflate(self, text: bytes) -> bytes:
        """One final block that holds the text."""
        bits, count = 0b011, 3  # final, fixed code; the first bit is the lowest
        for value, width in self._codes(text):
            bits |= value << count
            count += width
        return bits.to_bytes((count + 7) // 8, "little")

    def parse(self, text: bytes) -> list[Token]:
        """The cheapest steps that write the text, in order."""
        window, before = self._dictionary + text, len(self._dictionary)
        costs = [0] + [1 << 30] * len(text)
        steps: list[tuple[int, int]] = [(0, LITERAL)] * (len(text) + 1)
        for start in range(len(text)):
            cost = costs[start]
            bits = cost + _LITERAL_BITS[text[start]]
            if bits < costs[start + 1]:
                costs[start + 1], steps[start + 1] = bits, (1, LITERAL)
            for length, source in self._matches(window, before + start):
                bits = cost + _LENGTH_BITS[length] + _DISTANCE_BITS[before + start - source]
                if bits < costs[start + length]:
                    costs[start + length], steps[start + length] = bits, (length, source)
        tokens, end = [], len(text)
        while end:
            length, source = steps[end]
            tokens.append(Token(end - length, length, source, costs[end] - costs[end - length]))
            end -= length
        return tokens[::-1]

    def _matches(self, window: bytes, start: int) -> Iterator[tuple[int, int]]:
        """(length, nearest source) of each length that can be copied to `start`."""
        most = min(MATCH_MAX, len(window) - start)
        if most < MATCH_MIN:
            return
        length = MATCH_MIN
        wanted = window[start : start + length]
        for source in self._candidates(window, start):
            while window.startswith(wanted, source):
                yield length, source
                if length == most:
                    return
                length += 1
                wanted = window[start : start + length]

    def _candidates(self, window: bytes, start: int) -> list[int]:
        """Where the next three bytes stood before, nearest first: in the text, over its edge, in the dictionary."""
        head = window[start : start + MATCH_MIN]
        edge = max(len(self._dictionary) - MATCH_MIN + 1, 0)
        near = []
        source = window.rfind(head, edge, start + MATCH_MIN - 1)
        while source >= 0:
            near.append(source)
            source = window.rfind(head, edge, source + MATCH_MIN - 1)
        return (near + self._places.get(head, []))[:CANDIDATES_MAX]

    def _codes(self, text: bytes) -> Iterator[tuple[int, int]]:
        """(value, width) of codes and extra bits. Codes begin with their highest bit, numbers with their lowest."""
        before = len(self._dictionary)
        for token in self.parse(text):
            if token.source == LITERAL:
                byte = text[token.start]
                yield _code(0b00110000 + byte, 8) if byte < 144 else _code(0b110010000 + byte - 144, 9)
                continue
            place = bisect.bisect_right(_LENGTH_BASES, token.length) - 1
            short = place < _FIRST_LONG_LENGTH
            yield _code(place + 1, 7) if short else _code(0b11000000 + place - _FIRST_LONG_LENGTH, 8)
            yield token.length - _LENGTH_BASES[place], _LENGTH_EXTRA[place]
            distance = before + token.start - token.source
            place = bisect.bisect_right(_DISTANCE_BASES, distance) - 1
            yield _code(place, 5)
            yield distance - _DISTANCE_BASES[place], _DISTANCE_EXTRA[place]
        yield _code(0, 7)


def _code(code: int, width: int) -> tuple[int, int]:
    return int(f"{code:0{width}b}"[::-1], 2), width
