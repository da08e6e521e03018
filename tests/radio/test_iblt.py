"""Set difference by re-salted symbols: exact, total, bounded against liars, and few frames though some are lost."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.control import BODY_BYTES_MAX
from app.radio.iblt import (
    CELLS_MAX,
    DIFFERENCE_MAX,
    FRAMES_MAX,
    SALTS,
    STRETCH_MAX,
    Decoder,
    Symbols,
    decode_symbols,
    encode_symbols,
    key_bytes,
    key_of,
    symbols_of,
)
from app.radio.request import COMPARE_FRAMES_MAX

cells = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**24 - 1))
symbol_frames = st.builds(
    Symbols,
    st.integers(0, SALTS - 1),
    st.integers(1, STRETCH_MAX),
    st.lists(cells, min_size=1, max_size=CELLS_MAX).map(tuple),
)
keys = st.integers(0, 2**64 - 1)


@given(symbol_frames)
def test_symbols_come_back_from_their_bytes(symbols: Symbols) -> None:
    encoded = encode_symbols(symbols)
    assert decode_symbols(encoded) == symbols
    assert len(encoded) + 5 <= BODY_BYTES_MAX


@given(st.binary(max_size=211))
def test_any_bytes_are_symbols_or_an_error(data: bytes) -> None:
    try:
        symbols = decode_symbols(data)
    except DecodeError:
        return
    assert encode_symbols(symbols) == data


@pytest.mark.parametrize("data", ["", "000001", "0000" + "01" + "00" * 10, "000001" + "00" * 11 * 19])
def test_frames_of_no_cells_or_too_many_are_none(data: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_symbols(bytes.fromhex(data))
    assert refusal.value.code == "truncated"


@pytest.mark.parametrize("stretch", ["00", "41", "ff"])
def test_a_stretch_has_its_limit(stretch: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode_symbols(bytes.fromhex("0000" + stretch + "00" * 11))
    assert refusal.value.code == "limit"


def test_a_key_is_the_beginning_of_an_envelope_id() -> None:
    name = bytes(range(16))
    assert key_bytes(key_of(name)) == name[:8]


def test_the_first_symbol_holds_everything_and_later_ones_ever_less() -> None:
    rng = random.Random(1)
    many = [rng.getrandbits(64) for _ in range(2000)]
    counts = [0] * CELLS_MAX
    for key in many:
        for place, (summed, _) in enumerate(symbols_of([key], 7, 2).cells):
            counts[place] += summed != 0
    expected = [2000 / (1 + place) for place in range(CELLS_MAX)]
    assert counts[0] == 2000
    assert all(abs(count - mean) < 5 * mean**0.5 + 1 for count, mean in zip(counts, expected, strict=True))


@given(st.sets(keys, max_size=40), st.sets(keys, max_size=12), st.sets(keys, max_size=12), st.randoms())
def test_the_difference_is_found_exactly(
    shared: set[int], mine: set[int], theirs: set[int], rng: random.Random
) -> None:
    decoder = Decoder(shared | mine)
    for frame in range(FRAMES_MAX):
        decoder.add(symbols_of(shared | theirs, rng.randrange(SALTS), frame + 1))
        if decoder.is_complete:
            break
    assert decoder.is_complete
    assert decoder.lacking == sorted((shared | theirs) - (shared | mine))
    assert decoder.surplus == sorted((shared | mine) - (shared | theirs))


def test_equal_sets_are_told_by_one_frame() -> None:
    decoder = Decoder({1, 2, 3})
    before = decoder.is_complete
    decoder.add(symbols_of({1, 2, 3}, 9, 1))
    assert (before, decoder.is_complete) == (False, True)
    assert decoder.lacking == decoder.surplus == []


def test_a_frame_that_comes_twice_tells_nothing_new() -> None:
    decoder = Decoder(range(0, 4000, 7))
    symbols = symbols_of(range(0, 4000, 11), 9, 1)
    decoder.add(symbols)
    before = (decoder.frames, decoder.lacking, decoder.surplus)
    decoder.add(symbols)
    assert (decoder.frames, decoder.lacking, decoder.surplus) == before


@given(st.lists(symbol_frames, max_size=8), st.sets(keys, max_size=20))
def test_hostile_symbols_end_in_bounds(frames: list[Symbols], mine: set[int]) -> None:
    decoder = Decoder(mine)
    for symbols in frames:
        decoder.add(symbols)
    assert len(decoder.lacking) + len(decoder.surplus) <= DIFFERENCE_MAX


def test_endless_pure_cells_are_cut_off() -> None:
    rng = random.Random(1)
    decoder = Decoder(set())
    for salt in range(200):
        (key,) = (rng.getrandbits(64),)
        pure = symbols_of([key], salt, 1).cells[0]
        decoder.add(Symbols(salt, 1, (pure,) * CELLS_MAX))
    assert decoder.is_hopeless
    assert decoder.frames <= FRAMES_MAX
    assert len(decoder.lacking) <= DIFFERENCE_MAX


def test_symbols_that_contradict_each_other_do_not_go_round_in_circles() -> None:
    first, second = symbols_of([42], 1, 1), symbols_of([42], 2, 1)
    decoder = Decoder(set())
    decoder.add(first)
    # 42 was found: a frame without it leaves 42 in every cell it goes into, pure, and it must not be found again.
    decoder.add(Symbols(2, 1, tuple((0, 0) for _ in second.cells)))
    assert not decoder.is_complete
    assert decoder.lacking == [42]


def test_sets_too_far_apart_are_given_up() -> None:
    rng = random.Random(2)
    decoder = Decoder({rng.getrandbits(64) for _ in range(900)})
    theirs = {rng.getrandbits(64) for _ in range(900)}
    sent = 0
    while not decoder.is_hopeless:
        decoder.add(symbols_of(theirs, sent, min(decoder.frames + 1, STRETCH_MAX)))
        sent += 1
    assert sent <= FRAMES_MAX


def frames_needed(differing: int, loss: float, seed: int) -> int:
    """Frames that are sent until two sets are told apart, in batches of 1, 2, 4, 4 … as comparing.py asks for them."""
    rng = random.Random(seed)
    shared = {rng.getrandbits(64) for _ in range(60)}
    apart = [rng.getrandbits(64) for _ in range(differing)]
    decoder = Decoder(shared | set(apart[: differing // 2]))
    theirs = shared | set(apart[differing // 2 :])
    sent = 0
    batch: list[int] = []
    while not decoder.is_complete:
        if not batch:
            have = decoder.frames
            batch = list(range(have + 1, have + 1 + (min(2 * have, COMPARE_FRAMES_MAX) if have else 1)))
        stretch = batch.pop(0)
        sent += 1
        if rng.random() >= loss:
            decoder.add(symbols_of(theirs, rng.randrange(SALTS), stretch))
    assert set(decoder.lacking) | set(decoder.surplus) == set(apart)
    return sent


@pytest.mark.parametrize(
    ("differing", "loss", "p95"),
    [(1, 0.0, 1), (1, 0.1, 2), (1, 0.3, 3), (10, 0.0, 2), (10, 0.1, 4), (10, 0.3, 5), (100, 0.0, 15), (100, 0.3, 26)],
)
def test_frames_needed_stay_within_the_stated_bounds(differing: int, loss: float, p95: int) -> None:
    needed = sorted(frames_needed(differing, loss, seed) for seed in range(40))
    assert needed[37] <= p95


def test_losing_the_densest_frame_does_not_matter() -> None:
    rng = random.Random(3)
    theirs = {rng.getrandbits(64) for _ in range(60)}
    for lost in range(6):
        decoder = Decoder(set())
        for frame in range(30):
            if frame != lost:
                decoder.add(symbols_of(theirs, frame, frame + 1))
            if decoder.is_complete:
                break
        assert decoder.is_complete
        assert decoder.frames <= 12
