"""The keeper's acts about peers on `/node`."""

import re
from html import unescape

import httpx
import pytest

from app import founding
from app.founding import Node
from app.store.peers import Peer
from app.sync.certificate import SyncKey
from app.sync.invitation import decode_peer_invitation
from app.sync.message import Role
from tests.routes.conftest import HTTPS

pytestmark = pytest.mark.anyio
OWN = {"origin": HTTPS}
ACTS = ("/node/peers/invitations", "/node/peers", "/node/peers/1a2b3c4d/removal")
KEY = SyncKey(b"k" * 32)
NAS = Peer(KEY.peer_id, KEY.certificate, "School <Cellar>", 7, Role.BLIND, True, 500, (), 0)


@pytest.fixture
async def keeper(client: httpx.AsyncClient, node: Node) -> httpx.AsyncClient:
    await client.get(await founding.keeper_link(node))
    return client


def code_on(page: httpx.Response) -> str:
    found = re.search(r"<textarea[^>]*readonly[^>]*>(PEER1-[^<]*)</textarea>", page.text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", ACTS)
async def test_only_the_keeper_may(client: httpx.AsyncClient, path: str) -> None:
    refused = await client.post(path, headers=OWN)
    assert refused.status_code == 403
    assert "Only this node" in refused.text


@pytest.mark.parametrize("path", ACTS)
async def test_foreign_forms_are_refused(keeper: httpx.AsyncClient, path: str) -> None:
    assert (await keeper.post(path, headers={"origin": "https://elsewhere.example"})).status_code == 403


async def test_nobody_else_sees_peers(client: httpx.AsyncClient, node: Node) -> None:
    await node.store.peers.pin(NAS)
    page = await client.get("/node")
    assert "Kept on other machines" not in page.text
    assert "Cellar" not in page.text
    assert KEY.peer_id.hex()[:8] not in page.text


async def test_a_code_is_made_once_with_its_drawing(keeper: httpx.AsyncClient, node: Node) -> None:
    made = await keeper.post(
        "/node/peers/invitations", headers=OWN, data={"role": "blind", "photos": "no", "quota": "2,5"}
    )
    assert made.status_code == 201
    invitation = decode_peer_invitation(code_on(made))
    assert (invitation.role, invitation.photos, invitation.quota_mb) == (Role.BLIND, False, 2500)
    assert re.search(r'<svg class="qr"[^>]*>.*<path d="M2 2h7v1h-7z', made.text)
    assert len(await node.store.peers.invitations(0)) == 1
    assert "PEER1-A" not in (await keeper.get("/node")).text


async def test_a_quota_is_for_stores_only(keeper: httpx.AsyncClient) -> None:
    made = await keeper.post(
        "/node/peers/invitations", headers=OWN, data={"role": "member", "photos": "yes", "quota": "many"}
    )
    invitation = decode_peer_invitation(code_on(made))
    assert (invitation.role, invitation.photos, invitation.quota_mb) == (Role.MEMBER, True, None)


@pytest.mark.parametrize("quota", ["many", "0", "-1", "1e99", "nan", "inf"])
async def test_a_quota_that_is_no_number_is_told(keeper: httpx.AsyncClient, quota: str) -> None:
    told = await keeper.post(
        "/node/peers/invitations", headers=OWN, data={"role": "blind", "photos": "yes", "quota": quota}
    )
    assert told.status_code == 422
    assert "Say in gigabytes" in told.text


async def test_a_peer_is_listed_in_words(keeper: httpx.AsyncClient, node: Node) -> None:
    await node.store.peers.pin(NAS)
    await node.store.peers.unreachable(NAS.peer_id, "10.0.0.2:8444: It does not answer.")
    page = unescape((await keeper.get("/node")).text)
    assert "School <Cellar>" in page
    assert "School <Cellar>" not in (await keeper.get("/node")).text
    assert "blind, 500 MB" in page
    assert "10.0.0.2:8444: It does not answer." in page
    assert "0 of 1" in page


async def test_a_peer_is_removed(keeper: httpx.AsyncClient, node: Node) -> None:
    await node.store.peers.pin(NAS)
    page = await keeper.get("/node")
    path = re.search(r'action="(/node/peers/[0-9a-f]{8}/removal)"', page.text)
    assert path is not None
    assert (await keeper.post(path[1], headers=OWN)).status_code == 303
    assert await node.store.peers.all() == []
    gone = await keeper.post(path[1], headers=OWN)
    assert gone.status_code == 422
    assert 'role="alert"' in gone.text


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("", "starts with PEER1-"),
        ("tntn1-abc", "--join"),
        ("PEER1-AAAA", "damaged or cut off"),
    ],
)
async def test_a_code_that_is_none_is_told(keeper: httpx.AsyncClient, code: str, why: str) -> None:
    told = await keeper.post("/node/peers", headers=OWN, data={"code": code})
    assert told.status_code == 422
    assert why in told.text


async def test_a_code_of_its_own_is_told(keeper: httpx.AsyncClient, node: Node) -> None:
    """A blind one: this node reads, and is told so before anything is dialed."""
    made = await keeper.post(
        "/node/peers/invitations", headers=OWN, data={"role": "blind", "photos": "yes", "quota": ""}
    )
    told = await keeper.post("/node/peers", headers=OWN, data={"code": code_on(made)})
    assert told.status_code == 422
    assert "blind machine" in told.text
