"""What the tests of the repair machine's parts share: means with a fresh log, and answers in short."""

import random

from app.radio.control import NeighborPurses
from app.radio.frame import NodeIndex
from app.radio.logbook import Logbook
from app.radio.means import Means
from app.radio.profile import EU868
from app.radio.span import Portion, Span, Spans
from app.radio.vector import NodeLog, Vector
from tests.radio.repair_mesh import entry

ME = NodeIndex(9)
PLENTY_MS = 10_000_000.0


def means(*held: tuple[int, range], purse_ms: float = PLENTY_MS, seed: int = 1, lossy: bool = False) -> Means:
    """Means of node 9, whose log holds these (index, numbers); what others send is all lost, or none of it."""
    log = Logbook()
    for index, numbers in held:
        for number in numbers:
            log.append(entry(index, number))
    mine = Means(ME, log, NeighborPurses(purse_ms), EU868.frame_airtime_ms, random.Random(seed))
    for _ in range(200):
        mine.note(lost=lossy)
    return mine


def portion(index: int, *runs: tuple[int, int]) -> Portion:
    return Portion(index, spans(*runs))


def spans(*runs: tuple[int, int]) -> Spans:
    return tuple(Span(first, last) for first, last in runs)


def claim(*logs: tuple[int, int]) -> Vector:
    """A vector over everything: (index, contiguous)."""
    return Vector(0, 254, tuple(NodeLog(index, contiguous, None) for index, contiguous in logs))
