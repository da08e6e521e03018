"""Bundles by the browser: the keeper's, from one node to another, and nothing is left lying about."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from app.clock import ManualClock
from app.core.boards import Board
from app.founding import Node, invite, start_node
from app.front import Front
from app.representation import Message
from app.routes import bundles
from app.server import create_app
from app.sync import bundle_transfer
from tests.people import Person
from tests.routes.conftest import HTTPS
from tests.routes.test_node import OWN, become_keeper
from tests.sync.test_bundle_exchange import fill, photos

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other(node: Node, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Node]:
    joined = await start_node(tmp_path / "other", clock, name="Mill Bridge", join=await invite(node))
    await joined.feed.start()
    yield joined
    await joined.close()


@pytest.fixture
async def there(other: Node) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(other)), base_url=HTTPS) as client:
        yield client


def left_over(node: Node) -> list[str]:
    return [path.name for path in node.store.database.path.parent.iterdir() if "bundle" in path.name]


async def test_a_bundle_goes_from_browser_to_browser(
    client: httpx.AsyncClient, there: httpx.AsyncClient, node: Node, other: Node, person: Person
) -> None:
    await fill(node, person)
    await node.store.blobs.add(photos(3, 600_000))
    await become_keeper(client, node)
    await become_keeper(there, other)
    assert 'href="/node/bundle"' in (await client.get("/node")).text
    answer = await client.get("/node/bundle")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="tntn.car"'
    assert int(answer.headers["content-length"]) == len(answer.content) > 1_800_000
    uploaded = await there.post("/node/bundle", files={"bundle": ("tntn.car", answer.content)}, headers=OWN)
    assert uploaded.status_code == 200
    assert "5 new records (0 known), 3 new photos (0 known)" in uploaded.text
    assert (await other.store.boards.totals())[Board.BULLETIN] == 3
    assert len(await other.store.blobs.addresses()) == 3 * 32
    assert "Notice 2" in (await there.get("/boards/bulletin")).text
    assert left_over(node) == left_over(other) == []


async def test_others_get_and_give_nothing(client: httpx.AsyncClient, node: Node) -> None:
    assert "/node/bundle" not in (await client.get("/node")).text
    assert (await client.get("/node/bundle")).status_code == 403
    form = {"bundle": ("tntn.car", b"x")}
    assert (await client.post("/node/bundle", files=form, headers=OWN)).status_code == 403
    await become_keeper(client, node)
    assert (await client.post("/node/bundle", files=form, headers={"origin": "https://elsewhere"})).status_code == 403


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xd8\xff a photo", "This is no CAR file of TNTN"),
        (b"", "Choose a bundle first"),
        (b"\x00../../etc/passwd" * 1000, "This is no CAR file of TNTN"),
    ],
)
async def test_what_is_no_bundle_is_refused_on_the_page(
    client: httpx.AsyncClient, node: Node, content: bytes, message: str
) -> None:
    await become_keeper(client, node)
    answer = await client.post("/node/bundle", files={"bundle": ("../../x.car", content)}, headers=OWN)
    assert answer.status_code == 422
    assert message in answer.text
    assert left_over(node) == []


async def test_a_form_without_a_file_is_refused(client: httpx.AsyncClient, node: Node) -> None:
    await become_keeper(client, node)
    answer = await client.post("/node/bundle", data={"bundle": "text"}, headers=OWN)
    assert answer.status_code == 422
    assert "Choose the file once more" in answer.text


async def test_a_nearly_full_disk_takes_no_upload(
    client: httpx.AsyncClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await become_keeper(client, node)
    monkeypatch.setattr(bundle_transfer, "RESERVE_BYTES", 1 << 60)
    answer = await client.post("/node/bundle", files={"bundle": ("tntn.car", b"x" * 100)}, headers=OWN)
    assert answer.status_code == 422
    assert "no room on this node" in answer.text
    assert left_over(node) == []


async def test_an_upload_has_a_limit_of_its_own(client: httpx.AsyncClient, node: Node) -> None:
    """Larger than anything else that a node takes, and not without end."""
    await become_keeper(client, node)
    large = await client.post("/node/bundle", files={"bundle": ("tntn.car", bytes(2_000_000))}, headers=OWN)
    assert large.status_code == 422  # read whole, and no bundle
    claimed = {
        **OWN,
        "content-length": str(bundles.UPLOAD_BYTES_MAX + 1),
        "content-type": "multipart/form-data; boundary=a",
    }
    assert (await client.post("/node/bundle", content=b"--a", headers=claimed)).status_code == 413


async def test_a_browser_that_leaves_breaks_nothing(
    application: Front, client: httpx.AsyncClient, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    await become_keeper(client, node)
    arriving: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"--a\r\n" + bytes(100), "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return next(arriving)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = {
        **OWN,
        "host": "market.local",
        "cookie": f"keeper={client.cookies['keeper']}",
        "content-type": "multipart/form-data; boundary=a",
    }
    request = client.build_request("POST", "/node/bundle", headers=headers)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/node/bundle",
        "raw_path": b"/node/bundle",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw if name.lower() != b"content-length"],
        "server": ("market.local", 443),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    await application(scope, receive, send)
    assert sent[0]["status"] == 422
    assert caplog.records == []
    assert left_over(node) == []
