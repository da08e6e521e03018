"""A real node with a radio that does what a test says: what is heard comes from the test, what is sent is kept.

The supervisor, the mesh machine, the door, the disk and the node's page are those of a running node; only the port and
its dialect are not. Time stands still until the test moves it.
"""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncGenerator, Awaitable, Callable

import anyio
import httpx

from app.acceptance import Acceptance
from app.clock import ManualClock
from app.core.envelope import envelope_id, seal
from app.core.keys import DeviceKey
from app.core.record import decode_signed
from app.founding import Node
from app.radio.choice import RadioChoice
from app.radio.control import ControlFrame, Message, seal_control
from app.radio.dialects.catalog import DialectName
from app.radio.dialects.dialect import Event, Heard, Ready, Sent
from app.radio.frame import FRAME_BYTES_MAX, EnvelopeFrame, Frame, LinkKeys, NodeIndex, encode_frame
from app.radio.parcel import Signal
from app.radio.profile import EU868
from app.radio.supervisor import RadioSupervisor
from app.server import create_app

SOON_S = 20
STEP_MS = 2_000
MINUTE = 60_000
SIGNAL = Signal(-90, 5.0)
OTHERS = {1: DeviceKey(b"\x11" * 32), 2: DeviceKey(b"\x12" * 32)}
"""The roster's other nodes."""


class Wire:
    """A radio that is always ready, and its port: what the test says is heard, and what the node says is kept."""

    port = "/dev/radio"
    fault: str | None = None
    is_ready = True
    frame_bytes_max = FRAME_BYTES_MAX
    floods_itself = False

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self._events: list[Event] = []
        self.news = asyncio.Event()

    async def connections(self, news: asyncio.Event) -> AsyncGenerator["Wire", None]:
        self.news = news
        yield self
        await asyncio.Event().wait()

    def hear(self, frame: bytes) -> None:
        self._events.append(Heard(frame, SIGNAL))
        self.news.set()

    def take(self) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        assert not data

    def open(self, now_ms: int) -> None:
        self._events.append(Ready())

    def close(self) -> None:
        pass

    def airtime_ms(self, frame_bytes: int) -> float:
        return EU868.frame_airtime_ms(frame_bytes)

    def is_clear(self, now_ms: int) -> bool:
        return True

    def send(self, frame: bytes, now_ms: int) -> None:
        self.sent.append(frame)
        self._events.append(Sent(True))
        self.news.set()

    def receive(self, data: bytes, now_ms: int) -> None:
        assert not data

    def poll(self, now_ms: int) -> bytes:
        return b""

    def deadline_ms(self) -> int | None:
        return None

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events


class Air:
    """A node's radio, and all that is said to it."""

    def __init__(self, node: Node, clock: ManualClock, link: LinkKeys) -> None:
        self.node = node
        self.clock = clock
        self.link = link
        self.wire = Wire()
        self.radio = RadioSupervisor(node, RadioChoice(Wire.port, DialectName.KISS), EU868, random.Random(1))
        self.radio._link = self.wire  # type: ignore[assignment]
        self._heard = 0

    async def hear(self, *frames: bytes) -> None:
        for frame in frames:
            self.wire.hear(frame)
        self._heard += len(frames)
        await eventually(self._is_heard)

    async def _is_heard(self) -> bool:
        return self.radio.status().heard == self._heard

    async def told(self, sender: int, counter: int, message: Message) -> None:
        await self.hear(seal_control(ControlFrame(NodeIndex(sender), counter, message), self.link))

    async def said(self, frame: Frame) -> None:
        await self.hear(encode_frame(frame, self.link))

    async def is_ready(self) -> bool:
        return self.radio.status().is_ready

    async def counts(self, word: str, number: int) -> None:
        """Wait until the page says so."""

        async def is_counted() -> bool:
            return (await self.counted()).get(word) == number

        await eventually(is_counted)

    async def run(self, ms: int) -> float:
        """Let time pass, step by step; what the node says meanwhile, in ms on air."""
        before = len(self.wire.sent)
        for _ in range(ms // STEP_MS):
            self.clock.advance(STEP_MS)
            self.wire.news.set()
            for _ in range(3):
                await anyio.sleep(0.001)
        return sum(EU868.frame_airtime_ms(len(frame)) for frame in self.wire.sent[before:])

    async def page(self) -> str:
        transport = httpx.ASGITransport(create_app(self.node, self.radio))
        async with httpx.AsyncClient(transport=transport, base_url="https://market.local") as client:
            return (await client.get("/node")).text

    async def counted(self) -> dict[str, int]:
        """What the page says was not taken, by word."""
        details = (await self.page()).partition("<details><summary>Not taken")[2].partition("</details>")[0]
        found = re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)</dd>", details)
        return {word: int(count.replace(",", "")) for word, count in found}

    async def holds(self, envelope: bytes) -> bool:
        return await self.node.store.envelopes.get(envelope_id(envelope)) is not None


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(SOON_S):
        while not await condition():  # noqa: ASYNC110 - a thread with the database is waited for
            await anyio.sleep(0.001)


async def kept(air: Air, envelope: bytes) -> None:
    await eventually(lambda: air.holds(envelope))


async def sealed(node: Node, signed_record: bytes) -> bytes:
    """A record as another node would have sealed it."""
    epochs = await node.store.node.epoch_keys(node.identity.space_id)
    return seal(decode_signed(signed_record), epochs[0])


def carrying(envelope: bytes, sender: int, number: int, entry: int | None = None) -> EnvelopeFrame:
    return EnvelopeFrame(NodeIndex(sender), 0, NodeIndex(sender if entry is None else entry), number, envelope)


def garbage(seed: int, size: int) -> bytes:
    """Bytes that look like an envelope from outside."""
    return b"\x12" + random.Random(seed).randbytes(size - 1)


def number_of(acceptance: Acceptance) -> int:
    assert acceptance.log_number is not None
    return acceptance.log_number


Start = Callable[[], contextlib.AbstractAsyncContextManager[Air]]
