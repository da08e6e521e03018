"""The outermost layer of HTTP: what every answer carries, and the answers that need no route.

Files and kept pages are answered here, before any routing. HEAD is GET without the body. Everything that a route
answers gets the security headers.
"""

from collections.abc import Awaitable, Callable, Iterable

from app.assets import Assets
from app.page_cache import PageCache, PageKey
from app.representation import Message, Receive, Representation, Scope, Send

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""ASGI 3."""

UPLOAD_BYTES_MAX = 64 * 1024
"""A record is at most 8.3 kB; nothing else is uploaded yet."""
CUT_OFF = (b"connection", b"close")
"""After a refused upload: what the client still sends is not read."""


def security_headers(import_map_hash: str) -> list[tuple[bytes, bytes]]:
    """Scripts, styles and everything else come from this node alone; the one inline block is known by its hash."""
    policy = (
        "default-src 'none'",
        f"script-src 'self' '{import_map_hash}'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return [
        (b"content-security-policy", "; ".join(policy).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ]


def form_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """What a browser or program wants: a whole page, a fragment for htmx, or JSON."""
    form = "html"
    for name, value in headers:
        if name == b"accept" and b"json" in value and b"html" not in value:
            return "json"
        if name == b"hx-request-type" and value == b"partial":
            form = "fragment"
    return form


class Front:
    """Wraps the application; knows files and kept pages."""

    def __init__(self, application: Application, assets: Assets, pages: PageCache) -> None:
        self._application = application
        self._files: dict[str, Representation] = assets.files
        self._pages = pages
        self._security = security_headers(assets.import_map_hash)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif scope["method"] == "GET":
            await self._get(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._get({**scope, "method": "GET"}, receive, _without_body(send))
        else:
            await self._application(scope, receive, self._secured(send))

    async def _get(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        file = self._files.get(path)
        if file is not None:
            await file(scope, receive, send)
            return
        page = self._pages.find(PageKey(path, scope["query_string"], form_of(scope["headers"])))
        await (page or self._application)(scope, receive, self._secured(send))

    def _secured(self, send: Send) -> Send:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *self._security]
                if message["status"] == 413:
                    headers.append(CUT_OFF)
                message = {**message, "headers": headers}
            await send(message)

        return secured


def _without_body(send: Send) -> Send:
    async def headers_only(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
        await send(message)

    return headers_only
