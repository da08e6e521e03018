"""What is known of all logs, as it goes over the wire, and the arithmetic on it. Pure.

Here a vector is a mapping from log to normal spans, none of them empty. Spec: docs/protocol/sync.md.
"""

from collections.abc import Iterable

from app.errors import DecodeError, PeerError
from app.radio.span import Spans, common, decode_runs, encode_runs, minus
from app.sync.log import Vector
from app.sync.message import LOG_RUN_BYTES_MAX, LogRuns

LOG_RUNS_MAX = LOG_RUN_BYTES_MAX // 8
"""Runs of one log in one message, at two numbers of at most four bytes each."""
RUNS_MAX = 2 * LOG_RUNS_MAX
"""Runs in one message: 128 KiB, and about 3 MB in memory. What is left out is told or wanted later, or by the check."""
_VARINT_GOES_ON = 0x80


def pack(vector: Vector) -> tuple[LogRuns, ...]:
    """The vector's logs in their order, shortened to what one message holds."""
    logs: list[LogRuns] = []
    room = RUNS_MAX
    for index, spans in sorted(vector.items()):
        kept = spans[: min(LOG_RUNS_MAX, room)]
        room -= len(kept)
        if kept:
            logs.append(LogRuns(index, encode_runs(0, kept)))
    return tuple(logs)


def unpack(logs: Iterable[LogRuns]) -> dict[int, Spans]:
    """PeerError where a log is named twice or out of order, a run is none, or there are too many."""
    vector: dict[int, Spans] = {}
    room, after = RUNS_MAX, -1
    for log in logs:
        count, half = divmod(sum(byte < _VARINT_GOES_ON for byte in log.runs), 2)
        room -= count
        if log.index <= after or half or room < 0:
            raise PeerError("The peer lists logs out of order, or more of them than a message holds.")
        vector[log.index] = _spans(log.runs, count)
        after = log.index
    return vector


def less(some: Vector, others: Vector) -> dict[int, Spans]:
    """The places in `some` and not in `others`."""
    return _full({index: minus(spans, others.get(index, ())) for index, spans in some.items()})


def both(some: Vector, others: Vector) -> dict[int, Spans]:
    """The places in both."""
    return _full({index: common(spans, others.get(index, ())) for index, spans in some.items()})


def _spans(runs: bytes, count: int) -> Spans:
    try:
        spans, end = decode_runs(runs, 0, count, 0)
    except DecodeError as error:
        raise PeerError("The peer lists log numbers that are none.") from error
    if end != len(runs):
        raise PeerError("The peer's list of log numbers ends in the middle of one.")
    return spans


def _full(vector: dict[int, Spans]) -> dict[int, Spans]:
    return {index: spans for index, spans in vector.items() if spans}
