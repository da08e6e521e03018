"""Assembly: whatever is lost, doubled, shuffled or lied about, the envelope arrives and memory stays bounded."""

import gc
import itertools
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.errors import DecodeError
from app.radio import assembly
from app.radio.assembly import (
    ASKS_MAX,
    BYTES_MAX,
    BYTES_PER_SENDER_MAX,
    FINISHED_MAX,
    IDLE_MS,
    OBJECTS_MAX,
    PATIENCE_MAX_MS,
    SOURCES_MAX,
    Assembler,
)
from app.radio.fragment import Encoder, ObjectId, Symbol, decode_symbol, encode_symbol, repair_index
from app.radio.frame import FRAME_BYTES_MAX
from app.radio.want import WANTS_MAX, Trust, Want

KEY = b"link".ljust(32, b"\0")
FRAME_MS = 1000.0
HONEST, OTHER, LIAR = 3, 5, 66


def assembler(seed: int = 0) -> Assembler:
    return Assembler(FRAME_MS, random.Random(seed))


def encoder(length: int = 2000, seed: int = 0, frame_bytes: int = FRAME_BYTES_MAX) -> Encoder:
    return Encoder(random.Random(seed).randbytes(length), frame_bytes)


def envelope(length: int = 2000, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(length)


def lie(symbol: Symbol, salt: int = 1) -> Symbol:
    """The same symbol with other data: its MAC is right under K_link, its content is not."""
    return Symbol(symbol.object_id, symbol.length, symbol.index, bytes(byte ^ salt for byte in symbol.data))


# Delivery


@settings(deadline=None, max_examples=50)
@given(st.integers(150, 8292), st.integers(0, 2**32), st.floats(0, 0.8))
def test_whatever_is_lost_shuffled_and_repeated_the_envelope_arrives_once(length: int, seed: int, loss: float) -> None:
    rng = random.Random(seed)
    sender, receiver = encoder(length, seed), assembler(seed)
    k = sender.cut.source_symbols
    arriving = [index for index in range(20 * k) if rng.random() >= loss]
    arriving += arriving[:5]
    rng.shuffle(arriving)
    heard = [receiver.received(sender.symbol(index), rng.choice([HONEST, OTHER]), 0) for index in arriving]
    assert [whole for whole in heard if whole is not None] == [envelope(length, seed)]
    assert len(receiver) == 0
    # Barely more than k were needed: all later ones were for a finished object.
    assert next(at for at, whole in enumerate(heard) if whole) < k + 3 + 5


def test_two_cuts_of_one_envelope_do_not_mix() -> None:
    wide, narrow = encoder(1000, 1, 233), encoder(1000, 1, 100)
    receiver = assembler()
    for index in range(4):
        assert receiver.received(wide.symbol(index), HONEST, 0) is None
        assert receiver.received(narrow.symbol(index), OTHER, 0) is None
    assert len(receiver) == 2
    assert receiver.received(wide.symbol(9), HONEST, 0) == envelope(1000, 1)
    assert len(receiver) == 0


def test_a_finished_object_is_not_started_again_unless_forgotten() -> None:
    sender, receiver = encoder(), assembler()
    receiver.finish(sender.object_id)
    assert receiver.received(sender.symbol(0), HONEST, 0) is None
    assert (len(receiver), receiver.counts["finished"]) == (0, 1)
    receiver.forget(sender.object_id)
    receiver.received(sender.symbol(0), HONEST, 0)
    assert len(receiver) == 1
    receiver.finish(sender.object_id)
    assert len(receiver) == 0


# Asking


def test_what_is_missing_is_asked_for_when_the_sender_falls_silent() -> None:
    sender, receiver = encoder(), assembler()
    for index in range(0, 10, 2):
        receiver.received(sender.symbol(index), HONEST, index * 1000)
        assert receiver.wanted(index * 1000 + 1000) == []
    due_ms = receiver.deadline_ms()
    assert due_ms is not None
    assert 8000 + 3 * FRAME_MS <= due_ms <= 8000 + 7 * FRAME_MS
    # Five are missing; a quarter more is asked for.
    assert receiver.wanted(due_ms) == [Want(sender.object_id, 6)]
    assert receiver.wanted(due_ms) == []


def test_who_lacks_most_asks_first_and_the_others_keep_silent() -> None:
    sender = encoder(8000)
    behind, ahead = assembler(1), assembler(2)
    for index in range(0, 40):
        if index % 2:
            behind.received(sender.symbol(index), HONEST, 0)
        if index % 4:
            ahead.received(sender.symbol(index), HONEST, 0)
    behind_ms, ahead_ms = behind.deadline_ms(), ahead.deadline_ms()
    assert behind_ms is not None
    assert ahead_ms is not None
    assert behind_ms < ahead_ms
    [want] = behind.wanted(behind_ms)
    ahead.overheard(want, behind_ms)
    assert ahead.wanted(ahead_ms) == []
    # A request for fewer than it lacks does not silence it.
    behind.overheard(Want(sender.object_id, 3), behind_ms)
    assert ahead.deadline_ms() != ahead_ms


def test_a_request_that_serves_others_only_silences_nobody() -> None:
    sender, receiver = encoder(), assembler()
    receiver.received(sender.symbol(0), HONEST, 0)
    due_ms = receiver.deadline_ms()
    receiver.overheard(Want(sender.object_id, 100, Trust.PAIR, HONEST), 0)
    receiver.overheard(Want(sender.object_id, 2), 0)
    receiver.overheard(Want(ObjectId(b"other!"), 100), 0)
    assert receiver.deadline_ms() == due_ms


def test_unanswered_requests_grow_rare_and_end_until_something_is_heard() -> None:
    sender, receiver = encoder(), assembler()
    receiver.received(sender.symbol(0), HONEST, 0)
    asked = []
    while (due_ms := receiver.deadline_ms()) is not None:
        assert receiver.wanted(due_ms)
        asked.append(due_ms)
    assert len(asked) == ASKS_MAX
    waits = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert waits[3] > 2 * waits[0]
    assert max(waits) <= PATIENCE_MAX_MS
    receiver.received(sender.symbol(1), HONEST, asked[-1])
    assert receiver.deadline_ms() is not None


def test_what_nobody_completes_is_forgotten() -> None:
    sender, receiver = encoder(), assembler()
    receiver.received(sender.symbol(0), HONEST, 0)
    assert receiver.wanted(IDLE_MS) == []
    assert (len(receiver), receiver.counts["expired"]) == (0, 1)


def test_one_request_names_what_fits_a_frame_the_nearly_finished_first() -> None:
    receiver = assembler()
    for seed in range(40):
        sender = encoder(2000, seed)
        for index in range(1 + seed % 9):
            receiver.received(sender.symbol(index), seed, 0)
    first = receiver.wanted(60_000)
    second = receiver.wanted(60_000)
    assert (len(first), len(second)) == (WANTS_MAX, 40 - WANTS_MAX)
    assert [want.count for want in first + second] == sorted(want.count for want in first + second)


# Liars


def test_a_symbol_with_a_wrong_mac_is_dropped_before_it_is_looked_at() -> None:
    payload = bytearray(encode_symbol(encoder().symbol(0), b"stranger"))
    with pytest.raises(DecodeError) as refusal:
        decode_symbol(bytes(payload), [KEY])
    assert refusal.value.code == "mac"


class Village:
    """One receiver, two honest holders, and a liar that holds K_link and speaks under any name it likes.

    The liar cannot make symbols under the key that the receiver shares with an honest node: it doesn't have it.
    """

    def __init__(self, seed: int, liar_names: list[int], lies_each_round: int, loss: float) -> None:
        self.rng = random.Random(seed)
        self.sender = encoder(2000, seed)
        self.receiver = assembler(seed)
        self.names = liar_names
        self.lies_each_round = lies_each_round
        self.loss = loss
        self.turns = dict.fromkeys((HONEST, OTHER), 0)
        self.now_ms = 0
        self.whole: bytes | None = None

    def hear(self, symbol: Symbol, sender: int, *, paired: bool = False) -> None:
        self.now_ms += int(FRAME_MS)
        if self.rng.random() >= self.loss:
            self.whole = self.receiver.received(symbol, sender, self.now_ms, paired=paired) or self.whole

    def lie_a_little(self) -> None:
        k = self.sender.cut.source_symbols
        for _ in range(self.lies_each_round):
            index = self.rng.choice([*range(k), *(repair_index(k, HONEST, turn) for turn in range(20))])
            self.hear(lie(self.sender.symbol(index), self.rng.randrange(1, 256)), self.rng.choice(self.names))

    def answer(self, want: Want) -> None:
        k = self.sender.cut.source_symbols
        if want.source in {None, HONEST, OTHER}:
            holder = HONEST if want.source is None else want.source
            for _ in range(want.count):
                index = repair_index(k, holder, self.turns[holder])
                self.turns[holder] += 1
                if self.lies_each_round > 3:
                    # A liar that is always first with the same index, under the name of whoever is about to speak,
                    # and under its own with the key that it shares with the receiver.
                    self.hear(lie(self.sender.symbol(index)), holder)
                    self.hear(lie(self.sender.symbol(index)), LIAR, paired=True)
                self.hear(self.sender.symbol(index), holder, paired=want.trust is Trust.PAIR)
        elif want.source == LIAR:
            for index in range(want.count):
                self.hear(lie(self.sender.symbol(index)), LIAR, paired=want.trust is Trust.PAIR)

    def run(self, rounds_max: int) -> int:
        self.lie_a_little()
        for index in range(self.sender.cut.source_symbols):
            self.hear(self.sender.symbol(index), HONEST)
        self.receiver.held_by(self.sender.object_id, OTHER)
        for round_number in range(rounds_max):
            if self.whole is not None:
                return round_number
            due_ms = self.receiver.deadline_ms()
            assert due_ms is not None or len(self.receiver) == 0, "an object that nobody asks for"
            if due_ms is None:
                # Every source was tried and the object given up: the node log names it, an honest node repeats it.
                self.hear(self.sender.symbol(0), HONEST)
                continue
            self.now_ms = max(self.now_ms, due_ms)
            for want in self.receiver.wanted(self.now_ms):
                self.lie_a_little()
                self.answer(want)
        return rounds_max


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from([HONEST, OTHER, LIAR, 100, 101]), min_size=1, max_size=5),
    st.integers(0, 6),
    st.sampled_from([0.0, 0.1, 0.3]),
)
def test_a_member_that_lies_cannot_prevent_delivery(seed: int, names: list[int], lies: int, loss: float) -> None:
    village = Village(seed, names, lies, loss)
    rounds = village.run(200)
    assert village.whole == envelope(2000, seed), (rounds, village.receiver.counts)


def test_one_lie_costs_one_repetition_that_serves_all() -> None:
    sender, receiver = encoder(), assembler()
    receiver.received(lie(sender.symbol(12)), LIAR, 0)
    for index in range(9):
        assert receiver.received(sender.symbol(index), HONEST, 0) is None
    assert receiver.counts["spoiled"] == 1
    [want] = receiver.wanted(60_000)
    # What the honest node had sent is kept; the rest is asked of it by name, for all to hear.
    assert (want.trust, want.source, want.count) == (Trust.ONE, HONEST, 1)
    assert receiver.received(lie(sender.symbol(40)), LIAR, 60_000) is None
    assert receiver.counts["unwanted"] == 1
    assert receiver.received(sender.symbol(9), HONEST, 60_000) == envelope()


def test_a_lie_under_an_honest_name_is_out_of_reach_of_the_pair() -> None:
    sender, receiver = encoder(), assembler()
    for index in range(9):
        receiver.received(sender.symbol(index), HONEST, 0)
    receiver.received(lie(sender.symbol(9)), HONEST, 0)
    [want] = receiver.wanted(60_000)
    assert (want.trust, want.source) == (Trust.ONE, HONEST)
    for index in range(10, 20):
        receiver.received(lie(sender.symbol(index)), HONEST, 60_000)
    [want] = receiver.wanted(120_000)
    assert (want.trust, want.source, want.count) == (Trust.PAIR, HONEST, 13)
    assert receiver.received(lie(sender.symbol(0)), HONEST, 120_000) is None
    for index in range(20, 29):
        assert receiver.received(sender.symbol(index), HONEST, 120_000, paired=True) is None
    assert receiver.received(sender.symbol(29), HONEST, 120_000, paired=True) == envelope()


def test_a_source_that_lies_to_its_pair_is_left_for_the_next() -> None:
    sender, receiver = encoder(), assembler()
    receiver.held_by(sender.object_id, OTHER)
    for index in range(20):
        receiver.received(lie(sender.symbol(index)), LIAR, 0)
    receiver.held_by(sender.object_id, OTHER)
    for index in range(20, 30):
        receiver.received(lie(sender.symbol(index)), LIAR, 0, paired=True)
    assert receiver.counts["liar"] == 1
    [want] = receiver.wanted(60_000)
    assert (want.trust, want.source) == (Trust.PAIR, OTHER)


def test_a_source_that_is_silent_is_left_for_the_next_and_none_left_ends_it() -> None:
    sender, receiver = encoder(), assembler()
    receiver.received(lie(sender.symbol(0)), OTHER, 0)
    for index in range(1, 10):
        receiver.received(sender.symbol(index), LIAR, 0)
    asked = []
    while (due_ms := receiver.deadline_ms()) is not None:
        asked += [(want.trust, want.source) for want in receiver.wanted(due_ms)]
    assert asked == [(Trust.ONE, LIAR)] * 3 + [(Trust.PAIR, OTHER)] * 3
    assert (len(receiver), receiver.counts["abandoned"]) == (0, 1)


def test_invented_senders_do_not_crowd_out_the_one_that_sends_much() -> None:
    sender, receiver = encoder(8000), assembler()
    for index in range(20):
        receiver.received(sender.symbol(index), HONEST, 0)
    for name in range(100, 100 + 3 * SOURCES_MAX):
        receiver.received(lie(sender.symbol(index)), name, 0)
    index = 1000
    while receiver.counts["spoiled"] == 0:
        index += 1
        receiver.received(lie(sender.symbol(index)), index % 50 + 100, 0)
    assert receiver.wanted(60_000)[0].source == HONEST


# Memory


def test_an_endless_stream_of_valid_looking_symbols_stays_within_bounds() -> None:
    receiver, rng = assembler(), random.Random(5)
    honest = encoder(8292, 9)
    payloads = [honest.symbol(index) for index in range(30)]
    for symbol in payloads:
        receiver.received(symbol, HONEST, 0)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(4_000):
        size = rng.choice([33, 60, 211])
        length = size * rng.randrange(max(2, 94 // size + 1), min(255, 8292 // size))
        name = ObjectId(rng.randbytes(6)) if rng.random() < 0.3 else ObjectId(bytes([rng.randrange(40)]) * 6)
        symbol = Symbol(name, length, rng.randrange(16384), rng.randbytes(size))
        receiver.received(symbol, rng.randrange(255), number)
        if number % 97 == 0:
            assert receiver.bytes_held <= BYTES_MAX
            assert len(receiver) <= OBJECTS_MAX
            assert len(receiver.wanted(number)) <= WANTS_MAX
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    # What is charged is at least what Python really takes.
    assert used <= BYTES_MAX + FINISHED_MAX * 200
    # The honest object, on which much airtime was spent, has outlived the flood.
    for index in range(30, 45):
        if receiver.received(honest.symbol(index), HONEST, 4_000) is not None:
            return
    pytest.fail("the flood washed an honest object away")


def test_one_sender_takes_a_quarter_at_most() -> None:
    receiver = assembler()
    quiet = encoder(8000, 1)
    receiver.received(quiet.symbol(0), HONEST, 0)
    for seed in range(2, 40):
        loud = encoder(8000, seed)
        for index in range(20):
            receiver.received(loud.symbol(index), LIAR, 10)
    assert receiver.bytes_held <= BYTES_PER_SENDER_MAX + 3000
    last = quiet.cut.source_symbols - 1
    for index in range(1, last):
        receiver.received(quiet.symbol(index), HONEST, 20)
    assert receiver.received(quiet.symbol(last), HONEST, 20) == envelope(8000, 1)


def test_finished_names_are_few() -> None:
    receiver = assembler()
    for number in range(3 * FINISHED_MAX):
        receiver.finish(ObjectId(number.to_bytes(6, "big")))
    assert len(receiver._finished) == FINISHED_MAX


def test_no_object_alone_exceeds_a_senders_share() -> None:
    sources = SOURCES_MAX * assembly.SOURCE_COST_BYTES
    most = max((8292 // k + 1 + assembly.SYMBOL_COST_BYTES) * k for k in range(2, 256))
    assert assembly.OBJECT_COST_BYTES + sources + most <= BYTES_PER_SENDER_MAX


class AnyMachine(RuleBasedStateMachine):
    """Anything in any order: no crash, no false envelope, no object without bound."""

    def __init__(self) -> None:
        super().__init__()
        self.receiver = assembler()
        self.senders = [encoder(length, length) for length in (230, 900, 2500)]
        self.now_ms = 0

    @rule(which=st.integers(0, 2), index=st.integers(0, 40), sender=st.integers(0, 4), paired=st.booleans())
    def hears_the_truth(self, which: int, index: int, sender: int, paired: bool) -> None:
        symbol = self.senders[which].symbol(index)
        self.check(self.receiver.received(symbol, sender, self.now_ms, paired=paired))

    @rule(which=st.integers(0, 2), index=st.integers(0, 40), sender=st.integers(0, 4), paired=st.booleans())
    def hears_a_lie(self, which: int, index: int, sender: int, paired: bool) -> None:
        symbol = lie(self.senders[which].symbol(index))
        self.check(self.receiver.received(symbol, sender, self.now_ms, paired=paired))

    @rule(which=st.integers(0, 2), count=st.integers(1, 255), source=st.integers(0, 4), trust=st.sampled_from(Trust))
    def overhears(self, which: int, count: int, source: int, trust: Trust) -> None:
        self.receiver.overheard(Want(self.senders[which].object_id, count, trust, source), self.now_ms)

    @rule(ms=st.integers(0, 10**7))
    def waits(self, ms: int) -> None:
        self.now_ms += ms
        for want in self.receiver.wanted(self.now_ms):
            assert 1 <= want.count <= 255
            assert (want.source is None) == (want.trust is Trust.OPEN)

    @rule(which=st.integers(0, 2))
    def forgets(self, which: int) -> None:
        self.receiver.forget(self.senders[which].object_id)

    def check(self, whole: bytes | None) -> None:
        assert whole is None or whole in [envelope(length, length) for length in (230, 900, 2500)]

    @invariant()
    def is_bounded(self) -> None:
        assert len(self.receiver) <= 3
        assert self.receiver.bytes_held <= BYTES_MAX


AnyMachine.TestCase.settings = settings(deadline=None, max_examples=50)
TestAnyMachine = AnyMachine.TestCase
