"""One session with one peer, for as long as its stream lasts: messages in, effects done, messages out. A shell.

Messages are read one at a time, and only while little is left to do; appends are done one after the other, questions
beside them; what goes out waits in one queue. Each of these is bounded. What the peer breaks ends this session, and
nothing else.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar, cast

import msgspec

from app.errors import PeerError, StoreError, TntnError
from app.sync import effects
from app.sync.effects import Effect
from app.sync.log import Placed
from app.sync.message import BlobMessage, BlobName, Bye, Challenge, Hello, Message, encode_message
from app.sync.proof import prove
from app.sync.surroundings import BlobDesk, Surroundings, answer, hold_all
from app.sync.tls import Stream

WORK_MAX = 64
"""Effects that wait for the disk before the next message is read: a few MB, with batches of 128 KiB."""
OUTGOING_BYTES_MAX = 8 << 20
"""What waits for the peer to read. A session that keeps to its credit owes an eighth of it."""
WRITE_BYTES = 256 << 10
"""Small messages that wait go out together."""
GOODBYE_S = 1.0
"""For the last word to a peer before the stream ends."""

E = TypeVar("E", bound=BaseException)


class Machine(Protocol):
    """The session's own part: app/sync/session.py."""

    def start(self) -> list[Effect]: ...
    def receive(self, message: Message, now_ms: int) -> list[Effect]: ...
    def done(self, effect: Effect, result: object, now_ms: int) -> list[Effect]: ...
    def news(self, entries: Sequence[Placed], now_ms: int) -> list[Effect]: ...
    def tick(self, now_ms: int) -> list[Effect]: ...
    def deadline_ms(self) -> int | None: ...
    def challenge(self, challenge: Challenge, now_ms: int) -> list[Effect]: ...


class Tally(msgspec.Struct):
    """What a session has done so far."""

    moved: int = 0
    """Envelopes that the peer or this node took in."""
    heard_ms: int = 0
    settled: bool = False
    """Both have what the other knows."""
    alike: bool = False
    word: str | None = None
    """The peer's last word."""


class _Ended(Exception):  # noqa: N818 - no error: how the tasks of a session end each other
    """The session is over; the word is sent to the peer, unless it is empty."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Runner:
    """Runs one session. `run` ends when the link is cut, the peer breaks the protocol, or `end` is called."""

    def __init__(self, machine: Machine, stream: Stream, around: Surroundings) -> None:
        self._machine = machine
        self._stream = stream
        self._around = around
        self._desk = None if around.desk is None else around.desk(self._send_later)
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()  # an empty one ends it
        self._outgoing_bytes = 0
        self._appends: asyncio.Queue[effects.Append] = asyncio.Queue()
        self._questions: asyncio.Queue[Effect] = asyncio.Queue()
        self._for_desk: asyncio.Queue[effects.Blobs | effects.OfferBlobs] = asyncio.Queue()
        self._progress = asyncio.Event()
        self._written = asyncio.Event()
        self._wake = asyncio.Event()
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.tally = Tally(heard_ms=around.now_ms())
        self.notes: Counter[str] = Counter()

    async def run(self) -> str | None:
        """Until it is over. A sentence when the peer broke the protocol or the disk refused, else None."""
        fault: str | None = None
        word: str | None = None  # cancelled, unless one of these says otherwise
        try:
            async with asyncio.TaskGroup() as tasks:
                self._do(self._machine.start())
                for work in (self._read, self._write, self._append, self._answer, self._tick, self._wait_for_end):
                    tasks.create_task(work(), name=f"sync: {work.__name__.strip('_')}")
                if self._desk is not None:
                    tasks.create_task(self._desk.run(), name="sync: blobs")
                    tasks.create_task(self._ask_desk(self._desk), name="sync: ask for blobs")
        except* _Ended as ended:
            word = _first(ended, _Ended).word
        except* PeerError as error:
            fault, word = _first(error, PeerError).message, "protocol"
            self.notes["protocol"] += 1
        except* StoreError as error:
            fault, word = _first(error, StoreError).message, "disk"
        except* OSError:
            word = ""
            self.notes["cut"] += 1
        finally:
            await self._leave(word)
        return fault

    def end(self, word: str) -> None:
        """End it soon; the peer is told this word."""
        if not self._end.done():
            self._end.set_result(word)

    def news(self, entries: Sequence[Placed]) -> None:
        """These are new here: the peer gets them now."""
        try:
            self._do(self._machine.news(entries, self._around.now_ms()))
        except PeerError:  # it does not read what it gets
            self.notes["protocol"] += 1
            self.end("protocol")

    def challenge(self, challenge: Challenge) -> None:
        """Ask the peer to prove that it holds these, unless it is at one already."""
        self._do(self._machine.challenge(challenge, self._around.now_ms()))

    def tell(self, blobs: Sequence[BlobName]) -> None:
        """These blobs are new here: the peer hears of them."""
        if self._desk is not None:
            self._desk.tell(blobs)

    # The tasks of a session

    async def _read(self) -> None:
        while True:
            message = await self._stream.read()
            if message is None:
                raise _Ended("")
            self.tally.heard_ms = self._around.now_ms()
            if isinstance(message, Bye):
                self.tally.word = message.word
                raise _Ended("")
            self._do(self._machine.receive(message, self._around.now_ms()))
            if isinstance(message, Hello):
                await self._meet(message)
            while self._appends.qsize() + self._questions.qsize() + self._for_desk.qsize() > WORK_MAX:
                self._progress.clear()
                await self._progress.wait()

    async def _meet(self, hello: Hello) -> None:
        """A machine that was restored has another index than its pin: the next session begins with that."""
        if hello.index != self._around.via:
            await self._around.on_index(hello.index)
            raise _Ended("again")

    async def _write(self) -> None:
        while True:
            frame = await self._outgoing.get()
            frames = bytearray(frame)
            while frame and len(frames) < WRITE_BYTES and not self._outgoing.empty():
                frame = self._outgoing.get_nowait()
                frames += frame
            await self._stream.write_frames(bytes(frames))
            self._outgoing_bytes -= len(frames)
            self._written.set()
            if not frame:
                raise _Ended("")

    async def _append(self) -> None:
        while True:
            effect = await self._appends.get()
            held = await self._around.log.append(effect.batch, self._around.via)
            self.tally.moved += sum(held)
            if self._around.on_new is not None:
                self._around.on_new(
                    [one for one, is_held in zip(effect.batch, held, strict=True) if is_held], self._around.via
                )
            self._done(effect, held)

    async def _answer(self) -> None:
        while True:
            effect = await self._questions.get()
            match effect:
                case effects.Holds(ids):
                    self.tally.moved += len(ids)
                    await self._around.hold(ids, self._around.via)
                case effects.HoldsAll(keys):
                    await hold_all(keys, self._around)
                case effects.Proved(challenge, digest):
                    await self._judge(challenge, digest)
                case _:
                    self._done(effect, await answer(effect, self._around.log, self._around.blobs))
            self._progress.set()

    async def _ask_desk(self, desk: BlobDesk) -> None:
        while True:
            effect = await self._for_desk.get()
            if isinstance(effect, effects.Blobs):
                await desk.receive(effect.message)
            else:
                await desk.offer(effect.keys)
            self._progress.set()

    async def _tick(self) -> None:
        while True:
            self._wake.clear()
            deadline_ms, now_ms = self._machine.deadline_ms(), self._around.now_ms()
            if deadline_ms is not None and deadline_ms <= now_ms:
                self._do(self._machine.tick(now_ms))
                await asyncio.sleep(0)
                continue
            timeout_s = None if deadline_ms is None else (deadline_ms - now_ms) / 1000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()

    async def _wait_for_end(self) -> None:
        raise _Ended(await self._end)

    # Effects

    def _do(self, asked: Sequence[Effect]) -> None:
        for effect in asked:
            match effect:
                case effects.Send(message):
                    self._send(message)
                case effects.Append():
                    self._appends.put_nowait(effect)
                case effects.Blobs() | effects.OfferBlobs():
                    self._give_desk(effect)
                case effects.Settled(alike):
                    self.tally.settled, self.tally.alike = True, alike
                case effects.Note(word):
                    self.notes[word] += 1
                case effects.Refused(ids):
                    self.notes["refused-by-peer"] += len(ids)
                case effects.Close(word):
                    self.notes[f"closed-{word}"] += 1
                    self._outgoing.put_nowait(b"")
                case _:
                    self._questions.put_nowait(effect)
        self._wake.set()

    def _done(self, effect: Effect, result: object) -> None:
        self._do(self._machine.done(effect, result, self._around.now_ms()))
        self._progress.set()

    def _give_desk(self, effect: "effects.Blobs | effects.OfferBlobs") -> None:
        if self._desk is None:
            raise PeerError("The peer speaks of photos, which the two do not keep for each other.")
        self._for_desk.put_nowait(effect)

    async def _judge(self, challenge: Challenge, digest: bytes) -> None:
        ours = await prove(challenge, self._around.log, self._around.blobs)
        if not ours:
            return  # something named has gone here meanwhile: nothing is shown by either answer
        if digest != ours:
            self.notes["not-proved"] += 1
        await self._around.on_proof(digest == ours)

    def _send(self, message: Message) -> None:
        frame = encode_message(message)
        self._outgoing_bytes += len(frame)
        if self._outgoing_bytes > OUTGOING_BYTES_MAX:
            raise PeerError("The peer asks for more than it reads.")
        self._outgoing.put_nowait(frame)

    async def _send_later(self, message: BlobMessage) -> None:
        """For the blobs' part: waits while much is on its way, so that notices never stand behind photos for long."""
        while self._outgoing_bytes > WRITE_BYTES:
            self._written.clear()
            await self._written.wait()
        self._send(message)

    async def _leave(self, word: str | None) -> None:
        """The last word, as far as the peer listens; none when the node stops, which waits for nobody."""
        self._end.cancel()
        if word is None:
            self._stream.abort()
        if word:
            with contextlib.suppress(OSError, TntnError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._stream.write_frames(encode_message(Bye(word)))
        await self._stream.close()


def _first(group: BaseExceptionGroup[E], kind: type[E]) -> E:
    """One error of a group, however deep: several tasks of a session may end at once."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return _first(cast("BaseExceptionGroup[E]", error), kind)
        if isinstance(error, kind):
            return error
    raise AssertionError(group)
