"""What every route shares: the node, its pages and its templates; and how a page is answered.

Routes find it with `site_of(request)`. It is put together in app/server.py.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import State
from markupsafe import Markup

from app.assets import Assets
from app.clock import Clock, is_plausible
from app.core.boards import Board
from app.founding import Node
from app.front import form_of
from app.page_cache import PageCache, PageKey
from app.representation import Headers, Representation
from app.sync.desk import Invited
from app.sync.peer_words import PeerWords
from app.templates import Templates

HTML = "text/html; charset=utf-8"
JSON = "application/json"
PAGE_HEADERS: Headers = (
    (b"cache-control", b"no-cache"),
    (b"vary", b"accept, accept-encoding, hx-request-type"),
)
"""A browser keeps a page, and asks each time whether it is still the same."""
BEFORE_BYTES_MAX = 400
"""A place on a board: a name of 40 characters and an id, percent-encoded."""

AnyRequest = Request[Any, Any, State]


class NeighborHeard(msgspec.Struct, frozen=True):
    """A node as it was last heard on the air."""

    index: int
    ago_ms: int
    rssi_dbm: float | None
    snr_db: float | None


class Channel(msgspec.Struct, frozen=True):
    """How the community's radios talk: what a phone needs to tell a notice's cost before it is sent.

    `overhead_bytes` go on air beside each frame, `signature_bytes` where they still fit; `repeats` is how often radios
    that flood by themselves pass it on.
    """

    region: str
    spreading_factor: int
    bandwidth_khz: float
    coding_rate: int
    preamble_symbols: int
    frame_bytes_max: int
    overhead_bytes: int = 1
    signature_bytes: int = 0
    repeats: int = 0


class RadioDescription(msgspec.Struct, frozen=True):
    """The radio now. `fault` is a sentence, None while it works; `used_ms` of `budget_ms` an hour went out.

    `radio` says what was found on the port. `purses` are the classes' shares of what went out, by name; `refused`
    counts what was not sent or not taken, by reason. `offered` are a Meshtastic radio's channels: what the settings
    call them, and a name for people.
    """

    port: str
    profile: str
    fault: str | None
    used_ms: float
    budget_ms: float
    waiting: int
    neighbors: tuple[NeighborHeard, ...]
    radio: str | None = None
    purses: tuple[tuple[str, float], ...] = ()
    refused: tuple[tuple[str, int], ...] = ()
    channel: Channel | None = None
    offered: tuple[tuple[str, str], ...] = ()


class Radio(Protocol):
    """Where the node's page learns of the radio."""

    def describe(self) -> RadioDescription: ...


class Peers(Protocol):
    """What the keeper may see and do about the machines that this node syncs with."""

    async def peers(self) -> list[PeerWords]: ...
    def refused(self) -> tuple[tuple[str, int], ...]: ...
    async def invite(self, *, blind: bool, photos: bool, quota_mb: int | None) -> Invited: ...
    async def add(self, code: str) -> None: ...
    async def remove(self, called: str) -> None: ...


class Frame(msgspec.Struct, frozen=True):
    """What surrounds a page and changes with the node's name only."""

    rail: Markup
    top: Markup
    tabs: Markup
    sprite: Markup


class Site:
    """One node's web site."""

    def __init__(
        self,
        node: Node,
        assets: Assets,
        pages: PageCache,
        peers: Peers,
        radio: Radio | None = None,
        https_port: int | None = None,
    ) -> None:
        self.https_port = https_port
        self.peers = peers
        self.node = node
        self.pages = pages
        self.radio = radio
        self.templates = Templates(assets)
        self._frames: dict[tuple[str, str], Frame] = {}
        self.name = node.identity.name
        self.community = node.identity.community
        self.join_policy = node.identity.join_policy
        self.announces = node.identity.radio_announces
        self.channel, self.hops = node.identity.meshtastic_channel, node.identity.meshtastic_hops
        # Our own JSON; "<" cannot end the script block because no file name holds one.
        self.import_map = Markup(assets.import_map)  # noqa: S704

    @property
    def clock(self) -> Clock:
        return self.node.clock

    async def refresh(self) -> None:
        """Take over what the keeper changed; every page shows it."""
        identity = await self.node.store.node.identity()
        assert identity is not None
        self.name, self.join_policy = identity.name, identity.join_policy
        self.announces = identity.radio_announces
        self.channel, self.hops = identity.meshtastic_channel, identity.meshtastic_hops
        self._frames.clear()
        self.pages.invalidate(Board)

    def render(self, template: str, page: str, **context: object) -> bytes:
        """A page as bytes; `page` is the place in the navigation."""
        frame = self._frames.get((template, page)) or self._frame(template, page)
        return self.templates.render(template, {"site": self, "frame": frame, **context})

    def _frame(self, template: str, page: str) -> "Frame":
        frame = self._frames[template, page] = Frame(
            rail=self.templates.part("_nav.html", "rail", page, self),
            top=self.templates.part("_nav.html", "top", self),
            tabs=self.templates.part("_nav.html", "tabs", page),
            sprite=self.templates.sprite(template),
        )
        return frame

    async def answer(
        self,
        request: AnyRequest,
        boards: Iterable[Board],
        render: Callable[[str], Awaitable[bytes]],
        until_ms: int | None = None,
    ) -> "KeptResponse":
        """A page in the form that was asked for (html, fragment or json), from the cache where it is kept."""
        scope = request.scope
        form = form_of(scope["headers"])

        async def represent() -> Representation:
            return Representation(await render(form), JSON if form == "json" else HTML, PAGE_HEADERS)

        query = scope["query_string"]
        if query and not (query.startswith(b"before=") and len(query) <= BEFORE_BYTES_MAX):
            return KeptResponse(await represent())
        key = PageKey(scope["path"], query, form)
        return KeptResponse(await self.pages.get(key, frozenset(boards), represent, until_ms))

    def today(self) -> date | None:
        """The day where the node stands; None while its clock cannot be right."""
        now_ms = self.clock.now_ms()
        return datetime.fromtimestamp(now_ms / 1000).astimezone().date() if is_plausible(now_ms) else None

    def midnight_ms(self) -> int:
        """When the present day ends where the node stands: pages that speak of days end then."""
        now = datetime.fromtimestamp(self.clock.now_ms() / 1000).astimezone()
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return int(midnight.timestamp() * 1000)


class KeptResponse(Response[bytes]):
    """A finished representation on its way through the framework, untouched."""

    def __init__(self, representation: Representation) -> None:
        super().__init__(b"")
        self._representation = representation

    def to_asgi_response(self, *_: object, **__: object) -> Any:
        return self._representation


def site_of(request: AnyRequest) -> Site:
    """The site that a request is for."""
    site: Site = request.app.state.site
    return site


def page_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """A page that is nobody else's: not kept anywhere."""
    return Response(
        body, status_code=status, media_type=MediaType.HTML, headers={"cache-control": "no-store", **(headers or {})}
    )
