"""The boards of a community, and what may stand on them."""

import re
from enum import StrEnum

import msgspec

from app.core.record import Kind, Lifetime
from app.errors import DecodeError

TITLE_CHARACTERS_MAX = 120
"""What a heading on a phone can show; a longer first line is cut for the heading and whole in the text."""

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Unicode's category Cc, but for line feed and tab."""


class Board(StrEnum):
    """The boards, by the names in their addresses."""

    BULLETIN = "bulletin"
    MARKETS = "markets"
    EVENTS = "events"
    DIRECTORY = "directory"
    WEATHER = "weather"


class Post(msgspec.Struct, frozen=True):
    """What a post says: its first line is the title, the rest the text."""

    title: str
    text: str


DISPLAY_LIFETIME = Lifetime.NORMAL
"""What a notice is written with unless its author says otherwise."""


def decode_post(body: bytes) -> Post:
    """The title and text of a post. DecodeError unless the body is UTF-8 with a first line that can be read."""
    try:
        whole = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecodeError("body", "The text is not UTF-8.") from error
    if CONTROL_CHARACTERS.search(whole):
        raise DecodeError("body", "The text holds control characters.")
    title, _, text = whole.strip().partition("\n")
    if not title.strip():
        raise DecodeError("body", "A post needs at least a title.")
    return Post(_shortened(title.strip()), text.strip() if len(title) <= TITLE_CHARACTERS_MAX else whole.strip())


def board_of(kind: int) -> Board | None:
    """The board a kind of record stands on; None for introductions and kinds from the future."""
    return _BOARDS.get(kind)


_BOARDS: dict[int, Board] = {
    Kind.POST: Board.BULLETIN,
    Kind.DIRECTORY: Board.DIRECTORY,
    Kind.READING: Board.WEATHER,
}


def _shortened(title: str) -> str:
    if len(title) <= TITLE_CHARACTERS_MAX:
        return title
    return title[: TITLE_CHARACTERS_MAX - 1].rstrip() + "…"
