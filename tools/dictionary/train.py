"""Makes the preset dictionary of record version 1 from the texts beside this file: `bin/train-dictionary`.

The dictionary is frozen: this script proves where it comes from (`--check`), and would make the one of a later
record version. Deterministic: the same texts yield the same bytes.

How: every run of up to five words (the last may be cut short) is a candidate. A greedy choice takes those that save
most bits per byte of dictionary, counting a candidate in n texts n-1 times: what it is worth to a text that was not
there when it was chosen. Then, a few times over, all texts are parsed as deflate would with the whole dictionary,
the pieces that earn least are thrown out and the room is given away again. Deflate pays for distance, so pieces
stand in the order of their use, the most used last, next to the text.
"""

import argparse
import hashlib
import heapq
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.core.deflate import Deflater, Token
from app.core.directory import Category, DirectoryEntry, Opening, Place, Season

HERE = Path(__file__).parent
TARGET = HERE.parent.parent / "app/core/dictionary-1.bin"
LANGUAGES = ("en", "es", "fr")
DICTIONARY_BYTES = 8192
"""Measured: 4096 bytes pack held-out English posts to 0.60 of their size, 6144 to 0.58, 8192 to 0.57."""
ROUNDS = 3
DROPPED_PER_ROUND = 0.2
WORDS_MAX = 5
CUT_WORDS_MAX = 3
"""Candidates whose last word is cut short have at most so many words."""
PIECE_BYTES_MIN = 4
SINGLE_WORTH = 0.15
"""What a piece is worth that only one text has."""
MATCH_BITS = 21
"""What a deflate match costs on average (7 of length, 5 + 9 of distance), where a literal costs 8 or 9."""
HELD_OUT_EVERY = 5

_WORD = re.compile(r"\S+")


def candidates(text: str, whole: bool) -> Iterator[tuple[int, int]]:
    """(start, end) of each run of words, with the space before it; the last word may be cut short or lack its comma."""
    words = [match.span() for match in _WORD.finditer(text)]
    for first, (start, _) in enumerate(words):
        for last in range(first, min(first + WORDS_MAX, len(words))):
            begin, end = words[last]
            ends = {end, begin + len(text[begin:end].rstrip(".,:;!?"))}
            if whole and last - first < CUT_WORDS_MAX:
                ends.update(range(begin + 2, end))
            for stop in sorted(ends):
                yield max(start - 1, 0), stop


class Training:
    """Texts, the pieces they could share, and what each byte of each text costs with the pieces chosen so far."""

    def __init__(self, posts: Sequence[str], words: Sequence[str], size: int) -> None:
        self._size = size
        self._posts = len(posts)
        texts = [*posts, *(f" {word}" for word in words)]
        self._texts = [text.encode() for text in texts]
        self._costs: list[list[float]] = [[8.0 if byte < 144 else 9.0 for byte in text] for text in self._texts]
        self._places: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
        for number, text in enumerate(texts):
            for start, end in candidates(text, whole=True):
                piece = text[start:end].encode()
                if len(piece) >= PIECE_BYTES_MIN:
                    self._places[piece].append((number, len(text[:start].encode())))

    def run(self) -> bytes:
        """The dictionary."""
        pieces = self._fill({})
        for step in range(ROUNDS):
            worth, uses = self._weigh(pieces)
            room = self._size * DROPPED_PER_ROUND * (1 - step / ROUNDS)
            for piece in sorted(pieces, key=lambda piece: (worth[piece] / len(piece), piece)):
                if room <= 0:
                    break
                room -= len(piece)
                del uses[piece]
            self._weigh(uses)
            pieces = self._fill(uses)
        return _joined(self._weigh(pieces)[1])[0]

    def _fill(self, pieces: dict[bytes, float]) -> dict[bytes, float]:
        """Add what saves most bits per byte until the dictionary is full."""
        room = self._size - sum(map(len, pieces))
        heap = [(-self._saving(piece) / len(piece), piece) for piece in self._places]
        heap = [item for item in heap if item[0] < 0]
        heapq.heapify(heap)
        while heap and room >= PIECE_BYTES_MIN:
            _, piece = heapq.heappop(heap)
            if any(piece in chosen for chosen in pieces):
                continue
            inside = [chosen for chosen in pieces if chosen in piece]
            growth = max(len(piece) - sum(map(len, inside)), 1)
            saving = self._saving(piece) / growth
            if heap and 0 < saving < -heap[0][0] - 1e-9:
                heapq.heappush(heap, (-saving, piece))
            elif saving > 0 and growth <= room:
                for chosen in inside:
                    del pieces[chosen]
                pieces[piece] = float(len(self._places[piece]))
                room -= growth
                self._cover(piece)
        return pieces

    def _saving(self, piece: bytes) -> float:
        """Bits saved in all texts, discounted for having been chosen by them."""
        saved: dict[int, float] = {}
        for number, start in self._places[piece]:
            bits = sum(self._costs[number][start : start + len(piece)]) - MATCH_BITS
            if bits > 0:
                saved[number] = saved.get(number, 0.0) + bits
        return sum(saved.values()) * self._discount(saved) if saved else 0.0

    def _discount(self, numbers: dict[int, float]) -> float:
        """Words of the vocabulary count in full: they stand for texts not written yet."""
        posts = sum(number < self._posts for number in numbers)
        if posts < len(numbers):
            return 1.0
        return max(posts - 1, SINGLE_WORTH) / posts if posts else 0.0

    def _cover(self, piece: bytes) -> None:
        for number, start in self._places[piece]:
            costs = self._costs[number]
            if sum(costs[start : start + len(piece)]) > MATCH_BITS:
                costs[start : start + len(piece)] = [MATCH_BITS / len(piece)] * len(piece)

    def _weigh(self, pieces: dict[bytes, float]) -> tuple[dict[bytes, float], dict[bytes, float]]:
        """(worth, uses) of each piece in a real parse of all texts, whose costs are noted."""
        dictionary, places = _joined(pieces)
        owners: list[bytes] = [b""] * len(dictionary)
        for piece, place in places.items():
            owners[place : place + len(piece)] = [piece] * len(piece)
        saved: dict[bytes, dict[int, float]] = {piece: {} for piece in pieces}
        uses = dict.fromkeys(pieces, 0.0)
        deflater = Deflater(dictionary)
        for number, text in enumerate(self._texts):
            for token in deflater.parse(text):
                costs = [token.bits / token.length] * token.length
                self._costs[number][token.start : token.start + token.length] = costs
                if 0 <= token.source < len(dictionary):
                    _credit(token, owners, number, saved, uses)
        worth = {piece: sum(by_text.values()) * self._discount(by_text) for piece, by_text in saved.items()}
        return worth, uses


def _credit(
    token: Token,
    owners: list[bytes],
    number: int,
    saved: dict[bytes, dict[int, float]],
    uses: dict[bytes, float],
) -> None:
    owned = owners[token.source : token.source + token.length]
    for piece in dict.fromkeys(owned):
        share = owned.count(piece)
        bits = (8 * token.length - token.bits) * share / token.length
        saved[piece][number] = saved[piece].get(number, 0.0) + bits
        uses[piece] += share >= 3


def _joined(pieces: dict[bytes, float]) -> tuple[bytes, dict[bytes, int]]:
    """(dictionary, the place of each piece), least used first, ends and beginnings laid over each other."""
    dictionary, places = b"", {}
    for piece in sorted(pieces, key=lambda piece: (pieces[piece], piece)):
        overlap = next((n for n in range(len(piece), 0, -1) if dictionary.endswith(piece[:n])), 0)
        places[piece] = len(dictionary) - overlap
        dictionary += piece[overlap:]
    return dictionary, places


def example_entry() -> bytes:
    """A directory entry as it stands in a body: an invented one lends its keys and turns of phrase to all others."""
    hours = (Opening(2, 15 * 4, 18 * 4), Opening(5, 9 * 4, 13 * 4))
    return DirectoryEntry(
        source="usda",
        source_id="1010000",
        category=Category.MARKET,
        name="Riverside Farmers' Market",
        place=Place("Main Street", "Riverside", "Washington", "Vermont", "05000"),
        seasons=(Season(5, 10, hours),),
        products=0b0111_1010_1110_0101_1111_1011_1110,
        payments=1,
        links=("http://www.riversidefarmersmarket.com", "https://www.facebook.com/RiversideFarmersMarket"),
        listed_year=2017,
    ).encode()


def train(posts: Sequence[str], words: Sequence[str]) -> bytes:
    """The whole dictionary: an example entry, then pieces of posts."""
    entry = example_entry()
    return entry + Training(posts, words, DICTIONARY_BYTES - len(entry)).run()


def read(kind: str, language: str) -> list[str]:
    """The lines of one of the texts beside this file."""
    return (HERE / f"{kind}-{language}.txt").read_text("utf-8").splitlines()


def vocabulary() -> list[str]:
    """The common words of each language, each once."""
    return [word for language in LANGUAGES for word in dict.fromkeys(" ".join(read("words", language)).split())]


def ratio(posts: Sequence[str], dictionary: bytes) -> float:
    """Packed bytes by plain bytes."""
    deflater = Deflater(dictionary)
    plain = [post.encode() for post in posts]
    return sum(min(len(deflater.deflate(post)), len(post)) for post in plain) / sum(map(len, plain))


def report_held_out() -> None:
    """Train without every fifth post of the corpus, and pack those."""
    for turn in range(HELD_OUT_EVERY):
        kept, held = [], {}
        for language in LANGUAGES:
            posts = read("corpus", language)
            held[language] = posts[turn::HELD_OUT_EVERY]
            kept += [post for place, post in enumerate(posts) if place % HELD_OUT_EVERY != turn]
        dictionary = train(kept, vocabulary())
        print(turn + 1, *(f"{language} {ratio(posts, dictionary):.3f}" for language, posts in held.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the dictionary, or check that the frozen one is what the texts yield."""
    parser = argparse.ArgumentParser(prog="bin/train-dictionary", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the frozen dictionary, write nothing")
    parser.add_argument("--held-out", action="store_true", help="report how well posts pack that it was not trained on")
    options = parser.parse_args(arguments)
    if options.held_out:
        report_held_out()
        return 0
    dictionary = train([post for language in LANGUAGES for post in read("corpus", language)], vocabulary())
    print(f"{len(dictionary)} bytes, SHA-256 {hashlib.sha256(dictionary).hexdigest()}")
    if options.check:
        same = TARGET.read_bytes() == dictionary
        print("The frozen dictionary is the same." if same else "The frozen dictionary DIFFERS.")
        return 0 if same else 1
    TARGET.write_bytes(dictionary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
