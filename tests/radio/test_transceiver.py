"""The bare radio: it listens before it talks, and sends one frame at a time."""

import random

import pytest

from app.radio.airtime import modulation
from app.radio.ether import Ether, Tuning
from app.radio.field import line
from app.radio.transceiver import BACKOFF_MS, Transceiver

TUNING = Tuning(869_525_000, modulation(9, 125, 5))


def test_a_busy_channel_is_waited_for() -> None:
    ether = Ether(line(["a", "b"]), random.Random(1))
    one, two = (Transceiver(name, ether, TUNING, random.Random(2)) for name in "ab")
    one.send(bytes(50), 0)
    one.poll(0)
    assert one.deadline_ms() is None
    two.send(bytes(20), 100)
    two.poll(100)
    due_ms = two.deadline_ms()
    assert due_ms is not None and 100 + BACKOFF_MS[0] <= due_ms <= 101 + BACKOFF_MS[1]
    [(sent, _)] = ether.poll(10_000)
    one.finish()
    assert one.is_clear
    two.poll(10_000)
    assert two.deadline_ms() is None and not two.is_clear
    assert sent.sender == "a"


def test_there_is_room_for_one_frame() -> None:
    radio = Transceiver("a", Ether({}, random.Random(1)), TUNING, random.Random(2))
    radio.send(b"one", 0)
    with pytest.raises(AssertionError):
        radio.send(b"two", 0)
