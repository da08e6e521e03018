"""A copied data folder: the copy that is behind takes another identity, and nothing that either wrote is lost."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import httpx
import pytest

from app import founding, serving
from app.__main__ import build_parser
from app.clock import ManualClock
from app.core.boards import Board
from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import EnvelopeId, seal
from app.core.record import decode_signed
from app.errors import ConflictError, StoreError
from app.founding import Node, invite, start_node
from app.renewal import Renewal, renew_identity
from app.store.database import FILE_NAME
from app.store.envelopes import Origin
from app.store.node import COUNTERS_AHEAD, RENEWED_INDEX_MIN
from app.sync.member_log import MemberLog
from tests.people import Person
from tests.robustness.node_process import free_port

pytestmark = pytest.mark.anyio


async def member_log_of(node: Node) -> MemberLog:
    epochs = await node.store.node.epoch_keys(node.identity.space_id)
    return MemberLog(node.store, node.door, epochs, node.identity.index, node.renewal.hear)


async def names_of(log: MemberLog) -> set[EnvelopeId]:
    return {EnvelopeId(ids[at : at + 16]) for ids in (await log.keys()).values() for at in range(0, len(ids), 16)}


async def sync(source: Node, target: Node) -> None:
    """As a session does: what the vectors tell, then the strays that the check finds."""
    here, there = await member_log_of(source), await member_log_of(target)
    for index, spans in (await there.missing(await here.vector())).items():
        for span in spans:
            await there.append(await here.get(index, span, 1000), via=source.identity.index)
    strays = await names_of(here) - await names_of(there)
    await there.append(await here.find(list(strays)), via=source.identity.index)


async def texts_of(node: Node) -> set[str]:
    return {record.title for record in (await node.store.boards.page(Board.BULLETIN)).records}


async def test_the_copy_that_is_behind_becomes_another_node(tmp_path: Path, clock: ManualClock) -> None:
    original = await start_node(tmp_path / "original", clock, name="Market Square")
    person = Person(original.identity.space_id)
    await original.door.post(person.introduce())
    await original.door.post(person.write("Before the copy"))
    await original.close()
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    original, copy = [await start_node(tmp_path / name, clock) for name in ("original", "copy")]
    for text in ("Apples", "Pears", "Plums"):
        await original.door.post(person.write(text))
    await copy.door.post(Person(original.identity.space_id, seed=b"\x02" * 32).introduce())
    assert copy.identity == original.identity

    await sync(copy, original)
    assert not original.renewal._heard.is_set()  # it knows more than the copy does
    await sync(original, copy)
    await copy.renewal.due(copy.store, copy.identity)
    index = await renew_identity(copy.store)
    with pytest.raises(StoreError, match="another identity"):
        await copy.door.post(person.write("Not under the old number"))
    with pytest.raises(StoreError, match="another identity"):
        await copy.store.node.rename("Nobody")
    await copy.close()

    renewed = await start_node(tmp_path / "copy", clock)
    assert renewed.identity.index == index >= RENEWED_INDEX_MIN
    assert renewed.identity.name == "Market Square"
    assert renewed.identity.seed != original.identity.seed
    assert (await renewed.store.envelopes.vector())[index] == 1  # its introduction
    answer = await renewed.door.post(person.write("Quinces"))
    assert (answer.entry_index, answer.log_number) == (index, 2)
    for _ in range(2):
        await sync(original, renewed)
        await sync(renewed, original)
    assert await texts_of(original) == await texts_of(renewed) == {
        "Before the copy", "Apples", "Pears", "Plums", "Quinces"
    }  # fmt: skip
    assert await names_of(await member_log_of(original)) == await names_of(await member_log_of(renewed))
    assert [node.index for node in await original.store.devices.nodes()] == [0, index]
    assert not renewed.renewal._heard.is_set()
    await renewed.close()
    await original.close()


async def test_the_old_key_is_gone_from_the_disk(node: Node, tmp_path: Path) -> None:
    seed = node.identity.seed
    await renew_identity(node.store)
    await node.close()
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or seed not in file.read_bytes()


async def test_radio_counters_go_on_far_ahead(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    first = await node.store.node.reserve_counters(10)
    await renew_identity(node.store)
    again = await start_node(tmp_path / "data", clock)
    assert await again.store.node.reserve_counters(10) > first + COUNTERS_AHEAD
    await again.close()


async def test_the_index_is_nobody_s_and_invitations_go_on_below(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    await invite(node)
    async with node.store.database.write() as tx:
        await tx.executemany(
            "INSERT INTO devices (id, public_key, name, node_index) VALUES (?, ?, 'Mill', ?)",
            [(bytes([n, 0, 0, 0]), bytes([n]) * 32, n) for n in range(3, NODE_INDEX_MAX) if n != 200],
        )
        await tx.execute("INSERT INTO radio_heard VALUES (254, 7)")
    assert await renew_identity(node.store) == 200
    again = await start_node(tmp_path / "data", clock)
    with pytest.raises(ConflictError, match="no index left"):
        await renew_identity(again.store)
    await again.close()


async def test_invitations_keep_to_the_low_indices(node: Node) -> None:
    async with node.store.database.write() as tx:
        await tx.execute(
            "INSERT INTO devices (id, public_key, name, node_index) VALUES (?, ?, 'Mill', 190)", (b"mill", b"m" * 32)
        )
    assert await node.store.node.reserve_index(NODE_INDEX_MAX) == 1
    async with node.store.database.write() as tx:
        await tx.execute("UPDATE node SET index_reserved = 189")
    assert await node.store.node.reserve_index(NODE_INDEX_MAX) == 191
    with pytest.raises(ConflictError, match="full"):
        await node.store.node.reserve_index(191)


async def test_a_number_that_this_node_has_is_no_reason(node: Node, clock: ManualClock) -> None:
    renewal = Renewal(clock)
    renewal.hear(1)
    waiting = asyncio.create_task(renewal.due(node.store, node.identity))
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()
    renewal.hear(2)
    await asyncio.wait_for(waiting, 5)


async def test_what_a_stick_brought_of_its_own_log_is_noticed(node: Node, person: Person, clock: ManualClock) -> None:
    keys = (await node.store.node.epoch_keys(node.identity.space_id))[0]
    await node.door.accept(seal(decode_signed(person.introduce()), keys), Origin("bundle", node.identity.index, 7, 3))
    await asyncio.wait_for(Renewal(clock).due(node.store, node.identity), 5)


async def test_a_second_renewal_waits_for_its_pause(node: Node, clock: ManualClock) -> None:
    renewal = Renewal(clock, pause_ms=30_000)
    renewal.done()
    renewal.hear(50)
    waiting = asyncio.create_task(renewal.due(node.store, node.identity))
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()
    waiting.cancel()
    clock.advance(30_000)
    renewal.hear(50)
    await asyncio.wait_for(renewal.due(node.store, node.identity), 5)


async def test_a_running_node_is_opened_anew_behind_the_same_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: asyncio.Queue[Node] = asyncio.Queue()
    original_start = founding.start_node

    async def start(*arguments: object, **named: object) -> Node:
        node = await original_start(*arguments, **named)  # type: ignore[arg-type]
        opened.put_nowait(node)
        return node

    monkeypatch.setattr(founding, "start_node", start)
    http = free_port()
    ports = ["--http", str(http), "--https", str(free_port()), "--sync", str(free_port())]
    options = build_parser().parse_args(["run", "--data", str(tmp_path), "--host", "127.0.0.1", *ports])
    running = asyncio.create_task(serving._run(options))
    url = f"http://127.0.0.1:{http}/health"
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        first = await opened.get()
        assert (await client.get(url)).status_code == httpx.codes.OK
        first.renewal.hear(1000)
        second = await opened.get()
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == httpx.codes.OK
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0
    assert second.identity.index >= RENEWED_INDEX_MIN
    assert (second.identity.name, second.identity.space_id) == (first.identity.name, first.identity.space_id)
    assert (tmp_path / FILE_NAME).exists()
