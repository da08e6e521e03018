"""A browser's side of the routes: a client over the real application and a real SQLite file."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.founding import Node
from app.front import Front
from app.server import create_app

HTTP = "http://market.local"
HTTPS = "https://market.local"


@pytest.fixture
def application(node: Node) -> Front:
    return create_app(node, https_port=8443)


@pytest.fixture
async def client(application: Front) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url=HTTPS) as client:
        yield client


@pytest.fixture
async def plain_client(application: Front) -> AsyncIterator[httpx.AsyncClient]:
    """The same over HTTP."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=HTTP) as client:
        yield client
