"""`tntn record inspect`: what it shows with and without keys, and what it says to bytes that are neither."""

import io
from pathlib import Path

import anyio.to_thread
import pytest

from app.__main__ import EXIT_REFUSED, main
from app.founding import Node
from tests.people import Person

pytestmark = pytest.mark.anyio


async def inspect(*arguments: object) -> int:
    return await anyio.to_thread.run_sync(main, ["record", "inspect", *map(str, arguments)])


def folder(node: Node) -> Path:
    return node.store.database.path.parent


@pytest.fixture
async def envelope(node: Node, person: Person) -> bytes:
    """Ada's post, as Market Square sealed it."""
    await node.door.post(person.introduce())
    await node.door.post(person.write("Lost: a gray cat with one white ear. Please call."))
    return (await node.store.envelopes.after(0, 10))[-1].envelope


async def test_without_keys_the_outside_is_shown(envelope: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert await inspect(envelope.hex()) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"envelope, {len(envelope)} bytes")
    assert "hint" in out
    assert "sealed" in out
    assert "gray cat" not in out
    assert "With --data" in out


async def test_with_keys_it_is_opened_and_checked(
    node: Node, envelope: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    spaced = envelope.hex(":")
    assert await inspect(spaced, "--data", folder(node)) == 0
    out = capsys.readouterr().out
    assert "2: post" in out
    assert "“Lost: a gray cat" in out
    assert "holds, by “Ada” in the roster" in out


async def test_a_record_is_told_from_an_envelope(
    node: Node, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    introduction = person.introduce()
    assert await inspect(introduction.hex()) == 0
    assert "signed record" in (out := capsys.readouterr().out)
    assert "was not checked" in out
    assert await inspect(introduction.hex(), "--data", folder(node)) == 0
    assert "holds, by the key it introduces" in capsys.readouterr().out


async def test_a_forged_signature_is_told(node: Node, person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    await node.door.post(person.introduce())
    good = person.write("Free plums")
    forged = good[:-1] + bytes([good[-1] ^ 1])
    assert await inspect(forged.hex(), "--data", folder(node)) == EXIT_REFUSED
    streams = capsys.readouterr()
    assert "Free plums" in streams.out
    assert "does NOT fit “Ada”" in streams.err


async def test_a_strangers_record_is_not_checked(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = Person(node.identity.space_id, "Eve", b"\x07" * 32).write("Free plums for everybody")
    assert await inspect(stranger.hex(), "--data", folder(node)) == 0
    assert "does not know the author's key" in capsys.readouterr().out


async def test_a_changed_envelope_is_told(node: Node, envelope: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    changed = envelope[:-1] + bytes([envelope[-1] ^ 1])
    assert await inspect(changed.hex(), "--data", folder(node)) == EXIT_REFUSED
    streams = capsys.readouterr()
    assert "sealed" in streams.out
    assert "No key of this node fits" in streams.err


async def test_a_cut_record_is_explained_as_far_as_it_goes(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    cut = person.write("x")[:7] + bytes(64)
    assert await inspect(cut.hex(), "--as", "record") == EXIT_REFUSED
    streams = capsys.readouterr()
    assert "sequence" in streams.out
    assert "ends before its kind" in streams.err


async def test_the_bytes_can_come_by_stdin(
    person: Person, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(person.write("Free plums").hex(" ") + "\n"))
    assert await inspect("-") == 0
    assert "“Free plums”" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("zz", "“z” is no hex digit"),
        ("123", "a digit is missing"),
        ("", "no bytes"),
        ("12" * 40, "at least 94 bytes"),
        ("22" * 120, "version 2"),
        ("ab" * 40_000, "longer than any envelope"),
    ],
)
async def test_what_is_no_record_is_refused_with_a_reason(
    text: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await inspect(text) == EXIT_REFUSED
    assert why in capsys.readouterr().err
