"""`/api/v1`: what a phone's outbox and other programs talk to."""

import base64
from dataclasses import dataclass
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from app.acceptance import Acceptance, Outcome, ParkReason
from app.clock import is_plausible, minutes_of
from app.core.keys import DEVICE_ID_BYTES, DeviceId
from app.core.record import RecordId
from app.errors import DecodeError, InputError, NotFoundError
from app.routes.answers import ErrorAnswer, RecordHex
from app.routes.site import AnyRequest, Site, site_of

CUSTODY_IDS_MAX = 100
"""More than a phone's outbox holds in a month; one query."""
OCTETS = "application/octet-stream"
EXAMPLE_RECORD = "EsD_7kIBDkxfCEJhcm4gZGFuY2UK"
STATUS = {Outcome.NEW: 201, Outcome.KNOWN: 200, Outcome.PARKED: 202}
PARKED_MESSAGES = {
    ParkReason.AUTHOR: "This waits here until the node has heard who its author is.",
    ParkReason.FUTURE: "Its date lies in the future. It waits here until that time has come.",
    ParkReason.COLLISION: "Another device has this short id already. Make a new key on this phone.",
}


class KeptAnswer(msgspec.Struct, frozen=True):
    """What became of a record."""

    id: Annotated[str | None, Meta(description="The record id, in hex; null while its author is unknown here")]
    envelope_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="The name of the sealed bytes, in hex")]
    state: Annotated[str, Meta(description="kept: on this node's disk and numbered; parked: on its disk, waiting")]
    kept_by: Annotated[int, Meta(ge=0, description="Nodes known to have it on their disk")]
    nodes: Annotated[list[str], Meta(description="Their names, this node first")]
    reason: Annotated[str | None, Meta(description="Why it is parked: author, future or collision")]
    message: Annotated[str | None, Meta(description="The same for a person")]


class CustodyQuestion(msgspec.Struct, frozen=True):
    """Records that a phone still keeps a copy of."""

    ids: Annotated[list[RecordHex], Meta(max_length=CUSTODY_IDS_MAX)]


class CustodyAnswer(msgspec.Struct, frozen=True):
    """How many nodes keep each; 0 where this node lacks it: send it again."""

    kept_by: dict[str, int]


class NodeAnswer(msgspec.Struct, frozen=True):
    """The node that answers."""

    name: str
    index: int
    device: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]


class ChannelAnswer(msgspec.Struct, frozen=True):
    """How the community's radios talk, for reckoning what a record costs before it is sent."""

    region: str
    spreading_factor: int
    bandwidth_khz: float
    coding_rate: Annotated[int, Meta(description="5 stands for 4/5, 8 for 4/8")]
    preamble_symbols: int
    frame_bytes_max: Annotated[int, Meta(description="The longest frame that the region and this radio take")]
    overhead_bytes: Annotated[int, Meta(description="What goes on air beside each frame")]
    signature_bytes: Annotated[int, Meta(description="What the radio adds to a frame that leaves room for it in 255")]
    repeats: Annotated[int, Meta(description="How often radios that flood by themselves pass a frame on")]


class SpaceAnswer(msgspec.Struct, frozen=True):
    """What a phone needs to write and sign a record for this community."""

    space: Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="The space id, 16 bytes in hex")]
    community: str
    node: NodeAnswer
    join: Annotated[str, Meta(description="open: anyone may introduce a new key; invited: ask the keeper")]
    minutes: Annotated[int, Meta(description="The node's clock, in minutes since 2025-01-01 UTC")]
    clock: Annotated[str, Meta(description="good, or unsure when the node's clock cannot be right")]
    radio: Annotated[ChannelAnswer | None, Meta(description="null at a node without a radio")] = None


class DeviceAnswer(msgspec.Struct, frozen=True):
    """A device that introduced itself."""

    id: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
    name: str
    public_key: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    highest_sequence: Annotated[int, Meta(description="A phone never signs below the next one")]


@dataclass
class RecordOperation(Operation):
    """Describes the body of `POST /api/v1/records`, which comes in two forms."""

    def __post_init__(self) -> None:
        encoded = Schema(type=OpenAPIType.STRING, description="byte 0 ‖ fields ‖ signature, base64url, no padding")
        as_json = OpenAPIMediaType(
            schema=Schema(type=OpenAPIType.OBJECT, properties={"record": encoded}, required=["record"]),
            examples={"post": Example(summary="A record, shortened", value={"record": EXAMPLE_RECORD})},
        )
        octets = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY))
        self.request_body = RequestBody(
            content={"application/json": as_json, OCTETS: octets},
            description="A signed record, as docs/protocol/record.md lays it out",
            required=True,
        )


def _spec(shape: type[msgspec.Struct], description: str) -> ResponseSpec:
    return ResponseSpec(shape, description=description, generate_examples=False)


@post(
    "/api/v1/records",
    summary="Hand in a signed record",
    description="Idempotent by record id: the same record again answers 200 and changes nothing. When this answers"
    " 200 or 201, the record is on the node's disk.",
    operation_id="postRecord",
    operation_class=RecordOperation,
    tags=["records"],
    status_code=201,
    responses={
        200: _spec(KeptAnswer, "The node had it already"),
        201: _spec(KeptAnswer, "It is on the disk and numbered"),
        202: _spec(KeptAnswer, "It is on the disk and waits; `message` says for what"),
        400: _spec(ErrorAnswer, "The body is neither of the two forms"),
        403: _spec(ErrorAnswer, "A new person needs an invitation here"),
        413: _spec(ErrorAnswer, "The body is larger than any record"),
        422: _spec(ErrorAnswer, "The record is damaged or forged; `error` is a word of docs/protocol/record.md"),
        507: _spec(ErrorAnswer, "The disk is full; nothing was changed"),
    },
)
async def post_record(request: AnyRequest) -> Response[KeptAnswer]:
    """`POST /api/v1/records`."""
    site = site_of(request)
    acceptance = await site.node.door.post(_signed_record(await request.body(), request.content_type[0]))
    return Response(await _kept_answer(site, acceptance), status_code=STATUS[acceptance.outcome])


@post(
    "/api/v1/custody",
    summary="Ask how many nodes keep these records",
    operation_id="askCustody",
    tags=["records"],
    status_code=200,
    response_description="What is known of each",
    responses={400: _spec(ErrorAnswer, "The question is malformed, or asks for more than 100 records")},
)
async def ask_custody(request: AnyRequest, data: JSONBody[CustodyQuestion]) -> CustodyAnswer:
    """`POST /api/v1/custody`."""
    wanted = [RecordId(bytes.fromhex(text)) for text in data.ids]
    found = await site_of(request).node.store.envelopes.kept_by(wanted)
    return CustodyAnswer({identity.hex(): found.get(identity, 0) for identity in wanted})


@get(
    "/api/v1/space",
    summary="This community and this node",
    operation_id="space",
    tags=["node"],
    response_description="What a phone needs to sign a record that this community takes",
)
async def space(request: AnyRequest) -> SpaceAnswer:
    """`GET /api/v1/space`."""
    site = site_of(request)
    identity, now_ms = site.node.identity, site.clock.now_ms()
    return SpaceAnswer(
        space=identity.space_id.hex(),
        community=site.community,
        node=NodeAnswer(site.name, identity.index, identity.key.device_id.hex()),
        join=site.join_policy,
        minutes=minutes_of(now_ms),
        clock="good" if is_plausible(now_ms) else "unsure",
        radio=_channel(site),
    )


@get(
    "/api/v1/devices/{device_id:str}",
    summary="A device by its short id",
    operation_id="device",
    tags=["records"],
    response_description="The device",
    responses={
        400: _spec(ErrorAnswer, "The request is malformed"),
        404: _spec(ErrorAnswer, "This node has not heard of it"),
        422: _spec(ErrorAnswer, "This is no device id"),
    },
)
async def device(request: AnyRequest, device_id: FromPath[str]) -> DeviceAnswer:
    """`GET /api/v1/devices/{id}`."""
    found = await site_of(request).node.store.devices.get(_device_id(device_id))
    if found is None:
        raise NotFoundError("This node has not heard of this device.")
    return DeviceAnswer(found.device_id.hex(), found.name, found.public_key.hex(), found.highest_sequence)


def _channel(site: Site) -> ChannelAnswer | None:
    channel = None if site.radio is None else site.radio.describe().channel
    return None if channel is None else msgspec.convert(channel, ChannelAnswer, from_attributes=True)


def _signed_record(body: bytes, content_type: str) -> bytes:
    if content_type == OCTETS:
        return body
    try:
        return msgspec.json.decode(body, type=_Posted).decoded()
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError(
            "form", 'Send {"record": "…"} with the record in base64url, or the bytes as application/octet-stream.'
        ) from error


class _Posted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    record: str

    def decoded(self) -> bytes:
        padded = self.record + "=" * (-len(self.record) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)


async def _kept_answer(site: Site, acceptance: Acceptance) -> KeptAnswer:
    held = None
    if acceptance.outcome is not Outcome.PARKED and acceptance.record_id is not None:
        held = await site.node.store.envelopes.holds(acceptance.record_id)
    kept_by, nodes = held or (0, [])
    return KeptAnswer(
        id=None if acceptance.record_id is None else acceptance.record_id.hex(),
        envelope_id=acceptance.envelope_id.hex(),
        state="parked" if acceptance.outcome is Outcome.PARKED else "kept",
        kept_by=kept_by,
        nodes=nodes,
        reason=acceptance.reason,
        message=None if acceptance.reason is None else PARKED_MESSAGES[acceptance.reason],
    )


def _device_id(text: str) -> DeviceId:
    try:
        identity = bytes.fromhex(text)
    except ValueError:
        identity = b""
    if len(identity) != DEVICE_ID_BYTES:
        raise InputError(f"A device id is {DEVICE_ID_BYTES} bytes in hex.", "device_id")
    return DeviceId(identity)
