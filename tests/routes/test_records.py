"""`/records/{id}`: the record, what answers it, and addresses that are none."""

import httpx
import pytest

from app.founding import Node
from tests.people import Person

pytestmark = pytest.mark.anyio
JSON = {"accept": "application/json"}


async def test_a_record_with_its_replies(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    asked = (await node.door.post(person.write("Lost: a cat\nGinger.\n\nShy."))).record_id
    assert asked is not None
    await node.door.post(person.write("Seen at the ford", ref=asked[:4]))
    page = (await client.get(f"/records/{asked.hex()}")).text
    assert "<h1" in page
    assert page.count('class="lines"') == 3
    assert "1 reply<" in page
    assert "Seen at the ford" in page
    assert "Comes down" in page
    answer = (await client.get(f"/records/{asked.hex()}", headers=JSON)).json()
    assert answer["record"]["title"] == "Lost: a cat"
    assert [reply["title"] for reply in answer["replies"]] == ["Seen at the ford"]
    assert answer["replies"][0]["ref"] == asked[:4].hex()


async def test_a_reply_that_comes_later_shows(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    asked = (await node.door.post(person.write("Lost: a cat"))).record_id
    assert asked is not None
    assert "repl" not in (await client.get(f"/records/{asked.hex()}")).text.partition("<main")[2]
    await node.door.post(person.write("Found", ref=asked[:4]))
    assert "1 reply<" in (await client.get(f"/records/{asked.hex()}")).text


@pytest.mark.parametrize("address", ["00" * 16, "zz", "00" * 15, "AB" * 16, "00 " * 16])
async def test_what_is_no_record_is_not_found(client: httpx.AsyncClient, address: str) -> None:
    page = await client.get(f"/records/{address}", headers=JSON)
    assert page.status_code == 404
    assert page.json()["error"] == "not-found"
