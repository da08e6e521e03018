"""An emulated radio on a pseudo-terminal, in real time, for programs that open a serial port."""

import contextlib
import os
import queue
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from typing import Any

from app.radio.ether import Transmission
from app.radio.field import Field

READ_BYTES_MAX = 4096
STEP_S = 0.02


class RadioPort:
    """The port of one radio of a field. `path` is what a program opens."""

    def __init__(self, field: Field, name: str) -> None:
        self.transmissions: list[Transmission] = []
        self.received = bytearray()
        self._field = field
        self._radio: Any = field.modems[name]
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._unsent = b""
        self._thread = threading.Thread(target=self._serve, name="radio port")

    def call(self, action: Callable[[], None]) -> None:
        """Do something to the radio, between two of its steps."""
        self._calls.put(action)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def _serve(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Empty):
                while True:
                    self._calls.get_nowait()()
            readable, _, _ = select.select([self._master], [], [], STEP_S)
            if readable:
                with contextlib.suppress(BlockingIOError):
                    data = os.read(self._master, READ_BYTES_MAX)
                    self.received += data
                    self._radio.receive(data)
            self.transmissions += [ended for ended, _ in self._field.poll(time.monotonic() * 1000)]
            self._unsent += self._radio.output()
            with contextlib.suppress(BlockingIOError):
                if self._unsent:
                    self._unsent = self._unsent[os.write(self._master, self._unsent) :]


@contextlib.contextmanager
def served(field: Field, name: str) -> Iterator[RadioPort]:
    """The radio's port, for the length of the block."""
    port = RadioPort(field, name)
    port.start()
    try:
        yield port
    finally:
        port.stop()
