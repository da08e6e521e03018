"""One record, with what answers it."""

import msgspec
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from app.core.boards import Board
from app.core.record import RECORD_ID_BYTES, RecordId
from app.errors import NotFoundError
from app.routes.answers import ErrorAnswer, RecordPageAnswer, record_answer
from app.routes.boards import TITLES
from app.routes.site import AnyRequest, KeptResponse, site_of
from app.routes.views import record_view, reply_view


@get(
    "/records/{record_id:str}",
    summary="One record and what answers it",
    description="HTML for people; JSON with `Accept: application/json`.",
    operation_id="record",
    tags=["boards"],
    responses={
        200: ResponseSpec(RecordPageAnswer, description="The record", generate_examples=False),
        400: ResponseSpec(ErrorAnswer, description="The request is malformed", generate_examples=False),
        404: ResponseSpec(ErrorAnswer, description="This node does not have it", generate_examples=False),
    },
)
async def record(request: AnyRequest, record_id: FromPath[str]) -> KeptResponse:
    """`/records/{id}`."""
    site = site_of(request)
    asked = parse_record_id(record_id)

    async def render(form: str) -> bytes:
        found = await site.node.store.boards.get(asked)
        if found is None:
            raise NotFoundError("This node does not have this record. It may still be on its way by radio.")
        replies = await site.node.store.boards.replies(asked)
        if form == "json":
            answer = RecordPageAnswer(record_answer(found), [record_answer(reply) for reply in replies])
            return msgspec.json.encode(answer)
        view = record_view(found, TITLES, site.today())
        return site.render(
            "records/record.html", view.board, entry=view, replies=[reply_view(reply) for reply in replies]
        )

    # Which board it stands on is known only after the query; a reply may stand on another one.
    return await site.answer(request, Board, render, site.midnight_ms())


def parse_record_id(text: str) -> RecordId:
    """The id in an address. NotFoundError when it can be none."""
    try:
        identity = bytes.fromhex(text)
    except ValueError:
        identity = b""
    if len(identity) != RECORD_ID_BYTES or identity.hex() != text:
        raise NotFoundError("This is not the address of a record.")
    return RecordId(identity)
