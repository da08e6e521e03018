"""Bundles for the keeper: a download of what is here, an upload of what another node has written."""

from collections.abc import AsyncIterator

from litestar import Response, get, post
from litestar.exceptions import InternalServerException
from litestar.response import Stream

from app.errors import DeviceError, ForbiddenError, InputError, StoreError
from app.routes.form_file import FormFile
from app.routes.node import NO_SESSION, is_keeper_here, node_page, require_keeper
from app.routes.site import AnyRequest, site_of
from app.sync.bundle_transfer import incoming, outgoing, pieces
from app.sync.bundle_words import describe_reading

UPLOAD_BYTES_MAX = (1 << 32) + (1 << 16)
"""A bundle is a file of a FAT stick at most, and the form stands around it."""


@get("/node/bundle", include_in_schema=False)
async def download(request: AnyRequest) -> Stream:
    """What this node keeps, sealed."""
    if not await is_keeper_here(request):
        raise ForbiddenError(NO_SESSION)
    file, size = await outgoing(site_of(request).node)
    headers = {
        "content-disposition": 'attachment; filename="tntn.car"',
        "content-length": str(size),
        "cache-control": "no-store",
    }
    return Stream(pieces(file), media_type="application/vnd.ipld.car", headers=headers)


@post("/node/bundle", include_in_schema=False, request_max_body_size=UPLOAD_BYTES_MAX)
async def upload(request: AnyRequest) -> Response[bytes]:
    """Take in a bundle; the page says what came of it."""
    await require_keeper(request)
    site = site_of(request)
    try:
        reading = await incoming(site.node, _file_of(request))
    except (InputError, StoreError, DeviceError) as error:
        return await node_page(request, is_keeper=True, problem=error, status=422)
    await site.refresh()
    return await node_page(request, is_keeper=True, bundle=list(describe_reading(reading)))


async def _file_of(request: AnyRequest) -> AsyncIterator[bytes]:
    form = FormFile(request.headers.get("content-type", ""))
    try:
        async for data in request.stream():
            if piece := form.feed(data):
                yield piece
    except InternalServerException:  # the framework's word for a browser that left; nothing of ours is broken
        raise InputError("The upload broke off on its way. Choose the file once more.", "bundle") from None
    form.end()
