"""One packet that a Meshtastic radio was given: taken, queued, on air, gone. A pure machine.

The radio says at once whether it takes a packet, and when asked how full its queue is; that a packet is on the air is
known from the queue being empty again. Firmware before 2.3 is silent about its queue: then time must do.
"""

from enum import Enum

from app.radio.dialects.meshtastic_messages import QueueStatus

ANSWER_MS = 5_000
"""A packet's queue status comes at once, unless the radio is just sending."""
QUEUE_MS = 1_000
"""How often the state of the queue is asked for while a frame waits in it."""
QUIET_ALLOWANCE_MS = 8_000
"""Contention in Meshtastic lasts some seconds at LongFast."""
SENDING_ALLOWANCE_MS = 60_000
"""What other people's packets before ours may add before the radio counts as stuck."""


class Step(Enum):
    """What is to be done about the packet now."""

    WAIT = "wait"
    ASK = "ask"
    SENT = "sent"
    UNANSWERED = "unanswered"
    STUCK = "stuck"


class Handover:
    """A packet from the moment it is written to the port."""

    def __init__(self, packet_id: int, airtime_ms: int, now_ms: int) -> None:
        self.packet_id = packet_id
        self._airtime_ms = airtime_ms
        self._answer_due_ms = now_ms + ANSWER_MS
        self._stuck_ms = now_ms + airtime_ms + SENDING_ALLOWANCE_MS
        self._queued_ms: int | None = None
        self._ask_ms: int | None = None
        self._end_ms: int | None = None

    def take(self, status: QueueStatus, now_ms: int) -> None:
        """The state of the queue: the answer to this packet, or to a question about the queue."""
        if status.packet_id == self.packet_id and self._queued_ms is None:
            self._queued_ms = now_ms
            self._ask_ms = now_ms + QUEUE_MS
        if self._queued_ms is not None and self._end_ms is None and status.free >= status.length:
            # Taken from the queue is on the air: it ends when its airtime is over.
            self._end_ms = now_ms + self._airtime_ms

    def poll(self, now_ms: int, *, answers: bool) -> Step:
        """The next step; `answers` says whether the radio ever answered a question about its queue."""
        if self._end_ms is not None:
            return Step.SENT if now_ms >= self._end_ms else Step.WAIT
        if self._queued_ms is None:
            return Step.UNANSWERED if now_ms >= self._answer_due_ms else Step.WAIT
        if now_ms >= self._stuck_ms:
            return Step.STUCK
        if not answers and now_ms >= self._quiet_ms(self._queued_ms):
            return Step.SENT
        if self._ask_ms is not None and now_ms >= self._ask_ms:
            self._ask_ms = now_ms + QUEUE_MS
            return Step.ASK
        return Step.WAIT

    def deadline_ms(self, *, answers: bool) -> int:
        """When to poll again."""
        if self._end_ms is not None:
            return self._end_ms
        if self._queued_ms is None or self._ask_ms is None:
            return self._answer_due_ms
        return min(self._stuck_ms, self._ask_ms, self._stuck_ms if answers else self._quiet_ms(self._queued_ms))

    def _quiet_ms(self, queued_ms: int) -> int:
        return queued_ms + self._airtime_ms + QUIET_ALLOWANCE_MS
