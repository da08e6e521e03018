"""The runner over a real stream: effects in their order, bounded queues, and what ends a session."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from app.core.envelope import EnvelopeId, envelope_id
from app.errors import PeerError, StoreFullError
from app.radio.span import Span
from app.sync import runner as runner_module
from app.sync.effects import (
    Append,
    Close,
    Effect,
    Find,
    Get,
    Holds,
    HoldsAll,
    Note,
    OfferBlobs,
    Prove,
    Proved,
    ReadKeys,
    ReadVector,
    Refused,
    Send,
    Settled,
)
from app.sync.log import Placed
from app.sync.message import BLOBS_EPOCH, BlobGone, BlobMessage, BlobName, Bye, Challenge, Hello, Message, Role
from app.sync.message import Settled as SettledMessage
from app.sync.runner import Runner
from app.sync.surroundings import Surroundings
from app.sync.tls import Stream
from tests.sync.homes import DictLog, NoBlobs, until
from tests.sync.streams import two_ends

pytestmark = pytest.mark.anyio
ENTRY = Placed(3, 1, b"e" * 100)
NAME = envelope_id(ENTRY.envelope)
HELLO = Hello(5, Role.MEMBER, b"s" * 8, b"t" * 8, False)


class Script:
    """A session that asks for what it is told to ask, and keeps what it hears."""

    def __init__(self, *first: Effect, deadline_ms: int | None = None) -> None:
        self.first = list(first)
        self.heard: list[Message] = []
        self.results: list[tuple[Effect, object]] = []
        self.ticks = 0
        self.due_ms = deadline_ms
        self.answer: Callable[[Message], list[Effect]] = lambda _: []

    def start(self) -> list[Effect]:
        return self.first

    def receive(self, message: Message, now_ms: int) -> list[Effect]:
        self.heard.append(message)
        return self.answer(message)

    def done(self, effect: Effect, result: object, now_ms: int) -> list[Effect]:
        self.results.append((effect, result))
        return []

    def news(self, entries: Sequence[Placed], now_ms: int) -> list[Effect]:
        return [Note("news")]

    def challenge(self, challenge: Challenge, now_ms: int) -> list[Effect]:
        return [Send(challenge)]

    def tick(self, now_ms: int) -> list[Effect]:
        self.ticks += 1
        self.due_ms = None
        return []

    def deadline_ms(self) -> int | None:
        return self.due_ms


class SlowLog(DictLog):
    """A log whose disk takes its time, or is full."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_full = False
        self.order: list[int] = []

    async def append(self, arrived: Sequence[Placed], via: int) -> Sequence[bool]:
        await self.gate.wait()
        if self.is_full:
            raise StoreFullError("This node's disk is full.")
        self.order += [placed.number for placed in arrived]
        return await super().append(arrived, via)


class Bench:
    """A runner at one end of a stream, the test at the other."""

    def __init__(self, runner: Runner, script: Script, log: SlowLog, far: Stream) -> None:
        self.runner = runner
        self.script = script
        self.log = log
        self.far = far
        self.held: list[tuple[list[EnvelopeId], int]] = []
        self.indexes: list[int] = []
        self.proofs: list[bool] = []
        self.task: asyncio.Task[str | None] | None = None

    def run(self) -> None:
        self.task = asyncio.create_task(self.runner.run())

    async def ends(self) -> str | None:
        assert self.task is not None
        async with asyncio.timeout(10):
            return await self.task


@contextlib.asynccontextmanager
async def bench(script: Script, *, desk: "Counter | None" = None) -> AsyncIterator[Bench]:
    async with two_ends() as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)
        log = SlowLog()
        log.entries[ENTRY.index, ENTRY.number] = ENTRY.envelope

        async def hold(ids: Sequence[EnvelopeId], index: int) -> None:
            made.held.append((list(ids), index))

        async def on_index(index: int) -> None:
            made.indexes.append(index)

        async def on_proof(proved: bool) -> None:
            made.proofs.append(proved)

        opened = None if desk is None else desk.opened
        around = Surroundings(log, 5, lambda: 0, hold, NoBlobs(), on_index, on_proof, desk=opened)
        made = Bench(Runner(script, near, around), script, log, far)
        made.run()
        try:
            yield made
        finally:
            assert made.task is not None
            made.task.cancel()
            await asyncio.wait([made.task])


class Counter:
    """A desk that counts."""

    def __init__(self) -> None:
        self.heard: list[BlobMessage] = []
        self.offered: list[bytes] = []
        self.told: list[BlobName] = []

    def opened(self, send: object) -> "Counter":
        return self

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def receive(self, message: BlobMessage) -> None:
        self.heard.append(message)

    async def offer(self, keys: Sequence[bytes]) -> None:
        self.offered += keys

    def tell(self, blobs: Sequence[BlobName]) -> None:
        self.told += blobs


async def test_questions_get_the_log_s_answers() -> None:
    asked = [ReadVector(), Get(3, Span(1, 9), 5), Find((NAME,)), ReadKeys(blobs=True)]
    async with bench(Script(*asked)) as made:
        await until(lambda: len(made.script.results) == 4)
        assert [effect for effect, _ in made.script.results] == asked
        assert [result for _, result in made.script.results] == [
            {3: (Span(1, 1),)},
            [ENTRY],
            [ENTRY],
            {1: NAME, BLOBS_EPOCH: b""},
        ]


async def test_appends_come_one_after_the_other_and_count() -> None:
    batches = [Append((Placed(3, number, b"e" * 100),)) for number in range(1, 6)]
    async with bench(Script(*batches)) as made:
        await until(lambda: len(made.script.results) == 5)
        assert made.log.order == [1, 2, 3, 4, 5]
        assert made.runner.tally.moved == 5


async def test_a_question_does_not_wait_for_a_slow_append() -> None:
    async with bench(Script()) as made:
        made.log.gate.clear()
        made.script.answer = lambda _: [Append((ENTRY,)), ReadVector()]
        await made.far.write(SettledMessage(0))
        await until(lambda: len(made.script.results) == 1)
        assert isinstance(made.script.results[0][0], ReadVector)
        made.log.gate.set()
        await until(lambda: len(made.script.results) == 2)


async def test_while_much_is_to_be_done_nothing_more_is_read() -> None:
    async with bench(Script()) as made:
        made.log.gate.clear()
        made.script.answer = lambda _: [Append((ENTRY,))]
        for number in range(3 * runner_module.WORK_MAX):
            await made.far.write(SettledMessage(number))
        await until(lambda: len(made.script.heard) > runner_module.WORK_MAX)
        await asyncio.sleep(0.1)
        assert len(made.script.heard) <= runner_module.WORK_MAX + 2
        made.log.gate.set()
        await until(lambda: len(made.script.heard) == 3 * runner_module.WORK_MAX)


async def test_custody_of_some_and_of_all() -> None:
    async with bench(Script(Holds((NAME,)), HoldsAll({1: NAME * 2, BLOBS_EPOCH: bytes(32)}))) as made:
        await until(lambda: len(made.held) == 2)
        assert made.held == [([NAME], 5), ([NAME, NAME], 5)]


async def test_proofs_are_given_and_judged() -> None:
    challenge = Challenge(b"n" * 16, (NAME,), ())
    right = hashlib.sha256(b"n" * 16 + ENTRY.envelope).digest()
    unknown = Challenge(b"n" * 16, (b"?" * 16,), ())
    asked = [Prove(challenge), Prove(unknown), Proved(challenge, right), Proved(challenge, b"x"), Proved(unknown, b"x")]
    async with bench(Script(*asked, ReadVector())) as made:
        await until(lambda: len(made.script.results) == 3)
        assert [result for _, result in made.script.results[:2]] == [right, b""]
        assert (made.proofs, made.runner.notes["not-proved"]) == ([True, False], 1)


async def test_a_challenge_goes_out() -> None:
    challenge = Challenge(b"n" * 16, (NAME,), ())
    async with bench(Script()) as made:
        made.runner.challenge(challenge)
        assert await made.far.read() == challenge


async def test_notes_and_what_is_settled() -> None:
    async with bench(Script(Note("stray"), Settled(alike=True), Refused((NAME, NAME)))) as made:
        await until(lambda: made.runner.tally.settled)
        made.runner.news([ENTRY])
        assert made.runner.tally.alike
        assert made.runner.notes == {"stray": 1, "refused-by-peer": 2, "news": 1}


async def test_time_wakes_the_session() -> None:
    async with bench(Script(deadline_ms=0)) as made:
        await until(lambda: made.script.ticks == 1)


async def test_messages_go_out_in_their_order() -> None:
    async with bench(Script(*(Send(SettledMessage(number)) for number in range(200)))) as made:
        assert [await made.far.read() for _ in range(200)] == [SettledMessage(number) for number in range(200)]


async def test_a_close_sends_what_is_due_first() -> None:
    async with bench(Script(Send(SettledMessage(1)), Close("done"), Send(SettledMessage(2)))) as made:
        assert await made.far.read() == SettledMessage(1)
        assert await made.far.read() is None
        assert await made.ends() is None


async def test_the_peer_s_last_word_ends_it_and_is_kept() -> None:
    async with bench(Script()) as made:
        await made.far.write(Bye("replaced"))
        assert await made.ends() is None
        assert made.runner.tally.word == "replaced"
        assert made.script.heard == []


async def test_a_cut_link_ends_it_without_a_fault() -> None:
    async with bench(Script()) as made:
        made.far.abort()
        assert await made.ends() is None


async def test_what_the_peer_breaks_ends_it_with_a_sentence() -> None:
    def refuse(message: Message) -> list[Effect]:
        raise PeerError("The peer sends a message that has no place here.")

    async with bench(Script()) as made:
        made.script.answer = refuse
        await made.far.write(SettledMessage(0))
        assert await made.far.read() == Bye("protocol")
        assert await made.ends() == "The peer sends a message that has no place here."
        assert made.runner.notes["protocol"] == 1


async def test_a_full_disk_ends_it_and_is_told() -> None:
    async with bench(Script()) as made:
        made.log.is_full = True
        made.script.answer = lambda _: [Append((ENTRY,))]
        await made.far.write(SettledMessage(0))
        assert await made.far.read() == Bye("disk")
        assert await made.ends() == "This node's disk is full."


async def test_a_bug_of_ours_is_seen() -> None:
    def break_down(message: Message) -> list[Effect]:
        raise ZeroDivisionError

    async with bench(Script()) as made:
        made.script.answer = break_down
        await made.far.write(SettledMessage(0))
        with pytest.raises(ExceptionGroup) as raised:
            await made.ends()
        assert raised.group_contains(ZeroDivisionError)


async def test_a_peer_that_asks_and_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "OUTGOING_BYTES_MAX", 2000)
    async with bench(Script()) as made:
        made.script.answer = lambda _: [Send(SettledMessage(0))] * 1000
        await made.far.write(SettledMessage(0))
        assert await made.ends() == "The peer asks for more than it reads."


async def test_a_restored_peer_is_met_again_under_its_index() -> None:
    async with bench(Script()) as made:
        await made.far.write(Hello(6, Role.MEMBER, b"s" * 8, b"t" * 8, False))
        assert await made.far.read() == Bye("again")
        assert made.indexes == [6]
        assert await made.ends() is None


async def test_the_pinned_index_is_nothing_new() -> None:
    async with bench(Script()) as made:
        await made.far.write(HELLO)
        await until(lambda: made.script.heard == [HELLO])
        assert made.indexes == []


async def test_the_desk_gets_what_is_of_photos() -> None:
    from app.sync.effects import Blobs

    desk = Counter()
    async with bench(Script(Blobs(BlobGone(b"a" * 32)), OfferBlobs((b"k" * 16,))), desk=desk) as made:
        made.runner.tell([BlobName(b"a" * 32, 5)])
        await until(lambda: bool(desk.heard and desk.offered))
        assert (desk.heard, desk.offered, desk.told) == ([BlobGone(b"a" * 32)], [b"k" * 16], [BlobName(b"a" * 32, 5)])


async def test_photos_that_nobody_asked_for_break_the_protocol() -> None:
    from app.sync.effects import Blobs

    async with bench(Script()) as made:
        made.script.answer = lambda _: [Blobs(BlobGone(b"a" * 32))]
        await made.far.write(SettledMessage(0))
        assert "photos" in str(await made.ends())


async def test_a_stop_says_the_word() -> None:
    async with bench(Script()) as made:
        made.runner.end("removed")
        made.runner.end("later words change nothing")
        assert await made.far.read() == Bye("removed")
        assert await made.far.read() is None
        assert await made.ends() is None
