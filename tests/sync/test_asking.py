"""Asking: what is missing, all of it, and each place once."""

import pytest

from app.errors import PeerError
from app.radio.span import Span
from app.sync.asking import Asking
from app.sync.effects import ReadMissing, Send
from app.sync.log import Placed
from app.sync.message import Known, LogRuns, Want
from app.sync.vector import LOG_RUNS_MAX, pack, unpack

THEIRS = {3: (Span(1, 100_000),), 4: (Span(7, 7),)}
KNOWN = Known(pack(THEIRS))


def test_nothing_missing_is_said_at_once() -> None:
    asking = Asking()
    assert asking.owed
    assert asking.hear_known(KNOWN) == [ReadMissing(THEIRS)]
    assert asking.lack({}) == [Send(Want(()))]
    assert asking.content and not asking.owed


def test_more_than_a_message_holds_is_asked_for_when_the_first_is_answered() -> None:
    asking = Asking()
    asking.hear_known(KNOWN)
    gaps = tuple(Span(number, number) for number in range(1, 2 * LOG_RUNS_MAX + 9, 2))
    [first] = asking.lack({3: gaps, 4: (Span(7, 7),)})
    assert asking.owed and not asking.content
    [second] = asking.hear_settled()
    [third] = asking.hear_settled()
    assert isinstance(first, Send) and isinstance(first.message, Want)
    assert isinstance(second, Send) and isinstance(second.message, Want)
    assert unpack(first.message.logs) == {3: gaps[:LOG_RUNS_MAX], 4: (Span(7, 7),)}
    assert unpack(second.message.logs) == {3: gaps[LOG_RUNS_MAX:]}
    assert third == Send(Want(()))
    assert asking.content and not asking.owed
    with pytest.raises(PeerError):
        asking.hear_settled()


def test_what_the_peer_knew_is_remembered() -> None:
    asking = Asking()
    assert not asking.knows(Placed(3, 5, b""))
    asking.hear_known(KNOWN)
    assert asking.knows(Placed(3, 5, b"")) and asking.knows(Placed(4, 7, b""))
    assert not asking.knows(Placed(4, 8, b"")) and not asking.knows(Placed(5, 1, b""))


def test_knowing_is_told_once_and_right() -> None:
    asking = Asking()
    with pytest.raises(PeerError):
        asking.hear_known(Known((LogRuns(1, b"\x00\x00"),)))
    asking = Asking()
    asking.hear_known(KNOWN)
    with pytest.raises(PeerError):
        asking.hear_known(KNOWN)
