"""Set difference over lossy radio: coded symbols of envelope ids, each frame under a salt of its own.

The mapping is that of rateless invertible Bloom lookup tables (Yang, Gilad, Alizadeh, "Practical Rateless Set
Reconciliation", SIGCOMM 2024): symbol i takes in each id with probability 1/(1 + i/2). There the symbols form one
stream, of which nothing may be lost. Here frame n holds symbols 0, n, 2n, … of a stream that only it is cut from, so
that every frame tells something of every density, and any frames will do. A decoder peels across all it has.

Pure. Spec and figures: docs/protocol/radio-repair.md, "Comparing".
"""

import hashlib
import struct
from collections.abc import Collection, Iterable

import msgspec

from app.errors import DecodeError
from app.radio.request import KEY_BYTES

CHECK_BYTES = 3
"""One mixed cell in 16 million looks pure; it must then also name an id that belongs into it."""
CELL_BYTES = KEY_BYTES + CHECK_BYTES
CELLS_MAX = 18
"""As many as a control frame holds."""
SALTS = 2**16
STRETCH_MAX = 64
"""Frame n of a comparison has stretch n."""
FRAMES_MAX = 40
"""Frames that a decoder takes: 720 cells, 80 kB. A difference of 256 needs about 30."""
DIFFERENCE_MAX = 256
"""Ids that a decoder finds before it gives up: sets that differ by more are better asked for by number."""
SET_MAX = 8192
"""Ids in a set that is compared: 25 ms a frame on a PC, ten times that on a Pi 3."""
_HEAD_BYTES = 3
_DIGEST = struct.Struct(f">{CELLS_MAX}H")
_PERSON = b"tntn iblt 1"

Key = int
"""The first 8 bytes of an envelope id."""
Cell = tuple[int, int]
"""XOR of the keys, XOR of their checks."""


class Symbols(msgspec.Struct, frozen=True):
    """One frame's worth: cell k is symbol k × `stretch` of the stream with this salt."""

    salt: int
    stretch: int
    cells: tuple[Cell, ...]


def key_of(envelope_id: bytes) -> Key:
    """What stands for an envelope in symbols."""
    return int.from_bytes(envelope_id[:KEY_BYTES], "big")


def key_bytes(key: Key) -> bytes:
    """The beginning of the envelope id."""
    return key.to_bytes(KEY_BYTES, "big")


def symbols_of(keys: Iterable[Key], salt: int, stretch: int, cells: int = CELLS_MAX) -> Symbols:
    """The symbols of a set of keys."""
    sums, checks = [0] * cells, [0] * cells
    for key in keys:
        check, places = _placement(key, salt, stretch, cells)
        for place in places:
            sums[place] ^= key
            checks[place] ^= check
    return Symbols(salt, stretch, tuple(zip(sums, checks, strict=True)))


def encode_symbols(symbols: Symbols) -> bytes:
    """salt (2) ‖ stretch ‖ cells: key (8) ‖ check (3)."""
    head = symbols.salt.to_bytes(2, "big") + bytes([symbols.stretch])
    return head + b"".join(
        key.to_bytes(KEY_BYTES, "big") + check.to_bytes(CHECK_BYTES, "big") for key, check in symbols.cells
    )


def decode_symbols(data: bytes) -> Symbols:
    """DecodeError unless these are 1 to CELLS_MAX cells of a stretch within its limit."""
    cells, rest = divmod(len(data) - _HEAD_BYTES, CELL_BYTES)
    if rest or not 1 <= cells <= CELLS_MAX:
        raise DecodeError("truncated", f"A frame of symbols has 1 to {CELLS_MAX} cells of {CELL_BYTES} bytes.")
    if not 1 <= data[2] <= STRETCH_MAX:
        raise DecodeError("limit", f"Symbols are stretched 1 to {STRETCH_MAX} times.")
    return Symbols(
        int.from_bytes(data[:2], "big"),
        data[2],
        tuple(_decode_cell(data, _HEAD_BYTES + cell * CELL_BYTES) for cell in range(cells)),
    )


class Decoder:
    """Finds what two sets don't share, from the other's symbols and one's own set. Bounded whatever it is fed."""

    def __init__(self, keys: Collection[Key]) -> None:
        self._mine = frozenset(keys)
        self._frames: list[_Frame] = []
        self._found: set[Key] = set()

    @property
    def frames(self) -> int:
        """How many frames were taken."""
        return len(self._frames)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left in any cell: the found keys are the whole difference."""
        return bool(self._frames) and not any(any(cell) for frame in self._frames for cell in frame.cells)

    @property
    def is_hopeless(self) -> bool:
        """Whether a limit was reached: the sets differ by too much, or the symbols are not of any set."""
        return not self.is_complete and (len(self._frames) >= FRAMES_MAX or len(self._found) >= DIFFERENCE_MAX)

    @property
    def lacking(self) -> list[Key]:
        """Found keys that the other has and we have not."""
        return sorted(self._found - self._mine)

    @property
    def surplus(self) -> list[Key]:
        """Found keys that we have and the other has not."""
        return sorted(self._found & self._mine)

    def add(self, symbols: Symbols) -> None:
        """Take a frame, and peel as far as it goes. A frame that is here already, or one too many, changes nothing."""
        if self.is_hopeless or any(frame.is_of(symbols) for frame in self._frames):
            return
        known = symbols_of(self._mine ^ self._found, symbols.salt, symbols.stretch, len(symbols.cells))
        frame = _Frame(symbols.salt, symbols.stretch)
        frame.cells = [
            (key ^ own, check ^ mine) for (key, check), (own, mine) in zip(symbols.cells, known.cells, strict=True)
        ]
        self._frames.append(frame)
        self._peel([(frame, place) for place in range(len(frame.cells))])

    def _peel(self, suspects: list[tuple["_Frame", int]]) -> None:
        while suspects and len(self._found) < DIFFERENCE_MAX:
            frame, place = suspects.pop()
            key = frame.cells[place][0]
            # A key that comes up twice means symbols of no set: taking it out again would go round in circles.
            if key in self._found or not frame.is_pure(place):
                continue
            self._found.add(key)
            for other in self._frames:
                suspects += [(other, touched) for touched in other.toggle(key)]


class _Frame:
    """The cells of one frame, without what is known already."""

    __slots__ = ("cells", "salt", "stretch")

    def __init__(self, salt: int, stretch: int) -> None:
        self.salt = salt
        self.stretch = stretch
        self.cells: list[Cell] = []

    def is_of(self, symbols: Symbols) -> bool:
        return (self.salt, self.stretch) == (symbols.salt, symbols.stretch)

    def is_pure(self, place: int) -> bool:
        key, check = self.cells[place]
        if key == 0 and check == 0:
            return False
        expected, places = _placement(key, self.salt, self.stretch, len(self.cells))
        return check == expected and place in places

    def toggle(self, key: Key) -> list[int]:
        check, places = _placement(key, self.salt, self.stretch, len(self.cells))
        for place in places:
            self.cells[place] = (self.cells[place][0] ^ key, self.cells[place][1] ^ check)
        return places


def _placement(key: Key, salt: int, stretch: int, cells: int) -> tuple[int, list[int]]:
    """The key's check, and the cells it goes into: symbol i takes it when its 16-bit word × (2 + i) < 2^17."""
    digest = hashlib.blake2b(
        key.to_bytes(KEY_BYTES, "big"),
        digest_size=CHECK_BYTES + _DIGEST.size,
        salt=salt.to_bytes(2, "big"),
        person=_PERSON,
    ).digest()
    words = _DIGEST.unpack_from(digest, CHECK_BYTES)
    places = [place for place in range(cells) if words[place] * (2 + place * stretch) < 1 << 17]
    return int.from_bytes(digest[:CHECK_BYTES], "big"), places


def _decode_cell(data: bytes, offset: int) -> Cell:
    middle = offset + KEY_BYTES
    return int.from_bytes(data[offset:middle], "big"), int.from_bytes(data[middle : middle + CHECK_BYTES], "big")
