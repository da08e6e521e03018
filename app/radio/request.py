"""What nodes say to each other about particular log numbers: send these, these are gone, send what has these names.

Pure codecs. Spec: docs/protocol/radio-repair.md.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from app.core.bodies import NODE_INDEX_MAX
from app.errors import DecodeError
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import Portion, Span, Spans, decode_runs, encode_runs

ANYONE = 255
"""Asked is whoever has it. The indices of nodes end at 254."""
REQUEST_RUNS_MAX = 32
"""Runs in a request. What is lacking beyond them is asked for next time."""
REQUEST_NUMBERS_MAX = 4096
"""Numbers in one run of a request: a log that is long gone is passed over in a few requests."""
ANSWER_ENTRIES_MAX = 32
"""Envelopes that answer one request: 35 s on air at SF9/125 kHz. Then the asker asks again, for what it still lacks."""
REQUEST_BODY_BYTES_MAX = 97
"""Portions of one request: with their frame 121 bytes, 0.7 s on air at SF9/125 kHz."""
KEY_BYTES = 8
"""The part of an envelope id that names it in symbols and requests: to make a second one with it takes 2^64 tries."""
WANTED_KEYS_MAX = 24
"""Names in one request by name: they fill a frame."""
COMPARE_FRAMES_MAX = 4
"""Frames of symbols that one request brings: 4.5 s on air at SF9/125 kHz."""
COMPARE_HAVE_MAX = 39
"""A comparison that 40 frames of symbols don't end is given up."""
_PORTION_HEAD_BYTES = 2
_PORTION_BYTES_MIN = 4
_COMPARE_BYTES = 8


class Request(msgspec.Struct, frozen=True):
    """`asked`, or ANYONE, is to send these; others who have them help when nothing is heard.

    `enough` blends of all that the asker lacks would do, where it takes blends; 0 where it doesn't.
    """

    asked: int
    portions: tuple[Portion, ...]
    enough: int = 0


class Gone(msgspec.Struct, frozen=True):
    """These were there, and are not any more: expired, withdrawn, dropped."""

    portions: tuple[Portion, ...]


class Compare(msgspec.Struct, frozen=True):
    """`asked` is to send `frames` frames of symbols over log `index` up to `up_to`; the asker has `have` already."""

    asked: int
    index: int
    up_to: int
    have: int
    frames: int


class Wanted(msgspec.Struct, frozen=True):
    """`asked` is to send the entries of log `index` whose envelope ids begin like this."""

    asked: int
    index: int
    keys: tuple[bytes, ...]


def encode_request(request: Request) -> bytes:
    """asked ‖ enough ‖ portions."""
    return bytes([request.asked, request.enough]) + encode_portions(request.portions)


def decode_request(data: bytes) -> Request:
    """DecodeError for all that is no request, or asks for more runs or numbers than one may."""
    asked = _asked(data)
    portions = _decode_portions(data[2:])
    spans = [span for portion in portions for span in portion.spans]
    if len(spans) > REQUEST_RUNS_MAX or max(map(len, spans)) > REQUEST_NUMBERS_MAX:
        raise DecodeError("limit", f"A request has {REQUEST_RUNS_MAX} runs of {REQUEST_NUMBERS_MAX} numbers at most.")
    if data[1] > ANSWER_ENTRIES_MAX:
        raise DecodeError("limit", f"No more than {ANSWER_ENTRIES_MAX} blends answer a request.")
    return Request(asked, portions, data[1])


def encode_gone(gone: Gone) -> bytes:
    """The portions."""
    return encode_portions(gone.portions)


def decode_gone(data: bytes) -> Gone:
    """DecodeError for all that is no list of gone entries."""
    return Gone(_decode_portions(data))


def encode_compare(compare: Compare) -> bytes:
    """asked ‖ index ‖ up to (4) ‖ have ‖ frames."""
    head = bytes([compare.asked, compare.index]) + compare.up_to.to_bytes(4, "big")
    return head + bytes([compare.have, compare.frames])


def decode_compare(data: bytes) -> Compare:
    """DecodeError for all that is no request for symbols."""
    if len(data) != _COMPARE_BYTES:
        raise DecodeError("truncated", f"A request for symbols has {_COMPARE_BYTES} bytes.")
    compare = Compare(_asked(data), data[1], int.from_bytes(data[2:6], "big"), data[6], data[7])
    check_scope(compare.index, compare.up_to)
    if compare.asked == ANYONE or compare.have > COMPARE_HAVE_MAX or not 1 <= compare.frames <= COMPARE_FRAMES_MAX:
        raise DecodeError("limit", "A request for symbols asks one node for a few frames.")
    return compare


def encode_wanted(wanted: Wanted) -> bytes:
    """asked ‖ index ‖ names."""
    return bytes([wanted.asked, wanted.index]) + b"".join(wanted.keys)


def decode_wanted(data: bytes) -> Wanted:
    """DecodeError for all that is no request by name."""
    names = data[2:]
    if not 1 <= len(names) // KEY_BYTES <= WANTED_KEYS_MAX or len(names) % KEY_BYTES:
        raise DecodeError("truncated", f"A request by name has 1 to {WANTED_KEYS_MAX} names of {KEY_BYTES} bytes.")
    keys = tuple(names[at : at + KEY_BYTES] for at in range(0, len(names), KEY_BYTES))
    asked, index = _asked(data), data[1]
    check_scope(index, 1)
    if asked == ANYONE or any(one >= other for one, other in pairwise(keys)):
        raise DecodeError("order", "A request by name asks one node, for each name once, in their order.")
    return Wanted(asked, index, keys)


def check_scope(index: int, up_to: int) -> None:
    """DecodeError unless a log can have this index and reach so far."""
    if index > NODE_INDEX_MAX or not 1 <= up_to <= LOG_NUMBER_MAX:
        raise DecodeError("number", f"Indices end at {NODE_INDEX_MAX}, log numbers at {LOG_NUMBER_MAX}.")


def fitted(
    portions: Sequence[Portion], bytes_max: int, runs_max: int, numbers_max: int | None = REQUEST_NUMBERS_MAX
) -> tuple[Portion, ...]:
    """The first of these portions, cut to so many runs and encoded bytes, and each run to so many numbers."""
    taken: list[Portion] = []
    for portion in portions:
        spans: list[Span] = []
        after, room = 0, bytes_max - _PORTION_HEAD_BYTES
        for span in portion.spans:
            last = span.last if numbers_max is None else min(span.last, span.first + numbers_max - 1)
            size = len(encode_runs(after, (Span(span.first, last),)))
            if runs_max == 0 or size > room:
                break
            spans.append(Span(span.first, last))
            after, room, runs_max = last, room - size, runs_max - 1
        if spans:
            taken.append(Portion(portion.index, tuple(spans)))
            bytes_max = room
    return tuple(taken)


def _asked(data: bytes) -> int:
    if not data:
        raise DecodeError("truncated", "The request is empty.")
    return data[0]


def encode_portions(portions: Sequence[Portion]) -> bytes:
    """index ‖ count of runs ‖ runs, for each portion."""
    return b"".join(bytes([portion.index, len(portion.spans)]) + encode_runs(0, portion.spans) for portion in portions)


def decode_portion(data: bytes, offset: int, least: int) -> tuple[Portion, int]:
    """(the portion at `offset`, next offset), its index at least `least`. DecodeError."""
    if len(data) - offset < _PORTION_BYTES_MIN:
        raise DecodeError("truncated", "The list ends inside a portion.")
    index, count = data[offset], data[offset + 1]
    if not least <= index <= NODE_INDEX_MAX:
        raise DecodeError("order", "A list names each log once, in the order of their indices.")
    if count == 0:
        raise DecodeError("empty", "A portion has a run.")
    spans, offset = decode_runs(data, offset + _PORTION_HEAD_BYTES, count, 0)
    return Portion(index, spans), offset


def _decode_portions(data: bytes) -> tuple[Portion, ...]:
    portions: list[Portion] = []
    offset = 0
    while offset < len(data):
        portion, offset = decode_portion(data, offset, portions[-1].index + 1 if portions else 0)
        portions.append(portion)
    if not portions:
        raise DecodeError("empty", "The list is empty.")
    return tuple(portions)


def spans_of(portions: Sequence[Portion], index: int) -> Spans:
    """The runs of one log."""
    return next((portion.spans for portion in portions if portion.index == index), ())
