"""This node: its state for everybody, its acts for the keeper's session.

The session is a cookie for `/node` alone, opened by a one-time link that the node prints when it starts. No other
page sets or reads a cookie.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromPath

from app import founding
from app.core.membership import JoinPolicy
from app.errors import ConflictError, ForbiddenError, InputError, NotFoundError, PeerError, TntnError
from app.routes.node_views import HOPS, node_view
from app.routes.site import AnyRequest, Site, page_response, site_of
from app.store.keeper import SESSION_MS
from app.sync.desk import Invited

COOKIE = "keeper"
SESSION_TOKEN_BYTES = 24
USED_LINK = (
    "This link was used before, or it is older than a day. The keeper gets a fresh one on the machine itself, with:"
    " .venv/bin/tntn node keeper-link"
)
NO_SESSION = "Only this node's keeper can do that. Open the keeper's link first: the node prints it when it starts."
FOREIGN = "This form did not come from this node's own page. Open the page again and repeat it there."


@get("/node", include_in_schema=False)
async def node(request: AnyRequest) -> Response[bytes]:
    """`/node`."""
    return await node_page(request, is_keeper=await is_keeper_here(request))


@get("/node/keeper/{token:str}", include_in_schema=False)
async def open_session(request: AnyRequest, token: FromPath[str]) -> Response[bytes]:
    """The one-time link: a session, and on to the page."""
    site = site_of(request)
    session = secrets.token_urlsafe(SESSION_TOKEN_BYTES)
    if not await site.node.store.keeper.redeem(token, session, site.clock.now_ms()):
        raise ForbiddenError(USED_LINK)
    return _to_node(_cookie(request, session, SESSION_MS // 1000))


@post("/node/invitations", include_in_schema=False)
async def invite(request: AnyRequest) -> Response[bytes]:
    """A code for one more node, shown this once."""
    await require_keeper(request)
    code = await founding.invite(site_of(request).node)
    return await node_page(request, is_keeper=True, code=code, status=201)


@post("/node/name", include_in_schema=False)
async def rename(request: AnyRequest) -> Response[bytes]:
    """Another name for this node."""

    async def act(site: Site) -> None:
        await founding.rename(site.node, await field(request, "name"))

    return await act_as_keeper(request, act)


@post("/node/join-policy", include_in_schema=False)
async def set_join_policy(request: AnyRequest) -> Response[bytes]:
    """Whether new people may post at once."""

    async def act(site: Site) -> None:
        try:
            policy = JoinPolicy(await field(request, "policy"))
        except ValueError:
            raise InputError("Choose one of the two: open, or by invitation.", "policy") from None
        await site.node.store.node.set_join_policy(policy)

    return await act_as_keeper(request, act)


@post("/node/announcements", include_in_schema=False)
async def set_announcements(request: AnyRequest) -> Response[bytes]:
    """Whether the titles of notices are said aloud in the Meshtastic channel."""

    async def act(site: Site) -> None:
        asked = await field(request, "announce")
        if asked not in ("yes", "no"):
            raise InputError("Choose one of the two: said aloud, or not.", "announce")
        await site.node.store.node.set_radio_announces(asked == "yes")

    return await act_as_keeper(request, act)


@post("/node/meshtastic", include_in_schema=False)
async def set_meshtastic(request: AnyRequest) -> Response[bytes]:
    """In which channel a Meshtastic radio speaks, and how often others pass on what it says."""

    async def act(site: Site) -> None:
        channel, hops = await field(request, "channel"), await field(request, "hops")
        offered = {""} if site.radio is None else {"", *(value for value, _ in site.radio.describe().offered)}
        if channel not in offered | {site.channel}:
            raise InputError("The radio has no such channel. Choose one of its own.", "channel")
        if hops not in map(str, HOPS):
            raise InputError(f"What is said is passed on {HOPS[0]} to {HOPS[-1]} times.", "hops")
        await site.node.store.node.set_meshtastic(channel, int(hops))

    return await act_as_keeper(request, act)


@post("/node/session/closure", include_in_schema=False)
async def close_session(request: AnyRequest) -> Response[bytes]:
    """Log out on this screen."""
    site = site_of(request)
    await require_keeper(request)
    await site.node.store.keeper.close(request.cookies.get(COOKIE, ""))
    return _to_node(_cookie(request, "", 0))


async def act_as_keeper(request: AnyRequest, act: Callable[[Site], Awaitable[None]]) -> Response[bytes]:
    """One of the keeper's acts: done and back to the page, or the page with what to fix."""
    await require_keeper(request)
    site = site_of(request)
    try:
        await act(site)
    except (InputError, ConflictError, NotFoundError, PeerError) as error:
        return await node_page(request, is_keeper=True, problem=error, status=422)
    await site.refresh()
    return _to_node()


async def node_page(
    request: AnyRequest,
    *,
    is_keeper: bool,
    code: str | None = None,
    invited: Invited | None = None,
    bundle: Sequence[str] = (),
    problem: TntnError | None = None,
    status: int = 200,
) -> Response[bytes]:
    """The page; `code`, `invited` and `bundle` are what an act has just made, `problem` is why one was not done."""
    site = site_of(request)
    told: dict[str, object] = {"code": code, "invited": invited, "bundle": bundle, "problem": problem}
    told["is_keeper"] = is_keeper
    if is_keeper:
        told |= {"peers": await site.peers.peers(), "refused": site.peers.refused()}
    return page_response(site.render("node/node.html", "node", node=await node_view(site), **told), status)


async def is_keeper_here(request: AnyRequest) -> bool:
    session = request.cookies.get(COOKIE)
    site = site_of(request)
    return session is not None and await site.node.store.keeper.is_open(session, site.clock.now_ms())


async def require_keeper(request: AnyRequest) -> None:
    if request.headers.get("origin") != f"{request.scope['scheme']}://{request.headers.get('host')}":
        raise ForbiddenError(FOREIGN)
    if not await is_keeper_here(request):
        raise ForbiddenError(NO_SESSION)


async def field(request: AnyRequest, name: str) -> str:
    value = (await request.form()).get(name)
    if not isinstance(value, str):
        raise InputError("Something is missing from this form.", name)
    return value


def _cookie(request: AnyRequest, value: str, seconds: int) -> Cookie:
    return Cookie(
        COOKIE,
        path="/node",
        value=value,
        max_age=seconds,
        httponly=True,
        samesite="strict",
        secure=request.scope["scheme"] == "https",
    )


def _to_node(*cookies: Cookie) -> Response[bytes]:
    headers = {"location": "/node", "cache-control": "no-store"}
    return Response(b"", status_code=303, headers=headers, cookies=list(cookies))
