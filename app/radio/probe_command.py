"""`tntn radio probe`: which radios hang on this machine, and what they speak."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.radio.serial_ports import SerialPort

PORTS_MAX = 16
"""Ports that are examined without being named: nobody has more radios than that on one machine."""
EXIT_NOTHING = 1


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Hang `tntn radio` into the parser of `tntn`."""
    radio = commands.add_parser("radio", help="find out about the radios on this machine")
    verbs = radio.add_subparsers(title="commands", metavar="COMMAND", required=True)
    probe = verbs.add_parser(
        "probe",
        help="say which radios are plugged in and what they speak",
        description="Ask the USB serial ports of this machine, or the one that is named, for a LoRa radio: MeshCore"
        " KISS modem, RNode, RAK RUI3 or Meshtastic. Nothing is sent on air, and nothing is set. Ports behind USB chips"
        " that no LoRa radio is known to use are listed but not asked, unless they are named. Stop a node that uses the"
        " port first.",
        epilog="example:  tntn radio probe --port /dev/ttyUSB0",
    )
    probe.add_argument("--port", metavar="PORT", help="ask this serial port only, whatever is behind it")
    probe.set_defaults(run=_probe)


def _probe(options: argparse.Namespace) -> int:
    from app.radio.serial_ports import SerialPort, serial_ports

    is_named = options.port is not None
    ports = serial_ports()
    if is_named:
        ports = [port for port in ports if port.device == options.port] or [SerialPort(options.port, None, None)]
    found = 0
    for port in ports[:PORTS_MAX]:
        words, is_radio = _examine(port, is_named=is_named)
        print(f"{port.device}: {words}", flush=True)
        found += is_radio
    if not ports:
        print("This machine has no serial port. Plug the radio in, with a cable that carries data.")
    elif not found:
        print("No radio was found. docs/radios.md says which radios work, and how they get their firmware.")
    return 0 if found else EXIT_NOTHING


def _examine(port: "SerialPort", *, is_named: bool) -> tuple[str, bool]:
    """What to say of a port, and whether there is a radio on it."""
    from app.errors import DeviceError
    from app.radio import usb
    from app.radio.serial_ports import examine

    chip = usb.chip_of(port.vendor, port.product)
    if chip is None and not is_named:
        return "no LoRa radio is known to look like this. If it is one, ask it with --port.", False
    if usb.is_bootloader(port.vendor, port.product):
        return "a board that waits for new firmware. Press its reset button once, and try again.", False
    behind = "" if chip is None else f" (behind {chip.name}: {chip.boards})"
    try:
        probe = examine(port.device, usb.COMMON_ORDER if chip is None else chip.order)
    except DeviceError as error:
        return error.message, False
    if probe.finding is not None:
        return f"{probe.finding.describe()}{behind}\n  Use it with: tntn run --radio {port.device}", True
    if probe.words:
        return f"nothing that TNTN speaks{behind}. It says: {probe.words}", False
    return f"no answer{behind}.", False
