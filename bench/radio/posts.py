"""Posts of 160 characters as they go on air: real text that the dictionary does not know, signed and sealed."""

from pathlib import Path

from app.core.envelope import seal
from app.core.keys import DeviceKey, SpaceId, derive_epoch_keys
from app.core.record import Kind, Lifetime, compose, sign
from app.radio.frame import LinkKeys

CHARACTERS = 160
TEXTS = Path(__file__).parents[2] / "tests/data/posts-en.txt"
FIRST_SEQUENCE = 1000
MINUTES = 1_000_000

_KEY = DeviceKey(bytes(range(32)))
_SPACE = SpaceId(bytes(range(16)))
_EPOCH = derive_epoch_keys(_SPACE, 1, bytes(range(32, 64)))
LINK = LinkKeys(_SPACE, (_EPOCH.link,))


def envelopes(count: int) -> list[bytes]:
    """So many different posts."""
    lines = [line.strip() for line in TEXTS.read_text("utf-8").splitlines() if line.strip()]
    texts = []
    for place in range(count):
        text = ""
        turn = place * 7
        while len(text) < CHARACTERS:
            text += lines[turn % len(lines)] + " "
            turn += 1 + place // len(lines)
        texts.append(text[:CHARACTERS])
    return [_envelope(text.encode(), place) for place, text in enumerate(texts)]


def _envelope(body: bytes, place: int) -> bytes:
    record = compose(Lifetime.NORMAL, _KEY.device_id, FIRST_SEQUENCE + place, MINUTES, Kind.POST, body)
    return seal(sign(record, _KEY, _SPACE), _EPOCH)
