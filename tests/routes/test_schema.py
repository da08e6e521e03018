"""`/schema/openapi.json`: complete, and nothing that loads from outside."""

import httpx
import pytest

pytestmark = pytest.mark.anyio


async def test_every_operation_says_what_it_does(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/schema/openapi.json")).json()
    assert schema["openapi"].startswith("3.1")
    operations = {
        (path, method): operation for path, methods in schema["paths"].items() for method, operation in methods.items()
    }
    assert {path for path, _ in operations} == {
        "/boards/{name}",
        "/records/{record_id}",
        "/api/v1/records",
        "/api/v1/custody",
        "/api/v1/space",
        "/api/v1/devices/{device_id}",
        "/api/v1/network",
        "/health",
    }
    for operation in operations.values():
        assert len(operation["summary"]) > 10
        assert any(status.startswith("2") for status in operation["responses"])
        for response in operation["responses"].values():
            assert response["description"]
            assert "status_code" not in str(response), "the framework's own error shape is not ours"


async def test_handing_in_a_record_is_described_whole(client: httpx.AsyncClient) -> None:
    operation = (await client.get("/schema/openapi.json")).json()["paths"]["/api/v1/records"]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/json", "application/octet-stream"}
    assert set(operation["responses"]) == {"200", "201", "202", "400", "403", "413", "422", "507"}


@pytest.mark.parametrize("path", ["/schema", "/schema/openapi.json"])
async def test_it_loads_nothing_from_outside(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert "json" in answer.headers["content-type"]
    assert "<script" not in answer.text
    assert "//cdn" not in answer.text


@pytest.mark.parametrize("path", ["/schema/swagger", "/schema/redoc", "/schema/elements", "/schema/rapidoc"])
async def test_the_framework_s_own_viewers_are_not_there(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_the_board_s_page_is_asked_for_by_before(client: httpx.AsyncClient) -> None:
    parameters = (await client.get("/schema/openapi.json")).json()["paths"]["/boards/{name}"]["get"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["name", "before"]
    assert "bulletin" in parameters[0]["schema"]["enum"]
