"""`/boards/{name}`: pages, fragments and JSON, kept until the board changes."""

import httpx
import pytest

from app.acceptance import Draft
from app.core.boards import Board
from app.core.directory import Category, DirectoryEntry, Opening, Place, Season
from app.core.record import Kind, Lifetime
from app.founding import Node
from tests.people import Person

pytestmark = pytest.mark.anyio
JSON = {"accept": "application/json"}
BULLETIN = "/boards/bulletin"


@pytest.mark.parametrize("board", Board)
async def test_every_board_has_a_page_that_says_what_is_missing(client: httpx.AsyncClient, board: Board) -> None:
    page = await client.get(f"/boards/{board}")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'class="empty' in page.text
    assert f'data-board="{board}"' in page.text


async def test_an_unknown_board_is_not_found(client: httpx.AsyncClient) -> None:
    page = await client.get("/boards/gossip")
    assert page.status_code == 404
    assert "There is no board of this name." in page.text


async def test_a_post_stands_on_the_board(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    accepted = await node.door.post(person.write("Cider <press>\nBring jugs & apples."))
    assert accepted.record_id is not None
    page = (await client.get(BULLETIN)).text
    assert f'data-record-id="{accepted.record_id.hex()}"' in page
    assert "Cider &lt;press&gt;" in page
    assert "Bring jugs &amp; apples." in page
    assert "via this node" in page
    assert "kept by 1 node" in page
    assert "1 notice<" in page


async def test_json_has_the_documented_shape(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    accepted = await node.door.post(person.write("Cider press\nBring jugs."))
    assert accepted.record_id is not None
    answer = (await client.get(BULLETIN, headers=JSON)).json()
    assert answer["board"] == "bulletin"
    assert answer["total"] == 1
    assert answer["next"] is None
    assert answer["records"] == [
        {
            "id": accepted.record_id.hex(),
            "title": "Cider press",
            "text": "Bring jugs.",
            "kind": 2,
            "board": "bulletin",
            "author": {"id": person.key.device_id.hex(), "name": "Ada"},
            "written": "2026-11-26T10:40Z",
            "via": None,
            "entered": None,
            "kept_by": 1,
            "ref": None,
        }
    ]


async def test_older_notices_follow_and_end(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    for number in range(30):
        await node.door.post(person.write(f"Notice {number}"))
    first = (await client.get(BULLETIN, headers=JSON)).json()
    second = (await client.get(BULLETIN, params={"before": first["next"]}, headers=JSON)).json()
    titles = [record["title"] for record in first["records"] + second["records"]]
    assert titles == [f"Notice {number}" for number in reversed(range(30))]
    assert second["next"] is None


async def test_the_link_to_older_notices_leads_there(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    for number in range(26):
        await node.door.post(person.write(f"Notice {number}"))
    page = (await client.get(BULLETIN)).text
    link = page.partition('<a class="more" href="')[2].partition('"')[0]
    assert ">Notice 0<" in (await client.get(link)).text


async def test_htmx_gets_the_entries_alone(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    await node.door.post(person.introduce())
    await node.door.post(person.write("Cider press"))
    fragment = (await client.get(BULLETIN, headers={"hx-request-type": "partial"})).text
    assert "Cider press" in fragment
    assert "<html" not in fragment
    assert "<html" in (await client.get(BULLETIN, headers={"hx-request-type": "full"})).text


async def test_a_page_is_asked_for_again_and_not_sent(client: httpx.AsyncClient, node: Node, person: Person) -> None:
    first = await client.get(BULLETIN)
    again = await client.get(BULLETIN, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await node.door.post(person.introduce())
    await node.door.post(person.write("Something new"))
    changed = await client.get(BULLETIN, headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert "Something new" in changed.text


async def test_forms_of_a_page_do_not_stand_in_for_each_other(client: httpx.AsyncClient) -> None:
    page, fragment = await client.get(BULLETIN), await client.get(BULLETIN, headers={"hx-request-type": "partial"})
    answer = await client.get(BULLETIN, headers=JSON)
    assert len({page.headers["etag"], fragment.headers["etag"], answer.headers["etag"]}) == 3
    assert page.headers["vary"] == "accept, accept-encoding, hx-request-type"


async def test_a_place_that_no_page_gave_is_refused(client: httpx.AsyncClient) -> None:
    page = await client.get(BULLETIN, params={"before": "9" * 500}, headers=JSON)
    assert page.status_code == 422
    assert page.json()["field"] == "before"


async def test_a_market_shows_its_season_and_what_it_sells(client: httpx.AsyncClient, node: Node) -> None:
    entry = DirectoryEntry(
        "usda",
        "1",
        Category.MARKET,
        "Norwich Winter Market",
        place=Place(street="300 Main Street", city="Norwich"),
        seasons=(Season(11, 4, (Opening(5, 40, 52),)),),
        products=0b110,
        payments=0b1,
        links=("https://market.example", "ask at the store"),
        listed_year=2017,
    )
    accepted = (await node.door.publish([Draft(Kind.DIRECTORY, Lifetime.LONG, entry.encode())], "import"))[0]
    assert accepted.record_id is not None
    page = (await client.get("/boards/markets")).text
    assert "Norwich Winter Market" in page
    assert "Opens Saturday, in 2 days, 10:00 AM–1:00 PM" in page  # the clock stands on a Thursday
    assert "Baked goods, cheese" in page
    assert 'class="awn c' in page
    assert (await client.get("/boards/directory", headers=JSON)).json()["total"] == 1
    today = (await client.get("/")).text
    assert "Next market day, in 2 days" in today
    own_page = (await client.get(f"/records/{accepted.record_id.hex()}")).text
    assert '<a href="https://market.example"' in own_page
    assert "ask at the store" in own_page
    assert "As listed in 2017." in own_page
    entry_answer = (await client.get("/boards/markets", headers=JSON)).json()["records"][0]["entry"]
    assert entry_answer["products"] == ["baked goods", "cheese"]
    assert entry_answer["place"] == {"street": "300 Main Street", "city": "Norwich"}
