"""`tntn airtime` and `tntn ether`, as they are typed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.__main__ import main


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_airtime_prints_a_plain_number(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("airtime", "--sf", "9", "--bw", "125", "--cr", "5", "--preamble", "8", "--bytes", "10")
    assert run(*arguments, capsys=capsys) == (0, "144.384\n", "")


@pytest.mark.parametrize(
    ("options", "milliseconds"),
    [
        (("--sf", "12", "--bytes", "13", "--ldro", "off"), "1155.072"),
        (("--sf", "8", "--bw", "250", "--cr", "8", "--preamble", "32", "--bytes", "10", "--implicit-header"), "69.888"),
        (("--sf", "9", "--bytes", "10", "--no-crc"), "123.904"),
    ],
)
def test_airtime_options(options: tuple[str, ...], milliseconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("airtime", *options, capsys=capsys) == (0, milliseconds + "\n", "")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--sf", "4", "--bytes", "10"), "--sf"),
        (("--sf", "9", "--bytes", "256"), "--bytes"),
        (("--sf", "9", "--bytes", "10", "--bw", "126.9"), "--bw"),
        (("--sf", "9", "--bytes", "10", "--cr", "9"), "--cr"),
        (("--sf", "9", "--bytes", "10", "--preamble", "2"), "--preamble"),
    ],
)
def test_airtime_names_what_is_wrong(options: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, error = run("airtime", *options, capsys=capsys)
    assert (code, output) == (1, "")
    assert error.startswith(f"tntn: {named}: ")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--nodes", "a,a"), "--nodes"),
        (("--nodes", "a,b", "--link", "a:c=120"), "--link"),
        (("--nodes", "a,b", "--link", "a:b=near"), "--link"),
        (("--loss", "2"), "--loss"),
        (("--speed", "0"), "--speed"),
    ],
)
def test_ether_names_what_is_wrong(options: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run("ether", *options, capsys=capsys)
    assert code == 1
    assert error.startswith(f"tntn: {named}: ")


def test_the_ether_runs_until_it_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app", "ether", "--nodes", "a,b", "--link", "a:b=110", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ether:
        assert ether.stdout is not None
        lines = [ether.stdout.readline().strip() for _ in range(3)]
        assert lines == [f"a {tmp_path / 'a'}", f"b {tmp_path / 'b'}", "ready"]
        assert (tmp_path / "a").resolve().is_char_device()
        ether.send_signal(signal.SIGTERM)
        assert ether.wait(5) == 0
    assert not (tmp_path / "a").is_symlink()
