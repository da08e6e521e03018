"""The serial ports of this machine, and what is on them: pyserial's list, and a probe on a port. A blocking shell.

`examine` is for commands that run beside a node; a running node asks through serial_link, and learns here only which
ports there are.
"""

import termios
import time
from collections.abc import Sequence

import msgspec
import serial
from serial.tools import list_ports

from app.errors import DeviceError
from app.radio import usb
from app.radio.dialects.catalog import DialectName
from app.radio.probe import Probe

BAUD = 115_200
"""All four firmwares come with it; on native USB it means nothing."""
READ_BYTES_MAX = 4_096
WRITE_S = 2.0
"""A port that takes a hundred bytes no faster does not work."""


class SerialPort(msgspec.Struct, frozen=True):
    """A port as the system lists it. Ports without USB have no ids."""

    device: str
    vendor: int | None
    product: int | None


def serial_ports() -> list[SerialPort]:
    """All ports, those on USB first, each by its name."""
    ports = [SerialPort(port.device, port.vid, port.pid) for port in list_ports.comports()]
    return sorted(ports, key=lambda port: (port.vendor is None, port.device))


class RadioFinder:
    """Finds the ports that a radio may hang on, one after the other: a call gives the next one.

    A port that turned out to be no radio gets its turn again after the others; `keep` stays with one that is.
    """

    def __init__(self) -> None:
        self._last = ""
        self._is_kept = False

    def __call__(self) -> str:
        """The next port. DeviceError when nothing here looks like a radio."""
        devices = [port.device for port in serial_ports() if _may_be_radio(port)]
        if not devices:
            raise DeviceError("No radio was found on any USB port. Plug it in; the node goes on without it.")
        if not (self._is_kept and self._last in devices):
            self._last = next((device for device in devices if device > self._last), devices[0])
        self._is_kept = False
        return self._last

    def keep(self) -> None:
        """There is a radio on the port that was given last: try that one first when it comes back."""
        self._is_kept = True


def order_for(device: str) -> Sequence[DialectName]:
    """In which order the dialects are asked for on a port, by its USB chip."""
    port = next((port for port in serial_ports() if port.device == device), None)
    chip = None if port is None else usb.chip_of(port.vendor, port.product)
    return usb.COMMON_ORDER if chip is None else chip.order


def examine(device: str, order: Sequence[DialectName]) -> Probe:
    """Ask the radio on a port what it speaks, for up to nine seconds. DeviceError when the port can't be used."""
    try:
        with serial.Serial(device, BAUD, exclusive=True, write_timeout=WRITE_S) as port:
            return _converse(port, order)
    except (OSError, ValueError, termios.error) as error:
        raise DeviceError(_sentence(str(error))) from error


def _converse(port: serial.Serial, order: Sequence[DialectName]) -> Probe:
    probe = Probe(order)
    probe.open(_now_ms())
    while not probe.is_over:
        data = probe.poll(_now_ms())
        if data:
            port.write(data)
        deadline_ms = probe.deadline_ms()
        port.timeout = 0.0 if deadline_ms is None else max(0, deadline_ms - _now_ms()) / 1000
        received = port.read(1)
        if received:
            received += port.read(min(port.in_waiting, READ_BYTES_MAX))
            probe.receive(received, _now_ms())
    return probe


def _may_be_radio(port: SerialPort) -> bool:
    return usb.chip_of(port.vendor, port.product) is not None and not usb.is_bootloader(port.vendor, port.product)


def _sentence(error: str) -> str:
    if "No such file" in error:
        return "there is nothing here. Plug the radio in, with a cable that carries data."
    if "lock" in error or "busy" in error.lower():
        return "another program uses it. Stop that program, or the node, and try again."
    if "Permission" in error:
        return "this account may not open it. Add it to the group of serial ports (dialout), and log in again."
    return f"it cannot be opened: {error}"


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
