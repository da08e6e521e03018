"""The pages whose content lives on the phone."""

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("path", "marks"),
    [
        ("/write", ('data-behavior="compose"', "<noscript>", 'name="lifetime"')),
        ("/me", ('data-behavior="identity"', 'data-behavior="outbox"', "<noscript>")),
        ("/offline", ('data-page="offline"', "out of range")),
    ],
)
async def test_the_page_has_what_its_scripts_bind_to(
    client: httpx.AsyncClient, path: str, marks: tuple[str, ...]
) -> None:
    page = await client.get(path)
    assert page.status_code == 200
    for mark in marks:
        assert mark in page.text


async def test_pages_over_http_know_where_to_write(plain_client: httpx.AsyncClient) -> None:
    assert 'data-https-port="8443"' in (await plain_client.get("/")).text
