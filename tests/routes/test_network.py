"""Counts without places: for anybody, and nothing in any public answer tells where a node is."""

import json
import re

import httpx
import pytest

from app.founding import Node, invite, keeper_link
from app.server import ROUTES
from app.store.peers import Peer, PeerStore
from app.sync.message import Role
from tests.people import Person

pytestmark = pytest.mark.anyio

PLACES = ("203.0.113.77", "cellar.school.internal", "4321")
ADDRESSES = (f"{PLACES[0]}:{PLACES[2]}", f"{PLACES[1]}:{PLACES[2]}")


async def peers(node: Node, count: int, role: Role) -> list[Peer]:
    ids = [bytes([number, 0xAB]) * 16 for number in range(count)]
    certificates = [bytes([number, 0xCD]) * 100 for number in range(count)]
    pinned = [
        Peer(peer_id, certificate, f"Cellar {at}", 100 + at, role, True, None, ADDRESSES, 0)
        for at, (peer_id, certificate) in enumerate(zip(ids, certificates, strict=True))
    ]
    for peer in pinned:
        await PeerStore(node.store.database).pin(peer)
    return pinned


async def test_a_small_network_tells_no_number(client: httpx.AsyncClient) -> None:
    page = (await client.get("/network")).text
    assert page.count("fewer than 5") == 3
    answer = (await client.get("/api/v1/network")).json()
    assert answer == {
        "nodes": [{"role": "member", "about": None}, {"role": "blind", "about": None}],
        "people": None,
    }


async def test_a_larger_one_is_rounded(client: httpx.AsyncClient, node: Node) -> None:
    await peers(node, 7, Role.BLIND)
    for number in range(13):
        await node.door.post(Person(node.identity.space_id, f"P{number}", bytes([number + 1]) * 32).introduce())
    answer = (await client.get("/api/v1/network")).json()
    assert [role["about"] for role in answer["nodes"]] == [None, 5]
    assert answer["people"] == 15
    page = (await client.get("/network")).text
    assert "about 5" in page and "about 15" in page


def public_paths() -> list[str]:
    """Every address that can be read without a session, with something in the place of what varies."""
    found = []
    for route in ROUTES:
        if "GET" in route.http_methods:
            found += [re.sub(r"\{[^}]*\}", "bulletin", path) for path in route.paths]
    return sorted(found)


async def test_no_public_answer_tells_a_place_an_address_or_an_id(client: httpx.AsyncClient, node: Node) -> None:
    pinned = await peers(node, 6, Role.BLIND)
    await invite(node)
    link = await keeper_link(node)
    await node.door.post(Person(node.identity.space_id).introduce())
    secrets = [word for peer in pinned for word in (peer.peer_id.hex(), peer.certificate.hex()[:40])]
    wanted = [
        *PLACES[:2],
        *secrets,
        link.rsplit("/", 1)[1],
        node.identity.seed.hex(),
        str(node.store.database.path.parent),
    ]
    paths = public_paths()
    assert {"/", "/node", "/network", "/api/v1/network", "/api/v1/space", "/health"} <= set(paths)
    for path in paths:
        for accept in ("text/html", "application/json"):
            answer = await client.get(path, headers={"accept": accept})
            told = answer.text + json.dumps(dict(answer.headers))
            assert not [word for word in wanted if word in told], path


async def test_counts_carry_nothing_else(client: httpx.AsyncClient, node: Node) -> None:
    await peers(node, 6, Role.BLIND)
    text = (await client.get("/api/v1/network")).text
    assert set(re.findall(r'"(\w+)":', text)) == {"nodes", "role", "about", "people"}
    assert node.identity.name not in text and node.identity.key.device_id.hex() not in text
