"""The boards: a page, the next part of one, or JSON."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import parse_qs

import msgspec
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath

from app.core.boards import Board
from app.errors import InputError, NotFoundError
from app.routes.answers import BoardAnswer, ErrorAnswer, board_answer
from app.routes.site import BEFORE_BYTES_MAX, AnyRequest, KeptResponse, Site, site_of
from app.routes.views import EntryView, entry_view
from app.store.boards import Page


class Face(msgspec.Struct, frozen=True):
    """How a board presents itself."""

    title: str
    ink: str
    one: str
    many: str
    next_words: str
    about_title: str
    about: str
    empty_title: str
    empty: str


class BoardView(msgspec.Struct, frozen=True):
    """A board's page."""

    name: str
    title: str
    ink: str
    count: str
    about_title: str
    about: str
    empty_title: str
    empty: str
    entries: list[EntryView]
    in_columns: bool
    next: str | None
    next_words: str


FACES = {
    Board.BULLETIN: Face(
        "Board",
        "c-board",
        "notice",
        "notices",
        "Older notices",
        "How notices travel",
        "What you write here goes from node to node by radio and stays on each one's disk. Each notice says"
        " how many nodes keep it. Older notices come down by themselves.",
        "The board is bare",
        "Nobody has put up a notice yet. Got something in the barn?",
    ),
    Board.MARKETS: Face(
        "Farmers markets",
        "c-market",
        "market",
        "markets",
        "More markets",
        "Where this comes from",
        "The markets were listed with a public directory and brought here by a keeper. Hours can have changed"
        " since: ask before a long drive.",
        "No markets listed",
        "A keeper can bring in a directory of markets with “tntn import”.",
    ),
    Board.EVENTS: Face(
        "Events",
        "c-events",
        "event",
        "events",
        "More events",
        "Until events have a page of their own",
        "A supper, a dance, a work party: write it as a notice, with the day in its headline.",
        "Nothing on the calendar",
        "Nobody has announced an event yet.",
    ),
    Board.DIRECTORY: Face(
        "Directory",
        "c-talk",
        "place",
        "places",
        "More places",
        "What stands here",
        "Markets, farms, makers and services of the area, as far as somebody has listed them.",
        "Nobody is listed yet",
        "A keeper can bring in a directory with “tntn import”.",
    ),
    Board.WEATHER: Face(
        "Weather",
        "c-weather",
        "reading",
        "readings",
        "Older readings",
        "Measured here, not forecast",
        "Weather comes from stations of the community itself, once somebody sets one up.",
        "No station yet",
        "No weather station has reported to this node.",
    ),
}
TITLES = {board: face.title for board, face in FACES.items()}


@dataclass
class BoardOperation(Operation):
    """Describes what the handler reads from the address by itself."""

    def __post_init__(self) -> None:
        names = Schema(type=OpenAPIType.STRING, enum=list(Board))
        place = Schema(type=OpenAPIType.STRING, max_length=BEFORE_BYTES_MAX)
        self.parameters = [
            Parameter("name", "path", schema=names, required=True, description="Which board"),
            Parameter("before", "query", schema=place, description="`next` of the page before; the first without"),
        ]


@get(
    "/boards/{name:str}",
    summary="One board, 25 records at a time",
    description="HTML for people; JSON with `Accept: application/json`. `before` is the `next` of the page before.",
    operation_id="board",
    operation_class=BoardOperation,
    tags=["boards"],
    responses={
        200: ResponseSpec(BoardAnswer, description="The board", generate_examples=False),
        400: ResponseSpec(ErrorAnswer, description="The request is malformed", generate_examples=False),
        404: ResponseSpec(ErrorAnswer, description="There is no such board", generate_examples=False),
        422: ResponseSpec(ErrorAnswer, description="`before` is no place on a board", generate_examples=False),
    },
)
async def board(request: AnyRequest, name: FromPath[str]) -> KeptResponse:
    """`/boards/{name}`."""
    site = site_of(request)
    asked = _asked(name)
    before = _before(request.scope["query_string"])

    async def render(form: str) -> bytes:
        page = await site.node.store.boards.page(asked, before)
        return msgspec.json.encode(board_answer(page)) if form == "json" else _html(site, page, form)

    until_ms = site.midnight_ms() if asked in (Board.MARKETS, Board.DIRECTORY) else None
    return await site.answer(request, (asked,), render, until_ms)


def listed(totals: dict[Board, int]) -> list[Board]:
    """Boards that hold something; the directory only where it holds more than the markets."""
    return [
        board
        for board in Board
        if totals[board] and not (board is Board.DIRECTORY and totals[board] == totals[Board.MARKETS])
    ]


def _asked(name: str) -> Board:
    try:
        return Board(name)
    except ValueError:
        raise NotFoundError("There is no board of this name.") from None


def _html(site: Site, page: Page, form: str) -> bytes:
    template = "boards/_entries.html" if form == "fragment" else "boards/board.html"
    return site.render(template, page.board, board=_view(page, site.today()))


def _view(page: Page, today: date | None) -> BoardView:
    face = FACES[page.board]
    return BoardView(
        name=page.board,
        title=face.title,
        ink=face.ink,
        count=f"{page.total:,} {face.one if page.total == 1 else face.many}",
        about_title=face.about_title,
        about=face.about,
        empty_title=face.empty_title,
        empty=face.empty,
        entries=[entry_view(standing, today) for standing in page.records],
        in_columns=bool(page.records) and page.board in (Board.MARKETS, Board.DIRECTORY),
        next=page.next,
        next_words=face.next_words,
    )


def _before(query: bytes) -> str | None:
    if not query:
        return None
    if len(query) > BEFORE_BYTES_MAX:
        raise InputError("This place on the board is not one that a page gave.", "before")
    values = parse_qs(query.decode("latin-1")).get("before")
    return values[0] if values else None
