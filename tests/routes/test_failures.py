"""Errors as pages and as JSON, each with its status."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app import errors
from app.founding import Node
from app.routes.failures import OURS

pytestmark = pytest.mark.anyio
JSON = {"accept": "application/json"}


async def test_nothing_here_is_a_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/nowhere")
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is no page at this address." in page.text
    assert "content-security-policy" in page.headers


async def test_programs_get_json(client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/nowhere", headers=JSON), await client.get("/api/v1/nowhere")):
        assert answer.status_code == 404
        assert answer.json() == {
            "error": "not-found",
            "message": "There is no page at this address.",
            "field": None,
        }


async def test_another_method_is_told_which_are_right(client: httpx.AsyncClient) -> None:
    page = await client.delete("/boards/bulletin")
    assert page.status_code == 405
    assert "GET" in page.headers["allow"]
    assert (await client.get("/api/v1/records")).json()["error"] == "method"


async def test_a_large_upload_is_refused_unread(client: httpx.AsyncClient) -> None:
    read = 0

    async def upload() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(800):
            read += 65_536
            yield bytes(65_536)

    answer = await client.post("/api/v1/records", content=upload(), headers={"content-length": str(50_000_000)})
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert read < 200_000


async def test_a_large_form_is_refused(client: httpx.AsyncClient) -> None:
    page = await client.post("/node/name", content=bytes(100_000), headers={"accept": "text/html"})
    assert page.status_code in (403, 413)


async def test_our_own_fault_is_logged_and_tells_no_secrets(
    client: httpx.AsyncClient, node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(node.store.boards, "page", fail)
    page = await client.get("/boards/bulletin")
    assert page.status_code == 500
    assert "a secret" not in page.text
    assert "still on your phone" in page.text
    assert "ZeroDivisionError" in caplog.text


def test_every_error_has_a_row() -> None:
    kinds = [errors.TntnError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert any(issubclass(kind, row) for row, _, _ in OURS)
    position = {kind: index for index, (kind, _, _) in enumerate(OURS)}
    for kind, index in position.items():
        assert all(position[parent] > index for parent in kind.__mro__[1:] if parent in position)
