"""The serial port: the only module that touches pyserial and pyserial-asyncio (docs/adr explains why).

A port may vanish and come back at any moment: a cable, a hub, a modem that restarts. `connections` yields one open
connection after the other, for as long as it is iterated.
"""

import asyncio
import contextlib
import logging
import termios
from collections.abc import AsyncGenerator, Callable

import serial
import serial_asyncio

from app.errors import DeviceError

BAUD = 115_200
INPUT_BYTES_MAX = 64 * 1024
"""Six seconds of the line at full speed: a reader that is later than that has lost its packets anyway."""
OUTPUT_BYTES_MAX = 16 * 1024
"""A modem that leaves this much unread does not work."""
SOME_PORT = "any USB port"
"""What stands for the port until one was found."""
REOPEN_FIRST_S = 0.5
REOPEN_MAX_S = 15.0
"""A radio that is plugged in again is back within this time."""

_log = logging.getLogger(__name__)


class SerialConnection(asyncio.Protocol):
    """One open port. `news` is set when bytes came in, and when the port is lost."""

    def __init__(self, port: str, news: asyncio.Event) -> None:
        self.dropped_bytes = 0
        self._port = port
        self._news = news
        self._transport: asyncio.WriteTransport | None = None
        self._input = bytearray()
        self._opened = asyncio.Event()
        self._closed = asyncio.Event()

    async def opened(self) -> None:
        """Wait until the transport stands."""
        await self._opened.wait()

    def take(self) -> bytes:
        """What has come in, none or more; `news` is set when there is more. DeviceError when the port is gone."""
        if self._closed.is_set() and not self._input:
            raise DeviceError(f"The radio on {self._port} is gone. Plug it in again; the node goes on without it.")
        data = bytes(self._input)
        self._input.clear()
        if self._closed.is_set():
            self._news.set()  # the loss is still to be told
        return data

    def write(self, data: bytes) -> None:
        """Queue bytes for the port. DeviceError when it is gone or takes nothing."""
        transport = self._transport
        if transport is None or self._closed.is_set() or transport.is_closing():
            raise DeviceError(f"The radio on {self._port} is gone. Plug it in again; the node goes on without it.")
        if transport.get_write_buffer_size() + len(data) > OUTPUT_BYTES_MAX:
            raise DeviceError(f"The radio on {self._port} does not take what is sent to it.")
        transport.write(data)

    async def close(self) -> None:
        """Let the port go."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            # What the modem has not taken must not hold up the loop: closing waits for it.
            with contextlib.suppress(serial.SerialException, termios.error, OSError):
                transport.get_extra_info("serial").reset_output_buffer()
            transport.abort()
        await self._closed.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._opened.set()

    def data_received(self, data: bytes) -> None:
        room = INPUT_BYTES_MAX - len(self._input)
        self._input += data[:room]
        self.dropped_bytes += max(0, len(data) - room)
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
        self._news.set()


class SerialLink:
    """A port, opened again and again. `fault` says why it is not open, None while it is.

    The port is a path, or a function that finds one each time: it may take its time, and raises DeviceError when there
    is none. `port` is the one that was opened last.
    """

    def __init__(self, port: str | Callable[[], str], reopen_first_s: float = REOPEN_FIRST_S) -> None:
        self.port = port if isinstance(port, str) else SOME_PORT
        self._find: Callable[[], str] = (lambda: port) if isinstance(port, str) else port
        self.fault: str | None = "The radio has not been opened yet."
        self._reopen_first_s = reopen_first_s

    async def connections(self, news: asyncio.Event) -> AsyncGenerator[SerialConnection, None]:
        """Open connections, each after the one before is lost or given up; waits as long as there is none."""
        delay_s = self._reopen_first_s
        while True:
            try:
                connection = await self._open(news)
            except DeviceError as error:
                if self.fault != error.message:
                    _log.warning("%s", error.message)
                self.fault = error.message
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, REOPEN_MAX_S)
                continue
            self.fault = None
            delay_s = self._reopen_first_s
            try:
                yield connection
            finally:
                await connection.close()
            await asyncio.sleep(delay_s)

    async def _open(self, news: asyncio.Event) -> SerialConnection:
        """Opening can block for seconds: it happens in a thread."""
        opening = asyncio.ensure_future(asyncio.to_thread(self._open_port))
        try:
            device = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise
        connection = SerialConnection(self.port, news)
        await serial_asyncio.connection_for_serial(asyncio.get_running_loop(), lambda: connection, device)
        await connection.opened()
        return connection

    def _open_port(self) -> serial.Serial:
        self.port = self._find()
        try:
            return serial.Serial(self.port, BAUD, exclusive=True)
        except FileNotFoundError as error:
            raise DeviceError(_missing(self.port)) from error
        except (OSError, ValueError, termios.error) as error:
            if "No such file" in str(error):
                raise DeviceError(_missing(self.port)) from error
            if "lock" in str(error):
                raise DeviceError(
                    f"Another program uses the radio on {self.port}. Stop it, and it is tried again."
                ) from error
            raise DeviceError(f"The radio on {self.port} cannot be opened: {error}") from error


def _missing(port: str) -> str:
    return f"There is no radio on {port}. Plug it in; the node goes on without it."


def _close_unwanted(opening: "asyncio.Future[serial.Serial]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
