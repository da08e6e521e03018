"""The probe on real pseudo-terminals: found, silent, missing, in use."""

import os
import pty
import random
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from serial.tools import list_ports

from app.errors import DeviceError
from app.radio import serial_ports as module
from app.radio.dialects.catalog import DialectName
from app.radio.field import Field
from app.radio.probe import Finding
from app.radio.serial_ports import RadioFinder, SerialPort, examine, order_for, serial_ports
from app.radio.usb import COMMON_ORDER
from tests.radio.clients.port import served
from tests.radio.emulators.rnode import Rnode


@pytest.fixture
def terminal() -> Iterator[str]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_radio_is_found() -> None:
    field = Field([], {}, random.Random(1))
    field.modems["radio"] = Rnode("radio", field.ether, random.Random(2))  # type: ignore[assignment]
    with served(field, "radio") as port:
        probe = examine(port.path, [DialectName.RNODE, *COMMON_ORDER])
    assert probe.finding == Finding(DialectName.RNODE, "1.85")


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="nothing here"):
        examine(str(tmp_path / "ttyUSB9"), COMMON_ORDER)


def test_a_port_that_is_in_use(terminal: str) -> None:
    with serial.Serial(terminal, exclusive=True), pytest.raises(DeviceError, match="another program"):
        examine(terminal, COMMON_ORDER)


def test_the_list_has_usb_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def port(device: str, vendor: int | None, product: int | None) -> Any:
        listed = list_ports.comports.__globals__["list_ports_common"].ListPortInfo(device)
        listed.vid, listed.pid = vendor, product
        return listed

    found = [port("/dev/ttyS0", None, None), port("/dev/ttyUSB0", 0x10C4, 0xEA60), port("/dev/ttyACM0", 1, 2)]
    monkeypatch.setattr(list_ports, "comports", lambda: found)
    assert serial_ports() == [
        SerialPort("/dev/ttyACM0", 1, 2),
        SerialPort("/dev/ttyUSB0", 0x10C4, 0xEA60),
        SerialPort("/dev/ttyS0", None, None),
    ]


def test_the_finder_tries_one_port_after_the_other_and_stays_with_a_radio(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = (0x10C4, 0xEA60)
    plugged_in = [
        SerialPort("/dev/ttyACM0", 0x239A, 0x0029),  # waits for firmware
        SerialPort("/dev/ttyUSB0", *chip),
        SerialPort("/dev/ttyUSB1", *chip),
        SerialPort("/dev/ttyS0", None, None),
    ]
    monkeypatch.setattr(module, "serial_ports", lambda: plugged_in)
    find = RadioFinder()
    assert [find(), find(), find()] == ["/dev/ttyUSB0", "/dev/ttyUSB1", "/dev/ttyUSB0"]
    find.keep()
    assert [find(), find()] == ["/dev/ttyUSB0", "/dev/ttyUSB1"]
    find.keep()
    del plugged_in[2]
    assert find() == "/dev/ttyUSB0"
    plugged_in.clear()
    with pytest.raises(DeviceError, match="any USB port"):
        find()


def test_the_chip_says_what_to_ask_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "serial_ports", lambda: [SerialPort("/dev/ttyUSB0", 0x1A86, 0x7523)])
    assert order_for("/dev/ttyUSB0")[0] is DialectName.RUI3
    assert order_for("/dev/pts/7") == COMMON_ORDER
