"""`/node`: readable by all, acts by the keeper's session only."""

from collections.abc import AsyncIterator
from typing import cast

import httpx
import pytest

from app import founding
from app.clock import ManualClock
from app.core.keys import device_id_of
from app.core.membership import RosterNode, decode_invitation
from app.founding import Node
from app.radio.airtime import modulation
from app.radio.dialects.meshtastic import ChannelOffered
from app.radio.frame import NodeIndex
from app.radio.parcel import Neighbor, Priority, Signal
from app.radio.profile import EU868
from app.radio.status import OnAir, RadioStatus
from app.radio.supervisor import RadioSupervisor
from app.server import create_app
from app.store.keeper import LINK_MS, SESSION_MS
from tests.routes.conftest import HTTPS

pytestmark = pytest.mark.anyio
OWN = {"origin": HTTPS}
ACTS = (
    "/node/invitations",
    "/node/name",
    "/node/join-policy",
    "/node/meshtastic",
    "/node/announcements",
    "/node/session/closure",
)


async def become_keeper(client: httpx.AsyncClient, node: Node) -> httpx.Response:
    return await client.get(await founding.keeper_link(node))


async def test_everybody_reads_the_state_and_sees_no_acts(client: httpx.AsyncClient) -> None:
    page = await client.get("/node")
    assert page.status_code == 200
    assert "This node has no radio." in page.text
    assert "<form" not in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_the_link_opens_a_session_once(client: httpx.AsyncClient, node: Node) -> None:
    link = await founding.keeper_link(node)
    opened = await client.get(link)
    assert opened.status_code == 303
    assert opened.headers["location"] == "/node"
    cookie = opened.headers["set-cookie"].lower()
    for attribute in ("httponly", "samesite=strict", "path=/node", "secure"):
        assert attribute in cookie
    assert 'action="/node/invitations"' in (await client.get("/node")).text
    used = await client.get(link)
    assert used.status_code == 403
    assert "used before" in used.text


async def test_the_cookie_works_over_plain_http_too(plain_client: httpx.AsyncClient, node: Node) -> None:
    opened = await become_keeper(plain_client, node)
    assert "secure" not in opened.headers["set-cookie"].lower()


async def test_a_link_is_dead_after_a_day(client: httpx.AsyncClient, node: Node, clock: ManualClock) -> None:
    link = await founding.keeper_link(node)
    clock.advance(LINK_MS)
    assert (await client.get(link)).status_code == 403


@pytest.mark.parametrize("act", ACTS)
async def test_acts_need_the_session(client: httpx.AsyncClient, act: str) -> None:
    refused = await client.post(act, data={"name": "Mill", "policy": "open"}, headers=OWN)
    assert refused.status_code == 403
    assert "keeper" in refused.text


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://market.local", None])
async def test_acts_come_from_the_node_s_own_page(client: httpx.AsyncClient, node: Node, origin: str | None) -> None:
    await become_keeper(client, node)
    headers = {} if origin is None else {"origin": origin}
    refused = await client.post("/node/name", data={"name": "Mill"}, headers=headers)
    assert refused.status_code == 403
    assert (await node.store.node.identity()).name == "Market Square"  # type: ignore[union-attr]


async def test_a_session_ends(client: httpx.AsyncClient, node: Node, clock: ManualClock) -> None:
    await become_keeper(client, node)
    clock.advance(SESSION_MS)
    assert (await client.post("/node/name", data={"name": "Mill"}, headers=OWN)).status_code == 403


async def test_an_invitation_is_shown_once(client: httpx.AsyncClient, node: Node) -> None:
    await become_keeper(client, node)
    page = await client.post("/node/invitations", headers=OWN)
    assert page.status_code == 201
    code = page.text.partition("tntn1-")[2].partition("<")[0]
    assert decode_invitation("tntn1-" + code).space_id == node.identity.space_id
    assert code not in (await client.get("/node")).text


async def test_another_name_shows_everywhere(client: httpx.AsyncClient, node: Node) -> None:
    await become_keeper(client, node)
    assert "Market Square" in (await client.get("/boards/bulletin")).text
    renamed = await client.post("/node/name", data={"name": "Mill Bridge"}, headers=OWN)
    assert renamed.status_code == 303
    for path in ("/node", "/boards/bulletin", "/me"):
        assert "Mill Bridge" in (await client.get(path)).text
    assert (await client.get("/api/v1/space")).json()["node"]["name"] == "Mill Bridge"


async def test_a_name_that_cannot_be_is_told(client: httpx.AsyncClient, node: Node) -> None:
    await become_keeper(client, node)
    page = await client.post("/node/name", data={"name": " "}, headers=OWN)
    assert page.status_code == 422
    assert "1 to 40 characters" in page.text
    assert 'action="/node/name"' in page.text


async def test_the_join_policy(client: httpx.AsyncClient, node: Node) -> None:
    await become_keeper(client, node)
    assert (await client.post("/node/join-policy", data={"policy": "invited"}, headers=OWN)).status_code == 303
    assert (await client.get("/api/v1/space")).json()["join"] == "invited"
    assert "by invitation" in (await client.get("/node")).text
    for form in ({"policy": "closed"}, {}):
        assert (await client.post("/node/join-policy", data=form, headers=OWN)).status_code == 422


async def test_logging_out(client: httpx.AsyncClient, node: Node) -> None:
    await become_keeper(client, node)
    session = client.cookies["keeper"]
    assert (await client.post("/node/session/closure", headers=OWN)).status_code == 303
    assert "<form" not in (await client.get("/node")).text
    assert not await node.store.keeper.is_open(session, node.clock.now_ms())


async def test_no_other_page_sets_a_cookie(client: httpx.AsyncClient) -> None:
    for path in ("/", "/boards/bulletin", "/me", "/node", "/api/v1/space"):
        assert "set-cookie" not in (await client.get(path)).headers


class _Radio:
    """A radio that heard two nodes and then lost its port."""

    def __init__(self, on_air: OnAir, *channels: ChannelOffered) -> None:
        self.on_air = on_air
        self.channels = channels

    def status(self) -> RadioStatus:
        return RadioStatus(
            port="/dev/ttyUSB0",
            radio="RNode, firmware 1.85",
            profile=EU868,
            is_ready=False,
            fault="The radio on /dev/ttyUSB0 is gone.",
            spent_ms=13_700,
            spent_by_class={Priority.ALERT: 0, Priority.PEOPLE: 9_700, Priority.BACKGROUND: 4_000},
            limit_ms=36_000,
            sent={},
            heard=2,
            rejected={"mac": 3, "stale": 1},
            waiting={Priority.PEOPLE: 3, Priority.BACKGROUND: 1},
            neighbors={
                NodeIndex(1): Neighbor(-6 * 60_000, Signal(-97, 5.6)),
                NodeIndex(2): Neighbor(0, Signal(None, None)),
            },
            frame_bytes_max=231,
            on_air=self.on_air,
            channels=self.channels,
        )


async def test_the_radio_and_the_other_nodes(node: Node) -> None:
    others = [RosterNode(1, b"\x01" * 32, "North Valley"), RosterNode(2, b"\x02" * 32, "Hill Farm")]
    await node.store.devices.enroll(tuple(others), tuple(device_id_of(other.public_key) for other in others))
    transport = httpx.ASGITransport(create_app(node, cast(RadioSupervisor, _Radio(OnAir(EU868.modulation)))))
    async with httpx.AsyncClient(transport=transport, base_url=HTTPS) as client:
        page = (await client.get("/node")).text
        space = (await client.get("/api/v1/space")).json()
    assert space["radio"] == {
        "region": "EU868",
        "spreading_factor": 9,
        "bandwidth_khz": 125.0,
        "coding_rate": 5,
        "preamble_symbols": 8,
        "frame_bytes_max": 231,
        "overhead_bytes": 1,
        "signature_bytes": 0,
        "repeats": 0,
    }
    assert "13.7 s <small>of 36 s used this hour" in page
    assert '<rect class="f " width="26.9%" height="100%"' in page
    assert '<rect class="f later" x="26.9%" width="11.1%" height="100%"' in page
    assert "<dt>Radio</dt><dd>RNode, firmware 1.85</dd>" in page
    assert "<dt>Region</dt><dd>EU868</dd>" in page
    assert "EU868 · 869.525 MHz · SF9 · 125 kHz · 22 dBm" in page
    assert "<dt>mac</dt><dd>3</dd>" in page
    assert "The radio on /dev/ttyUSB0 is gone." in page
    assert "<dt>Frames waiting</dt><dd>4</dd>" in page
    assert "North Valley" in page
    assert "6 min ago" in page
    assert "−97 dBm, SNR 6 dB" in page
    assert "just now" in page


MESHTASTIC = _Radio(
    OnAir(modulation(11, 250.0, 5, 16), 24, 66, repeats=1),
    ChannelOffered("", "LongFast"),
    ChannelOffered("village", "village"),
    ChannelOffered("#2", "number 2"),
)


@pytest.fixture
async def guest(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    """The keeper of a node with a Meshtastic radio."""
    transport = httpx.ASGITransport(create_app(node, cast(RadioSupervisor, MESHTASTIC)))
    async with httpx.AsyncClient(transport=transport, base_url=HTTPS) as client:
        await become_keeper(client, node)
        yield client


async def test_the_cost_is_that_of_the_radio_s_own_settings(guest: httpx.AsyncClient) -> None:
    told = (await guest.get("/api/v1/space")).json()["radio"]
    assert (told["spreading_factor"], told["bandwidth_khz"], told["preamble_symbols"]) == (11, 250.0, 16)
    assert (told["overhead_bytes"], told["signature_bytes"], told["repeats"]) == (24, 66, 1)
    assert "SF11 · 250 kHz · 4/5, as the radio is set" in (await guest.get("/node")).text


async def test_meshtastic_s_channel_and_hops_are_the_keeper_s_to_choose(guest: httpx.AsyncClient, node: Node) -> None:
    page = (await guest.get("/node")).text
    assert '<option value="" selected>LongFast</option><option value="village">village</option>' in page
    assert '<option value="1" selected>once</option>' in page
    answer = await guest.post("/node/meshtastic", data={"channel": "village", "hops": "0"}, headers=OWN)
    assert answer.status_code == 303
    identity = await node.store.node.identity()
    assert identity is not None
    assert (identity.meshtastic_channel, identity.meshtastic_hops) == ("village", 0)
    page = (await guest.get("/node")).text
    assert '<option value="village" selected>village</option>' in page
    assert '<option value="0" selected>not at all</option>' in page


@pytest.mark.parametrize(
    "form",
    [
        {"channel": "elsewhere", "hops": "1"},
        {"channel": "", "hops": "8"},
        {"channel": "", "hops": "-1"},
        {"channel": "", "hops": "many"},
        {"channel": ""},
    ],
)
async def test_what_the_radio_cannot_do_is_not_chosen(
    guest: httpx.AsyncClient, node: Node, form: dict[str, str]
) -> None:
    assert (await guest.post("/node/meshtastic", data=form, headers=OWN)).status_code == 422
    identity = await node.store.node.identity()
    assert identity is not None
    assert (identity.meshtastic_channel, identity.meshtastic_hops) == ("", 1)


async def test_a_channel_that_has_gone_is_shown_as_such(
    guest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await guest.post("/node/meshtastic", data={"channel": "village", "hops": "2"}, headers=OWN)
    monkeypatch.setattr(MESHTASTIC, "channels", ())
    answer = await guest.post("/node/meshtastic", data={"channel": "village", "hops": "3"}, headers=OWN)
    assert answer.status_code == 303, "what is chosen stays chosen"
    assert '<option value="village" selected>village (not on this radio)</option>' in (await guest.get("/node")).text


async def test_without_a_meshtastic_radio_nothing_of_it_is_asked(client: httpx.AsyncClient, node: Node) -> None:
    await become_keeper(client, node)
    assert "/node/meshtastic" not in (await client.get("/node")).text


async def test_announcements_are_the_keeper_s_to_turn_on(client: httpx.AsyncClient, node: Node) -> None:
    await become_keeper(client, node)
    assert 'name="announce" value="no" checked>' in (await client.get("/node")).text
    for asked, stored in (("yes", True), ("no", False)):
        answer = await client.post("/node/announcements", data={"announce": asked}, headers=OWN)
        assert answer.status_code == 303
        identity = await node.store.node.identity()
        assert identity is not None
        assert identity.radio_announces is stored
    answer = await client.post("/node/announcements", data={"announce": "maybe"}, headers=OWN)
    assert answer.status_code == 422
