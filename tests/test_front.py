"""The outermost layer: security headers, HEAD, files, forms of a page."""

import httpx
import pytest

from app.assets import Assets
from app.founding import Node
from app.front import form_of
from app.server import create_app

pytestmark = pytest.mark.anyio
PATHS = [
    "/",
    "/boards/bulletin",
    "/records/" + "00" * 16,
    "/me",
    "/node",
    "/offline",
    "/write",
    "/api/v1/space",
    "/health",
]


@pytest.fixture
def client(node: Node) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(node))
    return httpx.AsyncClient(transport=transport, base_url="https://market.local")


@pytest.mark.parametrize("path", [*PATHS, "/schema/openapi.json", "/sw.js"])
async def test_head_is_get_without_the_body(client: httpx.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("path", [*PATHS, "/nowhere"])
async def test_every_answer_is_guarded(client: httpx.AsyncClient, path: str) -> None:
    for _ in range(2):  # the second comes from the kept pages
        headers = (await client.get(path)).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]


async def test_a_page_loads_nothing_from_outside_and_its_files_are_there(client: httpx.AsyncClient) -> None:
    page = (await client.get("/boards/bulletin")).text
    assert "//" not in page.replace("<!doctype", "").partition("<body")[0].replace("http://www.w3.org/2000/svg", "")
    for address in [part.partition('"')[0] for part in page.split('"/assets/')[1:]]:
        file = await client.get(f"/assets/{address}")
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["x-content-type-options"] == "nosniff"


async def test_an_old_address_of_a_file_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/assets/css/app.00000000.css")).status_code == 404
    assert (await client.get("/assets/../app/server.py")).status_code == 404


async def test_the_worker_is_in_charge_of_all(client: httpx.AsyncClient) -> None:
    worker = await client.get("/sw.js")
    assert worker.headers["cache-control"] == "no-cache"
    assert Assets.load().address("css/app.css") in worker.text


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ([], "html"),
        ([(b"accept", b"text/html,application/json")], "html"),
        ([(b"accept", b"application/json")], "json"),
        ([(b"hx-request-type", b"partial")], "fragment"),
        ([(b"hx-request-type", b"full")], "html"),
    ],
)
def test_the_form_that_is_wanted(headers: list[tuple[bytes, bytes]], form: str) -> None:
    assert form_of(headers) == form
