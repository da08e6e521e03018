"""The serial port on real pseudo-terminals: bytes both ways, a cable that is pulled, a modem that takes nothing."""

import asyncio
import os
import tty
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from app.errors import DeviceError
from app.radio.serial_link import INPUT_BYTES_MAX, OUTPUT_BYTES_MAX, SerialConnection, SerialLink

pytestmark = pytest.mark.anyio
SOON_S = 5


class Cable:
    """A pseudo-terminal behind a path that stays the same."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug_in()

    def plug_in(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path.symlink_to(os.ttyname(slave))
        self._slave = slave

    def pull(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self.master)


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path / "radio")
    yield cable
    cable.pull()


async def read_all(connection: SerialConnection, news: asyncio.Event, size: int) -> bytes:
    data = b""
    while len(data) < size:
        await news.wait()
        news.clear()
        data += connection.take()
    return data


async def test_bytes_go_both_ways(cable: Cable) -> None:
    news = asyncio.Event()
    link = SerialLink(str(cable.path))
    with anyio.fail_after(SOON_S):
        async with aclosing(link.connections(news)) as connections:
            connection = await anext(connections)
            assert link.fault is None
            os.write(cable.master, b"\xc0\x00\x11\x13\n\r\xc0")
            assert await read_all(connection, news, 7) == b"\xc0\x00\x11\x13\n\r\xc0"
            connection.write(b"\xc0\x06\x0b\x03\x04\xc0")
            while not (data := await anyio.to_thread.run_sync(os.read, cable.master, 100)):
                pass
            assert data == b"\xc0\x06\x0b\x03\x04\xc0"


async def test_a_port_that_vanishes_and_comes_back(cable: Cable) -> None:
    news = asyncio.Event()
    link = SerialLink(str(cable.path), reopen_first_s=0.01)
    with anyio.fail_after(SOON_S):
        async with aclosing(link.connections(news)) as connections:
            connection = await anext(connections)
            cable.pull()
            with pytest.raises(DeviceError) as caught:
                await read_all(connection, news, 1)
            assert "Plug it in again" in caught.value.message
            with pytest.raises(DeviceError):
                connection.write(b"to nobody")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_plug_in_when_missed, link, cable)
                connection = await anext(connections)
            assert link.fault is None
            os.write(cable.master, b"hello")
            assert await read_all(connection, news, 5) == b"hello"


async def _plug_in_when_missed(link: SerialLink, cable: Cable) -> None:
    while link.fault is None:  # noqa: ASYNC110 - another loop sets it
        await anyio.sleep(0.001)
    assert "There is no radio" in link.fault
    cable.plug_in()


async def test_a_file_is_not_a_radio(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a port")
    news = asyncio.Event()
    link = SerialLink(str(file), reopen_first_s=0.01)
    async with aclosing(link.connections(news)) as connections:
        with anyio.move_on_after(0.2):
            await anext(connections)
    assert link.fault is not None
    assert "cannot be opened" in link.fault


async def test_one_port_one_program(cable: Cable) -> None:
    one, other = SerialLink(str(cable.path)), SerialLink(str(cable.path), reopen_first_s=0.01)
    async with (
        aclosing(one.connections(asyncio.Event())) as connections,
        aclosing(other.connections(asyncio.Event())) as others,
    ):
        await anext(connections)
        with anyio.move_on_after(0.2):
            await anext(others)
    assert other.fault is not None
    assert "Another program" in other.fault


async def test_a_modem_that_takes_nothing_is_an_error_not_a_growing_buffer(cable: Cable) -> None:
    news = asyncio.Event()
    link = SerialLink(str(cable.path))
    async with aclosing(link.connections(news)) as connections:
        connection = await anext(connections)
        with pytest.raises(DeviceError) as caught:
            for _ in range(1 + 2 * OUTPUT_BYTES_MAX // 1000):
                connection.write(bytes(1000))
    assert "does not take" in caught.value.message


async def test_input_that_nobody_reads_is_bounded() -> None:
    connection = SerialConnection("test", asyncio.Event())
    for _ in range(3):
        connection.data_received(bytes(INPUT_BYTES_MAX // 2))
    assert connection.dropped_bytes == INPUT_BYTES_MAX // 2
    assert len(connection.take()) == INPUT_BYTES_MAX
