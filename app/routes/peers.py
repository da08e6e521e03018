"""The keeper's acts about peers: machines that keep this node's posts and photos too."""

from litestar import Response, post
from litestar.params import FromPath

from app.errors import ConflictError, InputError
from app.routes.node import act_as_keeper, field, node_page, require_keeper
from app.routes.site import AnyRequest, Site, site_of
from app.sync.invitation import QUOTA_MB_MAX


@post("/node/peers/invitations", include_in_schema=False)
async def invite(request: AnyRequest) -> Response[bytes]:
    """A code for one more machine, shown this once."""
    await require_keeper(request)
    try:
        blind = await field(request, "role") == "blind"
        photos = await field(request, "photos") == "yes"
        quota_mb = _quota_mb(await field(request, "quota")) if blind else None
        invited = await site_of(request).peers.invite(blind=blind, photos=photos, quota_mb=quota_mb)
    except (InputError, ConflictError) as error:
        return await node_page(request, is_keeper=True, problem=error, status=422)
    return await node_page(request, is_keeper=True, invited=invited, status=201)


@post("/node/peers", include_in_schema=False)
async def add(request: AnyRequest) -> Response[bytes]:
    """Become a peer by the code of another machine."""

    async def act(site: Site) -> None:
        await site.peers.add(await field(request, "code"))

    return await act_as_keeper(request, act)


@post("/node/peers/{peer:str}/removal", include_in_schema=False)
async def remove(request: AnyRequest, peer: FromPath[str]) -> Response[bytes]:
    """Let a peer in no more."""

    async def act(site: Site) -> None:
        await site.peers.remove(peer)

    return await act_as_keeper(request, act)


def _quota_mb(text: str) -> int | None:
    """Megabytes of what a person typed in gigabytes; None for nothing."""
    if not text.strip():
        return None
    try:
        megabytes = round(float(text.replace(",", ".")) * 1000)
    except (ValueError, OverflowError):
        megabytes = 0
    if not 1 <= megabytes <= QUOTA_MB_MAX:
        raise InputError("Say in gigabytes how much it may store, such as 20. Leave it empty for no limit.", "quota")
    return megabytes
