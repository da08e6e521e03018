"""`tntn peer`: the commands by themselves, and a node and a blind store in processes of their own."""

import argparse
import asyncio
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.__main__ import build_parser, main
from app.clock import SystemClock
from app.founding import start_node
from app.serving import only_here
from app.store.database import open_database
from app.store.peers import Peer, PeerStore
from app.sync.address import DEFAULT_PORT, Address
from app.sync.certificate import SyncKey
from app.sync.invitation import decode_peer_invitation
from app.sync.message import Role
from tests.robustness.node_process import NodeProcess, free_port

KEY = SyncKey(b"k" * 32)
NAS = Peer(KEY.peer_id, KEY.certificate, "Cellar", 7, Role.BLIND, True, 500, (), 0)
SECONDS_MAX = 30.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a founded node that does not run."""

    async def found() -> None:
        await (await start_node(tmp_path / "data", SystemClock(), "Mill Bridge", "Upper Valley")).close()

    asyncio.run(found())
    return tmp_path / "data"


def pin(data: Path, peer: Peer) -> None:
    async def pinned() -> None:
        database = await open_database(data)
        try:
            await PeerStore(database).pin(peer)
        finally:
            await database.close()

    asyncio.run(pinned())


def peer(*arguments: str, data: Path) -> int:
    return main(["peer", *arguments, "--data", str(data)])


def test_a_code_names_what_was_asked_for(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--blind", "--no-photos", "--quota", "500", "--address", "Mill.local", "--address", "[fd00::1]:5")
    assert peer("invite", *asked, data=data) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1  # no QR where nobody looks at a screen
    invitation = decode_peer_invitation(printed)
    assert (invitation.role, invitation.photos, invitation.quota_mb) == (Role.BLIND, False, 500)
    assert invitation.addresses == (Address("mill.local", DEFAULT_PORT), Address("fd00::1", 5))


def test_a_code_for_a_member_is_what_it_is_without_words(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert peer("invite", data=data) == 0
    invitation = decode_peer_invitation(capsys.readouterr().out)
    assert (invitation.role, invitation.photos, invitation.quota_mb) == (Role.MEMBER, True, None)
    assert all(address.port == DEFAULT_PORT for address in invitation.addresses)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("invite", "--quota", "5"), "say --blind too"),
        (("invite", "--address", "a b"), "is no address"),
        (("add", "nonsense"), "starts with PEER1-"),
        (("add", "tntn1-abc"), "--join"),
        (("remove", "Nobody"), "no peer called 'Nobody'"),
    ],
)
def test_what_cannot_be_done_is_told(
    data: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str
) -> None:
    assert peer(*arguments, data=data) == 1
    assert why in capsys.readouterr().err


def test_without_a_node_there_are_no_peers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (["invite"], ["list"], ["remove", "Cellar"]):
        assert peer(*verb, data=tmp_path / "nowhere") == 1
        assert "There is no node in" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_the_list_is_a_table(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert peer("list", data=data) == 0
    assert "No peers yet" in capsys.readouterr().out
    pin(data, NAS)
    with only_here(data):  # as a running node does
        assert peer("list", data=data) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "Name    Role           State  Last seen  Holds   Id",
        f"Cellar  blind, 500 MB  away   never      0 of 1  {KEY.peer_id.hex()[:8]}",
    ]
    assert peer("list", data=data) == 0
    assert "This node is not running" in capsys.readouterr().out


def test_a_peer_is_removed_by_its_name(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pin(data, NAS)
    assert peer("remove", "Cellar", data=data) == 0
    assert capsys.readouterr().out == "Cellar is let in no more.\n"
    assert peer("remove", "Cellar", data=data) == 1


def test_a_code_for_a_member_needs_a_node(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert peer("invite", data=data) == 0
    assert peer("add", capsys.readouterr().out, data=tmp_path / "empty") == 1
    assert "tntn run --join CODE" in capsys.readouterr().err
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize("verb", ["invite", "add", "list", "remove"])
def test_the_help_reads_well(verb: str) -> None:
    parser: argparse.ArgumentParser = build_parser()
    for name in ("peer", verb):
        (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        parser = commands.choices[name]
    text = parser.format_help()
    assert parser.description is not None and parser.description.endswith(".")
    assert max(map(len, text.splitlines())) <= 100
    assert "None" not in text


@pytest.mark.anyio
async def test_a_blind_store_is_paired_runs_and_is_let_go(tmp_path: Path) -> None:
    """All as a keeper does it: invite on the node, add on the NAS, run it, look, remove."""
    for folder in ("mill", "nas"):
        (tmp_path / folder).mkdir()
    mill, nas = NodeProcess(tmp_path / "mill"), NodeProcess(tmp_path / "nas")
    port = free_port()
    try:
        await mill.start("--sync", str(port), "--name", "Mill Bridge")
        await mill.answers()
        code = await tntn("invite", "--blind", "--address", f"127.0.0.1:{port}", data=mill.data)
        assert await tntn("add", "-", "--name", "Cellar", data=nas.data, given=code) == (
            f"Mill Bridge is a peer now.\nStart this node: tntn run --data {nas.data}\n"
        )
        await nas.start("--sync", str(free_port()))
        await nas.answers()
        listed = await until_listed(mill.data, "connected  now        1 of 1")
        assert re.search(r"^Cellar +blind ", listed, re.M)
        async with httpx.AsyncClient() as client:
            page = (await client.get(nas.url)).text
            assert "Sealed records" in page and "1 of 1" in page
            assert (await client.get(f"{nas.url}/boards/bulletin")).status_code == 404
        assert await tntn("remove", "Cellar", data=mill.data) == "Cellar is let in no more.\n"
        await until_listed(nas.data, "away")
        assert await nas.stop() == 0
        assert await mill.stop() == 0
        assert "Traceback" not in mill.output.read_text() + nas.output.read_text()
    finally:
        await mill.kill()
        await nas.kill()


async def until_listed(data: Path, words: str) -> str:
    async with asyncio.timeout(SECONDS_MAX):
        while words not in (listed := await tntn("list", data=data)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return listed


async def tntn(*arguments: str, data: Path, given: str = "") -> str:
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "app", "peer", *arguments, "--data", str(data)],
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
