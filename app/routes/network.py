"""How big the network is, for anybody who asks: counts by role, rounded, and no places."""

from typing import Annotated

import msgspec
from litestar import Response, get
from msgspec import Meta

from app.core.crowd import ROUNDED_TO, Crowd, crowd_of
from app.routes.site import AnyRequest, Site, page_response, site_of


class RoleView(msgspec.Struct, frozen=True):
    """One kind of node: what it is called, what it does, how many there are."""

    role: str
    title: str
    does: str
    crowd: Crowd


class RoleAnswer(msgspec.Struct, frozen=True):
    """Nodes of one role."""

    role: Annotated[str, Meta(description="member: has the community's key; blind: stores what it cannot read")]
    about: Annotated[int | None, Meta(description=f"To the nearest {ROUNDED_TO}; null for fewer than {ROUNDED_TO}")]


class NetworkAnswer(msgspec.Struct, frozen=True):
    """Counts as this node knows them."""

    nodes: list[RoleAnswer]
    people: Annotated[int | None, Meta(description=f"Devices of people, to the nearest {ROUNDED_TO}; null for fewer")]


@get("/network", include_in_schema=False)
async def network(request: AnyRequest) -> Response[bytes]:
    """`/network`."""
    site = site_of(request)
    people = crowd_of((await site.node.store.overview.counts()).people)
    return page_response(site.render("network.html", "node", roles=await _roles(site), people=people))


@get(
    "/api/v1/network",
    summary="How big is the network?",
    operation_id="network",
    tags=["node"],
    response_description="Counts by role, rounded",
)
async def network_counts(request: AnyRequest) -> Response[NetworkAnswer]:
    """`/api/v1/network`."""
    site = site_of(request)
    people = crowd_of((await site.node.store.overview.counts()).people)
    roles = [RoleAnswer(view.role, view.crowd.about) for view in await _roles(site)]
    return Response(NetworkAnswer(roles, people.about), headers={"cache-control": "no-store"})


async def _roles(site: Site) -> list[RoleView]:
    counts = await site.node.store.overview.nodes_by_role()
    return [RoleView(role, *WORDS[role], crowd_of(counts.get(role, 0))) for role in WORDS]


WORDS = {
    "member": ("Nodes", "Boxes like this one: they show the boards and pass notices on by radio and by wire."),
    "blind": ("Blind stores", "They keep a sealed copy of everything, and can read none of it."),
}
"""The roles of nodes, in the order of the page."""
