"""The JSON shapes of the public answers. docs and OpenAPI are made from these."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.core.boards import Board
from app.routes.listings import ListingAnswer, listing_answer
from app.routes.views import minute_words
from app.store.boards import Page, Standing

RecordHex = Annotated[
    str,
    Meta(pattern="^[0-9a-f]{32}$", description="A record id, 16 bytes in hex", examples=["5f1d" * 8]),
]


class AuthorAnswer(msgspec.Struct, frozen=True):
    """Who wrote it: the device's short id and the name it goes by."""

    id: Annotated[str, Meta(pattern="^[0-9a-f]{8}$", examples=["c0ffee42"])]
    name: Annotated[str, Meta(examples=["Ada Whitcombe"])]


class RecordAnswer(msgspec.Struct, frozen=True):
    """A record as a board shows it."""

    id: RecordHex
    title: Annotated[str, Meta(examples=["Cider press on Sunday"])]
    text: str
    kind: Annotated[int, Meta(description="2 a post, 3 a directory entry")]
    board: Board
    author: AuthorAnswer
    written: Annotated[str, Meta(description="UTC, as the author's clock said", examples=["2026-10-08T14:05Z"])]
    via: Annotated[str | None, Meta(description="The node it was heard from; null when it was written at this one")]
    entered: Annotated[str | None, Meta(description="The node it entered the network at; null when it was this one")]
    kept_by: Annotated[int, Meta(description="Nodes known to have it on their disk, this one counted", ge=1)]
    ref: Annotated[str | None, Meta(description="The first 4 bytes of the record id that it answers, in hex")]
    entry: ListingAnswer | UnsetType | None = UNSET


class BoardAnswer(msgspec.Struct, frozen=True):
    """A page of a board."""

    board: Board
    total: Annotated[int, Meta(ge=0)]
    records: list[RecordAnswer]
    next: Annotated[str | None, Meta(description="Ask for `?before=` this to go on; null at the end")]


class RecordPageAnswer(msgspec.Struct, frozen=True):
    """A record with what answers it, oldest first."""

    record: RecordAnswer
    replies: list[RecordAnswer]


class ErrorAnswer(msgspec.Struct, frozen=True):
    """What went wrong, in a sentence for a person."""

    error: Annotated[str, Meta(description="A short word for programs", examples=["signature"])]
    message: Annotated[str, Meta(examples=["The signature does not fit: this was changed, or somebody else wrote it."])]
    field: Annotated[str | None, Meta(description="Which input, where there is one")] = None


def board_answer(page: Page) -> BoardAnswer:
    """A page of a board for programs."""
    return BoardAnswer(page.board, page.total, [record_answer(standing) for standing in page.records], page.next)


def record_answer(standing: Standing) -> RecordAnswer:
    """One record for programs."""
    return RecordAnswer(
        id=standing.record_id.hex(),
        title=standing.title,
        text=standing.text,
        kind=standing.kind,
        board=standing.board,
        author=AuthorAnswer(standing.author_id.hex(), standing.author),
        written=minute_words(standing.minutes)[0],
        via=standing.via,
        entered=standing.entry,
        kept_by=standing.kept_by,
        ref=None if standing.ref is None else standing.ref.hex(),
        entry=UNSET if standing.body is None else listing_answer(standing.body),
    )
