"""Records as pages and programs want to see them: words made of what the store holds.

Times are given in UTC with their machine form beside them; a script turns them into the reader's own.
"""

from datetime import UTC, date, datetime
from functools import lru_cache

import msgspec
from markupsafe import Markup

from app.clock import unix_ms_of
from app.core.boards import Board
from app.core.record import Kind
from app.routes.listings import ListingView, listing_view
from app.store.boards import Standing

EXCERPT_CHARACTERS = 240
"""What four lines on a phone hold."""
MINUTES_KEPT = 2048
"""Minutes in words: those of some eighty pages; half a MB."""
CANVASES = 5
"""Colors of awnings in the style sheet."""


class EntryView(msgspec.Struct, frozen=True):
    """An entry on a board."""

    id: str
    title: str
    excerpt: str
    author: str
    written: Markup
    via: str | None
    kept_by: int
    canvas: int
    is_reply: bool
    listing: ListingView | None


class RecordView(msgspec.Struct, frozen=True):
    """A record on its own page."""

    id: str
    board: str
    board_title: str
    title: str
    paragraphs: list[str]
    author: str
    initials: str
    written: str
    written_words: str
    via: str | None
    entered_at: str | None
    kept_by: int
    kept_words: str
    until: str | None
    until_words: str | None
    canvas: int
    listing: ListingView | None


class ReplyView(msgspec.Struct, frozen=True):
    """An answer below a record."""

    id: str
    author: str
    initials: str
    written: str
    written_words: str
    via: str
    whole: str


def entry_view(standing: Standing, today: date | None) -> EntryView:
    """For a board. `today` is the day where the node stands, None while its clock cannot be right."""
    return EntryView(
        standing.record_id.hex(),
        standing.title,
        excerpt(standing.text),
        standing.author,
        time_element(standing.minutes),
        standing.via,
        standing.kept_by,
        standing.record_id[0] % CANVASES + 1,
        standing.ref is not None,
        _listing(standing, today),
    )


def record_view(standing: Standing, titles: dict[Board, str], today: date | None) -> RecordView:
    """For a record's own page."""
    written, words = minute_words(standing.minutes)
    until, until_words = (None, None) if standing.hidden_after is None else minute_words(standing.hidden_after)
    return RecordView(
        standing.record_id.hex(),
        standing.board,
        titles[standing.board],
        standing.title,
        [part for part in standing.text.split("\n\n") if part.strip()],
        standing.author,
        initials(standing.author),
        written,
        words,
        standing.via,
        standing.entry,
        standing.kept_by,
        nodes_words(standing.kept_by),
        until,
        None if until_words is None else until_words.rsplit(",", 1)[0],
        standing.record_id[0] % CANVASES + 1,
        _listing(standing, today),
    )


def _listing(standing: Standing, today: date | None) -> ListingView | None:
    if standing.kind != Kind.DIRECTORY or standing.body is None:
        return None
    return listing_view(standing.body, today)


def reply_view(standing: Standing) -> ReplyView:
    """For the thread below a record."""
    written, words = minute_words(standing.minutes)
    return ReplyView(
        standing.record_id.hex(),
        standing.author,
        initials(standing.author),
        written,
        words,
        standing.via or "this node",
        "\n".join(part for part in (standing.title, standing.text) if part),
    )


@lru_cache(MINUTES_KEPT)
def time_element(minutes: int) -> Markup:
    """The time as an element, in UTC."""
    return Markup('<time datetime="{}">{}</time>').format(*minute_words(minutes))


@lru_cache(MINUTES_KEPT)
def minute_words(minutes: int) -> tuple[str, str]:
    """(machine form, words) of minutes since 2025, both in UTC."""
    moment = datetime.fromtimestamp(unix_ms_of(minutes) / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%MZ}", f"{moment:%b} {moment.day}, {moment:%Y, %H:%M} UTC"


def nodes_words(count: int) -> str:
    """“1 node”, “3 nodes”."""
    return "1 node" if count == 1 else f"{count} nodes"


def excerpt(text: str) -> str:
    """The beginning of a text, cut between words."""
    if len(text) <= EXCERPT_CHARACTERS:
        return text
    return text[:EXCERPT_CHARACTERS].rsplit(None, 1)[0].rstrip(".,;:") + "…"


def initials(name: str) -> str:
    """Up to two letters for a stamp."""
    parts = name.split()
    return "".join(part[0] for part in (parts[0], parts[-1]) if part)[: 2 if len(parts) > 1 else 1].upper()
