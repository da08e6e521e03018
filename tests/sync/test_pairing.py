"""Pairing over real sockets: two machines pin each other by a code, once."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.clock import MINUTE_MS, ManualClock, SystemClock
from app.errors import ConflictError, ForbiddenError, InputError, PeerError
from app.store.peers import INVITATIONS_MAX
from app.sync.address import Address, parse_address
from app.sync.certificate import SyncKey
from app.sync.home import Home
from app.sync.invitation import PeerInvitation
from app.sync.message import Pair, Role, Settled
from app.sync.pairing import INVITATION_DAYS, REFUSALS, Introduced, introduce, invite, pinned
from app.sync.tls import Patience, dial, stranger_context
from tests.sync.homes import PATIENCE, SPACE, Machine, machine, until

pytestmark = pytest.mark.anyio


def newcomer(key: SyncKey, role: Role = Role.BLIND, **other: object) -> Pair:
    """What a machine says of itself."""
    fields: dict[str, object] = {
        **{"certificate": key.certificate, "name": "Cellar", "role": role, "index": None, "photos": True},
        **{"space_id": None, "epochs": (), "reserved_index": None, "port": 8444},
        **other,
    }
    return Pair(**fields)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def inviter(folder: Path, clock: ManualClock | None = None) -> AsyncIterator[Machine]:
    async with machine(folder, 1, clock=clock) as found:
        found.run()
        await until(lambda: found.links._tasks is not None)
        yield found


async def code_of(node: Machine, role: Role = Role.BLIND, **offer: int | bool | None) -> PeerInvitation:
    invitation = await invite(node.home, [parse_address(node.address)], role, **offer)  # type: ignore[arg-type]
    await node.links.reload()
    return invitation


async def test_a_blind_machine_gets_what_it_needs_and_both_pin_each_other(tmp_path: Path) -> None:
    key = SyncKey(b"\7" * 32)
    async with inviter(tmp_path) as node:
        invitation = await code_of(node, photos=False, quota_mb=500)
        introduced = await introduce(invitation, newcomer(key), PATIENCE)
        answer = introduced.answer
        assert (answer.space_id, answer.reserved_index, len(answer.epochs)) == (SPACE, 100, 1)
        assert (answer.epochs[0].relay, answer.epochs[0].link) == (b"r" * 32, b"l" * 32)
        seen = (await node.home.peers.all())[0]
        assert (seen.peer_id, seen.certificate, seen.name) == (key.peer_id, key.certificate, "Cellar")
        assert (seen.role, seen.photos, seen.quota_mb, seen.index) == (Role.BLIND, False, 500, 100)
        assert seen.addresses == ("127.0.0.1:8444",)
        mine = pinned(introduced, invitation, 0)
        assert (mine.peer_id, mine.certificate) == (node.home.key.peer_id, node.home.key.certificate)
        assert (mine.role, mine.index, mine.photos) == (Role.MEMBER, 1, False)
        assert mine.addresses == (node.address,)


async def test_a_member_is_pinned_and_told_no_keys(tmp_path: Path) -> None:
    async with inviter(tmp_path) as node:
        invitation = await code_of(node, Role.MEMBER)
        me = newcomer(SyncKey(b"\7" * 32), Role.MEMBER, index=3, space_id=SPACE)
        answer = (await introduce(invitation, me, PATIENCE)).answer
        assert (answer.space_id, answer.epochs, answer.reserved_index) == (None, (), None)
        assert [(peer.role, peer.index) for peer in await node.home.peers.all()] == [(Role.MEMBER, 3)]


async def test_a_code_works_once_but_for_the_machine_that_used_it(tmp_path: Path) -> None:
    async with inviter(tmp_path) as node:
        invitation = await code_of(node)
        first = await introduce(invitation, newcomer(SyncKey(b"\7" * 32)), PATIENCE)
        again = await introduce(invitation, newcomer(SyncKey(b"\7" * 32)), PATIENCE)
        assert first.answer == again.answer  # the same place in the roster too
        with pytest.raises(PeerError, match="used already"):
            await introduce(invitation, newcomer(SyncKey(b"\x08" * 32)), PATIENCE)
        assert len(await node.home.peers.all()) == 1


@pytest.mark.parametrize(
    ("role", "me", "why"),
    [
        (Role.BLIND, {"role": Role.MEMBER, "index": 2, "space_id": SPACE}, "role"),
        (Role.MEMBER, {"role": Role.BLIND}, "role"),
        (Role.MEMBER, {"role": Role.MEMBER, "space_id": SPACE}, "role"),
        (Role.MEMBER, {"role": Role.MEMBER, "index": 2, "space_id": b"x" * 16}, "community"),
        (Role.MEMBER, {"role": Role.MEMBER, "index": 2}, "community"),
        (Role.BLIND, {"index": 2, "space_id": b"x" * 16}, "community"),
        (Role.BLIND, {"name": "\u202e"}, "name"),
        (Role.BLIND, {"certificate": SyncKey(b"\1" * 32).certificate}, "self"),
    ],
)
async def test_who_does_not_fit_is_told_why_and_spends_nothing(
    tmp_path: Path, role: Role, me: dict[str, Any], why: str
) -> None:
    async with inviter(tmp_path) as node:
        invitation = await code_of(node, role)
        with pytest.raises(PeerError) as refused:
            await introduce(invitation, newcomer(SyncKey(b"\7" * 32), **me), PATIENCE)
        assert refused.value.message == REFUSALS[why]
        assert await node.home.peers.all() == []
        assert [open_one.spent_by for open_one in await node.home.peers.invitations(0)] == [None]


async def test_an_invitation_runs_out_by_the_clock_of_who_made_it(tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now_ms())
    async with inviter(tmp_path, clock) as node:
        invitation = await code_of(node)
        clock.advance(INVITATION_DAYS * 24 * 60 * MINUTE_MS)
        await node.links.reload()
        with pytest.raises(PeerError, match="younger than 7 days"):
            await introduce(invitation, newcomer(SyncKey(b"\7" * 32)), PATIENCE)


@pytest.mark.parametrize("years", [-10, 10])
async def test_the_newcomer_s_clock_does_not_matter(tmp_path: Path, years: int) -> None:
    """Wrong by ten years on the side of the inviter, which is the same: only the difference shows."""
    clock = ManualClock(SystemClock().now_ms() + years * 365 * 24 * 60 * MINUTE_MS)
    async with inviter(tmp_path, clock) as node:
        await introduce(await code_of(node), newcomer(SyncKey(b"\7" * 32)), PATIENCE)


async def test_another_machine_at_that_address_learns_nothing(tmp_path: Path) -> None:
    """It would even let the holder of the code in: but the newcomer compares its key with the code first."""
    async with inviter(tmp_path) as node, machine(tmp_path, 2) as other:
        invitation = await code_of(node)
        other.run()
        await until(lambda: other.links._tasks is not None)
        for found in await node.home.peers.invitations(0):
            await other.home.peers.invite(found, 0)
        await other.links.reload()
        with pytest.raises(PeerError, match="Another machine answers"):
            await introduce(
                PeerInvitation(
                    *(invitation.inviter, invitation.secret, Role.BLIND, True, None, invitation.expires),
                    (parse_address(other.address),),
                ),
                newcomer(SyncKey(b"\7" * 32)),
                PATIENCE,
            )
        assert await other.home.peers.all() == []


async def test_all_addresses_are_tried_and_the_keeper_s_first(tmp_path: Path) -> None:
    async with inviter(tmp_path) as node:
        invitation = await code_of(node)
        dead = PeerInvitation(
            *(invitation.inviter, invitation.secret, invitation.role, True, None, invitation.expires),
            (Address("127.0.0.1", 1),),
        )
        with pytest.raises(PeerError, match=r"not found.*\n  127.0.0.1:1: It cannot be reached"):
            await introduce(dead, newcomer(SyncKey(b"\7" * 32)), PATIENCE)
        found = await introduce(dead, newcomer(SyncKey(b"\7" * 32)), PATIENCE, [parse_address(node.address)])
        assert str(found.address) == node.address


async def test_a_code_without_an_address_asks_for_one() -> None:
    invitation = PeerInvitation(bytes(16), bytes(16), Role.BLIND, True, None, 0, ())
    with pytest.raises(InputError, match="--address"):
        await introduce(invitation, newcomer(SyncKey(b"\7" * 32)), PATIENCE)


async def test_a_holder_of_a_code_that_says_something_else_is_cut_off(tmp_path: Path) -> None:
    from app.sync.certificate import passing_key

    async with inviter(tmp_path) as node:
        invitation = await code_of(node)
        key = passing_key(invitation.secret, invitation.inviter)
        host, _, port = node.address.partition(":")
        stream = await dial(host, int(port), stranger_context(key), PATIENCE)
        await stream.greet()
        await stream.write(Settled(0))
        assert await stream.read() is None
        stream.abort()
        await until(lambda: node.links.notes()["connection"] == 1)


async def test_a_holder_of_a_code_that_says_nothing_is_cut_off(tmp_path: Path) -> None:
    from app.sync.certificate import passing_key

    async with machine(tmp_path, 1) as node:
        node.links._patience = Patience(handshake_s=0.4)
        node.run()
        await until(lambda: node.links._tasks is not None)
        invitation = await code_of(node)
        host, _, port = node.address.partition(":")
        key = passing_key(invitation.secret, invitation.inviter)
        stream = await dial(host, int(port), stranger_context(key), PATIENCE)
        await stream.greet()
        assert await stream.read() is None
        stream.abort()


async def test_only_so_many_codes_are_out(tmp_path: Path) -> None:
    async with inviter(tmp_path) as node:
        for _ in range(INVITATIONS_MAX):
            await invite(node.home, (), Role.BLIND)
        with pytest.raises(ConflictError, match="are out already"):
            await invite(node.home, (), Role.BLIND)


async def test_a_blind_node_invites_nobody(tmp_path: Path) -> None:
    async with machine(tmp_path, 1) as node:
        fields = {field: getattr(node.home, field) for field in Home.__struct_fields__} | {"granting": None}
        with pytest.raises(ForbiddenError):
            await invite(Home(**fields), (), Role.BLIND)


def test_an_answer_with_a_strange_certificate_is_not_pinned() -> None:
    answer = newcomer(SyncKey(b"\7" * 32), certificate=b"no certificate", index=1)
    invitation = PeerInvitation(bytes(16), bytes(16), Role.BLIND, True, None, 0, ())
    with pytest.raises(PeerError):
        pinned(Introduced(answer, Address("a", 1)), invitation, 0)
