"""`/health`: what a supervisor asks."""

import httpx
import pytest

from app.errors import StoreError
from app.founding import Node

pytestmark = pytest.mark.anyio


async def test_a_node_that_works_says_so(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok"}


async def test_a_database_that_does_not_answer_is_told(
    client: httpx.AsyncClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> int:
        raise StoreError("The database refused: disk I/O error.")

    monkeypatch.setattr(node.store.database, "data_version", refuse)
    answer = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["database"] == "The database refused: disk I/O error."
