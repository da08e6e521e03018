"""The command line: help that reads, errors that say what to do, and the verbs that need no server."""

from pathlib import Path

import pytest

from app.__main__ import EXIT_REFUSED, EXIT_USAGE, main
from app.core.membership import decode_invitation
from app.founding import Node


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == EXIT_USAGE
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["node"],
        ["node", "invite"],
        ["node", "keeper-link"],
        ["import"],
        ["import", "usda-markets"],
        ["record"],
        ["record", "inspect"],
        ["airtime"],
        ["ether"],
        ["peer"],
        ["peer", "invite"],
        ["peer", "add"],
        ["peer", "list"],
        ["peer", "remove"],
        ["demo"],
    ],
)
def test_every_command_explains_itself(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main([*command, "--help"])
    assert ending.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: tntn")
    assert len(out.splitlines()) > 4


@pytest.mark.parametrize("port", ["-1", "65536", "http", ""])
def test_a_wrong_port_is_named(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["run", "--http", port])
    assert ending.value.code == EXIT_USAGE
    assert "is no port" in capsys.readouterr().err


def test_a_community_is_founded_or_joined_not_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--community", "Upper Valley", "--join", "tntn1-x"])
    assert "not allowed with" in capsys.readouterr().err


def test_inviting_from_a_folder_without_a_node_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["node", "invite", "--data", str(tmp_path / "nowhere")]) == EXIT_REFUSED
    assert "There is no node in" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.anyio
async def test_the_invitation_that_is_printed_is_one(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import anyio.to_thread

    assert await anyio.to_thread.run_sync(main, ["node", "invite", "--data", str(tmp_path / "data")]) == 0
    invitation = decode_invitation(capsys.readouterr().out.strip())
    assert (invitation.community, invitation.index) == ("Upper Valley", 1)
    assert await anyio.to_thread.run_sync(main, ["node", "keeper-link", "--data", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out.startswith("/node/keeper/")
