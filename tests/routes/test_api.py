"""`/api/v1`: records in both forms, custody, the space and devices; and what bad input gets."""

import base64
import sqlite3

import httpx
import pytest

from app.clock import ManualClock
from app.core.boards import Board
from app.core.membership import JoinPolicy
from app.errors import StoreFullError
from app.founding import Node
from tests.people import NOW_MINUTES, Person

pytestmark = pytest.mark.anyio
RECORDS = "/api/v1/records"
OCTETS = {"content-type": "application/octet-stream"}
YEAR_2099_MINUTES = 2**24 - 1


def wrapped(signed: bytes) -> dict[str, str]:
    return {"record": base64.urlsafe_b64encode(signed).rstrip(b"=").decode()}


async def test_a_record_is_kept_once(client: httpx.AsyncClient, person: Person) -> None:
    await client.post(RECORDS, json=wrapped(person.introduce()))
    post = wrapped(person.write("Cider press"))
    first, again = await client.post(RECORDS, json=post), await client.post(RECORDS, json=post)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["state"] == "kept"
    assert first.json()["kept_by"] == 1
    assert first.json()["nodes"] == ["Market Square"]
    assert len(first.json()["id"]) == 32


async def test_the_bytes_alone_do_as_well(client: httpx.AsyncClient, person: Person) -> None:
    answer = await client.post(RECORDS, content=person.introduce(), headers=OCTETS)
    assert answer.status_code == 201


async def test_a_post_before_its_introduction_waits(client: httpx.AsyncClient, person: Person) -> None:
    introduction, post = person.introduce(), person.write("Early")
    waiting = await client.post(RECORDS, json=wrapped(post))
    assert waiting.status_code == 202
    assert waiting.json()["state"] == "parked"
    assert waiting.json()["reason"] == "author"
    assert waiting.json()["message"].endswith("who its author is.")
    assert waiting.json()["id"] is None
    await client.post(RECORDS, json=wrapped(introduction))
    assert (await client.post(RECORDS, json=wrapped(post))).status_code == 200


async def test_a_record_from_2056_waits(client: httpx.AsyncClient, person: Person) -> None:
    await client.post(RECORDS, json=wrapped(person.introduce()))
    answer = await client.post(RECORDS, json=wrapped(person.write("Hello", minutes=YEAR_2099_MINUTES)))
    assert (answer.status_code, answer.json()["reason"]) == (202, "future")


async def test_a_forged_signature_is_refused(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await client.post(RECORDS, json=wrapped(person.introduce()))
    post = person.write("Cider press")
    answer = await client.post(RECORDS, json=wrapped(post[:-1] + bytes([post[-1] ^ 1])))
    assert answer.status_code == 422
    assert answer.json()["error"] == "signature"
    assert (await node.store.boards.totals())[Board.BULLETIN] == 0


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        (b"", OCTETS, 422, "truncated"),
        (b"\x22" + bytes(100), OCTETS, 422, "version"),
        (bytes(9000), OCTETS, 422, "oversized"),
        (b"{", {"content-type": "application/json"}, 400, "form"),
        (b'{"record": "%%%"}', {"content-type": "application/json"}, 400, "form"),
        (b'{"record": 7}', {"content-type": "application/json"}, 400, "form"),
        (b'{"record": "AA", "more": 1}', {"content-type": "application/json"}, 400, "form"),
        (bytes(70_000), OCTETS, 413, "too-large"),
    ],
)
async def test_what_is_no_record_gets_a_sentence(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    answer = await client.post(RECORDS, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["message"].endswith(".")


async def test_an_invited_community_turns_strangers_away(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await node.store.node.set_join_policy(JoinPolicy.INVITED)
    answer = await client.post(RECORDS, json=wrapped(person.introduce()))
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


async def test_a_full_disk_is_told_and_nothing_is_kept(
    client: httpx.AsyncClient, node: Node, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise StoreFullError("This node's disk is full.") from sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(node.store.envelopes, "append", refuse)
    answer = await client.post(RECORDS, json=wrapped(person.introduce()))
    assert (answer.status_code, answer.json()["error"]) == (507, "full")


async def test_custody_counts_and_names_what_is_missing(client: httpx.AsyncClient, person: Person) -> None:
    await client.post(RECORDS, json=wrapped(person.introduce()))
    kept = (await client.post(RECORDS, json=wrapped(person.write("Cider press")))).json()["id"]
    answer = await client.post("/api/v1/custody", json={"ids": [kept, "00" * 16]})
    assert (answer.status_code, answer.json()) == (200, {"kept_by": {kept: 1, "00" * 16: 0}})


@pytest.mark.parametrize("ids", [["zz"], ["00" * 15], ["00" * 16] * 101, "00" * 16])
async def test_a_malformed_question_of_custody(client: httpx.AsyncClient, ids: object) -> None:
    answer = await client.post("/api/v1/custody", json={"ids": ids})
    assert answer.status_code == 400
    assert answer.json()["error"] == "malformed"


async def test_no_question_of_custody_at_all(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/v1/custody", json={"ids": []})).json() == {"kept_by": {}}


async def test_the_space_is_what_a_phone_needs(client: httpx.AsyncClient, node: Node) -> None:
    assert (await client.get("/api/v1/space")).json() == {
        "space": node.identity.space_id.hex(),
        "community": "Upper Valley",
        "node": {"name": "Market Square", "index": 0, "device": node.identity.key.device_id.hex()},
        "join": "open",
        "minutes": NOW_MINUTES,
        "clock": "good",
        "radio": None,
    }


async def test_a_clock_that_cannot_be_right_is_unsure(client: httpx.AsyncClient, clock: ManualClock) -> None:
    clock.advance(-clock.now_ms())
    assert (await client.get("/api/v1/space")).json()["clock"] == "unsure"


async def test_a_device_with_its_highest_sequence(client: httpx.AsyncClient, person: Person) -> None:
    device = person.key.device_id.hex()
    assert (await client.get(f"/api/v1/devices/{device}")).status_code == 404
    await client.post(RECORDS, json=wrapped(person.introduce()))
    await client.post(RECORDS, json=wrapped(person.write("Cider press")))
    assert (await client.get(f"/api/v1/devices/{device}")).json() == {
        "id": device,
        "name": "Ada",
        "public_key": person.key.public_key.hex(),
        "highest_sequence": 2,
    }


@pytest.mark.parametrize("device", ["zz", "00" * 3, "00" * 5])
async def test_what_is_no_device_id(client: httpx.AsyncClient, device: str) -> None:
    answer = await client.get(f"/api/v1/devices/{device}")
    assert (answer.status_code, answer.json()["field"]) == (422, "device_id")
