"""`tntn radio probe`: what it prints and how it ends."""

import argparse
import random

import pytest

from app.radio import probe_command, serial_ports
from app.radio.field import Field
from app.radio.probe import Probe
from app.radio.serial_ports import SerialPort
from tests.radio.clients.port import served
from tests.radio.emulators.rui3 import Rui3


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    probe_command.add_commands(parser.add_subparsers())
    options = parser.parse_args(["radio", "probe", *arguments])
    code: int = options.run(options)
    return code


def ports(monkeypatch: pytest.MonkeyPatch, *found: SerialPort) -> None:
    monkeypatch.setattr(serial_ports, "serial_ports", lambda: list(found))


def test_a_radio_on_a_named_port(capsys: pytest.CaptureFixture[str]) -> None:
    field = Field([], {}, random.Random(1))
    field.modems["radio"] = Rui3("radio", field.ether, random.Random(2), ECHO="1")  # type: ignore[assignment]
    with served(field, "radio") as port:
        assert run("--port", port.path) == 0
        expected = f"{port.path}: RAK module with RUI3, firmware RUI_4.2.1_RAK3172-E\n"
        assert capsys.readouterr().out == f"{expected}  Use it with: tntn run --radio {port.path}\n"


def test_no_port_at_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ports(monkeypatch)
    assert run() == 1
    assert "no serial port" in capsys.readouterr().out


def test_ports_that_no_radio_is_known_to_have_are_not_touched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ports(monkeypatch, SerialPort("/dev/ttyACM3", 0x046D, 1), SerialPort("/dev/ttyS0", None, None))
    monkeypatch.setattr(serial_ports, "examine", lambda *_: pytest.fail("it was opened"))
    assert run() == 1
    output = capsys.readouterr().out
    assert output.count("ask it with --port") == 2
    assert "docs/radios.md" in output


def test_a_board_in_its_bootloader_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ports(monkeypatch, SerialPort("/dev/ttyACM0", 0x239A, 0x0029))
    monkeypatch.setattr(serial_ports, "examine", lambda *_: pytest.fail("it was opened"))
    assert run() == 1
    assert "reset button" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "words"), [(b"$GPGGA,1\r\n", "It says: $GPGGA,1"), (b"", "no answer (behind WCH CH9102")]
)
def test_something_else_behind_a_known_chip(
    said: bytes, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def examine(device: str, order: object) -> Probe:
        probe = Probe()
        probe.open(0)
        probe.receive(said, 0)
        return probe

    ports(monkeypatch, SerialPort("/dev/ttyUSB0", 0x1A86, 0x55D4))
    monkeypatch.setattr(serial_ports, "examine", examine)
    assert run() == 1
    assert words in capsys.readouterr().out


def test_a_port_that_cannot_be_opened_is_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ports(monkeypatch)
    assert run("--port", "/dev/there-is-none") == 1
    assert "/dev/there-is-none: there is nothing here." in capsys.readouterr().out
