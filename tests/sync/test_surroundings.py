"""What a session's questions get: from the log and from the blobs."""

from collections.abc import Sequence

import pytest

from app.core.envelope import EnvelopeId, envelope_id
from app.sync.effects import ReadKeys, Send
from app.sync.log import Placed
from app.sync.message import BLOBS_EPOCH, Settled
from app.sync.surroundings import Surroundings, answer, hold_all
from tests.sync.homes import DictLog, NoBlobs

pytestmark = pytest.mark.anyio
ENTRY = Placed(3, 1, b"e" * 100)
NAME = envelope_id(ENTRY.envelope)


class TwoBlobs(NoBlobs):
    """Two blobs, and an account of who covers what."""

    def __init__(self) -> None:
        self.covered: list[tuple[bytes, int]] = []

    async def addresses(self) -> bytes:
        return bytes(range(64))

    async def cover(self, packed: bytes, holder: int) -> None:
        self.covered.append((packed, holder))


async def test_the_blobs_stand_beside_the_ids_when_they_are_asked_for() -> None:
    log = DictLog()
    await log.append([ENTRY], 0)
    assert await answer(ReadKeys(blobs=False), log, TwoBlobs()) == {1: NAME}
    keys = await answer(ReadKeys(blobs=True), log, TwoBlobs())
    assert keys == {1: NAME, BLOBS_EPOCH: bytes(range(16)) + bytes(range(32, 48))}
    assert await log.keys() == {1: NAME}  # what others share is left as it was


async def test_custody_goes_where_it_belongs() -> None:
    held: list[tuple[Sequence[EnvelopeId], int]] = []

    async def hold(ids: Sequence[EnvelopeId], index: int) -> None:
        held.append((ids, index))

    async def nothing(_: object) -> None:
        pass

    blobs = TwoBlobs()
    around = Surroundings(DictLog(), 5, lambda: 0, hold, blobs, nothing, nothing)
    await hold_all({1: NAME + bytes(16), BLOBS_EPOCH: bytes(32)}, around)
    assert held == [([NAME, bytes(16)], 5)]
    assert blobs.covered == [(bytes(32), 5)]


async def test_an_effect_that_reads_nothing_has_no_answer() -> None:
    with pytest.raises(AssertionError):
        await answer(Send(Settled(0)), DictLog(), NoBlobs())
