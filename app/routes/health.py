"""For a supervisor: does this node work?"""

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta

from app.errors import StoreError
from app.routes.site import AnyRequest, site_of


class HealthAnswer(msgspec.Struct, frozen=True):
    """`database` says what is wrong, where something is."""

    status: Annotated[str, Meta(description="ok or failing")]
    database: str


@get(
    "/health",
    summary="Does this node work?",
    operation_id="health",
    tags=["node"],
    response_description="It works",
    responses={503: ResponseSpec(HealthAnswer, description="The database does not answer", generate_examples=False)},
)
async def health(request: AnyRequest) -> Response[HealthAnswer]:
    """`/health`."""
    try:
        await site_of(request).node.store.database.data_version()
    except StoreError as error:
        return Response(HealthAnswer("failing", error.message), status_code=503)
    return Response(HealthAnswer("ok", "ok"), headers={"cache-control": "no-store"})
