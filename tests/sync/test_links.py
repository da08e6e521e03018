"""Links over real sockets: who is let in and dialed, one session a pair, and what ends one."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from app.clock import ManualClock, SystemClock
from app.errors import PeerError
from app.sync import links as links_module
from app.sync.address import Address, parse_address
from app.sync.certificate import SyncKey
from app.sync.message import Bye, Settled
from app.sync.tls import Stream, admit, client_context, dial, server_context
from tests.sync.homes import PATIENCE, Machine, machine, until

pytestmark = pytest.mark.anyio
YEARS_10_MS = 10 * 365 * 86_400_000


def meets(one: Machine, other: Machine) -> bool:
    """Whether a session between the two stands, seen from both."""
    return other.home.key.peer_id in one.links._live and one.home.key.peer_id in other.links._live


async def connect(as_whom: Machine, to: Machine) -> Stream:
    """A stream as that node would make it, with nobody behind it."""
    host, _, port = to.address.partition(":")
    stream = await dial(host, int(port), client_context(as_whom.home.key, to.home.key.certificate), PATIENCE)
    await stream.greet()
    return stream


async def test_a_node_that_only_dials_needs_no_open_port(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2, listens=False) as far:
        await near.pins(far)
        await far.pins(near, addresses=[near.address])
        near.run()
        far.run()
        await until(lambda: meets(near, far))
        envelopes = near.tell(1), far.tell(1)
        await until(lambda: (1, 1) in far.log.entries and (2, 1) in near.log.entries)
        assert (far.log.entries[1, 1], near.log.entries[2, 1]) == envelopes
        seen = await near.peer(far)
        assert seen.connected_ms is not None
        assert (seen.fault, seen.replaced) == (None, 0)


async def test_a_peer_that_moved_is_found_among_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sync.redial.FIRST_S", 0.02)
    async with machine(tmp_path, 1) as mill, machine(tmp_path, 2) as barn, machine(tmp_path, 3, listens=False) as far:
        for near in (mill, barn):
            await near.pins(far)
            await far.pins(near, addresses=["127.0.0.1:1"])
            near.run()

        async def candidates() -> list[Address]:
            return [parse_address("127.0.0.1:2"), parse_address(mill.address), parse_address(barn.address)]

        far.links._reaching._candidates = candidates
        far.run()
        await until(lambda: meets(mill, far) and meets(barn, far))
        assert {str(address) for address in far.links._reaching._found.values()} == {mill.address, barn.address}


async def test_both_may_dial_and_one_session_stands(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as one, machine(tmp_path, 2) as two:
        await one.pins(two, addresses=[two.address])
        await two.pins(one, addresses=[one.address])
        one.run()
        two.run()
        await until(lambda: meets(one, two))
        one.tell(1)
        two.tell(1)
        await until(lambda: (1, 1) in two.log.entries and (2, 1) in one.log.entries)
        assert len(one.links._live) == len(two.links._live) == 1
        assert (await one.peer(two)).replaced == (await two.peer(one)).replaced == 0


@pytest.mark.parametrize("smaller_dials_first", [True, False])
async def test_of_two_crossing_calls_that_of_the_smaller_id_stands(tmp_path: Path, smaller_dials_first: bool) -> None:
    async with machine(tmp_path, 1) as one, machine(tmp_path, 2) as two:
        node, other = (one, two) if (one.home.key.peer_id < two.home.key.peer_id) == smaller_dials_first else (two, one)
        # `node` has called `other`, which listens but does not run; now the other's call comes in.
        await node.pins(other, addresses=[other.address])
        await other.pins(node)
        node.run()
        assert other.listener is not None
        other.listener.setblocking(False)
        connection, _ = await asyncio.get_running_loop().sock_accept(other.listener)
        called = await admit(connection, server_context(other.home.key, [node.home.key.certificate]), PATIENCE)
        await called.greet()
        await until(lambda: other.home.key.peer_id in node.links._live)
        first = node.links._live[other.home.key.peer_id]
        call = await connect(other, node)
        if smaller_dials_first:
            assert await call.read() == Bye("crossed")
            assert node.links._live[other.home.key.peer_id] is first
        else:
            await until(lambda: node.links._live.get(other.home.key.peer_id) not in (None, first))
            assert await called.read() == Bye("crossed")
        assert (await node.peer(other)).replaced == 0
        call.abort()
        called.abort()


async def test_a_twin_takes_the_place_and_is_counted(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2, listens=False) as far:
        await near.pins(far)
        near.run()
        await until(lambda: near.links._tasks is not None)
        first = await connect(far, near)
        await until(lambda: len(near.links._live) == 1)
        held = near.links._live[far.home.key.peer_id]
        second = await connect(far, near)
        assert await first.read() == Bye("replaced")
        assert await first.read() is None
        await until(lambda: near.links._live.get(far.home.key.peer_id) not in (None, held))
        seen = await near.peer(far)
        assert seen.replaced == 1
        assert seen.connected_ms is not None  # by the second; the end of the first changes nothing
        first.abort()
        second.abort()


async def test_a_replaced_twin_comes_back_slowly(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near:
        ended = near.links._tries_after
        tally = type("T", (), {"word": "replaced", "settled": True, "moved": 5})()
        runner = type("R", (), {"tally": tally})()
        link = links_module._Link(runner, None, True, 0)  # type: ignore[arg-type]
        assert ended(link, 0) >= 6
        tally.word = None
        assert ended(link, 3) == 0
        assert ended(None, 3) == 4


async def test_a_removed_peer_is_out_at_once(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2, listens=False) as far:
        await near.pins(far)
        near.run()
        await until(lambda: near.links._tasks is not None)
        stream = await connect(far, near)
        await until(lambda: len(near.links._live) == 1)
        await near.home.peers.remove(far.home.key.peer_id)
        await near.links.reload()
        assert await stream.read() == Bye("removed")
        assert await stream.read() is None
        await until(lambda: not near.links._live)
        again = await dial(
            "127.0.0.1",
            int(near.address.partition(":")[2]),
            client_context(far.home.key, near.home.key.certificate),
            PATIENCE,
        )
        with pytest.raises(Exception, match="turned this node away"):
            await again.greet()
        again.abort()


async def test_what_another_process_removes_is_noticed(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2) as far:
        await near.pins(far, addresses=[far.address])
        await far.pins(near)
        near.run()
        far.run()
        await until(lambda: meets(near, far))
        await near.home.peers.remove(far.home.key.peer_id)
        await until(lambda: not near.links._live and not far.links._live)
        assert not near.links._dialing


async def test_a_cut_link_is_dialed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sync.redial.FIRST_S", 0.05)
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2, listens=False) as far:
        await near.pins(far)
        await far.pins(near, addresses=[near.address])
        near.run()
        far.run()
        for number in range(1, 4):
            await until(lambda: meets(near, far))
            near.tell(number)
            await until(lambda number=number: (1, number) in far.log.entries)  # type: ignore[misc]
            link = far.links._live[near.home.key.peer_id]
            link.stream.abort()
            await link.left.wait()
        await until(lambda: meets(near, far))


async def test_every_address_is_tried_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sync.redial.FIRST_S", 0.02)
    monkeypatch.setattr("app.sync.redial.LONGEST_S", 0.1)
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2, listens=False) as far:
        await near.pins(far)
        await far.pins(near, addresses=["127.0.0.1:1", "nowhere.invalid:8444", near.address])
        far.run()  # the kernel takes its call, and nobody answers: near does not run yet
        await asyncio.sleep(0.3)
        near.run()
        await until(lambda: meets(near, far))


async def test_why_a_peer_cannot_be_reached_is_shown(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2, listens=False) as far:
        await near.pins(far, addresses=["127.0.0.1:1"])
        near.run()
        assert await near.finds_fault(far) == "127.0.0.1:1: It cannot be reached: Connection refused."


@pytest.mark.parametrize("years", [-10, 10])
async def test_a_clock_that_is_wrong_by_ten_years_does_not_matter(tmp_path: Path, years: int) -> None:
    wrong = ManualClock(SystemClock().now_ms() + years // 10 * YEARS_10_MS)
    async with machine(tmp_path, 1, clock=wrong) as near, machine(tmp_path, 2, listens=False) as far:
        await near.pins(far)
        await far.pins(near, addresses=[near.address])
        near.run()
        far.run()
        await until(lambda: meets(near, far))
        near.tell(1)
        await until(lambda: (1, 1) in far.log.entries)


async def test_a_peer_that_breaks_the_protocol_is_dropped_and_counted(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2, listens=False) as far:
        await near.pins(far)
        near.run()
        await until(lambda: near.links._tasks is not None)
        stream = await connect(far, near)
        await until(lambda: len(near.links._live) == 1)
        stream._writer.write(b"\0\0\1\xc1")
        assert await stream.read() == Bye("protocol")
        await until(lambda: near.links.notes()["protocol"] == 1)
        await until(lambda: not near.links._live)
        assert await near.finds_fault(far) == "What the peer sent is not a message."
        stream.abort()


async def test_strangers_in_crowds_are_not_heard(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near:
        near.run()
        await until(lambda: near.links._tasks is not None)
        host, _, port = near.address.partition(":")
        async with contextlib.AsyncExitStack() as stack:
            crowd = [await asyncio.open_connection(host, int(port)) for _ in range(links_module.STRANGERS_PER_HOST_MAX)]
            for _, writer in crowd:
                stack.callback(writer.transport.abort)
            await until(lambda: near.links._strangers.total() == links_module.STRANGERS_PER_HOST_MAX)
            reader, writer = await asyncio.open_connection(host, int(port))
            stack.callback(writer.transport.abort)
            assert await reader.read() == b""
            assert near.links.notes()["crowd"] == 1
        await until(lambda: not near.links._strangers)


async def test_a_certificate_of_nobody_is_refused_and_counted(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near:
        near.run()
        await until(lambda: near.links._tasks is not None)
        stranger = SyncKey(b"?" * 32)
        host, _, port = near.address.partition(":")
        stream = await dial(host, int(port), client_context(stranger, near.home.key.certificate), PATIENCE)
        with contextlib.suppress(OSError):
            await stream.write(Settled(0))
        assert await stream.read() is None
        await until(lambda: near.links.notes()["connection"] == 1)
        stream.abort()


async def test_all_ends_with_the_node(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2) as far:
        await near.pins(far, addresses=[far.address])
        await far.pins(near)
        near.run()
        far.run()
        await until(lambda: meets(near, far))
        begun = asyncio.get_running_loop().time()
        await near.stop()
        assert asyncio.get_running_loop().time() - begun < 2
        await until(lambda: not far.links._live)
        assert (await near.peer(far)).connected_ms is None


async def test_a_call_is_given_up_when_the_peer_called_meanwhile(tmp_path: Path) -> None:
    """Else a slow dial would end a session that stands, and count a twin that isn't there."""
    async with machine(tmp_path, 1) as near, machine(tmp_path, 2) as far:
        assert far.listener is not None
        far.listener.setblocking(False)
        await near.pins(far, addresses=[far.address])
        near.run()
        connection, _ = await asyncio.get_running_loop().sock_accept(far.listener)  # and the handshake waits
        called = await connect(far, near)
        await until(lambda: len(near.links._live) == 1)
        link = near.links._live[far.home.key.peer_id]
        answering = await admit(connection, server_context(far.home.key, [near.home.key.certificate]), PATIENCE)
        with pytest.raises(PeerError, match="turned this node away"):
            await answering.greet()
        assert near.links._live[far.home.key.peer_id] is link
        assert (await near.peer(far)).replaced == 0
        called.abort()
        answering.abort()
