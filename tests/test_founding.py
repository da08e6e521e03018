"""First starts: a community is founded once, joined by a code, and found again."""

from pathlib import Path

import pytest

from app.clock import ManualClock
from app.core.envelope import seal
from app.core.record import decode_signed
from app.errors import ConflictError, InputError, NotFoundError
from app.founding import Node, invite, open_node, rename, start_node
from app.store.envelopes import Origin
from tests.people import Person

pytestmark = pytest.mark.anyio


async def test_a_later_start_finds_what_the_first_made(tmp_path: Path, clock: ManualClock) -> None:
    first = await start_node(tmp_path, clock, name="Market Square", community="Upper Valley")
    await first.close()
    second = await start_node(tmp_path, clock)
    assert second.identity == first.identity
    assert [node.name for node in await second.store.devices.nodes()] == ["Market Square"]
    await second.close()


async def test_nothing_is_made_by_looking(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(NotFoundError):
        await open_node(tmp_path / "nowhere", clock)
    assert not (tmp_path / "nowhere").exists()


async def test_a_second_node_joins_and_reads_what_the_first_sealed(
    node: Node, person: Person, tmp_path: Path, clock: ManualClock
) -> None:
    joined = await start_node(tmp_path / "second", clock, name="North Valley", join=await invite(node))
    assert joined.identity.space_id == node.identity.space_id
    assert joined.identity.index == 1
    assert [member.name for member in await joined.store.devices.nodes()] == ["Market Square", "North Valley"]
    keys = (await node.store.node.epoch_keys(node.identity.space_id))[0]
    envelope = seal(decode_signed(person.introduce()), keys)
    assert (await joined.door.accept(envelope, Origin("radio", 0, 2, 0))).outcome == "new"
    await joined.close()


async def test_each_invitation_has_an_index_of_its_own(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    codes = [await invite(node) for _ in range(3)]
    joined = [await start_node(tmp_path / str(n), clock, join=code) for n, code in enumerate(codes)]
    assert [other.identity.index for other in joined] == [1, 2, 3]
    for other in joined:
        await other.close()


async def test_an_old_code_is_refused_and_leaves_no_node(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    code = await invite(node)
    clock.advance(8 * 24 * 3_600_000)
    with pytest.raises(InputError, match="ran out"):
        await start_node(tmp_path / "second", clock, join=code)
    with pytest.raises(NotFoundError):
        await open_node(tmp_path / "second", clock)


async def test_a_folder_does_not_change_its_community(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    other = await start_node(tmp_path / "other", clock, community="Lower Valley")
    code = await invite(other)
    await other.close()
    with pytest.raises(ConflictError, match="Upper Valley"):
        await start_node(tmp_path / "data", clock, join=code)
    with pytest.raises(ConflictError, match="Upper Valley"):
        await start_node(tmp_path / "data", clock, community="Lower Valley")


async def test_a_new_name_goes_into_the_roster_and_keeps_the_key(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    await rename(node, "Old Mill")
    again = await start_node(tmp_path / "data", clock)
    assert again.identity.name == "Old Mill"
    assert again.identity.key.public_key == node.identity.key.public_key
    assert [member.name for member in await again.store.devices.nodes()] == ["Old Mill"]
    await again.close()


async def test_a_start_cut_off_before_the_introduction_is_made_whole(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    async with node.store.database.write() as tx:
        for table in ("custody", "node_log", "envelopes", "devices"):
            await tx.execute(f"DELETE FROM {table}")
    again = await start_node(tmp_path / "data", clock)
    assert [member.name for member in await again.store.devices.nodes()] == ["Market Square"]
    await again.close()
