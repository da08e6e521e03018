"""What went wrong, as an answer: the tree of app/errors.py and the framework's own errors in one table each.

Programs get JSON, people a page. The sentences of our errors are made for people and shown as they are.
"""

import logging

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException

from app import errors
from app.front import form_of
from app.routes.answers import ErrorAnswer
from app.routes.site import JSON, AnyRequest, page_response, site_of

log = logging.getLogger("tntn.http")


class ErrorView(msgspec.Struct, frozen=True):
    """An error's page."""

    status: int
    title: str
    message: str


OURS: tuple[tuple[type[errors.TntnError], int, str], ...] = (
    (errors.DecodeError, 422, "input"),
    (errors.InputError, 422, "input"),
    (errors.NotFoundError, 404, "not-found"),
    (errors.ForbiddenError, 403, "forbidden"),
    (errors.ConflictError, 409, "conflict"),
    (errors.PeerError, 502, "peer"),
    (errors.DeviceError, 503, "device"),
    (errors.StoreFullError, 507, "full"),
    (errors.StoreError, 503, "store"),
    (errors.TntnError, 500, "internal"),
)
"""The first row that fits: status and short word. A DecodeError brings its own word."""

TITLES = {
    400: "That can't be read",
    403: "Not with this key",
    404: "Nothing here",
    405: "Not this way",
    409: "Something else stands there",
    413: "Too large",
    422: "Something to fix",
    500: "Something broke",
    502: "A neighbor node misspoke",
    503: "Not just now",
    507: "The disk is full",
}
THEIRS = {
    400: ("malformed", "The request is malformed."),
    404: ("not-found", "There is no page at this address."),
    405: ("method", "This address doesn't answer that kind of request."),
    413: ("too-large", "This is too large. A record is at most 8 kilobytes, a request 64."),
}
BROKEN = "This node has a fault. What you wrote is still on your phone. Tell the keeper what you did."


def our_error(request: AnyRequest, error: errors.TntnError) -> Response[bytes]:
    """An error that was raised on purpose."""
    status, code = next((status, code) for kind, status, code in OURS if isinstance(error, kind))
    if isinstance(error, errors.DecodeError):
        code = error.code
        status = 400 if code == "form" else status
    return _answer(request, status, ErrorAnswer(code, error.message, getattr(error, "field", None)))


def framework_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """An error of routing or parsing."""
    if error.status_code >= 500:
        return broken(request, error)
    code, message = THEIRS.get(error.status_code, ("refused", error.detail))
    response = _answer(request, error.status_code, ErrorAnswer(code, message))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def broken(request: AnyRequest, error: Exception) -> Response[bytes]:
    """A bug of ours."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(request, 500, ErrorAnswer("internal", BROKEN))


def _answer(request: AnyRequest, status: int, answer: ErrorAnswer) -> Response[bytes]:
    if request.url.path.startswith("/api/") or form_of(request.scope["headers"]) == "json":
        body, headers = msgspec.json.encode(answer), {"cache-control": "no-store"}
        return Response(body, status_code=status, media_type=JSON, headers=headers)
    view = ErrorView(status, TITLES.get(status, "That didn't work"), answer.message)
    return page_response(site_of(request).render("error.html", "error", error=view), status)
