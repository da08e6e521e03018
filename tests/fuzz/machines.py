"""Machines that take outside bytes, fuzzed where chance alone never gets: after the handshake, and under the seal.

Each is made ready once and copied for each input. What it holds is bounded, and it never raises.
"""

import contextlib
import copy
import functools
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

from app.core.envelope import ENVELOPE_BYTES_MIN
from app.errors import DecodeError
from app.radio.assembly import BYTES_MAX, OBJECTS_MAX, Assembler
from app.radio.blend import ROW_BYTES, Place, blended, decode_blend, encode_blend
from app.radio.box import ROWS_MAX, Box
from app.radio.dialects import meshtastic_codec
from app.radio.dialects.dialect import Dialect
from app.radio.dialects.kiss import Kiss
from app.radio.dialects.meshtastic import Meshtastic, MeshtasticSettings
from app.radio.dialects.rnode import Rnode
from app.radio.dialects.rui3 import Rui3
from app.radio.fragment import NODES, Encoder, Symbol, decode_symbol, encode_symbol, object_id_of
from app.radio.frame import FRAME_BYTES_MAX, NodeIndex
from app.radio.iblt import DIFFERENCE_MAX, FRAMES_MAX, Decoder, decode_symbols
from app.radio.modem import Modem
from app.radio.probe import Probe
from app.radio.profile import EU868
from app.radio.want import Trust, Want
from tests.fuzz import members
from tests.radio.emulators.bench import Bench
from tests.radio.emulators.meshtastic import Meshtastic as MeshtasticRadio
from tests.radio.emulators.rnode import Rnode as RnodeRadio
from tests.radio.emulators.rui3 import Rui3 as Rui3Radio

CHUNK_BYTES = 7
"""Ports cut what they deliver anywhere."""
STEP_MS = 500
STEPS_MAX = 200
"""After the bytes the machine runs until it has given up: a deadline that is never met would be a loop."""
HANDSHAKE_MS = 5_000
SENT_EVERY = 3
"""Chunks from one frame of ours to the next: while one is on its way, answers and noise meet it."""
OBJECTS = 5
"""Envelopes of 2 to 6 symbols: few, so that their symbols meet."""
ORDER_BYTES = 7
KEY = bytes(32)
NEAR = {index: 40 if index % 2 else 3 for index in range(NODES)}
"""How far the logs go, of one who hears blends."""
MINE = (1, 2, 3, 2**64 - 1)
"""What the one who compares has."""


def hears(make: Callable[[], Dialect | Probe]) -> Callable[[bytes], None]:
    """The machine takes the bytes as a port delivers them, from the moment it is opened."""
    return lambda data: _hear(make(), data, 0, is_open=False)


def hears_when_ready(name: str) -> Callable[[bytes], None]:
    """The same, after a radio of this kind answered all that it was asked."""

    def hear(data: bytes) -> None:
        machine, now_ms = _ready(name)
        _hear(copy.deepcopy(machine), data, now_ms, is_open=True)

    return hear


def hears_messages(data: bytes) -> None:
    """A Meshtastic radio that is ready says these messages, each with a byte of length before it."""
    machine, now_ms = _ready("meshtastic")
    machine = copy.deepcopy(machine)
    for count, message in enumerate(pieces(data)):
        machine.receive(meshtastic_codec.encode_frame(message), now_ms)
        machine.events()
        if machine.is_ready and count % SENT_EVERY == 0:
            machine.send(data[:CHUNK_BYTES], now_ms)
        now_ms += STEP_MS
        machine.poll(now_ms)
    _run_out(machine, now_ms)


def pieces(data: bytes) -> Iterator[bytes]:
    """The pieces that a byte of length before each of them cuts."""
    offset = 0
    while offset < len(data):
        end = offset + 1 + data[offset]
        yield data[offset + 1 : end]
        offset = end


def assembles(data: bytes) -> None:
    """Symbols that members could make, some of them true, and what else the assembly is told. Seven bytes each."""
    assembler, now_ms = Assembler(EU868.frame_airtime_ms(FRAME_BYTES_MAX), random.Random(1)), 0
    for at in range(0, len(data) - ORDER_BYTES + 1, ORDER_BYTES):
        name, size, index, sender, how, wait, fill = data[at : at + ORDER_BYTES]
        now_ms += wait << 8
        if how & 1:
            symbol = _true_symbols()[name % OBJECTS].symbol(index)
        else:
            length = ENVELOPE_BYTES_MIN + 31 * size
            data_bytes = -(-length // (2 + size % 7))
            symbol = Symbol(_true_symbols()[name % OBJECTS].object_id, length, index, bytes([fill]) * data_bytes)
        with contextlib.suppress(DecodeError):
            heard = decode_symbol(encode_symbol(symbol, KEY), (KEY,))
            _assemble(assembler, heard, sender % NODES, how, now_ms)
    assert len(assembler) <= OBJECTS_MAX
    assert assembler.bytes_held <= BYTES_MAX


def _assemble(assembler: Assembler, symbol: Symbol, sender: int, how: int, now_ms: int) -> None:
    envelope = assembler.received(symbol, sender, now_ms, paired=bool(how & 2))
    assert envelope is None or object_id_of(envelope) == symbol.object_id, "what comes out is what was named"
    if how & 4:
        assembler.wanted(now_ms)
    if how & 8:
        trust = Trust.ONE if how & 16 else Trust.OPEN
        assembler.overheard(Want(symbol.object_id, 1 + how, trust, sender if how & 16 else None), now_ms)
    if how & 32:
        assembler.held_by(symbol.object_id, sender)
    if how & 64:
        assembler.forget(symbol.object_id)


def compares(data: bytes) -> None:
    """Frames of symbols, each with a byte of length before it: no cell need be of any set."""
    decoder = Decoder(MINE)
    for piece in pieces(data):
        with contextlib.suppress(DecodeError):
            decoder.add(decode_symbols(piece))
    assert decoder.frames <= FRAMES_MAX
    assert len(decoder.lacking) + len(decoder.surplus) <= DIFFERENCE_MAX


def solves(data: bytes) -> None:
    """Blends that members could make, each with a byte of length before it: some true, and of some all is known."""
    box = Box()
    for piece in pieces(data):
        with contextlib.suppress(DecodeError):
            heard = decode_blend(_blend_of(piece), members.LINK, NEAR.__getitem__)
            held = {place: _BLENDED[place] for place in heard.places if place in _BLENDED and place.number % 3 == 0}
            found = box.add(heard, held)
            assert all(ENVELOPE_BYTES_MIN <= len(one.envelope) < ROW_BYTES for one in found)
            if piece[-1:] == b"!":
                for one in found:
                    box.settle(one.place, one.envelope)
        assert box.rows_within(set(_BLENDED)) <= ROWS_MAX


def _blend_of(piece: bytes) -> bytes:
    """A true one where the first byte is even: a seed, and a bit for each place."""
    if len(piece) < 4 or piece[0] & 1:
        return members.signed_blend(piece, NEAR.__getitem__)
    bits = int.from_bytes(piece[2:4], "big")
    envelopes = {place: data for at, (place, data) in enumerate(_BLENDED.items()) if bits >> at & 1}
    if not envelopes:
        return piece
    return encode_blend(blended(NodeIndex(1), piece[1], envelopes), members.LINK)


def _hear(machine: Dialect | Probe, data: bytes, now_ms: int, *, is_open: bool) -> None:
    if not is_open:
        machine.open(now_ms)
    for chunk, start in enumerate(range(0, len(data), CHUNK_BYTES)):
        machine.poll(now_ms)
        machine.receive(data[start : start + CHUNK_BYTES], now_ms)
        now_ms += STEP_MS
        if not isinstance(machine, Probe):
            machine.events()
            if chunk % SENT_EVERY == 1:
                machine.is_clear(now_ms)  # some ask the radio
            if machine.is_ready and chunk % SENT_EVERY == 0:
                machine.send(data[:CHUNK_BYTES], now_ms)
    _run_out(machine, now_ms)


def _run_out(machine: Dialect | Probe, now_ms: int) -> None:
    for _ in range(STEPS_MAX):
        deadline_ms = machine.deadline_ms()
        if deadline_ms is None:
            break
        now_ms = max(now_ms + 1, deadline_ms)
        machine.poll(now_ms)


@functools.cache
def _ready(name: str) -> tuple[Dialect, int]:
    """A machine whose radio answered everything, and the moment."""
    bench = Bench(["one"])
    dialect, radio = _RADIOS[name](bench)
    station = bench.add(dialect, radio)
    bench.run(HANDSHAKE_MS)
    assert station.dialect.is_ready, "the emulated radio answers"
    return station.dialect, bench.now_ms


@functools.cache
def _true_symbols() -> tuple[Encoder, ...]:
    return tuple(Encoder(bytes([0x12, name]) * (150 + 100 * name), FRAME_BYTES_MAX) for name in range(OBJECTS))


_BLENDED = {
    Place(index, number): bytes([0x12, index, number]) * (34 + number % 36)
    for index, number in itertools.product((1, 3), range(33, 41))
}
_RADIOS: dict[str, Callable[[Bench], tuple[Dialect, Any]]] = {
    "kiss": lambda bench: (Kiss(EU868), Modem("one", bench.ether, bench.rng)),
    "rnode": lambda bench: (Rnode(EU868), RnodeRadio("one", bench.ether, bench.rng)),
    "rui3": lambda bench: (Rui3(EU868, random.Random(1)), Rui3Radio("one", bench.ether, bench.rng)),
    "meshtastic": lambda bench: (
        Meshtastic(random.Random(1), MeshtasticSettings(announces=True)),
        MeshtasticRadio("one", bench.ether, bench.rng, node=1),
    ),
}
